/** Logins: what is counted and known before the password is checked, and what a failed one leaves behind. */
import { sql } from 'drizzle-orm'
import type { Client } from './client.ts'
import { run } from './database.ts'
import { emailKey } from './email-address.ts'
import { insertEvent } from './events.ts'
import { insertMail, owedMail, type OwedMail, type OwedMailRow } from './outbox.ts'
import { UNKNOWN_ACCOUNT_HASH } from './passwords.ts'
import { limits, takeBuckets, type BucketWaits } from './rate-limits.ts'
import type { User } from './sessions.ts'

/** NIST SP 800-63B-4, 3.2.2: after 100 consecutive failures the password opens nothing until it is reset. */
export const MAX_CONSECUTIVE_FAILURES = 100

/** Whom the password would let in. All but `account` get the same hash and the same answer as an unknown address. */
export type LoginSubject =
  | { kind: 'account'; user: User; failures: number }
  | { kind: 'locked'; user: User }
  | { kind: 'registration' }
  | { kind: 'unknown' }

export type LoginAttempt =
  | { kind: 'limited'; waitSeconds: number }
  | { kind: 'counted'; subject: LoginSubject; passwordHash: string }

type LoginRow = BucketWaits & {
  user_id: string | null
  email: string | null
  role: string | null
  failed_logins: number | null
  password_hash: string | null
  registration_hash: string | null
}

/**
 * Counts an attempt and finds what to check it against. It counts as a failure until it succeeds, so parallel guesses
 * cannot outrun the counter.
 */
export async function beginLogin(
  email: string,
  ownRegistrationId: string | undefined,
  client: Client,
): Promise<LoginAttempt> {
  const key = emailKey(email)
  const { taken, waits } = takeBuckets(limits.loginBySource, client.network, limits.loginByAddress, key)
  const [row] = await run<LoginRow>(sql`
    WITH ${taken},
    account AS (
      UPDATE users SET failed_logins = least(failed_logins, ${MAX_CONSECUTIVE_FAILURES}) + 1
      WHERE email_key = ${key} AND disabled_at IS NULL AND EXISTS (SELECT FROM address)
      RETURNING id, email, role, failed_logins, password_hash
    ),
    registration AS (
      SELECT password_hash FROM registrations
      WHERE email_key = ${key} AND spent_at IS NULL AND NOT EXISTS (SELECT FROM users WHERE email_key = ${key})
      ORDER BY id = ${ownRegistrationId ?? null}::uuid DESC NULLS LAST, created_at DESC LIMIT 1
    )
    SELECT ${waits}, account.id AS user_id, account.email, account.role, account.failed_logins, account.password_hash,
      (SELECT password_hash FROM registration) AS registration_hash
    FROM (SELECT) AS always LEFT JOIN account ON true`)
  if (row === undefined) throw new Error('the statement answered no row')

  const waitSeconds = row.source_wait_seconds ?? row.address_wait_seconds
  if (waitSeconds !== null) return { kind: 'limited', waitSeconds }
  if (row.user_id !== null && row.email !== null && row.role !== null && row.password_hash !== null) {
    const user = { id: row.user_id, email: row.email, role: row.role }
    const failures = row.failed_logins ?? 0
    const subject: LoginSubject =
      failures > MAX_CONSECUTIVE_FAILURES ? { kind: 'locked', user } : { kind: 'account', user, failures }
    return { kind: 'counted', subject, passwordHash: row.password_hash }
  }
  if (row.registration_hash !== null) {
    return { kind: 'counted', subject: { kind: 'registration' }, passwordHash: row.registration_hash }
  }
  return { kind: 'counted', subject: { kind: 'unknown' }, passwordHash: UNKNOWN_ACCOUNT_HASH }
}

/** Writes the event of a failed login. The failure that locks the password owes its owner a mail. */
export async function recordFailedLogin(
  subject: LoginSubject,
  client: Client,
): Promise<OwedMail | undefined> {
  const user = subject.kind === 'account' || subject.kind === 'locked' ? subject.user : undefined
  const userId = sql`${user?.id ?? null}::uuid`
  const locks = sql`WHERE ${subject.kind === 'account' && subject.failures === MAX_CONSECUTIVE_FAILURES}`
  const [row] = await run<OwedMailRow>(sql`
    WITH failed_event AS (${insertEvent(
      'login-failed',
      client,
      { userId, detail: sql`jsonb_build_object('subject', ${subject.kind}::text)` },
      sql``,
    )}),
    locked_event AS (${insertEvent('password-locked', client, { userId }, locks)}),
    mail AS (${insertMail('password-locked', { recipient: sql`${user?.email ?? null}` }, locks)})
    SELECT * FROM mail`)
  return row && owedMail(row)
}
