/**
 * What maintenance removes, at once and until nothing is left, and the old end of the trail. The functions' role may not take
 * events away, so that nobody who gets hold of it can wipe out a trace: that is left to whoever has the owner's address.
 */
import { sql } from 'drizzle-orm'
import { removeExpired } from '../lib/maintenance.ts'
import { insertEvent } from '../lib/events.ts'
import type { Call, Command, Outcome } from './call.ts'
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
  for (let more = true; more;) {
    const part = await removeExpired((statement) => database.change(statement))
    for (const [name, count] of Object.entries(part.removed)) removed[name] = (removed[name] ?? 0) + count
    more = part.left.length > 0
  }
  const [row] = await database.change<{ events: number }>(sql`
    WITH gone AS (DELETE FROM events WHERE at < ${old} RETURNING 1),
    counted AS (SELECT count(*)::int AS count FROM gone),
    event AS (${insertEvent(
      'events-purged',
      call.client,
      { detail: sql`jsonb_build_object('count', count, 'before', ${old}, 'by', 'operator')` },
      sql`FROM counted WHERE count > 0`,
    )})
    SELECT count AS events FROM counted`)
  removed['events'] = row?.events ?? 0
  return {
    kind: 'answer',
    data: { removed },
    text: `Removed:\n${list(Object.entries(removed).map(([name, count]) => [NAMES[name] ?? name, count]))}`,
  }
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
