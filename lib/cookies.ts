/**
 * The cookie policy: the only place that writes `Set-Cookie`. A cookie is set and cleared from one definition,
 * because a browser deletes a `__Host-` cookie only when the clearing repeats its attributes
 * (draft-ietf-httpbis-rfc6265bis, sections 4.1.3.2 and 5.7).
 */
import { parseCookie, stringifySetCookie, type SetCookie } from 'cookie'
import { environment } from './env.ts'

type CookieKind = 'session' | 'registration' | 'known-browser' | 'signed-in'

/** Only `http://localhost` is not https (lib/env.ts sees to it); browsers refuse `__Host-` there. */
function definition(kind: CookieKind): Omit<SetCookie, 'value' | 'maxAge'> {
  const secure = environment().origin.startsWith('https://')
  // A hint for pages, worth nothing to a thief: readable, so that a page need not ask who is signed in.
  if (kind === 'signed-in') return { name: kind, path: '/', secure, httpOnly: false, sameSite: 'lax' }
  return { name: secure ? `__Host-${kind}` : kind, path: '/', secure, httpOnly: true, sameSite: 'lax' }
}

function set(kind: CookieKind, value: string, maxAgeSeconds: number): string {
  return stringifySetCookie({ ...definition(kind), value, maxAge: Math.max(0, Math.floor(maxAgeSeconds)) })
}

function clear(kind: CookieKind): string {
  return stringifySetCookie({ ...definition(kind), value: '', maxAge: 0 })
}

/** The refresh token's cookie and its readable companion, for as long as the session has left. */
export function sessionCookies(refreshToken: string, secondsLeft: number): string[] {
  return [set('session', refreshToken, secondsLeft), set('signed-in', '1', secondsLeft)]
}

/** For a definite end alone: never after a database error, a timeout or a lost race. */
export function endedSessionCookies(): string[] {
  return [clear('session'), clear('signed-in')]
}

export function registrationCookie(sealedRegistration: string, secondsLeft: number): string {
  return set('registration', sealedRegistration, secondsLeft)
}

export function endedRegistrationCookie(): string {
  return clear('registration')
}

export function knownBrowserCookie(sealedBrowser: string, secondsLeft: number): string {
  return set('known-browser', sealedBrowser, secondsLeft)
}

export function forgottenBrowserCookie(): string {
  return clear('known-browser')
}

export function readCookie(request: Request, kind: CookieKind): string | undefined {
  const header = request.headers.get('cookie')
  return header === null ? undefined : parseCookie(header)[definition(kind).name]
}
