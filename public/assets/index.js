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
import { clearAccount, connectAccount, refused, showAccount, showSessions } from './account.js'
import { element, elements, write } from './elements.js'
import { connect, explain, fillAddress, say, shareAddress, showNotice, showView } from './forms.js'
import { showInboxLinks } from './inbox.js'
import { beginPanel, explainStep, lastProblemCode } from './panel.js'
import { addressAndCode, connectReset, connectVerification } from './proof.js'

/** @typedef {import('../../client/auth.ts').SessionState} SessionState */

/**
 * Who the page shows.
 * @type {SessionState}
 */
let shown = { kind: 'unknown' }

const signInForm = formOf('sign-in')
const verificationForm = formOf('verification-email')
const verifyCodeForm = element('#verify-code', HTMLFormElement)
const resetCodeForm = element('#reset-code', HTMLFormElement)
const signInOptions = element('#sign-in-options', HTMLElement)
const accountNav = element('#account-nav', HTMLElement)

beginPanel()
showInboxLinks()
shareAddress()
connectAccount()

connect(
  signInForm,
  ({ email, password, remember }) => login({ email, password, remember: remember === 'on' }),
  () => explainStep('signed-in'),
  (problem, { email }) => {
    if (problem.code !== 'email-unverified') return false
    showNotice(signInForm, ...explain(problem), sendAgainButton(email))
    return true
  },
)

connect(
  formOf('create-account'),
  ({ email, password, remember }) => register({ email, password, remember: remember === 'on' }),
  (_, { email }) => emailed(email, 'register'),
)

connect(
  formOf('reset-email'),
  ({ email }) => requestReset(email),
  (_, { email }) => emailed(email, 'reset'),
)

connect(
  verificationForm,
  ({ email }) => requestVerification(email),
  (_, { email }) => emailed(email, 'verify'),
)

connectVerification(verifyCodeForm, addressAndCode, (body) => {
  // The browser that registered is now signed in, and the page shows the account.
  if (body.status === 'signed-in') {
    say('Your address is confirmed. You are signed in.')
    explainStep('confirmed-here')
    return
  }
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
  (body, { action }) => {
    if (action === 'refresh') say(`Refreshed: new access token, valid until ${clock(body.expiresAt)}.`)
    if (action === 'call') say(`The function responded: signed in as ${body.user.email}.`)
    if (action === 'sign-out') say('You are signed out.')
    if (action === 'sign-out-everywhere') say('You are signed out on every device.')
    explainStep(action)
  },
  (problem, { action }) =>
    problem.code === 'reauthentication-required'
      ? refused(formOf('signed-in'), problem, action)
      : endedMeanwhile(problem),
)

connect(
  formOf('unknown'),
  () => refresh(),
  () => explainStep('restored'),
  endedMeanwhile,
)

addEventListener('hashchange', () => {
  say('')
  if (shown.kind === 'signed-in') showAccountView()
  if (shown.kind === 'signed-out') showSignedOutView()
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

/** Somebody has signed in or out, here or in another tab. A form that did it here then says so more precisely. */
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
  // A new token, or a new session of the same account.
  if (before.kind === 'signed-in' && before.user.id === now.user.id) return showAccount(now)

  // The first view of the page leaves the focus alone.
  const focus = before.kind !== 'unknown' || !element('#unknown', HTMLElement).hidden
  clearAccount()
  for (const form of document.forms) form.reset()
  showAccount(now)
  say('')
  document.documentElement.dataset.latch = 'open'
  showAccountView({ focus })
  explainStep(before.kind === 'unknown' ? 'restored' : 'signed-in-elsewhere')
}

/** @param {SessionState} before */
function signedOut(before) {
  const ended = lastProblemCode() === 'session-ended'
  if (before.kind === 'unknown' && !ended) {
    showSignedOutView({ focus: false })
    explainStep('nobody')
    return
  }

  // Nothing of the account is left for the next person at this device.
  clearAccount()
  for (const form of document.forms) form.reset()
  delete document.documentElement.dataset.latch
  clearHash()
  showSignedOutView()
  if (ended) return sayEnded()
  say('You are no longer signed in. Sign in again to go on.')
  explainStep('signed-out-elsewhere')
}

function sayEnded() {
  say('Your session has ended. Sign in again to go on.')
  explainStep('session-ended')
}

/**
 * Whether the page already shows the sign-in form: the cookies may have gone before the response that says why.
 * @param {import('./forms.js').Problem} problem
 */
function endedMeanwhile({ code }) {
  if (shown.kind !== 'signed-out') return false
  if (code === 'session-ended') sayEnded()
  return true
}

/** Removes the view from the address bar, so that links to any view work again. */
function clearHash() {
  history.replaceState(null, '', location.pathname + location.search)
}

/**
 * Shows the form named by the address bar, by default the sign-in form.
 * @param {{ focus?: boolean }} [options]
 */
function showSignedOutView(options) {
  const view = viewAmong(signInOptions, 'sign-in')
  for (const option of elements('li', HTMLElement, signInOptions)) {
    option.hidden = element('a', HTMLAnchorElement, option).hash === `#${view}`
  }
  accountNav.hidden = true
  signInOptions.hidden = false
  showView(view, options)
}

/**
 * Shows the account view named by the address bar, by default the session. A link to reset the password leads to its
 * change.
 * @param {{ focus?: boolean }} [options]
 */
function showAccountView(options) {
  const view = viewAmong(accountNav, location.hash === '#reset-email' ? 'change-password' : 'signed-in')
  for (const link of elements('a', HTMLAnchorElement, accountNav)) {
    if (link.hash === `#${view}`) link.setAttribute('aria-current', 'page')
    else link.removeAttribute('aria-current')
  }
  signInOptions.hidden = true
  accountNav.hidden = false
  showView(view, options)
  if (view !== 'devices') return
  explainStep('devices')
  void showSessions()
}

/**
 * The view named by the address bar, if the navigation links to it.
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
function emailed(email, kind) {
  for (const part of elements('[data-mailed]', HTMLElement)) {
    part.hidden = !part.dataset.mailed?.split(' ').includes(kind)
  }
  verifyCodeForm.reset()
  resetCodeForm.reset()
  fillAddress(email)
  write('.mailed-to', email)
  for (const option of elements('li', HTMLElement, signInOptions)) option.hidden = false
  clearHash()
  showView('emailed')
  explainStep(kind)
}

/** @param {string} message what was done with a code */
function backToSignIn(message) {
  clearHash()
  showSignedOutView()
  say(`${message} Sign in with your password.`)
}

/**
 * For a notice: requests the email at once.
 * @param {string} email
 */
function sendAgainButton(email) {
  const button = document.createElement('button')
  button.type = 'button'
  button.textContent = 'Send a new email'
  button.addEventListener('click', () => {
    location.hash = 'verification-email'
    fillAddress(email)
    verificationForm.requestSubmit()
  })
  return button
}

/**
 * As an app calls its own functions: with the client's fetch, which adds the access token.
 * @returns {Promise<import('./forms.js').Result>}
 */
async function callFunction() {
  try {
    const response = await fetchWithToken('/api/auth/account')
    const body = await response.json()
    if (response.ok) return { ok: true, body }
    const retryAfterSeconds = Number(response.headers.get('retry-after')) || undefined
    const requestId = response.headers.get('x-request-id') ?? undefined
    return { ok: false, problem: { errors: [], ...body, retryAfterSeconds, requestId } }
  } catch {
    const problem = { code: 'network-error', status: 0, title: '', detail: '', errors: [] }
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
