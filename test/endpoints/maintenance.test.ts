/** Maintenance at size: how much one run removes, by which indexes, and what it reports to a monitor. */
import { Client } from 'pg'
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { maximum } from '../../lib/limits.ts'
import { newBrowser } from '../support/browser.ts'
import { query } from '../support/database.ts'
import { runMaintenance } from '../faults/operations.ts'
import { newAddress, PASSWORD, signedInPerson } from '../support/people.ts'
import { databaseUrl, gateway, inbox } from '../support/setup-stack.ts'

/** Two batches and a half. */
const OVER = 25_000
const KEPT = 175_000

let userId: string

async function insertSessions(count: number, endsIn: string): Promise<void> {
  await query(
    `INSERT INTO sessions (id, user_id, family_hash, method, persistent, idle_expires_at, absolute_expires_at)
     SELECT gen_random_uuid(), $1, sha256(gen_random_uuid()::text::bytea), 'password', true, now(),
       now() + $2::interval + n * interval '1 second'
     FROM generate_series(1, $3) n`,
    userId,
    endsIn,
    count,
  )
}

/** A connection of its own, for what must be one transaction. */
async function connected(): Promise<Client> {
  const client = new Client({ connectionString: databaseUrl })
  await client.connect()
  return client
}

beforeAll(async () => {
  const { email } = await signedInPerson()
  userId = (await query('SELECT id FROM users WHERE email = $1', email))[0].id
  await insertSessions(KEPT, '1 hour')
  await insertSessions(OVER, '-1 day')
  await query(
    `INSERT INTO events (kind, user_id, ip, created_at)
     SELECT 'session-revoked', $1, '203.0.113.0', now() - interval '91 days' * (n <= $2)::int
     FROM generate_series(1, $3) n`,
    userId,
    OVER,
    OVER + KEPT,
  )
  await query('ANALYZE')
})
afterEach(() => {
  gateway.fault = undefined
  inbox.fault = undefined
  vi.useRealTimers()
})

const left = `SELECT (SELECT count(*)::int FROM sessions WHERE absolute_expires_at < now()) AS sessions,
  (SELECT count(*)::int FROM events WHERE ip IS NOT NULL AND created_at < now() - interval '90 days') AS ips`

test('what there is no time for is left to the next run, and the report names it', async () => {
  vi.useFakeTimers({ toFake: ['Date'] })
  gateway.fault = ({ body }) => {
    if (body.includes('event-ips')) vi.setSystemTime(Date.now() + 61_000)
    return undefined
  }
  const { status, body } = await runMaintenance()
  expect([status, body.removed.sessions, body.removed.eventIps]).toEqual([200, 10_000, 10_000])
  expect(body.left).toEqual(['sessions', 'eventIps'])
  expect(await query(left)).toEqual([{ sessions: 15_000, ips: 15_000 }])
})

test('[ASVS 14.2.7] one run removes everything that has expired, batch by batch', async () => {
  const { body } = await runMaintenance()
  expect([body.removed.sessions, body.removed.eventIps, body.left]).toEqual([15_000, 15_000, []])
  expect(await query(left)).toEqual([{ sessions: 0, ips: 0 }])
  expect((await runMaintenance()).body.removed).toMatchObject({ sessions: 0, eventIps: 0 })
  expect(await query('SELECT count(*)::int AS kept FROM sessions')).toEqual([{ kept: KEPT + 1 }])
})

test('of 200,000 sessions and events, those that have expired are found by an index, and neither table is scanned', async () => {
  await insertSessions(10, '-1 day')
  await query(
    "UPDATE events SET ip = '203.0.113.0' WHERE id = (SELECT id FROM events ORDER BY created_at LIMIT 1)",
  )
  await query('ANALYZE')
  const client = await connected()
  try {
    await client.query('BEGIN')
    for (const what of ['sessions', 'event-ips']) {
      const { rows } = await client.query('SELECT latchkey.remove_expired(p_what => $1) AS result', [what])
      expect(rows[0].result.removed, what).toBeGreaterThan(0)
    }
    await client.query('SELECT latchkey.maintain_event_partitions()')
    const tables = `SELECT relname FROM pg_stat_xact_user_tables WHERE schemaname = 'latchkey'`
    const { rows: scanned } = await client.query(`${tables} AND seq_scan > 0`)
    const { rows: lookedUp } = await client.query(`${tables} AND idx_scan > 0 ORDER BY relname`)
    await client.query('COMMIT')
    expect(scanned).toEqual([])
    expect(lookedUp.map(({ relname }) => relname)).toEqual(['events_default', 'sessions'])
  } finally {
    await client.end()
  }
})

test('a table that is out of reach does not hold up the others: it is logged, and the report names it', async () => {
  await insertSessions(3, '-1 day')
  await query(
    `INSERT INTO registrations (id, email, email_normalized, password_hash, created_at, expires_at)
     VALUES (gen_random_uuid(), 'a@b.c', 'a@b.c', 'x', now() - interval '60 days', now())`,
  )
  gateway.fault = ({ body }) => (body.includes('"registrations"') ? { kind: 'refuse' } : undefined)
  const logged = vi.spyOn(console, 'error').mockImplementation(() => {})
  const { status, body } = await runMaintenance()
  expect([status, body.removed.sessions, body.left]).toEqual([200, 3, ['registrations']])
  expect(logged.mock.calls.map(([line]) => JSON.parse(String(line)))).toContainEqual(
    expect.objectContaining({ event: 'not-removed', reason: expect.stringMatching(/^registrations: /) }),
  )
  logged.mockRestore()
  gateway.fault = undefined
  expect((await runMaintenance()).body).toMatchObject({ removed: { registrations: 1 }, left: [] })
})

