/** Addresses, as they come in through the endpoints and go out in our own requests. */
import { afterEach, describe, expect, test, vi } from 'vitest'
import { newBrowser } from '../support/browser.ts'
import { query } from '../support/database.ts'
import { emailsTo, newAddress, newestEmailTo, OTHER_PASSWORD, PASSWORD, tokenIn } from '../support/people.ts'
import { gateway } from '../support/setup-stack.ts'

const OUTBOUND_BYTES = 8 * 1024
const realFetch = globalThis.fetch

afterEach(() => {
  vi.stubGlobal('fetch', realFetch)
  gateway.fault = undefined
})

describe('[CS Email Validation form] [CS Input Validation email] spellings of one address', () => {
  const unique = newAddress().split('@', 1)[0] ?? ''
  const typed = `First.${unique}@BÜCHER.example`
  const spellings = [
    `first.${unique}@bücher.example`,
    `FIRST.${unique.toUpperCase()}@xn--bcher-kva.example`,
    `  First.${unique}@Bücher.Example `,
  ]

  test('are one account for register, verify, login and reset, and email goes to the one that was typed', async () => {
    const browser = newBrowser()
    await browser.send('register', 'POST', { email: typed, password: PASSWORD })
    const token = tokenIn(await newestEmailTo(typed))
    const verified = await browser.send('verify', 'PUT', { token })
    expect([verified.status, verified.body.user?.email]).toEqual([200, typed])
    for (const [index, email] of spellings.entries()) {
      const login = await newBrowser().send('login', 'POST', { email, password: PASSWORD })
      expect([login.status, login.body.user?.email], email).toEqual([200, typed])
      await newBrowser().send('register', 'POST', { email, password: OTHER_PASSWORD })
      await newBrowser().send('reset', 'POST', { email })
      expect(await emailsTo(typed)).toHaveLength(1 + 2 * (index + 1))
    }
    expect(await query('SELECT FROM users WHERE email_normalized LIKE $1', `%${unique}%`)).toHaveLength(1)
  })

  test('a tag before the @ makes another address', async () => {
    const plain = newAddress()
    const tagged = plain.replace('@', '+tag@')
    for (const email of [plain, tagged])
      expect((await newBrowser().send('register', 'POST', { email, password: PASSWORD })).status).toBe(202)
    expect([(await emailsTo(plain)).length, (await emailsTo(tagged)).length]).toEqual([1, 1])
  })

  test('255 characters are too many and a+b@x.co is not too few, at every endpoint that takes an address', async () => {
    const long = `${'a'.repeat(60)}@${'b'.repeat(63)}.${'c'.repeat(63)}.${'d'.repeat(63)}.e`
    expect(long.length + 1).toBe(255)
    for (const [email, refused] of [
      [`${long}e`, true],
      ['a+b@x.co', false],
    ] as const) {
      for (const [name, method, body] of [
        ['register', 'POST', { email, password: PASSWORD }],
        ['login', 'POST', { email, password: PASSWORD }],
        ['reset', 'POST', { email }],
        ['verify', 'POST', { email }],
        ['verify', 'PUT', { email, code: '123456' }],
        ['reset', 'PUT', { email, code: '123456', password: PASSWORD }],
      ] as const) {
        const { status } = await newBrowser().send(name, method, body)
        expect(status === 422, `${name} ${method} ${status}`).toBe(refused)
      }
    }
  })
})

