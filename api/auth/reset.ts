/** /api/auth/reset: POST emails a link, PUT consumes its token or code and sets a new password. */
import { deviceCookie, presentedDevice } from '../../lib/auth/credentials.ts'
import { requestReset, resetByCode, resetByToken } from '../../lib/auth/password-reset.ts'
import { emailRequested } from '../../lib/auth/responses.ts'
import { endpoint } from '../../lib/http/endpoint.ts'
import { json, readJson } from '../../lib/http/json.ts'
import { HttpError, tooManyRequests, weakPassword } from '../../lib/http/problems.ts'
import { ResetEmailRequest, ResetRequest } from '../../lib/http/schemas/requests.ts'
import type { PasswordChanged } from '../../lib/http/schemas/responses.ts'

export default endpoint({
  POST: async (request, client) => {
    const { email } = await readJson(request, ResetEmailRequest)
    const result = await requestReset(email, client)
    if (result.kind === 'limited') throw tooManyRequests('emailBySource', result.retryAfterSeconds)
    return emailRequested()
  },

  PUT: async (request, client) => {
    const body = await readJson(request, ResetRequest)
    const result =
      body.by === 'token'
        ? await resetByToken(body.token, body.password, client)
        : await resetByCode(body, body.password, client)
    switch (result.kind) {
      case 'invalid':
        throw new HttpError('token-invalid')
      case 'expired':
        throw new HttpError('token-expired')
      case 'consumed':
        throw new HttpError('token-already-used')
      case 'wrong-code':
        throw new HttpError('code-invalid')
      case 'weak-password':
        throw weakPassword(result.issues)
      case 'limited':
        throw tooManyRequests(result.by, result.retryAfterSeconds)
      case 'reset': {
        // Nobody is signed in by an email, and this browser's own session was revoked like all others. A browser that was
        // known to the account stays known until it is closed or signs in again.
        const isKnown = presentedDevice(request, result.user.email) !== undefined
        const cookies = isKnown ? [deviceCookie(request, result.user, false)] : []
        return json<PasswordChanged>({ status: 'password-changed' }, { cookies })
      }
    }
  },
})
