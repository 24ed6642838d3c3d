/**
 * The browser client. Keeps one access token in memory, renews it shortly before it expires, sends it only to the app's
 * own origin, and tells all tabs who is signed in.
 *
 * No locks: within the reuse interval every refresh gets the same successor. So tabs may race, and a request whose
 * response was lost is repeated.
 */
/* oxlint-disable unicorn/require-post-message-target-origin -- a BroadcastChannel has one origin: this one */
import type {
  CheckEmail,
  Operations,
  Problem as ProblemBody,
  ResetRequest,
  SessionBody,
  User,
  VerifyRequest,
} from './contract.d.ts'

export type { ResetRequest, Session, SessionBody, SessionList, User, VerifyRequest } from './contract.d.ts'

/** Why a request failed (RFC 9457). After `network-error` nobody knows whether the server has done it. */
export interface Problem<Code extends string = string> extends Required<
  Pick<ProblemBody, 'title' | 'detail' | 'errors'>
> {
  code: Code | 'network-error'
  /** The HTTP status; 0 without a response. */
  status: number
  retryAfterSeconds: number | undefined
  /** Identifies the request in the server's log. */
  requestId: string | undefined
}

export type Result<Received, Code extends string> =
  | { ok: true; body: Received }
  | { ok: false; problem: Problem<Code> }

/** The result of an operation, with the codes it can fail with. */
export type Called<Name extends keyof Operations, Received = Operations[Name]['response']> = Promise<
  Result<Received, Operations[Name]['code']>
>

export type SessionState =
  /** Not known yet, or the server can't be reached. */
  | { kind: 'unknown' }
  | { kind: 'signed-out' }
  | { kind: 'signed-in'; user: User; session: SessionBody['session'] }

const API = '/api/auth/'
/** All tries and waits stay within the reuse interval. */
const REFRESH_TIMEOUT_MS = 8_000
const TRIES = 3
/** For requests that aren't repeated. */
const TIMEOUT_MS = 30_000
const FIRST_WAIT_MS = 500
/** For this long after a rotation, other browsers get `refresh-required`. */
const REUSE_INTERVAL_MS = 30_000
const LONGEST_PAUSE_MS = 60_000
/** An access token is renewed this long before it expires. */
const EARLY_MS = 60_000
/** A younger token wasn't refused for its age. */
const JUST_NOW_MS = 5_000

// --- State ---

type Refreshed = Result<SessionBody, Operations['refresh']['code']>

interface CurrentSession {
  body: SessionBody
  /** By this device's clock, which may be wrong: counted from the arrival of the response. */
  receivedAt: number
  renewAt: number
  expiresAt: number
}

/** Between tabs. Without a body: signed out. */
interface Message {
  body?: SessionBody
  at: number
}

let state: SessionState = { kind: 'unknown' }
let current: CurrentSession | undefined
/** Counts sign-ins and sign-outs in any tab. Responses to requests of an earlier epoch are stale. */
let epoch = 0
/** When the state last changed. Messages sent before that are stale. */
let changedAt = 0
let renewing: Promise<Refreshed | undefined> | undefined
let failures = 0
let pausedUntil = 0
let channel: BroadcastChannel | undefined
const listeners = new Set<() => void>()

/** A store, for `useSyncExternalStore` and the like. The first subscriber starts it. */
export const session = {
  getSnapshot: (): SessionState => state,
  subscribe(listener: () => void): () => void {
    listeners.add(listener)
    start()
    return () => listeners.delete(listener)
  },
  /** Asks the server, if the state isn't known. */
  async check(): Promise<SessionState> {
    start()
    await freshToken()
    return state
  },
}

function setState(next: SessionState): void {
  state = next
  for (const listener of listeners) listener()
}

/** The readable companion of the session cookie. Without it there is nothing to refresh. */
function mayBeSignedIn(): boolean {
  return /(?:^|; )signed-in=1(?:;|$)/.test(document.cookie)
}

function setSession(body: SessionBody, receivedAt = Date.now()): void {
  const { iat, exp } = JSON.parse(
    atob((body.accessToken.split('.')[1] ?? '').replaceAll('-', '+').replaceAll('_', '/')),
  )
  const expiresAt = receivedAt + (exp - iat) * 1000
  current = { body, receivedAt, renewAt: expiresAt - EARLY_MS, expiresAt }
  changedAt = receivedAt
  failures = 0
  pausedUntil = 0
  setState({ kind: 'signed-in', user: body.user, session: body.session })
}

function clear(): void {
  epoch += 1
  current = undefined
  changedAt = Date.now()
  if (state.kind !== 'signed-out') setState({ kind: 'signed-out' })
}

/** Here and in the other tabs. */
function signedIn(body: SessionBody): void {
  setSession(body)
  broadcast({ body, at: changedAt })
}

/** A new session: responses that were on their way belong to the one before. */
function newSession(body: SessionBody): void {
  epoch += 1
  signedIn(body)
}

function signedOut(): void {
  clear()
  broadcast({ at: changedAt })
}

function broadcast(message: Message): void {
  start()
  channel?.postMessage(message)
}

