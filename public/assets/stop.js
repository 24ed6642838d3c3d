import { call } from './api.js'
import { element } from './elements.js'
import { connect, showView } from './forms.js'
import { linkFault, onLink } from './link.js'

let token = ''

connect(
  element('#stop-form', HTMLFormElement),
  () => call('PUT', 'verify', { stop: token }),
  () => {
    token = ''
    showView('stopped')
  },
  (answer) => {
    if (!linkFault(answer)) return false
    showView('broken')
    return true
  },
)

onLink((fresh, focus) => {
  token = fresh ?? ''
  showView(token ? 'ready' : 'link-missing', { focus })
})
