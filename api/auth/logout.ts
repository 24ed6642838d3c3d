/** POST /api/auth/logout: ends this session, or all of the account's. */
import * as z from 'zod/mini'
import { endSession } from '../../lib/auth/sessions.ts'
import { endedSessionCookies, readCookie } from '../../lib/cookies.ts'
import { endpoint } from '../../lib/endpoint.ts'
import { readJson } from '../../lib/json.ts'
import { problem } from '../../lib/problems.ts'
import { openRefreshToken } from '../../lib/refresh-token.ts'
import { withCookies } from '../../lib/session-answer.ts'

export const Wish = z.strictObject({
  everywhere: z._default(z.boolean({ error: 'Give true or false.' }), false),
})

export default endpoint({
  POST: async (request, client) => {
    const { everywhere } = await readJson(request, Wish)
    const token = openRefreshToken(readCookie(request, 'session'))
    const ended = token && (await endSession(token, everywhere, client))
    if (ended === 'reauthentication-required' || ended === 'refresh-required') return problem(ended)

    // The session is revoked before the cookie goes: if the database is away both stay, and the person can try again.
    const response = new Response(null, { status: 204, headers: { 'clear-site-data': '"cache"' } })
    return withCookies(response, endedSessionCookies())
  },
})
