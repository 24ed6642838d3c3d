/** POST /api/auth/login: checks a password and opens a session, or renews the authentication of the one that is open. */
import * as z from 'zod/mini'
import { beginLogin, failLogin, finishLogin } from '../../lib/auth/sign-in.ts'
import { readCookie } from '../../lib/cookies.ts'
import { openDeviceCookie, renewedDeviceCookie } from '../../lib/device-cookie.ts'
import { EmailAddress } from '../../lib/email-address.ts'
import { endpoint } from '../../lib/endpoint.ts'
import { readJson } from '../../lib/json.ts'
import { rateLimits } from '../../lib/limits.ts'
import { deliverAfterResponse } from '../../lib/outbox.ts'
import { hashPassword, needsRehash, Password, passwordMatches } from '../../lib/passwords.ts'
import { problem, quotaExceeded } from '../../lib/problems.ts'
import { openRegistrationCookie } from '../../lib/registration-cookie.ts'
import { openRefreshToken } from '../../lib/refresh-token.ts'
import { signedIn, withCookies } from '../../lib/session-answer.ts'

const Flag = z.boolean({ error: 'Give true or false.' })

export const Credentials = z.strictObject({
  email: EmailAddress,
  password: Password,
  remember: z._default(Flag, true),
  reauthenticate: z._default(Flag, false),
})

export default endpoint({
  POST: async (request, client) => {
    const { email, password, remember, reauthenticate } = await readJson(request, Credentials)
    const presentedToken = openRefreshToken(readCookie(request, 'session'))
    if (reauthenticate && presentedToken === undefined) return problem('unauthorized')

    // Counted before the check, so that parallel guesses can't outrun the counter.
    const device = openDeviceCookie(readCookie(request, 'device'), email)
    const registrationId = openRegistrationCookie(readCookie(request, 'registration'))?.registrationId
    const attempt = await beginLogin(email, { registrationId, device }, client)
    if (attempt.kind === 'limited') return quotaExceeded(rateLimits.loginBySource, attempt.retryAfterSeconds)
    const { subject, passwordHash } = attempt

    // An unknown address and a locked account cost the same hash and get the same response as a wrong password.
    const matches = await passwordMatches(password, passwordHash)
    if (!matches || subject !== 'account') {
      await deliverAfterResponse(await failLogin(email, attempt, client))
      return problem(matches && subject === 'registration' ? 'email-unverified' : 'invalid-credentials')
    }

    const rehash = needsRehash(passwordHash) ? await hashPassword(password) : null
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
    if (login.kind === 'changed') return problem('invalid-credentials')
    if (login.kind === 'signed-out') return problem('unauthorized')
    if (login.kind === 'different-account' || login.kind === 'refresh-required') return problem(login.kind)
    await deliverAfterResponse(login.emails)

    const { user, persistent } = login.session.session
    return withCookies(await signedIn(login.session), [renewedDeviceCookie(request, user, persistent)])
  },
})
