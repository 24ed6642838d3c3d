import { call } from './api.js'
import { element } from './elements.js'
import { connect, showFieldError, showView } from './forms.js'
import { followLink, linkFailed } from './link.js'

const form = element('#confirm-form', HTMLFormElement)
const password = element('#password', HTMLInputElement)
let token = ''

connect(
  form,
  // The password is among the fields once it has been asked for.
  (fields) => call('PUT', 'verify', { token, ...fields }),
  () => {
    token = ''
    document.documentElement.dataset.latch = 'open'
    showView('confirmed')
  },
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
    return linkFailed(answer)
  },
)

followLink('verify', (fresh) => {
  token = fresh
  form.reset()
  askForPassword(false)
})

/** @param {boolean} asked */
function askForPassword(asked) {
  password.disabled = !asked
  element('#password-block', HTMLElement).hidden = !asked
}
