/**
 * Guards for the app's own functions.
 *
 * ```ts
 * export default {
 *   async fetch(request: Request): Promise<Response> {
 *     const guard = await requireSession(request)
 *     if (guard.kind === 'refused') return guard.response
 *     return Response.json({ hello: guard.user.email })
 *   },
 * }
 * ```
 */
import { verifyAccessToken } from './crypto/access-token.ts'
import { bearerToken, credentialOf } from './auth/credentials.ts'
import { findSession } from './auth/sessions.ts'
import type { User } from './db/engine.ts'
import { environmentIssues } from './env.ts'
import { isCrossOrigin } from './http/csrf.ts'
import { HttpError, problemResponse, type ProblemCode } from './http/problems.ts'
import { ServiceUnavailable } from './unavailable.ts'

/** Answer with `response`: 401, 403 for a foreign origin or another role, or 503. */
export interface Refused {
  kind: 'refused'
  response: Response
}

export interface SignedIn {
  kind: 'signed-in'
  user: User
  session: {
    id: string
    absoluteExpiresAt: Date
    /** Authenticated within 5 minutes, with the second factor where the account has one. */
    steppedUp: boolean
  }
}

export interface KnownUser {
  kind: 'signed-in'
  user: { id: string; role: string }
  session: { id: string }
}

/**
 * Lets a request in by its session cookie or its bearer access token, and looks at the session's row: one round trip. A session
 * that was ended and an account that was disabled or deleted are refused at once. On an unsafe method it applies the
 * origin check, so a function guarded by it is as safe from other sites as ours are.
 */
export async function requireSession(request: Request): Promise<SignedIn | Refused> {
  if (environmentIssues.length > 0) return refused('misconfigured')
  if (isCrossOrigin(request)) return refused('cross-origin-request')
  try {
    const credential = await credentialOf(request)
    const found = credential && (await findSession(credential))
    if (found?.kind === 'refresh-required') return refused('refresh-required')
    if (found?.kind !== 'signed-in') return refused('unauthorized')
    const { session, steppedUp } = found
    const absoluteExpiresAt = new Date(session.absoluteExpiresAt * 1000)
    return {
      kind: 'signed-in',
      user: session.user,
      session: { id: session.id, absoluteExpiresAt, steppedUp },
    }
  } catch (error) {
    if (!(error instanceof ServiceUnavailable)) throw error
    const { code, retryAfterSeconds } = error
    return refused(code, retryAfterSeconds)
  }
}

/** As `requireSession`, for accounts of one of these roles alone: 403 for any other. The role is the row's, not the token's. */
export async function requireRole(
  request: Request,
  ...roles: [string, ...string[]]
): Promise<SignedIn | Refused> {
  const guard = await requireSession(request)
  if (guard.kind === 'refused' || roles.includes(guard.user.role)) return guard
  return refused('role-required')
}

/**
 * Lets a request in by its bearer access token alone, which is verified here: no round trip. What it tells is up to 15 minutes
 * old, so a session that was ended meanwhile is still let in until its access token expires.
 */
export async function requireUser(request: Request): Promise<KnownUser | Refused> {
  if (environmentIssues.length > 0) return refused('misconfigured')
  const claims = await verifyAccessToken(bearerToken(request) ?? '')
  if (claims === undefined) return refused('unauthorized')
  const { userId, sessionId, role } = claims
  return { kind: 'signed-in', user: { id: userId, role }, session: { id: sessionId } }
}

function refused(code: ProblemCode, retryAfterSeconds?: number): Refused {
  const extras = retryAfterSeconds === undefined ? {} : { retryAfterSeconds }
  return { kind: 'refused', response: problemResponse(new HttpError(code, extras)) }
}
