/** What a request shows to be let in. */
import { verifyAccessToken } from './access-token.ts'
import { readCookie } from './cookies.ts'
import { openRefreshToken } from './refresh-token.ts'
import type { Credential } from './sessions.ts'

/**
 * The bearer access token where there is an `Authorization` header, else the session cookie; undefined for none and
 * for one that is not ours. A bad bearer token is not made good by a cookie beside it.
 */
export async function credentialOf(request: Request): Promise<Credential | undefined> {
  if (request.headers.has('authorization')) {
    const claims = await verifyAccessToken(bearerToken(request) ?? '')
    return claims && { kind: 'access-token', claims }
  }
  const token = openRefreshToken(readCookie(request, 'session'))
  return token && { kind: 'refresh-token', token }
}

/** RFC 6750, section 2.1: the header alone; never the query or the body. */
export function bearerToken(request: Request): string | undefined {
  return /^bearer +([\w.-]+)$/i.exec(request.headers.get('authorization') ?? '')?.[1]
}
