/** Sessions: an account's, and the end of one, of an account's or of everyone's. */
import { sql, type SQL } from 'drizzle-orm'
import { endSessions } from '../lib/sessions.ts'
import { describeUserAgent } from '../lib/user-agent.ts'
import { accountOf, named } from './account.ts'
import { isId, text, type Call, type Command, type Outcome } from './call.ts'
import { afterPart, type Database } from './database.ts'
import { counted, shown, table } from './output.ts'

const MOST_SESSIONS = 100

/** So many rows are held at once: whoever refreshes one of them meanwhile waits. */
const BATCH_SIZE = 1_000

interface Session {
  id: string
  state: 'live' | 'ended' | 'expired'
  endedAt: Date | null
  endedBecause: string | null
  createdAt: Date
  lastUsedAt: Date
  /** When it is over if it is used no more. */
  expiresAt: Date
  endsAt: Date
  userAgent: string | null
  ip: string | null
}

async function showSessions(call: Call): Promise<Outcome> {
  const found = await accountOf(call)
  if (found.kind !== 'found') return found
  const { account, database } = found
  const rows = await database.read<Session>(sql`
    SELECT id, revoked_at AS "endedAt", revoked_because AS "endedBecause", created_at AS "createdAt",
      CASE WHEN revoked_at IS NOT NULL THEN 'ended' WHEN expires_at <= now() THEN 'expired' ELSE 'live' END AS state,
      last_used_at AS "lastUsedAt", expires_at AS "expiresAt", ends_at AS "endsAt", user_agent AS "userAgent", ip
    FROM sessions WHERE user_id = ${account.id}::uuid
    ORDER BY revoked_at IS NULL AND expires_at > now() DESC, last_used_at DESC LIMIT ${MOST_SESSIONS}`)
  const sessions = rows.map((row) => ({ ...row, device: describeUserAgent(row.userAgent) }))
  const content = table(
    ['session', 'state', 'because', 'ended', 'since', 'last used', 'ends', 'device', 'ip'],
    sessions.map((row) => [
      row.id,
      row.state,
      row.endedBecause,
      row.endedAt,
      row.createdAt,
      row.lastUsedAt,
      row.expiresAt,
      row.device,
      row.ip,
    ]),
  )
  return {
    kind: 'answer',
    data: { account: { id: account.id, email: account.email }, sessions },
    text:
      sessions.length === 0
        ? `${named(account)} has none.`
        : `${named(account)}: ${account.liveSessions} live${account.disabledAt === null ? '' : ', but the account is disabled'}.\n\n${content}`,
  }
}

async function end(call: Call): Promise<Outcome> {
  const [session, everyone] = [text(call, 'session'), call.options['everyone'] === true]
  if ([call.subject !== undefined, session !== undefined, everyone].filter(Boolean).length !== 1) {
    return { kind: 'misused', words: 'Give one of: an address or id, --session with its id, --everyone.' }
  }
  if (everyone) return endEveryones(call)
  return session === undefined ? endAccounts(call) : endOne(call, session)
}

async function endAccounts(call: Call): Promise<Outcome> {
  const found = await accountOf(call)
  if (found.kind !== 'found') return found
  const { account } = found
  if (account.liveSessions === 0) return ended(0, `${named(account)} has no live session.`)
  const refused = await call.confirm(
    `End ${counted(account.liveSessions, 'live session')} of ${named(account)}.`,
  )
  if (refused) return refused
  const count = await endWhere(call, sql`user_id = ${account.id}::uuid`, [
    // As every change of an account: a login that is on its way is either seen or waits.
    sql`SELECT FROM users WHERE id = ${account.id}::uuid FOR NO KEY UPDATE`,
  ])
  return ended(count, `${counted(count, 'session')} of ${named(account)} ended.`)
}

interface NamedSession {
  email: string
  state: string
  lastUsedAt: Date
}

