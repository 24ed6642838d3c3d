/**
 * Accounts: read, change and delete. Every change asks for the current password again, which is counted like a login:
 * a stolen session alone changes nothing and cannot guess its way through.
 */
import { sql, type SQL } from 'drizzle-orm'
import { v7 as newId } from 'uuid'
import type { Client } from './client.ts'
import { instant, isUniqueViolation, run, runTogether } from './database.ts'
import { emailKey } from './email-address.ts'
import { insertEvent } from './events.ts'
import { checkedSubject, type CheckedSubject } from './logins.ts'
import { EMAIL_CHANGE_LINK_LIFETIME_SECONDS, expiryIn } from './mail-token.ts'
import { insertMail, owedMail, type OwedMail, type OwedMailRow } from './outbox.ts'
import { lockAccountOf } from './resets.ts'
import {
  attemptsOfRow,
  attemptWaitSeconds,
  countAttempt,
  forgetAllAttempts,
  forgetAttempts,
} from './password-attempts.ts'
import { bucketOf, bucketOfRow, limits, take, takeBucket, waitSeconds } from './rate-limits.ts'
import {
  endSessions,
  insertSession,
  liveSession,
  LIVE_SESSION_COLUMNS,
  sessionOf,
  type Credential,
  type LiveSession,
  type LiveSessionRow,
  type User,
} from './sessions.ts'
import { newFamily } from './refresh-token.ts'
import { recordWho } from './request-record.ts'

export type Reauthentication =
  /** The credential stands for no live session. */
  | { kind: 'signed-out' }
  | { kind: 'limited'; waitSeconds: number }
  /** The attempt counts as a failure until it succeeds. */
  | { kind: 'counted'; subject: CheckedSubject; sessionId: string; passwordHash: string }

interface ReauthenticationRow {
  account_wait_seconds: number | null
  attempt_wait_seconds: number | null
  failures: number | null
  user_id: string
  session_id: string
  email: string
  role: string
  password_hash: string
}

/**
 * Counts an attempt at the current password and finds what to check it against. The session has a bucket of its own: what strangers
 * try at login does not keep the owner from changing the password.
 */
export async function beginReauthentication(credential: Credential): Promise<Reauthentication> {
  const limit = limits.passwordCheckByAccount
  const bucket = bucketOfRow(limit, sql`(SELECT user_id FROM me)`)
  const attempts = attemptsOfRow('password-check-session', sql`(SELECT id FROM me)`)
  const [row] = await run<ReauthenticationRow>(sql`
    WITH me AS (${sessionOf(credential)}),
    taken AS (${take(limit, bucket, sql`EXISTS (SELECT FROM me)`)}),
    attempt AS (${countAttempt(attempts, sql`(SELECT user_id FROM me)`, sql`EXISTS (SELECT FROM taken)`)})
    SELECT
      CASE WHEN NOT EXISTS (SELECT FROM taken) THEN ${waitSeconds(limit, bucket)} END AS account_wait_seconds,
      CASE WHEN attempt IS NULL THEN ${attemptWaitSeconds(attempts)} END AS attempt_wait_seconds,
      attempt.failures, me.user_id, me.id AS session_id, me.email, me.role,
      (SELECT password_hash FROM users WHERE id = me.user_id) AS password_hash
    FROM me LEFT JOIN attempt ON true`)
  if (row === undefined) return { kind: 'signed-out' }
  if (row.failures === null) {
    return { kind: 'limited', waitSeconds: row.account_wait_seconds ?? row.attempt_wait_seconds ?? 1 }
  }
  const user = { id: row.user_id, email: row.email, role: row.role }
  recordWho(user.id, row.session_id)
  return {
    kind: 'counted',
    subject: checkedSubject(user, row.failures),
    sessionId: row.session_id,
    passwordHash: row.password_hash,
  }
}

/** Somebody whose current password was checked a moment ago. */
export interface Reauthenticated {
  credential: Credential
  user: User
  sessionId: string
  /** The hash that the password was checked against: when it is another one by now, nothing is changed. */
  passwordHash: string
}

