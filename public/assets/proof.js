import { reset, verify } from '/client/auth.js'
import { element } from './elements.js'
import { connect, showFieldError } from './forms.js'

/** @typedef {import('./forms.js').Problem} Problem */
/** @typedef {import('./forms.js').Fields} Fields */

/**
 * The proof in a form with an address and a code.
 * @param {Fields} fields
 */
export function addressAndCode({ email, code }) {
  // Copied digits come with all sorts of spaces.
  return { email, code: code.replaceAll(/\s/g, '') }
}

/**
 * Makes a form confirm an address. Its password field is hidden until the server requires it.
 * @param {HTMLFormElement} form
 * @param {(fields: Fields) => object} proof
 * @param {(body: any) => void} done
 * @param {(problem: Problem) => boolean} [failed] returns true for a problem it has handled
 */
export function connectVerification(form, proof, done, failed = () => false) {
  const password = element('input[name="password"]', HTMLInputElement, form)
  form.addEventListener('reset', () => askForPassword(false))
  connect(
    form,
    (fields) => verify({ ...proof(fields), password: fields.password }),
    done,
    (problem) => {
      const { code } = problem
      if (code === 'password-required') {
        askForPassword(true)
        password.focus()
        return true
      }
      if (code === 'invalid-credentials') {
        showFieldError(password, 'Wrong password. Try again.')
        return true
      }
      return failed(problem) || codeFailed(form, problem)
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
 * @param {(problem: Problem) => boolean} [failed] returns true for a problem it has handled
 */
export function connectReset(form, proof, done, failed = () => false) {
  connect(
    form,
    (fields) => reset({ ...proof(fields), password: fields.password }),
    done,
    (problem) => failed(problem) || codeFailed(form, problem),
  )
}

/**
 * @param {HTMLFormElement} form
 * @param {Problem} problem
 * @returns {boolean} whether the code was wrong
 */
function codeFailed(form, { code, title, detail }) {
  if (code !== 'code-invalid') return false
  showFieldError(element('input[name="code"]', HTMLInputElement, form), title, detail)
  return true
}
