/** Accounts: change the password or the address, delete. Each needs a recent authentication (`is_stepped_up.sql`). */
import { requestContext, type Client } from '../client.ts'
import { call } from '../db/call.ts'
import * as engine from '../db/engine.ts'
import { normalizeEmail } from '../email-address.ts'
import { rateLimits } from '../limits.ts'
import { rateLimitKey } from '../rate-limits.ts'
import { recordWho } from '../request-record.ts'
import { credentialParameters, type Credential } from './credential.ts'
import { newSessionFamily, withRefreshToken, type SessionWithToken } from './sessions.ts'

/** Counts an attempt at the current password and finds what to check it against. */
export async function beginPasswordCheck(
  credential: Credential,
): Promise<engine.Results['begin_password_check']> {
  const result = await call(engine.beginPasswordCheck, credentialParameters(credential))
  if (result.kind === 'counted') recordWho(result.userId, result.sessionId)
  return result
}

export type PasswordChange =
  | { kind: 'changed'; session: SessionWithToken; emails: engine.QueuedEmail[] }
  /** The session or the password is another one by now. */
  | { kind: 'signed-out' }

/** `securityVersion` is of the account whose password was checked. */
export async function changePassword(
  credential: Credential,
  { securityVersion, newPasswordHash }: { securityVersion: number; newPasswordHash: string },
  client: Client,
): Promise<PasswordChange> {
  const { family, familyHash } = newSessionFamily()
  const result = await call(engine.changePassword, {
    ...credentialParameters(credential),
    security_version: securityVersion,
    password_hash: newPasswordHash,
    new_family_hash: familyHash,
    request: requestContext(client),
  })
  return result.kind === 'changed' ? { ...result, session: withRefreshToken(result.session, family) } : result
}

/** Queues an email to both addresses. Nothing changes before the new one is confirmed. */
export async function requestEmailChange(
  credential: Credential,
  newEmail: string,
  client: Client,
): Promise<engine.Results['request_email_change']> {
  const address = normalizeEmail(newEmail)
  const result = await call(engine.requestEmailChange, {
    ...credentialParameters(credential),
    new_email: newEmail,
    new_email_normalized: address,
    address_key: rateLimitKey(rateLimits.emailByAddress, address),
    request: requestContext(client),
  })
  if (result.kind === 'accepted') recordWho(result.userId, result.sessionId)
  return result
}

/** `verified`: signed in to the account (a credential), or its password was found right at that `securityVersion`. */
export async function confirmEmailChange(
  tokenId: string,
  verified: { credential: Credential | undefined } | { securityVersion: number },
  client: Client,
): Promise<engine.Results['confirm_email_change']> {
  const result = await call(engine.confirmEmailChange, {
    token_id: tokenId,
    token_key: rateLimitKey(rateLimits.linkByToken, tokenId),
    security_version: 'securityVersion' in verified ? verified.securityVersion : null,
    ...credentialParameters('credential' in verified ? verified.credential : undefined),
    request: requestContext(client),
  })
  if (result.kind === 'confirmed') recordWho(result.user.id)
  return result
}

/** The old address's link. */
export async function cancelEmailChange(tokenId: string, client: Client): Promise<'canceled' | 'consumed'> {
  const result = await call(engine.cancelEmailChange, { token_id: tokenId, request: requestContext(client) })
  if (result.kind === 'canceled') recordWho(result.userId)
  return result.kind
}

export async function deleteAccount(
  credential: Credential,
  client: Client,
): Promise<engine.Results['delete_account']> {
  const result = await call(engine.deleteAccount, {
    ...credentialParameters(credential),
    request: requestContext(client),
  })
  if (result.kind === 'deleted') recordWho(result.userId)
  return result
}
