/** When the database or the email provider is away: what the client sees, and that nothing is lost or done twice. */
import { afterEach, describe, expect, test } from 'vitest'
import { lifetimeSeconds } from '../../lib/limits.ts'
import { newBrowser, sendRaw, type Received, type Browser } from '../support/browser.ts'
import { ageSessions, query } from '../support/database.ts'
import {
  emailsTo,
  newAddress,
  newestEmailTo,
  OTHER_PASSWORD,
  PASSWORD,
  registeredPerson,
  signedInPerson,
  tokenIn,
  verifiedPerson,
} from '../support/people.ts'
import { gateway, inbox } from '../support/setup-stack.ts'

afterEach(() => {
  gateway.fault = undefined
  inbox.fault = undefined
})

function expectUnavailable(response: Received): void {
  expect([response.status, response.body.code]).toEqual([503, 'unavailable'])
  expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0)
  expect(response.setCookies).toEqual([])
  expect(JSON.stringify(response.body)).not.toMatch(/postgres|neon|sql|127\.0|fetch/i)
}

function runMaintenance(): Promise<Received> {
  return sendRaw('maintenance', { headers: { authorization: `Bearer ${process.env['CRON_SECRET']}` } })
}

describe('with the database away', () => {
  test.each([{ kind: 'refuse' }, { kind: 'garbage' }, { kind: 'status', code: 500 }] as const)(
    '[ASVS 16.5.2] [ASVS 16.5.3] [RFC 9457 3.1.4] [RFC 9457 5] every endpoint is 503, and no cookie is touched: $kind',
    async (fault) => {
      const person = await signedInPerson()
      await newBrowser().send('reset', 'POST', { email: person.email })
      const resetToken = tokenIn(await newestEmailTo(person.email))
      const pending = await registeredPerson()
      const verifyToken = tokenIn(await newestEmailTo(pending.email))
      const token = person.browser.cookies.get('__Host-session')

      gateway.fault = () => fault
      const credentials = { email: person.email, password: PASSWORD }
      const calls: Parameters<Browser['send']>[] = [
        ['register', 'POST', { email: newAddress(), password: PASSWORD }],
        ['verify', 'POST', { email: newAddress() }],
        ['verify', 'PUT', { token: verifyToken }],
        ['login', 'POST', credentials],
        ['login', 'POST', { ...credentials, reauthenticate: true }],
        ['refresh', 'POST', {}],
        ['logout', 'POST', {}],
        ['logout', 'POST', { everywhere: true }],
        ['reset', 'POST', { email: person.email }],
        ['reset', 'PUT', { token: resetToken, password: OTHER_PASSWORD }],
        ['sessions', 'GET'],
        ['sessions?others=true', 'DELETE'],
        ['account', 'GET'],
        ['account', 'PATCH', { email: newAddress() }],
        ['account', 'PATCH', { currentPassword: PASSWORD, newPassword: OTHER_PASSWORD }],
        ['account', 'DELETE'],
      ]
      for (const call of calls) expectUnavailable(await person.browser.send(...call))
      expectUnavailable(await runMaintenance())
      expect(person.browser.cookies.get('__Host-session')).toBe(token)

      gateway.fault = undefined
      expect((await person.browser.send('refresh', 'POST', {})).status).toBe(200)
      expect((await pending.browser.send('verify', 'PUT', { token: verifyToken })).status).toBe(200)
      expect((await person.browser.send('login', 'POST', credentials)).status).toBe(200)
    },
  )

  test('the public keys need no database', async () => {
    gateway.fault = () => ({ kind: 'refuse' })
    expect((await sendRaw('keys', {})).status).toBe(200)
  })

  test('[ASVS 13.1.3] a database that hangs is given up after 5 s', async () => {
    gateway.fault = () => ({ kind: 'hang' })
    const person = newBrowser()
    expectUnavailable(await person.send('login', 'POST', { email: newAddress(), password: PASSWORD }))
  })

  test('[ASVS 13.2.6] a refresh whose response was lost is retried once, with the same successor', async () => {
    const person = await signedInPerson()
    await ageSessions(person.email, 60)
    let lost = 0
    gateway.fault = () => (lost++ === 0 ? { kind: 'lose-answer' } : undefined)
    const response = await person.browser.send('refresh', 'POST', {})
    expect(response.status).toBe(200)
    expect(lost).toBe(2)
    const [session] = await query('SELECT counter FROM sessions WHERE user_id = $1', response.body.user.id)
    expect(session.counter).toBe('1')
  })

  test('[ASVS 13.2.6] a login whose response was lost is not retried', async () => {
    const person = await verifiedPerson()
    let requests = 0
    gateway.fault = () => (requests++ === 1 ? { kind: 'lose-answer' } : undefined)
    expectUnavailable(await person.browser.send('login', 'POST', { email: person.email, password: PASSWORD }))
    expect(requests).toBe(2)
    expect(
      (await person.browser.send('login', 'POST', { email: person.email, password: PASSWORD })).status,
    ).toBe(200)
  })
})

