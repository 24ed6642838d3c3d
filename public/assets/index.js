import {
  fetch as fetchWithToken,
  login,
  logout,
  refresh,
  register,
  requestReset,
  requestVerification,
  session,
} from '/client/auth.js'
import { connectAccount, forgetAccount, showAccount, showDevices } from './account.js'
import { element, elements, write } from './elements.js'
import { connect, explain, fillAddress, say, shareAddress, showNotice, showView } from './forms.js'
import { showInboxLinks } from './inbox.js'
import { beginPanel, explainStep, lastProblemCode } from './panel.js'
import { addressAndCode, connectReset, connectVerification } from './proof.js'

/** @typedef {import('../../client/auth.ts').SessionState} SessionState */

/**
 * Whom the page shows.
 * @type {SessionState}
 */
let shown = { kind: 'unknown' }

const signInForm = formOf('sign-in')
const verificationForm = formOf('verification-mail')
const verifyCodeForm = element('#verify-code', HTMLFormElement)
const resetCodeForm = element('#reset-code', HTMLFormElement)
const ways = element('#ways', HTMLElement)
const rooms = element('#rooms', HTMLElement)

beginPanel()
showInboxLinks()
shareAddress()
connectAccount()

connect(
  signInForm,
  ({ email, password }) => login({ email, password }),
  () => explainStep('signed-in'),
  (problem, { email }) => {
    if (problem.code !== 'email-unverified') return false
    showNotice(signInForm, ...explain(problem), sendAgainButton(email))
    return true
  },
)

connect(
  formOf('create-account'),
  ({ email, password }) => register({ email, password }),
  (_, { email }) => mailed(email, 'register'),
)

connect(
  formOf('reset-mail'),
  ({ email }) => requestReset(email),
  (_, { email }) => mailed(email, 'reset'),
)

connect(
  verificationForm,
  ({ email }) => requestVerification(email),
  (_, { email }) => mailed(email, 'verify'),
)

connectVerification(verifyCodeForm, addressAndCode, () => {
  backToSignIn('Your address is confirmed.')
  explainStep('confirmed')
})
connectReset(resetCodeForm, addressAndCode, () => {
  backToSignIn('Your password is changed.')
  explainStep('reset')
})

connect(
  formOf('signed-in'),
  ({ action }) => {
    if (action === 'refresh') return refresh()
    if (action === 'call') return callFunction()
    return logout({ everywhere: action === 'sign-out-everywhere' })
  },
  (answer, { action }) => {
    if (action === 'refresh') say(`Refreshed: a new access token, good until ${clock(answer.expiresAt)}.`)
    if (action === 'call') say(`The function knows you as ${answer.user.email}.`)
    if (action === 'sign-out') say('You are signed out.')
    if (action === 'sign-out-everywhere') say('You are signed out on every device.')
    explainStep(action)
  },
  endedMeanwhile,
)

connect(
  formOf('unknown'),
  () => refresh(),
  () => explainStep('restored'),
  endedMeanwhile,
)

addEventListener('hashchange', () => {
  say('')
  if (shown.kind === 'signed-in') showRoom()
  if (shown.kind === 'signed-out') showWayIn()
})

session.subscribe(changed)
if (session.getSnapshot().kind === 'unknown') void findOut()
else changed()

async function findOut() {
  showView('checking', { focus: false })
  const result = await refresh()
  if (result.ok || endedMeanwhile(result.problem) || shown.kind !== 'unknown') return
  showNotice(formOf('unknown'), ...explain(result.problem))
  showView('unknown')
  explainStep('unknown')
}

/** Somebody has signed in or out, here or in another tab. Whoever pressed the button here says so afterwards, in better words. */
function changed() {
  const before = shown
  shown = session.getSnapshot()
  if (shown.kind === 'signed-in') signedIn(before, shown)
  if (shown.kind === 'signed-out') signedOut(before)
}

/**
 * @param {SessionState} before
 * @param {SessionState & { kind: 'signed-in' }} now
 */
