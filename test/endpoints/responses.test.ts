import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { problems, type ProblemCode } from '../../lib/http/problems.ts'
import { endpoints, newBrowser, sendRaw, type Received, type EndpointName } from '../support/browser.ts'
import { query } from '../support/database.ts'
import {
  newAddress,
  newestEmailTo,
  OTHER_PASSWORD,
  PASSWORD,
  signedInPerson,
  tokenIn,
} from '../support/people.ts'
import { APP_ORIGIN } from '../support/setup-environment.ts'
import { gateway } from '../support/setup-stack.ts'

const STANDARD_HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy':
    "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; object-src 'none'; sandbox",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
}

/** Every unsafe method that takes a body, with one that would do. */
const UNSAFE: [EndpointName, string, object][] = [
  ['register', 'POST', { email: newAddress(), password: PASSWORD }],
  ['verify', 'POST', { email: newAddress() }],
  ['verify', 'PUT', { token: 'x' }],
  ['login', 'POST', { email: newAddress(), password: PASSWORD }],
  ['refresh', 'POST', {}],
  ['logout', 'POST', {}],
  ['reset', 'POST', { email: newAddress() }],
  ['reset', 'PUT', { token: 'x', password: PASSWORD }],
  ['account', 'PATCH', { currentPassword: PASSWORD, newPassword: OTHER_PASSWORD }],
  ['account', 'PATCH', { email: newAddress() }],
]

function expectStandardHeaders(response: Received): void {
  for (const [name, value] of Object.entries(STANDARD_HEADERS))
    expect(response.headers.get(name), name).toBe(value)
  expect(response.headers.get('x-request-id')).toMatch(/^[\w:.-]+$/)
  expect(response.headers.has('access-control-allow-origin')).toBe(false)
}

function expectProblem(response: Received, status: number, code: ProblemCode): void {
  expect([response.status, response.body?.code]).toEqual([status, code])
  expect(response.headers.get('content-type')).toBe('application/problem+json')
  expect(response.body).toMatchObject({
    type: `${APP_ORIGIN}/auth/problems#${code}`,
    title: problems[code].title,
    status,
    detail: problems[code].detail,
  })
  expectStandardHeaders(response)
}

/** A digest of everything that is stored, but for the audit log and the limits. */
async function stored(): Promise<string> {
  const parts: string[] = []
  for (const table of ['users', 'registrations', 'sessions', 'one_time_tokens', 'outbox']) {
    const rows = await query(`SELECT to_jsonb(t) AS row FROM ${table} t ORDER BY 1`)
    parts.push(table, ...rows.map(({ row }) => JSON.stringify(row)))
  }
  return createHash('sha256').update(parts.join('\n')).digest('hex')
}

describe('every response', () => {
  test('[ASVS 3.4.3] [ASVS 3.4.4] [ASVS 3.4.5] [ASVS 14.2.2] [ASVS 14.3.2] has the standard headers, successes and refusals alike', async () => {
    const person = await signedInPerson()
    const responses = [
      await person.browser.send('refresh', 'POST', {}),
      await person.browser.send('logout', 'POST', {}),
      await person.browser.send('login', 'POST', { email: person.email, password: OTHER_PASSWORD }),
      await person.browser.send('login', 'GET'),
      await person.browser.send('login', 'POST', { email: 7 }),
      await person.browser.send('refresh', 'POST', {}, { origin: 'https://evil.example' }),
      await sendRaw('refresh', { method: 'POST', body: '{}', headers: { 'content-type': 'text/plain' } }),
      await sendRaw('maintenance', {}),
    ]
    expect(responses.map((response) => response.status)).toEqual([200, 204, 401, 405, 422, 403, 415, 401])
    for (const response of responses) expectStandardHeaders(response)
  })

  test('only the public keys may be cached', async () => {
    const response = await sendRaw('keys', {})
    expect(response.headers.get('cache-control')).toBe('public, max-age=300')
    expect(response.headers.get('content-type')).toBe('application/json; charset=utf-8')
    expect(response.headers.get('content-security-policy')).toBe(STANDARD_HEADERS['content-security-policy'])
  })

  test('[ASVS 4.1.4] [RFC 9110 15.5.6] a method that is not served is 405 and names those that are', async () => {
    const served = {
      register: 'POST',
      verify: 'POST, PUT',
      login: 'POST',
      refresh: 'POST',
      logout: 'POST',
      reset: 'POST, PUT',
      sessions: 'GET, DELETE, HEAD',
      account: 'GET, PATCH, DELETE, HEAD',
      keys: 'GET, HEAD',
      maintenance: 'GET, HEAD',
    }
    for (const [name, allow] of Object.entries(served) as [EndpointName, string][]) {
      for (const method of [
        'GET',
        'HEAD',
        'POST',
        'PUT',
        'PATCH',
        'DELETE',
        'OPTIONS',
        'QUERY',
        'constructor',
      ]) {
        if (allow.split(', ').includes(method)) continue
        const response = await sendRaw(name, { method })
        expectProblem(response, 405, 'method-not-allowed')
        expect(response.headers.get('allow')).toBe(allow)
      }
    }
  })
})

