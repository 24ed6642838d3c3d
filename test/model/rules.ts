/** What each request makes of the world: docs/sessions.md as functions. */
import type { Decision, Observed, Outcome, Rule } from './explain.ts'
import {
  accountOf,
  addSession,
  changeAccount,
  changeSession,
  confirm,
  emailed,
  idleExpiry,
  isInReuseInterval,
  isJustRevoked,
  isLive,
  isSteppedUp,
  letIn,
  liveKeys,
  MOST_SESSIONS,
  recorded,
  revoke,
  sessionOf,
  type NewSession,
  type Session,
  type Shown,
  type World,
} from './world.ts'

/** Different counters of a session that may be recovered one after the other. */
const MOST_RECOVERIES_IN_A_ROW = 2

/** One call of the engine. */
const atOnce = (decide: Decision): Rule => ({ kind: 'at-once', decide })

function respond(world: World, result: string, cookies: 'kept' | 'cleared' = 'kept'): Outcome {
  return { world, expected: { result, cookies } }
}

/** A session's current token, for as long as it has left. */
function handOut(world: World, key: string): Outcome {
  const session = sessionOf(world, key)
  if (session === undefined) throw new Error('the model has no such session')
  const { counter, id, persistent, idleExpiresAt, absoluteExpiresAt } = session
  return {
    world,
    expected: {
      result: '200',
      cookies: 'set',
      token: { key, counter },
      sessionId: id,
      maxAge: persistent ? idleExpiresAt - world.now : 'none',
      secondsToEnd: absoluteExpiresAt - world.now,
    },
  }
}

/** What was observed names what the model can't know: a new family and its session's id. */
function open(world: World, opened: Omit<NewSession, 'key' | 'id'>, observed: Observed): Outcome {
  const { token, sessionId } = observed
  if (token === undefined || sessionId === undefined || sessionOf(world, token.key) !== undefined) {
    return { world, expected: { result: '200', cookies: 'set', token: { key: 'a new one', counter: 0 } } }
  }
  return handOut(addSession(world, { ...opened, key: token.key, id: sessionId }), token.key)
}

// --- Refresh ---

export function refresh(shown: Shown, client: string): Rule {
  return atOnce((world) => {
    // There is no cookie to clear; a bearer token is none.
    if (shown.kind === 'nothing' || shown.kind === 'access-token') return respond(world, 'session-ended')
    if (shown.kind === 'garbage') return respond(world, 'session-ended', 'cleared')
    const { key, counter } = shown.token
    const session = sessionOf(world, key)
    if (session === undefined) return respond(world, 'session-ended', 'cleared')
    if (!isLive(world, session) || counter > session.counter) {
      if (REPORTED_AFTERWARDS.has(session.revoked?.reason ?? '') && isReuse(world, session, counter)) {
        return respond(reuse(world, session), 'session-ended', 'cleared')
      }
      // Somebody signed out or in a moment ago: this may have lost a race, and the cookie be a newer one's.
      const lostRace = session.revoked?.reason !== 'reuse' && isJustRevoked(world, session)
      return respond(world, 'session-ended', lostRace ? 'kept' : 'cleared')
    }

    const isCurrent = counter === session.counter
    if (!isInReuseInterval(world, session)) {
      return isCurrent ? rotate(world, session, client) : recover(world, session, { counter, client })
    }
    if (isCurrent) return handOut(confirm(world, shown), key)
    if (isReuse(world, session, counter)) return respond(reuse(world, session), 'session-ended', 'cleared')
    if (client === session.lastClient) return handOut(world, key)
    return respond(recorded(world, 'refresh-refused', session.id), 'refresh-required')
  })
}

function rotate(world: World, session: Session, lastClient: string): Outcome {
  const { key, counter, recoveredCounter, recoveredInARow } = session
  const change: Partial<Session> = {
    counter: counter + 1,
    confirmed: false,
    // Reached without a recovery: the count starts over.
    recoveredInARow: recoveredCounter === counter ? recoveredInARow : 0,
    rotatedAt: world.now,
    idleExpiresAt: idleExpiry(world, session),
    lastClient,
  }
  return handOut(changeSession(world, key, change), key)
}

