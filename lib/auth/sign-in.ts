/** Signing in with a password: counted before the check, then opened or recorded as a failure. */
import type { DeviceCookie } from '../crypto/device-cookie.ts'
import { attemptsKey, rateLimitKey } from '../crypto/rate-limit-keys.ts'
import { hashFamily, type RefreshToken } from '../crypto/refresh-token.ts'
import { call } from '../db/call.ts'
import * as engine from '../db/engine.ts'
import { normalizeEmail } from '../email-address.ts'
import { deliverAfterResponse } from '../email/outbox.ts'
import { requestContext, type ClientInfo } from '../http/client-info.ts'
import { rateLimits } from '../limits.ts'
import { setLogUser } from '../log-context.ts'
import { newSessionFamily, withRefreshToken, type SessionWithToken } from './sessions.ts'

/** What the browser's cookies say. */
export interface LoginBrowser {
  registrationId: string | undefined
  device: DeviceCookie | undefined
}

export interface CountedAttempt {
  kind: 'counted'
  /** All but `account` cost the same hash and get the same response as an unknown address. */
  subject: engine.LoginSubject
  /** In a row, including this attempt. */
  failures: number
  passwordHash: string | null
  securityVersion: number | null
}

export type LoginAttempt = CountedAttempt | { kind: 'limited'; retryAfterSeconds: number }

/** Counts an attempt and finds what to check it against. It counts as a failure until it succeeds. */
export async function beginLogin(
  email: string,
  browser: LoginBrowser,
  client: ClientInfo,
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
  if (result.kind === 'counted' && result.userId !== null) setLogUser(result.userId)
  return result
}

export interface CheckedLogin {
  email: string
  attempt: CountedAttempt
  /** The password at today's cost, if the stored hash has another. */
  rehash: string | null
  device: DeviceCookie | undefined
  /** Of the session that this browser has, which is superseded. */
  presentedToken: RefreshToken | undefined
  /** Only for the account of the presented session, whose absolute expiry stays. */
  reauthenticates: boolean
  persistent: boolean
}

export type Login =
  | { kind: 'signed-in'; session: SessionWithToken }
  /** The password, the address or the account is no longer what was checked. */
  | { kind: 'changed' }
  | { kind: 'signed-out' }
  | { kind: 'refresh-required' }
  | { kind: 'different-account' }

/** Opens the session once the password was right. */
export async function finishLogin(login: CheckedLogin, client: ClientInfo): Promise<Login> {
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
  if (result.kind !== 'signed-in') return result
  await deliverAfterResponse(result.emails)
  return { kind: 'signed-in', session: withRefreshToken(result.session, family) }
}

/** Records a failed login. The failure that locks the password queues an email to its owner. */
export async function failLogin(
  email: string,
  attempt: Pick<CountedAttempt, 'subject' | 'failures'>,
  client: ClientInfo,
): Promise<void> {
  const { emails } = await call(engine.failLogin, {
    email_normalized: normalizeEmail(email),
    subject: attempt.subject,
    failures: attempt.failures,
    request: requestContext(client),
  })
  await deliverAfterResponse(emails)
}

function deviceKey(device: DeviceCookie | undefined): Uint8Array | null {
  return device === undefined ? null : attemptsKey('login-browser', device.id.toString('hex'))
}
