/** Tells beside each step what it did: to the cookies, the access token and the session, and by which calls. */
import { session } from '/client/auth.js'
import { element, elements, write } from './elements.js'

const CALLS_SHOWN = 6
/** The client renews a token when it is used, from so long before its end. */
const EARLY_MS = 60_000
const IDLE_MS = 7 * 24 * 60 * 60 * 1000

/** What each step did. */
const STEPS = {
  nobody:
    'The browser holds no signed-in cookie. So nobody is signed in, and the client knew that without asking the server.',
  restored:
    'The browser held the signed-in cookie, so the client asked refresh, which the session cookie went along with, and got an access token. The one before went with the page that held it: it is kept in memory alone.',
  unknown:
    'The signed-in cookie is there, but the server did not say who it is. Only a definite end clears cookies, so nobody was signed out.',
  register:
    'A registration waits for the proof of its address; there is no account yet. The registration cookie will show that the link was opened by the browser that asked. Had the address been taken, the answer would have been the same.',
  verify: 'The answer is the same for every address. If a registration waits there, a mail is on its way.',
  confirmed:
    'The code proved the address: now there is an account. That signs nobody in. The registration cookie has done its work and is gone.',
  'signed-in':
    'The password was right, and a session began. The answer set the cookies and brought an access token, which this page keeps in memory. The session’s own token is in its cookie, where no script sees it.',
  'signed-in-again':
    'The password was right. The session before was ended and a new one took its place, with new cookies and a new access token; other tabs were told.',
  'signed-in-elsewhere':
    'Another tab of this browser signed in. It handed its access token to this one through a BroadcastChannel, so nothing had to be asked.',
  refresh:
    'The session cookie was sent, and a new access token came back. Unless the last turn was within 30 seconds, the cookie’s token gave way to its successor, and the seven idle days began anew.',
  call: 'The client sent the access token along as a bearer token. Had it been about to expire, the client would have renewed it first. It goes to this origin alone.',
  devices:
    'The session cookie was sent, and the server read from its database which sessions of the account live. To read, that is enough; to end one, it must be a session that began within the last 5 minutes.',
  'device-ended':
    'The session of that device is ended in the database: its cookie opens nothing any more. An access token that it still holds is refused where the row is looked at, and good for 15 minutes at most elsewhere.',
  'password-changed':
    'The current password was checked as at a sign-in. Then every session of the account ended, and a new one began here, with new cookies and a new access token. Other tabs were told, and a mail says so.',
  'email-asked':
    'Nothing has changed yet. The new address got a link that confirms it, and the old one a link that stops it.',
  deleted:
    'The account and all that hung on it are gone. The answer cleared the cookies, and the client dropped the access token.',
  reset:
    'The code was right: the account has the new password, and all its sessions have ended. That signs nobody in.',
  'sign-out':
    'The session was ended in the database first, then the answer cleared its cookies, and the client dropped the access token. The known-browser cookie stays: it spares this browser the waits that a stranger’s wrong guesses cause.',
  'sign-out-everywhere':
    'Every session of the account has ended. Other devices find out at their next refresh. The cookies here are cleared, and the access token is dropped.',
  'signed-out-elsewhere':
    'Another tab of this browser signed out and said so. The cookies are the browser’s, so they are gone for every tab, and this one dropped its access token.',
  'session-ended':
    'The server says that the session has ended: signed out from another device, expired, or the password was changed. The client dropped the access token.',
}

/**
 * What a call that succeeded does to a cookie that no script can see.
 * @type {Record<string, [cookie: 'registration' | 'known-browser', held: boolean]>}
 */
const COOKIE_CHANGES = {
  'POST register': ['registration', true],
  'PUT verify': ['registration', false],
  'POST login': ['known-browser', true],
  'DELETE account': ['known-browser', false],
}

/** @type {Partial<Record<'registration' | 'known-browser', boolean>>} */
const unseen = {}

/**
 * The access token as it can be told from another: its two readable parts, and a bit of the whole.
 * @type {{ header: object, claims: { sid: string, iat: number, exp: number }, short: string, receivedAt: number } | undefined}
 */
let lastToken
/** @type {string | undefined} */
let lastCode

export function beginPanel() {
  for (const details of elements('#panel details', HTMLDetailsElement)) {
    details.open = matchMedia('(min-width: 75rem)').matches
  }
  // Where it is https, a browser takes these cookies from this very host alone.
  if (location.protocol === 'https:') {
    for (const name of elements('[data-host-cookie]', HTMLElement)) name.prepend('__Host-')
  }
  watchCalls()
  watchToken()
  session.subscribe(show)
  setInterval(tick, 1000)
  show()
}

/**
 * Says what a step did, in place of what was said of the step before.
 * @param {keyof typeof STEPS} step
 */
export function explainStep(step) {
  write('#happened', STEPS[step])
  show()
}

/** The problem of the last call; undefined when it went well. */
export function lastProblemCode() {
  return lastCode
}

/** Every request of this page passes by here, whoever makes it. */
function watchCalls() {
  const send = globalThis.fetch
  globalThis.fetch = async (input, init) => {
    const { method, url } = input instanceof Request ? input : new Request(input, init)
    /** @type {Response | undefined} */
    let response
    try {
      response = await send(input, init)
      return response
    } finally {
      await noteCall(method, new URL(url), response)
    }
  }
}

/**
 * @param {string} method
 * @param {URL} url
 * @param {Response} [response] none when there was no answer
 */