/** A predecessor after the reuse interval. */
function recover(
  world: World,
  session: Session,
  { counter, client }: { counter: number; client: string },
): Outcome {
  const { key, id, recoveredInARow } = session
  const isAgain = session.recoveredCounter === session.counter
  if (isReuse(world, session, counter) || (!isAgain && recoveredInARow >= MOST_RECOVERIES_IN_A_ROW)) {
    return respond(reuse(world, session), 'session-ended', 'cleared')
  }
  if (isAgain && client !== session.lastClient) {
    return respond(recorded(world, 'refresh-refused', id), 'refresh-required')
  }
  if (isAgain) return handOut(world, key)
  const change: Partial<Session> = {
    recoveredCounter: session.counter,
    recoveredInARow: recoveredInARow + 1,
    rotatedAt: world.now,
    lastClient: client,
  }
  const next = recorded(changeSession(world, key, change), 'session-recovered', id, String(session.counter))
  return handOut(next, key)
}

/** A session that ended like this may have been ended by a copy. */
const REPORTED_AFTERWARDS = new Set(['logout', 'superseded'])

function isReuse(world: World, session: Session, counter: number): boolean {
  if (counter === session.counter - 1) return session.confirmed && !isInReuseInterval(world, session)
  return counter < session.counter
}

function reuse(world: World, { key, id, owner, revoked: before }: Session): World {
  const revoked = changeSession(world, key, { revoked: { reason: 'reuse', at: before?.at ?? world.now } })
  return emailed(recorded(revoked, 'refresh-token-reused', id), 'refresh-token-reused', owner)
}

// --- Signing in and out ---

export interface LoginRequest {
  email: string
  password: string
  remember: boolean
  reauthenticate: boolean
  /** The session that the browser has. */
  presented: Shown
  client: string
}

/** Counted and looked up, then the password is checked, then opened if all is still as it was looked up. */
export function login({ email, password, remember, reauthenticate, presented, client }: LoginRequest): Rule {
  return {
    kind: 'in-two',
    begin: (seen) => {
      if (reauthenticate && presented.kind !== 'refresh-token') {
        return { world: seen, finish: (world) => respond(world, 'unauthorized') }
      }
      const account = accountOf(seen, email)
      const version = account.exists && account.password === password ? account.securityVersion : undefined
      return {
        world: seen,
        finish: (world, observed) => {
          const now = accountOf(world, email)
          if (!now.exists || now.securityVersion !== version) return respond(world, 'invalid-credentials')
          const opened = { owner: email, method: 'password', lastClient: client } as const
          if (!reauthenticate) {
            const supersedes = presented.kind === 'refresh-token' ? presented.token.key : undefined
            const freed = makeRoom(world, email, supersedes)
            return open(freed, { ...opened, persistent: remember, absoluteExpiresAt: undefined }, observed)
          }
          const asker = letIn(world, presented)
          if (asker.kind === 'refused') return respond(world, asker.result)
          const { owner, key, persistent, absoluteExpiresAt } = asker.session
          if (owner !== email) return respond(world, 'different-account')
          return open(makeRoom(world, email, key), { ...opened, persistent, absoluteExpiresAt }, observed)
        },
      }
    },
  }
}

/** The session that the browser had goes, and the oldest of an account that has too many. */
function makeRoom(world: World, email: string, supersedes: string | undefined): World {
  const others = liveKeys(world, email).filter((key) => key !== supersedes)
  const excess = others.slice(0, Math.max(0, others.length - (MOST_SESSIONS - 1)))
  const superseded = supersedes === undefined ? world : revoke(world, [supersedes], 'superseded')
  return revoke(superseded, excess, 'session-limit')
}

