/** Accounts, as an operator finds them, shuts them and takes their password away. */
import { sql } from 'drizzle-orm'
import { emailKey } from '../lib/email-address.ts'
import { insertEvent } from '../lib/events.ts'
import { expiryIn, RESET_LINK_LIFETIME_SECONDS } from '../lib/mail-token.ts'
import { attemptsOfRow, forgetAllAttempts } from '../lib/password-attempts.ts'
import { failureWaits } from '../lib/rate-limits.ts'
import { oweResetLink } from '../lib/resets.ts'
import { endSessions } from '../lib/sessions.ts'
import { accountOf, BY_OPERATOR, findAccount, named, NO_PASSWORD, nobody, type Account } from './account.ts'
import type { Call, Command, Outcome } from './call.ts'
import { eventTable, readEvents } from './events.ts'
import { HOW_MAIL_GOES, mailTable, readMails } from './mails.ts'
import { counted, list, shown, table } from './output.ts'

const LAST_EVENTS = 10

interface Attempts {
  /** Whose guesses: anybody's, or a browser's that has signed in before or is signed in. */
  of: 'account' | 'browser-or-session'
  failures: number
  locked: boolean
  nextAttemptAt: Date
}

interface Registration {
  id: string
  email: string
  createdAt: Date
  linkExpiresAt: Date
}

interface Link {
  purpose: string
  expiresAt: Date
}

async function showAccount(call: Call): Promise<Outcome> {
  const { subject } = call
  if (subject === undefined) return { kind: 'misused', words: 'Give an address or an id.' }
  const database = await call.database()
  const account = await findAccount(database, subject)
  const address = account?.email ?? subject
  const registrations = await database.read<Registration>(sql`
    SELECT id, email, created_at AS "createdAt", expires_at AS "linkExpiresAt" FROM registrations
    WHERE email_key = ${emailKey(address.trim())} AND spent_at IS NULL ORDER BY created_at DESC`)
  if (account === undefined) {
    const [newest] = registrations
    if (newest === undefined) return nobody(subject)
    const mails = await readMails(database, newest.email)
    const parts = [
      `No account yet, ${counted(registrations.length, 'registration')} that nobody has confirmed:\n${registrationTable(registrations)}`,
      section('Mails that wait or were given up', mails.length, mailTable(mails)),
    ]
    return {
      kind: 'answer',
      data: { account: null, registrations, mails },
      text: parts.filter((part) => part !== '').join('\n\n'),
    }
  }

  const attempts = await database.read<Attempts>(sql`
    SELECT CASE WHEN key = ${attemptsOfRow('login-account', sql`user_id`)} THEN 'account' ELSE 'browser-or-session' END AS of,
      failures, failures >= ${failureWaits.lockedAt}::int AS locked, next_attempt_at AS "nextAttemptAt"
    FROM password_attempts WHERE user_id = ${account.id}::uuid ORDER BY failures DESC`)
  const links = await database.read<Link>(sql`
    SELECT purpose, expires_at AS "expiresAt" FROM mail_tokens
    WHERE user_id = ${account.id}::uuid AND spent_at IS NULL AND expires_at > now() ORDER BY purpose`)
  const mails = await readMails(database, account.email)
  const events = await readEvents(database, { userId: account.id, limit: LAST_EVENTS })

  const parts = [
    list([
      ['account', account.id],
      ['address', account.email],
      ['role', account.role],
      ['since', account.createdAt],
      ['address confirmed', account.emailVerifiedAt],
      ['disabled', account.disabledAt ?? 'no'],
      ['password', account.hasPassword ? 'set' : 'taken away, needs a reset'],
      ['live sessions', account.liveSessions],
      ['last used', account.lastUsedAt],
    ]),
    section(
      'Wrong passwords in a row',
      attempts.length,
      table(
        ['from', 'failures', 'locked', 'next attempt'],
        attempts.map((row) => [row.of, row.failures, row.locked ? 'yes' : 'no', row.nextAttemptAt]),
      ),
    ),
    section(
      'Registrations that nobody has confirmed',
      registrations.length,
      registrationTable(registrations),
    ),
    section(
      'Links that are good',
      links.length,
      table(
        ['for', 'until'],
        links.map((link) => [link.purpose, link.expiresAt]),
      ),
    ),
    section('Mails that wait or were given up', mails.length, mailTable(mails)),
    section('Last events', events.length, eventTable(events)),
  ]
  return {
    kind: 'answer',
    data: { account, attempts, registrations, links, mails, events },
    text: parts.filter((part) => part !== '').join('\n\n'),
  }
}

function section(heading: string, count: number, content: string): string {
  return count === 0 ? '' : `${heading}:\n${content}`
}

function registrationTable(registrations: Registration[]): string {
  return table(
    ['registration', 'since', 'link until'],
    registrations.map((row) => [row.id, row.createdAt, row.linkExpiresAt]),
  )
}

/** Accounts are locked before their sessions, as everywhere; what follows then sees each session that a racing login opened. */
const lockAccount = (id: string) => sql`SELECT FROM users WHERE id = ${id}::uuid FOR NO KEY UPDATE`

