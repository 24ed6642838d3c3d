/** Signing up: a registration is kept until its address is verified, and only then becomes an account. */
import { breachIssues } from '../crypto/breached-passwords.ts'
import { hashPassword } from '../crypto/passwords.ts'
import { rateLimitKey } from '../crypto/rate-limit-keys.ts'
import { call } from '../db/call.ts'
import * as engine from '../db/engine.ts'
import { normalizeEmail } from '../email-address.ts'
import { deliverAfterResponse } from '../email/outbox.ts'
import { requestContext, type ClientInfo } from '../http/client-info.ts'
import { rateLimits } from '../limits.ts'
import { passwordIssues } from './password-policy.ts'

export type Registered =
  /** If the address has an account already, nothing of that id is stored. */
  | { kind: 'registered'; registrationId: string }
  | { kind: 'weak-password'; issues: string[] }
  | { kind: 'limited'; retryAfterSeconds: number }

export async function register(
  { email, password }: { email: string; password: string },
  client: ClientInfo,
): Promise<Registered> {
  const issues = passwordIssues(password, email)
  if (issues.length > 0) return { kind: 'weak-password', issues }

  // The limits are consumed before the hash, which is the expensive part.
  const address = normalizeEmail(email)
  const admitted = await call(engine.admitRegistration, {
    source_key: rateLimitKey(rateLimits.registerBySource, client.network),
    address_key: rateLimitKey(rateLimits.registerByAddress, address),
  })
  if (admitted.kind === 'limited') return admitted

  const breaches = await breachIssues(password)
  if (breaches.length > 0) return { kind: 'weak-password', issues: breaches }

  const { registrationId, emails } = await call(engine.register, {
    email,
    email_normalized: address,
    password_hash: await hashPassword(password),
    request: requestContext(client),
  })
  await deliverAfterResponse(emails)
  return { kind: 'registered', registrationId }
}