describe('[ASVS 16.5.2] with the email provider away', () => {
  test.each([
    { kind: 'refuse' },
    { kind: 'status', code: 500 },
    { kind: 'status', code: 429 },
    // An unknown key, for one.
    { kind: 'status', code: 400 },
    { kind: 'lose-answer' },
  ] as const)('the response is the same 202, and the email is sent later, once: %o', async (fault) => {
    const email = newAddress()
    const browser = newBrowser()
    inbox.fault = () => fault
    const response = await browser.send('register', 'POST', { email, password: PASSWORD })
    expect([response.status, response.body]).toEqual([202, { status: 'check-email' }])
    const [queued] = await query('SELECT * FROM outbox WHERE recipient = $1', email)
    expect([queued.sent_at, queued.failed_at, queued.attempts]).toEqual([null, null, 1])

    inbox.fault = undefined
    await query('UPDATE outbox SET next_attempt_at = now() WHERE recipient = $1', email)
    const report = await runMaintenance()
    expect(report.status).toBe(200)
    expect(report.body.emails).toMatchObject({ sent: 1, failed: 0 })
    const emails = await emailsTo(email)
    expect(emails).toHaveLength(1)
    expect((await browser.send('verify', 'PUT', { token: tokenIn(emails[0]!) })).status).toBe(200)
  })

  test('an email that the provider refuses for good is given up, with an event', async () => {
    const email = newAddress()
    inbox.fault = () => ({ kind: 'status', code: 422 })
    expect((await newBrowser().send('register', 'POST', { email, password: PASSWORD })).status).toBe(202)
    const [queued] = await query('SELECT id, failed_at FROM outbox WHERE recipient = $1', email)
    expect(queued.failed_at).not.toBeNull()
    expect(
      await query("SELECT 1 FROM events WHERE kind = 'email-failed' AND detail->>'email' = $1", queued.id),
    ).toHaveLength(1)
  })

  test('an email of an unknown kind waits for functions that know it, and is given up after a day', async () => {
    await query(
      `INSERT INTO outbox (id, kind, recipient, next_attempt_at)
       VALUES (gen_random_uuid(), 'of-a-newer-release', 'a@example.org', now())`,
    )
    const row = "SELECT attempts, failed_at IS NULL AS waits FROM outbox WHERE kind = 'of-a-newer-release'"
    expect((await runMaintenance()).body.emails).toMatchObject({ sent: 0, failed: 0 })
    expect(await query(row)).toEqual([{ attempts: 1, waits: true }])
    await query(
      `UPDATE outbox SET created_at = now() - interval '25 hours', next_attempt_at = now()
       WHERE kind = 'of-a-newer-release'`,
    )
    expect((await runMaintenance()).body.emails).toMatchObject({ failed: 1 })
    expect(await query(row)).toEqual([{ attempts: 2, waits: false }])
  })

  test('[ASVS 13.2.6] an email is given up after a day', async () => {
    const email = newAddress()
    inbox.fault = () => ({ kind: 'status', code: 500 })
    await newBrowser().send('register', 'POST', { email, password: PASSWORD })
    await query(
      "UPDATE outbox SET created_at = now() - interval '25 hours', next_attempt_at = now() WHERE recipient = $1",
      email,
    )
    expect((await runMaintenance()).body.emails).toMatchObject({ failed: 1 })
    expect((await runMaintenance()).body.emails).toMatchObject({ sent: 0, failed: 0 })
  })

  test('an email whose link expired on the way is given up', async () => {
    const email = newAddress()
    inbox.fault = () => ({ kind: 'status', code: 500 })
    await newBrowser().send('register', 'POST', { email, password: PASSWORD })
    inbox.fault = undefined
    await query(
      "UPDATE outbox SET token_expires_at = now() - interval '1 second', next_attempt_at = now() WHERE recipient = $1",
      email,
    )
    expect((await runMaintenance()).body.emails).toMatchObject({ sent: 0, failed: 1 })
    expect(await emailsTo(email)).toEqual([])
  })

  test('an email whose delivery was not recorded is not delivered twice', async () => {
    const email = newAddress()
    gateway.fault = ({ statements }) =>
      statements.some((text) => text.includes('latchkey.record_delivery('))
        ? { kind: 'lose-request' }
        : undefined
    expect((await newBrowser().send('register', 'POST', { email, password: PASSWORD })).status).toBe(202)
    gateway.fault = undefined
    await query('UPDATE outbox SET next_attempt_at = now() WHERE recipient = $1', email)
    expect((await runMaintenance()).body.emails).toMatchObject({ sent: 1 })
    expect(await emailsTo(email)).toHaveLength(1)
  })
})