async function disable(call: Call): Promise<Outcome> {
  const found = await accountOf(call)
  if (found.kind !== 'found') return found
  const { account, database } = found
  if (account.disabledAt !== null && account.liveSessions === 0) {
    return changed(
      account,
      { disabled: false, endedSessions: 0 },
      `It is disabled since ${shown(account.disabledAt)}.`,
    )
  }
  const refused = await call.confirm(
    `Disable ${named(account)} and end ${counted(account.liveSessions, 'live session')}. Nobody can sign in to it before it is enabled.`,
  )
  if (refused) return refused
  const [row] = await database.change<{ changed: boolean; ended: number }>(
    lockAccount(account.id),
    sql`WITH account AS (
      UPDATE users SET disabled_at = now(), updated_at = now()
      WHERE id = ${account.id}::uuid AND disabled_at IS NULL
      RETURNING id
    ),
    event AS (${insertEvent('account-disabled', call.client, { userId: sql`id`, detail: BY_OPERATOR }, sql`FROM account`)}),
    ${endSessions(sql`user_id = ${account.id}::uuid`, 'operator', call.client)}
    SELECT EXISTS (SELECT FROM account) AS changed, (SELECT count(*)::int FROM ended) AS ended`,
  )
  const { changed: disabled = false, ended = 0 } = row ?? {}
  return changed(
    account,
    { disabled, endedSessions: ended },
    `${named(account)} is disabled; ${counted(ended, 'session')} ended.`,
  )
}

async function enable(call: Call): Promise<Outcome> {
  const found = await accountOf(call)
  if (found.kind !== 'found') return found
  const { account, database } = found
  if (account.disabledAt === null) return changed(account, { enabled: false }, 'It is not disabled.')
  const refused = await call.confirm(
    `Enable ${named(account)}, disabled since ${shown(account.disabledAt)}. Its owner can sign in again.`,
  )
  if (refused) return refused
  const rows = await database.change(sql`
    WITH account AS (
      UPDATE users SET disabled_at = NULL, updated_at = now()
      WHERE id = ${account.id}::uuid AND disabled_at IS NOT NULL
      RETURNING id
    ),
    event AS (${insertEvent('account-enabled', call.client, { userId: sql`id`, detail: BY_OPERATOR }, sql`FROM account`)})
    SELECT id FROM account`)
  return changed(account, { enabled: rows.length > 0 }, `${named(account)} is enabled.`)
}

async function forceReset(call: Call): Promise<Outcome> {
  const found = await accountOf(call)
  if (found.kind !== 'found') return found
  const { account, database } = found
  const mailWords =
    account.disabledAt === null
      ? 'a link for a new one is mailed'
      : 'no mail goes, as the account is disabled'
  const refused = await call.confirm(
    `Take the password of ${named(account)} away and end ${counted(account.liveSessions, 'live session')}; ${mailWords}.`,
  )
  if (refused) return refused
  const expiresAt = expiryIn(RESET_LINK_LIFETIME_SECONDS)
  const [row] = await database.change<{ ended: number; mail: string | null }>(
    lockAccount(account.id),
    sql`WITH locked AS (
      UPDATE users SET password_hash = ${NO_PASSWORD}, updated_at = now()
      WHERE id = ${account.id}::uuid
      RETURNING id, email, disabled_at
    ),
    account AS (SELECT id, email FROM locked WHERE disabled_at IS NULL),
    unlocked AS (${forgetAllAttempts(sql`(SELECT id FROM locked)`)}),
    ${oweResetLink('reset-required', expiresAt)},
    ${endSessions(sql`user_id = ${account.id}::uuid`, 'operator', call.client)},
    lock_event AS (${insertEvent('password-locked', call.client, { userId: sql`id`, detail: BY_OPERATOR }, sql`FROM locked`)}),
    link_event AS (${insertEvent('reset-requested', call.client, { userId: sql`id`, detail: BY_OPERATOR }, sql`FROM account`)})
    SELECT FROM locked`,
    // No function is on its way with it, so it need not wait for one.
    sql`WITH due AS (
      UPDATE outbox SET next_attempt_at = now()
      WHERE kind = 'reset-required' AND sent_at IS NULL AND failed_at IS NULL
        AND token_id = (SELECT id FROM mail_tokens WHERE user_id = ${account.id}::uuid AND purpose = 'reset')
      RETURNING id
    )
    SELECT (SELECT id FROM due) AS mail,
      (SELECT count(*)::int FROM sessions WHERE user_id = ${account.id}::uuid AND revoked_at = now()) AS ended`,
  )
  const { ended = 0, mail = null } = row ?? {}
  const lines = [
    `The password of ${named(account)} opens nothing any more; ${counted(ended, 'session')} ended.`,
    mail === null
      ? 'No mail goes: the account is disabled.'
      : `Mail ${mail} waits, with a link that is good until ${shown(expiresAt)}: see that it goes before then. ${HOW_MAIL_GOES}`,
  ]
  return changed(
    account,
    { endedSessions: ended, mail, linkExpiresAt: mail === null ? null : expiresAt },
    lines.join('\n'),
  )
}

function changed({ id, email }: Account, what: object, text: string): Outcome {
  return { kind: 'answer', data: { account: { id, email }, ...what }, text }
}

export const accountCommands: Command[] = [
  {
    name: 'account',
    takes: '<address or id>',
    summary: 'An account: its state, wrong passwords, links, mails and last events.',
    run: showAccount,
  },
  {
    name: 'disable',
    takes: '<address or id>',
    summary: 'Shuts an account and ends its sessions.',
    changes: true,
    run: disable,
  },
  {
    name: 'enable',
    takes: '<address or id>',
    summary: 'Opens an account that was disabled. Its sessions do not come back.',
    changes: true,
    run: enable,
  },
  {
    name: 'force-reset',
    takes: '<address or id>',
    summary: 'Takes the password away, ends all sessions and mails a link for a new one.',
    changes: true,
    run: forceReset,
  },
]