test('the report says how many emails wait and for how long the oldest has, whoever caused them', async () => {
  expect((await runMaintenance()).body.emails).toEqual({
    sent: 0,
    failed: 0,
    held: 0,
    waiting: 0,
    oldestWaitingSeconds: null,
  })
  inbox.fault = () => ({ kind: 'status', code: 500 })
  const addresses = [newAddress(), newAddress()]
  for (const email of addresses) await newBrowser().send('register', 'POST', { email, password: PASSWORD })
  await query("UPDATE outbox SET created_at = now() - interval '2 hours' WHERE recipient = $1", addresses[0])
  const { emails } = (await runMaintenance()).body
  expect(emails).toMatchObject({ sent: 0, waiting: 2 })
  expect(Math.floor(emails.oldestWaitingSeconds / 60)).toBe(120)

  inbox.fault = undefined
  await query('UPDATE outbox SET next_attempt_at = now() WHERE sent_at IS NULL')
  expect((await runMaintenance()).body.emails).toMatchObject({
    sent: 2,
    waiting: 0,
    oldestWaitingSeconds: null,
  })
})

describe('the partitions of the audit log', () => {
  const nameOf = (month: Date) => `events_${month.toISOString().slice(0, 7).replace('-', '_')}`
  const monthFromNow = (months: number) => {
    const now = new Date()
    return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + months, 15))
  }
  const partitions = async () =>
    (
      await query(
        `SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'latchkey.events'::regclass`,
      )
    ).map(({ name }) => name)
  /** The partition that has the event of this kind. */
  const placeOf = async (kind: string) =>
    (await query('SELECT tableoid::regclass::text AS name FROM events WHERE kind = $1', kind)).map(
      ({ name }) => name,
    )

  test('there is one for this month and each of the next three', async () => {
    const ahead = Array.from({ length: maximum.eventMonthsAhead + 1 }, (_, months) =>
      nameOf(monthFromNow(months)),
    )
    expect((await runMaintenance()).body.partitions).toEqual({ created: [], dropped: [] })
    expect(await partitions()).toEqual(expect.arrayContaining([...ahead, 'events_default']))
  })

  test('a month that has none gets one, and what the default partition has of it moves there', async () => {
    const last = nameOf(monthFromNow(maximum.eventMonthsAhead))
    await query(`DROP TABLE ${last}`)
    await query(
      "INSERT INTO events (kind, created_at) VALUES ('of-that-month', $1)",
      monthFromNow(maximum.eventMonthsAhead),
    )
    expect(await placeOf('of-that-month')).toEqual(['events_default'])
    expect((await runMaintenance()).body.partitions).toEqual({ created: [last], dropped: [] })
    expect(await placeOf('of-that-month')).toEqual([last])
  })

  test('[ASVS 14.2.7] events older than 400 days are dropped, with their month or from the default partition, and an event says so', async () => {
    const [old, kept] = [monthFromNow(-15), monthFromNow(-12)]
    for (const month of [old, kept]) {
      const first = `${month.toISOString().slice(0, 7)}-01`
      await query(
        `CREATE TABLE ${nameOf(month)} PARTITION OF events FOR VALUES FROM ('${first}')
         TO ('${new Date(Date.UTC(month.getUTCFullYear(), month.getUTCMonth() + 1, 1)).toISOString()}')`,
      )
    }
    await query(
      "INSERT INTO events (kind, created_at) VALUES ('old', $1), ('older', $2), ('kept', $3)",
      old,
      monthFromNow(-30),
      kept,
    )
    expect((await runMaintenance()).body.partitions).toEqual({ created: [], dropped: [nameOf(old)] })
    expect([await placeOf('old'), await placeOf('older')]).toEqual([[], []])
    expect(await placeOf('kept')).toEqual([nameOf(kept)])
    const [purged] = await query("SELECT detail FROM events WHERE kind = 'events-purged'")
    expect(purged.detail).toMatchObject({ partitions: [nameOf(old)], before: expect.any(String) })
  })

  test('where the log is busy for more than a second, it is left to the next run, and everything else is done', async () => {
    await query(`DROP TABLE ${nameOf(monthFromNow(1))}`)
    await insertSessions(3, '-1 day')
    const reader = await connected()
    const logged = vi.spyOn(console, 'error').mockImplementation(() => {})
    try {
      await reader.query('BEGIN')
      await reader.query('SELECT FROM latchkey.events LIMIT 1')
      const { status, body } = await runMaintenance()
      const busy = { created: [], dropped: [] }
      expect([status, body.removed.sessions, body.partitions]).toEqual([200, 3, busy])
      expect(logged.mock.calls.map(([line]) => JSON.parse(String(line)).event)).toContain('not-removed')
    } finally {
      logged.mockRestore()
      await reader.end()
    }
    expect((await runMaintenance()).body.partitions.created).toEqual([nameOf(monthFromNow(1))])
  })
})
