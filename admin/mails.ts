/** Mails that wait or were given up. */
import { sql } from 'drizzle-orm'
import { emailKey } from '../lib/email-address.ts'
import { insertEvent } from '../lib/events.ts'
import { isId, type Call, type Command, type Outcome } from './call.ts'
import type { Database } from './database.ts'
import { shown, table } from './output.ts'

/** This program sends no mail itself: its environment may have another secret than the deployment, and the link would not open. */
export const HOW_MAIL_GOES =
  'It goes with the next mail that the app sends, or when maintenance runs (docs/operator.md says how to run it now).'

const MOST_MAILS = 100

export interface Mail {
  id: string
  kind: string
  recipient: string
  createdAt: Date
  attempts: number
  /** Null for one that was given up. */
  nextAttemptAt: Date | null
  givenUpAt: Date | null
  linkExpiresAt: Date | null
}

/** The newest come first. */
export function readMails(database: Database, recipient?: string): Promise<Mail[]> {
  return database.read<Mail>(sql`
    SELECT id, kind, recipient, created_at AS "createdAt", attempts,
      CASE WHEN failed_at IS NULL THEN next_attempt_at END AS "nextAttemptAt", failed_at AS "givenUpAt",
      token_expires_at AS "linkExpiresAt"
    FROM outbox WHERE sent_at IS NULL AND ${recipient === undefined ? sql`true` : sql`recipient = ${recipient}`}
    ORDER BY created_at DESC LIMIT ${MOST_MAILS}`)
}

export function mailTable(mails: Mail[]): string {
  return table(
    ['mail', 'kind', 'to', 'since', 'tries', 'next try', 'given up', 'link until'],
    mails.map((mail) => [
      mail.id,
      mail.kind,
      mail.recipient,
      mail.createdAt,
      mail.attempts,
      mail.nextAttemptAt,
      mail.givenUpAt,
      mail.linkExpiresAt,
    ]),
  )
}

async function showMails(call: Call): Promise<Outcome> {
  const mails = await readMails(await call.database())
  const more = mails.length === MOST_MAILS ? `\n\nThere may be more: these are the newest ${MOST_MAILS}.` : ''
  return {
    kind: 'answer',
    data: { mails },
    text: mails.length === 0 ? 'None waits and none was given up.' : `${mailTable(mails)}${more}`,
  }
}

interface Candidate extends Mail {
  sentAt: Date | null
  linkExpired: boolean
}

async function resend(call: Call): Promise<Outcome> {
  const { subject } = call
  if (subject === undefined || !isId(subject)) {
    return { kind: 'misused', words: "Give a mail's id; `mails` lists them." }
  }
  const database = await call.database()
  const [mail] = await database.read<Candidate>(sql`
    SELECT id, kind, recipient, created_at AS "createdAt", sent_at AS "sentAt", failed_at AS "givenUpAt",
      coalesce(token_expires_at <= now(), false) AS "linkExpired", token_expires_at AS "linkExpiresAt"
    FROM outbox WHERE id = ${subject}::uuid`)
  if (mail === undefined) return { kind: 'not-done', words: `There is no mail ${subject}.` }
  if (mail.sentAt !== null) {
    return { kind: 'not-done', words: `It went at ${shown(mail.sentAt)}. No mail is sent twice.` }
  }
  if (mail.linkExpired) {
    return {
      kind: 'not-done',
      words: `Its link expired at ${shown(mail.linkExpiresAt)}: whoever waits for it has to ask for another one.`,
    }
  }
  const refused = await call.confirm(
    `Try mail ${mail.id} (${mail.kind}, to ${shown(mail.recipient)}, since ${shown(mail.createdAt)}) again.`,
  )
  if (refused) return refused
  const account = sql`(SELECT id FROM users WHERE email_key = ${emailKey(mail.recipient)})`
  const rows = await database.change(sql`
    WITH mail AS (
      UPDATE outbox SET failed_at = NULL, attempts = 0, next_attempt_at = now()
      WHERE id = ${mail.id}::uuid AND sent_at IS NULL
      RETURNING id
    ),
    event AS (${insertEvent(
      'mail-requeued',
      call.client,
      { userId: account, detail: sql`jsonb_build_object('mail', id, 'by', 'operator')` },
      sql`FROM mail`,
    )})
    SELECT id FROM mail`)
  return {
    kind: 'answer',
    data: { mail: { id: mail.id, kind: mail.kind, recipient: mail.recipient }, requeued: rows.length > 0 },
    text: rows.length > 0 ? `Mail ${mail.id} is due. ${HOW_MAIL_GOES}` : 'It has just gone.',
  }
}

export const mailCommands: Command[] = [
  {
    name: 'mails',
    summary: 'The mails that wait or were given up, the newest first.',
    run: showMails,
  },
  {
    name: 'resend',
    takes: '<mail id>',
    summary: 'Makes a mail that waits or was given up due at once.',
    changes: true,
    run: resend,
  },
]
