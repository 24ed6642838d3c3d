import { element, elements, write } from './elements.js'

/**
 * What a call of the client came to, and why it was refused.
 * @typedef {import('../../client/auth.ts').Result<any, string>} Result
 * @typedef {import('../../client/auth.ts').Problem} Problem
 */
/** @typedef {Record<string, any>} Fields what a form holds, by field name */

// One request at a time on the whole page: a second press, of whichever button, is no second request.
let busy = false

/** Not the one of a form that is about another address than the person's own. */
const SHARED_ADDRESS = 'input[name="email"]:not([data-apart])'
const SECRET_FIELDS = 'input[type="password"], input[autocomplete="one-time-code"]'

/**
 * Makes a form send a request when it is submitted.
 * What was typed stays until the request has succeeded. An error goes beside its field, or above the form.
 * @param {HTMLFormElement} form
 * @param {(fields: Fields) => Promise<Result>} send
 * @param {(answer: any, fields: Fields) => void} done told of a success
 * @param {(problem: Problem, fields: Fields) => boolean} [failed] returns true for a failure it has dealt with
 */
export function connect(form, send, done, failed = () => false) {
  for (const button of revealButtons(form)) {
    button.addEventListener('click', () => setRevealed(button, button.dataset.revealed !== 'true'))
  }
  form.addEventListener('submit', (event) => {
    event.preventDefault()
    if (!busy) void submit(event.submitter)
  })
  form.addEventListener('reset', () => clearErrors(form))

  /** @param {HTMLElement | null} submitter */
  async function submit(submitter) {
    clearErrors(form)
    // A browser remembers what stands in a visible text field, so no password may be submitted as one.
    for (const button of revealButtons(form)) setRevealed(button, false)
    if (!nothingMissing(form)) return

    const fields = Object.fromEntries(new FormData(form, submitter))
    const pressed = submitter ?? element('button[type="submit"]', HTMLButtonElement, form)
    const result = await whileBusy(pressed, () => send(fields))
    if (result.ok) {
      for (const field of elements(SECRET_FIELDS, HTMLInputElement, form)) field.value = ''
      done(result.answer, fields)
    } else if (!failed(result.problem, fields)) {
      showFailure(form, result.problem)
    }
  }
}

/** Lets an address that is typed in one form be there in the others, too. */
export function shareAddress() {
  document.addEventListener('input', ({ target }) => {
    if (target instanceof HTMLInputElement && target.matches(SHARED_ADDRESS)) fillAddress(target.value)
  })
}

/**
 * Writes an address into every form.
 * @param {string} email
 */
export function fillAddress(email) {
  for (const field of elements(SHARED_ADDRESS, HTMLInputElement)) {
    // Written again, the same text would move the cursor in it.
    if (field.value !== email) field.value = email
  }
}

/**
 * Shows one of the page's views, hides the others, and takes the reader to its heading.
 * @param {string} id
 * @param {{ focus?: boolean }} [options] focus: false leaves the focus alone, for the first view of a page
 */
export function showView(id, { focus = true } = {}) {
  for (const view of elements('[data-view]', HTMLElement)) view.hidden = view.id !== id
  const heading = element(`#${id} h1`, HTMLElement)
  document.title = `${heading.textContent} · Latchkey`
  if (focus) heading.focus()
}

/**
 * Says what has been done, where a screen reader hears of it.
 * @param {string} message
 */
export function say(message) {
  write('#status', message)
}

/**
 * Puts a message above a form's fields, where a screen reader hears of it.
 * @param {HTMLFormElement} form
 * @param {...(string | Node)} paragraphs
 */
export function showNotice(form, ...paragraphs) {
  element('[role="alert"]', HTMLElement, form).replaceChildren(...paragraphs.map(paragraph))
}

/**
 * Puts reasons beside a field and takes the reader to it.
 * @param {HTMLInputElement} field
 * @param {...string} reasons
 */
export function showFieldError(field, ...reasons) {
  field.setAttribute('aria-invalid', 'true')
  errorPlace(field).replaceChildren(...reasons.map(paragraph))
  field.focus()
}

/**
 * Says what went wrong, then what to do about it.
 * @param {Problem} problem
 * @returns {string[]} one paragraph each
 */
