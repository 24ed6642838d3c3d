/** POST /api/auth/refresh: a new access token, and the refresh token's successor when it is due. */
import * as z from 'zod/mini'
import { rotateSession } from '../../lib/auth/sessions.ts'
import { readCookie } from '../../lib/cookies.ts'
import { endpoint } from '../../lib/endpoint.ts'
import { readJson } from '../../lib/json.ts'
import { rateLimits } from '../../lib/limits.ts'
import { log } from '../../lib/log.ts'
import { deliverAfterResponse } from '../../lib/outbox.ts'
import { problem, quotaExceeded } from '../../lib/problems.ts'
import { openRefreshToken } from '../../lib/refresh-token.ts'
import { sessionEnded, signedIn } from '../../lib/session-answer.ts'

export const Nothing = z.strictObject({})

export default endpoint({
  POST: async (request, client) => {
    await readJson(request, Nothing)
    const cookie = readCookie(request, 'session')
    // With neither cookie there is nothing to clear, and a login in another tab may be setting both this very moment.
    if (cookie === undefined && readCookie(request, 'signed-in') === undefined)
      return problem('session-ended')
    const token = openRefreshToken(cookie)
    if (token === undefined) return sessionEnded()

    const refresh = await rotateSession(token, client)
    switch (refresh.kind) {
      case 'live':
        return signedIn(refresh.session)
      case 'limited':
        return quotaExceeded(rateLimits.refreshBySession, refresh.retryAfterSeconds)
      case 'refresh-required':
        return problem('refresh-required')
      case 'ended':
        return refresh.definite ? sessionEnded() : problem('session-ended')
      case 'reused':
        log('error', 'refresh-token-reused')
        await deliverAfterResponse(refresh.emails)
        return sessionEnded()
    }
  },
})
