/** /api/auth/account: GET reads it, PATCH changes its password or its address, DELETE deletes it. */
import { changePassword, deleteAccount, readAccount, requestEmailChange } from '../../lib/auth/account.ts'
import {
  credentialOf,
  deviceCookie,
  endedDeviceCookie,
  endedSessionCookies,
  requiredCredential,
} from '../../lib/auth/credentials.ts'
import { emailRequested, notAllowed, signedIn, userBody } from '../../lib/auth/responses.ts'
import { endpoint } from '../../lib/http/endpoint.ts'
import { json, noContent, readJson } from '../../lib/http/json.ts'
import { HttpError, tooManyRequests, weakPassword } from '../../lib/http/problems.ts'
import { AccountRequest } from '../../lib/http/schemas/requests.ts'
import type { Account } from '../../lib/http/schemas/responses.ts'

export default endpoint({
  GET: async (request) => {
    const result = await readAccount(await requiredCredential(request))
    if (result.kind !== 'found') throw notAllowed(result)
    return json<Account>({ user: userBody(result.user) })
  },

  PATCH: async (request, client) => {
    const body = await readJson(request, AccountRequest)
    if (body.change === 'email') {
      // An address that has an account gets the same response: only its owner is told, by email.
      const result = await requestEmailChange(await requiredCredential(request), body.email, client)
      if (result.kind === 'limited') throw tooManyRequests('emailChangeByAccount', result.retryAfterSeconds)
      if (result.kind !== 'accepted') throw notAllowed(result)
      return emailRequested({ status: 200 })
    }

    const result = await changePassword(await credentialOf(request), body, client)
    switch (result.kind) {
      case 'changed': {
        const { user, persistent } = result.session.session
        return signedIn(result.session, [deviceCookie(request, user, persistent)])
      }
      case 'weak-password':
        throw weakPassword(result.issues, '#/newPassword')
      case 'wrong-password':
        throw new HttpError('invalid-credentials')
      case 'limited':
        throw tooManyRequests('passwordCheckByAccount', result.retryAfterSeconds)
      case 'signed-out':
      case 'refresh-required':
      case 'reauthentication-required':
        throw notAllowed(result)
    }
  },

  DELETE: async (request, client) => {
    const result = await deleteAccount(await requiredCredential(request), client)
    if (result.kind !== 'deleted') throw notAllowed(result)
    return noContent({ cookies: [...endedSessionCookies(), endedDeviceCookie()] })
  },
})
