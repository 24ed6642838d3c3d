/** POST /api/auth/register: keeps a registration and mails its link. No account exists before the link is pressed. */
import * as z from 'zod/mini'
import type { CheckEmail } from '../../lib/answers.ts'
import { afterAnswer } from '../../lib/after-answer.ts'
import { breachFaults } from '../../lib/breached-passwords.ts'
import { registrationCookie } from '../../lib/cookies.ts'
import { EmailAddress } from '../../lib/email-address.ts'
import { endpoint } from '../../lib/endpoint.ts'
import { json, readJson } from '../../lib/json.ts'
import { deliver } from '../../lib/outbox.ts'
import { hashPassword, Password, passwordFaults } from '../../lib/passwords.ts'
import { quotaExceeded, weakPassword } from '../../lib/problems.ts'
import { limits } from '../../lib/rate-limits.ts'
import { sealRegistration } from '../../lib/registration-cookie.ts'
import {
  admitRegistration,
  newRegistrationId,
  register,
  REGISTRATION_LIFETIME_SECONDS,
} from '../../lib/registrations.ts'
import { withCookies } from '../../lib/session-answer.ts'

export const Body = z.strictObject({ email: EmailAddress, password: Password })

export default endpoint({
  POST: async (request, client) => {
    const { email, password } = await readJson(request, Body)
    const faults = passwordFaults(password, email)
    if (faults.length > 0) return weakPassword(faults)

    // Before the hash, which is the costly part.
    const waitSeconds = await admitRegistration(email, client)
    if (waitSeconds !== undefined) return quotaExceeded(limits.registerBySource, waitSeconds)

    const breaches = await breachFaults(password)
    if (breaches.length > 0) return weakPassword(breaches)

    // A taken address costs the same hash, gets the same cookie and the same answer; its owner gets another mail.
    const id = newRegistrationId()
    const mail = await register({ id, email, passwordHash: await hashPassword(password) }, client)
    if (mail !== undefined) await afterAnswer(() => deliver(mail))

    const cookie = registrationCookie(sealRegistration(id), REGISTRATION_LIFETIME_SECONDS)
    return withCookies(json<CheckEmail>({ status: 'check-email' }, 202), [cookie])
  },
})
