/** Shows what each step did to the cookies, the access token and the session, and which calls it made. */
import { session } from '/client/auth.js'
import { element, elements, write } from './elements.js'

const CALLS_SHOWN = 6
/** How long before it expires the client renews a token. */
const EARLY_MS = 60_000

/** What each step did. */
const STEPS = {
  nobody:
    'The browser has no signed-in cookie. So nobody is signed in, and the client knew that without asking the server.',
  restored:
    'The browser has the signed-in cookie, so the client called refresh. The browser sent the session ' +
    'cookie along, and the response brought an access token. The previous one was gone with the ' +
    'previous page: it is only kept in memory.',
  unknown:
    'The signed-in cookie is there, but the server could not say who it is. Cookies are cleared only ' +
    'when the session has definitely ended, so nobody was signed out.',
  register:
    'A registration is pending; there is no account yet. The registration cookie will prove that the ' +
    'link was opened in the browser that signed up. For an address that has an account, the response ' +
    'would have been the same.',
  verify:
    'The response is the same for every address. If a registration is pending there, an email is on its way.',
  confirmed:
    'The code verified the address, and the account was created. This is not the browser that signed ' +
    'up, so nobody is signed in.',
  'confirmed-here':
    'The code verified the address in the browser that signed up, so the account was created and this ' +
    'browser is signed in to it. The registration cookie was cleared.',
  'signed-in':
    'The password was right, and a session was created. The response set the cookies and brought an ' +
    'access token, which this page keeps in memory. The refresh token is in the session cookie, where ' +
    'no script can read it.',
  reauthenticated:
    'The password was right. A new session replaced the old one, with new cookies and a new access ' +
    'token; the other tabs have it, too. Then the request was repeated.',
  'signed-in-elsewhere':
    'Another tab of this browser signed in. It passed its access token on through a BroadcastChannel, ' +
    'so this tab sent no request.',
  refresh:
    'The browser sent the session cookie, and the response brought a new access token. Unless the last ' +
    'rotation was within 30 seconds, the refresh token was rotated, and the time it may be idle ' +
    'started over.',
  call:
    'The client sent the access token as a bearer token. If it had been about to expire, the client ' +
    'would have refreshed first. It is sent to this origin only.',
  devices:
    'The browser sent the session cookie, and the server listed the active sessions of the account. ' +
    'Revoking one needs an authentication within the last 5 minutes.',
  revoked:
    'The session was revoked in the database: its refresh token no longer works. Its access token is ' +
    'refused at once by functions that check the session, and expires within 15 minutes elsewhere.',
  'password-changed':
    'The current password was checked as at a sign-in. All sessions of the account were revoked, and a ' +
    'new one was created here, with new cookies and a new access token. An email says so.',
  'email-change':
    'Nothing has changed yet. The new address got a link that confirms the change, and the old one a ' +
    'link that cancels it.',
  deleted:
    'The account and its data are gone. The response cleared the cookies, and the client dropped the access token.',
  reset:
    'The code was right: the account has the new password, and all its sessions are revoked. Nobody is signed in.',
  'sign-out':
    'The session was revoked first, then the response cleared its cookies, and the client dropped the ' +
    'access token. The device cookie stays: it keeps other people’s wrong guesses from locking out ' +
    'this browser.',
  'sign-out-everywhere':
    'All sessions of the account were revoked. Other devices notice at their next refresh. The cookies ' +
    'here are cleared, and the access token is dropped.',
  'signed-out-elsewhere':
    'Another tab of this browser signed out. All tabs share the cookies, which are gone, and this tab ' +
    'dropped its access token.',
  'session-ended':
    'The server says that the session has ended: it expired, was signed out from another device, or ' +
    'the password was changed. The client dropped the access token.',
}

/**
 * What a successful call does to cookies that scripts can't see.
 * @type {Record<string, [cookie: 'registration' | 'device', isSet: boolean]>}
 */
const COOKIE_CHANGES = {
  'POST register': ['registration', true],
  'PUT verify': ['registration', false],
  'POST login': ['device', true],
  'DELETE account': ['device', false],
}

/** @type {Partial<Record<'registration' | 'device', boolean>>} */
const hiddenCookies = {}

/**
 * The access token: its two readable parts, and enough of the whole to recognize it.
 * @typedef {object} Token
 * @property {object} header
 * @property {{ sid: string, iat: number, exp: number }} claims
 * @property {string} short
 * @property {number} receivedAt
 */
/** @type {Token | undefined} */
let lastToken
/** @type {string | undefined} */
let lastCode

export function beginPanel() {
  for (const details of elements('#panel details', HTMLDetailsElement)) {
    details.open = matchMedia('(min-width: 75rem)').matches
  }
  // Cookies have this prefix on https.
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
 * Explains a step, in place of the one before.
 * @param {keyof typeof STEPS} step
 */
export function explainStep(step) {
  write('#happened', STEPS[step])
  show()
}

/** The problem of the last call; undefined if it succeeded. */
export function lastProblemCode() {
  return lastCode
}

/** Sees every request of this page. */
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
 * @param {Response} [response] undefined after a network error
 */
async function noteCall(method, { pathname, search }, response) {
  const refusal =
    response?.ok === false
      ? await response
          .clone()
          .json()
          .catch(() => null)
      : null
  lastCode = response ? refusal?.code : 'network-error'
  const change = response?.ok && COOKIE_CHANGES[`${method} ${pathname.replace('/api/auth/', '')}`]
  if (change) hiddenCookies[change[0]] = change[1]
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
    return 'There was no response, so it’s not known whether it was done. The cookies stay.'
  const what = status >= 500 ? 'The server failed' : 'The server refused'
  return `${what} (${code ?? status}). Cookies, session and access token haven’t changed.`
}

/** The client keeps the access token private, but broadcasts it to tabs: this page listens, too. */
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

/** Only if it is of the client's session: the channel may be ahead of the client, or behind it. */
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
  showCookie('registration', hiddenCookies.registration)
  // Every sign-in sets it.
  showCookie('device', signedIn || hiddenCookies.device)

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
 * @param {boolean | undefined} isSet undefined if unknown
 */
function showCookie(name, isSet) {
  const row = element(`#cookies [data-cookie="${name}"]`, HTMLElement)
  row.dataset.set = String(isSet ?? 'unknown')
  element('.cookie-state', HTMLElement, row).textContent =
    isSet === undefined ? 'unknown' : isSet ? 'set' : 'none'
}

function tick() {
  const state = session.getSnapshot()
  const token = tokenNow()
  if (state.kind !== 'signed-in' || !token) {
    write('.ends-in, #token-expires, #token-renewed', '')
    return
  }
  const { iat, exp } = token.claims
  const now = Date.now()
  // Counted from the arrival of the token: this device's clock may be wrong.
  const endsIn = Date.parse(state.session.absoluteExpiresAt) - iat * 1000 - (now - token.receivedAt)
  const expiresIn = token.receivedAt + (exp - iat) * 1000 - now
  write('.ends-in', endsIn > 0 ? `in ${countdown(endsIn)}` : 'has expired')
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
