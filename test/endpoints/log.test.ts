/** What the log and the audit log contain of a whole life of an account, and what neither ever contains. */
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { endpoint } from '../../lib/http/endpoint.ts'
import { EVENT_KINDS } from '../../lib/auth/events.ts'
import { maximum } from '../../lib/limits.ts'
import { newBrowser, sendRaw, type Received, type Browser } from '../support/browser.ts'
import { ageSessions, query } from '../support/database.ts'
import {
  failedBefore,
  emailsTo,
  newAddress,
  newestEmailTo,
  OTHER_PASSWORD,
  PASSWORD,
  signedInPerson,
  tokenIn,
  verifiedPerson,
} from '../support/people.ts'
import { APP_ORIGIN } from '../support/setup-environment.ts'
import { gateway, inbox } from '../support/setup-stack.ts'

interface Line {
  at: string
  level: string
  event: string
  requestId?: string
  method?: string
  path?: string
  status?: number
  code?: string
  reason?: string
  stack?: string
  userId?: string
  sessionId?: string
  roundTrips?: number
  cold?: boolean
}

let written: string[] = []

beforeEach(() => {
  written = []
  for (const level of ['info', 'warn', 'error', 'log', 'debug'] as const) {
    vi.spyOn(console, level).mockImplementation((...parts: unknown[]) => void written.push(parts.join(' ')))
  }
})
afterEach(() => {
  gateway.fault = undefined
  inbox.fault = undefined
})
afterAll(() => vi.restoreAllMocks())

const lines = (): Line[] => written.map((line) => JSON.parse(line))
const requestLine = (response: Received) =>
  lines().find(
    ({ event, requestId }) => event === 'request' && requestId === response.headers.get('x-request-id'),
  )

async function eventsOf(response: Received) {
  return query('SELECT * FROM events WHERE request_id = $1 ORDER BY id', response.headers.get('x-request-id'))
}

