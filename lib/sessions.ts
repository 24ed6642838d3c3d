/**
 * Sessions: a state machine held in one row. A family of refresh tokens has one current generation; every change is
 * one statement, decided by the row's lock and the database's clock.
 */
import { sql, type SQL } from 'drizzle-orm'
import { v7 as newId } from 'uuid'
import type { AccessTokenClaims } from './access-token.ts'
import type { Client } from './client.ts'
import { run, runRepeatable, runTogether } from './database.ts'
import { insertEvent } from './events.ts'
import { insertMail, owedMail, type OwedMail, type OwedMailRow } from './outbox.ts'
import { forgetAttempts } from './password-attempts.ts'
import { limits, takeBucket } from './rate-limits.ts'
import { recordWho } from './request-record.ts'
import { hashFamily, newFamily, sealRefreshToken, type RefreshToken } from './refresh-token.ts'

/** A family turns at most once in this time, and the token just spent still yields its successor. */
export const TURN_WINDOW_SECONDS = 30
export const SESSION_IDLE_SECONDS = 7 * 24 * 60 * 60
export const SESSION_LIFETIME_SECONDS = 30 * 24 * 60 * 60
export const MAX_SESSIONS_PER_ACCOUNT = 50

/** What was proven at the last sign-in lets one end other devices for this long. */
export const RECENT_AUTHENTICATION_SECONDS = 5 * 60

export type RevokedBecause =
  | 'logout'
  /** Another one took its place in the same browser: a login or a change of password. */
  | 'replaced'
  | 'session-limit'
  /** Ended from the list of devices. */
  | 'ended-by-owner'
  | 'password-change'
  | 'reset'
  | 'theft'
  /** Ended by whoever runs the app. */
  | 'operator'

export interface User {
  id: string
  email: string
  role: string
}

/** A session that a token was just made for. */
export interface LiveSession {
  id: string
  user: User
  refreshToken: string
  /** The absolute end. */
  endsAt: Date
  /** Until the idle or the absolute end, whichever is sooner. */
  secondsLeft: number
}

export interface LiveSessionRow {
  id: string
  ends_at: string
  seconds_left: number
}

export const LIVE_SESSION_COLUMNS = sql.raw(
  'id, ends_at, extract(epoch FROM expires_at - now())::float8 AS seconds_left',
)

export function liveSession(row: LiveSessionRow, user: User, token: RefreshToken): LiveSession {
  return {
    id: row.id,
    user,
    refreshToken: sealRefreshToken(token),
    endsAt: new Date(row.ends_at),
    secondsLeft: row.seconds_left,
  }
}

function fromNow(seconds: number): SQL {
  return sql`now() + make_interval(secs => ${seconds})`
}

/**
 * Common table expressions that end the live sessions `which` names and write an event for each. Rows are locked in the
 * order of their ids, so two of these never wait for one another. Where `which` has several ways to name a row, it is
 * `id = ANY (ARRAY(… UNION ALL …))`: an OR of them would read the whole table, and a list that is a join would be
 * looked at anew, on another snapshot, by whoever waited for a row.
 */
export function endSessions(which: SQL, because: SQL | RevokedBecause, client: Client): SQL {
  const ended = sql`FROM ended`
  return sql`
    ended AS (
      UPDATE sessions SET revoked_at = now(), revoked_because = ${because}
      WHERE id IN (SELECT id FROM sessions WHERE revoked_at IS NULL AND expires_at > now() AND (${which}) ORDER BY id FOR UPDATE)
      RETURNING id, user_id, revoked_because
    ),
    ended_event AS (${insertEvent(
      'session-ended',
      client,
      {
        userId: sql`user_id`,
        sessionId: sql`id`,
        detail: sql`jsonb_build_object('because', revoked_because)`,
      },
      ended,
    )})`
}

/**
 * Common table expressions that open a session of the account `from` yields (`account.id`), with an event. `endsAt` is its
 * absolute end.
 */
