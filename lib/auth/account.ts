/** Changing the password or the address, deleting the account. Each needs a recent authentication (`is_stepped_up.sql`). */
import { breachIssues } from '../crypto/breached-passwords.ts'
import { hashPassword, passwordMatches } from '../crypto/passwords.ts'
import { rateLimitKey } from '../crypto/rate-limit-keys.ts'
import { call } from '../db/call.ts'
import * as engine from '../db/engine.ts'
import { normalizeEmail } from '../email-address.ts'
import { deliverAfterResponse } from '../email/outbox.ts'
import { requestContext, type ClientInfo } from '../http/client-info.ts'
import { rateLimits } from '../limits.ts'
import { setLogUser } from '../log-context.ts'
import { credentialParameters, type Credential } from './credentials.ts'
import { passwordIssues } from './password-policy.ts'
import { findSession, newSessionFamily, withRefreshToken, type SessionWithToken } from './sessions.ts'
import { failLogin } from './sign-in.ts'

/** Reads the account from its row. */
export async function readAccount(
  credential: Credential,
): Promise<{ kind: 'found'; user: engine.User } | { kind: 'signed-out' } | { kind: 'refresh-required' }> {
  const found = await findSession(credential)
  return found.kind === 'signed-in' ? { kind: 'found', user: found.session.user } : found
}

export type PasswordChange =
  | { kind: 'changed'; session: SessionWithToken }
  | { kind: 'weak-password'; issues: string[] }
  | { kind: 'wrong-password' }
  | { kind: 'limited'; retryAfterSeconds: number }
  /** Also if the session or the password has changed since the check. */
  | { kind: 'signed-out' }
  | { kind: 'refresh-required' }
  | { kind: 'reauthentication-required' }

/** Revokes every other session and replaces this one. */
export async function changePassword(
  credential: Credential | undefined,
  { currentPassword, newPassword }: { currentPassword: string; newPassword: string },
  client: ClientInfo,
): Promise<PasswordChange> {
  const issues = passwordIssues(newPassword)
  if (newPassword === currentPassword) issues.push('This is your current password.')
  if (issues.length > 0) return { kind: 'weak-password', issues }
  if (credential === undefined) return { kind: 'signed-out' }

  const attempt = await call(engine.beginPasswordCheck, credentialParameters(credential))
  if (attempt.kind !== 'counted') return attempt
  setLogUser(attempt.userId, attempt.sessionId)

  const matches = await passwordMatches(currentPassword, attempt.passwordHash)
  if (!matches || attempt.subject !== 'account') {
    await failLogin(attempt.email, attempt, client)
    return { kind: 'wrong-password' }
  }
  const ownIssues = passwordIssues(newPassword, attempt.email)
  if (ownIssues.length > 0) return { kind: 'weak-password', issues: ownIssues }
  const breaches = await breachIssues(newPassword)
  if (breaches.length > 0) return { kind: 'weak-password', issues: breaches }

  const { family, familyHash } = newSessionFamily()
  const result = await call(engine.changePassword, {
    ...credentialParameters(credential),
    security_version: attempt.securityVersion,
    password_hash: await hashPassword(newPassword),
    new_family_hash: familyHash,
    request: requestContext(client),
  })
  if (result.kind !== 'changed') return result
  await deliverAfterResponse(result.emails)
  return { kind: 'changed', session: withRefreshToken(result.session, family) }
}

/** Queues an email to both addresses. Nothing changes until the new one is confirmed. */
export async function requestEmailChange(
  credential: Credential,
  newEmail: string,
  client: ClientInfo,
): Promise<engine.Results['request_email_change']> {
  const address = normalizeEmail(newEmail)
  const result = await call(engine.requestEmailChange, {
    ...credentialParameters(credential),
    new_email: newEmail,
    new_email_normalized: address,
    address_key: rateLimitKey(rateLimits.emailByAddress, address),
    request: requestContext(client),
  })
  if (result.kind !== 'accepted') return result
  setLogUser(result.userId, result.sessionId)
  await deliverAfterResponse(result.emails)
  return result
}

export async function deleteAccount(
  credential: Credential,
  client: ClientInfo,
): Promise<engine.Results['delete_account']> {
  const result = await call(engine.deleteAccount, {
    ...credentialParameters(credential),
    request: requestContext(client),
  })
  if (result.kind !== 'deleted') return result
  setLogUser(result.userId)
  await deliverAfterResponse(result.emails)
  return result
}
