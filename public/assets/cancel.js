import { verify } from '/client/auth.js'
import { element } from './elements.js'
import { connect, showView } from './forms.js'
import { linkFault, onLink } from './link.js'

let token = ''

connect(
  element('#cancel-form', HTMLFormElement),
  () => verify({ cancel: token }),
  () => {
    token = ''
    showView('canceled')
  },
  (problem) => {
    if (!linkFault(problem)) return false
    showView('broken')
    return true
  },
)

onLink((fresh, focus) => {
  token = fresh ?? ''
  showView(token ? 'ready' : 'link-missing', { focus })
})