/**
 * Held until the change is done: the account's row, then its sessions' in the order of their ids, as everything that ends
 * several of them locks them. So nothing ends half way through, and no two of these wait for one another.
 */
function locks({ user }: Reauthenticated): [SQL, SQL] {
  return [
    sql`SELECT FROM users WHERE id = ${user.id}::uuid FOR NO KEY UPDATE`,
    sql`SELECT FROM sessions WHERE user_id = ${user.id}::uuid AND revoked_at IS NULL ORDER BY id FOR NO KEY UPDATE`,
  ]
}

/** Common table expression `me`, and the condition that its account's password is still the one that was checked. */
function reauthenticated({ credential, passwordHash }: Reauthenticated): { me: SQL; isOwner: SQL } {
  return {
    me: sql`me AS (${sessionOf(credential)})`,
    isOwner: sql`id = (SELECT user_id FROM me) AND password_hash = ${passwordHash}`,
  }
}

export interface PasswordChange {
  session: LiveSession
  mail: OwedMail
}

/**
 * Sets the password. Every other session ends; this one is replaced by one of a new family with the same absolute end, so
 * a copied token of either is worth nothing. Undefined when the session or the password changed meanwhile.
 */
export async function changePassword(
  owner: Reauthenticated,
  newPasswordHash: string,
  client: Client,
): Promise<PasswordChange | undefined> {
  const token = { family: newFamily(), generation: 0 }
  const { me, isOwner } = reauthenticated(owner)
  const [row] = await runTogether<LiveSessionRow & { mail: OwedMailRow }>(
    ...locks(owner),
    sql`WITH ${me},
    account AS (
      UPDATE users SET password_hash = ${newPasswordHash}, updated_at = now() WHERE ${isOwner} RETURNING id, email
    ),
    unlocked AS (${forgetAllAttempts(sql`(SELECT id FROM account)`)}),
    ${endSessions(
      sql`user_id = (SELECT id FROM account)`,
      sql`CASE WHEN id = ${owner.sessionId}::uuid THEN 'replaced' ELSE 'password-change' END`,
      client,
    )},
    ${insertSession(token, sql`me.ends_at`, client, sql`FROM account, me`)},
    event AS (${insertEvent('password-changed', client, { userId: sql`id` }, sql`FROM account`)}),
    mail AS (${insertMail('password-changed', { recipient: sql`email` }, sql`FROM account`)})
    SELECT ${LIVE_SESSION_COLUMNS}, (SELECT to_jsonb(mail) FROM mail) AS mail FROM opened`,
  )
  return row && { session: liveSession(row, owner.user, token), mail: owedMail(row.mail) }
}

export type EmailChangeRequest =
  | { kind: 'accepted'; mails: OwedMail[] }
  | { kind: 'limited'; waitSeconds: number }
  /** The session or the password is another one by now: nothing was done. */
  | { kind: 'changed-meanwhile' }

/**
 * Owes both addresses a mail: the new one a link to confirm, the old one a link to stop it. Nothing is changed before the new
 * one is confirmed. Where the new address has an account already, its owner hears of that instead, and nobody else does.
 */
