/** POST /api/auth/logout: ends this session, or all of the account's. */
import * as z from 'zod/mini'
import { endedSessionCookies, readCookie } from '../../lib/cookies.ts'
import { endpoint } from '../../lib/endpoint.ts'
import { readJson } from '../../lib/json.ts'
import { openRefreshToken } from '../../lib/refresh-token.ts'
import { withCookies } from '../../lib/session-answer.ts'
import { endSession } from '../../lib/sessions.ts'

export const Wish = z.strictObject({
  everywhere: z._default(z.boolean({ error: 'Give true or false.' }), false),
})

export default endpoint({
  POST: async (request, client) => {
    const { everywhere } = await readJson(request, Wish)
    const token = openRefreshToken(readCookie(request, 'session'))
    if (token !== undefined) await endSession(token, everywhere, client)

    // The row is ended before the cookie goes: a database that is away leaves both, and the person can try again.
    const answer = new Response(null, { status: 204, headers: { 'clear-site-data': '"cache"' } })
    return withCookies(answer, endedSessionCookies())
  },
})
