/** Sessions: an account's, and revoking one, an account's or everyone's. */
import { countDistinct, desc, eq, sql } from 'drizzle-orm'
import { sessions, users } from '../../drizzle/schema.ts'
import { accountOf, described, isLive } from './account.ts'
import { isId, optionOf, type Call, type Command, type Outcome } from './call.ts'
import { afterPart, type Database, type Reader } from './database.ts'
import { counted, indented, list, mayBeMore, shown } from './output.ts'

const MAX_SESSIONS = 100

/** Sorts before every id. */
const FIRST_ID = '00000000-0000-0000-0000-000000000000'

const state = sql<'live' | 'revoked' | 'expired'>`
  CASE WHEN ${sessions.revokedAt} IS NOT NULL THEN 'revoked'
    WHEN ${sessions.idleExpiresAt} <= now() THEN 'expired' ELSE 'live' END`

function readSessions(reader: Reader, userId: string) {
  return reader
    .select({
      id: sessions.id,
      state,
      revokedAt: sessions.revokedAt,
      revocationReason: sessions.revocationReason,
      method: sessions.method,
      persistent: sessions.persistent,
      createdAt: sessions.createdAt,
      client: sessions.client,
      ip: sessions.ip,
      lastUsedAt: sessions.lastUsedAt,
      lastClient: sessions.lastClient,
      lastIp: sessions.lastIp,
      idleExpiresAt: sessions.idleExpiresAt,
      absoluteExpiresAt: sessions.absoluteExpiresAt,
    })
    .from(sessions)
    .where(eq(sessions.userId, userId))
    .orderBy(desc(sql`${isLive}`), desc(sessions.lastUsedAt))
    .limit(MAX_SESSIONS)
}

type Session = Awaited<ReturnType<typeof readSessions>>[number]

async function showSessions(call: Call): Promise<Outcome> {
  const found = await accountOf(call)
  if (found.kind !== 'found') return found
  const { account, database } = found
  const rows = await database.read((reader) => readSessions(reader, account.id))
  const count = `${described(account)}\n${counted(account.liveSessions, 'live session')}`
  const disabled = account.disabledAt === null ? '' : ', but the account is disabled'
  return {
    kind: 'done',
    data: { account: { id: account.id, email: account.email }, sessions: rows },
    text:
      [`${count}${disabled}.`, ...rows.map(sessionText)].join('\n\n') + mayBeMore(rows.length, MAX_SESSIONS),
  }
}

function sessionText(session: Session): string {
  const used = (time: Date, client: string | null, ip: string | null) =>
    [shown(time), client, ip].filter((part) => part !== null).join('  ')
  const heading = `${session.id}  ${session.state}, by ${shown(session.method)}`
  return `${heading}${session.persistent ? '' : ', not remembered'}\n${indented(
    list([
      ['created', used(session.createdAt, session.client, session.ip)],
      ['last used', used(session.lastUsedAt, session.lastClient, session.lastIp)],
      endOf(session),
    ]),
  )}`
}

function endOf({
  state: now,
  revokedAt,
  revocationReason,
  idleExpiresAt,
  absoluteExpiresAt,
}: Session): [string, string] {
  if (revokedAt !== null) return ['revoked', `${shown(revokedAt)}  ${shown(revocationReason)}`]
  if (now === 'expired') return ['expired', shown(idleExpiresAt)]
  return ['expires', `${shown(idleExpiresAt)} if unused, else ${shown(absoluteExpiresAt)}`]
}

async function revoke(call: Call): Promise<Outcome> {
  const [session, everyone] = [optionOf(call, 'session'), call.options['everyone'] === true]
  if ([call.argument !== undefined, session !== undefined, everyone].filter(Boolean).length !== 1) {
    return {
      kind: 'usage-error',
      message: 'Give exactly one of: an email address or account id, --session <id>, --everyone.',
    }
  }
  if (everyone) return revokeEveryones(call)
  return session === undefined ? revokeAccounts(call) : revokeOne(call, session)
}