export function insertSession(token: RefreshToken, endsAt: SQL, client: Client, from: SQL): SQL {
  return sql`
    opened AS (
      INSERT INTO sessions (id, user_id, family_hash, expires_at, ends_at, user_agent, ip)
      SELECT ${newId()}::uuid, account.id, ${hashFamily(token.family)}::bytea,
        least(${fromNow(SESSION_IDLE_SECONDS)}, ${endsAt}), ${endsAt}, ${client.userAgent}, ${client.ip} ${from}
      RETURNING id, user_id, ends_at, expires_at
    ),
    opened_event AS (${insertEvent('session-opened', client, { userId: sql`user_id`, sessionId: sql`id` }, sql`FROM opened`)})`
}

export interface CheckedLogin {
  user: User
  /** The hash that the password was checked against. */
  passwordHash: string
  /** The password at today's cost, when the stored one was cheaper. */
  rehash: string | null
  /** The session cookie that came with the request: its session ends. */
  presentedToken: RefreshToken | undefined
  /** The bucket that the attempt was counted in: it begins anew. */
  attempts: string
  /** So many failures came before, in a browser that was not known, that the owner should hear of this login. */
  suspicious: boolean
}

export interface OpenedSession {
  session: LiveSession
  mail: OwedMail | undefined
}

/**
 * Opens a session. Undefined when the password changed or the account was disabled since the check: the row's lock
 * makes a login and a reset happen one after the other, so no session opens on a password that is no more.
 */
export async function openSession(login: CheckedLogin, client: Client): Promise<OpenedSession | undefined> {
  const token = { family: newFamily(), generation: 0 }
  const userId = login.user.id
  const presented = login.presentedToken ? hashFamily(login.presentedToken.family) : null
  const [row] = await runTogether<LiveSessionRow & { mail: OwedMailRow | null }>(
    // Before the count, so that two logins at the limit count one after the other.
    sql`SELECT FROM users WHERE id = ${userId}::uuid FOR NO KEY UPDATE`,
    sql`WITH account AS (
      UPDATE users SET password_hash = coalesce(${login.rehash}, password_hash)
      WHERE id = ${userId}::uuid AND password_hash = ${login.passwordHash} AND disabled_at IS NULL
      RETURNING id, email
    ),
    forgotten AS (${forgetAttempts(sql`decode(${login.attempts}, 'hex')`, sql`EXISTS (SELECT FROM account)`)}),
    ${endSessions(
      sql`EXISTS (SELECT FROM account) AND id = ANY (ARRAY(
        SELECT id FROM sessions WHERE family_hash = ${presented}::bytea
        UNION ALL
        (SELECT id FROM sessions
        WHERE user_id = ${userId}::uuid AND revoked_at IS NULL AND expires_at > now()
          AND family_hash IS DISTINCT FROM ${presented}::bytea
        ORDER BY created_at DESC OFFSET ${MAX_SESSIONS_PER_ACCOUNT - 1})))`,
      sql`CASE WHEN family_hash = ${presented}::bytea THEN 'replaced' ELSE 'session-limit' END`,
      client,
    )},
    ${insertSession(token, fromNow(SESSION_LIFETIME_SECONDS), client, sql`FROM account`)},
    mail AS (${insertMail('login-after-failures', { recipient: sql`email` }, sql`FROM account WHERE ${login.suspicious}`)})
    SELECT ${LIVE_SESSION_COLUMNS}, (SELECT to_jsonb(mail) FROM mail) AS mail FROM opened`,
  )
  if (row !== undefined) recordWho(userId, row.id)
  return (
    row && {
      session: liveSession(row, login.user, token),
      mail: row.mail === null ? undefined : owedMail(row.mail),
    }
  )
}

export type Turn =
  | { kind: 'live'; session: LiveSession }
  | { kind: 'limited'; waitSeconds: number }
  /**
   * `definite` is false when the session ended within the window: the answer may belong to a request that lost a race
   * against a logout or a login, whose newer cookie it must not clear. `mail` tells the owner when it was this very
   * token that showed a theft.
   */
  | { kind: 'ended'; definite: boolean; mail: OwedMail | undefined }