export async function requestEmailChange(
  owner: Reauthenticated,
  newEmail: string,
  client: Client,
): Promise<EmailChangeRequest> {
  const newKey = emailKey(newEmail)
  const expiresAt = expiryIn(EMAIL_CHANGE_LINK_LIFETIME_SECONDS)
  const limit = limits.mailByAddress
  const ownLimit = limits.emailChangeByAccount
  const ownBucket = bucketOfRow(ownLimit, sql`(SELECT id FROM asking)`)
  const { me, isOwner } = reauthenticated(owner)
  const rows = await runTogether<{ wait_seconds: number | null; mails: OwedMailRow[] }>(
    ...locks(owner),
    sql`WITH ${me},
    asking AS (SELECT id, email FROM users WHERE ${isOwner}),
    own AS (${take(ownLimit, ownBucket, sql`EXISTS (SELECT FROM asking)`)}),
    account AS (SELECT id, email FROM asking WHERE EXISTS (SELECT FROM own)),
    forgotten AS (${forgetAttempts(attemptsOfRow('password-check-session', sql`(SELECT id FROM me)`), sql`EXISTS (SELECT FROM account)`)}),
    taken AS (${take(limit, bucketOf(limit, newKey), sql`EXISTS (SELECT FROM account)`)}),
    other_owner AS (SELECT email FROM users WHERE email_key = ${newKey} AND id <> (SELECT id FROM account)),
    token AS (
      INSERT INTO mail_tokens (id, user_id, purpose, new_email, new_email_key, expires_at)
      SELECT ${newId()}::uuid, id, 'email-change', ${newEmail}, ${newKey}, ${instant(expiresAt)} FROM account
      ON CONFLICT (user_id, purpose) DO UPDATE SET id = excluded.id, new_email = excluded.new_email,
        new_email_key = excluded.new_email_key, expires_at = excluded.expires_at, spent_at = NULL
      RETURNING id
    ),
    event AS (${insertEvent('email-change-requested', client, { userId: sql`id` }, sql`FROM account`)}),
    mail_to_new AS (${insertMail(
      'confirm-email-change',
      { recipient: sql`${newEmail}::text`, tokenId: sql`token.id`, tokenExpiresAt: instant(expiresAt) },
      sql`FROM token, taken WHERE NOT EXISTS (SELECT FROM other_owner)`,
    )}),
    mail_to_other AS (${insertMail('already-registered', { recipient: sql`email` }, sql`FROM other_owner, taken`)}),
    mail_to_old AS (${insertMail(
      'email-change-requested',
      { recipient: sql`account.email`, tokenId: sql`token.id`, tokenExpiresAt: instant(expiresAt) },
      sql`FROM account, token`,
    )}),
    mails AS (SELECT * FROM mail_to_new UNION ALL SELECT * FROM mail_to_other UNION ALL SELECT * FROM mail_to_old)
    SELECT CASE WHEN NOT EXISTS (SELECT FROM own) THEN ${waitSeconds(ownLimit, ownBucket)} END AS wait_seconds,
      (SELECT coalesce(jsonb_agg(mails), '[]') FROM mails) AS mails
    FROM asking`,
  )
  const [row] = rows
  if (row === undefined) return { kind: 'changed-meanwhile' }
  if (row.wait_seconds !== null) return { kind: 'limited', waitSeconds: row.wait_seconds }
  return { kind: 'accepted', mails: row.mails.map(owedMail) }
}

export type EmailConfirmation =
  | { kind: 'confirmed'; mail: OwedMail }
  /** Used, stopped or replaced before, or the address has another account by now. */
  | { kind: 'spent' }
  /** Not spent: the one who presents it must still prove to be the account's owner. */
  | { kind: 'unproven'; passwordHash: string }
  | { kind: 'limited'; waitSeconds: number }

interface EmailConfirmationRow {
  wait_seconds: number | null
  password_hash: string
  proven: boolean
  mail: OwedMailRow | null
}

/**
 * Spends an email change's token, when `credential` is a live session of the same account or `proven`. A reset link that went to
 * the old address opens nothing any more.
 */
