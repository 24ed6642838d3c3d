/** What the mails say. A mail tells what happened, what to do, and what to do if it was not you. */
import { environment } from './env.ts'
import { sealMailToken, type MailToken, type MailTokenPurpose } from './mail-token.ts'

export interface Message {
  subject: string
  text: string
  html: string
}

export type MailKind =
  | 'confirm-registration'
  | 'already-registered'
  | 'reset-password'
  | 'password-reset'
  | 'password-locked'
  | 'session-stolen'
  | 'password-changed'
  | 'confirm-email-change'
  | 'email-change-requested'
  | 'email-changed'
  | 'account-deleted'

interface Draft {
  subject: string
  paragraphs: string[]
  /** The one thing to press. */
  action?: { label: string; url: string }
  ifNotYou: string
}

/** The same words and the same link each time for the same mail, so a second try is the same mail. */
export function composeMessage(kind: MailKind, token: MailToken | null): Message {
  const draft = drafts[kind](token)
  return { subject: draft.subject, text: asText(draft), html: asHtml(draft) }
}

const drafts: Record<MailKind, (token: MailToken | null) => Draft> = {
  'confirm-registration': (token) => ({
    subject: `Confirm your address for ${product()}`,
    paragraphs: [`Press the button to finish your ${product()} account. The link works once, for 8 hours.`],
    action: { label: 'Confirm my address', url: link('/auth/verify', 'registration-mail', token) },
    ifNotYou: `If you did not ask for an account, do nothing: without this link there will be none.`,
  }),
  'already-registered': () => ({
    subject: `You already have an account at ${product()}`,
    paragraphs: [
      `Somebody, probably you, tried to create a ${product()} account with this address. There is one already: sign in, or ask for a new password there.`,
    ],
    action: { label: 'Sign in', url: `${environment().origin}/` },
    ifNotYou: 'If it was not you, do nothing: your account and your password are as they were.',
  }),
  'reset-password': (token) => ({
    subject: `Choose a new password for ${product()}`,
    paragraphs: [
      'Press the button to choose a new password. The link works once, for 30 minutes. Then every device that is signed in will be signed out.',
    ],
    action: { label: 'Choose a new password', url: link('/auth/reset', 'reset-mail', token) },
    ifNotYou: 'If you did not ask for this, do nothing: your password stays as it is.',
  }),
  'password-reset': () => ({
    subject: `Your ${product()} password was changed`,
    paragraphs: ['Your password was changed through a link in a mail, and every device was signed out.'],
    action: { label: 'Sign in', url: `${environment().origin}/` },
    ifNotYou:
      'If it was not you, somebody can read your mail. Secure your mailbox first, then ask for a new password.',
  }),
  'password-locked': () => ({
    subject: `Your ${product()} password is locked`,
    paragraphs: [
      'There were 100 wrong passwords in a row for your account, so the password is locked. To sign in again, choose a new one: open the sign-in page and ask for a new password.',
    ],
    action: { label: 'Open the sign-in page', url: `${environment().origin}/` },
    ifNotYou: 'If it was not you who tried, somebody was guessing. They did not get in.',
  }),
  'session-stolen': () => ({
    subject: `A device was signed out of ${product()}`,
    paragraphs: [
      'A sign-in of yours was used from two places, as happens when somebody copied it. That device has been signed out, and so has whoever copied it.',
      'Sign in again. If you find that somebody used your account, choose a new password, too.',
    ],
    action: { label: 'Sign in', url: `${environment().origin}/` },
    ifNotYou: 'If you do not know what this is about, choose a new password to be safe.',
  }),
  'password-changed': () => ({
    subject: `Your ${product()} password was changed`,
    paragraphs: [
      'Your password was changed by someone who is signed in and knew the one before. Every other device was signed out.',
    ],
    action: { label: 'Open the sign-in page', url: `${environment().origin}/` },
    ifNotYou:
      'If it was not you, ask for a new password on the sign-in page at once: that signs everybody out.',
  }),
  'confirm-email-change': (token) => ({
    subject: `Confirm your new address for ${product()}`,
    paragraphs: [
      `Press the button to use this address for your ${product()} account from now on. The link works once, for 8 hours. Until then nothing changes.`,
    ],
    action: { label: 'Use this address', url: link('/auth/verify', 'email-change-mail', token) },
    ifNotYou: 'If you did not ask for this, do nothing: somebody may have mistyped their own address.',
  }),
  'email-change-requested': (token) => ({
    subject: `Somebody wants to change your ${product()} address`,
    paragraphs: [
      'Somebody who is signed in and knows your password asked to use another address for your account. Nothing changes before that address is confirmed.',
    ],
    action: { label: 'Stop this change', url: link('/auth/stop', 'email-change-stop-mail', token) },
    ifNotYou:
      'If it was you, do nothing. If it was not, stop it, then ask for a new password on the sign-in page: that signs everybody out.',
  }),
  'email-changed': () => ({
    subject: `Your ${product()} address was changed`,
    paragraphs: ['Your account uses another address from now on. No more mail about it comes to this one.'],
    ifNotYou: `If it was not you, tell whoever runs ${product()}.`,
  }),
  'account-deleted': () => ({
    subject: `Your ${product()} account was deleted`,
    paragraphs: ['Your account is gone, and with it every session and all that was kept about it here.'],
    ifNotYou: `If it was not you, tell whoever runs ${product()}.`,
  }),
}

function product(): string {
  return environment().productName
}

/** The token stands in the fragment, which no server is sent and no Referer carries. */
function link(path: string, purpose: MailTokenPurpose, token: MailToken | null): string {
  if (token === null) throw new Error('this mail needs a token')
  return `${environment().origin}${path}#token=${sealMailToken(purpose, token)}`
}

function asText({ paragraphs, action, ifNotYou }: Draft): string {
  return [...paragraphs, ...(action ? [`${action.label}:\n${action.url}`] : []), ifNotYou].join('\n\n')
}

function asHtml({ subject, paragraphs, action, ifNotYou }: Draft): string {
  const button = action
    ? `<p style="margin:28px 0"><a href="${escape(action.url)}" style="background:#7a5a12;border-radius:8px;color:#fff;display:inline-block;font-weight:600;padding:12px 22px;text-decoration:none">${escape(action.label)}</a></p>`
    : ''
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark"><title>${escape(subject)}</title></head>
<body style="font-family:system-ui,sans-serif;font-size:16px;line-height:1.5;margin:0 auto;max-width:32em;padding:24px">
<h1 style="font-size:20px">${escape(subject)}</h1>
${paragraphs.map((paragraph) => `<p>${escape(paragraph)}</p>`).join('\n')}
${button}
<p style="font-size:14px;opacity:.75">${escape(ifNotYou)}</p>
</body></html>`
}

function escape(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}