describe('the origin check', () => {
  test.each([
    ['a foreign origin', { origin: 'https://evil.example' }],
    ['an origin that begins like ours', { origin: `${APP_ORIGIN}.evil.example` }],
    ['our host over http', { origin: APP_ORIGIN.replace('https', 'http') }],
    ['a null origin', { origin: 'null' }],
    ['a cross-site fetch', { 'sec-fetch-site': 'cross-site' }],
    ['a same-site fetch', { 'sec-fetch-site': 'same-site' }],
    ['a fetch of no site', { 'sec-fetch-site': 'none' }],
    [
      'a same-origin fetch with a foreign origin',
      { 'sec-fetch-site': 'same-origin', origin: 'https://evil.example' },
    ],
  ])(
    '[ASVS 3.5.1] [ASVS 3.5.8] [CS CSRF] [6265bis 8.8.1] [63B-4 5.1 CSRF] refuses %s on every unsafe method, before anything is done',
    async (_, headers) => {
      const person = await signedInPerson()
      const before = await stored()
      gateway.requests.length = 0
      for (const [name, method, body] of UNSAFE) {
        const response = await sendRaw(name, {
          method,
          body: JSON.stringify(body),
          headers: {
            'content-type': 'application/json',
            cookie: `__Host-session=${person.browser.cookies.get('__Host-session')}`,
            ...headers,
          },
        })
        expectProblem(response, 403, 'cross-origin-request')
        expect(response.setCookies).toEqual([])
      }
      expect(gateway.requests).toHaveLength(0)
      expect(await stored()).toBe(before)
    },
  )

  test('[ASVS 3.1.1] [CS CSRF] a request with neither header comes from no browser and is served, if it is JSON', async () => {
    const person = await signedInPerson()
    const cookie = `__Host-session=${person.browser.cookies.get('__Host-session')}`
    const asJson = await sendRaw('refresh', {
      method: 'POST',
      body: '{}',
      headers: { cookie, 'content-type': 'application/json' },
    })
    expect(asJson.status).toBe(200)
  })

  test.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    undefined,
  ])(
    '[ASVS 3.5.2] [CS REST Security] what a form can send (%s) is refused on every unsafe method',
    async (contentType) => {
      for (const [name, method, body] of UNSAFE) {
        const headers = new Headers(contentType === undefined ? {} : { 'content-type': contentType })
        const response = await sendRaw(name, {
          method,
          body: new TextEncoder().encode(JSON.stringify(body)),
          headers,
        })
        expectProblem(response, 415, 'unsupported-media-type')
      }
    },
  )

  test.each([{ origin: 'https://evil.example' }, { 'sec-fetch-site': 'cross-site' }])(
    '[ASVS 3.5.1] [ASVS 3.5.2] what needs no body, revoking sessions and deleting the account, is refused from elsewhere: %o',
    async (headers) => {
      const person = await signedInPerson()
      const { id } = (await person.browser.send('refresh', 'POST', {})).body.session
      for (const target of [`sessions?id=${id}`, 'sessions?others=true', 'account'] as const) {
        const response = await sendRaw(target, {
          method: 'DELETE',
          headers: { cookie: `__Host-session=${person.browser.cookies.get('__Host-session')}`, ...headers },
        })
        expectProblem(response, 403, 'cross-origin-request')
      }
      expect((await person.browser.send('refresh', 'POST', {})).status).toBe(200)
    },
  )

  test('[CS CSRF] [6265bis 8.8.1] our own pages are served, by both headers and by either one', async () => {
    for (const headers of [
      { origin: APP_ORIGIN, 'sec-fetch-site': 'same-origin' },
      { origin: APP_ORIGIN },
      { 'sec-fetch-site': 'same-origin' },
    ]) {
      const { browser, email } = await signedInPerson()
      const cookie = `__Host-session=${browser.cookies.get('__Host-session')}`
      const send = (name: EndpointName, body: object) =>
        sendRaw(name, {
          method: 'POST',
          body: JSON.stringify(body),
          headers: { 'content-type': 'application/json', cookie, ...(headers as Record<string, string>) },
        })
      expect((await send('refresh', {})).status).toBe(200)
      expect((await send('logout', {})).status).toBe(204)
      expect((await send('login', { email, password: PASSWORD })).status).toBe(200)
    }
  })
})

