/**
 * The outbox. The row is written in the statement that causes the mail; the mail is sent after the answer, and by
 * maintenance when that did not come about. The row's id is the idempotency key, so no try sends it twice.
 */
import { sql, type SQL } from 'drizzle-orm'
import { v7 as newId } from 'uuid'
import { run } from './database.ts'
import { environment } from './env.ts'
import { log } from './log.ts'
import { sendMail, type Delivery } from './mail.ts'
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
const MAINTENANCE_BATCH_SIZE = 20
/** How many waiting mails a mail that went well takes along. */
const TAKEN_ALONG = 3
/** Well within the time a function may take: what is left is due again the next time. */
const DELIVERY_TIME_MS = 40_000

const OWED_COLUMNS = sql.raw('id, kind, recipient, token_id, token_expires_at')

export interface MailColumns {
  recipient: SQL
  /** Of what the mail is about, where it is owed once at most: a second mail of that id is not written. */
  id?: SQL
  /** What the mail's link is sealed over: the row the token stands for and when it expires. */
  tokenId?: SQL
  tokenExpiresAt?: SQL
}

/** `INSERT INTO outbox … SELECT … {from} RETURNING …`: one mail for each row that `from` (a `FROM` clause) yields. */
export function insertMail(kind: MailKind, columns: MailColumns, from: SQL): SQL {
  const { recipient, id = sql`${newId()}::uuid`, tokenId = sql`NULL`, tokenExpiresAt = sql`NULL` } = columns
  return sql`INSERT INTO outbox (id, kind, recipient, token_id, token_expires_at, next_attempt_at)
    SELECT ${id}, ${kind}, ${recipient}, ${tokenId}::uuid, ${tokenExpiresAt}::timestamptz,
      now() + make_interval(secs => ${FIRST_TRY_SECONDS}) ${from}
    ON CONFLICT (id) DO NOTHING
    RETURNING ${OWED_COLUMNS}`
}

export function owedMail(row: OwedMailRow): OwedMail {
  const { id, kind, recipient, token_id: tokenId, token_expires_at: tokenExpiresAt } = row
  const token =
    tokenId === null || tokenExpiresAt === null ? null : { id: tokenId, expiresAt: new Date(tokenExpiresAt) }
  return { id, kind, recipient, token }
}

/** How the tries of one run ended. */
export interface DeliveryReport {
  sent: number
  waiting: number
  givenUp: number
  /** Kept back, as the recipient is not in `MAIL_ALLOW`. */
  held: number
}

/** What waits now, whoever caused it. */
export interface WaitingMail {
  waiting: number
  /** How long the oldest of them has waited; null when none waits. */
  oldestWaitingSeconds: number | null
}

/**
 * Sends mails and marks their rows. While sending goes well it also takes along what others left waiting, so a mail that
 * failed once goes with the next one and need not wait for maintenance. Never throws: what did not go is tried again.
 */
export async function deliver(...mails: OwedMail[]): Promise<DeliveryReport> {
  const report: DeliveryReport = { sent: 0, waiting: 0, givenUp: 0, held: 0 }
  const deadline = Date.now() + DELIVERY_TIME_MS
  const queue = [...mails]
  for (let mail = queue.shift(); mail !== undefined && Date.now() < deadline; mail = queue.shift()) {
    const { outcome, due } = await deliverOne(mail)
    report[outcome] += 1
    queue.push(...due)
  }
  return report
}

/** Delivers the mails that are due. Two of these may run at once: a row goes to one of them only. */
export async function deliverWaitingMail(): Promise<DeliveryReport> {
  const rows = await run<OwedMailRow>(sql`${claimDue(sql`true`, MAINTENANCE_BATCH_SIZE)}`)
  return deliver(...rows.map(owedMail))
}

/** The index of what waits has just these rows. */
export async function waitingMail(): Promise<WaitingMail> {
  const [row] = await run<{ waiting: number; oldest: number | null }>(sql`
    SELECT count(*)::int AS waiting, floor(extract(epoch FROM now() - min(created_at)))::int AS oldest
    FROM outbox WHERE sent_at IS NULL AND failed_at IS NULL`)
  return { waiting: row?.waiting ?? 0, oldestWaitingSeconds: row?.oldest ?? null }
}

