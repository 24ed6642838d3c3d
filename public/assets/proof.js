import { call } from './api.js'
import { element } from './elements.js'
import { connect, showFieldError } from './forms.js'

/** @typedef {import('./api.js').Answer} Answer */
/** @typedef {import('./forms.js').Fields} Fields */

/**
 * What a form with an address and the digits of its mail proves.
 * @param {Fields} fields
 */
export function addressAndCode({ email, code }) {
  // Digits that were copied bring all sorts of spaces with them.
  return { email, code: code.replaceAll(/\s/g, '') }
}

/**
 * Makes a form confirm an address. Its password field stays away until an answer asks for the password.
 * @param {HTMLFormElement} form
 * @param {(fields: Fields) => object} proof
 * @param {() => void} done
 * @param {(answer: Answer) => boolean} [failed] returns true for a failure it has dealt with
 */
export function connectVerification(form, proof, done, failed = () => false) {
  const password = element('input[name="password"]', HTMLInputElement, form)
  form.addEventListener('reset', () => askForPassword(false))
  connect(
    form,
    // The password is among the fields once it has been asked for.
    (fields) => call('PUT', 'verify', { ...proof(fields), password: fields.password }),
    done,
    (answer) => {
      const code = answer.problem?.code
      if (code === 'password-required') {
        askForPassword(true)
        password.focus()
        return true
      }
      if (code === 'invalid-credentials') {
        showFieldError(password, 'That is not the password you chose for this account. Try again.')
        return true
      }
      return failed(answer) || codeFailed(form, answer)
    },
  )

  /** @param {boolean} asked */
  function askForPassword(asked) {
    password.disabled = !asked
    element('[data-asked]', HTMLElement, form).hidden = !asked
  }
}

/**
 * Makes a form set a new password.
 * @param {HTMLFormElement} form
 * @param {(fields: Fields) => object} proof
 * @param {() => void} done
 * @param {(answer: Answer) => boolean} [failed] returns true for a failure it has dealt with
 */
export function connectReset(form, proof, done, failed = () => false) {
  connect(
    form,
    (fields) => call('PUT', 'reset', { ...proof(fields), password: fields.password }),
    done,
    (answer) => failed(answer) || codeFailed(form, answer),
  )
}

/**
 * @param {HTMLFormElement} form
 * @param {Answer} answer
 * @returns {boolean} whether the code was at fault
 */
function codeFailed(form, { problem }) {
  if (problem?.code !== 'code-invalid') return false
  showFieldError(element('input[name="code"]', HTMLInputElement, form), problem.title, problem.detail)
  return true
}
