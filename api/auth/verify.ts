/** /api/auth/verify: POST mails a new link, PUT spends the mailed token and makes the account. */
import * as z from 'zod/mini'
import { afterAnswer } from '../../lib/after-answer.ts'
import { endedRegistrationCookie, readCookie } from '../../lib/cookies.ts'
import { EmailAddress } from '../../lib/email-address.ts'
import { endpoint } from '../../lib/endpoint.ts'
import { json, readJson } from '../../lib/json.ts'
import { MailTokenText, openMailToken } from '../../lib/mail-token.ts'
import { deliver } from '../../lib/outbox.ts'
import { Password, passwordMatches } from '../../lib/passwords.ts'
import { problem, quotaExceeded } from '../../lib/problems.ts'
import { limits } from '../../lib/rate-limits.ts'
import { openRegistration } from '../../lib/registration-cookie.ts'
import { requestRegistrationMail, spendRegistration } from '../../lib/registrations.ts'
import { withCookies } from '../../lib/session-answer.ts'

const MailWish = z.strictObject({ email: EmailAddress })
const Proof = z.strictObject({ token: MailTokenText, password: z.optional(Password) })

export default endpoint({
  POST: async (request, client) => {
    const { email } = await readJson(request, MailWish)
    const wish = await requestRegistrationMail(
      email,
      openRegistration(readCookie(request, 'registration')),
      client,
    )
    if (wish.kind === 'limited') return quotaExceeded(limits.mailBySource, wish.waitSeconds)
    const { mail } = wish
    if (mail !== undefined) await afterAnswer(() => deliver(mail))
    return json({ status: 'check-email' }, 202)
  },

  PUT: async (request, client) => {
    const { token: text, password } = await readJson(request, Proof)
    const opened = openMailToken('registration-mail', text)
    if (opened.kind === 'invalid') return problem('token-invalid')
    if (opened.kind === 'expired') return problem('token-expired')
    const { id } = opened.token

    // The browser that registered needs nothing more; any other one gives the registration's password.
    const ownBrowser = openRegistration(readCookie(request, 'registration')) === id
    let spending = await spendRegistration(id, ownBrowser, client)
    if (spending.kind === 'unproven') {
      if (password === undefined) return problem('password-required')
      if (!(await passwordMatches(password, spending.passwordHash))) return problem('invalid-credentials')
      spending = await spendRegistration(id, true, client)
    }
    if (spending.kind !== 'account-created') return problem('token-spent')

    // A mail proves an address, not a person: whoever pressed the link signs in with the password.
    return withCookies(json({ status: 'verified' }), [endedRegistrationCookie()])
  },
})
