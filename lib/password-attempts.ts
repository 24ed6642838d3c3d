/**
 * Attempts at a password, counted before the check, so parallel guesses cannot outrun the count. From the fifth failure in a row
 * each one makes the next wait longer; at a hundred the password is locked until it is reset (NIST SP 800-63B-4, 3.2.2).
 *
 * An account, each browser that its owner has signed in with and each signed-in session have buckets of their own, so a
 * stranger's guesses close only the stranger's way. An address without an account has one like an account's.
 */
import { sql, type SQL } from 'drizzle-orm'
import { bucketOf, bucketOfRow, failureWaits } from './rate-limits.ts'

/** What a bucket belongs to: a part of its key. */
type Holder = 'login-account' | 'login-browser' | 'password-check-session'

/** The bucket of a subject that the request names. */
export function attemptsOf(holder: Holder, subject: string): SQL {
  return bucketOf({ name: holder }, subject)
}

/** The bucket of a row that the statement itself finds. */
export function attemptsOfRow(holder: Holder, id: SQL): SQL {
  return bucketOfRow({ name: holder }, id)
}

/**
 * Counts an attempt, when `condition` holds: a statement that yields `failures` in a row, this attempt among them, or no row when
 * it came too early. What comes too early is not counted.
 */
export function countAttempt(key: SQL, userId: SQL, condition: SQL): SQL {
  const { waitsFrom, firstWaitSeconds, longestWaitSeconds, lockedAt } = failureWaits
  return sql`INSERT INTO password_attempts AS bucket (key, user_id, failures, next_attempt_at)
    SELECT ${key}, ${userId}, 1, now() WHERE ${condition}
    ON CONFLICT (key) DO UPDATE SET
      failures = least(bucket.failures, ${lockedAt}::int) + 1,
      next_attempt_at = now() + CASE WHEN bucket.failures + 1 < ${waitsFrom}::int THEN interval '0'
        ELSE make_interval(secs => least(${longestWaitSeconds}::float8, ${firstWaitSeconds}::float8 * power(2, bucket.failures + 1 - ${waitsFrom}::int))) END
      WHERE bucket.failures < ${waitsFrom}::int OR bucket.next_attempt_at <= now()
    RETURNING failures`
}

/** Whole seconds until the next attempt counts, at least 1. */
export function attemptWaitSeconds(key: SQL): SQL {
  return sql`(SELECT greatest(1, ceil(extract(epoch FROM max(next_attempt_at) - now())))::int
    FROM password_attempts WHERE key = ${key})`
}

/** After a success: the bucket begins anew. */
export function forgetAttempts(key: SQL, condition: SQL): SQL {
  return sql`DELETE FROM password_attempts WHERE key = ${key} AND ${condition}`
}

/** After a new password: every bucket of the account begins anew, so what was locked is open again. */
export function forgetAllAttempts(userId: SQL): SQL {
  return sql`DELETE FROM password_attempts WHERE user_id = ${userId}`
}

/** True when so many failures came before this attempt that not even the right password opens anything. */
export function isLocked(failures: number): boolean {
  return failures > failureWaits.lockedAt
}