describe('maintenance', () => {
  test('[ASVS 3.5.3] only the cron may call it', async () => {
    for (const authorization of ['', 'Bearer', 'Bearer x', `Basic ${process.env['CRON_SECRET']}`]) {
      const response = await sendRaw('maintenance', { headers: { authorization } })
      expect([response.status, response.body.code]).toEqual([401, 'unauthorized'])
    }
  })

  test('two at once send each waiting email once', async () => {
    inbox.fault = () => ({ kind: 'status', code: 500 })
    const emails = Array.from({ length: 25 }, newAddress)
    for (const email of emails) await newBrowser().send('register', 'POST', { email, password: PASSWORD })
    inbox.fault = undefined
    await query('UPDATE outbox SET next_attempt_at = now() WHERE sent_at IS NULL')
    const reports = await Promise.all([runMaintenance(), runMaintenance(), runMaintenance()])
    expect(reports.reduce((sum, { body }) => sum + body.emails.sent, 0)).toBe(25)
    for (const email of emails) expect(await emailsTo(email)).toHaveLength(1)
  })

  test('[ASVS 14.2.7] it removes what has expired and nothing else', async () => {
    const [kept, over, ended, pending] = [
      await signedInPerson(),
      await signedInPerson(),
      await signedInPerson(),
      await registeredPerson(),
    ]
    await ageSessions(over.email, lifetimeSeconds.sessionAbsolute + 1)
    await ended.browser.send('logout', 'POST', {})
    await ageSessions(ended.email, lifetimeSeconds.sessionAbsolute - 60)
    await query(
      "UPDATE registrations SET created_at = now() - interval '8 days' WHERE email = $1",
      pending.email,
    )
    await query("UPDATE rate_limits SET theoretical_arrival_at = now() - interval '1 second'")
    const { body } = await runMaintenance()
    expect(body.removed).toMatchObject({ registrations: 1, sessions: 1 })
    expect(body.left).toEqual([])
    expect(body.removed.rateLimits).toBeGreaterThan(0)
    expect((await kept.browser.send('refresh', 'POST', {})).status).toBe(200)
    expect(await query('SELECT 1 FROM registrations WHERE email = $1', pending.email)).toEqual([])

    // A session that was signed out is kept until its absolute expiry, to show how it ended.
    await ageSessions(ended.email, 60)
    expect((await runMaintenance()).body.removed).toMatchObject({ sessions: 1 })
  })

  test('[ASVS 14.2.7] after 90 days an event loses its IP address, and stays', async () => {
    const [old, recent] = [await verifiedPerson(), await verifiedPerson()]
    const idOf = async ({ email }: { email: string }) =>
      (await query('SELECT id FROM users WHERE email = $1', email))[0].id
    const ids = [await idOf(old), await idOf(recent)]
    await query(
      "UPDATE events SET created_at = now() - interval '90 days 1 minute' WHERE user_id = $1",
      ids[0],
    )
    await query("UPDATE events SET created_at = now() - interval '89 days' WHERE user_id = $1", ids[1])
    const count = 'SELECT count(*)::int AS events, count(ip)::int AS ips FROM events WHERE user_id = $1'
    const before = await Promise.all(ids.map((id) => query(count, id)))
    expect(before[0]?.[0].ips).toBeGreaterThan(0)
    expect((await runMaintenance()).body.removed.eventIps).toBe(before[0]?.[0].ips)
    const after = await Promise.all(ids.map((id) => query(count, id)))
    expect(after).toEqual([[{ events: before[0]?.[0].events, ips: 0 }], before[1]])
  })
})
