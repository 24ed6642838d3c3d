/** What a request presents, each value verified, and the cookies that it gets back. */
import { verifyAccessToken, type AccessTokenClaims } from '../crypto/access-token.ts'
import {
  newDeviceId,
  signDeviceCookie,
  verifyDeviceCookie,
  type DeviceCookie,
} from '../crypto/device-cookie.ts'
import { hashFamily, verifyRefreshToken, type RefreshToken } from '../crypto/refresh-token.ts'
import {
  signRegistrationCookie,
  verifyRegistrationCookie,
  type RegistrationCookie,
} from '../crypto/registration-cookie.ts'
import type { User } from '../db/engine.ts'
import { clearCookie, readCookie, setCookie } from '../http/cookies.ts'
import { HttpError } from '../http/problems.ts'
import { lifetimeSeconds } from '../limits.ts'

/** The session cookie's refresh token or a bearer access token. */
export type Credential =
  | { kind: 'refresh-token'; token: RefreshToken }
  | { kind: 'access-token'; claims: AccessTokenClaims }

/**
 * The bearer access token if there is an `Authorization` header, otherwise the session cookie; undefined for neither and
 * for one that isn't ours. A cookie beside a bad bearer token doesn't help.
 */
export async function credentialOf(request: Request): Promise<Credential | undefined> {
  if (request.headers.has('authorization')) {
    const claims = await verifyAccessToken(bearerToken(request) ?? '')
    return claims && { kind: 'access-token', claims }
  }
  const token = presentedRefreshToken(request)
  return token && { kind: 'refresh-token', token }
}

/** Throws 401 without a credential. */
export async function requiredCredential(request: Request): Promise<Credential> {
  const credential = await credentialOf(request)
  if (credential === undefined) throw new HttpError('unauthorized')
  return credential
}

/** RFC 6750, section 2.1: only the header, never the query or the body. */
export function bearerToken(request: Request): string | undefined {
  return /^bearer +([\w.-]+)$/i.exec(request.headers.get('authorization') ?? '')?.[1]
}

/** The engine's parameters. All are NULL without a credential, which matches no session. */
export function credentialParameters(credential: Credential | undefined) {
  if (credential === undefined) return { family_hash: null, counter: null, session_id: null }
  if (credential.kind === 'access-token') {
    return { family_hash: null, counter: null, session_id: credential.claims.sessionId }
  }
  const { family, counter } = credential.token
  return { family_hash: hashFamily(family), counter, session_id: null }
}

export function presentedRefreshToken(request: Request): RefreshToken | undefined {
  return verifyRefreshToken(readCookie(request, 'session'))
}

/** True if there is a session's cookie to clear. */
export function hasSessionCookie(request: Request): boolean {
  return readCookie(request, 'session') !== undefined || readCookie(request, 'signed-in') !== undefined
}

/** The refresh token's cookie and its readable companion. Without a lifetime they end with the browser. */
export function sessionCookies(refreshToken: string, secondsLeft: number | undefined): string[] {
  return [setCookie('session', refreshToken, secondsLeft), setCookie('signed-in', '1', secondsLeft)]
}

/** Only once the session has definitely ended: never after a database error, a timeout or a lost race. */
export function endedSessionCookies(): string[] {
  return [clearCookie('session'), clearCookie('signed-in')]
}

/** Undefined in a browser that didn't register. */
export function presentedRegistration(request: Request): RegistrationCookie | undefined {
  return verifyRegistrationCookie(readCookie(request, 'registration'))
}

export function registrationCookie(registration: RegistrationCookie): string {
  const maxAge = registration.persistent ? lifetimeSeconds.registration : undefined
  return setCookie('registration', signRegistrationCookie(registration), maxAge)
}

export function endedRegistrationCookie(): string {
  return clearCookie('registration')
}

/** Undefined in a browser that hasn't signed in to this account. */
export function presentedDevice(request: Request, email: string): DeviceCookie | undefined {
  return verifyDeviceCookie(readCookie(request, 'device'), email)
}

/** For a browser that has just signed in, or whose account has a new `securityVersion`. */
export function deviceCookie(
  request: Request,
  { email, securityVersion }: Pick<User, 'email' | 'securityVersion'>,
  persistent: boolean,
): string {
  const id = presentedDevice(request, email)?.id ?? newDeviceId()
  const maxAge = persistent ? lifetimeSeconds.deviceCookie : undefined
  return setCookie('device', signDeviceCookie({ id, securityVersion }, email), maxAge)
}

export function endedDeviceCookie(): string {
  return clearCookie('device')
}
