/** The stage of the model-based test: the real accounts, browsers and rows, seen the way the model speaks of them. */
import { randomBytes, randomInt } from 'node:crypto'
import { parseSetCookie } from 'cookie'
import { v7 as newId } from 'uuid'
import { requireSession } from '../lib/guards.ts'
import { sealMailToken } from '../lib/mail-token.ts'
import { hashFamily, openRefreshToken, sealRefreshToken } from '../lib/refresh-token.ts'
import { newBrowser, type Answer, type Browser } from './browser.ts'
import { query } from './database.ts'
import {
  accountOf,
  addFamily,
  changeAccount,
  familyOf,
  isLive,
  isNear,
  LIFETIME_SECONDS,
  liveKeys,
  MOST_SESSIONS,
  type Observed,
  type Shown,
  type Token,
  type World,
} from './model-world.ts'
import { newAddress } from './people.ts'
import { APP_ORIGIN } from './setup-environment.ts'

const SESSION_COOKIE = '__Host-session'

/** A browser with what it held last, be it live or not, and the newest access token that it was given. */
export interface Actor {
  browser: Browser
  held: { key: string; sessionId: string } | undefined
  access: { key: string; text: string } | undefined
}

export interface ResetLink {
  id: string
  token: string
}

export interface Stage {
  world: World
  actors: readonly [Actor, Actor, Actor]
  /** The families' bytes by their keys, so that any generation of them can be sealed. */
  families: Map<string, Uint8Array>
  /** When the world's clock was last set to the real one; milliseconds. */
  lookedAt: number
  /** The newest of each address, by which nothing may be opened twice. */
  resetLinks: Map<string, ResetLink>
  /** How many were done, so that it is somebody else's turn to look in. */
  steps: number
}

const keyOf = (family: Uint8Array) => Buffer.from(hashFamily(family)).toString('hex')

/** The first two browsers are signed in to the first of two accounts, the third one to the other. */
export async function newStage(password: string, passwordHash: string): Promise<Stage> {
  await query('DELETE FROM users; DELETE FROM registrations; DELETE FROM events; DELETE FROM outbox')
  const accounts = [newAddress(), newAddress()].map((email) => ({
    email,
    exists: true,
    password,
    passwordVersion: 0,
    resetId: undefined,
  }))
  await query(
    `INSERT INTO users (id, email, email_key, password_hash, email_verified_at)
     SELECT id::uuid, email, email, $3, now() FROM unnest($1::text[], $2::text[]) AS account (id, email)`,
    accounts.map(() => newId()),
    accounts.map(({ email }) => email),
    passwordHash,
  )
  const actor = (): Actor => ({ browser: newBrowser(), held: undefined, access: undefined })
  const stage: Stage = {
    world: { now: 0, accounts, families: [], events: [], mails: [] },
    actors: [actor(), actor(), actor()],
    families: new Map(),
    lookedAt: performance.now(),
    resetLinks: new Map(),
    steps: 0,
  }
  const [first, second] = accounts
  const owners = [first, first, second].map((account) => account?.email ?? '')
  for (const [index, key] of (await openFamilies(stage, owners)).entries()) {
    const held = stage.actors[index]
    const family = familyOf(stage.world, key)
    if (held === undefined || family === undefined) continue
    held.held = { key, sessionId: family.sessionId }
    held.browser.cookies.set(SESSION_COOKIE, sealToken(stage, { key, generation: 0 }))
    held.browser.cookies.set('signed-in', '1')
  }
  return stage
}

