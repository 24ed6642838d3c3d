/** The stage of the model-based tests: the real accounts, browsers and rows, seen the way the model speaks of them. */
import { randomBytes, randomInt } from 'node:crypto'
import { parseSetCookie } from 'cookie'
import { v7 as newId } from 'uuid'
import { requireSession } from '../../lib/guards.ts'
import { expiryIn, signOneTimeToken } from '../../lib/crypto/one-time-token.ts'
import { hashFamily, verifyRefreshToken, signRefreshToken } from '../../lib/crypto/refresh-token.ts'
import { signRegistrationCookie } from '../../lib/crypto/registration-cookie.ts'
import { newBrowser, type Received, type Browser } from '../support/browser.ts'
import { query } from '../support/database.ts'
import type { Observed } from './explain.ts'
import {
  accountOf,
  addSession,
  changeAccount,
  liveKeys,
  MOST_SESSIONS,
  sessionOf,
  type NewSession,
  type Shown,
  type Token,
  type World,
} from './world.ts'
import { newAddress } from '../support/people.ts'
import { APP_ORIGIN } from '../support/setup-environment.ts'

const SESSION_COOKIE = '__Host-session'
export const REGISTRATION_COOKIE = '__Host-registration'

/** A browser on a system: what it sends, and how the list of sessions names it. */
export interface UserAgent {
  header: string
  client: string
}

/** One for each actor, and a stranger's. */
export const USER_AGENTS = [
  {
    header: 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0',
    client: 'Firefox on Linux',
  },
  {
    header: 'Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19.0 Mobile/15E148 Safari/604.1',
    client: 'Safari on iPhone',
  },
  {
    header:
      'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36',
    client: 'Chrome on Windows',
  },
] as const satisfies UserAgent[]
export const STRANGERS_USER_AGENT: UserAgent = { header: 'curl/8.16.0', client: 'curl' }

/** A browser with what it held last, be it live or not, and the newest access token that it was given. */
export interface Actor {
  browser: Browser
  userAgent: UserAgent
  held: { key: string; sessionId: string } | undefined
  access: { key: string; text: string } | undefined
}

export interface ResetLink {
  id: string
  token: string
}

export interface RegistrationLink {
  id: string
  token: string
  password: string
  persistent: boolean
  /** Of the browser that registered. */
  cookie: string
}

export interface Stage {
  world: World
  actors: readonly [Actor, Actor, Actor]
  /** The families' bytes by their keys, so that a token of any counter can be signed. */
  families: Map<string, Uint8Array>
  /** When the world's clock was last set to the real one; milliseconds. */
  lookedAt: number
  /** By password. */
  passwordHashes: ReadonlyMap<string, string>
  /** The newest of each address, by which nothing may happen twice. */
  resetLinks: Map<string, ResetLink>
  registrationLinks: Map<string, RegistrationLink>
  /** How many were done, so that everybody looks in now and then. */
  steps: number
}

const keyOf = (family: Uint8Array) => Buffer.from(hashFamily(family)).toString('hex')

/**
 * Two accounts with the first of the passwords. Two browsers are signed in to the first account, of which the second
 * one isn't remembered, and the third one to the other account.
 */
export async function newStage(passwordHashes: ReadonlyMap<string, string>): Promise<Stage> {
  await query(`DELETE FROM users; DELETE FROM registrations; DELETE FROM events; DELETE FROM outbox;
    DELETE FROM rate_limits; DELETE FROM login_attempts`)
  const [[password, passwordHash] = ['', '']] = passwordHashes
  const [ada, bob] = [newAddress(), newAddress()]
  const accounts = [ada, bob].map((email) => ({
    email,
    exists: true,
    password,
    securityVersion: 0,
    resetId: undefined,
    registrations: [],
  }))
  await query(
    `INSERT INTO users (id, email, email_normalized, password_hash, email_verified_at)
     SELECT id::uuid, email, email, $3, now() FROM unnest($1::text[], $2::text[]) AS account (id, email)`,
    accounts.map(() => newId()),
    accounts.map(({ email }) => email),
    passwordHash,
  )
  const actor = (userAgent: UserAgent): Actor => ({
    browser: newBrowser(),
    userAgent,
    held: undefined,
    access: undefined,
  })
  const [first, second, third] = USER_AGENTS
  const stage: Stage = {
    world: { now: 0, accounts, sessions: [], events: [], emails: [] },
    actors: [actor(first), actor(second), actor(third)],
    families: new Map(),
    lookedAt: performance.now(),
    passwordHashes,
    resetLinks: new Map(),
    registrationLinks: new Map(),
    steps: 0,
  }
  const keys = await openSessions(stage, [
    { owner: ada, persistent: true, lastClient: first.client },
    { owner: ada, persistent: false, lastClient: second.client },
    { owner: bob, persistent: true, lastClient: third.client },
  ])
  for (const [index, one] of stage.actors.entries()) {
    const session = sessionOf(stage.world, keys[index] ?? '')
    if (session === undefined) continue
    one.held = { key: session.key, sessionId: session.id }
    one.browser.cookies.set(SESSION_COOKIE, signToken(stage, { key: session.key, counter: 0 }))
    one.browser.cookies.set('signed-in', '1')
  }
  return stage
}

