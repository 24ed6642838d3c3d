/** /api/auth/reset: POST mails a link, PUT spends its token and sets a new password. */
import * as z from 'zod/mini'
import { afterAnswer } from '../../lib/after-answer.ts'
import { EmailAddress } from '../../lib/email-address.ts'
import { endpoint } from '../../lib/endpoint.ts'
import { json, readJson } from '../../lib/json.ts'
import { MailTokenText, openMailToken } from '../../lib/mail-token.ts'
import { deliver } from '../../lib/outbox.ts'
import { hashPassword, Password, passwordFaults } from '../../lib/passwords.ts'
import { problem, quotaExceeded, weakPassword } from '../../lib/problems.ts'
import { limits } from '../../lib/rate-limits.ts'
import { requestReset, resetPassword } from '../../lib/resets.ts'

const MailWish = z.strictObject({ email: EmailAddress })
const NewPassword = z.strictObject({ token: MailTokenText, password: Password })

export default endpoint({
  POST: async (request, client) => {
    const { email } = await readJson(request, MailWish)
    const wish = await requestReset(email, client)
    if (wish.kind === 'limited') return quotaExceeded(limits.mailBySource, wish.waitSeconds)
    const { mail } = wish
    if (mail !== undefined) await afterAnswer(() => deliver(mail))
    return json({ status: 'check-email' }, 202)
  },

  PUT: async (request, client) => {
    const { token: text, password } = await readJson(request, NewPassword)
    const opened = openMailToken(['reset-mail'], text)
    if (opened.kind === 'invalid') return problem('token-invalid')
    if (opened.kind === 'expired') return problem('token-expired')
    const faults = passwordFaults(password)
    if (faults.length > 0) return weakPassword(faults)

    const reset = await resetPassword(opened.token.id, await hashPassword(password), client)
    if (reset.kind === 'spent') return problem('token-spent')
    await afterAnswer(() => deliver(reset.mail))

    // Nobody is signed in by a mail; a session in this very browser has ended like all the others.
    return json({ status: 'password-changed' })
  },
})