/** What a token that was reused does, or else `work`. */
function reusedOr(world: World, shown: Shown, work: (world: World) => World): World {
  const session = shown.kind === 'refresh-token' ? sessionOf(world, shown.token.key) : undefined
  const isReused =
    shown.kind === 'refresh-token' &&
    session !== undefined &&
    isLive(world, session) &&
    isReuse(world, session, shown.token.counter)
  return isReused ? reuse(world, session) : work(world)
}

/** Any token of a family ends its session; only one that is let in ends the others. */
export function logout(shown: Shown, everywhere: boolean): Rule {
  return atOnce((seen) => {
    const own = shown.kind === 'refresh-token' ? [shown.token.key] : []
    const asker = letIn(seen, shown)
    if (everywhere && asker.kind === 'refused' && asker.result === 'refresh-required') {
      return respond(seen, 'refresh-required')
    }
    if (!everywhere || asker.kind === 'refused') {
      const result = everywhere && own.length > 0 ? 'session-ended' : '204'
      return respond(
        reusedOr(seen, shown, (world) => revoke(world, own, 'logout')),
        result,
        'cleared',
      )
    }
    const world = confirm(seen, shown)
    if (!isSteppedUp(world, asker.session)) return respond(world, 'reauthentication-required')
    return respond(revoke(world, liveKeys(world, asker.session.owner), 'logout'), '204', 'cleared')
  })
}

// --- Registrations ---

export interface VerifyRequest {
  email: string
  registrationId: string
}

/** The link, in the browser that registered: it is signed in. */
export function verify(
  { email, registrationId }: VerifyRequest,
  { presented, persistent, client }: { presented: Shown; persistent: boolean; client: string },
): Rule {
  return atOnce((world, observed) => {
    const created = createAccount(world, email, registrationId)
    if (created === undefined) return respond(world, 'token-already-used')
    const supersedes = presented.kind === 'refresh-token' ? [presented.token.key] : []
    const opened = { owner: email, method: 'email', persistent, lastClient: client } as const
    return open(
      revoke(created, supersedes, 'superseded'),
      { ...opened, absoluteExpiresAt: undefined },
      observed,
    )
  })
}

/** The link, in any other browser: it asks for the password, and opens no session. */
export function verifyElsewhere({ email, registrationId }: VerifyRequest, password: string): Rule {
  return {
    kind: 'in-two',
    begin: (seen) => {
      const { exists, registrations } = accountOf(seen, email)
      const registration = registrations.find(({ id }) => id === registrationId)
      let refusal: string | undefined
      if (exists || registration === undefined) refusal = 'token-already-used'
      else if (registration.password !== password) refusal = 'invalid-credentials'
      return {
        world: seen,
        finish: (world) => {
          if (refusal !== undefined) return respond(world, refusal)
          const created = createAccount(world, email, registrationId)
          return created === undefined ? respond(world, 'token-already-used') : respond(created, '200')
        },
      }
    },
  }
}

function createAccount(world: World, email: string, registrationId: string): World | undefined {
  const { exists, registrations, securityVersion } = accountOf(world, email)
  const registration = registrations.find(({ id }) => id === registrationId)
  if (exists || registration === undefined) return undefined
  return changeAccount(world, email, {
    exists: true,
    password: registration.password,
    securityVersion: securityVersion + 1,
    registrations: registrations.filter(({ id }) => id !== registrationId),
  })
}

// --- The account ---

function setPassword(world: World, email: string, password: string): World {
  const securityVersion = accountOf(world, email).securityVersion + 1
  return changeAccount(world, email, { password, securityVersion })
}

export interface PasswordChange {
  currentPassword: string
  newPassword: string
  client: string
}