async function revokeAccounts(call: Call): Promise<Outcome> {
  const found = await accountOf(call)
  if (found.kind !== 'found') return found
  const { account, database } = found
  if (account.liveSessions === 0) return revoked(0, `${shown(account.email)} has no live session.`)
  const response = await call.confirm(
    `Account ${described(account)}
Revoke its ${counted(account.liveSessions, 'live session')}?`,
  )
  if (response.kind !== 'confirmed') return response
  const result = await database.call('admin_revoke_sessions', {
    user_id: account.id,
    session_id: null,
    request: call.request,
  })
  return revoked(result.revoked, `Revoked ${counted(result.revoked, 'session')} of ${shown(account.email)}.`)
}

async function revokeOne(call: Call, id: string): Promise<Outcome> {
  if (!isId(id)) return { kind: 'usage-error', message: '--session must be an id; `sessions` lists them.' }
  const database = await call.database()
  const [session] = await database.read((reader) =>
    reader
      .select({ email: users.email, lastUsedAt: sessions.lastUsedAt, state })
      .from(sessions)
      .innerJoin(users, eq(users.id, sessions.userId))
      .where(eq(sessions.id, id)),
  )
  if (session === undefined) return { kind: 'failed', message: `No session with the id ${id}.` }
  if (session.state !== 'live') return revoked(0, `It is already ${session.state}.`)
  const response = await call.confirm(
    `Revoke session ${id}
of ${shown(session.email)}, last used at ${shown(session.lastUsedAt)}?`,
  )
  if (response.kind !== 'confirmed') return response
  const result = await database.call('admin_revoke_sessions', {
    user_id: null,
    session_id: id,
    request: call.request,
  })
  return revoked(result.revoked, `Revoked ${counted(result.revoked, 'session')} of ${shown(session.email)}.`)
}

async function revokeEveryones(call: Call): Promise<Outcome> {
  const database = await call.database()
  const [live] = await database.read((reader) =>
    reader
      .select({ sessions: sql<number>`count(*)::int`, accounts: countDistinct(sessions.userId) })
      .from(sessions)
      .where(isLive),
  )
  if (live === undefined || live.sessions === 0) return revoked(0, 'There are no live sessions.')
  const response = await call.confirm(
    `Revoke EVERYONE's sessions: ${counted(live.sessions, 'live session')} of ${counted(live.accounts, 'account')}?
Everyone has to sign in again.`,
  )
  if (response.kind !== 'confirmed') return response
  const { begin, count } = await revokeInBatches(call, database)
  return revoked(count, `Revoked ${counted(count, 'session')}: all that were created before ${shown(begin)}.`)
}

/** In the order of their ids, as everything that locks several does. Some may have ended in the meantime. */
async function revokeInBatches(call: Call, database: Database): Promise<{ begin: Date; count: number }> {
  // As text, which has Postgres' microseconds.
  const { rows } = await database.read((reader) =>
    reader.execute<{ now: string }>(sql`SELECT now()::text AS now`),
  )
  const begin = rows[0]?.now ?? ''
  let count = 0
  let after: string | null = FIRST_ID
  while (after !== null) {
    const batch: { revoked: number; last: string | null } = await database
      .call('admin_revoke_everyones_sessions', { after, opened_before: begin, request: call.request })
      .catch(afterPart(`Before that, ${counted(count, 'session')} were revoked.`))
    count += batch.revoked
    after = batch.last
  }
  return { begin: new Date(begin), count }
}

function revoked(count: number, text: string): Outcome {
  return { kind: 'done', data: { revokedSessions: count }, text }
}

export const sessionCommands: Command[] = [
  {
    name: 'sessions',
    argument: '<address or id>',
    summary: "List an account's sessions, live ones first.",
    run: showSessions,
  },
  {
    name: 'revoke-sessions',
    argument: '[address or id]',
    summary: "Revoke an account's sessions, one, or all.",
    options: [
      { name: 'session', value: 'id', summary: 'only this session' },
      { name: 'everyone', summary: 'every session of every account' },
    ],
    changes: true,
    run: revoke,
  },
]
