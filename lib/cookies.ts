/**
 * The cookie policy: the only place that writes `Set-Cookie`. A cookie is set and cleared from one definition,
 * because a browser deletes a `__Host-` cookie only when the clearing repeats its attributes
 * (draft-ietf-httpbis-rfc6265bis, sections 4.1.3.2 and 5.7).
 */
import { parseCookie, stringifySetCookie, type SetCookie } from 'cookie'
import { environment } from './env.ts'

type CookieKind = 'session' | 'registration' | 'device' | 'signed-in'

/** Only `http://localhost` is not https (lib/env.ts sees to it); browsers refuse `__Host-` there. */
function definition(kind: CookieKind): Omit<SetCookie, 'value' | 'maxAge'> {
  const secure = environment().origin.startsWith('https://')
  // A hint for pages, worth nothing to a thief: readable, so that a page need not ask who is signed in.
  if (kind === 'signed-in') return { name: kind, path: '/', secure, httpOnly: false, sameSite: 'lax' }
  return { name: secure ? `__Host-${kind}` : kind, path: '/', secure, httpOnly: true, sameSite: 'lax' }
}

/** Without a lifetime it ends with the browser. */
function set(kind: CookieKind, value: string, maxAgeSeconds: number | undefined): string {
  const cookie = { ...definition(kind), value }
  if (maxAgeSeconds === undefined) return stringifySetCookie(cookie)
  return stringifySetCookie({ ...cookie, maxAge: Math.max(0, Math.floor(maxAgeSeconds)) })
}

function clear(kind: CookieKind): string {
  return stringifySetCookie({ ...definition(kind), value: '', maxAge: 0 })
}

/** The refresh token's cookie and its readable companion, for as long as the session has left or the browser runs. */
export function sessionCookies(refreshToken: string, secondsLeft: number | undefined): string[] {
  return [set('session', refreshToken, secondsLeft), set('signed-in', '1', secondsLeft)]
}

/** Only for a definite end: never after a database error, a timeout or a lost race. */
export function endedSessionCookies(): string[] {
  return [clear('session'), clear('signed-in')]
}

export function registrationCookie(signed: string, secondsLeft: number): string {
  return set('registration', signed, secondsLeft)
}

export function endedRegistrationCookie(): string {
  return clear('registration')
}

export function deviceCookie(signed: string, secondsLeft: number | undefined): string {
  return set('device', signed, secondsLeft)
}

export function endedDeviceCookie(): string {
  return clear('device')
}

export function readCookie(request: Request, kind: CookieKind): string | undefined {
  const header = request.headers.get('cookie')
  return header === null ? undefined : parseCookie(header)[definition(kind).name]
}
