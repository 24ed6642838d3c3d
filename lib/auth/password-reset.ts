/** Password reset: an emailed link or code sets a new password and revokes every session. */
import { breachIssues } from '../crypto/breached-passwords.ts'
import { verifyOneTimeToken } from '../crypto/one-time-token.ts'
import { hashPassword } from '../crypto/passwords.ts'
import { rateLimitKey } from '../crypto/rate-limit-keys.ts'
import { call } from '../db/call.ts'
import * as engine from '../db/engine.ts'
import { normalizeEmail } from '../email-address.ts'
import { deliverAfterResponse } from '../email/outbox.ts'
import { requestContext, type ClientInfo } from '../http/client-info.ts'
import { rateLimits } from '../limits.ts'
import { setLogUser } from '../log-context.ts'
import { matchingCode } from './one-time-codes.ts'
import { passwordIssues } from './password-policy.ts'

export async function requestReset(
  email: string,
  client: ClientInfo,
): Promise<{ kind: 'accepted' } | { kind: 'limited'; retryAfterSeconds: number }> {
  const address = normalizeEmail(email)
  const result = await call(engine.requestReset, {
    email_normalized: address,
    source_key: rateLimitKey(rateLimits.emailBySource, client.network),
    address_key: rateLimitKey(rateLimits.emailByAddress, address),
    request: requestContext(client),
  })
  if (result.kind === 'accepted') await deliverAfterResponse(result.emails)
  return result
}

export type Reset =
  | { kind: 'reset'; user: engine.User }
  /** Not ours, or cut off. */
  | { kind: 'invalid' }
  | { kind: 'expired' }
  /** Used before, or replaced. */
  | { kind: 'consumed' }
  | { kind: 'wrong-code' }
  | { kind: 'weak-password'; issues: string[] }
  | { kind: 'limited'; by: 'linkByToken' | 'codeBySource'; retryAfterSeconds: number }

/** With the token of an emailed link. */
export async function resetByToken(text: string, password: string, client: ClientInfo): Promise<Reset> {
  const token = verifyOneTimeToken(['reset-email'], text)
  if (token.kind !== 'valid') return token
  const issues = passwordIssues(password)
  if (issues.length > 0) return { kind: 'weak-password', issues }
  return setPassword(token.id, password, client)
}

/** With the code of the same email. */
export async function resetByCode(
  { email, code }: { email: string; code: string },
  password: string,
  client: ClientInfo,
): Promise<Reset> {
  const issues = passwordIssues(password, email)
  if (issues.length > 0) return { kind: 'weak-password', issues }
  const address = normalizeEmail(email)
  const tried = await call(engine.tryResetCode, {
    email_normalized: address,
    source_key: rateLimitKey(rateLimits.codeBySource, client.network),
    address_key: rateLimitKey(rateLimits.codeByAddress, address),
  })
  if (tried.kind === 'limited') return { ...tried, by: 'codeBySource' }
  const match = matchingCode('reset-email', tried.candidates, code)
  return match === undefined ? { kind: 'wrong-code' } : setPassword(match.id, password, client)
}

async function setPassword(tokenId: string, password: string, client: ClientInfo): Promise<Reset> {
  const issues = await breachIssues(password)
  if (issues.length > 0) return { kind: 'weak-password', issues }
  const result = await call(engine.resetPassword, {
    token_id: tokenId,
    token_key: rateLimitKey(rateLimits.linkByToken, tokenId),
    password_hash: await hashPassword(password),
    request: requestContext(client),
  })
  if (result.kind === 'limited') return { ...result, by: 'linkByToken' }
  if (result.kind === 'consumed') return result
  setLogUser(result.user.id)
  await deliverAfterResponse(result.emails)
  return { kind: 'reset', user: result.user }
}
