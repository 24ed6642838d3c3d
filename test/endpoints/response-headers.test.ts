/** The headers that each response has and doesn't have; what vercel.json and the pages leave to a foreign script. */
import { readdir, readFile } from 'node:fs/promises'
import { parseSetCookie } from 'cookie'
import { describe, expect, test } from 'vitest'
import { setCookie } from '../../lib/http/cookies.ts'
import { HttpError, problemResponse, problems, type ProblemCode } from '../../lib/http/problems.ts'
import { endpoints, newBrowser, sendRaw, type Received, type Browser } from '../support/browser.ts'
import { query } from '../support/database.ts'
import {
  newAddress,
  newestEmailTo,
  OTHER_PASSWORD,
  PASSWORD,
  registeredPerson,
  signedInPerson,
  tokenIn,
} from '../support/people.ts'
import { APP_ORIGIN } from '../support/setup-environment.ts'
import { gateway } from '../support/setup-stack.ts'

/** The headers of each response. Others come only with its status. */
const ON_EVERY_RESPONSE = {
  'cache-control': 'no-store',
  'content-security-policy':
    "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; object-src 'none'; sandbox",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-request-id': expect.stringMatching(/^[\w:.-]+$/),
}

const DIGITS = expect.stringMatching(/^\d+$/)
const ONLY_WITH: Record<number, Record<string, unknown>> = {
  204: { 'clear-site-data': '"cache"', 'set-cookie': expect.any(String) },
  401: { 'www-authenticate': 'Bearer' },
  405: { allow: 'POST' },
  429: {
    'retry-after': DIGITS,
    ratelimit: expect.stringMatching(/^"[\w-]+";r=0;t=\d+$/),
    'ratelimit-policy': expect.stringMatching(/^"[\w-]+";q=\d+;w=\d+$/),
  },
  503: { 'retry-after': DIGITS },
}

async function statementsFail(work: () => Promise<Received>): Promise<Received> {
  await query('ALTER TABLE users RENAME TO elsewhere')
  const response = await work()
  await query('ALTER TABLE elsewhere RENAME TO users')
  return response
}

async function databaseAway(work: () => Promise<Received>): Promise<Received> {
  gateway.fault = () => ({ kind: 'refuse' })
  const response = await work()
  gateway.fault = undefined
  return response
}

async function onceTooOften(work: () => Promise<Received>): Promise<Received> {
  for (let round = 0; round < 30; round += 1) await work()
  return work()
}

const asJson = (length: number) => ({
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ email: 'x'.repeat(length) }),
})

/** One response of each status. */
const STATUSES: [number, ProblemCode | undefined, () => Promise<Received>][] = [
  [200, undefined, async () => (await signedInPerson()).browser.send('account', 'GET')],
  [202, undefined, () => newBrowser().send('reset', 'POST', { email: newAddress() })],
  [204, undefined, () => newBrowser().send('logout', 'POST', {})],
  [400, 'token-invalid', () => newBrowser().send('verify', 'PUT', { token: 'x' })],
  [401, 'unauthorized', () => newBrowser().send('account', 'GET')],
  [
    403,
    'cross-origin-request',
    () => newBrowser().send('logout', 'POST', {}, { origin: 'https://evil.example' }),
  ],
  [
    404,
    'not-found',
    async () =>
      (await signedInPerson()).browser.send('sessions?id=00000000-0000-7000-8000-000000000000', 'DELETE'),
  ],
  [405, 'method-not-allowed', () => newBrowser().send('login', 'PUT', {})],
  [
    410,
    'token-already-used',
    async () => {
      const person = await registeredPerson()
      const token = tokenIn(await newestEmailTo(person.email))
      await person.browser.send('verify', 'PUT', { token })
      return person.browser.send('verify', 'PUT', { token })
    },
  ],
  [413, 'body-too-large', () => sendRaw('login', asJson(100_000))],
  [415, 'unsupported-media-type', () => sendRaw('login', { method: 'POST', body: '{}' })],
  [422, 'validation-failed', () => sendRaw('login', asJson(10))],
  [
    429,
    'quota-exceeded',
    () => {
      const browser = newBrowser()
      return onceTooOften(() => browser.send('reset', 'POST', { email: newAddress() }))
    },
  ],
  [
    500,
    'internal-error',
    () =>
      statementsFail(() => newBrowser().send('login', 'POST', { email: newAddress(), password: PASSWORD })),
  ],
  [
    503,
    'unavailable',
    () => databaseAway(() => newBrowser().send('login', 'POST', { email: newAddress(), password: PASSWORD })),
  ],
]

