/** /api/auth/verify: POST mails a new link; PUT consumes a mailed token, of a registration or a change of address. */
import * as z from 'zod/mini'
import type { Verified } from '../../lib/answers.ts'
import { cancelEmailChange, confirmEmailChange } from '../../lib/auth/account.ts'
import { credentialOf } from '../../lib/auth/credential.ts'
import {
  consumeRegistration,
  requestVerificationEmail,
  tryRegistrationCode,
  type RegisteringBrowser,
  type Verification,
} from '../../lib/auth/sign-up.ts'
import type { Client } from '../../lib/client.ts'
import { endedRegistrationCookie, readCookie } from '../../lib/cookies.ts'
import { renewedDeviceCookie } from '../../lib/device-cookie.ts'
import { EmailAddress } from '../../lib/email-address.ts'
import { endpoint } from '../../lib/endpoint.ts'
import { json, readJson } from '../../lib/json.ts'
import { rateLimits } from '../../lib/limits.ts'
import { MailCode } from '../../lib/mail-code.ts'
import { MailTokenText, openMailToken } from '../../lib/mail-token.ts'
import { checkEmail } from '../../lib/mail-request-answer.ts'
import { deliverAfterResponse } from '../../lib/outbox.ts'
import { Password, passwordMatches, UNKNOWN_ACCOUNT_HASH } from '../../lib/passwords.ts'
import { problem, quotaExceeded } from '../../lib/problems.ts'
import { openRefreshToken } from '../../lib/refresh-token.ts'
import { openRegistrationCookie } from '../../lib/registration-cookie.ts'
import { sessionBody, withCookies, withSessionCookies } from '../../lib/session-answer.ts'

export const MailWish = z.strictObject({ email: EmailAddress })
export const Proof = z.strictObject({
  token: z.optional(MailTokenText),
  cancel: z.optional(MailTokenText),
  email: z.optional(EmailAddress),
  code: z.optional(MailCode),
  password: z.optional(Password),
})

const CONFIRMING = ['registration-mail', 'email-change-mail'] as const

export default endpoint({
  POST: async (request, client) => {
    const { email } = await readJson(request, MailWish)
    const own = openRegistrationCookie(readCookie(request, 'registration'))
    return checkEmail(await requestVerificationEmail(email, own?.registrationId, client))
  },

  PUT: async (request, client) => {
    const { token, cancel, email, code, password } = await readJson(request, Proof)
    const given = [token, cancel, code].filter((proof) => proof !== undefined)
    if (given.length === 1 && (code === undefined) === (email === undefined)) {
      if (token !== undefined) return confirm(request, token, password, client)
      if (cancel !== undefined) return cancelChange(cancel, client)
      if (email !== undefined && code !== undefined) {
        return verifyWithCode(request, { email, code, password }, client)
      }
    }
    const detail = 'Give either token, or email and code, or cancel.'
    return problem('validation-failed', { errors: [{ pointer: '#', detail }] })
  },
})

async function confirm(
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

/** The old address's link. A field of its own, so that a page that confirms can't cancel, nor one that cancels confirm. */
async function cancelChange(text: string, client: Client): Promise<Response> {
  const opened = openMailToken(['email-change-stop-mail'], text)
  if (opened.kind === 'invalid') return problem('token-invalid')
  if (opened.kind === 'expired') return problem('token-expired')
  const result = await cancelEmailChange(opened.token.id, client)
  return result === 'canceled' ? json<Verified>({ status: 'canceled' }) : problem('token-already-used')
}

/** The code of a registration's email; like the link it proves the address, and not the person. */
async function verifyWithCode(
  request: Request,
  proof: { email: string; code: string; password: string | undefined },
  client: Client,
): Promise<Response> {
  const attempt = await tryRegistrationCode(proof.email, proof.code, client)
  if (attempt.kind === 'limited') return quotaExceeded(rateLimits.codeBySource, attempt.retryAfterSeconds)
  if (attempt.kind === 'wrong') return problem('code-invalid')
  const { id, passwordHash } = attempt.match
  const browser = registeringBrowser(request, id)
  if (browser === undefined) {
    const refusal = await refusePassword(proof.password, passwordHash)
    if (refusal !== undefined) return refusal
  }
  return verified(request, await consumeRegistration(id, browser ?? 'password', client))
}

/** The browser that registered needs nothing more; any other one gives the registration's password. */
async function confirmRegistration(
  request: Request,
  id: string,
  password: string | undefined,
  client: Client,
): Promise<Response> {
  let verification = await consumeRegistration(id, registeringBrowser(request, id), client)
  if (verification.kind === 'unverified') {
    const refusal = await refusePassword(password, verification.passwordHash)
    if (refusal !== undefined) return refusal
    verification = await consumeRegistration(id, 'password', client)
  }
  return verified(request, verification)
}

/** Undefined in every browser but the one that registered. */
function registeringBrowser(request: Request, registrationId: string): RegisteringBrowser | undefined {
  const own = openRegistrationCookie(readCookie(request, 'registration'))
  if (own?.registrationId !== registrationId) return undefined
  const presentedToken = openRefreshToken(readCookie(request, 'session'))
  return { persistent: own.persistent, presentedToken }
}

/** What to respond when the password is missing or wrong; undefined when it is right. */
async function refusePassword(
  password: string | undefined,
  passwordHash: string | null,
): Promise<Response | undefined> {
  if (password === undefined) return problem('password-required')
  const matches = await passwordMatches(password, passwordHash ?? UNKNOWN_ACCOUNT_HASH)
  return matches ? undefined : problem('invalid-credentials')
}

/** Only the browser that registered is signed in. In another one its owner signs in with the password. */
async function verified(request: Request, verification: Verification): Promise<Response> {
  switch (verification.kind) {
    case 'limited':
      return quotaExceeded(rateLimits.linkByToken, verification.retryAfterSeconds)
    case 'consumed':
    case 'unverified':
      return problem('token-already-used')
    case 'account-created':
      return withCookies(json<Verified>({ status: 'verified' }), [endedRegistrationCookie()])
    case 'signed-in': {
      const { session } = verification
      const response = json<Verified>({ status: 'signed-in', ...(await sessionBody(session)) })
      const { user, persistent } = session.session
      const cookies = [endedRegistrationCookie(), renewedDeviceCookie(request, user, persistent)]
      return withCookies(withSessionCookies(response, session), cookies)
    }
  }
}

/** A browser that is signed in to the account needs nothing more; any other one gives the account's password. */
async function confirmNewEmail(
  request: Request,
  id: string,
  password: string | undefined,
  client: Client,
): Promise<Response> {
  let result = await confirmEmailChange(id, { credential: await credentialOf(request) }, client)
  if (result.kind === 'unverified') {
    const refusal = await refusePassword(password, result.passwordHash)
    if (refusal !== undefined) return refusal
    result = await confirmEmailChange(id, { securityVersion: result.securityVersion }, client)
  }
  if (result.kind === 'limited') return quotaExceeded(rateLimits.linkByToken, result.retryAfterSeconds)
  if (result.kind !== 'confirmed') return problem('token-already-used')
  await deliverAfterResponse(result.emails)
  const { user, persistent } = result
  const cookies = persistent === null ? [] : [renewedDeviceCookie(request, user, persistent)]
  return withCookies(json<Verified>({ status: 'verified' }), cookies)
}
