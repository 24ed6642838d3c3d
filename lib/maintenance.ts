/** Removes what is no longer needed. Each table has its own statement, so a large one does not hold up the others. */
import { sql, type SQL } from 'drizzle-orm'
import { run } from './database.ts'
import { failureWaits } from './rate-limits.ts'
import { REGISTRATION_LIFETIME_SECONDS } from './registrations.ts'

/** How long an ended session, a spent token and a sent mail are kept, to be able to tell what happened. */
export const KEEP_ENDED_SECONDS = 30 * 24 * 60 * 60

/** How long an event keeps the IP address. The event itself stays. */
export const KEEP_EVENT_IP_SECONDS = 90 * 24 * 60 * 60

/** At most so many rows of a table a statement: what is left goes the next time. */
export const BATCH_SIZE = 10_000

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

/** `by` runs the statements: the functions' way to the database, or an operator's. */
export async function removeExpired(by: typeof run = run): Promise<RemovedCounts> {
  const removed = async (statement: SQL) => (await by<{ removed: number }>(statement))[0]?.removed ?? 0
  const old = sql`now() - make_interval(secs => ${KEEP_ENDED_SECONDS})`
  // What was tried at an account is kept as long as the rest, and what is locked as long as the account.
  const forgettable = sql`next_attempt_at < now() - interval '1 day' AND (user_id IS NULL OR next_attempt_at < ${old}
    AND (failures < ${failureWaits.lockedAt} OR NOT EXISTS (SELECT FROM users WHERE users.id = user_id)))`
  const unproven = sql`now() - make_interval(secs => ${REGISTRATION_LIFETIME_SECONDS})`
  return {
    registrations: await removed(remove('registrations', 'id', sql`created_at < ${unproven}`)),
    sessions: await removed(
      remove('sessions', 'id', sql`ends_at < now() OR expires_at < ${old} OR revoked_at < ${old}`),
    ),
    mailTokens: await removed(remove('mail_tokens', 'id', sql`expires_at < ${old}`)),
    mails: await removed(
      remove('outbox', 'id', sql`created_at < ${old} AND (sent_at IS NOT NULL OR failed_at IS NOT NULL)`),
    ),
    rateLimits: await removed(remove('rate_limits', 'key', sql`theoretical_arrival_at < now()`)),
    passwordAttempts: await removed(remove('password_attempts', 'key', forgettable)),
    eventIps: await removed(removeEventIps()),
  }
}

function removeEventIps(): SQL {
  return sql`
    WITH removed AS (
      UPDATE events SET ip = NULL WHERE id IN (
        SELECT id FROM events WHERE ip IS NOT NULL AND at < now() - make_interval(secs => ${KEEP_EVENT_IP_SECONDS})
        LIMIT ${BATCH_SIZE} FOR UPDATE SKIP LOCKED)
      RETURNING 1
    )
    SELECT count(*)::int AS removed FROM removed`
}

function remove(table: string, key: string, condition: SQL): SQL {
  return sql`
    WITH removed AS (
      DELETE FROM ${sql.identifier(table)} WHERE ${sql.identifier(key)} IN (
        SELECT ${sql.identifier(key)} FROM ${sql.identifier(table)} WHERE ${condition}
        LIMIT ${BATCH_SIZE} FOR UPDATE SKIP LOCKED)
      RETURNING 1
    )
    SELECT count(*)::int AS removed FROM removed`
}
