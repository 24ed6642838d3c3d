import { element, elements, write } from './elements.js'

/**
 * The result of a call of the client, and its problem.
 * @typedef {import('../../client/auth.ts').Result<any, string>} Result
 * @typedef {import('../../client/auth.ts').Problem} Problem
 */
/** @typedef {Record<string, any>} Fields a form's values by name */

// One request at a time on the whole page.
let busy = false

/** But not where another address than the user's own is asked for. */
const SHARED_ADDRESS = 'input[name="email"]:not([data-apart])'
const SECRET_FIELDS = 'input[type="password"], input[autocomplete="one-time-code"]'

/**
 * Makes a form send a request when submitted. Input stays until the request has succeeded. Errors appear beside their
 * fields, or above the form.
 * @param {HTMLFormElement} form
 * @param {(fields: Fields) => Promise<Result>} send
 * @param {(body: any, fields: Fields) => void} done after success
 * @param {(problem: Problem, fields: Fields) => boolean} [failed] returns true for a problem it has handled
 */
export function connect(form, send, done, failed = () => false) {
  for (const button of revealButtons(form)) {
    button.addEventListener('click', () => setRevealed(button, button.dataset.revealed !== 'true'))
  }
  form.addEventListener('submit', (event) => {
    event.preventDefault()
    if (!busy) void submit(event.submitter)
  })
  form.addEventListener('reset', () => {
    clearErrors(form)
    for (const button of revealButtons(form)) setRevealed(button, false)
  })

  /** @param {HTMLElement | null} submitter */
  async function submit(submitter) {
    clearErrors(form)
    // Browsers remember what is submitted in text fields, so passwords are hidden first.
    for (const button of revealButtons(form)) setRevealed(button, false)
    if (!nothingMissing(form)) return

    const fields = Object.fromEntries(new FormData(form, submitter))
    const pressed = submitter ?? element('button[type="submit"]', HTMLButtonElement, form)
    const result = await whileBusy(pressed, () => send(fields))
    if (result.ok) {
      for (const field of elements(SECRET_FIELDS, HTMLInputElement, form)) field.value = ''
      done(result.body, fields)
    } else if (!failed(result.problem, fields)) {
      showFailure(form, result.problem)
    }
  }
}

/** Copies an address typed in one form to the others. */
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
    // Writing the same text would move the cursor.
    if (field.value !== email) field.value = email
  }
}

/**
 * Shows one of the page's views, hides the others, and focuses its heading.
 * @param {string} id
 * @param {{ focus?: boolean }} [options] focus: false for the first view of a page
 */
export function showView(id, { focus = true } = {}) {
  for (const view of elements('[data-view]', HTMLElement)) view.hidden = view.id !== id
  const heading = element(`#${id} h1`, HTMLElement)
  document.title = `${heading.textContent} · Latchkey`
  if (focus) heading.focus()
}

/**
 * Says what was done, in the live region.
 * @param {string} message
 */
export function say(message) {
  write('#status', message)
}

/**
 * Shows a message above a form's fields, announced by screen readers.
 * @param {HTMLFormElement} form
 * @param {...(string | Node)} paragraphs
 */
export function showNotice(form, ...paragraphs) {
  element('[role="alert"]', HTMLElement, form).replaceChildren(...paragraphs.map(paragraph))
}

/**
 * Shows reasons beside a field and focuses it.
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
  if (code === 'network-error' && status === 0) {
    // The request may have arrived and its response been lost.
    return [navigator.onLine ? 'The server didn’t respond. Try again.' : 'You seem to be offline. Try again.']
  }
  if (code === 'network-error') {
    return ['Something went wrong', 'The server’s response made no sense. Try again in a moment.']
  }

  if (code === 'refresh-required') {
    // The client refreshes on its own, so `detail`, which tells programs to, is no help here.
    return ['Your session was just used in another browser', 'Try again in 30 seconds.']
  }

  const paragraphs = [title, detail]
  if (retryAfterSeconds !== undefined) {
    // `detail` mentions the header, for programs; people get the time itself.
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
 * Whether every required field is filled in. The server checks the rest.
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
