/**
 * The outbox. The row is written in the statement that causes the mail; the mail is sent after the answer, and by
 * maintenance when that did not come about. The row's id is the idempotency key, so no try sends it twice.
 */
import { sql, type SQL } from 'drizzle-orm'
import { v7 as newId } from 'uuid'
import { run } from './database.ts'
import { log } from './log.ts'
import { sendMail } from './mail.ts'
import type { MailToken } from './mail-token.ts'
import { composeMessage, type MailKind } from './messages.ts'

/** A mail that is owed, as the outbox has it. */
export interface OwedMail {
  id: string
  kind: MailKind
  recipient: string
  token: MailToken | null
}

export interface OwedMailRow {
  id: string
  kind: MailKind
  recipient: string
  token_id: string | null
  token_expires_at: string | null
}

/** How long maintenance leaves a new mail to the function that caused it. */
const FIRST_TRY_SECONDS = 60
const FIRST_BACKOFF_SECONDS = 60
const LONGEST_BACKOFF_SECONDS = 3 * 60 * 60
const GIVE_UP_AFTER_SECONDS = 24 * 60 * 60
const BATCH_SIZE = 20
/** Well within the time a function may take: what is left is due again the next time. */
const MAINTENANCE_TIME_MS = 40_000

const OWED_COLUMNS = sql.raw('id, kind, recipient, token_id, token_expires_at')

export interface MailColumns {
  recipient: SQL
  /** What the mail's link is sealed over: the row the token stands for and when it expires. */
  tokenId?: SQL
  tokenExpiresAt?: SQL
}

/** `INSERT INTO outbox … SELECT … {from} RETURNING …`: one mail for each row that `from` (a `FROM` clause) yields. */
export function insertMail(kind: MailKind, columns: MailColumns, from: SQL): SQL {
  const { recipient, tokenId = sql`NULL`, tokenExpiresAt = sql`NULL` } = columns
  return sql`INSERT INTO outbox (id, kind, recipient, token_id, token_expires_at, next_attempt_at)
    SELECT ${newId()}::uuid, ${kind}, ${recipient}, ${tokenId}::uuid, ${tokenExpiresAt}::timestamptz,
      now() + make_interval(secs => ${FIRST_TRY_SECONDS}) ${from}
    RETURNING ${OWED_COLUMNS}`
}

export function owedMail(row: OwedMailRow): OwedMail {
  const { id, kind, recipient, token_id: tokenId, token_expires_at: tokenExpiresAt } = row
  const token =
    tokenId === null || tokenExpiresAt === null ? null : { id: tokenId, expiresAt: new Date(tokenExpiresAt) }
  return { id, kind, recipient, token }
}

/** Sends a mail and marks its row. Never throws: what did not go is tried again by maintenance. */
export async function deliver(mail: OwedMail): Promise<'sent' | 'waiting' | 'given-up'> {
  try {
    const delivery = await sendMail(mail.recipient, composeMessage(mail.kind, mail.token), mail.id)
    if (delivery.kind === 'sent') {
      await run(sql`UPDATE outbox SET sent_at = now(), provider_id = ${delivery.providerId}, attempts = attempts + 1
        WHERE id = ${mail.id}::uuid AND sent_at IS NULL`)
      return 'sent'
    }
    log('warn', 'mail-not-sent', { mailId: mail.id, reason: delivery.reason })
    return await postpone(mail, delivery.kind === 'never', delivery.reason)
  } catch (error) {
    log('error', 'mail-not-marked', {
      mailId: mail.id,
      reason: error instanceof Error ? error.message : 'unknown',
    })
    return 'waiting'
  }
}

async function postpone(mail: OwedMail, never: boolean, reason: string): Promise<'waiting' | 'given-up'> {
  const [row] = await run<{ given_up: boolean }>(sql`
    WITH tried AS (
      UPDATE outbox SET
        attempts = attempts + 1,
        next_attempt_at = now() + make_interval(secs => least(${LONGEST_BACKOFF_SECONDS}, ${FIRST_BACKOFF_SECONDS} * power(2, least(attempts, 12)))),
        failed_at = CASE WHEN ${never} OR created_at <= now() - make_interval(secs => ${GIVE_UP_AFTER_SECONDS}) THEN now() END
      WHERE id = ${mail.id}::uuid AND sent_at IS NULL AND failed_at IS NULL
      RETURNING id, failed_at IS NOT NULL AS given_up
    ), event AS (
      INSERT INTO events (kind, detail)
      SELECT 'mail-given-up', jsonb_build_object('mail', id, 'reason', ${reason}::text) FROM tried WHERE given_up
    )
    SELECT given_up FROM tried`)
  return row?.given_up === true ? 'given-up' : 'waiting'
}

export interface WaitingMailReport {
  sent: number
  waiting: number
  givenUp: number
}

/** Delivers the mails that are due. Two of these may run at once: a row goes to one of them only. */
export async function deliverWaitingMail(): Promise<WaitingMailReport> {
  const report: WaitingMailReport = { sent: 0, waiting: 0, givenUp: 0 }
  const deadline = Date.now() + MAINTENANCE_TIME_MS
  for (;;) {
    // Claiming moves the next try ahead, so a claim that dies with its function comes back by itself.
    const rows = await run<OwedMailRow>(sql`
      UPDATE outbox SET next_attempt_at = now() + make_interval(secs => ${FIRST_TRY_SECONDS})
      WHERE id IN (
        SELECT id FROM outbox WHERE sent_at IS NULL AND failed_at IS NULL AND next_attempt_at <= now()
        ORDER BY next_attempt_at LIMIT ${BATCH_SIZE} FOR UPDATE SKIP LOCKED)
      RETURNING ${OWED_COLUMNS}`)
    for (const row of rows) {
      if (Date.now() > deadline) return report
      const outcome = await deliver(owedMail(row))
      if (outcome === 'sent') report.sent += 1
      else if (outcome === 'waiting') report.waiting += 1
      else report.givenUp += 1
    }
    if (rows.length < BATCH_SIZE) return report
  }
}
