/**
 * The world as the session engine should make it: accounts, families and what was told of them, in plain values. Each
 * rule is a function from one world to the next; none of them knows a row, a lock or a clock.
 */
const WINDOW_SECONDS = 30
const IDLE_SECONDS = 7 * 24 * 60 * 60
export const LIFETIME_SECONDS = 30 * 24 * 60 * 60
const RECENT_SECONDS = 5 * 60
export const MOST_SESSIONS = 50

/** Real time passes between a moment and the look at it: how far apart the two may be. */
export const SLACK_SECONDS = 3

export interface Account {
  email: string
  exists: boolean
  password: string
  /** Counts the passwords set: the same text set again is another password. */
  passwordVersion: number
  /** The reset link that still opens something. */
  resetId: string | undefined
}

export interface Family {
  /** SHA-256 of the family in hex, as the row has it. */
  key: string
  sessionId: string
  owner: string
  generation: number
  turnedAt: number
  authenticatedAt: number
  expiresAt: number
  endsAt: number
  ended: { because: string; at: number } | undefined
}

/** All moments are seconds since the sequence began. */
export interface World {
  now: number
  accounts: readonly Account[]
  /** In the order in which they were opened. */
  families: readonly Family[]
  /** The events that must be there, and no others: `opened`, `ended` or `stolen`, and the session. */
  events: readonly string[]
  /** The mails about sessions that must have gone out, and no others: kind and recipient. */
  mails: readonly string[]
}

export interface Token {
  key: string
  generation: number
}

/** What a request shows: a refresh token in its cookie, a bearer access token, or nothing that is ours. */
export type Shown =
  | { kind: 'refresh-token'; token: Token }
  | { kind: 'access-token'; key: string }
  | { kind: 'nothing' }
  | { kind: 'garbage' }

/** What an answer shows of itself. */
export interface Observed {
  /** The problem's code, or the status where there is no problem. */
  result: string
  cookies: 'kept' | 'cleared' | 'set'
  token: Token | undefined
  maxAge: number | undefined
  sessionId: string | undefined
  /** From now to the absolute end that the answer names. */
  secondsToEnd: number | undefined
  /** Of a list of devices. */
  listed: readonly string[] | undefined
}

export interface Expected {
  result: string
  cookies: 'kept' | 'cleared' | 'set'
  token?: Token
  sessionId?: string
  secondsLeft?: number
  secondsToEnd?: number
  listed?: readonly string[]
}

export interface Outcome {
  world: World
  expected: Expected
}

/** The step that decides. What was observed only names what the world cannot know: a new family and its session's id. */
export type Decision = (world: World, observed: Observed) => Outcome

/**
 * What takes two trips, or looks before it writes, may see another world the second time: others act in between.
 */
export type Rule =
  | { kind: 'at-once'; decide: Decision }
  | { kind: 'in-two'; look: (world: World) => Decision }

const atOnce = (decide: Decision): Rule => ({ kind: 'at-once', decide })
const inTwo = (look: (world: World) => Decision): Rule => ({ kind: 'in-two', look })

export function isLive(world: World, family: Family): boolean {
  return family.ended === undefined && world.now < family.expiresAt
}

export function accountOf(world: World, email: string): Account {
  const account = world.accounts.find((one) => one.email === email)
  if (account === undefined) throw new Error('the model has no such account')
  return account
}

export function familyOf(world: World, key: string): Family | undefined {
  return world.families.find((family) => family.key === key)
}

function turnedInWindow(world: World, family: Family): boolean {
  return world.now < family.turnedAt + WINDOW_SECONDS
}

/** The live family that a request is let in by: no turn, and no judgement over an outdated token. */
export function letIn(world: World, shown: Shown): Family | undefined {
  if (shown.kind === 'nothing' || shown.kind === 'garbage') return undefined
  const family = familyOf(world, shown.kind === 'access-token' ? shown.key : shown.token.key)
  if (family === undefined || !isLive(world, family)) return undefined
  if (shown.kind === 'access-token') return family
  const behind = family.generation - shown.token.generation
  return behind === 0 || (behind === 1 && turnedInWindow(world, family)) ? family : undefined
}

function changeFamily(world: World, key: string, change: Partial<Family>): World {
  const families = world.families.map((family) => (family.key === key ? { ...family, ...change } : family))
  return { ...world, families }
}

