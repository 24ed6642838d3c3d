import { elements } from './elements.js'

// The local stack catches every mail; for anybody else nothing listens here.
const LOCAL_INBOX = 'http://127.0.0.1:54331/inbox'

/** Shows the links to the inbox, on a developer's own machine alone. */
export function showInboxLinks() {
  if (!['localhost', '127.0.0.1'].includes(location.hostname)) return
  for (const link of elements('a[data-inbox]', HTMLAnchorElement)) {
    link.href = LOCAL_INBOX
    link.hidden = false
  }
}
