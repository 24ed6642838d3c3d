/** Accounts put straight into the database, with the tokens that stand for them: a race needs many and no email. */
import { v7 as newId } from 'uuid'
import { oneTimeCode, type OneTimeCodePurpose } from '../../lib/crypto/one-time-code.ts'
import {
  expiryIn,
  verifyOneTimeToken,
  signOneTimeToken,
  type OneTimeTokenPurpose,
} from '../../lib/crypto/one-time-token.ts'
import { hashPassword } from '../../lib/crypto/passwords.ts'
import { hashFamily, newFamily, signRefreshToken, type RefreshToken } from '../../lib/crypto/refresh-token.ts'
import { signRegistrationCookie } from '../../lib/crypto/registration-cookie.ts'
import { query } from '../support/database.ts'
import { newAddress, OTHER_PASSWORD, PASSWORD } from '../support/people.ts'

/** Made once: what they cost is not the point. */
const passwordHashes = {
  [PASSWORD]: await hashPassword(PASSWORD),
  [OTHER_PASSWORD]: await hashPassword(OTHER_PASSWORD),
}

export interface InsertedSession {
  id: string
  token: RefreshToken
  /** The session cookie's value. */
  cookie: string
}

export interface InsertedAccount {
  id: string
  email: string
  sessions: InsertedSession[]
}

/**
 * An account with PASSWORD and so many sessions of Firefox on Linux, each a minute old and so due to rotate; the first
 * is the oldest.
 */
export async function insertAccount(sessionCount: number): Promise<InsertedAccount> {
  const id = newId()
  const email = newAddress()
  await query(
    `INSERT INTO users (id, email, email_normalized, password_hash, email_verified_at) VALUES ($1, $2, $2, $3, now())`,
    id,
    email,
    passwordHashes[PASSWORD],
  )
  const sessions = Array.from({ length: sessionCount }, () => {
    const token = { family: newFamily(), counter: 0 }
    return { id: newId(), token, cookie: signRefreshToken(token) }
  })
  await query(
    `INSERT INTO sessions (id, user_id, family_hash, method, persistent, idle_expires_at, absolute_expires_at,
       rotated_at, created_at, last_used_at, last_client)
     SELECT given.id, $1, given.family_hash, 'password', true, now() + interval '7 days', now() + interval '30 days',
       past.at, past.at, past.at, 'Firefox on Linux'
     FROM unnest($2::uuid[], $3::bytea[]) WITH ORDINALITY AS given (id, family_hash, place),
       LATERAL (SELECT now() - interval '2 minutes' + make_interval(secs => given.place) AS at) AS past`,
    id,
    sessions.map((session) => session.id),
    sessions.map(({ token }) => Buffer.from(hashFamily(token.family))),
  )
  return { id, email, sessions }
}

/** An emailed link's token for an account, as if the email had been read. */
export async function insertOneTimeToken(
  account: InsertedAccount,
  purpose: 'reset' | 'email-change',
  newEmail?: string,
): Promise<string> {
  const token = { id: newId(), expiresAt: expiryIn(600) }
  await query(
    `INSERT INTO one_time_tokens (id, user_id, purpose, new_email, new_email_normalized, expires_at)
     VALUES ($1, $2, $3, $4, $4, $5)`,
    token.id,
    account.id,
    purpose,
    newEmail ?? null,
    token.expiresAt,
  )
  return signOneTimeToken(`${purpose}-email` satisfies OneTimeTokenPurpose, token)
}

/** An email to the account that is not due. */
export async function insertWaitingEmail(account: InsertedAccount): Promise<void> {
  await query(
    `INSERT INTO outbox (id, kind, recipient, next_attempt_at)
     VALUES ($1, 'already-registered', $2, now() + interval '1 day')`,
    newId(),
    account.email,
  )
}

export interface InsertedRegistration {
  email: string
  /** The emailed link's token. */
  token: string
  /** The registration cookie's value. */
  cookie: string
}

export async function insertRegistration(
  email: string,
  password: typeof PASSWORD | typeof OTHER_PASSWORD,
): Promise<InsertedRegistration> {
  const token = { id: newId(), expiresAt: expiryIn(600) }
  await query(
    `INSERT INTO registrations (id, email, email_normalized, password_hash, expires_at) VALUES ($1, $2, $2, $3, $4)`,
    token.id,
    email,
    passwordHashes[password],
    token.expiresAt,
  )
  return {
    email,
    token: signOneTimeToken('registration-email', token),
    cookie: signRegistrationCookie({ registrationId: token.id, persistent: true }),
  }
}

/** The old address's link beside the new one's: it cancels. */
export function cancelBeside(link: string): string {
  const opened = verifyOneTimeToken(['email-change-email'], link)
  if (opened.kind !== 'valid') throw new Error('that is no link of this purpose')
  return signOneTimeToken('email-change-cancel-email', opened)
}

/** A destructured session that is there. */
export function sessionsOf(account: InsertedAccount): [InsertedSession, InsertedSession, InsertedSession] {
  const [first, second = first, third = second] = account.sessions
  if (first === undefined || second === undefined || third === undefined) {
    throw new Error('there is no session')
  }
  return [first, second, third]
}

/** The six digits beside an emailed link. */
export function codeBeside(purpose: OneTimeCodePurpose, link: string): string {
  const opened = verifyOneTimeToken([purpose], link)
  if (opened.kind !== 'valid') throw new Error('that is no link of this purpose')
  return oneTimeCode(purpose, opened)
}