export function changeAccount(world: World, email: string, change: Partial<Account>): World {
  const accounts = world.accounts.map((one) => (one.email === email ? { ...one, ...change } : one))
  return { ...world, accounts }
}

function mailed(world: World, kind: string, email: string): World {
  return { ...world, mails: [...world.mails, `${kind} ${email}`] }
}

/** Ends those of `keys` that still live. */
function end(world: World, keys: readonly string[], because: string | ((family: Family) => string)): World {
  const ends = world.families.filter((family) => keys.includes(family.key) && isLive(world, family))
  const why = (family: Family) => (typeof because === 'string' ? because : because(family))
  return {
    ...world,
    families: world.families.map((family) =>
      ends.includes(family) ? { ...family, ended: { because: why(family), at: world.now } } : family,
    ),
    events: [...world.events, ...ends.map((family) => `ended ${family.sessionId} ${why(family)}`)],
  }
}

export function liveKeys(world: World, owner: string): string[] {
  return world.families
    .filter((family) => family.owner === owner && isLive(world, family))
    .map(({ key }) => key)
}

export function addFamily(
  world: World,
  family: Pick<Family, 'key' | 'sessionId' | 'owner' | 'endsAt'>,
): World {
  const { now } = world
  const opened: Family = {
    ...family,
    generation: 0,
    turnedAt: now,
    authenticatedAt: now,
    expiresAt: Math.min(now + IDLE_SECONDS, family.endsAt),
    ended: undefined,
  }
  return {
    ...world,
    families: [...world.families, opened],
    events: [...world.events, `opened ${family.sessionId}`],
  }
}

function open(world: World, owner: string, endsAt: number, observed: Observed): Outcome {
  const { token, sessionId } = observed
  if (token === undefined || sessionId === undefined || familyOf(world, token.key) !== undefined) {
    return { world, expected: { result: '200', cookies: 'set', token: { key: 'a new one', generation: 0 } } }
  }
  const next = addFamily(world, { key: token.key, sessionId, owner, endsAt })
  const family = familyOf(next, token.key)
  if (family === undefined) throw new Error('the family was just added')
  return handOut(next, family)
}

/** A family's current token, for as long as it has left. */
function handOut(world: World, family: Family): Outcome {
  const { key, generation, sessionId, expiresAt, endsAt } = family
  const expected: Expected = {
    result: '200',
    cookies: 'set',
    token: { key, generation },
    sessionId,
    secondsLeft: expiresAt - world.now,
    secondsToEnd: endsAt - world.now,
  }
  return { world, expected }
}

function refused(world: World, result: string, cookies: 'kept' | 'cleared' = 'kept'): Outcome {
  return { world, expected: { result, cookies } }
}

/** A refresh: the rotation. */
export function refresh(shown: Shown): Rule {
  return atOnce((world) => {
    // There is no cookie to clear; a bearer token is none.
    if (shown.kind === 'nothing' || shown.kind === 'access-token') return refused(world, 'session-ended')
    if (shown.kind === 'garbage') return refused(world, 'session-ended', 'cleared')
    const { key, generation } = shown.token
    const family = familyOf(world, key)
    if (family === undefined) return refused(world, 'session-ended', 'cleared')

    const { ended } = family
    if (ended !== undefined) {
      // Somebody signed out or signed in a moment ago: this may have lost a race, and the cookie be a newer one's.
      const lostRace = ended.because !== 'theft' && world.now < ended.at + WINDOW_SECONDS
      return refused(world, 'session-ended', lostRace ? 'kept' : 'cleared')
    }
    if (!isLive(world, family)) return refused(world, 'session-ended', 'cleared')

    const behind = family.generation - generation
    const inWindow = turnedInWindow(world, family)
    if (behind < 0) return refused(world, 'session-ended', 'cleared')
    if (behind === 0 && !inWindow) {
      const turned = {
        ...family,
        generation: family.generation + 1,
        turnedAt: world.now,
        expiresAt: Math.min(world.now + IDLE_SECONDS, family.endsAt),
      }
      return handOut(changeFamily(world, key, turned), turned)
    }
    if (behind === 0 || (behind === 1 && inWindow)) return handOut(world, family)

    const told = mailed(
      changeFamily(world, key, { ended: { because: 'theft', at: world.now } }),
      'session-stolen',
      family.owner,
    )
    const next = { ...told, events: [...told.events, `stolen ${family.sessionId}`] }
    return refused(next, 'session-ended', 'cleared')
  })
}