/** Sessions without a login, which costs a hash: rows and events as a login writes them. Returns their keys. */
async function openSessions(
  stage: Stage,
  sessions: readonly Pick<NewSession, 'owner' | 'persistent' | 'lastClient'>[],
): Promise<string[]> {
  const opened = sessions.map((session) => ({ ...session, family: randomBytes(32), id: newId() }))
  await query(
    `WITH opened AS (
       INSERT INTO sessions (id, user_id, family_hash, method, persistent, created_at, last_client,
         idle_expires_at, absolute_expires_at)
       SELECT opened.id::uuid, users.id, decode(key, 'hex'), 'password', persistent,
         now() + n * interval '1 microsecond', client,
         now() + CASE WHEN persistent THEN interval '7 days' ELSE interval '2 hours' END,
         now() + CASE WHEN persistent THEN interval '30 days' ELSE interval '24 hours' END
       FROM unnest($1::text[], $2::text[], $3::text[], $4::boolean[], $5::text[])
         WITH ORDINALITY AS opened (id, email, key, persistent, client, n) JOIN users USING (email)
       RETURNING id, user_id)
     INSERT INTO events (kind, user_id, session_id) SELECT 'session-created', user_id, id FROM opened`,
    opened.map(({ id }) => id),
    opened.map(({ owner }) => owner),
    opened.map(({ family }) => keyOf(family)),
    opened.map(({ persistent }) => persistent),
    opened.map(({ lastClient }) => lastClient),
  )
  return opened.map(({ family, ...session }) => {
    const key = keyOf(family)
    stage.families.set(key, family)
    const added = { ...session, key, method: 'password', absoluteExpiresAt: undefined } as const
    stage.world = addSession(stage.world, added)
    return key
  })
}

/** Signs in on so many other devices that one more would be one too many. */
export async function fillUp(stage: Stage, owner: string): Promise<void> {
  if (!accountOf(stage.world, owner).exists) return
  const missing = MOST_SESSIONS - liveKeys(stage.world, owner).length
  const session = { owner, persistent: true, lastClient: STRANGERS_USER_AGENT.client }
  await openSessions(
    stage,
    Array.from({ length: missing }, () => session),
  )
}

