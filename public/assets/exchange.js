import { watchExchanges } from './api.js'
import { element, write } from './elements.js'

/** Shows the last request and its answer, without their secrets. */
export function showExchanges() {
  const details = element('#exchange', HTMLDetailsElement)
  details.open = matchMedia('(min-width: 75rem)').matches

  watchExchanges(({ method, path, sent, answer, tookMs }) => {
    write('#exchange-line', `${method} ${path}`)
    write('#exchange-status', answer.status === 0 ? 'no answer' : `${answer.status} · ${tookMs} ms`)
    write('#exchange-request', toText(sent))
    write('#exchange-answer', answer.body ? toText(answer.body) : noBody(answer))
    details.dataset.outcome = answer.ok ? 'ok' : 'failed'
  })
}

/** Shows none again: what the last answer told of an account is not for whoever sits here next. */
export function forgetExchange() {
  write('#exchange-line', 'none yet')
  write('#exchange-status', '')
  write('#exchange-request', 'Each request of this page is shown here, its secrets left out.')
  write('#exchange-answer', 'Nothing yet.')
  delete element('#exchange', HTMLDetailsElement).dataset.outcome
}

/** @param {import('./api.js').Answer} answer */
function noBody(answer) {
  if (answer.timedOut) return 'The answer did not come in time.'
  if (answer.status === 0) return 'The server could not be reached.'
  return answer.ok ? 'No body.' : 'Not JSON.'
}

/** @param {object} value */
function toText(value) {
  return JSON.stringify(value, mask, 2)
}

/**
 * @param {string} key
 * @param {unknown} value
 */
function mask(key, value) {
  if (typeof value !== 'string') return value
  if (/password/i.test(key)) return '••••••••'
  if (/token/i.test(key)) return shorten(value)
  // A problem's code is a word and may be seen.
  if (key === 'code' && !/^[a-z-]+$/.test(value)) return '••••••'
  return value
}

/**
 * A token, cut so that it can be told from another but not used.
 * @param {string} token
 */
export function shorten(token) {
  return `${token.slice(0, 8)}…${token.slice(-6)}`
}
