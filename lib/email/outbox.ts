/**
 * Delivers queued email. The row is written in the transaction that causes the email; it is sent after the response, and
 * by maintenance where that didn't happen. The row's id is the idempotency key, so no try sends it twice.
 */
import { waitUntil } from '../wait-until.ts'
import { call } from '../db/call.ts'
import { claimEmails, recordDelivery, waitingEmails, type QueuedEmail, type Results } from '../db/engine.ts'
import { environment } from '../env.ts'
import { log } from '../log.ts'
import type { Delivery } from './send.ts'

/** Well within the time a function may take: what is left is due again the next time. */
const DELIVERY_TIME_MS = 40_000

/** How the tries of one run ended. */
export interface DeliveryReport {
  sent: number
  waiting: number
  failed: number
  /** Not offered, as the recipient is not in `EMAIL_ALLOW`. */
  held: number
}

export type WaitingEmails = Omit<Results['waiting_emails'], 'kind'>

export async function deliverAfterResponse(emails: readonly QueuedEmail[]): Promise<void> {
  if (emails.length > 0) await waitUntil(() => deliver(emails))
}

/**
 * Sends emails and records how it went. While sending goes well it also takes along what others left waiting, so an email
 * that failed once goes with the next one and needn't wait for maintenance. Never throws: what didn't go is tried again.
 */
async function deliver(emails: readonly QueuedEmail[]): Promise<DeliveryReport> {
  const report: DeliveryReport = { sent: 0, waiting: 0, failed: 0, held: 0 }
  const deadline = Date.now() + DELIVERY_TIME_MS
  const queue = [...emails]
  for (let email = queue.shift(); email !== undefined && Date.now() < deadline; email = queue.shift()) {
    const { outcome, due } = await deliverOne(email)
    report[outcome] += 1
    queue.push(...due)
  }
  return report
}

/** Delivers the emails that are due. Two of these may run at once: a row goes to one of them only. */
export async function deliverWaiting(): Promise<DeliveryReport> {
  const { emails } = await call(claimEmails, { is_production: isProduction() })
  return deliver(emails)
}

export async function countWaiting(): Promise<WaitingEmails> {
  const { waiting, oldestWaitingSeconds } = await call(waitingEmails, {})
  return { waiting, oldestWaitingSeconds }
}

interface DeliveredOne {
  outcome: keyof DeliveryReport
  due: QueuedEmail[]
}

async function deliverOne(email: QueuedEmail): Promise<DeliveredOne> {
  try {
    const delivery = await send(email)
    const { kind } = delivery
    if (kind === 'held') log('info', 'email-held', { emailId: email.id, reason: delivery.reason })
    else if (kind !== 'sent') log('warn', 'email-not-sent', { emailId: email.id, reason: delivery.reason })
    return await record(email, delivery)
  } catch (error) {
    log('error', 'email-not-recorded', {
      emailId: email.id,
      reason: error instanceof Error ? error.message : 'unknown',
    })
    return { outcome: 'waiting', due: [] }
  }
}

/** A link that has expired on the way helps nobody: its recipient asks for another one. */
async function send({ id, kind, recipient, tokenId, tokenExpiresAt }: QueuedEmail): Promise<Delivery> {
  const token =
    tokenId === null || tokenExpiresAt === null
      ? null
      : { id: tokenId, expiresAt: new Date(tokenExpiresAt * 1000) }
  if (token !== null && token.expiresAt.getTime() <= Date.now()) {
    return { kind: 'never', reason: 'the link has expired' }
  }
  try {
    // Loaded with the first email: neither templates nor words are part of a cold start.
    const [{ sendEmail }, { composeMessage }] = await Promise.all([
      import('./send.ts'),
      import('./messages.ts'),
    ])
    return await sendEmail(recipient, await composeMessage(kind, token), id)
  } catch (error) {
    // A kind that these functions don't know yet, after a rollback: newer ones may.
    return { kind: 'later', reason: error instanceof Error ? error.name : 'unknown' }
  }
}

/** Records how a try ended and, where it went well, claims a few others that are due. */
async function record(email: QueuedEmail, delivery: Delivery): Promise<DeliveredOne> {
  const { failed, due } = await call(recordDelivery, {
    email_id: email.id,
    outcome: delivery.kind,
    provider_id: delivery.kind === 'sent' ? delivery.providerId : null,
    reason: delivery.kind === 'sent' ? null : delivery.reason,
    is_production: isProduction(),
  })
  const others = due.filter(({ id }) => id !== email.id)
  if (delivery.kind === 'sent') return { outcome: 'sent', due: others }
  if (!failed) return { outcome: 'waiting', due: others }
  return { outcome: delivery.kind === 'held' ? 'held' : 'failed', due: others }
}

/** What waits in production's database, or in a copy of it such as a Neon branch, is production's to send. */
function isProduction(): boolean {
  return environment().stage === 'production'
}
