/** /api/auth/verify: POST mails a new link; PUT spends a mailed token, of a registration or a change of address. */
import * as z from 'zod/mini'
import type { Verified } from '../../lib/answers.ts'
import { confirmEmailChange, stopEmailChange } from '../../lib/accounts.ts'
import { afterAnswer } from '../../lib/after-answer.ts'
import type { Client } from '../../lib/client.ts'
import { endedRegistrationCookie, readCookie } from '../../lib/cookies.ts'
import { credentialOf } from '../../lib/credentials.ts'
import { EmailAddress } from '../../lib/email-address.ts'
import { endpoint } from '../../lib/endpoint.ts'
import { json, readJson } from '../../lib/json.ts'
import { MailCode } from '../../lib/mail-code.ts'
import { MailTokenText, openMailToken } from '../../lib/mail-token.ts'
import { checkEmail } from '../../lib/mail-request-answer.ts'
import { deliver } from '../../lib/outbox.ts'
import { Password, passwordMatches } from '../../lib/passwords.ts'
import { problem, quotaExceeded } from '../../lib/problems.ts'
import { limits } from '../../lib/rate-limits.ts'
import { openRegistration } from '../../lib/registration-cookie.ts'
import {
  requestRegistrationMail,
  spendRegistration,
  tryRegistrationCode,
  type Spending,
} from '../../lib/registrations.ts'
import { withCookies } from '../../lib/session-answer.ts'

export const MailWish = z.strictObject({ email: EmailAddress })
export const Proof = z.strictObject({
  token: z.optional(MailTokenText),
  stop: z.optional(MailTokenText),
  email: z.optional(EmailAddress),
  code: z.optional(MailCode),
  password: z.optional(Password),
})

const CONFIRMING = ['registration-mail', 'email-change-mail'] as const

export default endpoint({
  POST: async (request, client) => {
    const { email } = await readJson(request, MailWish)
    const ownRegistrationId = openRegistration(readCookie(request, 'registration'))
    return checkEmail(await requestRegistrationMail(email, ownRegistrationId, client))
  },

  PUT: async (request, client) => {
    const { token, stop, email, code, password } = await readJson(request, Proof)
    const given = [token, stop, code].filter((proof) => proof !== undefined)
    if (given.length === 1 && (code === undefined) === (email === undefined)) {
      if (token !== undefined) return answerToken(request, token, password, client)
      if (stop !== undefined) return answerStop(stop, client)
      if (email !== undefined && code !== undefined)
        return answerCode(request, { email, code, password }, client)
    }
    const detail = 'Give either token, or email and code, or stop.'
    return problem('validation-failed', { errors: [{ pointer: '#', detail }] })
  },
})

async function answerToken(
  request: Request,
  text: string,
  password: string | undefined,
  client: Client,
): Promise<Response> {
  const opened = openMailToken(CONFIRMING, text)
  if (opened.kind === 'invalid') return problem('token-invalid')
  if (opened.kind === 'expired') return problem('token-expired')
  const { id } = opened.token
  switch (opened.purpose) {
    case 'registration-mail':
      return confirmRegistration(request, id, password, client)
    case 'email-change-mail':
      return confirmNewEmail(request, id, password, client)
  }
}

/** The old address's link. A field of its own, so that a page that confirms cannot stop, nor one that stops confirm. */
async function answerStop(text: string, client: Client): Promise<Response> {
  const opened = openMailToken(['email-change-stop-mail'], text)
  if (opened.kind === 'invalid') return problem('token-invalid')
  if (opened.kind === 'expired') return problem('token-expired')
  return (await stopEmailChange(opened.token.id, client))
    ? json<Verified>({ status: 'stopped' })
    : problem('token-spent')
}

/** The six digits of a registration's mail; like the link they prove the address, and not the person. */
async function answerCode(
  request: Request,
  proof: { email: string; code: string; password: string | undefined },
  client: Client,
): Promise<Response> {
  const attempt = await tryRegistrationCode(proof.email, proof.code, client)
  if (attempt.kind === 'limited') return quotaExceeded(limits.codeBySource, attempt.waitSeconds)
  if (attempt.kind === 'wrong') return problem('code-invalid')
  const { id, passwordHash } = attempt.match
  if (openRegistration(readCookie(request, 'registration')) !== id) {
    if (proof.password === undefined) return problem('password-required')
    if (!(await passwordMatches(proof.password, passwordHash))) return problem('invalid-credentials')
  }
  return verified(await spendRegistration(id, true, client))
}

/** The browser that registered needs nothing more; any other one gives the registration's password. */
async function confirmRegistration(
  request: Request,
  id: string,
  password: string | undefined,
  client: Client,
): Promise<Response> {
  const ownBrowser = openRegistration(readCookie(request, 'registration')) === id
  let spending = await spendRegistration(id, ownBrowser, client)
  if (spending.kind === 'unproven') {
    if (password === undefined) return problem('password-required')
    if (!(await passwordMatches(password, spending.passwordHash))) return problem('invalid-credentials')
    spending = await spendRegistration(id, true, client)
  }
  return verified(spending)
}

/** A mail proves an address, not a person: whoever has it signs in with the password. */
function verified(spending: Spending): Response {
  if (spending.kind === 'limited') return quotaExceeded(limits.linkByToken, spending.waitSeconds)
  if (spending.kind !== 'account-created') return problem('token-spent')
  return withCookies(json<Verified>({ status: 'verified' }), [endedRegistrationCookie()])
}

/** A browser that is signed in to the account needs nothing more; any other one gives the account's password. */
async function confirmNewEmail(
  request: Request,
  id: string,
  password: string | undefined,
  client: Client,
): Promise<Response> {
  const credential = await credentialOf(request)
  let confirmation = await confirmEmailChange(id, credential, false, client)
  if (confirmation.kind === 'unproven') {
    if (password === undefined) return problem('password-required')
    if (!(await passwordMatches(password, confirmation.passwordHash))) return problem('invalid-credentials')
    confirmation = await confirmEmailChange(id, undefined, true, client)
  }
  if (confirmation.kind === 'limited') return quotaExceeded(limits.linkByToken, confirmation.waitSeconds)
  if (confirmation.kind !== 'confirmed') return problem('token-spent')
  const { mail } = confirmation
  await afterAnswer(() => deliver(mail))
  return json<Verified>({ status: 'verified' })
}