function start(): void {
  if (channel !== undefined || typeof document === 'undefined') return
  channel = new BroadcastChannel('latchkey')
  channel.addEventListener('message', ({ data: { body, at } }: MessageEvent<Message>) => {
    if (at < changedAt) return
    if (body === undefined) return clear()
    // A refresh of the same session doesn't affect requests that are under way here.
    if (current?.body.session.id !== body.session.id) epoch += 1
    setSession(body, at)
  })
  const lookAgain = () => {
    if (document.visibilityState === 'visible') void freshToken()
  }
  document.addEventListener('visibilitychange', lookAgain)
  addEventListener('pageshow', lookAgain)
  addEventListener('online', () => {
    pausedUntil = 0
    lookAgain()
  })
  void freshToken()
}

// --- The access token ---

/** Valid for at least another minute, if the server can be reached. Undefined if nobody is signed in. */
async function freshToken(): Promise<string | undefined> {
  if (typeof document === 'undefined') return undefined
  if (!mayBeSignedIn()) {
    if (state.kind !== 'signed-out') clear()
    return undefined
  }
  if (current === undefined || Date.now() >= current.renewAt) await renew()
  return current !== undefined && Date.now() < current.expiresAt ? current.body.accessToken : undefined
}

/** One at a time in a tab. */
function renew(): Promise<Refreshed | undefined> {
  renewing ??= tryToRenew().finally(() => (renewing = undefined))
  return renewing
}

/** The last response; undefined if none was requested, during a pause. */
async function tryToRenew(): Promise<Refreshed | undefined> {
  const begun = epoch
  let raced = false
  let result: Refreshed | undefined
  for (let tries = 1; Date.now() >= pausedUntil; tries += 1) {
    result = await send<'refresh'>('POST', 'refresh', {})
    if (epoch !== begun) return result
    if (result.ok) {
      signedIn(result.body)
      return result
    }
    const { code, retryAfterSeconds = 0 } = result.problem
    if (code === 'session-ended') {
      // If the cookie is still there, another tab may have signed in meanwhile.
      if (raced || !mayBeSignedIn()) {
        pausedUntil = Date.now() + backOff(TRIES)
        signedOut()
        return result
      }
      raced = true
    } else if (code === 'refresh-required') {
      // Another browser has just rotated this session. That's no sign-out: try again later.
      const pause = REUSE_INTERVAL_MS + backOff(1)
      pausedUntil = Date.now() + pause
      setTimeout(() => void freshToken(), pause)
      return result
    } else if (tries === TRIES || retryAfterSeconds > 0) {
      failures += 1
      pausedUntil = Date.now() + Math.max(retryAfterSeconds * 1000, backOff(failures + TRIES))
    } else {
      await new Promise((resolve) => setTimeout(resolve, backOff(tries)))
      if (epoch !== begun) return result
    }
  }
  return result
}

/** Milliseconds. Doubles up to a minute, with jitter so that browsers don't all come back at once. */
function backOff(times: number): number {
  return Math.ceil(Math.min(LONGEST_PAUSE_MS, FIRST_WAIT_MS * 2 ** times) * (0.5 + Math.random() / 2))
}

/**
 * `globalThis.fetch` with the access token, for requests to the app's own origin. A request that gets a 401 is repeated
 * once with a new token.
 */
async function fetchWithToken(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
  const request = new Request(input, init)
  if (new URL(request.url).origin !== location.origin || request.headers.has('authorization'))
    return fetch(request)
  const again = request.clone()
  const token = await freshToken()
  const response = await sendWith(request, token)
  if (response.status !== 401 || token === undefined) return response

  if (current?.body.accessToken === token) {
    if (Math.abs(Date.now() - current.receivedAt) < JUST_NOW_MS) return response
    await renew()
  }
  const other = current?.body.accessToken
  return other === undefined || other === token ? response : sendWith(again, other)
}

export { fetchWithToken as fetch }

function sendWith(request: Request, token: string | undefined): Promise<Response> {
  if (token !== undefined) request.headers.set('authorization', `Bearer ${token}`)
  return fetch(request)
}

// --- Sign-up, sign-in, sign-out ---

/** `remember` is for the session that verifying the address creates; see `login`. */
export function register(person: {
  email: string
  password: string
  remember?: boolean
}): Called<'register'> {
  return call<'register'>('POST', 'register', person)
}

/** Sends the link and code of a pending registration again. */
export function requestVerification(email: string): Called<'requestVerification'> {
  return call<'requestVerification'>('POST', 'verify', { email })
}

/**
 * Verifies an address, or cancels its change with `{ cancel }`. In the browser that registered it also signs in: the
 * status is `signed-in`.
 */
export async function verify(proof: VerifyRequest): Called<'verify'> {
  const result = await call<'verify'>('PUT', 'verify', proof)
  if (!result.ok) return result
  if (result.body.status === 'signed-in') newSession(result.body)
  // The address may have changed.
  else if (mayBeSignedIn()) void renew()
  return result
}

