/** The trail, by account, kind and time. */
import { sql, type SQL } from 'drizzle-orm'
import { EVENT_KINDS } from '../lib/events.ts'
import { findAccount, nobody } from './account.ts'
import { isId, text, type Call, type Command, type Outcome } from './call.ts'
import type { Database } from './database.ts'
import { table } from './output.ts'

const DEFAULT_LIMIT = 50
const MAX_LIMIT = 10_000

export interface Event {
  at: Date
  kind: string
  userId: string | null
  sessionId: string | null
  /** Of the request, as `x-request-id` had it, or of the operator's command. */
  requestId: string | null
  ip: string | null
  detail: Record<string, unknown> | null
}

export interface EventFilter {
  userId?: string | undefined
  kind?: string | undefined
  since?: Date | undefined
  until?: Date | undefined
  limit: number
}

/** The newest come first. */
export function readEvents(database: Database, filter: EventFilter): Promise<Event[]> {
  const { userId, kind, since, until, limit } = filter
  const where = (value: unknown, condition: SQL) => (value === undefined ? sql`` : sql` AND ${condition}`)
  return database.read<Event>(sql`
    SELECT at, kind, user_id AS "userId", session_id AS "sessionId", request_id AS "requestId", ip, detail
    FROM events
    WHERE true${where(userId, sql`user_id = ${userId}::uuid`)}${where(kind, sql`kind = ${kind}`)}${where(
      since,
      sql`at >= ${since?.toISOString()}::timestamptz`,
    )}${where(until, sql`at < ${until?.toISOString()}::timestamptz`)}
    ORDER BY at DESC, id DESC LIMIT ${limit}`)
}

export function eventTable(events: Event[]): string {
  return table(
    ['at', 'event', 'detail', 'session', 'ip', 'account', 'request'],
    events.map((event) => [
      event.at,
      event.kind,
      event.detail &&
        Object.entries(event.detail)
          .map(([name, value]) => `${name}: ${String(value)}`)
          .join(', '),
      event.sessionId,
      event.ip,
      event.userId,
      event.requestId,
    ]),
  )
}

const UNIT_SECONDS: Record<string, number> = { m: 60, h: 60 * 60, d: 24 * 60 * 60 }

/** `30m`, `2h` or `7d` ago, a day (its beginning, UTC) or a moment with its zone. */
function momentOf(words: string, now: Date): Date | undefined {
  const [, count, unit = ''] = /^(\d{1,5})([mhd])$/.exec(words) ?? []
  const unitSeconds = UNIT_SECONDS[unit]
  if (unitSeconds !== undefined) return new Date(now.getTime() - Number(count) * unitSeconds * 1000)
  if (!/^\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d))?$/.test(words))
    return undefined
  const moment = new Date(words.replace(' ', 'T'))
  return Number.isNaN(moment.getTime()) ? undefined : moment
}

async function showEvents(call: Call): Promise<Outcome> {
  const { subject } = call
  const [kind, limitText] = [text(call, 'kind'), text(call, 'limit')]
  if (kind !== undefined && !EVENT_KINDS.some((known) => known === kind)) {
    return { kind: 'misused', words: `There is no event ${kind}. There are: ${EVENT_KINDS.join(', ')}.` }
  }
  const limit = limitText === undefined ? DEFAULT_LIMIT : Number(/^\d{1,6}$/.exec(limitText)?.[0])
  if (!(limit >= 1 && limit <= MAX_LIMIT)) {
    return { kind: 'misused', words: `--limit is a number from 1 to ${MAX_LIMIT}.` }
  }
  const now = new Date()
  const times: { since?: Date; until?: Date } = {}
  for (const name of ['since', 'until'] as const) {
    const words = text(call, name)
    if (words === undefined) continue
    const moment = momentOf(words, now)
    if (moment === undefined) {
      return { kind: 'misused', words: `--${name} is like 30m, 2h, 7d, 2030-01-31 or 2030-01-31T03:00Z.` }
    }
    times[name] = moment
  }

  const database = await call.database()
  let userId: string | undefined
  if (subject !== undefined) {
    // The events of an account that was deleted are still found by its id.
    userId = isId(subject) ? subject : (await findAccount(database, subject))?.id
    if (userId === undefined) return nobody(subject)
  }
  const events = await readEvents(database, { userId, kind, ...times, limit })
  const more = events.length === limit ? `\n\nThere may be more: these are the newest ${limit}.` : ''
  return {
    kind: 'answer',
    data: { events },
    text: events.length === 0 ? 'There is none.' : `${eventTable(events)}${more}`,
  }
}

export const eventCommands: Command[] = [
  {
    name: 'events',
    takes: '[address or id]',
    summary: 'The trail, of one account or of all, the newest first.',
    options: [
      { name: 'kind', takes: 'kind', summary: 'one kind of event (docs/events.md has them)' },
      { name: 'since', takes: 'time', summary: 'from then on: 30m, 2h, 7d, 2030-01-31, 2030-01-31T03:00Z' },
      { name: 'until', takes: 'time', summary: 'before then' },
      { name: 'limit', takes: 'number', summary: `at most so many; ${DEFAULT_LIMIT} when not given` },
    ],
    run: showEvents,
  },
]
