/**
 * The emails: which there are, what words a language has to have for each, and the one template that they are put in.
 * An email tells what happened, what to do, and what to do if it was not you.
 */
import type { EmailKind } from '../db/engine.ts'
import { environment } from '../env.ts'
import type { EmailLanguage } from '../env-schema.ts'
import { oneTimeCode, type OneTimeCodePurpose } from '../crypto/one-time-code.ts'
import { lifetimeSeconds } from '../limits.ts'
import { signOneTimeToken, type OneTimeToken, type OneTimeTokenPurpose } from '../crypto/one-time-token.ts'

export interface Message {
  subject: string
  text: string
  html: string
}

/** What the words of an email may speak of. */
export interface Facts {
  /** Stands without an article, in any case of the language. */
  product: string
  support: string | undefined
  registrationLinkHours: number
  resetLinkMinutes: number
  emailChangeLinkHours: number
}

/** The words of one email: plain text, escaped where it becomes HTML, and as true without a button as with one. */
export interface Words {
  /** Also the heading. At most 78 characters with a usual product name. */
  subject: string
  /** What a list of emails shows behind the subject. A locked phone shows it too: no code, no link. */
  preview: string
  paragraphs: readonly [string, ...string[]]
  ifNotYou: string
}

export interface WordsWithButton extends Words {
  button: string
}

/** All the words of one language: a file in lib/languages. */
export interface Language {
  /** BCP 47. */
  tag: EmailLanguage
  direction: 'ltr' | 'rtl'
  /** Before the address, in case the button cannot be pressed. */
  withoutButton: string
  /** Before the six digits. */
  codeInstead: string
  /** After the six digits. */
  codeIsSecret: string
  neverAsked: (product: string) => string
  help: (address: string) => string
  /** Those that only report have no button. */
  emails: Record<Exclude<EmailKind, Report>, (facts: Facts) => WordsWithButton> &
    Record<Report, (facts: Facts) => Words>
}

type Report = 'email-changed' | 'account-deleted'

/** The same words and the same link each time for the same email, so a second try is the same email. */
export async function composeMessage(kind: EmailKind, token: OneTimeToken | null): Promise<Message> {
  const { productName: product, supportAddress: support, emailLanguage } = environment()
  const { languages } = await import('./languages.ts')
  const language = languages[emailLanguage]
  const words: Words & { button?: string } = language.emails[kind]({
    product,
    support,
    registrationLinkHours: lifetimeSeconds.registrationLink / 3600,
    resetLinkMinutes: lifetimeSeconds.resetLink / 60,
    emailChangeLinkHours: lifetimeSeconds.emailChangeLink / 3600,
  })
  const letter: Letter = {
    words,
    language,
    product,
    support,
    action: words.button === undefined ? undefined : { label: words.button, url: address(kind, token) },
    code: code(kind, token),
  }
  return { subject: words.subject, text: asText(letter), html: asHtml(letter) }
}

interface Letter {
  words: Words
  language: Language
  product: string
  support: string | undefined
  /** The one thing to press. */
  action: { label: string; url: string } | undefined
  code: string | undefined
}

interface Link {
  page: 'verifyPath' | 'resetPath' | 'cancelPath'
  purpose: OneTimeTokenPurpose
  /** Six digits do the same as the link. */
  code?: OneTimeCodePurpose
}

/** The emails with a link that a token opens. The button of every other one leads to where one signs in. */
const links: Partial<Record<EmailKind, Link>> = {
  'confirm-registration': { page: 'verifyPath', purpose: 'registration-email', code: 'registration-email' },
  'reset-password': { page: 'resetPath', purpose: 'reset-email', code: 'reset-email' },
  'reset-required': { page: 'resetPath', purpose: 'reset-email', code: 'reset-email' },
  'confirm-email-change': { page: 'verifyPath', purpose: 'email-change-email' },
  'email-change-requested': { page: 'cancelPath', purpose: 'email-change-cancel-email' },
}

/** The token stands in the fragment, which no server is sent and no Referer carries. */
function address(kind: EmailKind, token: OneTimeToken | null): string {
  const { origin, verifyPath, resetPath } = environment()
  const link = links[kind]
  if (link === undefined) return `${origin}/`
  const path = { verifyPath, resetPath, cancelPath: '/auth/cancel' }[link.page]
  return `${origin}${path}#token=${signOneTimeToken(link.purpose, needed(token))}`
}

/** In two groups of three, with a plain space, which the page accepts when the code is pasted. */
function code(kind: EmailKind, token: OneTimeToken | null): string | undefined {
  const purpose = links[kind]?.code
  if (purpose === undefined) return undefined
  const digits = oneTimeCode(purpose, needed(token))
  return `${digits.slice(0, 3)} ${digits.slice(3)}`
}

function needed(token: OneTimeToken | null): OneTimeToken {
  if (token === null) throw new Error('this email needs a token')
  return token
}

function footer({ language, product, support }: Letter): string[] {
  const { host } = new URL(environment().origin)
  return [
    ...(support === undefined ? [] : [language.help(support)]),
    language.neverAsked(product),
    product === host ? host : `${product} · ${host}`,
  ]
}

function asText(letter: Letter): string {
  const { words, language, action, code: digits } = letter
  return [
    ...words.paragraphs,
    ...(action ? [`${action.label}\n${action.url}`] : []),
    ...(digits === undefined ? [] : [language.codeInstead, digits, language.codeIsSecret]),
    words.ifNotYou,
    footer(letter).join('\n'),
  ].join('\n\n')
}

/**
 * Colours are inline and light; clients that know of dark mode and keep a style element get the dark ones, others may invert
 * what they find. The tables are for Outlook on Windows, which knows neither a widest width nor the padding of a link.
 */
