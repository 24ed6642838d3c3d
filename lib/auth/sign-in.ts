/** Signing in with a password: counted before the password is checked, opened or recorded as a failure after. */
import { requestContext, type Client } from '../client.ts'
import { call } from '../db/call.ts'
import * as engine from '../db/engine.ts'
import type { Device } from '../device-cookie.ts'
import { normalizeEmail } from '../email-address.ts'
import { rateLimits } from '../limits.ts'
import { UNKNOWN_ACCOUNT_HASH } from '../passwords.ts'
import { attemptsKey, rateLimitKey } from '../rate-limits.ts'
import { hashFamily, type RefreshToken } from '../refresh-token.ts'
import { recordWho } from '../request-record.ts'
import { newSessionFamily, withRefreshToken, type SessionWithToken } from './sessions.ts'

/** What the browser's cookies say of it. */
export interface LoginBrowser {
  registrationId: string | undefined
  device: Device | undefined
}

export interface CountedAttempt {
  kind: 'counted'
  /** All but `account` get the same hash and the same response as an unknown address. */
  subject: engine.LoginSubject
  /** In a row, this attempt among them. */
  failures: number
  passwordHash: string
  securityVersion: number | null
}

export type LoginAttempt = CountedAttempt | { kind: 'limited'; retryAfterSeconds: number }

/** Counts an attempt and finds what to check it against. It counts as a failure until it succeeds. */
export async function beginLogin(
  email: string,
  browser: LoginBrowser,
  client: Client,
): Promise<LoginAttempt> {
  const address = normalizeEmail(email)
  const result = await call(engine.beginLogin, {
    email_normalized: address,
    source_key: rateLimitKey(rateLimits.loginBySource, client.network),
    address_key: attemptsKey('login-account', address),
    device_key: deviceKey(browser.device),
    device_version: browser.device?.securityVersion ?? null,
    registration_id: browser.registrationId ?? null,
  })
  if (result.kind === 'limited') return result
  if (result.userId !== null) recordWho(result.userId)
  return { ...result, passwordHash: result.passwordHash ?? UNKNOWN_ACCOUNT_HASH }
}

export interface CheckedLogin {
  email: string
  attempt: CountedAttempt
  /** The password at today's cost, where the stored hash is cheaper. */
  rehash: string | null
  device: Device | undefined
  /** The session that this browser has: it is superseded. */
  presentedToken: RefreshToken | undefined
  /** Only for the account of the presented session, which keeps its expiry. */
  reauthenticates: boolean
  persistent: boolean
}

export type Login =
  | { kind: 'signed-in'; session: SessionWithToken; emails: engine.QueuedEmail[] }
  /** The password, the address or the account is no longer what was checked. */
  | { kind: 'changed' }
  | { kind: 'signed-out' }
  | { kind: 'refresh-required' }
  | { kind: 'different-account' }

/** Opens the session, once the password was found right. */
export async function finishLogin(login: CheckedLogin, client: Client): Promise<Login> {
  const { attempt, device, presentedToken } = login
  const { family, familyHash } = newSessionFamily()
  const result = await call(engine.finishLogin, {
    email_normalized: normalizeEmail(login.email),
    security_version: attempt.securityVersion,
    checked_hash: attempt.passwordHash,
    rehash: login.rehash,
    device_key: device?.securityVersion === attempt.securityVersion ? deviceKey(device) : null,
    family_hash: familyHash,
    presented_family_hash: presentedToken === undefined ? null : hashFamily(presentedToken.family),
    presented_counter: presentedToken?.counter ?? null,
    reauthenticates: login.reauthenticates,
    persistent: login.persistent,
    request: requestContext(client),
  })
  return result.kind === 'signed-in'
    ? { ...result, session: withRefreshToken(result.session, family) }
    : result
}

/** Writes the event of a failed login. The failure that locks the password queues an email to its owner. */
export async function failLogin(
  email: string,
  attempt: Pick<CountedAttempt, 'subject' | 'failures'>,
  client: Client,
): Promise<engine.QueuedEmail[]> {
  const { emails } = await call(engine.failLogin, {
    email_normalized: normalizeEmail(email),
    subject: attempt.subject,
    failures: attempt.failures,
    request: requestContext(client),
  })
  return emails
}

function deviceKey(device: Device | undefined): Uint8Array | null {
  return device === undefined ? null : attemptsKey('login-browser', device.id.toString('hex'))
}
