/** The access token: a JWT (RFC 9068 profile, `typ: at+jwt`), ES256, 15 minutes, ids, role and how it was authenticated. */
import { createLocalJWKSet, jwtVerify, SignJWT } from 'jose'
import { environment } from '../env.ts'
import { signingKeys, type PublicKey } from './keys.ts'
import { lifetimeSeconds } from '../limits.ts'

/** A new secret is published this long before it signs (docs/cryptography.md). */
export const PUBLIC_KEYS_CACHE_SECONDS = 300

export interface AccessTokenClaims {
  userId: string
  sessionId: string
  role: string
}

/** What a token is signed over: beside the claims, how and when the session was authenticated. */
export interface AccessTokenSubject extends AccessTokenClaims {
  /** How the session was authenticated (RFC 8176). */
  amr: readonly string[]
  /** Epoch seconds. */
  authenticatedAt: number
}

export interface SignedAccessToken {
  accessToken: string
  /** ISO 8601, UTC. */
  expiresAt: string
}

export async function signAccessToken(subject: AccessTokenSubject): Promise<SignedAccessToken> {
  const [key] = await signingKeys()
  if (key === undefined) throw new Error('no secret to derive a signing key from')
  const { origin } = environment()
  const issuedAtSeconds = Math.floor(Date.now() / 1000)
  const expiresAtSeconds = issuedAtSeconds + lifetimeSeconds.accessToken
  const accessToken = await new SignJWT({
    sid: subject.sessionId,
    role: subject.role,
    amr: subject.amr,
    auth_time: Math.floor(subject.authenticatedAt),
  })
    .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: key.kid })
    .setIssuer(origin)
    .setAudience(origin)
    .setSubject(subject.userId)
    .setIssuedAt(issuedAtSeconds)
    .setExpirationTime(expiresAtSeconds)
    .sign(key.privateKey)
  return { accessToken, expiresAt: new Date(expiresAtSeconds * 1000).toISOString() }
}

let verificationKeys: ReturnType<typeof createLocalJWKSet> | undefined

/**
 * The claims of a token that this deployment signed and that has not expired; undefined for anything else.
 * Algorithm, type, issuer and audience are fixed here and never taken from the token (RFC 8725, section 3).
 */
export async function verifyAccessToken(token: string): Promise<AccessTokenClaims | undefined> {
  const { origin } = environment()
  try {
    verificationKeys ??= createLocalJWKSet(await publicKeys())
    const { payload } = await jwtVerify(token, verificationKeys, {
      algorithms: ['ES256'],
      typ: 'at+jwt',
      issuer: origin,
      audience: origin,
      requiredClaims: ['sub', 'sid', 'role', 'iat', 'exp'],
    })
    const { sub, sid, role } = payload
    if (typeof sub !== 'string' || typeof sid !== 'string' || typeof role !== 'string') return undefined
    return { userId: sub, sessionId: sid, role }
  } catch {
    // Whatever is wrong with a token, its bearer learns only that it is not good.
    return undefined
  }
}

/** The public halves as a JWK Set (RFC 7517). */
export async function publicKeys(): Promise<{ keys: PublicKey[] }> {
  return { keys: (await signingKeys()).map((key) => key.publicJwk) }
}