describe('a response of', () => {
  test.each(STATUSES)(
    '[ASVS 3.2.1] [ASVS 3.4.3] [ASVS 3.4.4] [ASVS 3.4.5] [ASVS 3.4.6] [ASVS 4.1.1] [RFC 9457 3] %i has these headers and no others: %s',
    async (status, code, work) => {
      const response = await work()
      const type = code === undefined ? 'application/json; charset=utf-8' : 'application/problem+json'
      expect([response.status, Object.fromEntries(response.headers)]).toEqual([
        status,
        { ...ON_EVERY_RESPONSE, ...(status !== 204 && { 'content-type': type }), ...ONLY_WITH[status] },
      ])
    },
  )

  test.each(STATUSES.filter(([, code]) => code !== undefined))(
    '[RFC 9457 3.1.1] [RFC 9457 3.1.2] [RFC 9457 3.1.3] [RFC 9457 3.1.4] [RFC 9457 5] %i is what the problem table has for %s, and nothing else',
    async (status, code = 'internal-error', work) => {
      const { body, headers } = await work()
      const { errors, ...fixed } = body
      expect(Array.isArray(errors)).toBe(status === 422)
      expect(fixed).toEqual({
        type: `${APP_ORIGIN}/auth/problems#${code}`,
        title: problems[code].title,
        status,
        code,
        detail: problems[code].detail,
      })
      // The other headers are checked above, word by word.
      expect(`${JSON.stringify(body)}${headers.get('x-request-id')}`).not.toMatch(
        /127\.0\.0|select|elsewhere|\.ts/i,
      )
    },
  )
})

