/** /api/auth/verify: POST emails a new link; PUT consumes an emailed token or code, of a registration or a new address. */
import {
  deviceCookie,
  endedRegistrationCookie,
  presentedRefreshToken,
  presentedRegistration,
  credentialOf,
} from '../../lib/auth/credentials.ts'
import { cookiesOf, emailRequested, sessionBody } from '../../lib/auth/responses.ts'
import {
  cancelEmailChange,
  requestVerificationEmail,
  verifyByCode,
  verifyByToken,
  type Verification,
} from '../../lib/auth/verification.ts'
import { endpoint } from '../../lib/http/endpoint.ts'
import { json, readJson } from '../../lib/http/json.ts'
import { HttpError, tooManyRequests } from '../../lib/http/problems.ts'
import { VerificationEmailRequest, VerifyRequest } from '../../lib/http/schemas/requests.ts'
import type { Verified } from '../../lib/http/schemas/responses.ts'

export default endpoint({
  POST: async (request, client) => {
    const { email } = await readJson(request, VerificationEmailRequest)
    const registrationId = presentedRegistration(request)?.registrationId
    const result = await requestVerificationEmail(email, registrationId, client)
    if (result.kind === 'limited') throw tooManyRequests('emailBySource', result.retryAfterSeconds)
    return emailRequested()
  },

  PUT: async (request, client) => {
    const body = await readJson(request, VerifyRequest)
    if (body.by === 'cancel') return verified(request, await cancelEmailChange(body.token, client))
    const verifier = {
      registration: presentedRegistration(request),
      presentedToken: presentedRefreshToken(request),
      credential: await credentialOf(request),
      password: body.password,
    }
    return verified(
      request,
      body.by === 'token'
        ? await verifyByToken(body.token, verifier, client)
        : await verifyByCode(body, verifier, client),
    )
  },
})

async function verified(request: Request, result: Verification): Promise<Response> {
  switch (result.kind) {
    case 'account-created':
      return json<Verified>({ status: 'verified' }, { cookies: [endedRegistrationCookie()] })
    case 'signed-in': {
      const { session } = result
      const { user, persistent } = session.session
      const cookies = [
        ...cookiesOf(session),
        endedRegistrationCookie(),
        deviceCookie(request, user, persistent),
      ]
      return json<Verified>({ status: 'signed-in', ...(await sessionBody(session)) }, { cookies })
    }
    case 'email-changed': {
      const { user, persistent } = result
      const cookies = persistent === null ? [] : [deviceCookie(request, user, persistent)]
      return json<Verified>({ status: 'verified' }, { cookies })
    }
    case 'email-change-canceled':
      return json<Verified>({ status: 'canceled' })
    case 'invalid':
      throw new HttpError('token-invalid')
    case 'expired':
      throw new HttpError('token-expired')
    case 'consumed':
      throw new HttpError('token-already-used')
    case 'wrong-code':
      throw new HttpError('code-invalid')
    case 'wrong-password':
      throw new HttpError('invalid-credentials')
    case 'password-required':
      throw new HttpError('password-required')
    case 'limited':
      throw tooManyRequests(result.by, result.retryAfterSeconds)
  }
}