export function explain({ code, status, title, detail, retryAfterSeconds, requestId }) {
  if (code === 'no-answer' && status === 0) {
    // It may have arrived and its answer been lost: nothing is said of what was done.
    return [navigator.onLine ? 'No answer came. Try again.' : 'You seem to be offline. Try again.']
  }
  if (code === 'no-answer') {
    return ['Something went wrong', 'The answer was not one this page understands. Try again in a moment.']
  }

  const paragraphs = [title, detail]
  if (retryAfterSeconds !== undefined) {
    // The details speak to programs of the header; people are told the time itself.
    const others = detail.split(/(?<=\.) /).filter((sentence) => !sentence.includes('Retry-After'))
    paragraphs[1] = [...others, `Try again in ${inWords(retryAfterSeconds)}.`].join(' ')
  }
  if (status >= 500 && requestId) paragraphs.push(`Request id: ${requestId}`)
  return paragraphs
}

/**
 * A length of time in words: `30 seconds`, `2 minutes`, `3 hours`, `29 days`.
 * @param {number} seconds
 */
export function inWords(seconds) {
  if (seconds < 90) return count(Math.ceil(seconds), 'second')
  if (seconds < 90 * 60) return count(Math.ceil(seconds / 60), 'minute')
  if (seconds < 36 * 3600) return count(Math.ceil(seconds / 3600), 'hour')
  return count(Math.round(seconds / 86_400), 'day')
}

/**
 * @param {number} n
 * @param {string} unit
 */
function count(n, unit) {
  return new Intl.NumberFormat('en', { style: 'unit', unit, unitDisplay: 'long' }).format(n)
}

/**
 * Errors whose JSON Pointer names a field of the form go beside it, the rest into the notice.
 * @param {HTMLFormElement} form
 * @param {Problem} problem
 */
function showFailure(form, problem) {
  const { errors } = problem
  const fields = elements('input', HTMLInputElement, form)
  const reasonsFor = (/** @type {HTMLInputElement} */ field) =>
    errors.filter(({ pointer }) => pointer === `#/${field.name}`).map(({ detail }) => detail)
  const elsewhere = errors.filter(({ pointer }) => !fields.some(({ name }) => pointer === `#/${name}`))

  if (errors.length === elsewhere.length || elsewhere.length > 0) {
    showNotice(form, ...explain(problem), ...elsewhere.map(({ detail }) => detail))
  }
  // From last to first, so that the focus ends on the first.
  for (const field of fields.toReversed()) {
    const reasons = reasonsFor(field)
    if (reasons.length > 0) showFieldError(field, ...reasons)
  }
}

/**
 * Whether every field that must be filled or ticked is. Everything but emptiness is the server's to judge.
 * @param {HTMLFormElement} form
 */
function nothingMissing(form) {
  const fields = elements('input[required]:enabled', HTMLInputElement, form)
  const empty = fields.filter(({ validity }) => validity.valueMissing)
  for (const field of empty.toReversed())
    showFieldError(field, field.dataset.missing ?? `${field.labels?.[0]?.textContent} is missing.`)
  return empty.length === 0
}

/** @param {HTMLFormElement} form */
function clearErrors(form) {
  showNotice(form)
  for (const field of elements('[aria-invalid]', HTMLInputElement, form)) {
    field.removeAttribute('aria-invalid')
    errorPlace(field).replaceChildren()
  }
}

/** @param {HTMLInputElement} field */
function errorPlace(field) {
  return element(`#${field.id}-error`, HTMLElement)
}

/**
 * @param {HTMLElement} pressed
 * @param {() => Promise<Result>} request
 */
async function whileBusy(pressed, request) {
  const submits = elements('button[type="submit"]', HTMLButtonElement)
  busy = true
  pressed.setAttribute('aria-busy', 'true')
  for (const button of submits) button.disabled = true
  try {
    return await request()
  } finally {
    busy = false
    pressed.removeAttribute('aria-busy')
    for (const button of submits) button.disabled = false
    // A button that is disabled loses the focus.
    if (document.activeElement === document.body) pressed.focus()
  }
}

/** @param {HTMLFormElement} form */
function revealButtons(form) {
  return elements('button[aria-controls]', HTMLButtonElement, form)
}

/**
 * @param {HTMLButtonElement} button
 * @param {boolean} revealed
 */
function setRevealed(button, revealed) {
  element(`#${button.getAttribute('aria-controls')}`, HTMLInputElement).type = revealed ? 'text' : 'password'
  button.dataset.revealed = String(revealed)
  element('.word', HTMLElement, button).textContent = revealed ? 'Hide' : 'Show'
}

/** @param {string | Node} content */
function paragraph(content) {
  const made = document.createElement('p')
  made.append(content)
  return made
}