/** Sessions without a login, which costs a hash: rows and events as a login writes them. Returns their keys. */
async function openFamilies(stage: Stage, owners: readonly string[]): Promise<string[]> {
  const opened = owners.map((owner) => ({ owner, family: randomBytes(32), sessionId: newId() }))
  await query(
    `WITH opened AS (
       INSERT INTO sessions (id, user_id, family_hash, created_at, expires_at, ends_at)
       SELECT opened.id::uuid, users.id, decode(key, 'hex'), now() + n * interval '1 microsecond',
         now() + interval '7 days', now() + interval '30 days'
       FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS opened (id, email, key, n) JOIN users USING (email)
       RETURNING id, user_id)
     INSERT INTO events (kind, user_id, session_id) SELECT 'session-opened', user_id, id FROM opened`,
    opened.map(({ sessionId }) => sessionId),
    owners,
    opened.map(({ family }) => keyOf(family)),
  )
  return opened.map(({ owner, family, sessionId }) => {
    const key = keyOf(family)
    stage.families.set(key, family)
    const endsAt = stage.world.now + LIFETIME_SECONDS
    stage.world = addFamily(stage.world, { key, sessionId, owner, endsAt })
    return key
  })
}

/** Signs in on so many other devices that one more would be one too many. */
export async function fillUp(stage: Stage, email: string): Promise<void> {
  if (!accountOf(stage.world, email).exists) return
  const missing = MOST_SESSIONS - liveKeys(stage.world, email).length
  await openFamilies(
    stage,
    Array.from({ length: missing }, () => email),
  )
}

function sealToken(stage: Stage, { key, generation }: Token): string {
  const family = stage.families.get(key)
  if (family === undefined) throw new Error('the stage has not seen that family')
  return sealRefreshToken({ family, generation })
}

/** Lets the real time that went by since the last look pass in the world too. */
export function tick(stage: Stage): void {
  const now = performance.now()
  stage.world = { ...stage.world, now: stage.world.now + (now - stage.lookedAt) / 1000 }
  stage.lookedAt = now
}

/** Moves every moment of every session into the past, as if that many seconds had gone by. */
export async function age(stage: Stage, seconds: number): Promise<void> {
  if (seconds === 0) return
  await query(
    `UPDATE sessions SET turned_at = turned_at - $1::interval, created_at = created_at - $1::interval,
       last_used_at = last_used_at - $1::interval, expires_at = expires_at - $1::interval,
       ends_at = ends_at - $1::interval, authenticated_at = authenticated_at - $1::interval,
       revoked_at = revoked_at - $1::interval`,
    `${seconds} seconds`,
  )
  stage.world = { ...stage.world, now: stage.world.now + seconds }
}

export function newNetwork(): string {
  return `10.${randomInt(256)}.${randomInt(256)}.${randomInt(1, 255)}`
}

export function shownBy(stage: Stage, browser: Browser): Shown {
  const text = browser.cookies.get(SESSION_COOKIE)
  if (text === undefined) return { kind: 'nothing' }
  const token = tokenOf(stage, text)
  return token === undefined ? { kind: 'garbage' } : { kind: 'refresh-token', token }
}

export function browserWith(stage: Stage, token: Token): Browser {
  const browser = newBrowser()
  browser.cookies.set(SESSION_COOKIE, sealToken(stage, token))
  return browser
}

/** A token of that family whose generation was raised by someone without the key. */
export function browserWithForged(stage: Stage, token: Token): Browser {
  const bytes = Buffer.from(sealToken(stage, token), 'base64url')
  bytes.writeUInt32BE(token.generation + 1, 32)
  const browser = newBrowser()
  browser.cookies.set(SESSION_COOKIE, bytes.toString('base64url'))
  return browser
}

function tokenOf(stage: Stage, text: string): Token | undefined {
  const opened = openRefreshToken(text)
  if (opened === undefined) return undefined
  const key = keyOf(opened.family)
  stage.families.set(key, opened.family)
  return { key, generation: opened.generation }
}