type TurnRow = Omit<LiveSessionRow, 'id'> & {
  wait_seconds: number | null
  /** Null for a family that nobody has. */
  id: string | null
  live: boolean | null
  ended_in_window: boolean | null
  generation: number
  user_id: string
  email: string
  role: string
  mail: OwedMailRow | null
}

/**
 * Turns a family: the current token yields its successor, at most once in the window; the token before it yields
 * the same successor within the window; any older one is theft and ends the family.
 *
 * All of it is decided inside the UPDATE. Under READ COMMITTED a waiting UPDATE sees the new version of the row and
 * decides anew, so racers with one token all get one successor; a SELECT beside it would see the old version.
 */
export async function turnSession(token: RefreshToken, client: Client): Promise<Turn> {
  const { generation } = token
  const family = hashFamily(token.family)
  const { taken, wait } = takeBucket(limits.refreshBySession, Buffer.from(family).toString('hex'))
  const live = sql`(s.revoked_at IS NULL AND s.expires_at > now() AND u.disabled_at IS NULL)`
  const inWindow = sql`(s.turned_at > now() - make_interval(secs => ${TURN_WINDOW_SECONDS}))`
  const turns = sql`(${live} AND s.generation = ${generation}::bigint AND NOT ${inWindow})`
  const stolen = sql`(${live} AND s.generation > ${generation}::bigint
    AND NOT (s.generation = ${generation}::bigint + 1 AND ${inWindow}))`

  const [row] = await runRepeatable<TurnRow>(sql`
    WITH ${taken},
    presented AS (
      UPDATE sessions s SET
        generation = s.generation + CASE WHEN ${turns} THEN 1 ELSE 0 END,
        turned_at = CASE WHEN ${turns} THEN now() ELSE s.turned_at END,
        expires_at = CASE WHEN ${turns} THEN least(${fromNow(SESSION_IDLE_SECONDS)}, s.ends_at) ELSE s.expires_at END,
        last_used_at = CASE WHEN ${live} AND NOT ${stolen} THEN now() ELSE s.last_used_at END,
        revoked_at = CASE WHEN ${stolen} THEN now() ELSE s.revoked_at END,
        revoked_because = CASE WHEN ${stolen} THEN 'theft' ELSE s.revoked_because END
      FROM users u
      WHERE s.family_hash = ${family}::bytea AND u.id = s.user_id AND EXISTS (SELECT FROM taken)
      RETURNING s.id, s.user_id, s.generation, s.ends_at, s.expires_at, u.email, u.role,
        ${live} AND s.generation >= ${generation}::bigint AS live,
        s.revoked_because = 'theft' AND s.revoked_at = now() AS stolen_now,
        s.revoked_because <> 'theft' AND s.revoked_at > now() - make_interval(secs => ${TURN_WINDOW_SECONDS}) AS ended_in_window
    ),
    -- Two requests may begin in one microsecond, and both find the theft to be of now(): the mail's id lets one of them tell it.
    mail AS (${insertMail('session-stolen', { id: sql`id`, recipient: sql`email` }, sql`FROM presented WHERE stolen_now`)}),
    theft_event AS (${insertEvent(
      'session-stolen',
      client,
      {
        userId: sql`user_id`,
        sessionId: sql`id`,
        detail: sql`jsonb_build_object('presented', ${generation}::bigint, 'current', generation)`,
      },
      sql`FROM presented WHERE EXISTS (SELECT FROM mail)`,
    )})
    SELECT ${wait},
      ${LIVE_SESSION_COLUMNS}, live, ended_in_window, generation::int, user_id, email, role, (SELECT to_jsonb(mail) FROM mail) AS mail
    FROM (SELECT) AS always LEFT JOIN presented ON true`)
  if (row === undefined) throw new Error('the statement answered no row')

  if (row.wait_seconds !== null) return { kind: 'limited', waitSeconds: row.wait_seconds }
  if (row.id !== null) recordWho(row.user_id, row.id)
  if (row.id === null || row.live !== true) {
    const mail = row.mail === null ? undefined : owedMail(row.mail)
    return { kind: 'ended', definite: row.ended_in_window !== true, mail }
  }
  const { id, generation: current } = row
  const user = { id: row.user_id, email: row.email, role: row.role }
  return {
    kind: 'live',
    session: liveSession({ ...row, id }, user, { family: token.family, generation: current }),
  }
}

