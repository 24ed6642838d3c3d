/** /api/auth/account: GET reads it, PATCH changes its password or its address, DELETE deletes it. */
import * as z from 'zod/mini'
import type { Account, CheckEmail } from '../../lib/answers.ts'
import {
  beginReauthentication,
  changePassword,
  deleteAccount,
  requestEmailChange,
  type Reauthenticated,
} from '../../lib/accounts.ts'
import { afterAnswer } from '../../lib/after-answer.ts'
import { breachFaults } from '../../lib/breached-passwords.ts'
import type { Client } from '../../lib/client.ts'
import { endedSessionCookies, forgottenBrowserCookie } from '../../lib/cookies.ts'
import { credentialOf } from '../../lib/credentials.ts'
import { EmailAddress } from '../../lib/email-address.ts'
import { endpoint } from '../../lib/endpoint.ts'
import { json, readJson } from '../../lib/json.ts'
import { recordFailedLogin } from '../../lib/logins.ts'
import { deliver } from '../../lib/outbox.ts'
import { hashPassword, Password, passwordFaults, passwordMatches } from '../../lib/passwords.ts'
import { problem, quotaExceeded, weakPassword } from '../../lib/problems.ts'
import { limits } from '../../lib/rate-limits.ts'
import { signedIn, userBody, withCookies } from '../../lib/session-answer.ts'
import { checkSession } from '../../lib/sessions.ts'

export const Change = z.strictObject({
  currentPassword: Password,
  newPassword: z.optional(Password),
  email: z.optional(EmailAddress),
})
export const Deletion = z.strictObject({ currentPassword: Password })

export default endpoint({
  GET: async (request) => {
    const credential = await credentialOf(request)
    const session = credential && (await checkSession(credential))
    return session === undefined ? problem('unauthorized') : json<Account>({ user: userBody(session.user) })
  },

  PATCH: async (request, client) => {
    const { currentPassword, newPassword, email } = await readJson(request, Change)
    if (newPassword !== undefined && email === undefined) {
      return answerPasswordChange(request, currentPassword, newPassword, client)
    }
    if (email !== undefined && newPassword === undefined) {
      return answerEmailChange(request, currentPassword, email, client)
    }
    const detail = 'Give currentPassword and either newPassword or email.'
    return problem('validation-failed', { errors: [{ pointer: '#', detail }] })
  },

  DELETE: async (request, client) => {
    const { currentPassword } = await readJson(request, Deletion)
    const owner = await reauthenticate(request, currentPassword, client)
    if (owner instanceof Response) return owner
    const mail = await deleteAccount(owner, client)
    if (mail === undefined) return problem('unauthorized')
    await afterAnswer(() => deliver(mail))
    return withCookies(new Response(null, { status: 204 }), [
      ...endedSessionCookies(),
      forgottenBrowserCookie(),
    ])
  },
})

async function answerPasswordChange(
  request: Request,
  currentPassword: string,
  newPassword: string,
  client: Client,
): Promise<Response> {
  const faults = passwordFaults(newPassword)
  if (newPassword === currentPassword) faults.push('This is the password you have already.')
  if (faults.length > 0) return weakPassword(faults, '#/newPassword')

  const owner = await reauthenticate(request, currentPassword, client)
  if (owner instanceof Response) return owner
  const faultsOfOwn = passwordFaults(newPassword, owner.user.email)
  if (faultsOfOwn.length > 0) return weakPassword(faultsOfOwn, '#/newPassword')

  const breaches = await breachFaults(newPassword)
  if (breaches.length > 0) return weakPassword(breaches, '#/newPassword')

  const changed = await changePassword(owner, await hashPassword(newPassword), client)
  if (changed === undefined) return problem('unauthorized')
  await afterAnswer(() => deliver(changed.mail))
  return signedIn(changed.session)
}

/** The same answer for an address that has an account already: its owner hears of it, and nobody else does. */
async function answerEmailChange(
  request: Request,
  currentPassword: string,
  email: string,
  client: Client,
): Promise<Response> {
  const owner = await reauthenticate(request, currentPassword, client)
  if (owner instanceof Response) return owner
  const change = await requestEmailChange(owner, email, client)
  if (change.kind === 'changed-meanwhile') return problem('unauthorized')
  if (change.kind === 'limited') return quotaExceeded(limits.emailChangeByAccount, change.waitSeconds)
  const { mails } = change
  await afterAnswer(() => deliver(...mails))
  return json<CheckEmail>({ status: 'check-email' })
}

/** Checks the current password, counted like a login; the answer that refuses it otherwise. */
async function reauthenticate(
  request: Request,
  currentPassword: string,
  client: Client,
): Promise<Reauthenticated | Response> {
  const credential = await credentialOf(request)
  if (credential === undefined) return problem('unauthorized')
  const attempt = await beginReauthentication(credential)
  if (attempt.kind === 'signed-out') return problem('unauthorized')
  if (attempt.kind === 'limited') return quotaExceeded(limits.passwordCheckByAccount, attempt.waitSeconds)

  const { subject, sessionId, passwordHash } = attempt
  if ((await passwordMatches(currentPassword, passwordHash)) && subject.kind === 'account') {
    return { credential, user: subject.user, sessionId, passwordHash }
  }
  const mail = await recordFailedLogin(subject, client)
  if (mail !== undefined) await afterAnswer(() => deliver(mail))
  return problem('invalid-credentials')
}
