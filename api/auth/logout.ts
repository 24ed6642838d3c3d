/** POST /api/auth/logout: ends this session, or all of the account's. */
import { endedSessionCookies, presentedRefreshToken } from '../../lib/auth/credentials.ts'
import { notAllowed } from '../../lib/auth/responses.ts'
import { endSession } from '../../lib/auth/sessions.ts'
import { endpoint } from '../../lib/http/endpoint.ts'
import { noContent, readJson } from '../../lib/http/json.ts'
import { LogoutRequest } from '../../lib/http/schemas/requests.ts'

export default endpoint({
  POST: async (request, client) => {
    const { everywhere } = await readJson(request, LogoutRequest)
    const token = presentedRefreshToken(request)
    const result = token && (await endSession(token, everywhere, client))
    if (result !== undefined && result.kind !== 'logged-out') throw notAllowed(result)

    // The session is revoked before the cookie goes: if the database is away both stay, and the user can try again.
    return noContent({ headers: { 'clear-site-data': '"cache"' }, cookies: endedSessionCookies() })
  },
})