test('[ASVS 2.3.1] [CS Email Validation proof] before the address is verified there is no session, and no step gets around that', async () => {
  const browser = newBrowser()
  const email = newAddress()
  await browser.send('register', 'POST', { email, password: PASSWORD })
  const token = tokenIn(await newestEmailTo(email))

  const login = await browser.send('login', 'POST', { email, password: PASSWORD })
  expect([login.status, login.body.code, login.setCookies]).toEqual([403, 'email-unverified', []])
  const reset = await browser.send('reset', 'PUT', { token, password: OTHER_PASSWORD })
  expect([reset.status, reset.body.code]).toEqual([400, 'token-invalid'])
  await browser.send('reset', 'POST', { email })
  expect(await emailsTo(email)).toHaveLength(1)
  expect((await browser.send('account', 'GET')).status).toBe(401)
  expect(await query('SELECT FROM users WHERE email = $1', email)).toHaveLength(0)

  expect((await browser.send('verify', 'PUT', { token })).body.status).toBe('signed-in')
  expect((await newBrowser().send('login', 'POST', { email, password: PASSWORD })).status).toBe(200)
})

test('[ASVS 4.2.5] with the longest address and every cookie, no request that we send or get has a long line', async () => {
  const longest = newAddress().replace(
    '@example.org',
    `@${'b'.repeat(60)}.${'c'.repeat(60)}.${'d'.repeat(60)}.example.${'org'.repeat(15)}`,
  )
  const email = `${'a'.repeat(254 - longest.length)}${longest}`
  expect(email).toHaveLength(254)
  const requests: { url: string; headerBytes: number }[] = []
  gateway.fault = ({ headers }) => {
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${String(value)}\r\n`)
    requests.push({ url: gateway.url, headerBytes: lines.join('').length })
    return undefined
  }
  vi.stubGlobal('fetch', (input: string | URL | Request, init?: RequestInit) => {
    const request = new Request(input, init)
    const lines = [...request.headers].map(([name, value]) => `${name}: ${value}\r\n`)
    requests.push({ url: request.url, headerBytes: lines.join('').length })
    return realFetch(input, init)
  })

  const browser = newBrowser()
  await browser.send('register', 'POST', { email, password: 'p'.repeat(3) + PASSWORD })
  const message = await newestEmailTo(email)
  const links = [...(message.text ?? '').matchAll(/https:\S+/g)].map(([link]) => link)
  expect(links.length).toBeGreaterThan(0)
  for (const link of links) expect(link.length).toBeLessThan(OUTBOUND_BYTES)
  await browser.send('verify', 'PUT', { token: tokenIn(message) })
  await browser.send('login', 'POST', { email, password: `ppp${PASSWORD}` })
  await browser.send('register', 'POST', { email: newAddress(), password: PASSWORD })
  expect(browser.cookies.size).toBe(4)

  expect(new Set(requests.map(({ url }) => new URL(url).pathname))).toEqual(new Set(['/sql', '/emails']))
  for (const { url, headerBytes } of requests)
    expect(url.length + headerBytes, url).toBeLessThan(OUTBOUND_BYTES)
  const cookie = [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
  expect(cookie.length).toBeLessThan(OUTBOUND_BYTES)
})

test('[ASVS 4.1.3] [ASVS 15.3.4] [RFC 9700 4.13] who asks, and from where, is not for the request to say', async () => {
  const forged = (round: number) => ({
    'x-forwarded-for': `203.0.113.${round}`,
    'x-client-ip': `203.0.113.${round}`,
    'x-vercel-forwarded-for': `203.0.113.${round}`,
    forwarded: `for=203.0.113.${round}`,
    'x-user-id': '00000000-0000-7000-8000-000000000000',
  })
  const browser = newBrowser()
  const statuses: number[] = []
  for (let round = 1; round <= 31; round += 1)
    statuses.push((await browser.send('reset', 'POST', { email: newAddress() }, forged(round))).status)
  expect(statuses.slice(-2)).toEqual([202, 429])
  expect((await newBrowser().send('account', 'GET', undefined, forged(1))).status).toBe(401)

  await newBrowser().send('login', 'POST', { email: newAddress(), password: PASSWORD }, forged(1))
  const rows = await query('SELECT ip FROM events UNION SELECT ip FROM sessions')
  expect(rows.length).toBeGreaterThan(1)
  for (const { ip } of rows) expect(ip).toMatch(/^10\./)
})