function signedIn(before, now) {
  // A new token, or a new session of the same account: what is under way goes on.
  if (before.kind === 'signed-in' && before.user.id === now.user.id) return showAccount(now)

  // At first the reader is left where they are.
  const focus = before.kind !== 'unknown' || !element('#unknown', HTMLElement).hidden
  forgetAccount()
  for (const form of document.forms) form.reset()
  showAccount(now)
  say('')
  document.documentElement.dataset.latch = 'open'
  showRoom({ focus })
  explainStep(before.kind === 'unknown' ? 'restored' : 'signed-in-elsewhere')
}

/** @param {SessionState} before */
function signedOut(before) {
  const ended = lastProblemCode() === 'session-ended'
  if (before.kind === 'unknown' && !ended) {
    showWayIn({ focus: false })
    explainStep('nobody')
    return
  }

  // Nothing of the account is left for whoever sits here next.
  forgetAccount()
  for (const form of document.forms) form.reset()
  delete document.documentElement.dataset.latch
  forgetView()
  showWayIn()
  if (ended) return sayEnded()
  say('You are no longer signed in. Sign in again to go on.')
  explainStep('signed-out-elsewhere')
}

function sayEnded() {
  say('Your session has ended. Sign in again to go on.')
  explainStep('session-ended')
}

/**
 * Whether the page shows the sign-in form by now: it may have seen that the cookies were gone before the answer that says why.
 * @param {import('./forms.js').Problem} problem
 */
function endedMeanwhile({ code }) {
  if (shown.kind !== 'signed-out') return false
  if (code === 'session-ended') sayEnded()
  return true
}

/** The address bar names no form any more, so that the link to any of them leads somewhere. */
function forgetView() {
  history.replaceState(null, '', location.pathname + location.search)
}

/**
 * Shows the form that the address bar names, the sign-in form when it names none.
 * @param {{ focus?: boolean }} [options]
 */
function showWayIn(options) {
  const view = viewAmong(ways, 'sign-in')
  for (const way of elements('li', HTMLElement, ways)) {
    way.hidden = element('a', HTMLAnchorElement, way).hash === `#${view}`
  }
  rooms.hidden = true
  ways.hidden = false
  showView(view, options)
}

/**
 * Shows the part of the account that the address bar names, the session when it names none.
 * @param {{ focus?: boolean }} [options]
 */
function showRoom(options) {
  const view = viewAmong(rooms, 'signed-in')
  for (const link of elements('a', HTMLAnchorElement, rooms)) {
    if (link.hash === `#${view}`) link.setAttribute('aria-current', 'page')
    else link.removeAttribute('aria-current')
  }
  ways.hidden = true
  rooms.hidden = false
  showView(view, options)
  if (view !== 'devices') return
  explainStep('devices')
  void showDevices()
}

/**
 * The view that the address bar names, when the navigation leads there.
 * @param {HTMLElement} nav
 * @param {string} otherwise
 */
function viewAmong(nav, otherwise) {
  const links = elements('a', HTMLAnchorElement, nav)
  return links.some(({ hash }) => hash === location.hash) ? location.hash.slice(1) : otherwise
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
  for (const way of elements('li', HTMLElement, ways)) way.hidden = false
  forgetView()
  showView('mailed')
  explainStep(kind)
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

/**
 * As an app calls a function of its own: by the client's fetch, which adds the access token.
 * @returns {Promise<import('./forms.js').Result>}
 */
async function callFunction() {
  try {
    const response = await fetchWithToken('/api/auth/account')
    const answer = await response.json()
    if (response.ok) return { ok: true, answer }
    const retryAfterSeconds = Number(response.headers.get('retry-after')) || undefined
    const requestId = response.headers.get('x-request-id') ?? undefined
    return { ok: false, problem: { errors: [], ...answer, retryAfterSeconds, requestId } }
  } catch {
    const problem = { code: 'no-answer', status: 0, title: '', detail: '', errors: [] }
    return { ok: false, problem: { ...problem, retryAfterSeconds: undefined, requestId: undefined } }
  }
}

/** @param {string} time */
function clock(time) {
  return new Date(time).toLocaleTimeString('en', { timeStyle: 'medium' })
}

/** @param {string} view */
function formOf(view) {
  return element(`#${view} form`, HTMLFormElement)
}