describe('bad input', () => {
  const asPage = { 'content-type': 'application/json', 'sec-fetch-site': 'same-origin', origin: APP_ORIGIN }

  /** Sends a raw body to every endpoint that takes one. Nothing may change or break. */
  async function everywhere(
    body: string | Uint8Array<ArrayBuffer>,
    headers: Record<string, string> = {},
  ): Promise<Received[]> {
    const before = await stored()
    const responses: Received[] = []
    for (const [name, method] of UNSAFE) {
      responses.push(await sendRaw(name, { method, body, headers: { ...asPage, ...headers } }))
    }
    expect(await stored()).toBe(before)
    return responses
  }

  test.each<[string, string | Uint8Array<ArrayBuffer>]>([
    ['no JSON', '{'],
    ['nothing', ''],
    ['a list', '[]'],
    ['null', 'null'],
    ['a text', '"x"'],
    ['a number', '1'],
    ['bytes that are not UTF-8', new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x7d])],
  ])('[ASVS 2.2.2] a body that is %s → 400', async (_, body) => {
    for (const response of await everywhere(body)) expectProblem(response, 400, 'malformed-json')
  })

  test('[CS REST Security] a body of 1 MB → 413 before any hash or database call, whatever length it states', async () => {
    gateway.requests.length = 0
    const megabyte = JSON.stringify({ email: 'a@example.org', password: 'x'.repeat(1024 * 1024) })
    for (const response of await everywhere(megabyte)) expectProblem(response, 413, 'body-too-large')
    const streamed = () => new Blob([megabyte]).stream()
    const response = await sendRaw('login', {
      method: 'POST',
      body: streamed(),
      headers: asPage,
      duplex: 'half',
    })
    expectProblem(response, 413, 'body-too-large')
    expect(gateway.requests).toHaveLength(0)
  })

  test('[ASVS 2.2.1] [RFC 9457 3.2] [ASVS 15.3.6] an unknown key → 422 with its pointer', async () => {
    for (const response of await everywhere('{"admin/role~":true}')) {
      expectProblem(response, 422, 'validation-failed')
      expect(response.body.errors).toContainEqual({ pointer: '#/admin~1role~0', detail: expect.any(String) })
    }
    const polluted = await everywhere('{"__proto__":{"everywhere":true},"constructor":1}')
    for (const response of polluted) expectProblem(response, 422, 'validation-failed')
    for (const response of await everywhere(String.raw`{"\ud800":1}`)) {
      expectProblem(response, 422, 'validation-failed')
      expect(response.body.errors).toContainEqual({ pointer: '#/%EF%BF%BD', detail: expect.any(String) })
    }
  })

  test('[ASVS 15.3.7] a name given twice, at any depth and however it is written → 400, as readers don’t agree on which one counts', async () => {
    for (const body of [
      '{"everywhere":true,"everywhere":false}',
      '{"email":"a@example.org","e\\u006dail":"b@example.org"}',
      '{"a":{"b":1,"b":2}}',
      '{"a":[{"b":1},{"b":1,"c":"\\"b\\":","b":2}]}',
    ]) {
      for (const response of await everywhere(body)) expectProblem(response, 400, 'malformed-json')
    }
    const deep = `{"email":${'['.repeat(7000)}${']'.repeat(7000)}}`
    for (const response of await everywhere(deep)) expect([400, 422]).toContain(response.status)
    for (const response of await everywhere('{"\\"b\\":":"\\"b\\":","b":"\\\\"}')) {
      expectProblem(response, 422, 'validation-failed')
    }
  })

  const bad: [string, unknown][] = [
    ['a number', 1],
    ['null', null],
    ['true', true],
    ['a list', ['a@example.org']],
    ['an object', { $ne: '' }],
    ['NUL', 'a\0b'],
    ['a very long text', 'x'.repeat(9000)],
  ]
  test.each(bad)(
    '[ASVS 2.2.1] [ASVS 2.2.2] [ASVS 15.3.5] %s in place of each text → a 4xx problem that names the field',
    async (_, value) => {
      const cases: [EndpointName, string, string, object][] = [
        ['register', 'POST', '#/email', { email: value, password: PASSWORD }],
        ['register', 'POST', '#/password', { email: newAddress(), password: value }],
        ['verify', 'POST', '#/email', { email: value }],
        ['login', 'POST', '#/email', { email: value, password: PASSWORD }],
        ['login', 'POST', '#/password', { email: newAddress(), password: value }],
        ['reset', 'POST', '#/email', { email: value }],
        ['reset', 'PUT', '#/password', { token: 'x', password: value }],
      ]
      for (const [name, method, pointer, body] of cases) {
        const response = await newBrowser().send(name, method, body)
        expectProblem(response, 422, 'validation-failed')
        expect(response.body.errors.map((error: { pointer: string }) => error.pointer)).toContain(pointer)
        expect(JSON.stringify(response.body)).not.toContain('xxxx')
      }
      for (const [name, body] of [
        ['verify', { token: value }],
        ['reset', { token: value, password: PASSWORD }],
      ] as const) {
        const response = await newBrowser().send(name, 'PUT', body)
        expect([400, 422]).toContain(response.status)
        expectProblem(response, response.status, response.body.code)
      }
      const logout = await newBrowser().send('logout', 'POST', { everywhere: value })
      if (value !== true) expectProblem(logout, 422, 'validation-failed')
    },
  )

  test.each([
    ['a forged session', `__Host-session=${'A'.repeat(91)}; __Host-registration=${'B'.repeat(64)}`],
    ['a cookie of 10 KB', `__Host-session=${'A'.repeat(10_000)}`],
    ['broken escapes', '__Host-session=%E0%A4%A; __Host-registration=%'],
    ['a token of another purpose', ''],
  ])('[ASVS 2.2.1] %s in the cookie header changes nothing and breaks nothing', async (name, cookie) => {
    const person = await signedInPerson()
    await newBrowser().send('reset', 'POST', { email: person.email })
    const foreign = `__Host-session=${tokenIn(await newestEmailTo(person.email))}`
    const before = await stored()
    const headers = { ...asPage, cookie: cookie || foreign }
    const send = (endpoint: EndpointName, body: object) =>
      sendRaw(endpoint, { method: 'POST', body: JSON.stringify(body), headers })
    expectProblem(await send('refresh', {}), 401, 'session-ended')
    expect((await send('logout', { everywhere: true })).status).toBe(204)
    expectProblem(
      await send('login', { email: newAddress(), password: PASSWORD }),
      401,
      'invalid-credentials',
    )
    expect(await stored(), name).toBe(before)
  })

  test('[ASVS 1.2.4] quotes in every field are just characters', async () => {
    const injection = "' OR 1=1; DROP TABLE users; --"
    expect((await newBrowser().send('login', 'POST', { email: injection, password: injection })).status).toBe(
      422,
    )
    const address = `o'or'1'='1${newAddress()}`
    expect((await newBrowser().send('login', 'POST', { email: address, password: injection })).status).toBe(
      401,
    )
    expect(
      (
        await newBrowser().send(
          'login',
          'POST',
          { email: newAddress(), password: PASSWORD },
          { 'x-real-ip': injection, 'user-agent': injection, 'x-vercel-id': injection },
        )
      ).status,
    ).toBe(401)
    expect(await query('SELECT count(*) FROM users')).toHaveLength(1)
  })

  test('[ASVS 2.2.1] huge headers are truncated or ignored', async () => {
    const response = await newBrowser().send(
      'login',
      'POST',
      { email: newAddress(), password: PASSWORD },
      {
        'user-agent': 'x'.repeat(100_000),
        'x-vercel-id': 'y'.repeat(100_000),
        'x-real-ip': 'z'.repeat(100_000),
      },
    )
    expectProblem(response, 401, 'invalid-credentials')
  })
})

test('every endpoint is exercised here', () => {
  expect(Object.keys(endpoints).toSorted()).toEqual([
    'account',
    'keys',
    'login',
    'logout',
    'maintenance',
    'refresh',
    'register',
    'reset',
    'sessions',
    'verify',
  ])
})
