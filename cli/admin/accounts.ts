/** Accounts: show one, disable and enable it, set its role, remove its password. */
import { and, desc, eq, gt, isNull, sql } from 'drizzle-orm'
import { loginAttempts, oneTimeTokens, registrations } from '../../drizzle/schema.ts'
import { normalizeEmail } from '../../lib/email-address.ts'
import { lifetimeSeconds, maximum } from '../../lib/limits.ts'
import { accountOf, deletedMeanwhile, described, findAccount, noAccount, type Account } from './account.ts'
import { optionOf, type Call, type Command, type Outcome } from './call.ts'
import type { Reader } from './database.ts'
import { emailList, readUnsentEmails, WHEN_IT_IS_SENT } from './emails.ts'
import { eventList, selectEvents } from './events.ts'
import { counted, list, shown, table } from './output.ts'

const LAST_EVENTS = 10
const NO_EMAIL = 'The account is disabled, so no email is sent.'
const ACCESS_TOKEN_MINUTES = lifetimeSeconds.accessToken / 60

async function showAccount(call: Call): Promise<Outcome> {
  const { argument } = call
  if (argument === undefined)
    return { kind: 'usage-error', message: 'Give an email address or an account id.' }
  const database = await call.database()
  return database.read(async (reader) => {
    const account = await findAccount(reader, argument)
    return account === undefined ? showRegistrations(reader, argument) : showFound(reader, account)
  })
}

async function showRegistrations(reader: Reader, address: string): Promise<Outcome> {
  const pending = await pendingRegistrations(reader, address)
  const [newest] = pending
  if (newest === undefined) return noAccount(address)
  const emails = await readUnsentEmails(reader, newest.email)
  return {
    kind: 'done',
    data: { account: null, registrations: pending, emails },
    text: sections([
      ['No account yet, but pending registrations', registrationTable(pending)],
      ['Unsent emails', emailList(emails)],
    ]),
  }
}

async function showFound(reader: Reader, account: Account): Promise<Outcome> {
  const attempts = await failedLogins(reader, account)
  const pending = await pendingRegistrations(reader, account.email)
  const links = await validLinks(reader, account)
  const emails = await readUnsentEmails(reader, account.email)
  const events = await selectEvents(reader, { userId: account.id, limit: LAST_EVENTS })
  const text = sections([
    [
      '',
      list([
        ['account', account.id],
        ['email', account.email],
        ['role', account.role],
        ['created', account.createdAt],
        ['email verified', account.emailVerifiedAt],
        ['disabled', account.disabledAt ?? 'no'],
        ['password', account.hasPassword ? 'set' : 'none'],
        ['live sessions', account.liveSessions],
        ['last used', account.lastUsedAt],
      ]),
    ],
    [
      'Failed logins in a row',
      table(
        ['counted for', 'failures', 'locked', 'next attempt'],
        attempts.map((row) => [row.countedFor, row.failures, row.locked ? 'yes' : 'no', row.nextAttemptAt]),
      ),
      attempts.length,
    ],
    ['Pending registrations', registrationTable(pending)],
    [
      'Valid links',
      table(
        ['purpose', 'expires'],
        links.map((link) => [link.purpose, link.expiresAt]),
      ),
      links.length,
    ],
    ['Unsent emails', emailList(emails)],
    ['Last events', eventList(events, { account: false })],
  ])
  return { kind: 'done', data: { account, attempts, registrations: pending, links, emails, events }, text }
}

/** The sections that have content, each under its heading. */
function sections(parts: readonly (readonly [heading: string, content: string, rows?: number])[]): string {
  return parts
    .filter(([, content, rows = 1]) => content !== '' && rows > 0)
    .map(([heading, content]) => (heading === '' ? content : `${heading}:\n${content}`))
    .join('\n\n')
}

/** Failures are counted for the account, and for each browser with its device cookie and each session on its own. */
function failedLogins(reader: Reader, { id }: Account) {
  return reader
    .select({
      countedFor: sql<'account' | 'device-or-session'>`
        CASE WHEN ${loginAttempts.key} = latchkey.subject_key('login-account', ${id}) THEN 'account'
          ELSE 'device-or-session' END`,
      failures: loginAttempts.failures,
      locked: sql<boolean>`${loginAttempts.failures} >= ${maximum.lockedAt}`,
      nextAttemptAt: loginAttempts.nextAttemptAt,
    })
    .from(loginAttempts)
    .where(eq(loginAttempts.userId, id))
    .orderBy(desc(loginAttempts.failures))
}

interface Registration {
  id: string
  email: string
  createdAt: Date
  linkExpiresAt: Date
}

function pendingRegistrations(reader: Reader, address: string): Promise<Registration[]> {
  return reader
    .select({
      id: registrations.id,
      email: registrations.email,
      createdAt: registrations.createdAt,
      linkExpiresAt: registrations.expiresAt,
    })
    .from(registrations)
    .where(
      and(
        eq(registrations.emailNormalized, normalizeEmail(address.trim())),
        isNull(registrations.consumedAt),
      ),
    )
    .orderBy(desc(registrations.createdAt))
}

function registrationTable(rows: readonly Registration[]): string {
  if (rows.length === 0) return ''
  return table(
    ['registration', 'created', 'link expires'],
    rows.map((row) => [row.id, row.createdAt, row.linkExpiresAt]),
  )
}

