/** Maintenance at size: how much one run removes, by which indexes, and what it tells a monitor. */
import { afterEach, beforeAll, expect, test, vi } from 'vitest'
import { newBrowser } from './browser.ts'
import { query } from './database.ts'
import { runMaintenance } from './fault-operations.ts'
import { newAddress, PASSWORD, signedInPerson } from './people.ts'
import { gateway, inbox } from './setup-stack.ts'

/** Two batches and a half. */
const OVER = 25_000
const KEPT = 175_000

let userId: string

async function insertSessions(count: number, endsIn: string): Promise<void> {
  await query(
    `INSERT INTO sessions (id, user_id, family_hash, expires_at, ends_at)
     SELECT gen_random_uuid(), $1, sha256(gen_random_uuid()::text::bytea), now(), now() + $2::interval + n * interval '1 second'
     FROM generate_series(1, $3) n`,
    userId,
    endsIn,
    count,
  )
}

beforeAll(async () => {
  const { email } = await signedInPerson()
  userId = (await query('SELECT id FROM users WHERE email = $1', email))[0].id
  await insertSessions(KEPT, '1 hour')
  await insertSessions(OVER, '-1 day')
  await query(
    `INSERT INTO events (kind, user_id, ip, at)
     SELECT 'session-ended', $1, '203.0.113.0', now() - interval '91 days' * (n <= $2)::int FROM generate_series(1, $3) n`,
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

const left = `SELECT (SELECT count(*)::int FROM sessions WHERE ends_at < now()) AS sessions,
  (SELECT count(*)::int FROM events WHERE ip IS NOT NULL AND at < now() - interval '90 days') AS ips`

test('what there is no time for is left for the next run, and the answer names it', async () => {
  vi.useFakeTimers({ toFake: ['Date'] })
  gateway.fault = ({ statements }) => {
    if (statements[0]?.includes('events')) vi.setSystemTime(Date.now() + 61_000)
    return undefined
  }
  const { status, body } = await runMaintenance()
  expect([status, body.removed.sessions, body.removed.eventIps]).toEqual([200, 10_000, 10_000])
  expect(body.left).toEqual(['sessions', 'eventIps'])
  expect(await query(left)).toEqual([{ sessions: 15_000, ips: 15_000 }])
})

test('[ASVS 14.2.7] one run removes all that is over, batch by batch', async () => {
  const { body } = await runMaintenance()
  expect([body.removed.sessions, body.removed.eventIps, body.left]).toEqual([15_000, 15_000, []])
  expect(await query(left)).toEqual([{ sessions: 0, ips: 0 }])
  expect((await runMaintenance()).body.removed).toMatchObject({ sessions: 0, eventIps: 0 })
  expect(await query('SELECT count(*)::int AS kept FROM sessions')).toEqual([{ kept: KEPT + 1 }])
})

test('of 200,000 sessions and events those that are over are found by an index, and no other is read', async () => {
  await query('ANALYZE')
  gateway.requests.length = 0
  await runMaintenance()
  const statements = gateway.requests.flatMap((request) => request.statements)
  for (const [table, index] of [
    ['sessions', 'sessions_ends_at'],
    ['events', 'events_with_ip'],
  ]) {
    const statement = statements.find((text) => RegExp(`(?:FROM|UPDATE) "?${table}\\b`).test(text)) ?? ''
    const plan = (await query(`EXPLAIN (GENERIC_PLAN) ${statement}`))
      .map((row) => row['QUERY PLAN'])
      .join('\n')
    expect(plan).toContain(`Index Scan using ${index} `)
    expect(plan).toMatch(RegExp(`Index Scan (?:on|using) ${table}_pkey `))
    expect(plan).not.toContain('Seq Scan')
  }
})

test('a table that cannot be had does not hold up the others: it is logged, and named in the answer', async () => {
  await insertSessions(3, '-1 day')
  await query(
    "INSERT INTO registrations (id, email, email_key, password_hash, created_at, expires_at) VALUES (gen_random_uuid(), 'a@b.c', 'a@b.c', 'x', now() - interval '60 days', now())",
  )
  gateway.fault = ({ statements }) =>
    statements[0]?.includes('DELETE FROM "registrations"') === true ? { kind: 'refuse' } : undefined
  const logged = vi.spyOn(console, 'error').mockImplementation(() => {})
  const { status, body } = await runMaintenance()
  expect([status, body.removed.sessions, body.left]).toEqual([200, 3, ['registrations']])
  expect(logged.mock.calls.map(([line]) => JSON.parse(String(line)))).toContainEqual(
    expect.objectContaining({ event: 'not-removed', reason: 'registrations: ECONNRESET' }),
  )
  logged.mockRestore()
  gateway.fault = undefined
  expect((await runMaintenance()).body).toMatchObject({ removed: { registrations: 1 }, left: [] })
})

test('it tells how many mails wait and for how long the oldest has, whoever caused them', async () => {
  expect((await runMaintenance()).body.mail).toEqual({
    sent: 0,
    givenUp: 0,
    held: 0,
    waiting: 0,
    oldestWaitingSeconds: null,
  })
  inbox.fault = () => ({ kind: 'status', code: 500 })
  const emails = [newAddress(), newAddress()]
  for (const email of emails) await newBrowser().send('register', 'POST', { email, password: PASSWORD })
  await query("UPDATE outbox SET created_at = now() - interval '2 hours' WHERE recipient = $1", emails[0])
  const { mail } = (await runMaintenance()).body
  expect(mail).toMatchObject({ sent: 0, waiting: 2 })
  expect(Math.floor(mail.oldestWaitingSeconds / 60)).toBe(120)

  inbox.fault = undefined
  await query('UPDATE outbox SET next_attempt_at = now() WHERE sent_at IS NULL')
  expect((await runMaintenance()).body.mail).toMatchObject({
    sent: 2,
    waiting: 0,
    oldestWaitingSeconds: null,
  })
})
