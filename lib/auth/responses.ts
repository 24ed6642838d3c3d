/** Responses that more than one endpoint gives. */
import { signAccessToken } from '../crypto/access-token.ts'
import type { ListedSession, SessionMethod, User } from '../db/engine.ts'
import { coarseIp } from '../http/client-info.ts'
import { json } from '../http/json.ts'
import { HttpError } from '../http/problems.ts'
import type {
  CheckEmail,
  Session,
  SessionBody,
  SessionList,
  User as UserBody,
} from '../http/schemas/responses.ts'
import { endedSessionCookies, sessionCookies } from './credentials.ts'
import type { SessionWithToken } from './sessions.ts'

/** RFC 8176: `pwd` for a password, `otp` for an emailed link or code. */
const AMR: Record<SessionMethod, string[]> = { password: ['pwd'], email: ['otp'] }

/** 200 with the session and its cookies. The refresh token is only in the cookie. */
export async function signedIn(opened: SessionWithToken, cookies: readonly string[] = []): Promise<Response> {
  return json<SessionBody>(await sessionBody(opened), { cookies: [...cookiesOf(opened), ...cookies] })
}

export async function sessionBody({ session }: SessionWithToken): Promise<SessionBody> {
  const { id: sessionId, user, method, authenticatedAt, absoluteExpiresAt } = session
  const { accessToken, expiresAt } = await signAccessToken({
    userId: user.id,
    sessionId,
    role: user.role,
    amr: AMR[method],
    authenticatedAt,
  })
  return {
    user: userBody(user),
    accessToken,
    expiresAt,
    session: { id: sessionId, absoluteExpiresAt: timestamp(absoluteExpiresAt) },
  }
}

export function cookiesOf({ session, refreshToken }: SessionWithToken): string[] {
  return sessionCookies(refreshToken, session.persistent ? session.secondsLeft : undefined)
}

/** No account exists before its address is verified. */
export function userBody({ id, email, role }: User): UserBody {
  return { id, email, emailVerified: true, role }
}

/** ISO 8601, UTC. */
function timestamp(epochSeconds: number): string {
  return new Date(epochSeconds * 1000).toISOString()
}

const UNKNOWN_CLIENT = 'Unknown device'

export function sessionList(current: string, listed: readonly ListedSession[]): Response {
  const sessions = listed.map((session): Session => ({
    id: session.id,
    createdAt: timestamp(session.createdAt),
    lastUsedAt: timestamp(session.lastUsedAt),
    absoluteExpiresAt: timestamp(session.absoluteExpiresAt),
    client: session.client ?? UNKNOWN_CLIENT,
    ip: coarseIp(session.ip),
    lastClient: session.lastClient ?? UNKNOWN_CLIENT,
    lastIp: coarseIp(session.lastIp),
  }))
  return json<SessionList>({ current, sessions })
}

/** The response to every request for an email, so that it doesn't depend on whether the address is known. */
export function emailRequested(options: { status?: number; cookies?: readonly string[] } = {}): Response {
  return json<CheckEmail>({ status: 'check-email' }, { status: 202, ...options })
}

/** 401 that clears the session's cookies. Only for a definite end. */
export function sessionEnded(): HttpError {
  return new HttpError('session-ended', { cookies: endedSessionCookies() })
}

/** An outcome of the engine that lets nobody in. */
export type NotAllowed =
  | { kind: 'signed-out' }
  | { kind: 'refresh-required' }
  | { kind: 'reauthentication-required' }

export function notAllowed({ kind }: NotAllowed): HttpError {
  return new HttpError(kind === 'signed-out' ? 'unauthorized' : kind)
}