function validLinks(reader: Reader, { id }: Account) {
  return reader
    .select({ purpose: oneTimeTokens.purpose, expiresAt: oneTimeTokens.expiresAt })
    .from(oneTimeTokens)
    .where(
      and(
        eq(oneTimeTokens.userId, id),
        isNull(oneTimeTokens.consumedAt),
        gt(oneTimeTokens.expiresAt, sql`now()`),
      ),
    )
    .orderBy(oneTimeTokens.purpose)
}

async function disable(call: Call): Promise<Outcome> {
  const found = await accountOf(call)
  if (found.kind !== 'found') return found
  const { account, database } = found
  if (account.disabledAt !== null && account.liveSessions === 0) {
    const unchanged = { disabled: false, revokedSessions: 0 }
    return done(account, unchanged, `It has been disabled since ${shown(account.disabledAt)}.`)
  }
  const response = await call.confirm(
    `Account ${described(account)}
Disable it and revoke its ${counted(account.liveSessions, 'live session')}?
Nobody can sign in to it until it is enabled.`,
  )
  if (response.kind !== 'confirmed') return response
  const result = await database.call('admin_disable', { user_id: account.id, request: call.request })
  if (result.kind === 'not-found') return deletedMeanwhile(account)
  return done(
    account,
    { disabled: result.changed, revokedSessions: result.revoked },
    `${shown(account.email)} is disabled. Revoked ${counted(result.revoked, 'session')}.`,
  )
}

async function enable(call: Call): Promise<Outcome> {
  const found = await accountOf(call)
  if (found.kind !== 'found') return found
  const { account, database } = found
  if (account.disabledAt === null) return done(account, { enabled: false }, 'It is not disabled.')
  const response = await call.confirm(
    `Account ${described(account)}
Enable it? It has been disabled since ${shown(account.disabledAt)}.
Its owner can sign in again. Its sessions stay revoked.`,
  )
  if (response.kind !== 'confirmed') return response
  const result = await database.call('admin_enable', { user_id: account.id, request: call.request })
  if (result.kind === 'not-found') return deletedMeanwhile(account)
  return done(account, { enabled: result.changed }, `${shown(account.email)} is enabled.`)
}

async function setRole(call: Call): Promise<Outcome> {
  const role = optionOf(call, 'role')
  if (role === undefined || !/^[a-z][a-z0-9_-]{0,31}$/.test(role)) {
    return {
      kind: 'usage-error',
      message: '--role must be a lower-case letter and up to 31 letters, digits, - or _.',
    }
  }
  const found = await accountOf(call)
  if (found.kind !== 'found') return found
  const { account, database } = found
  if (account.role === role) return done(account, { role, changed: false }, `Its role is already ${role}.`)
  const response = await call.confirm(
    `Account ${described(account)}
Change its role from ${shown(account.role)} to ${role}?
Access tokens keep the old role for up to ${ACCESS_TOKEN_MINUTES} minutes.`,
  )
  if (response.kind !== 'confirmed') return response
  const result = await database.call('admin_set_role', { user_id: account.id, role, request: call.request })
  if (result.kind === 'not-found') return deletedMeanwhile(account)
  return done(account, { role, changed: result.changed }, `The role of ${shown(account.email)} is ${role}.`)
}

async function forceReset(call: Call): Promise<Outcome> {
  const found = await accountOf(call)
  if (found.kind !== 'found') return found
  const { account, database } = found
  const response = await call.confirm(
    `Account ${described(account)}
Remove its password and revoke its ${counted(account.liveSessions, 'live session')}?
${account.disabledAt === null ? 'A link to set a new one is emailed.' : NO_EMAIL}`,
  )
  if (response.kind !== 'confirmed') return response
  const result = await database.call('admin_force_reset', { user_id: account.id, request: call.request })
  if (result.kind === 'not-found') return deletedMeanwhile(account)
  const { email, revoked } = result
  const linkExpiresAt =
    email === null || email.tokenExpiresAt === null ? null : new Date(email.tokenExpiresAt * 1000)
  const lines = [
    `Removed the password of ${shown(account.email)}. Revoked ${counted(revoked, 'session')}.`,
    ...(email === null
      ? [NO_EMAIL]
      : [`Queued email ${email.id}.`, `Its link expires at ${shown(linkExpiresAt)}.`, WHEN_IT_IS_SENT]),
  ]
  return done(
    account,
    { revokedSessions: revoked, emailId: email?.id ?? null, linkExpiresAt },
    lines.join('\n'),
  )
}

function done({ id, email }: Account, change: object, text: string): Outcome {
  return { kind: 'done', data: { account: { id, email }, ...change }, text }
}

export const accountCommand: Command = {
  name: 'account',
  argument: '<address or id>',
  summary: 'Show an account with its latest events.',
  run: showAccount,
}

export const accountChanges: Command[] = [
  {
    name: 'disable',
    argument: '<address or id>',
    summary: 'Disable an account and revoke its sessions.',
    changes: true,
    run: disable,
  },
  {
    name: 'enable',
    argument: '<address or id>',
    summary: 'Enable a disabled account.',
    changes: true,
    run: enable,
  },
  {
    name: 'set-role',
    argument: '<address or id>',
    summary: "Set an account's role.",
    options: [{ name: 'role', value: 'name', required: true, summary: 'the new role, such as admin' }],
    changes: true,
    run: setRole,
  },
  {
    name: 'force-reset',
    argument: '<address or id>',
    summary: 'Remove the password, email a reset link.',
    changes: true,
    run: forceReset,
  },
]
