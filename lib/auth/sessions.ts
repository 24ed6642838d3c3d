/**
 * Sessions. The state machine is in the engine (drizzle/functions/rotate_session.sql and open_session.sql). This calls it
 * and makes the tokens.
 */
import { hashFamily, newFamily, signRefreshToken, type RefreshToken } from '../crypto/refresh-token.ts'
import { call } from '../db/call.ts'
import * as engine from '../db/engine.ts'
import { deliverAfterResponse } from '../email/outbox.ts'
import { requestContext, type ClientInfo } from '../http/client-info.ts'
import { setLogUser } from '../log-context.ts'
import { log } from '../log.ts'
import { credentialParameters, type Credential } from './credentials.ts'

/** A session, and the refresh token that the browser is about to get. */
export interface SessionWithToken {
  session: engine.LiveSession
  refreshToken: string
}

/** For a session that is about to be opened. */
export interface NewFamily {
  family: Uint8Array
  familyHash: Uint8Array
}

export function newSessionFamily(): NewFamily {
  const family = newFamily()
  return { family, familyHash: hashFamily(family) }
}

/** The session's current refresh token, derived from its family: only the family's hash is stored. */
export function withRefreshToken(session: engine.LiveSession, family: Uint8Array): SessionWithToken {
  setLogUser(session.user.id, session.id)
  return { session, refreshToken: signRefreshToken({ family, counter: session.counter }) }
}

export type Refresh =
  | { kind: 'live'; session: SessionWithToken }
  | { kind: 'limited'; retryAfterSeconds: number }
  /** Another browser holds the successor. Nothing is revoked; the token may be tried again after the reuse interval. */
  | { kind: 'refresh-required' }
  /**
   * `definite` is false if the session was revoked a moment ago: this request may have lost a race with a logout or a
   * login, and must not clear the newer cookie.
   */
  | { kind: 'ended'; definite: boolean }
  /** Refresh token reuse: this request revoked the session. */
  | { kind: 'reused' }

export async function rotateSession(token: RefreshToken, client: ClientInfo): Promise<Refresh> {
  const { family, counter } = token
  const result = await call(
    engine.rotateSession,
    { family_hash: hashFamily(family), presented: counter, request: requestContext(client) },
    { retry: true },
  )
  if (result.kind === 'live') return { kind: 'live', session: withRefreshToken(result.session, family) }
  if (result.kind !== 'limited' && result.userId !== null) {
    setLogUser(result.userId, result.sessionId ?? undefined)
  }
  if (result.kind === 'reused') await reportReuse(result.emails)
  return result
}

/** Any token of a family ends its session. `everywhere` needs the current one, and a recent authentication. */
export async function endSession(
  token: RefreshToken,
  everywhere: boolean,
  client: ClientInfo,
): Promise<engine.Results['logout']> {
  const { family, counter } = token
  const request = requestContext(client)
  const result = await call(engine.logout, { family_hash: hashFamily(family), counter, everywhere, request })
  if ('userId' in result && result.userId !== null) setLogUser(result.userId, result.sessionId ?? undefined)
  if (result.kind === 'reused') await reportReuse(result.emails)
  return result
}

async function reportReuse(emails: readonly engine.QueuedEmail[]): Promise<void> {
  log('error', 'refresh-token-reused')
  await deliverAfterResponse(emails)
}

/** Reads the session's row, so a revoked session and a disabled or deleted account are refused at once. Never rotates. */
export async function findSession(credential: Credential): Promise<engine.Results['find_session']> {
  const result = await call(engine.findSession, credentialParameters(credential), { retry: true })
  if (result.kind === 'signed-in') setLogUser(result.session.user.id, result.session.id)
  return result
}

export async function listSessions(credential: Credential): Promise<engine.Results['list_sessions']> {
  const result = await call(engine.listSessions, credentialParameters(credential), { retry: true })
  if (result.kind === 'listed') setLogUser(result.userId, result.sessionId)
  return result
}

/** Revokes one of the account's sessions by its id, or all but the current one. */
export async function revokeSessions(
  credential: Credential,
  chosen: { id: string } | 'others',
  client: ClientInfo,
): Promise<engine.Results['revoke_own_sessions']> {
  const result = await call(engine.revokeOwnSessions, {
    ...credentialParameters(credential),
    chosen_id: chosen === 'others' ? null : chosen.id,
    request: requestContext(client),
  })
  if (result.kind === 'revoked') setLogUser(result.userId, result.sessionId)
  return result
}
