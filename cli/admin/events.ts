/** The audit log, by account, kind and time. */
import { and, desc, eq, gte, lt } from 'drizzle-orm'
import { events } from '../../drizzle/schema.ts'
import { EVENT_KINDS } from '../../lib/auth/events.ts'
import { findAccount, noAccount } from './account.ts'
import { isId, optionOf, type Call, type Command, type Outcome } from './call.ts'
import type { Reader } from './database.ts'
import { COLUMNS, mayBeMore, packed, shown } from './output.ts'

const DEFAULT_LIMIT = 50
const MAX_LIMIT = 10_000

export interface Event {
  createdAt: Date
  kind: string
  userId: string | null
  sessionId: string | null
  /** The request's `x-request-id`, or the operator's command. */
  requestId: string | null
  ip: string | null
  detail: unknown
}

export interface EventFilter {
  userId?: string | undefined
  kind?: string | undefined
  since?: Date | undefined
  until?: Date | undefined
  limit: number
}

/** Newest first. */
export function selectEvents(reader: Reader, filter: EventFilter) {
  const { userId, kind, since, until, limit } = filter
  return reader
    .select({
      createdAt: events.createdAt,
      kind: events.kind,
      userId: events.userId,
      sessionId: events.sessionId,
      requestId: events.requestId,
      ip: events.ip,
      detail: events.detail,
    })
    .from(events)
    .where(
      and(
        userId === undefined ? undefined : eq(events.userId, userId),
        kind === undefined ? undefined : eq(events.kind, kind),
        since && gte(events.createdAt, since),
        until && lt(events.createdAt, until),
      ),
    )
    .orderBy(desc(events.createdAt), desc(events.id))
    .limit(limit)
}

/** `account` is left out where all events are of one. */
export function eventList(listed: readonly Event[], options: { account: boolean }): string {
  return listed
    .flatMap(({ createdAt, kind, detail, ip, sessionId, requestId, userId }) => [
      ...headingOf(`${shown(createdAt)}  ${shown(kind)}`, detail),
      ...packed([
        ['ip', ip],
        ['session', sessionId],
        ['request', requestId],
        ['account', options.account ? userId : null],
      ]),
    ])
    .join('\n')
}

/** With the detail on the same line where it fits. */
function headingOf(heading: string, detail: unknown): string[] {
  if (typeof detail !== 'object' || detail === null) return [heading]
  const entries = Object.entries(detail).map(([name, value]): [string, string] => [`${name}:`, String(value)])
  const line = [heading, ...entries.map((entry) => shown(entry.join(' ')))].join('  ')
  return line.length <= COLUMNS ? [line] : [heading, ...packed(entries)]
}

const UNIT_SECONDS: Record<string, number> = { m: 60, h: 60 * 60, d: 24 * 60 * 60 }

/** `30m`, `2h` or `7d` ago, a day (its beginning, UTC), or a time with its zone. */
function parseTime(given: string, now: Date): Date | undefined {
  const [, count, unit = ''] = /^(\d{1,5})([mhd])$/.exec(given) ?? []
  const unitSeconds = UNIT_SECONDS[unit]
  if (unitSeconds !== undefined) return new Date(now.getTime() - Number(count) * unitSeconds * 1000)
  if (!/^\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d))?$/.test(given))
    return undefined
  const time = new Date(given.replace(' ', 'T'))
  return Number.isNaN(time.getTime()) ? undefined : time
}

async function showEvents(call: Call): Promise<Outcome> {
  const { argument } = call
  const [kind, limitText] = [optionOf(call, 'kind'), optionOf(call, 'limit')]
  if (kind !== undefined && !EVENT_KINDS.some((known) => known === kind)) {
    return {
      kind: 'usage-error',
      message: `Unknown kind of event. Known are:\n  ${EVENT_KINDS.join('\n  ')}`,
    }
  }
  const limit = limitText === undefined ? DEFAULT_LIMIT : Number(/^\d{1,6}$/.exec(limitText)?.[0])
  if (!(limit >= 1 && limit <= MAX_LIMIT)) {
    return { kind: 'usage-error', message: `--limit must be a number from 1 to ${MAX_LIMIT}.` }
  }
  const now = new Date()
  const times: { since?: Date; until?: Date } = {}
  for (const name of ['since', 'until'] as const) {
    const given = optionOf(call, name)
    if (given === undefined) continue
    const time = parseTime(given, now)
    if (time === undefined) {
      return {
        kind: 'usage-error',
        message: `--${name} must look like 30m, 2h, 7d, 2030-01-31 or 2030-01-31T03:00Z.`,
      }
    }
    times[name] = time
  }

  const database = await call.database()
  return database.read(async (reader): Promise<Outcome> => {
    let userId: string | undefined
    if (argument !== undefined) {
      // The events of a deleted account can still be found by its id.
      userId = isId(argument) ? argument : (await findAccount(reader, argument))?.id
      if (userId === undefined) return noAccount(argument)
    }
    const found = await selectEvents(reader, { userId, kind, ...times, limit })
    const text = eventList(found, { account: userId === undefined }) + mayBeMore(found.length, limit)
    return { kind: 'done', data: { events: found }, text: found.length === 0 ? 'No events.' : text }
  })
}

export const eventCommands: Command[] = [
  {
    name: 'events',
    argument: '[address or id]',
    summary: 'Show the audit log, newest first.',
    options: [
      { name: 'kind', value: 'kind', summary: 'only this kind (see docs/events.md)' },
      { name: 'since', value: 'time', summary: 'from this time on: 30m, 2h, 7d (ago), 2030-01-31' },
      { name: 'until', value: 'time', summary: 'before this time; also 2030-01-31T03:00Z' },
      { name: 'limit', value: 'number', summary: `how many at most; ${DEFAULT_LIMIT} by default` },
    ],
    run: showEvents,
  },
]
