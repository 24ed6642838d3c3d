/** POST /api/auth/logout: ends this session, or all of the account's. */
import { endedSessionCookies, presentedRefreshToken } from '../../lib/auth/credentials.ts'
import { notAllowed, sessionEnded } from '../../lib/auth/responses.ts'
import { endSession } from '../../lib/auth/sessions.ts'
import { endpoint } from '../../lib/http/endpoint.ts'
import { noContent, readJson } from '../../lib/http/json.ts'
import { LogoutRequest } from '../../lib/http/schemas/requests.ts'

export default endpoint({
  POST: async (request, client) => {
    const { everywhere } = await readJson(request, LogoutRequest)
    const token = presentedRefreshToken(request)
    const result = token && (await endSession(token, everywhere, client))
    switch (result?.kind) {
      case 'refresh-required':
      case 'reauthentication-required':
        throw notAllowed(result)
      case 'signed-out':
      case 'reused':
        // This session is over, but "everywhere" wasn't done.
        if (everywhere) throw sessionEnded()
        break
      case 'logged-out':
      case undefined:
    }
    // The session is revoked before the cookie goes: if the database is away both stay, and the user can try again.
    return noContent({ headers: { 'clear-site-data': '"cache"' }, cookies: endedSessionCookies() })
  },
})
