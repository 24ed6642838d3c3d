/** Emails that were not sent: waiting or failed. */
import { and, desc, eq, isNull, sql } from 'drizzle-orm'
import { outbox } from '../../drizzle/schema.ts'
import { normalizeEmail } from '../../lib/email-address.ts'
import { isId, type Call, type Command, type Outcome } from './call.ts'
import type { Reader } from './database.ts'
import { indented, list, mayBeMore, shown } from './output.ts'

/** Nothing is sent from here: this environment may have another JWT_SECRET, and the link would not work. */
export const WHEN_IT_IS_SENT =
  "It is sent with the app's next email or by maintenance, whichever comes first."

const MAX_EMAILS = 100

export interface UnsentEmail {
  id: string
  kind: string
  recipient: string
  createdAt: Date
  attempts: number
  /** Null for one that has failed. */
  nextAttemptAt: Date | null
  failedAt: Date | null
  linkExpiresAt: Date | null
}

/** Newest first. */
export function readUnsentEmails(reader: Reader, recipient?: string): Promise<UnsentEmail[]> {
  return reader
    .select({
      id: outbox.id,
      kind: outbox.kind,
      recipient: outbox.recipient,
      createdAt: outbox.createdAt,
      attempts: outbox.attempts,
      nextAttemptAt: sql`CASE WHEN ${outbox.failedAt} IS NULL THEN ${outbox.nextAttemptAt} END`.mapWith(
        outbox.nextAttemptAt,
      ),
      failedAt: outbox.failedAt,
      linkExpiresAt: outbox.tokenExpiresAt,
    })
    .from(outbox)
    .where(and(isNull(outbox.sentAt), recipient === undefined ? undefined : eq(outbox.recipient, recipient)))
    .orderBy(desc(outbox.createdAt))
    .limit(MAX_EMAILS)
}

export function emailList(emails: readonly UnsentEmail[]): string {
  return emails
    .map(({ id, kind, recipient, createdAt, attempts, nextAttemptAt, failedAt, linkExpiresAt }) => {
      const lines: [string, string | number | Date | null][] = [
        ['to', recipient],
        ['queued', createdAt],
        ['attempts', attempts],
        failedAt === null ? ['next attempt', nextAttemptAt] : ['failed', failedAt],
      ]
      if (linkExpiresAt !== null) lines.push(['link expires', linkExpiresAt])
      return `${id}  ${kind}\n${indented(list(lines))}`
    })
    .join('\n\n')
}

async function showEmails(call: Call): Promise<Outcome> {
  const database = await call.database()
  const emails = await database.read((reader) => readUnsentEmails(reader))
  return {
    kind: 'done',
    data: { emails },
    text:
      emails.length === 0
        ? 'No email is waiting and none has failed.'
        : emailList(emails) + mayBeMore(emails.length, MAX_EMAILS),
  }
}

async function resend(call: Call): Promise<Outcome> {
  const { argument } = call
  if (argument === undefined || !isId(argument)) {
    return { kind: 'usage-error', message: "Give an email's id; `emails` lists them." }
  }
  const database = await call.database()
  const [email] = await database.read((reader) =>
    reader
      .select({
        id: outbox.id,
        kind: outbox.kind,
        recipient: outbox.recipient,
        createdAt: outbox.createdAt,
        sentAt: outbox.sentAt,
        linkExpiresAt: outbox.tokenExpiresAt,
        isLinkExpired: sql<boolean>`coalesce(${outbox.tokenExpiresAt} <= now(), false)`,
      })
      .from(outbox)
      .where(eq(outbox.id, argument)),
  )
  if (email === undefined) return { kind: 'failed', message: `No email with the id ${argument}.` }
  if (email.sentAt !== null) {
    return { kind: 'failed', message: `It was sent at ${shown(email.sentAt)}. No email is sent twice.` }
  }
  if (email.isLinkExpired) {
    return {
      kind: 'failed',
      message: `Its link expired at ${shown(email.linkExpiresAt)}. The recipient has to request another one.`,
    }
  }
  const response = await call.confirm(
    `Retry email ${email.id}?
${email.kind} to ${shown(email.recipient)}, queued at ${shown(email.createdAt)}`,
  )
  if (response.kind !== 'confirmed') return response
  const { changed } = await database.call('admin_resend_email', {
    email_id: email.id,
    email_normalized: normalizeEmail(email.recipient),
    request: call.request,
  })
  return {
    kind: 'done',
    data: { email: { id: email.id, kind: email.kind, recipient: email.recipient }, requeued: changed },
    text: changed ? `Email ${email.id} is due now.\n${WHEN_IT_IS_SENT}` : 'It has just been sent.',
  }
}

export const emailCommands: Command[] = [
  {
    name: 'emails',
    summary: 'List waiting and failed emails, newest first.',
    run: showEmails,
  },
  {
    name: 'resend',
    argument: '<email id>',
    summary: 'Retry a waiting or failed email now.',
    changes: true,
    run: resend,
  },
]
