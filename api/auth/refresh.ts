/** POST /api/auth/refresh: a new access token, and a rotated refresh token if that is due. */
import { hasSessionCookie, presentedRefreshToken } from '../../lib/auth/credentials.ts'
import { sessionEnded, signedIn } from '../../lib/auth/responses.ts'
import { rotateSession } from '../../lib/auth/sessions.ts'
import { endpoint } from '../../lib/http/endpoint.ts'
import { readJson } from '../../lib/http/json.ts'
import { HttpError, tooManyRequests } from '../../lib/http/problems.ts'
import { RefreshRequest } from '../../lib/http/schemas/requests.ts'

export default endpoint({
  POST: async (request, client) => {
    await readJson(request, RefreshRequest)
    // With nothing to clear, no cookie is cleared: a login in another tab may be setting them right now.
    if (!hasSessionCookie(request)) throw new HttpError('session-ended')
    const token = presentedRefreshToken(request)
    if (token === undefined) throw sessionEnded()

    const refresh = await rotateSession(token, client)
    switch (refresh.kind) {
      case 'live':
        return signedIn(refresh.session)
      case 'limited':
        throw tooManyRequests('refreshBySession', refresh.retryAfterSeconds)
      case 'refresh-required':
        throw new HttpError('refresh-required')
      case 'ended':
        throw refresh.definite ? sessionEnded() : new HttpError('session-ended')
      case 'reused':
        throw sessionEnded()
    }
  },
})
