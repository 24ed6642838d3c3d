/**
 * The cookie policy: the only place that writes `Set-Cookie`. A cookie is set and cleared from one definition, because a
 * browser deletes a `__Host-` cookie only if the attributes are repeated
 * (draft-ietf-httpbis-rfc6265bis, sections 4.1.3.2 and 5.7).
 */
import { parseCookie, stringifySetCookie, type SetCookie } from 'cookie'
import { environment } from '../env.ts'

type CookieKind = 'session' | 'registration' | 'device' | 'signed-in'

/** Only `http://localhost` is not https (lib/env.ts sees to that); browsers refuse `__Host-` there. */
function definition(kind: CookieKind): Omit<SetCookie, 'value' | 'maxAge'> {
  const secure = environment().origin.startsWith('https://')
  // A hint for pages, so that they needn't ask who is signed in. Worthless to a thief.
  if (kind === 'signed-in') return { name: kind, path: '/', secure, httpOnly: false, sameSite: 'lax' }
  return { name: secure ? `__Host-${kind}` : kind, path: '/', secure, httpOnly: true, sameSite: 'lax' }
}

/** Without a lifetime it ends with the browser. */
export function setCookie(kind: CookieKind, value: string, maxAgeSeconds: number | undefined): string {
  const cookie = { ...definition(kind), value }
  if (maxAgeSeconds === undefined) return stringifySetCookie(cookie)
  return stringifySetCookie({ ...cookie, maxAge: Math.max(0, Math.floor(maxAgeSeconds)) })
}

export function clearCookie(kind: CookieKind): string {
  return stringifySetCookie({ ...definition(kind), value: '', maxAge: 0 })
}

export function readCookie(request: Request, kind: CookieKind): string | undefined {
  const header = request.headers.get('cookie')
  return header === null ? undefined : parseCookie(header)[definition(kind).name]
}
