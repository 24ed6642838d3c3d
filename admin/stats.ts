/** How things stand, in numbers. */
import { sql } from 'drizzle-orm'
import { failureWaits } from '../lib/rate-limits.ts'
import type { Call, Command, Outcome } from './call.ts'
import { list } from './output.ts'

interface Stats {
  accounts: number
  disabledAccounts: number
  registrations: number
  liveSessions: number
  signInsLastHour: number
  signInsLastDay: number
  failuresLastHour: number
  failuresLastDay: number
  theftsLastDay: number
  lockedPasswords: number
  mailsWaiting: number
  oldestWaitingSeconds: number | null
  mailsGivenUp: number
}

async function showStats(call: Call): Promise<Outcome> {
  const database = await call.database()
  const [stats] = await database.read<Stats>(sql`
    WITH day AS (
      SELECT kind, at > now() - interval '1 hour' AS in_hour FROM events
      WHERE at > now() - interval '1 day' AND kind IN ('session-opened', 'login-failed', 'session-stolen')
    ),
    waiting AS (SELECT created_at FROM outbox WHERE sent_at IS NULL AND failed_at IS NULL)
    SELECT (SELECT count(*)::int FROM users) AS accounts,
      (SELECT count(*)::int FROM users WHERE disabled_at IS NOT NULL) AS "disabledAccounts",
      (SELECT count(*)::int FROM registrations WHERE spent_at IS NULL) AS registrations,
      (SELECT count(*)::int FROM sessions WHERE revoked_at IS NULL AND expires_at > now()) AS "liveSessions",
      (SELECT count(*)::int FROM day WHERE kind = 'session-opened' AND in_hour) AS "signInsLastHour",
      (SELECT count(*)::int FROM day WHERE kind = 'session-opened') AS "signInsLastDay",
      (SELECT count(*)::int FROM day WHERE kind = 'login-failed' AND in_hour) AS "failuresLastHour",
      (SELECT count(*)::int FROM day WHERE kind = 'login-failed') AS "failuresLastDay",
      (SELECT count(*)::int FROM day WHERE kind = 'session-stolen') AS "theftsLastDay",
      (SELECT count(DISTINCT user_id)::int FROM password_attempts WHERE failures >= ${failureWaits.lockedAt}::int) AS "lockedPasswords",
      (SELECT count(*)::int FROM waiting) AS "mailsWaiting",
      (SELECT extract(epoch FROM now() - min(created_at))::int FROM waiting) AS "oldestWaitingSeconds",
      (SELECT count(*)::int FROM outbox WHERE failed_at IS NOT NULL) AS "mailsGivenUp"`)
  if (stats === undefined) throw new Error('the statement answered no row')
  return {
    kind: 'answer',
    data: stats,
    text: list([
      ['accounts', stats.accounts],
      ['  of them disabled', stats.disabledAccounts],
      ['registrations not confirmed', stats.registrations],
      ['live sessions', stats.liveSessions],
      ['sign-ins, last hour', stats.signInsLastHour],
      ['sign-ins, last day', stats.signInsLastDay],
      ['failed sign-ins, last hour', stats.failuresLastHour],
      ['failed sign-ins, last day', stats.failuresLastDay],
      ['stolen sessions, last day', stats.theftsLastDay],
      ['accounts with a locked password', stats.lockedPasswords],
      ['mails waiting', stats.mailsWaiting],
      ['  the oldest for', stats.oldestWaitingSeconds === null ? null : `${stats.oldestWaitingSeconds} s`],
      ['mails given up or held, last 30 days', stats.mailsGivenUp],
    ]),
  }
}

export const statsCommands: Command[] = [
  {
    name: 'stats',
    summary: 'Accounts, sessions, sign-ins and failures, locked passwords, mails.',
    run: showStats,
  },
]
