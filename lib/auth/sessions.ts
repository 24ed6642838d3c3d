/**
 * Sessions. The state machine is in the engine (drizzle/functions/rotate_session.sql and open_session.sql); this is its
 * way in, with the tokens around it.
 */
import { requestContext, type Client } from '../client.ts'
import { call } from '../db/call.ts'
import * as engine from '../db/engine.ts'
import { hashFamily, newFamily, signRefreshToken, type RefreshToken } from '../refresh-token.ts'
import { recordWho } from '../request-record.ts'
import { credentialParameters, type Credential } from './credential.ts'

/** A session and the refresh token that the browser is about to get. */
export interface SessionWithToken {
  session: engine.LiveSession
  refreshToken: string
}

/** A family for a session that is about to be opened. */
export interface NewFamily {
  family: Uint8Array
  familyHash: Uint8Array
}

export function newSessionFamily(): NewFamily {
  const family = newFamily()
  return { family, familyHash: hashFamily(family) }
}

/** The session's current refresh token, made from its family: nothing but the family's hash is stored. */
export function withRefreshToken(session: engine.LiveSession, family: Uint8Array): SessionWithToken {
  recordWho(session.user.id, session.id)
  return { session, refreshToken: signRefreshToken({ family, counter: session.counter }) }
}

export type Refresh =
  | { kind: 'live'; session: SessionWithToken }
  | { kind: 'limited'; retryAfterSeconds: number }
  /** Another browser holds the successor. Nothing is revoked; the same token may be tried again after the reuse interval. */
  | { kind: 'refresh-required' }
  /**
   * `definite` is false where the session was revoked a moment ago: the response may belong to a request that lost a race
   * with a logout or a login, whose newer cookie it must not clear.
   */
  | { kind: 'ended'; definite: boolean }
  /** Refresh token reuse: the session was revoked by this very request. */
  | { kind: 'reused'; emails: engine.QueuedEmail[] }

export async function rotateSession(token: RefreshToken, client: Client): Promise<Refresh> {
  const { family, counter } = token
  const result = await call(
    engine.rotateSession,
    { family_hash: hashFamily(family), presented: counter, request: requestContext(client) },
    { retry: true },
  )
  if (result.kind === 'live') return { kind: 'live', session: withRefreshToken(result.session, family) }
  if (result.kind !== 'limited' && result.userId !== null) {
    recordWho(result.userId, result.sessionId ?? undefined)
  }
  return result
}

/** Any token of a family ends its session. `everywhere` needs one that would be let in, and a recent authentication. */
export async function endSession(
  token: RefreshToken,
  everywhere: boolean,
  client: Client,
): Promise<'logged-out' | 'reauthentication-required' | 'refresh-required'> {
  const { family, counter } = token
  const request = requestContext(client)
  const result = await call(engine.logout, { family_hash: hashFamily(family), counter, everywhere, request })
  if (result.kind === 'logged-out' && result.userId !== null) {
    recordWho(result.userId, result.sessionId ?? undefined)
  }
  return result.kind
}

export interface CheckedSession {
  kind: 'signed-in'
  session: engine.LiveSession
  /** Authenticated within 5 minutes, with the second factor where the account has one. */
  steppedUp: boolean
}

export type SessionCheck = CheckedSession | { kind: 'signed-out' } | { kind: 'refresh-required' }

/** Looks the session up: a revoked session and a disabled or deleted account are seen at once. Nothing is rotated. */
export async function findSession(credential: Credential): Promise<SessionCheck> {
  const result = await call(engine.findSession, credentialParameters(credential), { retry: true })
  if (result.kind === 'signed-in') recordWho(result.session.user.id, result.session.id)
  return result
}

export async function listSessions(credential: Credential): Promise<engine.Results['list_sessions']> {
  const result = await call(engine.listSessions, credentialParameters(credential), { retry: true })
  if (result.kind === 'listed') recordWho(result.userId, result.sessionId)
  return result
}

/** Revokes one of the account's sessions by its id, or all but the one that asks. */
export async function revokeSessions(
  credential: Credential,
  chosen: { id: string } | 'others',
  client: Client,
): Promise<engine.Results['revoke_own_sessions']> {
  const result = await call(engine.revokeOwnSessions, {
    ...credentialParameters(credential),
    chosen_id: chosen === 'others' ? null : chosen.id,
    request: requestContext(client),
  })
  if (result.kind === 'revoked') recordWho(result.userId, result.sessionId)
  return result
}