function signToken(stage: Stage, { key, counter }: Token): string {
  const family = stage.families.get(key)
  if (family === undefined) throw new Error('the stage has not seen that family')
  return signRefreshToken({ family, counter })
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
    `UPDATE sessions SET rotated_at = rotated_at - $1::interval, created_at = created_at - $1::interval,
       last_used_at = last_used_at - $1::interval, idle_expires_at = idle_expires_at - $1::interval,
       absolute_expires_at = absolute_expires_at - $1::interval, authenticated_at = authenticated_at - $1::interval,
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
  browser.cookies.set(SESSION_COOKIE, signToken(stage, token))
  return browser
}

/** A token of that family whose counter was raised by someone without the key. */
export function browserWithForged(stage: Stage, token: Token): Browser {
  const bytes = Buffer.from(signToken(stage, token), 'base64url')
  bytes.writeUInt32BE(token.counter + 1, 32)
  const browser = newBrowser()
  browser.cookies.set(SESSION_COOKIE, bytes.toString('base64url'))
  return browser
}

function tokenOf(stage: Stage, text: string): Token | undefined {
  const opened = verifyRefreshToken(text)
  if (opened === undefined) return undefined
  const key = keyOf(opened.family)
  stage.families.set(key, opened.family)
  return { key, counter: opened.counter }
}

export function observed(stage: Stage, { status, setCookies, body }: Received): Observed {
  const set = setCookies.map((text) => parseSetCookie(text))
  const session = set.find(({ name }) => name === SESSION_COOKIE)
  const hint = set.find(({ name }) => name === 'signed-in')
  if (session?.maxAge !== hint?.maxAge) throw new Error('the two cookies have different lifetimes')
  const cookies = session === undefined ? 'kept' : session.maxAge === 0 ? 'cleared' : 'set'
  const absoluteExpiresAt = body?.session?.absoluteExpiresAt
  return {
    result: body?.code ?? String(status),
    cookies,
    token: cookies === 'set' ? tokenOf(stage, session?.value ?? '') : undefined,
    maxAge: cookies === 'set' ? (session?.maxAge ?? 'none') : undefined,
    sessionId: body?.session?.id ?? body?.current,
    secondsToEnd:
      absoluteExpiresAt === undefined ? undefined : (Date.parse(absoluteExpiresAt) - Date.now()) / 1000,
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

/** Requests a reset and reads the link's id from its row; for an address without an account, one that opens nothing. */
export async function requestReset(stage: Stage, email: string): Promise<ResetLink> {
  await newBrowser().send('reset', 'POST', { email }, { 'x-real-ip': newNetwork() })
  const [row] = await query(
    `SELECT one_time_tokens.id, expires_at FROM one_time_tokens JOIN users ON users.id = user_id
     WHERE email = $1 AND purpose = 'reset' AND consumed_at IS NULL`,
    email,
  )
  const { exists } = accountOf(stage.world, email)
  if (exists !== (row !== undefined)) throw new Error(`a reset link ${exists ? 'is missing' : 'of nobody'}`)
  const id = row?.id ?? newId()
  const token = signOneTimeToken('reset-email', { id, expiresAt: row?.expires_at ?? expiryIn(60) })
  if (exists) stage.world = changeAccount(stage.world, email, { resetId: id })
  const link = { id, token }
  stage.resetLinks.set(email, link)
  return link
}

/** A pending registration as a browser left it, also of an address that has an account by now. */
export async function insertRegistration(
  stage: Stage,
  email: string,
  { password, persistent }: { password: string; persistent: boolean },
): Promise<RegistrationLink> {
  const [id, expiresAt] = [newId(), expiryIn(600)]
  await query(
    `INSERT INTO registrations (id, email, email_normalized, password_hash, expires_at)
     VALUES ($1, $2, $2, $3, $4)`,
    id,
    email,
    stage.passwordHashes.get(password),
    expiresAt,
  )
  const cookie = signRegistrationCookie({ registrationId: id, persistent })
  return keepRegistration(stage, email, { id, expiresAt, password, persistent, cookie })
}

/** Registers by the endpoint. Undefined for a taken address, for which nothing is kept. */
export async function register(
  stage: Stage,
  email: string,
  password: string,
): Promise<RegistrationLink | undefined> {
  const browser = newBrowser()
  const pending = 'SELECT id, expires_at FROM registrations WHERE email = $1 AND consumed_at IS NULL'
  const before = await query(pending, email)
  const response = await browser.send('register', 'POST', { email, password })
  if (response.status !== 202) throw new Error(`register answered ${response.status}`)
  const added = (await query(pending, email)).filter(({ id }) => !before.some((row) => row.id === id))
  const [row] = added
  if (accountOf(stage.world, email).exists === (row !== undefined) || added.length > 1) {
    throw new Error(`${added.length} registrations of an address that is taken or not`)
  }
  if (row === undefined) return undefined
  const cookie = browser.cookies.get(REGISTRATION_COOKIE) ?? ''
  return keepRegistration(stage, email, {
    id: row.id,
    expiresAt: row.expires_at,
    password,
    persistent: true,
    cookie,
  })
}

function keepRegistration(
  stage: Stage,
  email: string,
  { expiresAt, ...registration }: Omit<RegistrationLink, 'token'> & { expiresAt: Date },
): RegistrationLink {
  const { id, password } = registration
  const link = { ...registration, token: signOneTimeToken('registration-email', { id, expiresAt }) }
  const { registrations } = accountOf(stage.world, email)
  stage.world = changeAccount(stage.world, email, { registrations: [...registrations, { id, password }] })
  stage.registrationLinks.set(email, link)
  return link
}
