/** The answers about a session: the one that hands it out and the one that says it has ended. */
import type { SessionBody, User as UserBody } from './answers.ts'
import { signAccessToken } from './access-token.ts'
import { endedSessionCookies, sessionCookies } from './cookies.ts'
import { json } from './json.ts'
import { problem } from './problems.ts'
import type { LiveSession, User } from './sessions.ts'

/** 200 with the session's body and cookies. The refresh token is in the cookie alone. */
export async function signedIn(session: LiveSession): Promise<Response> {
  const { id: sessionId, user, refreshToken, endsAt, secondsLeft } = session
  const { accessToken, expiresAt } = await signAccessToken({ userId: user.id, sessionId, role: user.role })
  const body: SessionBody = {
    user: userBody(user),
    accessToken,
    expiresAt,
    session: { id: sessionId, endsAt: endsAt.toISOString() },
  }
  return withCookies(json<SessionBody>(body), sessionCookies(refreshToken, secondsLeft))
}

/** No account exists before its address is proven. */
export function userBody({ id, email, role }: User): UserBody {
  return { id, email, emailVerified: true, role }
}

/** For a definite end alone. */
export function sessionEnded(): Response {
  return withCookies(problem('session-ended'), endedSessionCookies())
}

export function withCookies(response: Response, cookies: readonly string[]): Response {
  for (const cookie of cookies) response.headers.append('set-cookie', cookie)
  return response
}
