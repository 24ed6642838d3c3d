/**
 * Registrations: the wish for an account, before its address is proven. Spending the mailed token, in the browser that
 * registered or with the registration's password, makes the account. So nobody can register a stranger's
 * address, wait for the stranger to press the link, and own the account.
 */
import { sql } from 'drizzle-orm'
import { v7 as newId } from 'uuid'
import type { Client } from './client.ts'
import { instant, run } from './database.ts'
import { emailKey } from './email-address.ts'
import { insertEvent } from './events.ts'
import { isMailCode, MAX_CODE_ATTEMPTS } from './mail-code.ts'
import { expiryIn, REGISTRATION_LINK_LIFETIME_SECONDS } from './mail-token.ts'
import { mailRequest, type MailRequest, type MailRequestRow } from './mail-requests.ts'
import { insertMail, owedMail, type OwedMail, type OwedMailRow } from './outbox.ts'
import { limits, takeBucket, takeBuckets, type BucketWaits } from './rate-limits.ts'

/** How long an unproven registration is kept; a new link can be had all that time. */
export const REGISTRATION_LIFETIME_SECONDS = 7 * 24 * 60 * 60

/** Takes from the buckets, before the hash is computed. Undefined: go on; a number: seconds to wait. */
export async function admitRegistration(email: string, client: Client): Promise<number | undefined> {
  const { taken, waits } = takeBuckets(
    limits.registerBySource,
    client.network,
    limits.registerByAddress,
    emailKey(email),
  )
  const [row] = await run<BucketWaits>(sql`WITH ${taken} SELECT ${waits}`)
  return row?.source_wait_seconds ?? row?.address_wait_seconds ?? undefined
}

export interface Registration {
  id: string
  email: string
  passwordHash: string
}

export function newRegistrationId(): string {
  return newId()
}

/** Keeps a registration; where the address has an account already, keeps nothing and its owner gets another mail. */
export async function register(registration: Registration, client: Client): Promise<OwedMail | undefined> {
  const { id, email, passwordHash } = registration
  const key = emailKey(email)
  const expiresAt = expiryIn(REGISTRATION_LINK_LIFETIME_SECONDS)
  const [row] = await run<OwedMailRow>(sql`
    WITH owner AS (SELECT id, email FROM users WHERE email_key = ${key}),
    registration AS (
      INSERT INTO registrations (id, email, email_key, password_hash, expires_at)
      SELECT ${id}::uuid, ${email}, ${key}, ${passwordHash}, ${instant(expiresAt)}
      WHERE NOT EXISTS (SELECT FROM owner)
      RETURNING id, email
    ),
    event AS (${insertEvent('registration-requested', client, { userId: sql`(SELECT id FROM owner)` }, sql``)}),
    mail_to_new AS (${insertMail(
      'confirm-registration',
      { recipient: sql`email`, tokenId: sql`id`, tokenExpiresAt: instant(expiresAt) },
      sql`FROM registration`,
    )}),
    mail_to_owner AS (${insertMail('already-registered', { recipient: sql`email` }, sql`FROM owner`)})
    SELECT * FROM mail_to_new UNION ALL SELECT * FROM mail_to_owner`)
  return row && owedMail(row)
}

/** A new link for the registration of this browser, else for the newest of the address; an account's owner hears that there is one. */
export async function requestRegistrationMail(
  email: string,
  ownRegistrationId: string | undefined,
  client: Client,
): Promise<MailRequest> {
  const key = emailKey(email)
  const expiresAt = expiryIn(REGISTRATION_LINK_LIFETIME_SECONDS)
  const { taken, waits } = takeBuckets(limits.mailBySource, client.network, limits.mailByAddress, key)
  const [row] = await run<MailRequestRow>(sql`
    WITH ${taken},
    owner AS (SELECT id, email FROM users WHERE email_key = ${key} AND EXISTS (SELECT FROM address)),
    registration AS (
      UPDATE registrations
      -- A new mail has a new code, even within the second of the one before.
      SET expires_at = greatest(${instant(expiresAt)}, expires_at + interval '1 second'), code_attempts = 0
      WHERE EXISTS (SELECT FROM address) AND NOT EXISTS (SELECT FROM owner) AND id = (
        SELECT id FROM registrations WHERE email_key = ${key} AND spent_at IS NULL
        ORDER BY id = ${ownRegistrationId ?? null}::uuid DESC NULLS LAST, created_at DESC LIMIT 1)
      RETURNING id, email, expires_at
    ),
    event AS (${insertEvent('registration-mail-requested', client, { userId: sql`(SELECT id FROM owner)` }, sql`FROM address`)}),
    mail_to_new AS (${insertMail(
      'confirm-registration',
      { recipient: sql`email`, tokenId: sql`id`, tokenExpiresAt: sql`expires_at` },
      sql`FROM registration`,
    )}),
    mail_to_owner AS (${insertMail('already-registered', { recipient: sql`email` }, sql`FROM owner`)}),
    mail AS (SELECT * FROM mail_to_new UNION ALL SELECT * FROM mail_to_owner)
    SELECT ${waits}, (SELECT to_jsonb(mail) FROM mail) AS mail`)
  return mailRequest(row)
}

