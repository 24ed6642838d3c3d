/** A preview beside production: one `JWT_SECRET` for both, and a database that is a copy with production's very rows. */
import { createHmac, hkdfSync, randomBytes } from 'node:crypto'
import { decodeProtectedHeader } from 'jose'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { newestEmailTo, newAddress, emailsTo, PASSWORD, tokenIn } from '../support/people.ts'
import { query } from '../support/database.ts'
import { databaseUrl } from '../support/setup-stack.ts'
import type { Cookies } from '../support/own-functions.ts'
import { deploymentOf, leadToStandIns } from '../support/stages.ts'

const SECRET = randomBytes(32).toString('base64')
const PRODUCTION = { VERCEL_ENV: 'production', APP_URL: 'https://app.example.com', JWT_SECRET: SECRET }
/** The same origin too: then nothing but the keys keeps the two apart. */
const PREVIEW = { ...PRODUCTION, VERCEL_ENV: 'preview' }

beforeAll(() => leadToStandIns())
beforeEach(() => query('DELETE FROM production_database'))
afterAll(() => {
  vi.unstubAllEnvs()
  vi.unstubAllGlobals()
  vi.resetModules()
})

type Deployment = Awaited<ReturnType<typeof deploymentOf>>

const cron = () => ({ authorization: `Bearer ${process.env['CRON_SECRET']}` })

async function registered(send: Deployment, email = newAddress()) {
  const cookies: Cookies = new Map()
  const { status, body } = await send(cookies, 'register', 'POST', { email, password: PASSWORD })
  expect([status, body]).toEqual([202, { status: 'check-email' }])
  return { email, cookies }
}

async function signedIn(send: Deployment) {
  const { email, cookies } = await registered(send)
  expect((await send(cookies, 'verify', 'PUT', { token: tokenIn(await newestEmailTo(email)) })).status).toBe(
    200,
  )
  const { status, body } = await send(cookies, 'login', 'POST', { email, password: PASSWORD })
  expect(status).toBe(200)
  return { email, cookies, accessToken: body.accessToken as string }
}

const outboxOf = async (email: string) =>
  (
    await query('SELECT id, sent_at, failed_at, attempts FROM outbox WHERE recipient = $1 ORDER BY id', email)
  ).at(-1)

/** As it is in production when Resend was away for a moment. */
const queue = (email: string) =>
  query(
    `INSERT INTO outbox (id, kind, recipient, next_attempt_at, created_at)
     VALUES (gen_random_uuid(), 'already-registered', $1, now() - interval '1 hour', now() - interval '2 hours')`,
    email,
  )

describe("production's cookies, links and tokens", () => {
  test('are refused in a preview, though it has the same secret, the same origin and the same rows', async () => {
    const production = await deploymentOf(PRODUCTION)
    const person = await signedIn(production)
    const pending = await registered(production)
    await production(new Map(), 'reset', 'POST', { email: person.email })
    const resetToken = tokenIn(await newestEmailTo(person.email))
    const verifyToken = tokenIn(await newestEmailTo(pending.email))
    const bearer = { authorization: `Bearer ${person.accessToken}` }

    const present = async (send: Deployment) => ({
      cookie: (await send(new Map(person.cookies), 'account', 'GET')).status,
      refresh: (await send(new Map(person.cookies), 'refresh', 'POST', {})).status,
      accessToken: (await send(new Map(), 'account', 'GET', undefined, bearer)).status,
      verifyLink: (await send(new Map(pending.cookies), 'verify', 'PUT', { token: verifyToken })).status,
      resetLink: (await send(new Map(), 'reset', 'PUT', { token: resetToken, password: `${PASSWORD}!` }))
        .status,
    })
    expect(await present(await deploymentOf(PREVIEW))).toEqual({
      cookie: 401,
      refresh: 401,
      accessToken: 401,
      verifyLink: 400,
      resetLink: 400,
    })
    expect(await present(await deploymentOf(PRODUCTION))).toEqual({
      cookie: 200,
      refresh: 200,
      accessToken: 200,
      verifyLink: 200,
      resetLink: 200,
    })
  })

  test("and a preview's are refused in production; the two publish other keys", async () => {
    const preview = await deploymentOf({ ...PREVIEW, EMAIL_ALLOW: '@example.org' })
    const person = await signedIn(preview)
    expect((await preview(person.cookies, 'refresh', 'POST', {})).status).toBe(200)
    const published = (await preview(new Map(), 'keys', 'GET')).body.keys

    const production = await deploymentOf(PRODUCTION)
    expect((await production(new Map(person.cookies), 'refresh', 'POST', {})).status).toBe(401)
    const bearer = { authorization: `Bearer ${person.accessToken}` }
    expect((await production(new Map(), 'account', 'GET', undefined, bearer)).status).toBe(401)
    const { keys } = (await production(new Map(), 'keys', 'GET')).body
    expect(keys).toHaveLength(1)
    expect(keys[0].kid).not.toBe(published[0].kid)
    expect(decodeProtectedHeader(person.accessToken).kid).toBe(published[0].kid)
  })

  test('the keys of production and of development are what they were before previews had others', async () => {
    const key = Buffer.from(hkdfSync('sha256', SECRET, '', 'latchkey rate-limit', 32))
    const expected = createHmac('sha256', key).update('x').digest()
    const made = async (stage: string) => {
      await deploymentOf({ ...PRODUCTION, VERCEL_ENV: stage })
      const { keyedHash } = await import('../../lib/crypto/keys.ts')
      return keyedHash('rate-limit', Buffer.from('x'))
    }
    expect(await made('production')).toEqual(expected)
    expect(await made('development')).toEqual(expected)
    expect(await made('preview')).not.toEqual(expected)
  })
})