/** Every kind of secret and of personal data that a life of an account brings along. */
async function liveALife(secrets: Set<string>): Promise<void> {
  const [email, newEmail] = [newAddress(), newAddress()]
  const wrong = 'a wrong password, by mistake'
  const agent = 'An unusual user agent 7.3'
  for (const secret of [email, newEmail, PASSWORD, OTHER_PASSWORD, wrong, agent]) secrets.add(secret)
  const browser = newBrowser()
  secrets.add(browser.ip)
  const sendBy = async (by: Browser, ...[target, method, body]: Parameters<Browser['send']>) => {
    const response = await by.send(target, method, body, { 'user-agent': agent })
    for (const value of by.cookies.values()) if (value.length > 9) secrets.add(value)
    if (response.body?.accessToken) secrets.add(response.body.accessToken)
    return response
  }
  const send = (...request: Parameters<Browser['send']>) => sendBy(browser, ...request)
  const newestToken = async (address: string) => {
    const message = await newestEmailTo(address)
    const code = /(?<![\w-])(\d{3}) (\d{3})(?![\w-])/.exec(message.text ?? '')
    if (code !== null) secrets.add(`${code[1]}${code[2]}`)
    const token = tokenIn(message)
    secrets.add(token)
    return token
  }

  await send('register', 'POST', { email, password: PASSWORD })
  await send('verify', 'POST', { email })
  await send('login', 'POST', { email, password: PASSWORD })
  await send('verify', 'PUT', { token: `${(await newestToken(email)).slice(0, -2)}AA` })
  await send('verify', 'PUT', { email, code: '000000' })
  await send('verify', 'PUT', { token: await newestToken(email) })
  await send('register', 'POST', { email, password: PASSWORD })
  await send('login', 'POST', { email, password: wrong })
  await send('login', 'POST', { email, password: PASSWORD })
  await send('login', 'POST', { email, password: PASSWORD, reauthenticate: true })
  const before = browser.cookies.get('__Host-session') ?? ''
  await ageSessions(email, 60)
  const { accessToken } = (await send('refresh', 'POST', {})).body
  const copy = newBrowser()
  copy.cookies.set('__Host-session', before)
  await copy.send('refresh', 'POST', {}, { 'user-agent': 'Another user agent' })
  // As if the response had been lost.
  browser.cookies.set('__Host-session', before)
  await ageSessions(email, 60)
  await send('refresh', 'POST', {})
  await sendRaw('account', { headers: { authorization: `Bearer ${accessToken}` } })
  await sendRaw('account', { headers: { authorization: `Bearer ${accessToken}x` } })
  await sendRaw(`sessions?access_token=${accessToken}`, {})
  await send('sessions', 'GET')
  await send('sessions?others=true', 'DELETE')
  await send('account', 'PATCH', { currentPassword: wrong, newPassword: OTHER_PASSWORD })
  await send('account', 'PATCH', { currentPassword: PASSWORD, newPassword: OTHER_PASSWORD })
  await send('account', 'PATCH', { email: newEmail })
  await send('verify', 'PUT', { cancel: await newestToken(email) })
  await send('account', 'PATCH', { email: newEmail })
  await send('verify', 'PUT', { token: await newestToken(newEmail) })
  await send('logout', 'POST', {})
  await send('login', 'POST', { email: newEmail, password: wrong })
  await failedBefore(newEmail, maximum.lockedAt - 1)
  await send('login', 'POST', { email: newEmail, password: wrong })
  await send('reset', 'POST', { email: newEmail })
  await send('reset', 'PUT', { email: newEmail, code: '000000', password: PASSWORD })
  await send('reset', 'PUT', { token: await newestToken(newEmail), password: PASSWORD })
  await send('login', 'POST', { email: newEmail, password: PASSWORD })
  const thief = newBrowser()
  thief.cookies.set('__Host-session', browser.cookies.get('__Host-session') ?? '')
  for (let rotation = 0; rotation < 2; rotation += 1) {
    await ageSessions(newEmail, 60)
    await send('refresh', 'POST', {})
  }
  await sendBy(thief, 'refresh', 'POST', {})
  await send('login', 'POST', { email: newEmail, password: PASSWORD })
  await send('account', 'DELETE')
  await sendRaw('maintenance', { headers: { authorization: `Bearer ${process.env['CRON_SECRET']}` } })
  await sendRaw('maintenance', { headers: { authorization: 'Bearer a guessed cron secret' } })
  secrets.add(process.env['CRON_SECRET'] ?? '')
  secrets.add('a guessed cron secret')
}

/** Of operators, of maintenance, and of emails that aren't delivered. */
const OTHER_EVENTS = new Set<string>([
  'account-disabled',
  'account-enabled',
  'role-changed',
  'email-failed',
  'email-held',
  'email-requeued',
  'events-purged',
])

function expectNone(text: string, secrets: Set<string>): void {
  for (const secret of secrets) {
    // A piece of a token would be as bad as the whole of it.
    for (const piece of [secret, secret.slice(0, 24), secret.slice(-24)])
      expect(text.includes(piece), `${piece} is in it`).toBe(false)
  }
}

