/** Removes what is no longer needed. Each table has its own statement, so a large one does not hold up the others. */
import { sql, type SQL } from 'drizzle-orm'
import { run } from './database.ts'
import { log } from './log.ts'
import { failureWaits } from './rate-limits.ts'
import { REGISTRATION_LIFETIME_SECONDS } from './registrations.ts'

/** How long a spent token and a sent mail are kept, to be able to tell what happened. An ended session: until its absolute end. */
export const KEEP_ENDED_SECONDS = 30 * 24 * 60 * 60

/** How long an event keeps the IP address. The event itself stays. */
export const KEEP_EVENT_IP_SECONDS = 90 * 24 * 60 * 60

/** At most so many rows of a table a statement, so that none of them runs into the time limit of a call. */
export const BATCH_SIZE = 10_000
/** With the mails before it well within the 300 s that a function has: what is left goes the next time. */
const REMOVAL_TIME_MS = 60_000

export interface RemovedCounts {
  registrations: number
  sessions: number
  mailTokens: number
  mails: number
  rateLimits: number
  passwordAttempts: number
  /** IP addresses taken out of events. */
  eventIps: number
}

type Removable = keyof RemovedCounts

export interface Removal {
  removed: RemovedCounts
  /** Of what there was more than there was time for, or what could not be removed. */
  left: Removable[]
}

/** Batch by batch, each table in turn, until nothing is left or the time is up. */
export async function removeExpired(): Promise<Removal> {
  const removed: RemovedCounts = {
    registrations: 0,
    sessions: 0,
    mailTokens: 0,
    mails: 0,
    rateLimits: 0,
    passwordAttempts: 0,
    eventIps: 0,
  }
  const deadline = Date.now() + REMOVAL_TIME_MS
  const failed: Removable[] = []
  let left = removals()
  do {
    const full: typeof left = []
    for (const [name, statement] of left) {
      try {
        const [row] = await run<{ removed: number }>(statement)
        const count = row?.removed ?? 0
        removed[name] += count
        if (count === BATCH_SIZE) full.push([name, statement])
      } catch (error) {
        // One table does not hold up the others.
        log('error', 'not-removed', {
          reason: `${name}: ${error instanceof Error ? error.message : 'unknown'}`,
        })
        failed.push(name)
      }
    }
    left = full
  } while (left.length > 0 && Date.now() < deadline)
  return { removed, left: [...failed, ...left.map(([name]) => name)] }
}

/** In the order of their turns. A statement answers how many rows it removed: `BATCH_SIZE` when there may be more. */
export function removals(): [Removable, SQL][] {
  const old = sql`now() - make_interval(secs => ${KEEP_ENDED_SECONDS})`
  // What was tried at an account is kept as long as the rest, and what is locked as long as the account.
  const forgettable = sql`next_attempt_at < now() - interval '1 day' AND (user_id IS NULL OR next_attempt_at < ${old}
    AND (failures < ${failureWaits.lockedAt} OR NOT EXISTS (SELECT FROM users WHERE users.id = user_id)))`
  const over = sql`(sent_at IS NOT NULL OR failed_at IS NOT NULL)`
  const unproven = sql`now() - make_interval(secs => ${REGISTRATION_LIFETIME_SECONDS})`
  return [
    ['registrations', remove('registrations', 'id', sql`created_at < ${unproven} ORDER BY created_at`)],
    // However it ended. Its absolute end is 30 days after it began, so nothing that ended in it is kept for longer.
    ['sessions', remove('sessions', 'id', sql`ends_at < now() ORDER BY ends_at`)],
    ['mailTokens', remove('mail_tokens', 'id', sql`expires_at < ${old} ORDER BY expires_at`)],
    ['mails', remove('outbox', 'id', sql`created_at < ${old} AND ${over} ORDER BY created_at`)],
    ['rateLimits', remove('rate_limits', 'key', sql`theoretical_arrival_at < now()`)],
    ['passwordAttempts', remove('password_attempts', 'key', forgettable)],
    ['eventIps', removeEventIps()],
  ]
}

function removeEventIps(): SQL {
  return sql`
    WITH removed AS (
      UPDATE events SET ip = NULL WHERE id = ANY (ARRAY(
        SELECT id FROM events WHERE ip IS NOT NULL AND at < now() - make_interval(secs => ${KEEP_EVENT_IP_SECONDS})
        ORDER BY at LIMIT ${BATCH_SIZE} FOR UPDATE SKIP LOCKED))
      RETURNING 1
    )
    SELECT count(*)::int AS removed FROM removed`
}

/** An array of keys is looked up by its index; `IN (SELECT …)` would have the whole table read beside it. */
function remove(table: string, key: string, which: SQL): SQL {
  return sql`
    WITH removed AS (
      DELETE FROM ${sql.identifier(table)} WHERE ${sql.identifier(key)} = ANY (ARRAY(
        SELECT ${sql.identifier(key)} FROM ${sql.identifier(table)} WHERE ${which}
        LIMIT ${BATCH_SIZE} FOR UPDATE SKIP LOCKED))
      RETURNING 1
    )
    SELECT count(*)::int AS removed FROM removed`
}