const DARK_STYLE = `@media (prefers-color-scheme:dark){
.room,.aside{background:#131715!important}
.card{background:#1b211e!important}
.card,.aside{border-color:#303835!important}
.door{background:#12302a!important}
.ink{color:#e9e6dd!important}
.quiet{color:#a5aea9!important}
}
@media (max-width:480px){.card,.door{padding-left:22px!important;padding-right:22px!important}}`

const SANS = `font-family:system-ui,-apple-system,'Segoe UI',Roboto,'Liberation Sans',sans-serif`
const ENGRAVED = `font-family:Optima,Candara,'Gill Sans Nova','Gill Sans','Noto Sans',sans-serif`
const MONO = `font-family:ui-monospace,'SF Mono','Cascadia Mono',Menlo,Consolas,'Liberation Mono',monospace`
const INK = 'color:#1b2320'
const QUIET = 'color:#55605b'
const ASIDE = 'background:#f2f1ed;border:1px solid #d7d5cd;border-radius:6px;padding:16px 18px'

function asHtml(letter: Letter): string {
  const { words, language, product, support, action, code: digits } = letter
  const subject = escape(words.subject)
  const spoken = `lang="${language.tag}" dir="${language.direction}"`
  const body = [
    `<h1 class="ink" style="${INK};${ENGRAVED};font-size:25px;font-weight:400;line-height:1.25;margin:0 0 16px">${subject}</h1>`,
    ...words.paragraphs.map(
      (paragraph) => `<p class="ink" style="${INK};margin:0 0 16px">${escape(paragraph)}</p>`,
    ),
    ...(action ? [button(action.label, action.url), plainAddress(language.withoutButton, action.url)] : []),
    ...(digits === undefined ? [] : [codeBlock(language, digits)]),
    `<div class="aside" style="${ASIDE};margin:24px 0 0"><p class="ink" style="${INK};font-size:15px;margin:0">${withSupport(words.ifNotYou, support)}</p></div>`,
  ]
  const foot = footer(letter).map((line) => `<p style="margin:0 0 4px">${withSupport(line, support)}</p>`)
  return `<!doctype html>
<html ${spoken}>
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<meta name="format-detection" content="telephone=no,date=no,address=no">
<title>${subject}</title>
<style>
:root{color-scheme:light dark}
${DARK_STYLE}
</style>
</head>
<body class="room" style="background:#f2f1ed;margin:0;padding:0">
<div style="display:none;max-height:0;overflow:hidden;mso-hide:all">${escape(words.preview)}</div>
<div class="room" role="article" aria-label="${subject}" ${spoken} style="background:#f2f1ed;${SANS};font-size:16px;line-height:1.55;overflow-wrap:break-word;padding:28px 12px;word-wrap:break-word;-webkit-text-size-adjust:100%">
<!--[if mso]><table role="presentation" align="center" width="560" cellpadding="0" cellspacing="0"><tr><td><![endif]-->
<div style="margin:0 auto;max-width:560px">
<div class="door" style="background:#17382f;border-bottom:3px solid #d8b45c;border-radius:8px 8px 0 0;color:#efe9da;${ENGRAVED};font-size:19px;letter-spacing:2px;padding:18px 36px">${escape(product)}</div>
<div class="card" style="background:#fdfcfa;border:1px solid #d7d5cd;border-radius:0 0 8px 8px;border-top:0;padding:30px 36px 34px">
${body.join('\n')}
</div>
<div class="quiet" style="${QUIET};font-size:13px;padding:18px 12px 0;text-align:center">
${foot.join('\n')}
</div>
</div>
<!--[if mso]></td></tr></table><![endif]-->
</div>
</body>
</html>`
}

function button(label: string, url: string): string {
  return `<table role="presentation" cellpadding="0" cellspacing="0" style="border-collapse:separate;margin:26px 0"><tr><td bgcolor="#d8b45c" style="background:#d8b45c;border-radius:6px;mso-padding-alt:13px 26px"><a href="${escape(url)}" style="border:1px solid #8f6c20;border-radius:6px;color:#1f1806;display:inline-block;${SANS};font-size:16px;font-weight:600;line-height:1.4;mso-padding-alt:0;padding:12px 26px;text-decoration:none">${escape(label)}</a></td></tr></table>`
}

function plainAddress(lead: string, url: string): string {
  return `<p class="quiet" style="${QUIET};font-size:13px;margin:0">${escape(lead)}<br><span dir="ltr" style="${MONO};font-size:12px;word-break:break-all">${escape(url)}</span></p>`
}

function codeBlock({ codeInstead, codeIsSecret }: Language, digits: string): string {
  return `<div style="margin:26px 0 0">
<p class="ink" style="${INK};margin:0">${escape(codeInstead)}</p>
<p class="ink" dir="ltr" style="${INK};${MONO};font-size:30px;letter-spacing:4px;line-height:1.3;margin:10px 0;white-space:nowrap;word-spacing:-8px">${digits}</p>
<p class="quiet" style="${QUIET};font-size:13px;margin:0">${escape(codeIsSecret)}</p>
</div>`
}

/** Escapes, and makes the support address something to press. */
function withSupport(text: string, support: string | undefined): string {
  if (support === undefined) return escape(text)
  const shown = escape(support)
  const at = support.lastIndexOf('@')
  const href = `mailto:${encodeURIComponent(support.slice(0, at))}@${support.slice(at + 1)}`
  return escape(text).replaceAll(shown, () => `<a href="${escape(href)}" style="color:inherit">${shown}</a>`)
}

function escape(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;')
}
