/** /api/auth/reset: POST mails a link, PUT spends its token and sets a new password. */
import * as z from 'zod/mini'
import type { PasswordChanged } from '../../lib/answers.ts'
import { afterAnswer } from '../../lib/after-answer.ts'
import { breachFaults } from '../../lib/breached-passwords.ts'
import type { Client } from '../../lib/client.ts'
import { EmailAddress } from '../../lib/email-address.ts'
import { endpoint } from '../../lib/endpoint.ts'
import { json, readJson } from '../../lib/json.ts'
import { MailCode } from '../../lib/mail-code.ts'
import { MailTokenText, openMailToken } from '../../lib/mail-token.ts'
import { checkEmail } from '../../lib/mail-request-answer.ts'
import { deliver } from '../../lib/outbox.ts'
import { hashPassword, Password, passwordFaults } from '../../lib/passwords.ts'
import { problem, quotaExceeded, weakPassword } from '../../lib/problems.ts'
import { limits } from '../../lib/rate-limits.ts'
import { requestReset, resetPassword, tryResetCode } from '../../lib/resets.ts'

export const MailWish = z.strictObject({ email: EmailAddress })
export const NewPassword = z.strictObject({
  token: z.optional(MailTokenText),
  email: z.optional(EmailAddress),
  code: z.optional(MailCode),
  password: Password,
})

export default endpoint({
  POST: async (request, client) => {
    const { email } = await readJson(request, MailWish)
    return checkEmail(await requestReset(email, client))
  },

  PUT: async (request, client) => {
    const { token, email, code, password } = await readJson(request, NewPassword)
    if (token !== undefined && email === undefined && code === undefined) {
      const opened = openMailToken(['reset-mail'], token)
      if (opened.kind === 'invalid') return problem('token-invalid')
      if (opened.kind === 'expired') return problem('token-expired')
      const faults = passwordFaults(password)
      return faults.length > 0 ? weakPassword(faults) : answerReset(opened.token.id, password, client)
    }
    if (token === undefined && email !== undefined && code !== undefined) {
      const faults = passwordFaults(password, email)
      if (faults.length > 0) return weakPassword(faults)
      const attempt = await tryResetCode(email, code, client)
      if (attempt.kind === 'limited') return quotaExceeded(limits.codeBySource, attempt.waitSeconds)
      return attempt.kind === 'wrong'
        ? problem('code-invalid')
        : answerReset(attempt.match.id, password, client)
    }
    const detail = 'Give either token, or email and code.'
    return problem('validation-failed', { errors: [{ pointer: '#', detail }] })
  },
})

/** Nobody is signed in by a mail; a session in this very browser has ended like all the others. */
async function answerReset(tokenId: string, password: string, client: Client): Promise<Response> {
  const breaches = await breachFaults(password)
  if (breaches.length > 0) return weakPassword(breaches)
  const reset = await resetPassword(tokenId, await hashPassword(password), client)
  if (reset.kind === 'limited') return quotaExceeded(limits.linkByToken, reset.waitSeconds)
  if (reset.kind === 'spent') return problem('token-spent')
  await afterAnswer(() => deliver(reset.mail))
  return json<PasswordChanged>({ status: 'password-changed' })
}
