/** /api/auth/reset: POST mails a link, PUT consumes its token and sets a new password. */
import * as z from 'zod/mini'
import type { PasswordChanged } from '../../lib/answers.ts'
import { requestReset, resetPassword, tryResetCode } from '../../lib/auth/password-reset.ts'
import { breachFaults } from '../../lib/breached-passwords.ts'
import type { Client } from '../../lib/client.ts'
import { readCookie } from '../../lib/cookies.ts'
import { openDeviceCookie, renewedDeviceCookie } from '../../lib/device-cookie.ts'
import { EmailAddress } from '../../lib/email-address.ts'
import { endpoint } from '../../lib/endpoint.ts'
import { json, readJson } from '../../lib/json.ts'
import { rateLimits } from '../../lib/limits.ts'
import { MailCode } from '../../lib/mail-code.ts'
import { MailTokenText, openMailToken } from '../../lib/mail-token.ts'
import { checkEmail } from '../../lib/mail-request-answer.ts'
import { deliverAfterResponse } from '../../lib/outbox.ts'
import { hashPassword, Password, passwordFaults } from '../../lib/passwords.ts'
import { problem, quotaExceeded, weakPassword } from '../../lib/problems.ts'
import { withCookies } from '../../lib/session-answer.ts'

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
      return faults.length > 0 ? weakPassword(faults) : reset(request, opened.token.id, password, client)
    }
    if (token === undefined && email !== undefined && code !== undefined) {
      const faults = passwordFaults(password, email)
      if (faults.length > 0) return weakPassword(faults)
      const attempt = await tryResetCode(email, code, client)
      if (attempt.kind === 'limited') return quotaExceeded(rateLimits.codeBySource, attempt.retryAfterSeconds)
      return attempt.kind === 'wrong'
        ? problem('code-invalid')
        : reset(request, attempt.match.id, password, client)
    }
    const detail = 'Give either token, or email and code.'
    return problem('validation-failed', { errors: [{ pointer: '#', detail }] })
  },
})

/** Nobody is signed in by an email; a session in this very browser was revoked like all the others. */
async function reset(request: Request, tokenId: string, password: string, client: Client): Promise<Response> {
  const breaches = await breachFaults(password)
  if (breaches.length > 0) return weakPassword(breaches)
  const result = await resetPassword(tokenId, await hashPassword(password), client)
  if (result.kind === 'limited') return quotaExceeded(rateLimits.linkByToken, result.retryAfterSeconds)
  if (result.kind === 'consumed') return problem('token-already-used')
  await deliverAfterResponse(result.emails)
  // Where this browser was known to the account it stays known, until it is closed or signs in again.
  const known = openDeviceCookie(readCookie(request, 'device'), result.user.email) !== undefined
  const cookies = known ? [renewedDeviceCookie(request, result.user, false)] : []
  return withCookies(json<PasswordChanged>({ status: 'password-changed' }), cookies)
}
