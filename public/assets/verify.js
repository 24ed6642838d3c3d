import { requestVerification } from '/client/auth.js'
import { element } from './elements.js'
import { showView } from './forms.js'
import { followLink, linkFailed } from './link.js'
import { addressAndCode, connectVerification } from './proof.js'

const form = element('#confirm-form', HTMLFormElement)
let token = ''

connectVerification(form, () => ({ token }), confirmed, linkFailed)
connectVerification(element('#code-form', HTMLFormElement), addressAndCode, confirmed)

followLink(requestVerification, (fresh) => {
  token = fresh
  form.reset()
})

/** @param {{ status: string }} body */
function confirmed({ status }) {
  token = ''
  document.documentElement.dataset.latch = 'open'
  if (status === 'signed-in') {
    element('main', HTMLElement).inert = true
    location.replace('/')
    return
  }
  showView('confirmed')
}
