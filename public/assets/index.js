import { call } from './api.js'
import { element, elements, write } from './elements.js'
import { forgetExchange, shorten, showExchanges } from './exchange.js'
import { connect, explain, fillAddress, inWords, shareAddress, showNotice, showView } from './forms.js'
import { showInboxLinks } from './inbox.js'
import { addressAndCode, connectReset, connectVerification } from './proof.js'

/**
 * @typedef {{
 *   user: { id: string, email: string, emailVerified: boolean, role: string },
 *   accessToken: string, expiresAt: string, session: { id: string, endsAt: string }
 * }} Session
 */

/**
 * Who is signed in. The access token is here and nowhere else: a reload forgets it and asks for another.
 * @type {Session | null}
 */
let session = null

const signInForm = formOf('sign-in')
const verificationForm = formOf('verification-mail')
const verifyCodeForm = element('#verify-code', HTMLFormElement)
const resetCodeForm = element('#reset-code', HTMLFormElement)
const sessionForm = formOf('signed-in')
const nav = element('#ways', HTMLElement)

showExchanges()
showInboxLinks()
shareAddress()

connect(
  signInForm,
  ({ email, password }) => call('POST', 'login', { email, password }),
  (body) => signedIn(body),
  (answer, { email }) => {
    if (answer.problem?.code !== 'email-unverified') return false
    showNotice(signInForm, ...explain(answer), sendAgainButton(email))
    return true
  },
)

connect(
  formOf('create-account'),
  ({ email, password }) => call('POST', 'register', { email, password }),
  (_, { email }) => mailed(email, 'register'),
)

connect(
  formOf('reset-mail'),
  ({ email }) => call('POST', 'reset', { email }),
  (_, { email }) => mailed(email, 'reset'),
)

connect(
  verificationForm,
  ({ email }) => call('POST', 'verify', { email }),
  (_, { email }) => mailed(email, 'verify'),
)

connectVerification(verifyCodeForm, addressAndCode, () => backToSignIn('Your address is confirmed.'))
connectReset(resetCodeForm, addressAndCode, () => backToSignIn('Your password is changed.'))

connect(
  sessionForm,
  ({ action }) => {
    if (action === 'refresh') return call('POST', 'refresh', {})
    return call('POST', 'logout', action === 'sign-out-everywhere' ? { everywhere: true } : {})
  },
  (body, { action }) => {
    if (action === 'refresh') return refreshed(body)
    signedOut(action === 'sign-out' ? 'You are signed out.' : 'You are signed out on every device.')
  },
  sessionFailed,
)

connect(
  formOf('unknown'),
  () => call('POST', 'refresh', {}),
  (body) => signedIn(body),
  sessionFailed,
)

addEventListener('hashchange', () => {
  if (session) return
  say('')
  showWayIn()
})
document.addEventListener('visibilitychange', lookAgain)
addEventListener('pageshow', ({ persisted }) => {
  if (persisted) lookAgain()
})
setInterval(tick, 1000)

if (mayBeSignedIn()) void findOut()
else showWayIn({ focus: false })

/** The readable cookie that goes with the session's own: without it there is nobody to ask for. */
function mayBeSignedIn() {
  return document.cookie.split('; ').includes('signed-in=1')
}

async function findOut() {
  showView('checking', { focus: false })
  const answer = await call('POST', 'refresh', {})
  if (answer.ok) return signedIn(answer.body, { focus: false })
  if (sessionFailed(answer)) return
  showNotice(formOf('unknown'), ...explain(answer))
  showView('unknown')
}

/** Another tab may have signed in or out while this one was away. */
function lookAgain() {
  if (document.visibilityState !== 'visible') return
  if (session && !mayBeSignedIn()) {
    forgetExchange()
    signedOut('You are no longer signed in. Sign in again to go on.')
  } else if (!session && mayBeSignedIn() && !nav.hidden) {
    void findOut()
  }
}

/**
 * @param {Session} body
 * @param {{ focus?: boolean }} [options]
 */
function signedIn(body, options) {
  say('')
  for (const form of document.forms) form.reset()
  showSession(body)
  nav.hidden = true
  document.documentElement.dataset.latch = 'open'
  showView('signed-in', options)
}

