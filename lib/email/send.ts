/** Sends one email through Resend. The SDK is loaded only when there is an email to send: it is no part of a cold start. */
import { normalizeEmail } from '../email-address.ts'
import { environment } from '../env.ts'
import type { Message } from './messages.ts'

const EMAIL_TIMEOUT_MS = 10_000

export type Delivery =
  | { kind: 'sent'; providerId: string | null }
  /** Worth another try: the provider was away, busy or refused our key. */
  | { kind: 'later'; reason: string }
  /** The provider will not take this email, however often it is offered. */
  | { kind: 'never'; reason: string }
  /** We do not offer it: nobody is written to who is not in `EMAIL_ALLOW`. */
  | { kind: 'held'; reason: string }

/** `allowed` are comparison forms of addresses, or `@` and a domain; undefined: everybody. */
function isAllowed(recipient: string, allowed: readonly string[] | undefined): boolean {
  if (allowed === undefined) return true
  const key = normalizeEmail(recipient)
  return allowed.includes(key) || allowed.includes(key.slice(key.lastIndexOf('@')))
}

/** `idempotencyKey` makes a second try of the same email harmless for 24 hours. */
export async function sendEmail(
  recipient: string,
  message: Message,
  idempotencyKey: string,
): Promise<Delivery> {
  const { resendApiKey, emailFrom, emailAllow } = environment()
  if (!isAllowed(recipient, emailAllow))
    return { kind: 'held', reason: 'the recipient is not in EMAIL_ALLOW' }
  const { Resend } = await import('resend')
  // The SDK hands to `fetch` whatever it is given. An email has a token in it: it goes to no address but the provider's own.
  const options = { idempotencyKey, signal: AbortSignal.timeout(EMAIL_TIMEOUT_MS), redirect: 'error' }
  const { data, error } = await new Resend(resendApiKey).emails.send(
    { from: emailFrom, to: recipient, subject: message.subject, text: message.text, html: message.html },
    options,
  )
  if (error === null) return { kind: 'sent', providerId: data.id }
  const reason = `${error.statusCode ?? 'no response'} ${error.name}`
  // The key was used for this very email before, when its words were others: it has gone out.
  if (error.name === 'invalid_idempotent_request') return { kind: 'sent', providerId: null }
  // A 400 may speak of our key, and a key can be fixed.
  return { kind: error.statusCode === 422 ? 'never' : 'later', reason }
}