interface DeliveredOne {
  outcome: keyof DeliveryReport
  due: OwedMail[]
}

async function deliverOne(mail: OwedMail): Promise<DeliveredOne> {
  try {
    const delivery = await send(mail)
    const { kind } = delivery
    if (kind === 'held') log('info', 'mail-held', { mailId: mail.id, reason: delivery.reason })
    else if (kind !== 'sent') log('warn', 'mail-not-sent', { mailId: mail.id, reason: delivery.reason })
    return await mark(mail, delivery)
  } catch (error) {
    log('error', 'mail-not-marked', {
      mailId: mail.id,
      reason: error instanceof Error ? error.message : 'unknown',
    })
    return { outcome: 'waiting', due: [] }
  }
}

/** A link that has expired on the way helps nobody: whoever waits for it has asked for another one. */
async function send(mail: OwedMail): Promise<Delivery> {
  if (mail.token !== null && mail.token.expiresAt.getTime() <= Date.now()) {
    return { kind: 'never', reason: 'the link has expired' }
  }
  try {
    return await sendMail(mail.recipient, await composeMessage(mail.kind, mail.token), mail.id)
  } catch (error) {
    // A kind that these functions do not know yet, after a rollback: newer ones may.
    return { kind: 'later', reason: error instanceof Error ? error.name : 'unknown' }
  }
}

/** Writes down how a try ended and, when it went well, claims a few others that are due: one statement. */
async function mark(mail: OwedMail, delivery: Delivery): Promise<DeliveredOne> {
  const sent = delivery.kind === 'sent'
  const held = delivery.kind === 'held'
  const reason = delivery.kind === 'sent' ? null : delivery.reason
  const backoff = sql`least(${LONGEST_BACKOFF_SECONDS}::float8, ${FIRST_BACKOFF_SECONDS} * power(2, least(attempts, 12)))`
  const rows = await run<OwedMailRow & { is_over: boolean }>(sql`
    WITH tried AS (
      UPDATE outbox SET sent_at = CASE WHEN ${sent} THEN now() END,
        provider_id = ${delivery.kind === 'sent' ? delivery.providerId : null},
        attempts = attempts + 1,
        next_attempt_at = now() + make_interval(secs => ${backoff}),
        failed_at = CASE WHEN NOT ${sent} AND
          (${delivery.kind === 'never' || held} OR created_at <= now() - make_interval(secs => ${GIVE_UP_AFTER_SECONDS})) THEN now() END
      WHERE id = ${mail.id}::uuid AND sent_at IS NULL AND failed_at IS NULL
      RETURNING id, failed_at IS NOT NULL AS is_over
    ), event AS (
      INSERT INTO events (kind, detail)
      SELECT ${held ? 'mail-held' : 'mail-given-up'}::text, jsonb_build_object('mail', id, 'reason', ${reason}::text)
      FROM tried WHERE is_over
    ), due AS (${claimDue(sql`${sent} AND id <> ${mail.id}::uuid`, TAKEN_ALONG)})
    SELECT coalesce((SELECT is_over FROM tried), false) AS is_over, due.* FROM (SELECT) AS always LEFT JOIN due ON true`)
  const due = rows.flatMap((row) => (row.id === null ? [] : [owedMail(row)]))
  if (sent) return { outcome: 'sent', due }
  if (rows[0]?.is_over !== true) return { outcome: 'waiting', due }
  return { outcome: held ? 'held' : 'givenUp', due }
}

/**
 * Claiming moves the next try ahead, so a claim that dies with its function comes back by itself. What waits in production's database,
 * or in a copy of it such as a Neon branch, is production's to send: anybody else sends there only what they have just caused.
 */
function claimDue(condition: SQL, limit: number): SQL {
  const isOurs =
    environment().stage === 'production' ? sql`true` : sql`NOT EXISTS (SELECT FROM production_database)`
  return sql`UPDATE outbox SET next_attempt_at = now() + make_interval(secs => ${FIRST_TRY_SECONDS})
    WHERE id IN (
      SELECT id FROM outbox
      WHERE sent_at IS NULL AND failed_at IS NULL AND next_attempt_at <= now() AND ${isOurs} AND ${condition}
      ORDER BY next_attempt_at LIMIT ${limit} FOR UPDATE SKIP LOCKED)
    RETURNING ${OWED_COLUMNS}`
}