async function endOne(call: Call, id: string): Promise<Outcome> {
  if (!isId(id)) return { kind: 'misused', words: '--session is an id; `sessions` lists them.' }
  const database = await call.database()
  const [session] = await database.read<NamedSession>(sql`
    SELECT u.email, s.last_used_at AS "lastUsedAt",
      CASE WHEN s.revoked_at IS NOT NULL THEN 'ended' WHEN s.expires_at <= now() THEN 'expired' ELSE 'live' END AS state
    FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.id = ${id}::uuid`)
  if (session === undefined) return { kind: 'not-done', words: `There is no session ${id}.` }
  if (session.state !== 'live') return ended(0, `It has ${session.state} already.`)
  const refused = await call.confirm(
    `End 1 live session of ${shown(session.email)}: ${id}, last used ${shown(session.lastUsedAt)}.`,
  )
  if (refused) return refused
  const count = await endWhere(call, sql`id = ${id}::uuid`, [])
  return ended(count, `${counted(count, 'session')} of ${shown(session.email)} ended.`)
}

async function endEveryones(call: Call): Promise<Outcome> {
  const database = await call.database()
  const [live] = await database.read<{ sessions: number; accounts: number; now: Date }>(sql`
    SELECT count(*)::int AS sessions, count(DISTINCT user_id)::int AS accounts, now()
    FROM sessions WHERE revoked_at IS NULL AND expires_at > now()`)
  if (live === undefined || live.sessions === 0) return ended(0, 'There is no live session.')
  const refused = await call.confirm(
    `End EVERYONE'S sessions: ${counted(live.sessions, 'live session')} of ${counted(live.accounts, 'account')}. Everybody has to sign in again.`,
  )
  if (refused) return refused
  const [{ now: begin } = { now: live.now }] = await database.read<{ now: Date }>(sql`SELECT now()`)
  const count = await endInBatches(call, database, begin)
  return ended(count, `${counted(count, 'session')} ended: all that were opened before ${shown(begin)}.`)
}

/** A thousand at a time, in the order of their ids, as all who hold several do. Somebody else may have ended them meanwhile. */
async function endInBatches(call: Call, database: Database, begin: Date): Promise<number> {
  let count = 0
  let last: string | null = '00000000-0000-0000-0000-000000000000'
  while (last !== null) {
    const rows: { count: number; last: string | null }[] = await database
      .change<{ count: number; last: string | null }>(
        sql`WITH batch AS (
          SELECT id FROM sessions WHERE revoked_at IS NULL AND expires_at > now() AND id > ${last}::uuid
            AND created_at <= ${begin.toISOString()}::timestamptz
          ORDER BY id LIMIT ${BATCH_SIZE}
        ),
        ${endSessions(sql`id = ANY (ARRAY(SELECT id FROM batch))`, 'operator', call.client)}
        SELECT (SELECT count(*)::int FROM ended) AS count, (SELECT id FROM batch ORDER BY id DESC LIMIT 1) AS last`,
      )
      .catch(afterPart(`${counted(count, 'session')} ended before that.`))
    count += rows[0]?.count ?? 0
    last = rows[0]?.last ?? null
  }
  return count
}

async function endWhere(call: Call, which: SQL, first: SQL[]): Promise<number> {
  const database = await call.database()
  const statement = sql`WITH ${endSessions(which, 'operator', call.client)} SELECT id FROM ended`
  return (await database.change(...first, statement)).length
}

function ended(count: number, words: string): Outcome {
  return { kind: 'answer', data: { endedSessions: count }, text: words }
}

export const sessionCommands: Command[] = [
  {
    name: 'sessions',
    takes: '<address or id>',
    summary: 'The sessions of an account, live and ended, with why each ended.',
    run: showSessions,
  },
  {
    name: 'end-sessions',
    takes: '[address or id]',
    summary: 'Ends the sessions of an account, one session, or those of everyone.',
    options: [
      { name: 'session', takes: 'id', summary: 'this one alone' },
      { name: 'everyone', summary: 'every session of every account' },
    ],
    changes: true,
    run: end,
  },
]