/** More pending registrations of one address than a person makes. */
const MAX_CODE_CANDIDATES = 5

export type CodeAttempt<Match> =
  | { kind: 'limited'; waitSeconds: number }
  | { kind: 'wrong' }
  | { kind: 'right'; match: Match }

interface CodeCandidateRow extends BucketWaits {
  id: string | null
  expires_at: string | null
  password_hash: string | null
}

/**
 * Counts an attempt at the code of every pending registration of an address, then finds the one it is right for. Nothing
 * is spent yet.
 */
export async function tryRegistrationCode(
  email: string,
  code: string,
  client: Client,
): Promise<CodeAttempt<{ id: string; passwordHash: string }>> {
  const key = emailKey(email)
  const { taken, waits } = takeBuckets(limits.codeBySource, client.network, limits.codeByAddress, key)
  const rows = await run<CodeCandidateRow>(sql`
    WITH ${taken},
    candidate AS (
      UPDATE registrations SET code_attempts = code_attempts + 1
      WHERE EXISTS (SELECT FROM address) AND code_attempts < ${MAX_CODE_ATTEMPTS} AND id IN (
        SELECT id FROM registrations WHERE email_key = ${key} AND spent_at IS NULL AND expires_at > now()
          AND NOT EXISTS (SELECT FROM users WHERE email_key = ${key})
        ORDER BY created_at DESC LIMIT ${MAX_CODE_CANDIDATES})
      RETURNING id, expires_at, password_hash
    )
    SELECT ${waits}, candidate.* FROM (SELECT) AS always LEFT JOIN candidate ON true`)
  const wait = rows[0]?.source_wait_seconds ?? rows[0]?.address_wait_seconds
  if (typeof wait === 'number') return { kind: 'limited', waitSeconds: wait }
  for (const { id, expires_at: expiresAt, password_hash: passwordHash } of rows) {
    if (id === null || expiresAt === null || passwordHash === null) continue
    if (!isMailCode('registration-mail', { id, expiresAt: new Date(expiresAt) }, code)) continue
    return { kind: 'right', match: { id, passwordHash } }
  }
  return { kind: 'wrong' }
}

export type Spending =
  | { kind: 'account-created' }
  /** Used before, or the address has an account by now. */
  | { kind: 'spent' }
  /** Not spent: the one who presents it must still prove to be the one who registered. */
  | { kind: 'unproven'; passwordHash: string }
  | { kind: 'limited'; waitSeconds: number }

interface SpendingRow {
  wait_seconds: number | null
  account_id: string | null
  password_hash: string | null
  spent: boolean | null
}

/** Spends a registration and makes its account, when `proven`; otherwise only tells how it stands. */
export async function spendRegistration(id: string, proven: boolean, client: Client): Promise<Spending> {
  const { taken, wait } = takeBucket(limits.linkByToken, id)
  const [row] = await run<SpendingRow>(sql`
    WITH ${taken},
    spent AS (
      UPDATE registrations r SET spent_at = now()
      WHERE id = ${id}::uuid AND ${proven} AND spent_at IS NULL AND EXISTS (SELECT FROM taken)
        AND NOT EXISTS (SELECT FROM users WHERE users.email_key = r.email_key)
      RETURNING email, email_key, password_hash
    ),
    account AS (
      INSERT INTO users (id, email, email_key, password_hash, email_verified_at)
      SELECT ${newId()}::uuid, email, email_key, password_hash, now() FROM spent
      ON CONFLICT (email_key) DO NOTHING
      RETURNING id
    ),
    event AS (${insertEvent('account-created', client, { userId: sql`id` }, sql`FROM account`)})
    SELECT ${wait},
      (SELECT id FROM account) AS account_id, r.password_hash,
      r.spent_at IS NOT NULL OR EXISTS (SELECT FROM users WHERE users.email_key = r.email_key) AS spent
    FROM registrations r WHERE r.id = ${id}::uuid`)
  if (row === undefined) return { kind: 'spent' }
  if (row.wait_seconds !== null) return { kind: 'limited', waitSeconds: row.wait_seconds }
  if (row.account_id !== null) return { kind: 'account-created' }
  // Proven and yet no account: somebody else's request was first.
  if (proven || row.spent === true || row.password_hash === null) return { kind: 'spent' }
  return { kind: 'unproven', passwordHash: row.password_hash }
}