async function noteCall(method, { pathname, search }, response) {
  const refusal =
    response?.ok === false
      ? await response
          .clone()
          .json()
          .catch(() => null)
      : null
  lastCode = response ? refusal?.code : 'no-answer'
  const change = response?.ok && COOKIE_CHANGES[`${method} ${pathname.replace('/api/auth/', '')}`]
  if (change) unseen[change[0]] = change[1]
  if (!response?.ok) write('#happened', failure(response?.status, lastCode))

  const line = document.createElement('li')
  const call = document.createElement('code')
  call.textContent = `${method} ${pathname}${search}`
  const outcome = document.createElement('span')
  outcome.className = response?.ok ? 'went-well' : 'went-wrong'
  outcome.textContent = [response?.status, lastCode].filter((part) => part !== undefined).join(' ')
  line.append(call, ' ', outcome)
  const calls = element('#calls', HTMLElement)
  calls.prepend(line)
  calls.children[CALLS_SHOWN]?.remove()
  element('#no-calls', HTMLElement).hidden = true
  show()
}

/**
 * @param {number} [status]
 * @param {string} [code]
 */
function failure(status, code) {
  if (status === undefined)
    return 'No answer came, so nobody here knows whether it was done. The cookies stay.'
  const what = status >= 500 ? 'The server could not do it' : 'The server refused'
  return `${what} (${code ?? status}). Cookies, session and access token are as they were.`
}

/** The client keeps the access token to itself; what it tells the other tabs, this one can hear, too. */
function watchToken() {
  new BroadcastChannel('latchkey').addEventListener('message', ({ data: { body, at } }) => {
    lastToken = undefined
    if (body) {
      const [header, claims] = body.accessToken.split('.').slice(0, 2).map(decode)
      const short = `${body.accessToken.slice(0, 8)}…${body.accessToken.slice(-6)}`
      lastToken = { header, claims, short, receivedAt: at }
    }
    show()
  })
}

/** The token of the session that the page is in: the channel may be ahead of the client, or behind it. */
function tokenNow() {
  const state = session.getSnapshot()
  return state.kind === 'signed-in' && state.session.id === lastToken?.claims.sid ? lastToken : undefined
}

/** @param {string} part of a JWT */
function decode(part) {
  return JSON.parse(atob(part.replaceAll('-', '+').replaceAll('_', '/')))
}

function show() {
  const signedIn = session.getSnapshot().kind === 'signed-in'
  const token = tokenNow()
  const hasCompanion = document.cookie.split('; ').includes('signed-in=1')
  showCookie('session', hasCompanion)
  showCookie('signed-in', hasCompanion)
  showCookie('registration', unseen.registration)
  // Nobody signs in without getting it.
  showCookie('known-browser', signedIn || unseen['known-browser'])

  for (const part of elements('[data-with-token]', HTMLElement)) part.hidden = token === undefined
  element('#no-token', HTMLElement).hidden = token !== undefined
  element('#no-session', HTMLElement).hidden = token !== undefined
  write('#token-short', token?.short ?? '')
  write('#token-header', token ? JSON.stringify(token.header, null, 2) : '')
  write('#token-claims', token ? JSON.stringify(token.claims, null, 2) : '')
  tick()
}

/**
 * @param {string} name
 * @param {boolean | undefined} held undefined when nothing here tells
 */
function showCookie(name, held) {
  const row = element(`#cookies [data-cookie="${name}"]`, HTMLElement)
  row.dataset.held = String(held ?? 'unknown')
  element('.held', HTMLElement, row).textContent = held === undefined ? 'not known' : held ? 'held' : 'none'
}

function tick() {
  const state = session.getSnapshot()
  const token = tokenNow()
  if (state.kind !== 'signed-in' || !token) {
    write('.ends-in, .idle-in, #token-expires, #token-renewed', '')
    return
  }
  const { iat, exp } = token.claims
  const now = Date.now()
  // A token's life is counted from its arrival, and so is the server's clock: this device's may be wrong.
  const endsIn = Date.parse(state.session.endsAt) - iat * 1000 - (now - token.receivedAt)
  const idleIn = Math.min(endsIn, token.receivedAt + IDLE_MS - now)
  const expiresIn = token.receivedAt + (exp - iat) * 1000 - now
  write('.ends-in', endsIn > 0 ? `in ${countdown(endsIn)}` : 'has ended')
  write('.idle-in', idleIn > 0 ? `in ${countdown(idleIn)}` : 'has ended')
  write('#token-expires', expiresIn > 0 ? `in ${countdown(expiresIn)}` : 'has expired')
  write(
    '#token-renewed',
    expiresIn > EARLY_MS
      ? `when it is used in ${countdown(expiresIn - EARLY_MS)} or later`
      : 'when it is next used',
  )
}

/**
 * `14:59`, `23:59:59`, `6 days 23:59:59`
 * @param {number} ms
 */
function countdown(ms) {
  const seconds = Math.floor(ms / 1000)
  const days = Math.floor(seconds / 86_400)
  const hours = Math.floor(seconds / 3600) % 24
  const [minutes, rest] = [Math.floor(seconds / 60) % 60, seconds % 60].map((n) => String(n).padStart(2, '0'))
  if (seconds < 3600) return `${Number(minutes)}:${rest}`
  return `${days > 0 ? `${days} ${days === 1 ? 'day' : 'days'} ` : ''}${hours}:${minutes}:${rest}`
}
