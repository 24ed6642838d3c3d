import { elements } from './elements.js'

// Where the local stack shows every email.
const LOCAL_INBOX = 'http://127.0.0.1:54331/inbox'

/** Shows the links to the inbox, on a developer's machine only. */
export function showInboxLinks() {
  if (!['localhost', '127.0.0.1'].includes(location.hostname)) return
  for (const link of elements('a[data-inbox]', HTMLAnchorElement)) {
    link.href = LOCAL_INBOX
    link.hidden = false
  }
}
