/** Resets: a mailed link that sets a new password and ends every session. */
import { sql, type SQL } from 'drizzle-orm'
import { v7 as newId } from 'uuid'
import type { Client } from './client.ts'
import { instant, run, runTogether } from './database.ts'
import { emailKey } from './email-address.ts'
import { insertEvent } from './events.ts'
import { isMailCode, MAX_CODE_ATTEMPTS } from './mail-code.ts'
import { expiryIn, RESET_LINK_LIFETIME_SECONDS } from './mail-token.ts'
import { mailRequest, type MailRequest, type MailRequestRow } from './mail-requests.ts'
import { insertMail, owedMail, type OwedMail, type OwedMailRow } from './outbox.ts'
import { forgetAllAttempts } from './password-attempts.ts'
import { limits, takeBucket, takeBuckets, type BucketWaits } from './rate-limits.ts'
import type { CodeAttempt } from './registrations.ts'
import { endSessions } from './sessions.ts'

/** Owes the account's owner a link. It takes the place of an older one, which opens nothing any more. */
export async function requestReset(email: string, client: Client): Promise<MailRequest> {
  const key = emailKey(email)
  const expiresAt = expiryIn(RESET_LINK_LIFETIME_SECONDS)
  const { taken, waits } = takeBuckets(limits.mailBySource, client.network, limits.mailByAddress, key)
  const [row] = await run<MailRequestRow>(sql`
    WITH ${taken},
    account AS (
      SELECT id, email FROM users
      WHERE email_key = ${key} AND disabled_at IS NULL AND EXISTS (SELECT FROM address)
      FOR KEY SHARE
    ),
    ${oweResetLink('reset-password', expiresAt)},
    event AS (${insertEvent('reset-requested', client, { userId: sql`(SELECT id FROM account)` }, sql`FROM address`)})
    SELECT ${waits}, (SELECT to_jsonb(mail) FROM mail) AS mail`)
  return mailRequest(row)
}

/**
 * Common table expressions `token` and `mail`: a link for the account that `account` (`id`, `email`) yields, in the place of an
 * older one.
 */
export function oweResetLink(kind: 'reset-password' | 'reset-required', expiresAt: Date): SQL {
  return sql`
    token AS (
      INSERT INTO mail_tokens (id, user_id, purpose, expires_at)
      SELECT ${newId()}::uuid, id, 'reset', ${instant(expiresAt)} FROM account
      ON CONFLICT (user_id, purpose)
        DO UPDATE SET id = excluded.id, expires_at = excluded.expires_at, code_attempts = 0, spent_at = NULL
      RETURNING id
    ),
    mail AS (${insertMail(
      kind,
      { recipient: sql`account.email`, tokenId: sql`token.id`, tokenExpiresAt: instant(expiresAt) },
      sql`FROM account, token`,
    )})`
}

export type Reset =
  | { kind: 'done'; mail: OwedMail }
  | { kind: 'spent' }
  | { kind: 'limited'; waitSeconds: number }

interface CodeCandidateRow extends BucketWaits {
  id: string | null
  expires_at: string | null
}

/** Counts an attempt at the code of an address's reset mail. Nothing is spent yet. */
export async function tryResetCode(
  email: string,
  code: string,
  client: Client,
): Promise<CodeAttempt<{ id: string }>> {
  const key = emailKey(email)
  const { taken, waits } = takeBuckets(limits.codeBySource, client.network, limits.codeByAddress, key)
  const [row] = await run<CodeCandidateRow>(sql`
    WITH ${taken},
    candidate AS (
      UPDATE mail_tokens t SET code_attempts = t.code_attempts + 1
      FROM users u
      WHERE u.email_key = ${key} AND u.disabled_at IS NULL AND t.user_id = u.id AND t.purpose = 'reset'
        AND t.spent_at IS NULL AND t.expires_at > now() AND t.code_attempts < ${MAX_CODE_ATTEMPTS}
        AND EXISTS (SELECT FROM address)
      RETURNING t.id, t.expires_at
    )
    SELECT ${waits}, candidate.* FROM (SELECT) AS always LEFT JOIN candidate ON true`)
  const wait = row?.source_wait_seconds ?? row?.address_wait_seconds
  if (typeof wait === 'number') return { kind: 'limited', waitSeconds: wait }
  const { id, expires_at: expiresAt } = row ?? {}
  if (!id || !expiresAt) return { kind: 'wrong' }
  const isRight = isMailCode('reset-mail', { id, expiresAt: new Date(expiresAt) }, code)
  return isRight ? { kind: 'right', match: { id } } : { kind: 'wrong' }
}

/** Locks the account that a mail token is for. Accounts are always locked before their tokens and sessions. */
export function lockAccountOf(tokenId: string): SQL {
  return sql`SELECT FROM users WHERE id = (SELECT user_id FROM mail_tokens WHERE id = ${tokenId}::uuid) FOR NO KEY UPDATE`
}

/**
 * Spends the token, sets the password, unlocks it and ends every session, all or nothing. The statement proper begins once the
 * account's row is locked, so it sees every session that a racing login opened.
 */
export async function resetPassword(tokenId: string, passwordHash: string, client: Client): Promise<Reset> {
  const { taken, wait } = takeBucket(limits.linkByToken, tokenId)
  const [row] = await runTogether<{ wait_seconds: number | null; mail: OwedMailRow | null }>(
    lockAccountOf(tokenId),
    sql`WITH ${taken},
    token AS (
      UPDATE mail_tokens SET spent_at = now()
      WHERE id = ${tokenId}::uuid AND purpose = 'reset' AND spent_at IS NULL AND expires_at > now()
        AND EXISTS (SELECT FROM taken)
        AND EXISTS (SELECT FROM users WHERE users.id = mail_tokens.user_id AND users.disabled_at IS NULL)
      RETURNING user_id
    ),
    account AS (
      UPDATE users SET password_hash = ${passwordHash}, updated_at = now()
      WHERE id = (SELECT user_id FROM token)
      RETURNING id, email
    ),
    unlocked AS (${forgetAllAttempts(sql`(SELECT id FROM account)`)}),
    ${endSessions(sql`user_id IN (SELECT id FROM account)`, 'reset', client)},
    event AS (${insertEvent('password-reset', client, { userId: sql`id` }, sql`FROM account`)}),
    mail AS (${insertMail('password-reset', { recipient: sql`email` }, sql`FROM account`)})
    SELECT (SELECT to_jsonb(mail) FROM mail) AS mail,
      ${wait}`,
  )
  if (row === undefined) throw new Error('the statement answered no row')
  if (row.wait_seconds !== null) return { kind: 'limited', waitSeconds: row.wait_seconds }
  return row.mail === null ? { kind: 'spent' } : { kind: 'done', mail: owedMail(row.mail) }
}