/** @param {Session} body */
function refreshed(body) {
  showSession(body)
  say(`Refreshed: a new access token, good until ${clock(body.expiresAt)}.`)
}

/** @param {string} message */
function signedOut(message) {
  session = null
  // Nothing of the account is left for whoever sits here next.
  write('#signed-in dd :is(span, small, code)', '')
  delete document.documentElement.dataset.latch
  forgetView()
  showWayIn()
  say(message)
}

/** The address bar names no form any more, so that the link to any of them leads somewhere. */
function forgetView() {
  history.replaceState(null, '', location.pathname + location.search)
}

/**
 * @param {import('./api.js').Answer} answer
 * @returns {boolean} whether the failure was the end of the session
 */
function sessionFailed(answer) {
  if (answer.problem?.code !== 'session-ended') return false
  signedOut('Your session has ended. Sign in again to go on.')
  return true
}

/**
 * Shows the form that the address bar names, the sign-in form when it names none.
 * @param {{ focus?: boolean }} [options]
 */
function showWayIn(options) {
  const ways = elements('li', HTMLElement, nav)
  const current = ways.some((way) => hashOf(way) === location.hash) ? location.hash : '#sign-in'
  for (const way of ways) way.hidden = hashOf(way) === current
  nav.hidden = false
  showView(current.slice(1), options)
}

/** @param {HTMLElement} way */
function hashOf(way) {
  return element('a', HTMLAnchorElement, way).hash
}

/**
 * @param {string} email
 * @param {'register' | 'reset' | 'verify'} kind
 */
function mailed(email, kind) {
  for (const part of elements('[data-mailed]', HTMLElement)) {
    part.hidden = !part.dataset.mailed?.split(' ').includes(kind)
  }
  verifyCodeForm.reset()
  resetCodeForm.reset()
  fillAddress(email)
  write('.mailed-to', email)
  for (const way of elements('li', HTMLElement, nav)) way.hidden = false
  forgetView()
  showView('mailed')
}

/** @param {string} message what has been done with the code of a mail */
function backToSignIn(message) {
  forgetView()
  showWayIn()
  say(`${message} Sign in with your password.`)
}

/**
 * The notice's own way out: it asks for the mail at once.
 * @param {string} email
 */
function sendAgainButton(email) {
  const button = document.createElement('button')
  button.type = 'button'
  button.textContent = 'Send a new mail'
  button.addEventListener('click', () => {
    location.hash = 'verification-mail'
    fillAddress(email)
    verificationForm.requestSubmit()
  })
  return button
}

/** @param {Session} body */
function showSession(body) {
  session = body
  write('#session-email', body.user.email)
  write('#session-verified', body.user.emailVerified ? 'confirmed' : 'not confirmed')
  write('#session-role', body.user.role)
  write('#session-token', shorten(body.accessToken))
  write(
    '#session-ends',
    new Date(body.session.endsAt).toLocaleString('en', { dateStyle: 'long', timeStyle: 'short' }),
  )
  tick()
}

function tick() {
  if (!session) return
  const tokenSeconds = secondsUntil(session.expiresAt)
  const sessionSeconds = secondsUntil(session.session.endsAt)
  const timer = `${Math.floor(tokenSeconds / 60)}:${String(tokenSeconds % 60).padStart(2, '0')}`
  write('#session-expires', tokenSeconds > 0 ? `expires in ${timer}` : 'has expired; refresh for a new one')
  write('#session-ends-in', sessionSeconds > 0 ? `in ${inWords(sessionSeconds)}` : 'has ended')
}

/** @param {string} time */
function secondsUntil(time) {
  return Math.max(0, Math.floor((Date.parse(time) - Date.now()) / 1000))
}

/** @param {string} time */
function clock(time) {
  return new Date(time).toLocaleTimeString('en', { timeStyle: 'medium' })
}

/** @param {string} message */
function say(message) {
  write('#status', message)
}

/** @param {string} view */
function formOf(view) {
  return element(`#${view} form`, HTMLFormElement)
}