/** True for the token that a row would still accept without a turn: the current one, or the one before within the window. */
function accepts(token: RefreshToken): SQL {
  return sql`(s.generation = ${token.generation}::bigint
    OR s.generation = ${token.generation}::bigint + 1 AND s.turned_at > now() - make_interval(secs => ${TURN_WINDOW_SECONDS}))`
}

/**
 * Ends the session of a token, and every other one of its account when `everywhere`. Any token of the family may end it;
 * only one that would still be accepted may end the others.
 */
export async function endSession(token: RefreshToken, everywhere: boolean, client: Client): Promise<void> {
  const family = hashFamily(token.family)
  await run(sql`
    WITH presented AS (
      SELECT s.user_id FROM sessions s
      WHERE ${everywhere} AND s.family_hash = ${family}::bytea AND s.revoked_at IS NULL AND s.expires_at > now()
        AND ${accepts(token)}
    ),
    ${endSessions(
      sql`id = ANY (ARRAY(
        SELECT id FROM sessions WHERE family_hash = ${family}::bytea
        UNION ALL SELECT s.id FROM presented JOIN sessions s ON s.user_id = presented.user_id))`,
      'logout',
      client,
    )}
    SELECT FROM ended`)
}

/** What a request shows to be let in: the session cookie's refresh token or a bearer access token, each seen to be ours. */
export type Credential =
  | { kind: 'refresh-token'; token: RefreshToken }
  | { kind: 'access-token'; claims: AccessTokenClaims }

/**
 * The live session that a credential stands for, as a SELECT of `id`, `user_id`, `email`, `role`, `ends_at` and
 * `authenticated_recently`: one row or none. Nothing is turned; an outdated refresh token is refused here, and only a refresh
 * decides that it was stolen.
 */
export function sessionOf(credential: Credential): SQL {
  const presented =
    credential.kind === 'refresh-token'
      ? sql`s.family_hash = ${hashFamily(credential.token.family)}::bytea AND ${accepts(credential.token)}`
      : sql`s.id = ${credential.claims.sessionId}::uuid AND s.user_id = ${credential.claims.userId}::uuid`
  return sql`
    SELECT s.id, s.user_id, u.email, u.role, s.ends_at,
      s.authenticated_at > now() - make_interval(secs => ${RECENT_AUTHENTICATION_SECONDS}) AS authenticated_recently
    FROM sessions s JOIN users u ON u.id = s.user_id
    WHERE ${presented} AND s.revoked_at IS NULL AND s.expires_at > now() AND u.disabled_at IS NULL`
}

/** A session as a guard sees it. */
export interface CheckedSession {
  id: string
  user: User
  endsAt: Date
  /** Whether the password was given within the last 5 minutes. */
  authenticatedRecently: boolean
}

interface CheckedSessionRow {
  id: string
  user_id: string
  email: string
  role: string
  ends_at: string
  authenticated_recently: boolean
}

/** Looks the session up: sees a revoked one and a disabled or deleted account at once. */
export async function checkSession(credential: Credential): Promise<CheckedSession | undefined> {
  const [row] = await runRepeatable<CheckedSessionRow>(sessionOf(credential))
  if (row !== undefined) recordWho(row.user_id, row.id)
  return (
    row && {
      id: row.id,
      user: { id: row.user_id, email: row.email, role: row.role },
      endsAt: new Date(row.ends_at),
      authenticatedRecently: row.authenticated_recently,
    }
  )
}
