/**
 * Verifying an address: of a registration, which then becomes an account, or of a change of address. An emailed link or
 * code proves the address, not the person, so it takes more: the browser that asked, or the password. Otherwise somebody
 * could register a stranger's address, wait for the stranger to open the link, and own the account.
 */
import { verifyOneTimeToken } from '../crypto/one-time-token.ts'
import { passwordMatches } from '../crypto/passwords.ts'
import { rateLimitKey } from '../crypto/rate-limit-keys.ts'
import { hashFamily, type RefreshToken } from '../crypto/refresh-token.ts'
import type { RegistrationCookie } from '../crypto/registration-cookie.ts'
import { call } from '../db/call.ts'
import * as engine from '../db/engine.ts'
import { normalizeEmail } from '../email-address.ts'
import { deliverAfterResponse } from '../email/outbox.ts'
import { requestContext, type ClientInfo } from '../http/client-info.ts'
import { rateLimits } from '../limits.ts'
import { setLogUser } from '../log-context.ts'
import { credentialParameters, type Credential } from './credentials.ts'
import { matchingCode } from './one-time-codes.ts'
import { newSessionFamily, withRefreshToken, type SessionWithToken } from './sessions.ts'

/** Queues another email, for this browser's registration or else the newest of the address. */
export async function requestVerificationEmail(
  email: string,
  registrationId: string | undefined,
  client: ClientInfo,
): Promise<{ kind: 'accepted' } | { kind: 'limited'; retryAfterSeconds: number }> {
  const address = normalizeEmail(email)
  const result = await call(engine.requestVerificationEmail, {
    email_normalized: address,
    registration_id: registrationId ?? null,
    source_key: rateLimitKey(rateLimits.emailBySource, client.network),
    address_key: rateLimitKey(rateLimits.emailByAddress, address),
    request: requestContext(client),
  })
  if (result.kind === 'accepted') await deliverAfterResponse(result.emails)
  return result
}

/** What else the request shows. */
export interface Verifier {
  /** Of this browser. */
  registration: RegistrationCookie | undefined
  /** Of the session that this browser has. */
  presentedToken: RefreshToken | undefined
  credential: Credential | undefined
  password: string | undefined
}

export type Verification =
  /** In another browser than the one that registered. Nobody is signed in. */
  | { kind: 'account-created' }
  /** In the browser that registered. */
  | { kind: 'signed-in'; session: SessionWithToken }
  /** `persistent` is the session's that confirmed; null if it was the password. */
  | { kind: 'email-changed'; user: engine.User; persistent: boolean | null }
  | { kind: 'email-change-canceled' }
  /** Not ours, or cut off. */
  | { kind: 'invalid' }
  | { kind: 'expired' }
  /** Used before, or replaced, or the address has an account by now. */
  | { kind: 'consumed' }
  | { kind: 'wrong-code' }
  /** Neither the browser that asked nor a password. */
  | { kind: 'password-required' }
  | { kind: 'wrong-password' }
  | { kind: 'limited'; by: 'linkByToken' | 'codeBySource'; retryAfterSeconds: number }

/** Consumes the token of an emailed link. */
export async function verifyByToken(text: string, by: Verifier, client: ClientInfo): Promise<Verification> {
  const token = verifyOneTimeToken(['registration-email', 'email-change-email'], text)
  if (token.kind !== 'valid') return token
  return token.purpose === 'registration-email'
    ? verifyRegistration(token.id, by, client)
    : confirmEmailChange(token.id, by, client)
}

/** The code of a registration's email. */
export async function verifyByCode(
  { email, code }: { email: string; code: string },
  by: Verifier,
  client: ClientInfo,
): Promise<Verification> {
  const address = normalizeEmail(email)
  const tried = await call(engine.tryRegistrationCode, {
    email_normalized: address,
    source_key: rateLimitKey(rateLimits.codeBySource, client.network),
    address_key: rateLimitKey(rateLimits.codeByAddress, address),
  })
  if (tried.kind === 'limited') return { ...tried, by: 'codeBySource' }
  const match = matchingCode('registration-email', tried.candidates, code)
  if (match === undefined) return { kind: 'wrong-code' }
  if (!hasRegistered(by, match.id)) {
    const refused = await refusedPassword(by.password, match.passwordHash)
    if (refused !== undefined) return refused
  }
  return consumeRegistration(match.id, true, by, client)
}

