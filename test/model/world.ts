/**
 * The world as the engine should make it: accounts, sessions and what was recorded of them, in plain values. The rules
 * (model-rules.ts) are functions from one world to the next; none of them knows a row, a lock or a clock.
 */
const MINUTE = 60
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

const REUSE_INTERVAL_SECONDS = 30
const STEP_UP_SECONDS = 5 * MINUTE
export const MOST_SESSIONS = 50

/** Of a session that outlives the browser, and of one that ends with it. */
const LIFETIMES = {
  persistent: { idleSeconds: 7 * DAY, absoluteSeconds: 30 * DAY },
  short: { idleSeconds: 2 * HOUR, absoluteSeconds: DAY },
} as const

/** Real time passes between a moment and the look at it: how far apart the two may be. */
export const SLACK_SECONDS = 3

export interface Registration {
  id: string
  password: string
}

export interface Account {
  email: string
  exists: boolean
  password: string
  /** Bumped with each password set, and by a new account of the same address. */
  securityVersion: number
  /** The reset link that still opens something. */
  resetId: string | undefined
  /** Pending ones of its address. */
  registrations: readonly Registration[]
}

export interface Session {
  /** SHA-256 of the family in hex, as the row has it. */
  key: string
  id: string
  owner: string
  method: 'password' | 'email'
  persistent: boolean
  counter: number
  /** The current token was presented. */
  confirmed: boolean
  recoveredCounter: number | undefined
  recoveredInARow: number
  rotatedAt: number
  authenticatedAt: number
  idleExpiresAt: number
  absoluteExpiresAt: number
  /** Browser and system that opened it, or rotated or recovered it last. */
  lastClient: string
  revoked: { reason: string; at: number } | undefined
}

/** All moments are seconds since the sequence began. */
export interface World {
  now: number
  accounts: readonly Account[]
  /** In the order in which they were opened. */
  sessions: readonly Session[]
  /** The events about sessions that must be there, and no others. */
  events: readonly string[]
  /** The emails about sessions and passwords that must have gone out, and no others: kind and recipient. */
  emails: readonly string[]
}

export interface Token {
  key: string
  counter: number
}

/** What a request shows: a refresh token in its cookie, a bearer access token, or nothing that is ours. */
export type Shown =
  | { kind: 'refresh-token'; token: Token }
  | { kind: 'access-token'; key: string }
  | { kind: 'nothing' }
  | { kind: 'garbage' }

export type LetIn =
  | { kind: 'signed-in'; session: Session }
  | { kind: 'refused'; result: 'unauthorized' | 'refresh-required' }

export function isLive(world: World, session: Session): boolean {
  return session.revoked === undefined && world.now < session.idleExpiresAt
}

export function accountOf(world: World, email: string): Account {
  const account = world.accounts.find((one) => one.email === email)
  if (account === undefined) throw new Error('the model has no such account')
  return account
}

export function sessionOf(world: World, key: string): Session | undefined {
  return world.sessions.find((session) => session.key === key)
}

export function shownKey(shown: Shown): string | undefined {
  if (shown.kind === 'refresh-token') return shown.token.key
  return shown.kind === 'access-token' ? shown.key : undefined
}

export function isInReuseInterval(world: World, session: Session): boolean {
  return world.now < session.rotatedAt + REUSE_INTERVAL_SECONDS
}

export function isSteppedUp(world: World, session: Session): boolean {
  return world.now < session.authenticatedAt + STEP_UP_SECONDS
}

/** A session was revoked so recently that a refresh may have lost a race with that. */
export function isJustRevoked(world: World, { revoked }: Session): boolean {
  return revoked !== undefined && world.now < revoked.at + REUSE_INTERVAL_SECONDS
}