export function observed(stage: Stage, { status, setCookies, body }: Answer): Observed {
  const set = setCookies.map((text) => parseSetCookie(text))
  const session = set.find(({ name }) => name === SESSION_COOKIE)
  const hint = set.find(({ name }) => name === 'signed-in')
  if (session?.maxAge !== hint?.maxAge) throw new Error('the two cookies do not live alike')
  const cookies = session === undefined ? 'kept' : session.maxAge === 0 ? 'cleared' : 'set'
  const endsAt = body?.session?.endsAt
  return {
    result: body?.code ?? String(status),
    cookies,
    token: cookies === 'set' ? tokenOf(stage, session?.value ?? '') : undefined,
    maxAge: session?.maxAge,
    sessionId: body?.session?.id ?? body?.current,
    secondsToEnd: endsAt === undefined ? undefined : (Date.parse(endsAt) - Date.now()) / 1000,
    listed: body?.sessions?.map(({ id }: { id: string }) => id),
  }
}

/** What the guard of an app's own function makes of a browser. */
export async function observedByGuard(stage: Stage, browser: Browser): Promise<Observed> {
  const cookie = [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
  const guard = await requireSession(new Request(`${APP_ORIGIN}/api/hello`, { headers: { cookie } }))
  const status = guard.kind === 'refused' ? guard.response.status : 200
  const body = guard.kind === 'refused' ? await guard.response.json() : undefined
  return observed(stage, { status, headers: new Headers(), setCookies: [], body })
}

/** Asks for a reset and takes the link's id from behind; for an address without an account, one that opens nothing. */
export async function askForReset(stage: Stage, email: string): Promise<ResetLink> {
  await newBrowser().send('reset', 'POST', { email }, { 'x-real-ip': newNetwork() })
  const [row] = await query(
    `SELECT mail_tokens.id, expires_at FROM mail_tokens JOIN users ON users.id = user_id
     WHERE email = $1 AND purpose = 'reset' AND spent_at IS NULL`,
    email,
  )
  const exists = accountOf(stage.world, email).exists
  if (exists !== (row !== undefined)) throw new Error(`a reset link ${exists ? 'is missing' : 'of nobody'}`)
  const id = row?.id ?? newId()
  const token = sealMailToken('reset-mail', {
    id,
    expiresAt: row?.expires_at ?? new Date(Date.now() + 60_000),
  })
  if (exists) stage.world = changeAccount(stage.world, email, { resetId: id })
  return { id, token }
}

/** The whole way to an account, in a browser of its own; where there is one already, nothing may come of it. */
export async function registerAnew(stage: Stage, email: string, password: string): Promise<void> {
  const account = accountOf(stage.world, email)
  const browser = newBrowser()
  // What the old account was mailed in the moment of its deletion is not this one's.
  if (!account.exists) await query('DELETE FROM outbox WHERE recipient = $1', email)
  const asked = await browser.send('register', 'POST', { email, password })
  if (asked.status !== 202) throw new Error(`register answered ${asked.status}`)
  const [row] = await query(
    'SELECT id, expires_at FROM registrations WHERE email = $1 AND spent_at IS NULL',
    email,
  )
  if (account.exists !== (row === undefined)) throw new Error('a registration for a taken address, or none')
  if (row === undefined) return
  const token = sealMailToken('registration-mail', { id: row.id, expiresAt: row.expires_at })
  const verified = await browser.send('verify', 'PUT', { token })
  if (verified.status !== 200) throw new Error(`verify answered ${verified.status}`)
  const passwordVersion = account.passwordVersion + 1
  stage.world = changeAccount(stage.world, email, { exists: true, password, passwordVersion })
}

interface SessionRow {
  id: string
  key: string
  email: string
  generation: number
  turned_ago: number
  seconds_left: number
  seconds_to_end: number
  live: boolean
  revoked_because: string | null
}

/** All that the database holds of a sequence. */
export interface Rows {
  sessions: SessionRow[]
  accounts: string[]
  events: string[]
  mails: string[]
  unsent: number
}

/** Reads the rows; and empties the buckets, whose limits are another test's matter. */
export async function readRows(): Promise<Rows> {
  const [row] = await query(`
    WITH emptied AS (DELETE FROM rate_limits), forgiven AS (DELETE FROM password_attempts)
    SELECT
      (SELECT coalesce(json_agg(s ORDER BY s.created_at, s.id), '[]') FROM (
        SELECT s.id, encode(family_hash, 'hex') AS key, email, generation, s.created_at, revoked_because,
          extract(epoch FROM now() - turned_at) AS turned_ago, extract(epoch FROM expires_at - now()) AS seconds_left,
          extract(epoch FROM ends_at - now()) AS seconds_to_end, revoked_at IS NULL AND expires_at > now() AS live
        FROM sessions s JOIN users ON users.id = user_id) s) AS sessions,
      (SELECT coalesce(json_agg(email), '[]') FROM users) AS accounts,
      (SELECT coalesce(json_agg(concat_ws(' ', substr(kind, 9), session_id, detail->>'because')), '[]')
        FROM events WHERE kind IN ('session-opened', 'session-ended', 'session-stolen')) AS events,
      (SELECT coalesce(json_agg(kind || ' ' || recipient), '[]') FROM outbox JOIN users ON email = recipient
        WHERE kind IN ('session-stolen', 'password-changed', 'password-reset')) AS mails,
      (SELECT count(*)::int FROM outbox WHERE sent_at IS NULL) AS unsent`)
  return row
}

/** How the rows differ from the world, and what no world would excuse; empty when all is well. */
export function rowFaults(world: World, rows: Rows): string[] {
  const faults: string[] = []
  const compare = (what: string, wanted: unknown, got: unknown) => {
    if (wanted !== got) faults.push(`${what}: ${String(got)} instead of ${String(wanted)}`)
  }
  const compareLists = (what: string, wanted: readonly string[], got: readonly string[]) => {
    const missing = without(wanted, got)
    const extra = without(got, wanted)
    if (missing.length > 0) faults.push(`${what} missing: ${missing.join(', ')}`)
    if (extra.length > 0) faults.push(`${what} too many: ${extra.join(', ')}`)
  }

  compareLists(
    'accounts',
    world.accounts.filter(({ exists }) => exists).map(({ email }) => email),
    rows.accounts,
  )
  compareLists(
    'sessions',
    world.families.map(({ key }) => key),
    rows.sessions.map(({ key }) => key),
  )
  compareLists('events', world.events, rows.events)
  compareLists('mails', world.mails, rows.mails)
  compare('mails not sent', 0, rows.unsent)
  for (const row of rows.sessions) {
    const family = familyOf(world, row.key)
    if (family === undefined) continue
    const name = `session ${row.key.slice(0, 6)}`
    compare(`${name}, id`, family.sessionId, row.id)
    compare(`${name}, owner`, family.owner, row.email)
    compare(`${name}, generation`, family.generation, row.generation)
    compare(`${name}, ended because`, family.ended?.because ?? null, row.revoked_because)
    compare(`${name}, live`, isLive(world, family), row.live)
    const times: [string, number, number][] = [
      ['turned so long ago', world.now - family.turnedAt, row.turned_ago],
      ['seconds left', family.expiresAt - world.now, row.seconds_left],
      ['seconds to the absolute end', family.endsAt - world.now, row.seconds_to_end],
    ]
    for (const [what, wanted, got] of times) {
      if (!isNear(wanted, got)) compare(`${name}, ${what}`, wanted, got)
    }
    if (row.seconds_left > row.seconds_to_end) faults.push(`${name} would outlive its absolute end`)
  }
  for (const email of rows.accounts) {
    const live = rows.sessions.filter((row) => row.live && row.email === email).length
    if (live > MOST_SESSIONS) faults.push(`${live} live sessions of one account`)
  }
  return faults
}

/** What is in the first list more often than in the second. */
function without(list: readonly string[], taken: readonly string[]): string[] {
  const rest = [...taken]
  return list.filter((one) => {
    const index = rest.indexOf(one)
    if (index === -1) return true
    rest.splice(index, 1)
    return false
  })
}