/** The link that the old address gets. It has a token of its own, so a page that confirms can't cancel, or the reverse. */
export async function cancelEmailChange(text: string, client: ClientInfo): Promise<Verification> {
  const token = verifyOneTimeToken(['email-change-cancel-email'], text)
  if (token.kind !== 'valid') return token
  const result = await call(engine.cancelEmailChange, { token_id: token.id, request: requestContext(client) })
  if (result.kind === 'consumed') return result
  setLogUser(result.userId)
  return { kind: 'email-change-canceled' }
}

async function verifyRegistration(id: string, by: Verifier, client: ClientInfo): Promise<Verification> {
  const result = await consumeRegistration(id, hasRegistered(by, id), by, client)
  if (result.kind !== 'unverified') return result
  const refused = await refusedPassword(by.password, result.passwordHash)
  return refused ?? consumeRegistration(id, true, by, client)
}

function hasRegistered({ registration }: Verifier, registrationId: string): boolean {
  return registration?.registrationId === registrationId
}

type Unverified = { kind: 'unverified'; passwordHash: string | null }

/** A session is opened only in the browser that registered. */
function consumeRegistration(
  id: string,
  verified: true,
  by: Verifier,
  client: ClientInfo,
): Promise<Verification>
function consumeRegistration(
  id: string,
  verified: boolean,
  by: Verifier,
  client: ClientInfo,
): Promise<Verification | Unverified>
async function consumeRegistration(
  id: string,
  verified: boolean,
  by: Verifier,
  client: ClientInfo,
): Promise<Verification | Unverified> {
  const { family, familyHash } = newSessionFamily()
  const presented = by.presentedToken
  const opensSession = hasRegistered(by, id)
  const result = await call(engine.consumeRegistration, {
    registration_id: id,
    token_key: rateLimitKey(rateLimits.linkByToken, id),
    verified,
    family_hash: opensSession ? familyHash : null,
    presented_family_hash: opensSession && presented !== undefined ? hashFamily(presented.family) : null,
    persistent: by.registration?.persistent ?? true,
    request: requestContext(client),
  })
  switch (result.kind) {
    case 'signed-in':
      return { kind: 'signed-in', session: withRefreshToken(result.session, family) }
    case 'limited':
      return { ...result, by: 'linkByToken' }
    case 'account-created':
    case 'consumed':
    case 'unverified':
      return result
  }
}

/** It takes a session of the account, or else its password. */
async function confirmEmailChange(id: string, by: Verifier, client: ClientInfo): Promise<Verification> {
  const confirm = (securityVersion: number | null) =>
    call(engine.confirmEmailChange, {
      token_id: id,
      token_key: rateLimitKey(rateLimits.linkByToken, id),
      security_version: securityVersion,
      ...credentialParameters(securityVersion === null ? by.credential : undefined),
      request: requestContext(client),
    })
  let result = await confirm(null)
  if (result.kind === 'unverified') {
    const refused = await refusedPassword(by.password, result.passwordHash)
    if (refused !== undefined) return refused
    result = await confirm(result.securityVersion)
  }
  if (result.kind === 'limited') return { ...result, by: 'linkByToken' }
  // Unverified again: the account has changed since its password was checked.
  if (result.kind !== 'confirmed') return { kind: 'consumed' }
  setLogUser(result.user.id)
  await deliverAfterResponse(result.emails)
  return { kind: 'email-changed', user: result.user, persistent: result.persistent }
}

/** Undefined if the password is right. */
async function refusedPassword(
  password: string | undefined,
  passwordHash: string | null,
): Promise<Verification | undefined> {
  if (password === undefined) return { kind: 'password-required' }
  return (await passwordMatches(password, passwordHash)) ? undefined : { kind: 'wrong-password' }
}
