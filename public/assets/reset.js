import { requestReset } from '/client/auth.js'
import { element } from './elements.js'
import { showView } from './forms.js'
import { followLink, linkFailed } from './link.js'
import { addressAndCode, connectReset } from './proof.js'

const form = element('#reset-form', HTMLFormElement)
let token = ''

connectReset(form, () => ({ token }), changed, linkFailed)
connectReset(element('#code-form', HTMLFormElement), addressAndCode, changed)

followLink(requestReset, (fresh) => {
  token = fresh
  form.reset()
})

function changed() {
  token = ''
  showView('changed')
}
