import { call } from './api.js'
import { element } from './elements.js'
import { connect, showView } from './forms.js'
import { followLink, linkFailed } from './link.js'

const form = element('#reset-form', HTMLFormElement)
let token = ''

connect(
  form,
  ({ password }) => call('PUT', 'reset', { token, password }),
  () => {
    token = ''
    showView('changed')
  },
  linkFailed,
)

followLink('reset', (fresh) => {
  token = fresh
  form.reset()
})
