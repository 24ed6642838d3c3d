/** Counts. */
import { sql } from 'drizzle-orm'
import { events, loginAttempts, outbox, registrations, sessions, users } from '../../drizzle/schema.ts'
import { maximum } from '../../lib/limits.ts'
import { isLive } from './account.ts'
import type { Call, Command, Outcome } from './call.ts'
import type { Reader } from './database.ts'
import { list } from './output.ts'

const count = (condition = sql`true`) => sql<number>`(count(*) FILTER (WHERE ${condition}))::int`

/** Of the last day. */
async function eventCounts(reader: Reader) {
  const of = (kind: string, interval = '1 day') =>
    count(sql`${events.kind} = ${kind} AND ${events.createdAt} > now() - ${interval}::interval`)
  const [counted] = await reader
    .select({
      sessionsCreatedLastHour: of('session-created', '1 hour'),
      sessionsCreatedLastDay: of('session-created'),
      failedLoginsLastHour: of('login-failed', '1 hour'),
      failedLoginsLastDay: of('login-failed'),
      refreshTokenReusesLastDay: of('refresh-token-reused'),
    })
    .from(events)
    .where(sql`${events.createdAt} > now() - interval '1 day'`)
  return counted
}

async function readStats(reader: Reader) {
  const [accounts] = await reader
    .select({ accounts: count(), disabledAccounts: count(sql`${users.disabledAt} IS NOT NULL`) })
    .from(users)
  const [pending] = await reader
    .select({ pendingRegistrations: count() })
    .from(registrations)
    .where(sql`${registrations.consumedAt} IS NULL`)
  const [live] = await reader.select({ liveSessions: count() }).from(sessions).where(isLive)
  const [locked] = await reader
    .select({ lockedPasswords: sql<number>`count(DISTINCT ${loginAttempts.userId})::int` })
    .from(loginAttempts)
    .where(sql`${loginAttempts.failures} >= ${maximum.lockedAt}`)
  const [emails] = await reader
    .select({
      waitingEmails: count(sql`${outbox.failedAt} IS NULL`),
      oldestWaitingSeconds: sql<number | null>`
        extract(epoch FROM now() - min(${outbox.createdAt}) FILTER (WHERE ${outbox.failedAt} IS NULL))::int`,
      failedEmails: count(sql`${outbox.failedAt} IS NOT NULL`),
    })
    .from(outbox)
    .where(sql`${outbox.sentAt} IS NULL`)
  const logged = await eventCounts(reader)
  if (!accounts || !pending || !live || !locked || !emails || !logged)
    throw new Error('a count returned no row')
  return { ...accounts, ...pending, ...live, ...logged, ...locked, ...emails }
}

async function showStats(call: Call): Promise<Outcome> {
  const database = await call.database()
  const stats = await database.read(readStats)
  return {
    kind: 'done',
    data: stats,
    text: list([
      ['accounts', stats.accounts],
      ['  disabled', stats.disabledAccounts],
      ['pending registrations', stats.pendingRegistrations],
      ['live sessions', stats.liveSessions],
      ['sessions created, last hour', stats.sessionsCreatedLastHour],
      ['sessions created, last day', stats.sessionsCreatedLastDay],
      ['failed logins, last hour', stats.failedLoginsLastHour],
      ['failed logins, last day', stats.failedLoginsLastDay],
      ['refresh tokens reused, last day', stats.refreshTokenReusesLastDay],
      ['accounts with a locked password', stats.lockedPasswords],
      ['emails waiting', stats.waitingEmails],
      ['  oldest', stats.oldestWaitingSeconds === null ? null : `${stats.oldestWaitingSeconds} s`],
      ['emails failed, last 30 days', stats.failedEmails],
    ]),
  }
}

export const statsCommands: Command[] = [
  {
    name: 'stats',
    summary: 'Count accounts, sessions, logins and emails.',
    run: showStats,
  },
]
