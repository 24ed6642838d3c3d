/** The answers about a session: the one that hands it out and the one that says it has ended. */
import { signAccessToken } from './access-token.ts'
import { endedSessionCookies, sessionCookies } from './cookies.ts'
import { json } from './json.ts'
import { problem } from './problems.ts'
import type { LiveSession } from './sessions.ts'

/** 200 with the session's body and cookies. The refresh token is in the cookie alone. */
export async function signedIn(session: LiveSession): Promise<Response> {
  const { id: sessionId, user, refreshToken, endsAt, secondsLeft } = session
  const { accessToken, expiresAt } = await signAccessToken({ userId: user.id, sessionId, role: user.role })
  const body = {
    // No account exists before its address is proven.
    user: { id: user.id, email: user.email, emailVerified: true, role: user.role },
    accessToken,
    expiresAt,
    session: { id: sessionId, endsAt: endsAt.toISOString() },
  }
  return withCookies(json(body), sessionCookies(refreshToken, secondsLeft))
}

/** For a definite end alone. */
export function sessionEnded(): Response {
  return withCookies(problem('session-ended'), endedSessionCookies())
}

export function withCookies(response: Response, cookies: readonly string[]): Response {
  for (const cookie of cookies) response.headers.append('set-cookie', cookie)
  return response
}
