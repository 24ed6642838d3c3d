import { call } from './api.js'
import { element, write } from './elements.js'
import { connect, showView } from './forms.js'
import { showInboxLinks } from './inbox.js'

/** @typedef {import('./api.js').Answer} Answer */

/** @type {Record<string, [heading: string, text: string]>} */
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
  'token-missing': [
    'Open the link in your mail',
    'This page works with the link we mailed you. If you have reloaded the page, press the link again: ' +
      'opening it does not use it up. Or ask for a new one below.',
  ],
}

/**
 * Begins a page that a mailed link opens, now and whenever such a link is opened in this tab again.
 * The page has the views `ready`, `broken` and `mailed`, and the form `mail-form`.
 * @param {string} name the function that mails a new link
 * @param {(token: string) => void} begin
 */
export function followLink(name, begin) {
  const form = element('#mail-form', HTMLFormElement)
  connect(
    form,
    ({ email }) => call('POST', name, { email }),
    (_, { email }) => {
      write('#mailed-to', email)
      showView('mailed')
    },
  )
  showInboxLinks()

  onLink((token, focus) => {
    if (!token) return showBroken('token-missing', focus)
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
 * @param {Answer} answer
 * @returns {boolean} whether it was
 */
export function linkFailed({ problem }) {
  const code = problem?.errors?.some(({ pointer }) => /^#?\/token$/.test(pointer))
    ? 'token-invalid'
    : problem?.code
  if (!code || !Object.hasOwn(BROKEN, code)) return false
  showBroken(code, true)
  return true
}

/** The token leaves the address bar and the history at once; from then on it is in memory alone. */
function takeToken() {
  const token = new URLSearchParams(location.hash.slice(1)).get('token')
  history.replaceState(null, '', location.pathname + location.search)
  return token
}

/**
 * @param {string} code
 * @param {boolean} focus
 */
function showBroken(code, focus) {
  const [heading, text] = BROKEN[code] ?? []
  write('#broken-title', heading ?? '')
  write('#broken-text', text ?? '')
  showView('broken', { focus })
}
