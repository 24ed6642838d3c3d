/** POST /api/auth/login: checks a password and opens a session. */
import * as z from 'zod/mini'
import { afterAnswer } from '../../lib/after-answer.ts'
import { knownBrowserCookie, readCookie } from '../../lib/cookies.ts'
import { EmailAddress } from '../../lib/email-address.ts'
import { endpoint } from '../../lib/endpoint.ts'
import { readJson } from '../../lib/json.ts'
import {
  KNOWN_BROWSER_LIFETIME_SECONDS,
  newKnownBrowser,
  openKnownBrowser,
  sealKnownBrowser,
} from '../../lib/known-browser.ts'
import { beginLogin, recordFailedLogin } from '../../lib/logins.ts'
import { deliver } from '../../lib/outbox.ts'
import { hashPassword, needsRehash, Password, passwordMatches } from '../../lib/passwords.ts'
import { problem, quotaExceeded } from '../../lib/problems.ts'
import { failureWaits, limits } from '../../lib/rate-limits.ts'
import { openRegistration } from '../../lib/registration-cookie.ts'
import { openRefreshToken } from '../../lib/refresh-token.ts'
import { signedIn, withCookies } from '../../lib/session-answer.ts'
import { openSession } from '../../lib/sessions.ts'

export const Credentials = z.strictObject({ email: EmailAddress, password: Password })

export default endpoint({
  POST: async (request, client) => {
    const { email, password } = await readJson(request, Credentials)

    // Counted before the check, so that parallel guesses cannot outrun the counter.
    const knownBrowserId = openKnownBrowser(readCookie(request, 'known-browser'), email)
    const registrationId = openRegistration(readCookie(request, 'registration'))
    const attempt = await beginLogin(email, { registrationId, knownBrowserId }, client)
    if (attempt.kind === 'limited') return quotaExceeded(limits.loginBySource, attempt.waitSeconds)
    const { subject, passwordHash, attempts } = attempt

    // An unknown address and a locked account cost the same hash and get the same answer as a wrong password.
    const matches = await passwordMatches(password, passwordHash)
    if (matches && subject.kind === 'account') {
      const opened = await openSession(
        {
          user: subject.user,
          passwordHash,
          rehash: needsRehash(passwordHash) ? await hashPassword(password) : null,
          presentedToken: openRefreshToken(readCookie(request, 'session')),
          attempts,
          suspicious: knownBrowserId === undefined && subject.failures > failureWaits.waitsFrom,
        },
        client,
      )
      if (opened === undefined) return problem('invalid-credentials')
      const { session, mail } = opened
      if (mail !== undefined) await afterAnswer(() => deliver(mail))
      const known = sealKnownBrowser(knownBrowserId ?? newKnownBrowser(), email)
      return withCookies(await signedIn(session), [knownBrowserCookie(known, KNOWN_BROWSER_LIFETIME_SECONDS)])
    }

    const mail = await recordFailedLogin(subject, client)
    if (mail !== undefined) await afterAnswer(() => deliver(mail))
    return problem(matches && subject.kind === 'registration' ? 'email-unverified' : 'invalid-credentials')
  },
})