describe('the mails of a preview', () => {
  test('are all held where EMAIL_ALLOW is not set: the answers are the same, nothing is sent, and each is marked and told of', async () => {
    const preview = await deploymentOf(PREVIEW)
    const { email } = await registered(preview)
    expect(await emailsTo(email)).toEqual([])
    const message = await outboxOf(email)
    expect([message.sent_at, message.failed_at === null, message.attempts]).toEqual([null, false, 1])
    expect(await query("SELECT kind, detail FROM events WHERE detail->>'email' = $1", message.id)).toEqual([
      { kind: 'email-held', detail: { email: message.id, reason: 'the recipient is not in EMAIL_ALLOW' } },
    ])

    // It is over: no later run tries it again.
    await query('UPDATE outbox SET next_attempt_at = now() WHERE recipient = $1', email)
    const { status, body } = await preview(new Map(), 'maintenance', 'GET', undefined, cron())
    expect([status, body.emails]).toMatchObject([200, { sent: 0, held: 0, failed: 0 }])
    expect(await emailsTo(email)).toEqual([])
  })

  test('go to whom EMAIL_ALLOW names, by address or by domain, in whatever spelling, and to nobody else', async () => {
    const name = randomBytes(4).toString('hex')
    const preview = await deploymentOf({
      ...PREVIEW,
      EMAIL_ALLOW: `${name}@Example.net, @münchen.example`,
    })
    const [named, atDomain] = [`${name.toUpperCase()}@example.NET`, `${name}@xn--mnchen-3ya.example`]
    const others = [`x${name}@example.net`, `${name}@sub.xn--mnchen-3ya.example`, `${name}@notexample.net`]
    for (const email of [named, atDomain, ...others]) await registered(preview, email)
    for (const email of [named, atDomain]) expect(await emailsTo(email), email).toHaveLength(1)
    for (const email of others) {
      expect(await emailsTo(email), email).toEqual([])
      expect((await outboxOf(email)).failed_at, email).not.toBeNull()
    }
  })

  test('EMAIL_ALLOW holds in production, too, where it is set; where it is not, everybody is written to', async () => {
    const { email } = await registered(
      await deploymentOf({ ...PRODUCTION, EMAIL_ALLOW: 'somebody@example.net' }),
    )
    expect(await emailsTo(email)).toEqual([])
    const { email: other } = await registered(await deploymentOf(PRODUCTION))
    expect(await emailsTo(other)).toHaveLength(1)
  })

  test("what waits in a copy of production's database is not sent from it, neither taken along nor by maintenance", async () => {
    const [waiting, fresh] = [newAddress(), newAddress()]
    await query("INSERT INTO production_database (address) VALUES ('ep-production.eu.aws.neon.tech/neondb')")
    await queue(waiting)
    for (const stage of ['preview', 'development']) {
      const preview = await deploymentOf({ ...PREVIEW, VERCEL_ENV: stage, EMAIL_ALLOW: '@example.org' })
      const email = stage === 'preview' ? fresh : newAddress()
      await registered(preview, email)
      expect(await emailsTo(email), stage).toHaveLength(1)
      const { body } = await preview(new Map(), 'maintenance', 'GET', undefined, cron())
      expect(body.emails, stage).toMatchObject({ sent: 0, held: 0, failed: 0, waiting: 1 })
      expect(await emailsTo(waiting), stage).toEqual([])
      expect(await outboxOf(waiting), stage).toMatchObject({ sent_at: null, failed_at: null, attempts: 0 })
    }

    const production = await deploymentOf(PRODUCTION)
    const { body } = await production(new Map(), 'maintenance', 'GET', undefined, cron())
    expect(body.emails).toMatchObject({ sent: 1, waiting: 0 })
    expect(await emailsTo(waiting)).toHaveLength(1)
  })

  test('what waits in a database of its own is', async () => {
    const waiting = newAddress()
    await queue(waiting)
    const preview = await deploymentOf({ ...PREVIEW, EMAIL_ALLOW: '@example.org' })
    const { body } = await preview(new Map(), 'maintenance', 'GET', undefined, cron())
    expect(body.emails).toMatchObject({ sent: 1, waiting: 0 })
    expect(await emailsTo(waiting)).toHaveLength(1)
  })
})

describe('a database that refuses the functions', () => {
  test.each([
    ['the role', (url: URL) => void (url.username = 'nobody_known'), /^refused: .*role or the password/],
    [
      'its name',
      (url: URL) => void (url.pathname = '/no_such_database'),
      /^3D000: there is no such database/,
    ],
  ])('%s: 503 unavailable, and the log says what to fix, without a value', async (_, spoil, reason) => {
    const url = new URL(databaseUrl)
    spoil(url)
    const written: string[] = []
    vi.spyOn(console, 'error').mockImplementation((line: string) => void written.push(line))
    try {
      leadToStandIns(url.href)
      const send = await deploymentOf(PRODUCTION)
      const { status, body } = await send(new Map(), 'register', 'POST', {
        email: newAddress(),
        password: PASSWORD,
      })
      expect([status, body.code]).toEqual([503, 'unavailable'])
    } finally {
      leadToStandIns()
      vi.mocked(console.error).mockRestore()
    }
    const [line] = written.map((text) => JSON.parse(text)).filter(({ event }) => event === 'unavailable')
    expect(line.reason).toMatch(reason)
    expect(written.join()).not.toMatch(/nobody_known|no_such_database/)
  })
})
