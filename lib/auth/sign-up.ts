/**
 * Signing up: a registration is kept until its address is verified, and only then becomes an account. A mailed link or
 * code proves the address, not the person, so it also takes the browser that registered or the registration's password.
 * Otherwise somebody could register a stranger's address, wait for the stranger to open the link, and own the account.
 */
import { requestContext, type Client } from '../client.ts'
import { call } from '../db/call.ts'
import * as engine from '../db/engine.ts'
import { normalizeEmail } from '../email-address.ts'
import { rateLimits } from '../limits.ts'
import { rateLimitKey } from '../rate-limits.ts'
import { hashFamily, type RefreshToken } from '../refresh-token.ts'
import { matchingCode, type CodeAttempt } from './codes.ts'
import { newSessionFamily, withRefreshToken, type SessionWithToken } from './sessions.ts'

/** Consumes from the limits before the hash is computed. Undefined: go on; a number: seconds to wait. */
export async function admitRegistration(email: string, client: Client): Promise<number | undefined> {
  const result = await call(engine.admitRegistration, {
    source_key: rateLimitKey(rateLimits.registerBySource, client.network),
    address_key: rateLimitKey(rateLimits.registerByAddress, normalizeEmail(email)),
  })
  return result.kind === 'limited' ? result.retryAfterSeconds : undefined
}

export interface Registered {
  /** Of nothing that is kept where the address has an account already. */
  registrationId: string
  emails: engine.QueuedEmail[]
}

export async function register(email: string, passwordHash: string, client: Client): Promise<Registered> {
  return call(engine.register, {
    email,
    email_normalized: normalizeEmail(email),
    password_hash: passwordHash,
    request: requestContext(client),
  })
}

/** A new link, for the registration of this browser or else the newest of the address. */
export async function requestVerificationEmail(
  email: string,
  registrationId: string | undefined,
  client: Client,
): Promise<engine.Results['request_verification_email']> {
  const address = normalizeEmail(email)
  return call(engine.requestVerificationEmail, {
    email_normalized: address,
    registration_id: registrationId ?? null,
    source_key: rateLimitKey(rateLimits.emailBySource, client.network),
    address_key: rateLimitKey(rateLimits.emailByAddress, address),
    request: requestContext(client),
  })
}

/** Counts a try at the code of each pending registration of an address, and finds the one that it belongs to. */
export async function tryRegistrationCode(
  email: string,
  code: string,
  client: Client,
): Promise<CodeAttempt<{ id: string; passwordHash: string | null }>> {
  const address = normalizeEmail(email)
  const result = await call(engine.tryRegistrationCode, {
    email_normalized: address,
    source_key: rateLimitKey(rateLimits.codeBySource, client.network),
    address_key: rateLimitKey(rateLimits.codeByAddress, address),
  })
  return result.kind === 'limited' ? result : matchingCode('registration-mail', result.candidates, code)
}

/** The browser that registered: the account's first session is opened in it. */
export interface RegisteringBrowser {
  persistent: boolean
  presentedToken: RefreshToken | undefined
}

export type Verification =
  | { kind: 'account-created' }
  | { kind: 'signed-in'; session: SessionWithToken }
  /** Used before, or the address has an account by now. */
  | { kind: 'consumed' }
  /** Not consumed: whoever presents it must still prove to be the one who registered. */
  | { kind: 'unverified'; passwordHash: string | null }
  | { kind: 'limited'; retryAfterSeconds: number }

/** `verifiedBy`: the browser that registered, the registration's password, or nothing yet. */
export async function consumeRegistration(
  registrationId: string,
  verifiedBy: RegisteringBrowser | 'password' | undefined,
  client: Client,
): Promise<Verification> {
  const browser = typeof verifiedBy === 'object' ? verifiedBy : undefined
  const { family, familyHash } = newSessionFamily()
  const presented = browser?.presentedToken
  const result = await call(engine.consumeRegistration, {
    registration_id: registrationId,
    token_key: rateLimitKey(rateLimits.linkByToken, registrationId),
    verified: verifiedBy !== undefined,
    family_hash: browser === undefined ? null : familyHash,
    presented_family_hash: presented === undefined ? null : hashFamily(presented.family),
    persistent: browser?.persistent ?? true,
    request: requestContext(client),
  })
  return result.kind === 'signed-in'
    ? { kind: 'signed-in', session: withRefreshToken(result.session, family) }
    : result
}
