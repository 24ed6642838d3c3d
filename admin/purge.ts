/**
 * What maintenance removes, at once and until nothing is left, and the old end of the trail. The functions' role may not take
 * events away, so that nobody who gets hold of it can wipe out a trace: that is left to whoever has the owner's address.
 */
import { sql } from 'drizzle-orm'
import { insertEvent } from '../lib/events.ts'
import { BATCH_SIZE, removals } from '../lib/maintenance.ts'
import type { Call, Command, Outcome } from './call.ts'
import { afterPart } from './database.ts'
import { counted, list } from './output.ts'

/** A year and its report. */
export const KEEP_EVENTS_DAYS = 400

async function purge(call: Call): Promise<Outcome> {
  const database = await call.database()
  const old = sql`now() - make_interval(days => ${KEEP_EVENTS_DAYS}::int)`
  const [due] = await database.read<{ events: number }>(
    sql`SELECT count(*)::int AS events FROM events WHERE at < ${old}`,
  )
  const refused = await call.confirm(
    `Remove what maintenance removes, all of it, and ${counted(due?.events ?? 0, 'event')} older than ${KEEP_EVENTS_DAYS} days. Nothing of it comes back.`,
  )
  if (refused) return refused

  const removed: Record<string, number> = {}
  const events = sql`
    WITH gone AS (
      DELETE FROM events WHERE id = ANY (ARRAY(SELECT id FROM events WHERE at < ${old} ORDER BY at LIMIT ${BATCH_SIZE}))
      RETURNING 1
    ),
    counted AS (SELECT count(*)::int AS count FROM gone),
    event AS (${insertEvent(
      'events-purged',
      call.client,
      { detail: sql`jsonb_build_object('count', count, 'before', ${old}, 'by', 'operator')` },
      sql`FROM counted WHERE count > 0`,
    )})
    SELECT count AS removed FROM counted`
  for (const [name, statement] of [...removals(), ['events', events] as const]) {
    removed[name] = 0
    for (let count = BATCH_SIZE; count === BATCH_SIZE;) {
      const [row] = await database
        .change<{ removed: number }>(statement)
        .catch(afterPart(`Removed before that:\n${listOf(removed)}`))
      count = row?.removed ?? 0
      removed[name] += count
    }
  }
  return {
    kind: 'answer',
    data: { removed },
    text: `Removed:\n${listOf(removed)}`,
  }
}

function listOf(removed: Record<string, number>): string {
  return list(Object.entries(removed).map(([name, count]) => [NAMES[name] ?? name, count]))
}

const NAMES: Record<string, string> = {
  mailTokens: 'mail tokens',
  rateLimits: 'rate limits',
  passwordAttempts: 'wrong passwords',
  eventIps: 'IP addresses of events',
}

export const purgeCommands: Command[] = [
  {
    name: 'purge',
    summary: `Removes what maintenance would, at once, and events older than ${KEEP_EVENTS_DAYS} days.`,
    changes: true,
    run: purge,
  },
]
