/** POST /api/auth/refresh: a new access token, and the refresh token's successor when it is due. */
import * as z from 'zod/mini'
import { afterAnswer } from '../../lib/after-answer.ts'
import { readCookie } from '../../lib/cookies.ts'
import { endpoint } from '../../lib/endpoint.ts'
import { readJson } from '../../lib/json.ts'
import { log } from '../../lib/log.ts'
import { deliver } from '../../lib/outbox.ts'
import { problem, quotaExceeded } from '../../lib/problems.ts'
import { limits } from '../../lib/rate-limits.ts'
import { openRefreshToken } from '../../lib/refresh-token.ts'
import { sessionEnded, signedIn } from '../../lib/session-answer.ts'
import { turnSession } from '../../lib/sessions.ts'

export const Nothing = z.strictObject({})

export default endpoint({
  POST: async (request, client) => {
    await readJson(request, Nothing)
    const cookie = readCookie(request, 'session')
    // With neither cookie there is nothing to clear, and a login of another tab may be setting both this very moment.
    if (cookie === undefined && readCookie(request, 'signed-in') === undefined)
      return problem('session-ended')
    const token = openRefreshToken(cookie)
    if (token === undefined) return sessionEnded()

    const turn = await turnSession(token, client)
    if (turn.kind === 'live') return signedIn(turn.session)
    if (turn.kind === 'limited') return quotaExceeded(limits.refreshBySession, turn.waitSeconds)

    const { mail } = turn
    if (mail !== undefined) {
      log('error', 'session-stolen')
      await afterAnswer(() => deliver(mail))
    }
    return turn.definite ? sessionEnded() : problem('session-ended')
  },
})