/** With `remember: false` the session ends when the browser closes, after 2 hours without use, or after 24 hours. */
export async function login(person: {
  email: string
  password: string
  remember?: boolean
}): Called<'login'> {
  return replaced(await call<'login'>('POST', 'login', person))
}

/**
 * Step-up. Call it after `reauthentication-required`, with the password of the account that is signed in, then repeat
 * the request within 5 minutes.
 */
export async function reauthenticate(password: string): Called<'login' | 'refresh'> {
  // The address may have changed elsewhere.
  const result = await refresh()
  if (!result.ok) return result
  const { email } = result.body.user
  return replaced(await call<'login'>('POST', 'login', { email, password, reauthenticate: true }))
}

/** A new token and the current account, even if the token is still valid or refreshing is paused. */
export async function refresh(): Promise<Refreshed> {
  pausedUntil = 0
  return (await renew()) ?? networkError(0)
}

/** `everywhere` needs a recent authentication. After `network-error` the user may still be signed in. */
export async function logout(options: { everywhere?: boolean } = {}): Called<'logout'> {
  epoch += 1
  const result = await call<'logout'>('POST', 'logout', options)
  if (result.ok) signedOut()
  return result
}

export function requestReset(email: string): Called<'requestReset'> {
  return call<'requestReset'>('POST', 'reset', { email })
}

/** Revokes all sessions of the account. Nobody is signed in. */
export function reset(proof: ResetRequest): Called<'reset'> {
  return call<'reset'>('PUT', 'reset', proof)
}

// --- The account ---

export function listSessions(): Called<'listSessions'> {
  return call<'listSessions'>('GET', 'sessions')
}

/** One by its id, or all but this one. Needs a recent authentication. */
export async function revokeSession(which: { id: string } | { others: true }): Called<'revokeSession'> {
  const path =
    'id' in which ? (`sessions?id=${encodeURIComponent(which.id)}` as const) : 'sessions?others=true'
  const result = await call<'revokeSession'>('DELETE', path)
  if (result.ok && !mayBeSignedIn()) signedOut()
  return result
}

export async function changePassword(passwords: {
  currentPassword: string
  newPassword: string
}): Called<'changeAccount', SessionBody> {
  return replaced(await call<'changeAccount', SessionBody>('PATCH', 'account', passwords))
}

/** Takes effect once the new address is verified. Needs a recent authentication. */
export function changeEmail(email: string): Called<'changeAccount', CheckEmail> {
  return call<'changeAccount', CheckEmail>('PATCH', 'account', { email })
}

/** Needs a recent authentication. */
export async function deleteAccount(): Called<'deleteAccount'> {
  const result = await call<'deleteAccount'>('DELETE', 'account')
  if (result.ok) signedOut()
  return result
}

function replaced<Code extends string>(result: Result<SessionBody, Code>): Result<SessionBody, Code> {
  if (result.ok) newSession(result.body)
  return result
}

// --- HTTP ---

type Body<Name extends keyof Operations> = Operations[Name]['body'] extends object
  ? [body: Operations[Name]['body']]
  : []

/**
 * Repeats the request once after `refresh-required`: the cookie was one step behind, and a refresh fixes that. If an
 * operation has several responses, the caller names the one that belongs to its body.
 */
async function call<
  Name extends keyof Operations,
  Received extends Operations[Name]['response'] = Operations[Name]['response'],
>(
  method: Operations[Name]['method'],
  path: Operations[Name]['path'],
  ...body: Body<Name>
): Called<Name, Received> {
  const result = await send<Name, Received>(method, path, ...body)
  const isBehind = !result.ok && result.problem.code === 'refresh-required'
  return isBehind && (await renew())?.ok === true ? send<Name, Received>(method, path, ...body) : result
}

async function send<
  Name extends keyof Operations,
  Received extends Operations[Name]['response'] = Operations[Name]['response'],
>(
  method: Operations[Name]['method'],
  path: Operations[Name]['path'],
  ...[body]: Body<Name>
): Called<Name, Received> {
  let status = 0
  try {
    const response = await fetch(API + path, {
      method,
      cache: 'no-store',
      signal: AbortSignal.timeout(path === 'refresh' ? REFRESH_TIMEOUT_MS : TIMEOUT_MS),
      ...(body && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    })
    status = response.status
    const text = await response.text()
    const received = text === '' ? undefined : JSON.parse(text)
    if (response.ok) return { ok: true, body: received }
    const { code, title, detail, errors = [] } = received
    const retryAfterSeconds = Number(response.headers.get('retry-after')) || undefined
    const requestId = response.headers.get('x-request-id') ?? undefined
    if (code !== undefined)
      return { ok: false, problem: { code, status, title, detail, errors, retryAfterSeconds, requestId } }
  } catch {
    // Offline, a timeout, or a response that isn't the endpoint's.
  }
  return networkError(status)
}

function networkError(status: number): { ok: false; problem: Problem<never> } {
  return {
    ok: false,
    problem: {
      code: 'network-error',
      status,
      title: 'Network error',
      detail: 'The server could not be reached. Check your connection, then try again.',
      errors: [],
      retryAfterSeconds: undefined,
      requestId: undefined,
    },
  }
}