export function login(email: string, password: string, presented: Shown): Rule {
  return inTwo((seen) => {
    const account = accountOf(seen, email)
    const version = account.exists && account.password === password ? account.passwordVersion : undefined
    return (world, observed) => {
      const now = accountOf(world, email)
      if (!now.exists || now.passwordVersion !== version) return refused(world, 'invalid-credentials')
      const presentedKey = presented.kind === 'refresh-token' ? presented.token.key : ''
      const others = liveKeys(world, email).filter((key) => key !== presentedKey)
      const tooMany = others.slice(0, Math.max(0, others.length - (MOST_SESSIONS - 1)))
      const ended = end(world, [...tooMany, presentedKey], ({ key }) =>
        key === presentedKey ? 'replaced' : 'session-limit',
      )
      return open(ended, email, world.now + LIFETIME_SECONDS, observed)
    }
  })
}

/** Any token of a family ends it; only one that would let in ends the others. */
export function logout(shown: Shown, everywhere: boolean): Rule {
  return inTwo((seen) => {
    const key = shown.kind === 'refresh-token' ? shown.token.key : ''
    const asker = everywhere && shown.kind === 'refresh-token' ? letIn(seen, shown) : undefined
    const keys = [key, ...(asker === undefined ? [] : liveKeys(seen, asker.owner))]
    return (world) => refused(end(world, keys, 'logout'), '204', 'cleared')
  })
}

/** What asks for the password again: looks who it is, checks the password, then finds both still as they were. */
function reauthenticated(shown: Shown, password: string, act: (asker: Family) => Decision): Rule {
  return inTwo((seen) => {
    const asker = letIn(seen, shown)
    if (asker === undefined) return (world) => refused(world, 'unauthorized')
    const { owner } = asker
    const { passwordVersion, password: current } = accountOf(seen, owner)
    if (current !== password) return (world) => refused(world, 'invalid-credentials')
    return (world, observed) => {
      const still = letIn(world, shown)
      if (still === undefined || accountOf(world, owner).passwordVersion !== passwordVersion) {
        return refused(world, 'unauthorized')
      }
      return act(still)(world, observed)
    }
  })
}

export function changePassword(shown: Shown, password: string, newPassword: string): Rule {
  return reauthenticated(shown, password, (asker) => (world, observed) => {
    const { owner, key, endsAt } = asker
    const ended = end(world, liveKeys(world, owner), (family) =>
      family.key === key ? 'replaced' : 'password-change',
    )
    return open(
      mailed(setPassword(ended, owner, newPassword), 'password-changed', owner),
      owner,
      endsAt,
      observed,
    )
  })
}

function setPassword(world: World, email: string, password: string): World {
  const passwordVersion = accountOf(world, email).passwordVersion + 1
  return changeAccount(world, email, { password, passwordVersion })
}

export function deleteAccount(shown: Shown, password: string): Rule {
  return reauthenticated(shown, password, ({ owner }) => (world) => {
    const gone = changeAccount(world, owner, { exists: false, resetId: undefined })
    const families = world.families.filter((family) => family.owner !== owner)
    const mails = world.mails.filter((mail) => !mail.endsWith(` ${owner}`))
    return refused({ ...gone, families, mails }, '204', 'cleared')
  })
}

/** The link of a reset is pressed: once, and only the newest. */
export function pressResetLink(email: string, resetId: string, password: string): Rule {
  return atOnce((world) => {
    if (accountOf(world, email).resetId !== resetId) return refused(world, 'token-spent')
    const ended = end(world, liveKeys(world, email), 'reset')
    const reset = changeAccount(setPassword(ended, email, password), email, { resetId: undefined })
    return refused(mailed(reset, 'password-reset', email), '200')
  })
}

