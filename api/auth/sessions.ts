/** /api/auth/sessions: GET lists the account's; DELETE revokes one (`?id=`) or all others (`?others=true`). */
import { endedSessionCookies, requiredCredential } from '../../lib/auth/credentials.ts'
import { notAllowed, sessionList } from '../../lib/auth/responses.ts'
import { listSessions, revokeSessions } from '../../lib/auth/sessions.ts'
import { endpoint } from '../../lib/http/endpoint.ts'
import { noContent, readQuery } from '../../lib/http/json.ts'
import { HttpError } from '../../lib/http/problems.ts'
import { RevokeSessionsRequest } from '../../lib/http/schemas/requests.ts'

export default endpoint({
  GET: async (request) => {
    const list = await listSessions(await requiredCredential(request))
    if (list.kind !== 'listed') throw notAllowed(list)
    return sessionList(list.sessionId, list.sessions)
  },

  DELETE: async (request, client) => {
    const { id } = readQuery(request, RevokeSessionsRequest)
    const credential = await requiredCredential(request)
    const result = await revokeSessions(credential, id === undefined ? 'others' : { id }, client)
    if (result.kind === 'not-found') throw new HttpError('not-found')
    if (result.kind !== 'revoked') throw notAllowed(result)
    return noContent({ cookies: result.current ? endedSessionCookies() : [] })
  },
})
