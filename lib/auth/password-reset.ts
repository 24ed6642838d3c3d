/** Password reset: a mailed link or code that sets a new password and revokes every session. */
import { requestContext, type Client } from '../client.ts'
import { call } from '../db/call.ts'
import * as engine from '../db/engine.ts'
import { normalizeEmail } from '../email-address.ts'
import { rateLimits } from '../limits.ts'
import { rateLimitKey } from '../rate-limits.ts'
import { recordWho } from '../request-record.ts'
import { matchingCode, type CodeAttempt } from './codes.ts'

export async function requestReset(email: string, client: Client): Promise<engine.Results['request_reset']> {
  const address = normalizeEmail(email)
  return call(engine.requestReset, {
    email_normalized: address,
    source_key: rateLimitKey(rateLimits.emailBySource, client.network),
    address_key: rateLimitKey(rateLimits.emailByAddress, address),
    request: requestContext(client),
  })
}

/** Counts a try at the code of an address's reset email. Nothing is consumed yet. */
export async function tryResetCode(
  email: string,
  code: string,
  client: Client,
): Promise<CodeAttempt<engine.CodeCandidate>> {
  const address = normalizeEmail(email)
  const result = await call(engine.tryResetCode, {
    email_normalized: address,
    source_key: rateLimitKey(rateLimits.codeBySource, client.network),
    address_key: rateLimitKey(rateLimits.codeByAddress, address),
  })
  return result.kind === 'limited' ? result : matchingCode('reset-mail', result.candidates, code)
}

export async function resetPassword(
  tokenId: string,
  passwordHash: string,
  client: Client,
): Promise<engine.Results['reset_password']> {
  const result = await call(engine.resetPassword, {
    token_id: tokenId,
    token_key: rateLimitKey(rateLimits.linkByToken, tokenId),
    password_hash: passwordHash,
    request: requestContext(client),
  })
  if (result.kind === 'reset') recordWho(result.user.id)
  return result
}