export function endDevices(shown: Shown, choice: { sessionId: string } | 'others'): Rule {
  return inTwo((seen) => {
    const asker = letIn(seen, shown)
    if (asker === undefined) return (world) => refused(world, 'unauthorized')
    if (seen.now >= asker.authenticatedAt + RECENT_SECONDS) {
      return (world) => refused(world, 'reauthentication-required')
    }
    const chosen = liveKeys(seen, asker.owner).filter((key) =>
      choice === 'others' ? key !== asker.key : familyOf(seen, key)?.sessionId === choice.sessionId,
    )
    return (world) => {
      const stillLive = chosen.filter((key) => liveKeys(world, asker.owner).includes(key))
      if (choice !== 'others' && stillLive.length === 0) return refused(world, 'not-found')
      const own = stillLive.includes(asker.key)
      return refused(end(world, chosen, 'ended-by-owner'), '204', own ? 'cleared' : 'kept')
    }
  })
}

/** A question that only a live session gets an answer to. */
export function ask(shown: Shown): Rule {
  return atOnce((world) => refused(world, letIn(world, shown) === undefined ? 'unauthorized' : '200'))
}

export function listDevices(shown: Shown): Rule {
  return atOnce((world) => {
    const asker = letIn(world, shown)
    if (asker === undefined) return refused(world, 'unauthorized')
    const listed = liveKeys(world, asker.owner).map((key) => familyOf(world, key)?.sessionId ?? '')
    return { world, expected: { result: '200', cookies: 'kept', sessionId: asker.sessionId, listed } }
  })
}

/** The moments at which something that lives changes its kind without anybody doing anything. */
export function boundaries(world: World): number[] {
  return world.families.flatMap((family) =>
    family.ended === undefined
      ? [family.turnedAt + WINDOW_SECONDS, family.authenticatedAt + RECENT_SECONDS, family.expiresAt]
      : [family.ended.at + WINDOW_SECONDS],
  )
}

/** How an answer differs from what was expected; empty when it does not. */
export function answerFaults(expected: Expected, observed: Observed): string[] {
  const faults: string[] = []
  const compare = (what: string, wanted: unknown, got: unknown) => {
    if (wanted !== got) faults.push(`${what}: ${String(got)} instead of ${String(wanted)}`)
  }
  compare('result', expected.result, observed.result)
  compare('cookies', expected.cookies, observed.cookies)
  compare('token', tokenText(expected.token), tokenText(observed.token))
  if (expected.sessionId !== undefined) compare('session', expected.sessionId, observed.sessionId)
  if (expected.secondsLeft !== undefined && !isNear(expected.secondsLeft, observed.maxAge)) {
    compare('Max-Age', expected.secondsLeft, observed.maxAge)
  }
  if (expected.secondsToEnd !== undefined && !isNear(expected.secondsToEnd, observed.secondsToEnd)) {
    compare('seconds to the absolute end', expected.secondsToEnd, observed.secondsToEnd)
  }
  if (expected.listed !== undefined) {
    compare('devices', expected.listed.toSorted().join(), observed.listed?.toSorted().join())
  }
  return faults
}

export function tokenText(token: Token | undefined): string {
  return token === undefined ? 'none' : `generation ${token.generation} of ${token.key.slice(0, 6)}`
}

export function isNear(wanted: number, got: number | undefined): boolean {
  return got !== undefined && Math.abs(wanted - got) <= SLACK_SECONDS
}

/** Something that was done, and what came of it. */
export interface Done {
  label: string
  rule: Rule
  observed: Observed
}

/**
 * The worlds that come about when these are done one after the other, in any order in which each gets the answer that it
 * got. What takes two trips may be overtaken between them. None means that no order explains the answers.
 */
export function* explanations(world: World, done: readonly Done[]): Generator<World> {
  if (done.length === 0) {
    yield world
    return
  }
  const tried = new Set<string>()
  for (const one of done) {
    const { label, rule, observed } = one
    // Of two that are alike, either may be the first. One that has looked already (see below) is like no other.
    const likeness = JSON.stringify([label, observed])
    if (label !== '' && tried.has(likeness)) continue
    tried.add(likeness)

    const others = done.filter((other) => other !== one)
    if (rule.kind === 'in-two') {
      // First in line, so that the plain order is tried first.
      const looked = { label: '', rule: atOnce(rule.look(world)), observed }
      yield* explanations(world, [looked, ...others])
    } else {
      const outcome = rule.decide(world, observed)
      if (answerFaults(outcome.expected, observed).length > 0) continue
      yield* explanations(outcome.world, others)
    }
  }
}