/** Whether a request is let in, by anything but a refresh: it rotates nothing and revokes nothing. */
export function letIn(world: World, shown: Shown): LetIn {
  const session = sessionOf(world, shownKey(shown) ?? '')
  if (session === undefined || !isLive(world, session)) return { kind: 'refused', result: 'unauthorized' }
  const behind = shown.kind === 'refresh-token' ? session.counter - shown.token.counter : 0
  if (behind === 0 || (behind === 1 && isInReuseInterval(world, session))) {
    return { kind: 'signed-in', session }
  }
  const settledByRefresh = behind === 1 && !session.confirmed
  return { kind: 'refused', result: settledByRefresh ? 'refresh-required' : 'unauthorized' }
}

/** A session's current token was presented. An access token and a predecessor confirm nothing. */
export function confirm(world: World, shown: Shown): World {
  if (shown.kind !== 'refresh-token') return world
  const { key, counter } = shown.token
  return sessionOf(world, key)?.counter === counter ? changeSession(world, key, { confirmed: true }) : world
}

export function changeSession(world: World, key: string, change: Partial<Session>): World {
  const sessions = world.sessions.map((one) => (one.key === key ? { ...one, ...change } : one))
  return { ...world, sessions }
}

export function changeAccount(world: World, email: string, change: Partial<Account>): World {
  const accounts = world.accounts.map((one) => (one.email === email ? { ...one, ...change } : one))
  return { ...world, accounts }
}

export function recorded(world: World, ...event: [string, ...string[]]): World {
  return { ...world, events: [...world.events, event.join(' ')] }
}

export function emailed(world: World, kind: string, email: string): World {
  return { ...world, emails: [...world.emails, `${kind} ${email}`] }
}

/** Revokes those of `keys` that are live. */
export function revoke(world: World, keys: readonly string[], reason: string): World {
  const revoked = world.sessions.filter((session) => keys.includes(session.key) && isLive(world, session))
  return {
    ...world,
    sessions: world.sessions.map((session) =>
      revoked.includes(session) ? { ...session, revoked: { reason, at: world.now } } : session,
    ),
    events: [...world.events, ...revoked.map(({ id }) => `session-revoked ${id} ${reason}`)],
  }
}

/** In the order in which they were opened. */
export function liveKeys(world: World, owner: string): string[] {
  return world.sessions
    .filter((session) => session.owner === owner && isLive(world, session))
    .map(({ key }) => key)
}

/** When a session that is used or opened now expires if nobody uses it. */
export function idleExpiry(
  world: World,
  { persistent, absoluteExpiresAt }: Pick<Session, 'persistent' | 'absoluteExpiresAt'>,
): number {
  const { idleSeconds } = LIFETIMES[persistent ? 'persistent' : 'short']
  return Math.min(world.now + idleSeconds, absoluteExpiresAt)
}

export interface NewSession extends Pick<
  Session,
  'key' | 'id' | 'owner' | 'method' | 'persistent' | 'lastClient'
> {
  /** Of the session that it replaces; undefined for a new sign-in. */
  absoluteExpiresAt: number | undefined
}

export function addSession(world: World, opened: NewSession): World {
  const { now } = world
  const { absoluteSeconds } = LIFETIMES[opened.persistent ? 'persistent' : 'short']
  const absoluteExpiresAt = opened.absoluteExpiresAt ?? now + absoluteSeconds
  const session: Session = {
    ...opened,
    absoluteExpiresAt,
    idleExpiresAt: idleExpiry(world, { ...opened, absoluteExpiresAt }),
    counter: 0,
    confirmed: false,
    recoveredCounter: undefined,
    recoveredInARow: 0,
    rotatedAt: now,
    authenticatedAt: now,
    revoked: undefined,
  }
  return recorded({ ...world, sessions: [...world.sessions, session] }, 'session-created', opened.id)
}

/** The moments at which something changes its kind without anybody doing anything. */
export function boundaries(world: World): number[] {
  return world.sessions.flatMap(({ rotatedAt, authenticatedAt, idleExpiresAt, revoked }) =>
    revoked === undefined
      ? [rotatedAt + REUSE_INTERVAL_SECONDS, authenticatedAt + STEP_UP_SECONDS, idleExpiresAt]
      : [revoked.at + REUSE_INTERVAL_SECONDS],
  )
}