describe('[ASVS 16.2.5] no address, password, token, cookie or code', () => {
  test('is in the log of a whole life of an account, and no token in its audit log', async () => {
    const secrets = new Set<string>()
    await liveALife(secrets)
    expect(secrets.size).toBeGreaterThan(20)
    expect(lines().length).toBeGreaterThan(30)
    expectNone(written.join('\n'), secrets)

    const events = await query('SELECT * FROM events')
    const kinds = new Set(events.map(({ kind }) => kind))
    expect(EVENT_KINDS.filter((kind) => !kinds.has(kind) && !OTHER_EVENTS.has(kind))).toEqual([])
    const others = [...secrets].filter((secret) => !/^(?:10\.|An unusual)/.test(secret))
    expectNone(JSON.stringify(events), new Set(others))
  })

  test('is in the log when the database or the email provider fails, or nothing is as expected', async () => {
    const person = await signedInPerson()
    const secrets = new Set([person.email, PASSWORD, person.browser.cookies.get('__Host-session') ?? ''])
    const credentials = { email: person.email, password: PASSWORD }
    for (const fault of [
      { kind: 'refuse' },
      { kind: 'garbage' },
      { kind: 'lose-answer' },
      { kind: 'status', code: 500 },
    ] as const) {
      gateway.fault = () => fault
      await person.browser.send('login', 'POST', credentials)
      await person.browser.send('refresh', 'POST', {})
      await person.browser.send('reset', 'POST', { email: person.email })
    }
    gateway.fault = undefined
    for (const code of [422, 500]) {
      inbox.fault = () => ({ kind: 'status', code })
      await newBrowser().send('reset', 'POST', { email: person.email })
    }
    await query('ALTER TABLE users RENAME COLUMN security_version TO elsewhere')
    await person.browser.send('login', 'POST', credentials)
    await person.browser.send('reset', 'POST', { email: person.email })
    await query('ALTER TABLE users RENAME COLUMN elsewhere TO security_version')
    const events = new Set(lines().map(({ event }) => event))
    expect([...events]).toEqual(
      expect.arrayContaining(['unavailable', 'internal-error', 'email-not-sent', 'request']),
    )
    expectNone(written.join('\n'), secrets)
  })
})

