import { element, elements, write } from './elements.js'
import { connect, fillAddress, shareAddress, showView } from './forms.js'
import { showInboxLinks } from './inbox.js'

/** @typedef {import('./forms.js').Problem} Problem */

/** @typedef {'token-expired' | 'token-spent' | 'token-invalid'} LinkFault */

/** @type {Record<LinkFault | 'mail-wanted', [heading: string, text: string]>} */
const BROKEN = {
  'token-expired': [
    'This link has expired',
    'A link works for a short time only, and this one came too late. Ask for a new one below.',
  ],
  'token-spent': [
    'This link was used before',
    'A link works once, and a newer mail makes the older links useless. ' +
      'If it was you who used it, you can sign in. If not, ask for a new one below.',
  ],
  'token-invalid': [
    'This link is not complete',
    'Part of it may have been lost on the way. ' +
      'Press the link in the mail once more, or ask for a new one below.',
  ],
  'mail-wanted': ['Ask for a new mail', 'It brings a new link and a new code.'],
}

/** @type {Record<'link-missing' | 'mailed', string>} */
const CODE_ENTRY_TITLES = { 'link-missing': 'Open the link in your mail', mailed: 'Check your mail' }

/**
 * Begins a page that a mailed link opens, now and whenever such a link is opened in this tab again.
 * The page has the views `ready`, `broken` and `code-entry`, and the forms `mail-form` and `code-form`.
 * @param {(email: string) => Promise<import('./forms.js').Result>} requestMail asks for a new link
 * @param {(token: string) => void} begin
 */
export function followLink(requestMail, begin) {
  connect(
    element('#mail-form', HTMLFormElement),
    ({ email }) => requestMail(email),
    (_, { email }) => {
      element('#code-form', HTMLFormElement).reset()
      fillAddress(email)
      write('#mailed-to', email)
      showCodeEntry('mailed', true)
    },
  )
  element('#want-mail', HTMLButtonElement).addEventListener('click', () => showBroken('mail-wanted', true))
  showInboxLinks()
  shareAddress()

  onLink((token, focus) => {
    if (!token) return showCodeEntry('link-missing', focus)
    begin(token)
    showView('ready', { focus })
  })
}

/**
 * Takes the token of the link that opened the page, and of each one opened in this tab later. `focus` is false for the first.
 * @param {(token: string | null, focus: boolean) => void} open
 */
export function onLink(open) {
  addEventListener('hashchange', () => open(takeToken(), true))
  open(takeToken(), false)
}

/**
 * Deals with a failure that is the link's fault.
 * @param {Problem} problem
 * @returns {boolean} whether it was
 */
export function linkFailed(problem) {
  const fault = linkFault(problem)
  if (fault) showBroken(fault, true)
  return fault !== null
}

/**
 * What is wrong with the link; null when something else is.
 * @param {Problem} problem
 * @returns {LinkFault | null}
 */
export function linkFault({ code, errors }) {
  if (errors.some(({ pointer }) => pointer === '#/token')) return 'token-invalid'
  const faults = /** @type {const} */ (['token-expired', 'token-spent', 'token-invalid'])
  return faults.find((fault) => fault === code) ?? null
}

/** The token leaves the address bar and the tab's history at once; from then on this page has it in memory alone. */
function takeToken() {
  const token = new URLSearchParams(location.hash.slice(1)).get('token')
  history.replaceState(null, '', location.pathname + location.search)
  return token
}

/**
 * @param {'link-missing' | 'mailed'} cause
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
