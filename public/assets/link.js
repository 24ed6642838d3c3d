import { element, elements, write } from './elements.js'
import { connect, fillAddress, shareAddress, showView } from './forms.js'
import { showInboxLinks } from './inbox.js'

/** @typedef {import('./forms.js').Problem} Problem */

/** @typedef {'token-expired' | 'token-already-used' | 'token-invalid'} LinkFault */

/** @type {Record<LinkFault | 'requested', [heading: string, text: string]>} */
const BROKEN = {
  'token-expired': ['This link has expired', 'Links work for a short time only. Request a new one below.'],
  'token-already-used': [
    'This link has already been used',
    'Links work once, and a newer email replaces older ones. ' +
      'If you have used it, you can sign in. If not, request a new one below.',
  ],
  'token-invalid': [
    'This link is incomplete',
    'Part of it may have been lost. Open the link in the email again, or request a new one below.',
  ],
  requested: ['Request a new email', 'It has a new link and a new code.'],
}

/** @type {Record<'link-missing' | 'emailed', string>} */
const CODE_ENTRY_TITLES = { 'link-missing': 'Open the link in your email', emailed: 'Check your email' }

/**
 * Starts a page for emailed links, now and whenever such a link is opened in this tab.
 * The page has the views `ready`, `broken` and `code-entry`, and the forms `email-form` and `code-form`.
 * @param {(email: string) => Promise<import('./forms.js').Result>} requestEmail requests a new link
 * @param {(token: string) => void} begin
 */
export function followLink(requestEmail, begin) {
  connect(
    element('#email-form', HTMLFormElement),
    ({ email }) => requestEmail(email),
    (_, { email }) => {
      element('#code-form', HTMLFormElement).reset()
      fillAddress(email)
      write('#mailed-to', email)
      showCodeEntry('emailed', true)
    },
  )
  element('#request-email', HTMLButtonElement).addEventListener('click', () => showBroken('requested', true))
  showInboxLinks()
  shareAddress()

  onLink((token, focus) => {
    if (!token) return showCodeEntry('link-missing', focus)
    begin(token)
    showView('ready', { focus })
  })
}

/**
 * Passes on the token of the link that opened the page, and of later ones in this tab. `focus` is false for the first.
 * @param {(token: string | null, focus: boolean) => void} open
 */
export function onLink(open) {
  addEventListener('hashchange', () => open(takeToken(), true))
  open(takeToken(), false)
}

/**
 * Handles a problem of the link.
 * @param {Problem} problem
 * @returns {boolean} whether it was
 */
export function linkFailed(problem) {
  const fault = linkFault(problem)
  if (fault) showBroken(fault, true)
  return fault !== null
}

/**
 * What is wrong with the link; null if nothing is.
 * @param {Problem} problem
 * @returns {LinkFault | null}
 */
export function linkFault({ code, errors }) {
  if (errors.some(({ pointer }) => pointer === '#/token')) return 'token-invalid'
  const faults = /** @type {const} */ (['token-expired', 'token-already-used', 'token-invalid'])
  return faults.find((fault) => fault === code) ?? null
}

/** Removes the token from the address bar and the tab's history. From then on it is only in memory. */
function takeToken() {
  const token = new URLSearchParams(location.hash.slice(1)).get('token')
  history.replaceState(null, '', location.pathname + location.search)
  return token
}

/**
 * @param {'link-missing' | 'emailed'} cause
 * @param {boolean} focus
 */
function showCodeEntry(cause, focus) {
  write('#code-title', CODE_ENTRY_TITLES[cause])
  for (const part of elements('[data-entry]', HTMLElement)) part.hidden = part.dataset.entry !== cause
  showView('code-entry', { focus })
}

/**
 * @param {keyof typeof BROKEN} cause
 * @param {boolean} focus
 */
function showBroken(cause, focus) {
  const [heading, text] = BROKEN[cause]
  write('#broken-title', heading)
  write('#broken-text', text)
  showView('broken', { focus })
}