describe('every sign-in and every refusal can be found', () => {
  const asserted = async (response: Received, status: number, code?: string) => {
    expect(requestLine(response)).toMatchObject({
      at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      status,
      ...(code === undefined ? {} : { code }),
    })
    return (await eventsOf(response)).map(({ kind }) => kind)
  }

  test('[ASVS 16.3.1] [ASVS 16.2.1] sign-ins, good and bad, verification, reset and refresh', async () => {
    const email = newAddress()
    const browser = newBrowser()
    const credentials = { email, password: PASSWORD }
    const send = (...request: Parameters<Browser['send']>) => browser.send(...request)
    const registered = await send('register', 'POST', credentials)
    expect(await asserted(registered, 202)).toEqual(['registration-requested'])
    const early = await send('login', 'POST', credentials)
    expect(await asserted(early, 403, 'email-unverified')).toEqual(['login-failed'])
    const token = tokenIn(await newestEmailTo(email))
    expect(await asserted(await send('verify', 'PUT', { token }), 200)).toEqual([
      'account-created',
      'session-created',
    ])
    expect(await asserted(await send('verify', 'PUT', { token }), 410, 'token-already-used')).toEqual([])
    const bad = await send('login', 'POST', { email, password: OTHER_PASSWORD })
    expect(await asserted(bad, 401, 'invalid-credentials')).toEqual(['login-failed'])
    const unknown = await send('login', 'POST', { email: newAddress(), password: PASSWORD })
    expect(await asserted(unknown, 401, 'invalid-credentials')).toEqual(['login-failed'])

    const login = await send('login', 'POST', credentials)
    expect(await asserted(login, 200)).toEqual(['session-revoked', 'session-created'])
    const [, opened] = await eventsOf(login)
    expect(opened).toMatchObject({
      user_id: login.body.user.id,
      session_id: login.body.session.id,
      ip: browser.ip,
      created_at: expect.any(Date),
    })
    expect(await asserted(await send('refresh', 'POST', {}), 200)).toEqual([])
    expect(await asserted(await send('logout', 'POST', {}), 204)).toEqual(['session-revoked'])
    expect(await asserted(await send('refresh', 'POST', {}), 401, 'session-ended')).toEqual([])

    const asked = await send('reset', 'POST', { email })
    expect(await asserted(asked, 202)).toEqual(['reset-requested'])
    const reset = { token: tokenIn(await newestEmailTo(email)), password: OTHER_PASSWORD }
    expect(await asserted(await send('reset', 'PUT', reset), 200)).toEqual(['password-reset'])
    const forged = await send('reset', 'PUT', { ...reset, token: 'x' })
    expect(await asserted(forged, 400, 'token-invalid')).toEqual([])
    expect((await emailsTo(email)).length).toBe(3)
  })

  test('[ASVS 16.2.1] a line has whose request it was and what it cost, and nothing that names them', async () => {
    const person = await signedInPerson()
    const login = await person.browser.send('login', 'POST', { email: person.email, password: PASSWORD })
    const { user, session } = login.body
    expect(requestLine(login)).toMatchObject({ userId: user.id, sessionId: session.id, roundTrips: 2 })
    const refreshed = await person.browser.send('refresh', 'POST', {})
    expect(requestLine(refreshed)).toMatchObject({
      userId: user.id,
      sessionId: session.id,
      roundTrips: 1,
      cold: false,
    })
    const read = await person.browser.send('account', 'GET')
    expect(requestLine(read)).toMatchObject({ userId: user.id, sessionId: session.id, roundTrips: 1 })
    const wrong = await newBrowser().send('login', 'POST', { email: person.email, password: OTHER_PASSWORD })
    expect(requestLine(wrong)).toMatchObject({ userId: user.id, roundTrips: 2 })
    const nobody = await newBrowser().send('refresh', 'POST', {})
    expect(requestLine(nobody)).toMatchObject({ roundTrips: 0 })
    expect(requestLine(nobody)).not.toHaveProperty('userId')
  })

  test('[ASVS 16.3.2] requests that are not allowed', async () => {
    const [person, stranger] = [await signedInPerson(), await signedInPerson()]
    const { body } = await stranger.browser.send('sessions', 'GET')
    await asserted(await newBrowser().send('account', 'GET'), 401, 'unauthorized')
    const others = await person.browser.send(`sessions?id=${body.current}`, 'DELETE')
    await asserted(others, 404, 'not-found')
    await ageSessions(person.email, 301)
    const stale = await person.browser.send('sessions?others=true', 'DELETE')
    await asserted(stale, 403, 'reauthentication-required')
    expect(requestLine(stale)?.level).toBe('warn')
    await asserted(await sendRaw('maintenance', {}), 401, 'unauthorized')
  })

  test('[ASVS 16.3.3] another site, too many requests, bad input, an outdated token', async () => {
    const { browser, email } = await signedInPerson()
    const crossOrigin = await browser.send('logout', 'POST', {}, { origin: 'https://evil.example' })
    await asserted(crossOrigin, 403, 'cross-origin-request')
    expect(requestLine(crossOrigin)?.level).toBe('warn')

    let limited: Received | undefined
    const address = newAddress()
    for (let attempt = 0; attempt <= maximum.backOffFrom; attempt += 1)
      limited = await newBrowser().send('login', 'POST', { email: address, password: PASSWORD })
    await asserted(limited!, 429, 'quota-exceeded')
    expect(requestLine(limited!)?.level).toBe('warn')

    const invalid = await browser.send('register', 'POST', { email, password: PASSWORD, role: 'admin' })
    await asserted(invalid, 422, 'validation-failed')

    const thief = newBrowser()
    thief.cookies.set('__Host-session', browser.cookies.get('__Host-session') ?? '')
    for (let rotation = 0; rotation < 2; rotation += 1) {
      await ageSessions(email, 60)
      await browser.send('refresh', 'POST', {})
    }
    const reused = await thief.send('refresh', 'POST', {})
    expect(await asserted(reused, 401, 'session-ended')).toEqual(['refresh-token-reused'])
    const alert = {
      level: 'error',
      event: 'refresh-token-reused',
      requestId: reused.headers.get('x-request-id'),
    }
    expect(lines()).toContainEqual(expect.objectContaining(alert))
  })

  test('[ASVS 16.3.3] a password that is locked', async () => {
    const { email } = await verifiedPerson()
    const wrong = { email, password: OTHER_PASSWORD }
    await newBrowser().send('login', 'POST', wrong)
    await query(
      `UPDATE login_attempts SET failures = $2, next_attempt_at = now() - interval '1 second'
       WHERE user_id = (SELECT id FROM users WHERE email = $1)`,
      email,
      maximum.lockedAt - 1,
    )
    const response = await newBrowser().send('login', 'POST', wrong)
    expect((await asserted(response, 401, 'invalid-credentials')).toSorted()).toEqual([
      'login-failed',
      'password-locked',
    ])
  })

  test('[ASVS 16.4.1] a request is one line, whatever is in its headers, its path and its body', async () => {
    const forged = 'x\\n{"event":"forged"}\u2028%0d%0a'
    const url = `${APP_ORIGIN}/api/auth/login%0d%0a{"event":"forged"}?email=a@b.example`
    await endpoint({ GET: () => new Response(null) }).fetch(new Request(url))
    const headers = {
      'user-agent': encodeURI(forged),
      'x-vercel-id': '{"event":"forged"}',
      'x-real-ip': '1\t2',
    }
    await newBrowser().send(
      'login',
      'POST',
      { email: `a\r\nBcc: ${newAddress()}`, password: forged },
      headers,
    )
    expect(written).toHaveLength(2)
    for (const line of written) {
      expect(line).not.toMatch(/[\p{Cc}\u2028\u2029]/u)
      expect(JSON.parse(line).event).toBe('request')
      expect(line).not.toContain('b.example')
    }
  })
})

