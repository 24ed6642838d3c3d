/** /api/auth/account: GET reads it, PATCH changes its password or its address, DELETE deletes it. */
import * as z from 'zod/mini'
import type { Account, CheckEmail } from '../../lib/answers.ts'
import {
  beginPasswordCheck,
  changePassword,
  deleteAccount,
  requestEmailChange,
} from '../../lib/auth/account.ts'
import { credentialOf, type Credential } from '../../lib/auth/credential.ts'
import { findSession } from '../../lib/auth/sessions.ts'
import { failLogin } from '../../lib/auth/sign-in.ts'
import { breachFaults } from '../../lib/breached-passwords.ts'
import type { Client } from '../../lib/client.ts'
import { endedDeviceCookie, endedSessionCookies } from '../../lib/cookies.ts'
import { renewedDeviceCookie } from '../../lib/device-cookie.ts'
import { EmailAddress } from '../../lib/email-address.ts'
import { endpoint } from '../../lib/endpoint.ts'
import { json, readJson } from '../../lib/json.ts'
import { rateLimits } from '../../lib/limits.ts'
import { deliverAfterResponse } from '../../lib/outbox.ts'
import {
  hashPassword,
  Password,
  passwordFaults,
  passwordMatches,
  UNKNOWN_ACCOUNT_HASH,
} from '../../lib/passwords.ts'
import { problem, quotaExceeded, weakPassword } from '../../lib/problems.ts'
import { signedIn, userBody, withCookies } from '../../lib/session-answer.ts'

export const Change = z.strictObject({
  currentPassword: z.optional(Password),
  newPassword: z.optional(Password),
  email: z.optional(EmailAddress),
})

export default endpoint({
  GET: async (request) => {
    const credential = await credentialOf(request)
    if (credential === undefined) return problem('unauthorized')
    const found = await findSession(credential)
    if (found.kind !== 'signed-in') return refusal(found.kind)
    return json<Account>({ user: userBody(found.session.user) })
  },

  PATCH: async (request, client) => {
    const { currentPassword, newPassword, email } = await readJson(request, Change)
    const credential = await credentialOf(request)
    if (currentPassword !== undefined && newPassword !== undefined && email === undefined) {
      return setPassword(request, credential, { currentPassword, newPassword }, client)
    }
    if (email !== undefined && currentPassword === undefined && newPassword === undefined) {
      return changeEmail(credential, email, client)
    }
    const detail = 'Give either currentPassword and newPassword, or email.'
    return problem('validation-failed', { errors: [{ pointer: '#', detail }] })
  },

  DELETE: async (request, client) => {
    const credential = await credentialOf(request)
    if (credential === undefined) return problem('unauthorized')
    const result = await deleteAccount(credential, client)
    if (result.kind !== 'deleted') return refusal(result.kind)
    await deliverAfterResponse(result.emails)
    const cookies = [...endedSessionCookies(), endedDeviceCookie()]
    return withCookies(new Response(null, { status: 204 }), cookies)
  },
})

function refusal(kind: 'signed-out' | 'refresh-required' | 'reauthentication-required'): Response {
  return problem(kind === 'signed-out' ? 'unauthorized' : kind)
}

async function setPassword(
  request: Request,
  credential: Credential | undefined,
  { currentPassword, newPassword }: { currentPassword: string; newPassword: string },
  client: Client,
): Promise<Response> {
  const faults = passwordFaults(newPassword)
  if (newPassword === currentPassword) faults.push('This is the password you have already.')
  if (faults.length > 0) return weakPassword(faults, '#/newPassword')

  if (credential === undefined) return problem('unauthorized')
  const attempt = await beginPasswordCheck(credential)
  if (attempt.kind === 'limited') {
    return quotaExceeded(rateLimits.passwordCheckByAccount, attempt.retryAfterSeconds)
  }
  if (attempt.kind !== 'counted') return refusal(attempt.kind)

  const matches = await passwordMatches(currentPassword, attempt.passwordHash ?? UNKNOWN_ACCOUNT_HASH)
  if (!matches || attempt.subject !== 'account') {
    await deliverAfterResponse(await failLogin(attempt.email, attempt, client))
    return problem('invalid-credentials')
  }
  const faultsOfOwn = passwordFaults(newPassword, attempt.email)
  if (faultsOfOwn.length > 0) return weakPassword(faultsOfOwn, '#/newPassword')
  const breaches = await breachFaults(newPassword)
  if (breaches.length > 0) return weakPassword(breaches, '#/newPassword')

  const { securityVersion } = attempt
  const newPasswordHash = await hashPassword(newPassword)
  const result = await changePassword(credential, { securityVersion, newPasswordHash }, client)
  if (result.kind === 'signed-out') return problem('unauthorized')
  await deliverAfterResponse(result.emails)
  const { user, persistent } = result.session.session
  return withCookies(await signedIn(result.session), [renewedDeviceCookie(request, user, persistent)])
}

/** The same response for an address that has an account already: its owner hears of it, and nobody else does. */
async function changeEmail(
  credential: Credential | undefined,
  email: string,
  client: Client,
): Promise<Response> {
  if (credential === undefined) return problem('unauthorized')
  const result = await requestEmailChange(credential, email, client)
  if (result.kind === 'limited') {
    return quotaExceeded(rateLimits.emailChangeByAccount, result.retryAfterSeconds)
  }
  if (result.kind !== 'accepted') return refusal(result.kind)
  await deliverAfterResponse(result.emails)
  return json<CheckEmail>({ status: 'check-email' })
}
