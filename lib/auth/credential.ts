/** What a request shows to be let in, and how the engine is given it. */
import { verifyAccessToken, type AccessTokenClaims } from '../access-token.ts'
import { readCookie } from '../cookies.ts'
import { hashFamily, openRefreshToken, type RefreshToken } from '../refresh-token.ts'

/** The session cookie's refresh token or a bearer access token, each seen to be ours. */
export type Credential =
  | { kind: 'refresh-token'; token: RefreshToken }
  | { kind: 'access-token'; claims: AccessTokenClaims }

/**
 * The bearer access token where there is an `Authorization` header, else the session cookie; undefined for none and
 * for one that isn't ours. A bad bearer token isn't made good by a cookie beside it.
 */
export async function credentialOf(request: Request): Promise<Credential | undefined> {
  if (request.headers.has('authorization')) {
    const claims = await verifyAccessToken(bearerToken(request) ?? '')
    return claims && { kind: 'access-token', claims }
  }
  const token = openRefreshToken(readCookie(request, 'session'))
  return token && { kind: 'refresh-token', token }
}

/** RFC 6750, section 2.1: the header only; never the query or the body. */
export function bearerToken(request: Request): string | undefined {
  return /^bearer +([\w.-]+)$/i.exec(request.headers.get('authorization') ?? '')?.[1]
}

/** The engine's parameters. All NULL for no credential, which is nobody's. */
export function credentialParameters(credential: Credential | undefined) {
  if (credential === undefined) return { family_hash: null, counter: null, session_id: null }
  if (credential.kind === 'access-token') {
    return { family_hash: null, counter: null, session_id: credential.claims.sessionId }
  }
  const { family, counter } = credential.token
  return { family_hash: hashFamily(family), counter, session_id: null }
}