test('[RFC 9457 3.1.4] [RFC 9457 3.2] a refusal names the field and repeats nothing that was sent', async () => {
  const secret = 'never-to-be-seen-again'
  for (const [name, method, body] of [
    ['login', 'POST', { email: secret, password: `${secret}\0` }],
    ['register', 'POST', { email: newAddress(), password: secret.slice(0, 14) }],
    ['reset', 'PUT', { token: secret, password: `${secret}\0` }],
    ['verify', 'PUT', { token: secret, password: `${secret}\0` }],
    ['account', 'PATCH', { currentPassword: `${secret}\0`, newPassword: secret }],
  ] as const) {
    const response = await newBrowser().send(name, method, body)
    expect(response.status).toBe(422)
    expect(response.body.errors[0]).toEqual({
      pointer: expect.stringMatching(/^#\/\w+$/),
      detail: expect.any(String),
    })
    expect(JSON.stringify([response.body, [...response.headers]])).not.toContain(secret.slice(0, 14))
  }
})

test('[ASVS 3.4.2] no origin is allowed by CORS, neither a look-alike nor null nor our own', async () => {
  const { browser } = await signedInPerson()
  for (const origin of ['https://evil.example', `${APP_ORIGIN}.evil.example`, 'null', APP_ORIGIN]) {
    for (const [name, method] of [
      ['account', 'GET'],
      ['keys', 'GET'],
      ['login', 'OPTIONS'],
      ['logout', 'POST'],
    ] as const) {
      const { headers } = await browser.send(name, method, method === 'POST' ? {} : undefined, {
        origin,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'content-type',
      })
      expect([...headers.keys()].filter((key) => key.startsWith('access-control-'))).toEqual([])
    }
  }
})

test('[ASVS 3.5.6] [ASVS 3.5.7] [ASVS 3.5.8] a response is JSON whatever the query asks for, and no other site may load it', async () => {
  const { browser, email } = await signedInPerson()
  for (const wish of ['callback=x', 'jsonp=x', 'format=js', 'alt=script', 'cb=alert']) {
    const { headers, body } = await browser.send(`account?${wish}`, 'GET', undefined, {
      'sec-fetch-dest': 'script',
      accept: 'application/javascript',
    })
    expect(body.user.email).toBe(email)
    expect(headers.get('content-type')).toBe('application/json; charset=utf-8')
    expect(headers.get('cross-origin-resource-policy')).toBe('same-origin')
  }
})

test('[ASVS 3.7.2] nothing in a request makes a response redirect', async () => {
  const { browser, email } = await signedInPerson()
  const elsewhere = 'https://evil.example'
  const wish = `next=${elsewhere}&redirect=${elsewhere}&redirect_uri=${elsewhere}&returnTo=//evil.example`
  const headers = { referer: elsewhere, 'x-forwarded-host': 'evil.example', 'x-original-url': elsewhere }
  const responses = [
    await browser.send(`account?${wish}`, 'GET', undefined, headers),
    await browser.send(`refresh?${wish}`, 'POST', {}, headers),
    await browser.send(`login?${wish}`, 'POST', { email, password: PASSWORD }, headers),
    await browser.send(`login?${wish}`, 'POST', { email, password: PASSWORD, next: elsewhere }, headers),
    await browser.send(`logout?${wish}`, 'POST', {}, headers),
  ]
  expect(responses.map(({ status }) => status)).toEqual([200, 200, 200, 422, 204])
  for (const response of responses) {
    expect(response.headers.has('location')).toBe(false)
    expect(JSON.stringify([response.body, [...response.headers]])).not.toContain('evil.example')
  }
})

test('[ASVS 3.5.3] nothing is changed by GET, HEAD or OPTIONS, whatever the query says', async () => {
  const person = await signedInPerson()
  await newBrowser().send('reset', 'POST', { email: person.email })
  const token = tokenIn(await newestEmailTo(person.email))
  const { id } = (await person.browser.send('refresh', 'POST', {})).body.session
  for (const method of ['GET', 'HEAD', 'OPTIONS']) {
    for (const target of [
      `verify?token=${token}`,
      `reset?token=${token}&password=${OTHER_PASSWORD}`,
      'logout?everywhere=true',
      'refresh?',
      `login?email=${person.email}&password=${PASSWORD}`,
      `register?email=${newAddress()}&password=${PASSWORD}`,
    ] as const) {
      const response = await person.browser.send(target, method)
      expect([response.status, response.setCookies], target).toEqual([405, []])
    }
    const list = await person.browser.send(`sessions?id=${id}&others=true`, method)
    expect(list.status).toBe(method === 'OPTIONS' ? 405 : 200)
  }
  expect((await person.browser.send('refresh', 'POST', {})).status).toBe(200)
  const reset = await newBrowser().send('reset', 'PUT', { token, password: OTHER_PASSWORD })
  expect(reset.status).toBe(200)
})

test('[ASVS 3.5.3] the one GET that does something needs a secret that no browser sends', async () => {
  const cookie = `CRON_SECRET=${process.env['CRON_SECRET']}`
  for (const target of [
    'maintenance',
    `maintenance?authorization=Bearer%20${process.env['CRON_SECRET']}`,
  ] as const)
    expect((await sendRaw(target, { headers: { cookie } })).status).toBe(401)
})

describe('[ASVS 4.2.4] a line break cannot get into a header:', () => {
  test('not by our own hand', () => {
    for (const text of ['a\r\nset-cookie: x=y', 'a\nb', 'a\rb', 'a\0b']) {
      expect(() => problemResponse(new HttpError('not-found', { headers: { allow: text } }))).toThrow(
        TypeError,
      )
      for (const cookie of [
        setCookie('session', text, 60),
        setCookie('signed-in', text, 60),
        setCookie('registration', text, 60),
        setCookie('device', text, 60),
      ]) {
        expect(cookie).not.toMatch(/[\r\n\0]/)
        expect(cookie.split(';')).toHaveLength(cookie.startsWith('signed-in') ? 5 : 6)
      }
    }
  })

  test('not by what a client sends', async () => {
    const { headers } = await sendRaw('keys?x=%0d%0aset-cookie:%20x=y', {
      headers: { 'x-vercel-id': 'a set-cookie: x=y', 'user-agent': '%0d%0aset-cookie:%20x=y' },
    })
    expect(headers.has('set-cookie')).toBe(false)
    expect(headers.get('x-request-id')).toMatch(/^[\w-]{36}$/)
    expect(() => new Request(APP_ORIGIN, { headers: { 'x-vercel-id': 'a\r\nb' } })).toThrow(TypeError)
  })
})

interface HeaderRule {
  source: string
  headers: { key: string; value: string }[]
}

const { headers: rules }: { headers: HeaderRule[] } = JSON.parse(await readFile('vercel.json', 'utf8'))

/** What vercel.json adds to the answer of a path. */
function addedTo(path: string): Record<string, string> {
  const matching = rules.filter(({ source }) => new RegExp(`^${source}$`).test(path))
  const fields = matching.flatMap(({ headers }) =>
    headers.map(({ key, value }) => [key.toLowerCase(), value]),
  )
  expect(new Set(fields.map(([key]) => key)).size, `${path}: a header twice`).toBe(fields.length)
  return Object.fromEntries(fields)
}

const pages = (await readdir('public', { recursive: true }))
  .filter((file) => file.endsWith('.html'))
  .map((file) => `public/${file}`)
const pathOf = (file: string) => file.replace(/^public/, '').replace(/(index)?\.html$/, '')

describe('vercel.json', () => {
  test('[ASVS 3.4.1] asks for HTTPS for a year or more, subdomains included, on every path', () => {
    const functions = Object.keys(endpoints).map((name) => `/api/auth/${name}`)
    for (const path of [
      ...functions,
      '/api/hello',
      '/api/auth/no-such',
      '/no-such',
      '/assets/style.css',
      ...pages.map(pathOf),
    ]) {
      const policy = addedTo(path)['strict-transport-security'] ?? ''
      expect(Number(/max-age=(\d+)/.exec(policy)?.[1]), path).toBeGreaterThanOrEqual(31_536_000)
      expect(policy, path).toContain('includeSubDomains')
    }
  })

  test('[ASVS 3.4.3] [ASVS 3.4.6] gives every page a policy that allows our own files only, and leaves the functions theirs', () => {
    for (const path of ['/no-such', ...pages.map(pathOf)]) {
      const added = addedTo(path)
      expect(
        Object.fromEntries(
          (added['content-security-policy'] ?? '').split('; ').map((text) => text.split(/ (.*)/).slice(0, 2)),
        ),
      ).toEqual({
        'default-src': "'none'",
        'script-src': "'self'",
        'style-src': "'self'",
        'img-src': "'self' data:",
        'connect-src': "'self'",
        'form-action': "'self'",
        'base-uri': "'none'",
        'frame-ancestors': "'none'",
        'object-src': "'none'",
      })
      expect(added).toMatchObject({
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'no-referrer',
        'cross-origin-opener-policy': 'same-origin',
        'cross-origin-resource-policy': 'same-origin',
        'permissions-policy': expect.stringMatching(/^([a-z-]+=\(\)(, |$)){6,}/),
      })
    }
    for (const name of Object.keys(endpoints))
      expect(addedTo(`/api/auth/${name}`)).not.toHaveProperty('content-security-policy')
  })
})

/** The tags of a page with their attributes. */
function tagsIn(html: string): { tag: string; attributes: Map<string, string>; text: string }[] {
  return [
    ...html.matchAll(
      /<([a-z][\w-]*)((?:\s+[^\s=>]+(?:\s*=\s*(?:"[^"]*"|'[^']*'|[^\s>]+))?)*)\s*\/?>([^<]*)/gi,
    ),
  ].map(([, tag = '', attributes = '', text = '']) => ({
    tag: tag.toLowerCase(),
    attributes: new Map(
      [...attributes.matchAll(/([^\s=/]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>]+)))?/g)].map(
        ([, name = '', ...values]) => [name.toLowerCase(), values.find((value) => value !== undefined) ?? ''],
      ),
    ),
    text: text.trim(),
  }))
}

/** What a page's policy would block. */
function inlineIn(html: string): string[] {
  return tagsIn(html).flatMap(({ tag, attributes, text }) => [
    ...(tag === 'style' || (tag === 'script' && (text !== '' || !attributes.has('src'))) ? [`<${tag}>`] : []),
    ...[...attributes.keys()].filter(
      (name) => name === 'style' || name === 'srcdoc' || name.startsWith('on'),
    ),
    ...['src', 'href', 'action', 'formaction'].flatMap((name) => {
      const value = attributes.get(name) ?? ''
      const loads = tag === 'script' || tag === 'link' || tag === 'img' || name !== 'href'
      return /^\s*(javascript|data):/i.test(value) || (loads && /^([a-z]+:)?\/\//i.test(value))
        ? [`${name}=${value}`]
        : []
    }),
    ...(['object', 'embed', 'applet', 'base', 'iframe'].includes(tag) ? [`<${tag}>`] : []),
  ])
}

describe('the pages', () => {
  test('are found', () => {
    expect(pages.map(pathOf)).toEqual(
      expect.arrayContaining(['/', '/auth/verify', '/auth/reset', '/auth/cancel', '/auth/problems']),
    )
  })

  test.each(pages)(
    '[ASVS 3.4.3] %s has no inline script, style or event handler and loads nothing from elsewhere',
    async (file) => {
      const html = await readFile(file, 'utf8')
      expect(tagsIn(html).length).toBeGreaterThan(10)
      expect(inlineIn(html)).toEqual([])
    },
  )

  test('the check finds what must not be in a page', () => {
    const bad = `<script>x</script><script src="https://a.example/x.js"></script><p style="x"><a href="javascript:x">x</a>
      <style>x</style><button type="button" onclick='x'>x</button><img src=//a.example/x onerror=x><iframe srcdoc="x"></iframe>`
    expect(inlineIn(bad)).toEqual([
      '<script>',
      'src=https://a.example/x.js',
      'style',
      'href=javascript:x',
      '<style>',
      'onclick',
      'onerror',
      'src=//a.example/x',
      'srcdoc',
      '<iframe>',
    ])
  })
})

/** Requests that together set and clear every cookie there is. */
const EVERY_COOKIE: ((browser: Browser, email: string) => Promise<Received>)[] = [
  (browser, email) => browser.send('login', 'POST', { email, password: PASSWORD }),
  (browser) => browser.send('refresh', 'POST', {}),
  (browser) => browser.send('account', 'PATCH', { currentPassword: PASSWORD, newPassword: OTHER_PASSWORD }),
  (browser) => browser.send('logout', 'POST', {}),
  (browser) => {
    browser.cookies.set('__Host-session', 'forged')
    return browser.send('refresh', 'POST', {})
  },
  (browser) => browser.send('register', 'POST', { email: newAddress(), password: PASSWORD }),
  async (browser) => {
    const email = newAddress()
    await browser.send('register', 'POST', { email, password: PASSWORD })
    return browser.send('verify', 'PUT', { token: tokenIn(await newestEmailTo(email)) })
  },
  (browser) => browser.send('account', 'DELETE'),
]

describe('cookies', () => {
  test('[ASVS 3.3.1] [ASVS 3.3.2] [ASVS 3.3.3] [ASVS 3.3.4] [6265bis 4.1.3.2] each that is set or cleared has its flags, on the whole host and no other', async () => {
    const { browser, email } = await signedInPerson()
    const seen = new Set<string>()
    for (const send of EVERY_COOKIE) {
      const response = await send(browser, email)
      expect(response.setCookies.length).toBeGreaterThan(0)
      for (const text of response.setCookies) {
        const cookie = parseSetCookie(text)
        expect(cookie.value === '').toBe(cookie.maxAge === 0)
        expect(cookie).toEqual({
          name: expect.stringMatching(/^(__Host-(session|registration|device)|signed-in)$/),
          value: expect.stringMatching(/^[\w-]*$/),
          maxAge: expect.any(Number),
          path: '/',
          secure: true,
          sameSite: 'lax',
          ...(cookie.name !== 'signed-in' && { httpOnly: true }),
        })
        seen.add(`${cookie.name} ${cookie.maxAge === 0 ? 'cleared' : 'set'}`)
      }
    }
    expect([...seen].toSorted()).toEqual([
      '__Host-device cleared',
      '__Host-device set',
      '__Host-registration cleared',
      '__Host-registration set',
      '__Host-session cleared',
      '__Host-session set',
      'signed-in cleared',
      'signed-in set',
    ])
  })

  test('[ASVS 3.3.5] [6265bis 5.5] none is larger than a browser keeps or outlives its session and 400 days', async () => {
    const { browser, email } = await signedInPerson()
    const refresh = await browser.send('refresh', 'POST', {})
    const login = await browser.send('login', 'POST', { email, password: PASSWORD })
    const register = await browser.send('register', 'POST', { email: newAddress(), password: PASSWORD })
    for (const { setCookies, body } of [refresh, login, register]) {
      for (const { name, value, maxAge = Infinity } of setCookies.map((text) => parseSetCookie(text))) {
        expect(`${name}=${value}`.length).toBeLessThanOrEqual(4096)
        expect(maxAge).toBeLessThanOrEqual(400 * 86_400)
        const ofSession = /session|signed-in/.test(name)
        const leftSeconds = ofSession
          ? (Date.parse(body.session.absoluteExpiresAt) - Date.now()) / 1000
          : Infinity
        expect(maxAge).toBeLessThanOrEqual(leftSeconds + 1)
      }
    }
  })

  test('[ASVS 3.3.4] [63B-4 5.1.1] the value of the session cookie is opaque, and nowhere else in the responses that set it', async () => {
    const { browser, email } = await signedInPerson()
    for (const [name, method, body] of [
      ['login', 'POST', { email, password: PASSWORD }],
      ['refresh', 'POST', {}],
      ['account', 'PATCH', { currentPassword: PASSWORD, newPassword: OTHER_PASSWORD }],
    ] as const) {
      const response = await browser.send(name, method, body)
      const token = browser.cookies.get('__Host-session') ?? 'missing'
      expect(token).toMatch(/^[\w-]{91}$/)
      expect(response.setCookies.filter((text) => text.includes(token))).toHaveLength(1)
      const others = [...response.headers].filter(([key]) => key !== 'set-cookie')
      expect(JSON.stringify([response.body, others])).not.toContain(token)
      const { user, session } = response.body
      const bytes = Buffer.from(token, 'base64url')
      for (const personal of [email, user.id, session.id, user.id.replaceAll('-', '')]) {
        expect(bytes.toString('latin1')).not.toContain(personal)
        expect(bytes.toString('hex')).not.toContain(personal)
      }
    }
  })

  test('[63B-4 5.1.1] a cookie that the browser should have dropped opens nothing when it is sent by hand', async () => {
    const { browser, email } = await signedInPerson()
    await query(
      "UPDATE sessions SET idle_expires_at = now() - interval '1 second' WHERE user_id = (SELECT id FROM users WHERE email = $1)",
      email,
    )
    expect((await browser.send('account', 'GET')).status).toBe(401)
    expect((await browser.send('refresh', 'POST', {})).status).toBe(401)
  })
})
