/** POST /api/auth/login: checks a password and opens a session, or renews the authentication of the current one. */
import {
  deviceCookie,
  presentedDevice,
  presentedRefreshToken,
  presentedRegistration,
} from '../../lib/auth/credentials.ts'
import { signedIn } from '../../lib/auth/responses.ts'
import { beginLogin, failLogin, finishLogin } from '../../lib/auth/sign-in.ts'
import { hashPassword, needsRehash, passwordMatches } from '../../lib/crypto/passwords.ts'
import { endpoint } from '../../lib/http/endpoint.ts'
import { readJson } from '../../lib/http/json.ts'
import { HttpError, tooManyRequests } from '../../lib/http/problems.ts'
import { LoginRequest } from '../../lib/http/schemas/requests.ts'

export default endpoint({
  POST: async (request, client) => {
    const { email, password, remember, reauthenticate } = await readJson(request, LoginRequest)
    const presentedToken = presentedRefreshToken(request)
    if (reauthenticate && presentedToken === undefined) throw new HttpError('unauthorized')

    // Counted before the check, so that parallel guesses can't outrun the counter.
    const device = presentedDevice(request, email)
    const registrationId = presentedRegistration(request)?.registrationId
    const attempt = await beginLogin(email, { registrationId, device }, client)
    if (attempt.kind === 'limited') throw tooManyRequests('loginBySource', attempt.retryAfterSeconds)
    const { subject, passwordHash } = attempt

    // An unknown address and a locked account cost the same hash and get the same response as a wrong password.
    const matches = await passwordMatches(password, passwordHash)
    if (!matches || subject !== 'account') {
      await failLogin(email, attempt, client)
      throw new HttpError(matches && subject === 'registration' ? 'email-unverified' : 'invalid-credentials')
    }

    const rehash = passwordHash !== null && needsRehash(passwordHash) ? await hashPassword(password) : null
    const checked = {
      email,
      attempt,
      rehash,
      device,
      presentedToken,
      reauthenticates: reauthenticate,
      persistent: remember,
    }
    const login = await finishLogin(checked, client)
    switch (login.kind) {
      case 'changed':
        throw new HttpError('invalid-credentials')
      case 'signed-out':
        throw new HttpError('unauthorized')
      case 'refresh-required':
      case 'different-account':
        throw new HttpError(login.kind)
      case 'signed-in': {
        const { user, persistent } = login.session.session
        return signedIn(login.session, [deviceCookie(request, user, persistent)])
      }
    }
  },
})