describe('[ASVS 16.5.1] [ASVS 16.5.4] whatever throws', () => {
  const DETAIL = 'the detail of an error in lib/x.ts'
  test.each<[string, () => Response | Promise<Response>]>([
    [
      'an error',
      () => {
        throw new TypeError(DETAIL)
      },
    ],
    ['a rejected promise', () => Promise.reject(new RangeError(DETAIL))],
    [
      'an error with a cause',
      () => {
        throw new Error(DETAIL, { cause: new Error('its cause') })
      },
    ],
    [
      'something that is no error',
      () => {
        throw DETAIL as unknown
      },
    ],
  ])('%s: the client gets a general response and the request id, the log the rest', async (_, handler) => {
    const response = await endpoint({ GET: handler }).fetch(new Request(`${APP_ORIGIN}/api/auth/x`))
    expect(response.status).toBe(500)
    const body = await response.text()
    expect(JSON.parse(body)).toMatchObject({ status: 500, code: 'internal-error' })
    expect(body + JSON.stringify([...response.headers])).not.toMatch(/lib\/|detail of|Error|cause/)
    const requestId = response.headers.get('x-request-id')
    const entry = lines().find(({ event }) => event === 'internal-error')
    expect(entry).toMatchObject({ level: 'error', requestId })
    expect(lines().at(-1)).toMatchObject({ event: 'request', level: 'error', status: 500, requestId })
  })

  test('a statement that the database refuses: neither it nor its values are anywhere', async () => {
    const email = newAddress()
    await query('ALTER TABLE login_attempts RENAME COLUMN failures TO elsewhere')
    const response = await newBrowser().send('login', 'POST', { email, password: PASSWORD })
    await query('ALTER TABLE login_attempts RENAME COLUMN elsewhere TO failures')
    expect([response.status, response.body.code]).toEqual([500, 'internal-error'])
    expect(JSON.stringify(response.body)).not.toMatch(/SQL|login_attempts|relation/)
    const entry = lines().find(({ event }) => event === 'internal-error')
    expect(entry?.reason).toMatch(/^Error: statement failed: SQLSTATE 42703/)
    expect(written.join('\n')).not.toMatch(/INSERT|SELECT/)
    expect(written.join('\n')).not.toContain(email)
  })
})
