/** The answers about a session: the one that hands it out and the one that says it has ended. */
import type { SessionBody, User as UserBody } from './answers.ts'
import { signAccessToken } from './access-token.ts'
import { endedSessionCookies, sessionCookies } from './cookies.ts'
import { json } from './json.ts'
import { problem } from './problems.ts'
import type { SessionWithToken } from './auth/sessions.ts'
import type { User } from './db/engine.ts'

/** 200 with the session's body and cookies. The refresh token is only in the cookie. */
export async function signedIn(opened: SessionWithToken): Promise<Response> {
  return withSessionCookies(json<SessionBody>(await sessionBody(opened)), opened)
}

export async function sessionBody({ session }: SessionWithToken): Promise<SessionBody> {
  const { id: sessionId, user, method, authenticatedAt, absoluteExpiresAt } = session
  const { accessToken, expiresAt } = await signAccessToken({
    userId: user.id,
    sessionId,
    role: user.role,
    method,
    authenticatedAt,
  })
  return {
    user: userBody(user),
    accessToken,
    expiresAt,
    session: { id: sessionId, endsAt: timestamp(absoluteExpiresAt) },
  }
}

export function withSessionCookies(
  response: Response,
  { session, refreshToken }: SessionWithToken,
): Response {
  const secondsLeft = session.persistent ? session.secondsLeft : undefined
  return withCookies(response, sessionCookies(refreshToken, secondsLeft))
}

/** ISO 8601, UTC. */
export function timestamp(epochSeconds: number): string {
  return new Date(epochSeconds * 1000).toISOString()
}

/** No account exists before its address is verified. */
export function userBody({ id, email, role }: User): UserBody {
  return { id, email, emailVerified: true, role }
}

/** Only for a definite end. */
export function sessionEnded(): Response {
  return withCookies(problem('session-ended'), endedSessionCookies())
}

export function withCookies(response: Response, cookies: readonly string[]): Response {
  for (const cookie of cookies) response.headers.append('set-cookie', cookie)
  return response
}
