/** Logins: what is counted and known before the password is checked, and what a failed one leaves behind. */
import { sql } from 'drizzle-orm'
import type { Client } from './client.ts'
import { run } from './database.ts'
import { emailKey } from './email-address.ts'
import { insertEvent } from './events.ts'
import { insertMail, owedMail, type OwedMail, type OwedMailRow } from './outbox.ts'
import { attemptsOf, attemptsOfRow, attemptWaitSeconds, countAttempt, isLocked } from './password-attempts.ts'
import { UNKNOWN_ACCOUNT_HASH } from './passwords.ts'
import { bucketOf, failureWaits, limits, take, waitSeconds } from './rate-limits.ts'
import { recordWho } from './request-record.ts'
import type { User } from './sessions.ts'

/** Whom the password would let in. All but `account` get the same hash and the same answer as an unknown address. */
export type LoginSubject =
  | { kind: 'account'; user: User; failures: number }
  | { kind: 'locked'; user: User }
  | { kind: 'registration' }
  | { kind: 'unknown' }

export type LoginAttempt =
  | { kind: 'limited'; waitSeconds: number }
  /** `attempts` names the bucket that it was counted in. */
  | { kind: 'counted'; subject: LoginSubject; passwordHash: string; attempts: string }

/** What the browser's cookies say of it. */
export interface LoginBrowser {
  registrationId: string | undefined
  knownBrowserId: Buffer | undefined
}

interface LoginRow {
  source_wait_seconds: number | null
  attempt_wait_seconds: number | null
  attempts: string
  failures: number | null
  user_id: string | null
  email: string | null
  role: string | null
  password_hash: string | null
  registration_hash: string | null
}

/** Counts an attempt and finds what to check it against. It counts as a failure until it succeeds. */
export async function beginLogin(
  email: string,
  browser: LoginBrowser,
  client: Client,
): Promise<LoginAttempt> {
  const key = emailKey(email)
  const source = bucketOf(limits.loginBySource, client.network)
  const { registrationId = null, knownBrowserId } = browser
  const ofBrowser = knownBrowserId && attemptsOf('login-browser', knownBrowserId.toString('hex'))
  const [row] = await run<LoginRow>(sql`
    WITH source AS (${take(limits.loginBySource, source, sql`true`)}),
    account AS (SELECT id, email, role, password_hash, disabled_at FROM users WHERE email_key = ${key}),
    bucket AS (SELECT coalesce(${ofBrowser ?? sql`NULL`}, (SELECT ${attemptsOfRow('login-account', sql`id`)} FROM account),
      ${attemptsOf('login-account', key)}) AS key),
    attempt AS (${countAttempt(sql`(SELECT key FROM bucket)`, sql`(SELECT id FROM account)`, sql`EXISTS (SELECT FROM source)`)}),
    registration AS (
      SELECT password_hash FROM registrations
      WHERE email_key = ${key} AND spent_at IS NULL AND NOT EXISTS (SELECT FROM account)
      ORDER BY id = ${registrationId}::uuid DESC NULLS LAST, created_at DESC LIMIT 1
    )
    SELECT
      CASE WHEN NOT EXISTS (SELECT FROM source) THEN ${waitSeconds(limits.loginBySource, source)} END AS source_wait_seconds,
      CASE WHEN attempt IS NULL THEN ${attemptWaitSeconds(sql`(SELECT key FROM bucket)`)} END AS attempt_wait_seconds,
      encode(bucket.key, 'hex') AS attempts, attempt.failures,
      account.id AS user_id, account.email, account.role, account.password_hash,
      (SELECT password_hash FROM registration) AS registration_hash
    FROM bucket LEFT JOIN attempt ON true LEFT JOIN account ON account.disabled_at IS NULL`)
  if (row === undefined) throw new Error('the statement answered no row')

  const { attempts, failures } = row
  if (failures === null) {
    return { kind: 'limited', waitSeconds: row.source_wait_seconds ?? row.attempt_wait_seconds ?? 1 }
  }
  if (row.user_id !== null && row.email !== null && row.role !== null && row.password_hash !== null) {
    const user = { id: row.user_id, email: row.email, role: row.role }
    recordWho(user.id)
    const subject = checkedSubject(user, failures)
    return { kind: 'counted', subject, passwordHash: row.password_hash, attempts }
  }
  if (row.registration_hash !== null) {
    return {
      kind: 'counted',
      subject: { kind: 'registration' },
      passwordHash: row.registration_hash,
      attempts,
    }
  }
  return { kind: 'counted', subject: { kind: 'unknown' }, passwordHash: UNKNOWN_ACCOUNT_HASH, attempts }
}

export type CheckedSubject = Extract<LoginSubject, { kind: 'account' | 'locked' }>

/** An account whose password is about to be checked, by the failures in a row that its bucket has, this attempt among them. */
export function checkedSubject(user: User, failures: number): CheckedSubject {
  return isLocked(failures) ? { kind: 'locked', user } : { kind: 'account', user, failures }
}

/** Writes the event of a failed login. The failure that locks the password owes its owner a mail. */
export async function recordFailedLogin(
  subject: LoginSubject,
  client: Client,
): Promise<OwedMail | undefined> {
  const user = subject.kind === 'account' || subject.kind === 'locked' ? subject.user : undefined
  const userId = sql`${user?.id ?? null}::uuid`
  const locks = sql`WHERE ${subject.kind === 'account' && subject.failures === failureWaits.lockedAt}`
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
