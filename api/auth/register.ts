/** POST /api/auth/register: keeps a registration and mails its link. No account exists before the link is opened. */
import * as z from 'zod/mini'
import type { CheckEmail } from '../../lib/answers.ts'
import { admitRegistration, register } from '../../lib/auth/sign-up.ts'
import { breachFaults } from '../../lib/breached-passwords.ts'
import { registrationCookie } from '../../lib/cookies.ts'
import { EmailAddress } from '../../lib/email-address.ts'
import { endpoint } from '../../lib/endpoint.ts'
import { json, readJson } from '../../lib/json.ts'
import { lifetimeSeconds, rateLimits } from '../../lib/limits.ts'
import { deliverAfterResponse } from '../../lib/outbox.ts'
import { hashPassword, Password, passwordFaults } from '../../lib/passwords.ts'
import { quotaExceeded, weakPassword } from '../../lib/problems.ts'
import { signRegistrationCookie } from '../../lib/registration-cookie.ts'
import { withCookies } from '../../lib/session-answer.ts'

export const Body = z.strictObject({
  email: EmailAddress,
  password: Password,
  remember: z._default(z.boolean({ error: 'Give true or false.' }), true),
})

export default endpoint({
  POST: async (request, client) => {
    const { email, password, remember } = await readJson(request, Body)
    const faults = passwordFaults(password, email)
    if (faults.length > 0) return weakPassword(faults)

    // Before the hash, which is the costly part.
    const retryAfterSeconds = await admitRegistration(email, client)
    if (retryAfterSeconds !== undefined) return quotaExceeded(rateLimits.registerBySource, retryAfterSeconds)

    const breaches = await breachFaults(password)
    if (breaches.length > 0) return weakPassword(breaches)

    // A taken address costs the same hash, gets the same cookie and the same response; its owner gets another email.
    const { registrationId, emails } = await register(email, await hashPassword(password), client)
    await deliverAfterResponse(emails)

    const signed = signRegistrationCookie({ registrationId, persistent: remember })
    const cookie = registrationCookie(signed, lifetimeSeconds.registration)
    return withCookies(json<CheckEmail>({ status: 'check-email' }, 202), [cookie])
  },
})