/** Asks for the current password and for no step-up: to give it is one. */
export function changePassword(shown: Shown, change: PasswordChange): Rule {
  return {
    kind: 'in-two',
    begin: (seen) => {
      const asker = letIn(seen, shown)
      if (asker.kind === 'refused') {
        return { world: seen, finish: (world) => respond(world, asker.result) }
      }
      const { owner } = asker.session
      const { securityVersion, password } = accountOf(seen, owner)
      return {
        world: confirm(seen, shown),
        finish: (world, observed) => {
          if (password !== change.currentPassword) return respond(world, 'invalid-credentials')
          const still = letIn(world, shown)
          if (still.kind === 'refused' || accountOf(world, owner).securityVersion !== securityVersion) {
            return respond(world, 'unauthorized')
          }
          return passwordChanged(world, still.session, change)(observed)
        },
      }
    },
  }
}

function passwordChanged(
  world: World,
  { key, owner, persistent, absoluteExpiresAt }: Session,
  { newPassword, client }: PasswordChange,
): (observed: Observed) => Outcome {
  const others = liveKeys(world, owner).filter((one) => one !== key)
  const revoked = revoke(revoke(world, others, 'password-change'), [key], 'superseded')
  const changed = emailed(setPassword(revoked, owner, newPassword), 'password-changed', owner)
  const opened = { owner, method: 'password', persistent, absoluteExpiresAt, lastClient: client } as const
  return (observed) => open(changed, opened, observed)
}

/** The link of a reset is opened: once, and only the newest. */
export function reset(email: string, resetId: string, password: string): Rule {
  return atOnce((world) => {
    if (accountOf(world, email).resetId !== resetId) return respond(world, 'token-already-used')
    const revoked = revoke(world, liveKeys(world, email), 'reset')
    const changed = changeAccount(setPassword(revoked, email, password), email, { resetId: undefined })
    return respond(emailed(changed, 'password-reset', email), '200')
  })
}

/** To ask for it changes nothing, but it is refused without a step-up. */
export function requestEmailChange(shown: Shown): Rule {
  return steppedUp(shown, (world) => respond(world, '200'))
}

export function deleteAccount(shown: Shown): Rule {
  return steppedUp(shown, (world, { owner }) => {
    const gone = changeAccount(world, owner, { exists: false, resetId: undefined, registrations: [] })
    const sessions = world.sessions.filter((session) => session.owner !== owner)
    const emails = world.emails.filter((email) => !email.endsWith(` ${owner}`))
    return respond({ ...gone, sessions, emails }, '204', 'cleared')
  })
}

function steppedUp(shown: Shown, decide: (world: World, session: Session) => Outcome): Rule {
  return atOnce((seen) => {
    const asker = letIn(seen, shown)
    if (asker.kind === 'refused') return respond(seen, asker.result)
    const world = confirm(seen, shown)
    if (!isSteppedUp(world, asker.session)) return respond(world, 'reauthentication-required')
    return decide(world, asker.session)
  })
}

// --- Sessions ---

export function revokeSessions(shown: Shown, choice: { sessionId: string } | 'others'): Rule {
  return steppedUp(shown, (world, { owner, key: own }) => {
    const chosen = liveKeys(world, owner).filter((key) =>
      choice === 'others' ? key !== own : sessionOf(world, key)?.id === choice.sessionId,
    )
    if (choice !== 'others' && chosen.length === 0) return respond(world, 'not-found')
    return respond(revoke(world, chosen, 'revoked-by-user'), '204', chosen.includes(own) ? 'cleared' : 'kept')
  })
}

/** A question that only a live session gets an answer to. */
export function read(shown: Shown): Rule {
  return atOnce((world) => {
    const asker = letIn(world, shown)
    return asker.kind === 'refused' ? respond(world, asker.result) : respond(confirm(world, shown), '200')
  })
}

export function listSessions(shown: Shown): Rule {
  return atOnce((world) => {
    const asker = letIn(world, shown)
    if (asker.kind === 'refused') return respond(world, asker.result)
    const { owner, id: sessionId } = asker.session
    const listed = liveKeys(world, owner).map((key) => sessionOf(world, key)?.id ?? '')
    return {
      world: confirm(world, shown),
      expected: { result: '200', cookies: 'kept', sessionId, listed },
    }
  })
}