export async function confirmEmailChange(
  tokenId: string,
  credential: Credential | undefined,
  proven: boolean,
  client: Client,
): Promise<EmailConfirmation> {
  const { taken, wait } = takeBucket(limits.linkByToken, tokenId)
  const me = credential === undefined ? sql`SELECT NULL::uuid AS user_id` : sessionOf(credential)
  const statement = sql`
    WITH me AS (${me}),
    ${taken},
    token AS (
      SELECT t.id, t.user_id, u.email AS old_email, u.password_hash,
        ${proven} OR t.user_id IN (SELECT user_id FROM me) AS proven
      FROM mail_tokens t JOIN users u ON u.id = t.user_id
      WHERE t.id = ${tokenId}::uuid AND t.purpose = 'email-change' AND t.spent_at IS NULL AND t.expires_at > now()
        AND u.disabled_at IS NULL
    ),
    spent AS (
      UPDATE mail_tokens SET spent_at = now()
      WHERE id = (SELECT id FROM token WHERE proven) AND spent_at IS NULL AND EXISTS (SELECT FROM taken)
      RETURNING user_id, new_email, new_email_key
    ),
    account AS (
      UPDATE users SET email = spent.new_email, email_key = spent.new_email_key, email_verified_at = now(), updated_at = now()
      FROM spent WHERE users.id = spent.user_id
        AND NOT EXISTS (SELECT FROM users u WHERE u.email_key = spent.new_email_key AND u.id <> spent.user_id)
      RETURNING users.id
    ),
    voided AS (DELETE FROM mail_tokens WHERE purpose = 'reset' AND user_id IN (SELECT id FROM account)),
    event AS (${insertEvent('email-changed', client, { userId: sql`id` }, sql`FROM account`)}),
    mail AS (${insertMail('email-changed', { recipient: sql`token.old_email` }, sql`FROM account, token`)})
    SELECT ${wait},
      password_hash, (SELECT to_jsonb(mail) FROM mail) AS mail, proven FROM token`
  const [row] = await runTogether<EmailConfirmationRow>(lockAccountOf(tokenId), statement).catch(
    (error: unknown) => {
      // Somebody registered that address between our look and our write: nothing was written.
      if (isUniqueViolation(error)) return []
      throw error
    },
  )
  if (row === undefined) return { kind: 'spent' }
  if (row.wait_seconds !== null) return { kind: 'limited', waitSeconds: row.wait_seconds }
  if (row.mail !== null) return { kind: 'confirmed', mail: owedMail(row.mail) }
  return row.proven ? { kind: 'spent' } : { kind: 'unproven', passwordHash: row.password_hash }
}

/** The old address's link: the change will not happen. False when there is nothing left to stop. */
export async function stopEmailChange(tokenId: string, client: Client): Promise<boolean> {
  const rows = await run<{ user_id: string }>(sql`
    WITH stopped AS (
      UPDATE mail_tokens SET spent_at = now()
      WHERE id = ${tokenId}::uuid AND purpose = 'email-change' AND spent_at IS NULL AND expires_at > now()
      RETURNING user_id
    ),
    event AS (${insertEvent('email-change-stopped', client, { userId: sql`user_id` }, sql`FROM stopped`)})
    SELECT user_id FROM stopped`)
  return rows.length > 0
}

/**
 * Deletes the account with its sessions, tokens, registrations and mails; its events keep neither address nor client. Undefined
 * when the session or the password changed meanwhile.
 */
export async function deleteAccount(owner: Reauthenticated, client: Client): Promise<OwedMail | undefined> {
  const [row] = await runTogether<OwedMailRow>(
    ...locks(owner),
    sql`WITH me AS (${sessionOf(owner.credential)}),
    account AS (
      DELETE FROM users WHERE id = (SELECT user_id FROM me) AND password_hash = ${owner.passwordHash}
      RETURNING id, email, email_key
    ),
    no_registrations AS (DELETE FROM registrations WHERE email_key IN (SELECT email_key FROM account)),
    no_attempts AS (${forgetAllAttempts(sql`(SELECT id FROM account)`)}),
    no_mails AS (DELETE FROM outbox WHERE recipient IN (SELECT email FROM account)),
    bare_events AS (UPDATE events SET ip = NULL WHERE user_id IN (SELECT id FROM account)),
    event AS (${insertEvent('account-deleted', { ...client, ip: null }, { userId: sql`id` }, sql`FROM account`)}),
    mail AS (${insertMail('account-deleted', { recipient: sql`email` }, sql`FROM account`)})
    SELECT * FROM mail`,
  )
  return row && owedMail(row)
}
