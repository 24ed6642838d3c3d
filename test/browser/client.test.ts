/** The browser client in real Chromium: several tabs, lost responses, sleep, wrong clocks, no needless requests. */
import type { Page, Route } from 'playwright-core'
import { beforeEach, describe, expect, test } from 'vitest'
import type * as Client from '../../client/auth.ts'
import { gateway, inboxUrl, origin, query, served, visit } from './app.ts'
import { linkIn, emailsTo } from './emails.ts'
import { newAddress, openAccount, OTHER_PASSWORD, PASSWORD, tokenOf } from './people.ts'
import type { Visitor, VisitorOptions } from './visitors.ts'

declare global {
  // In the page.
  var auth: typeof Client
  var states: string[]
  var clockOffset: number
}

/** A page of the app's own origin that runs nothing by itself. */
const BLANK = '/auth/problems'
const ACCESS_TOKEN_SECONDS = 15 * 60

beforeEach(() => {
  served.length = 0
})

function calls(name: string): number {
  return served.filter(({ method, url }) => `${method} ${url}`.startsWith(`POST /api/auth/${name}`)).length
}

/** A tab with the client loaded, and its states written down as they change. */
async function newTab({ context }: Visitor, clockOffset = 0): Promise<Page> {
  const page = await context.newPage()
  await page.addInitScript((offset) => {
    globalThis.clockOffset = offset
    const now = Date.now.bind(Date)
    Date.now = () => now() + globalThis.clockOffset
  }, clockOffset)
  await page.goto(BLANK)
  // As text: an import in a function would be rewritten for this side.
  await page.evaluate(
    "import('/client/auth.js').then((client) => { globalThis.auth = client; globalThis.states = [] })",
  )
  return page
}

/** From now on the page's store is subscribed to. */
function watch(page: Page): Promise<void> {
  return page.evaluate(() => {
    auth.session.subscribe(() => states.push(auth.session.getSnapshot().kind))
  })
}

const stateOf = (page: Page) => page.evaluate(() => auth.session.getSnapshot().kind)
const check = (page: Page) => page.evaluate(async () => (await auth.session.check()).kind)

async function logIn(page: Page, email: string, password = PASSWORD): Promise<void> {
  expect(await page.evaluate((person) => auth.login(person), { email, password })).toMatchObject({ ok: true })
}

/** The status of a function that looks at the bearer token. */
const callApp = (page: Page) => page.evaluate(async () => (await auth.fetch('/api/auth/account')).status)

/** As if that long had gone by on this device, and the tab were looked at again. */
async function sleep(page: Page, seconds: number): Promise<void> {
  await page.evaluate((ms) => {
    clockOffset += ms
    document.dispatchEvent(new Event('visibilitychange'))
  }, seconds * 1000)
}

/** The server gets the request and acts on it; its answer never arrives. */
async function loseReplies(page: Page, path: string, count: number): Promise<void> {
  await page.route(
    `**/api/auth/${path}`,
    async (route: Route) => {
      await route.fetch()
      await route.abort()
    },
    { times: count },
  )
}

/** As if the reuse interval had gone by since the last rotation. */
async function ageRotation(email: string): Promise<void> {
  await query(
    `UPDATE sessions SET rotated_at = rotated_at - interval '31 seconds'
     WHERE user_id = (SELECT id FROM users WHERE email = $1)`,
    email,
  )
}

async function signedInVisitor(
  options?: VisitorOptions,
): Promise<{ visitor: Visitor; email: string; page: Page }> {
  const visitor = await visit(options)
  const email = await openAccount()
  const page = await newTab(visitor)
  await logIn(page, email)
  served.length = 0
  return { visitor, email, page }
}

describe('requests', () => {
  test('without the signed-in cookie nobody is signed in, and nothing is sent', async () => {
    const page = await newTab(await visit())
    await watch(page)
    expect(await check(page)).toBe('signed-out')
    expect(await page.evaluate(() => auth.fetch('/api/auth/keys').then(({ status }) => status))).toBe(200)
    expect(calls('refresh')).toBe(0)
    expect(await page.evaluate(() => states)).toEqual(['signed-out'])
  })

  test('any number of parallel requests cause one refresh', async () => {
    const { visitor } = await signedInVisitor()
    const page = await newTab(visitor)
    const statuses = await page.evaluate(() =>
      Promise.all(Array.from({ length: 10 }, async () => (await auth.fetch('/api/auth/account')).status)),
    )
    expect(new Set(statuses)).toEqual(new Set([200]))
    expect(calls('refresh')).toBe(1)
    const bearers = served
      .filter(({ url }) => url === '/api/auth/account')
      .map(({ headers }) => headers['authorization'])
    expect(bearers).toHaveLength(10)
    expect(new Set(bearers).size).toBe(1)
  })

  test('the token is sent to the app’s own origin only', async () => {
    const { page } = await signedInVisitor({ bypassCSP: true })
    const seen: Record<string, string>[] = []
    await page.route('https://elsewhere.test/**', async (route) => {
      seen.push(route.request().headers())
      await route.fulfill({ headers: { 'access-control-allow-origin': '*' } })
    })
    const own = { headers: { 'x-own': '1' } }
    await page.evaluate((init) => auth.fetch('https://elsewhere.test/', init), own)
    expect(seen.map((headers) => headers['authorization'])).toEqual([undefined])
    expect(await callApp(page)).toBe(200)
  })

  test('it is renewed a minute before it expires, and not earlier', async () => {
    const { page } = await signedInVisitor()
    await page.evaluate((ms) => (clockOffset += ms), (ACCESS_TOKEN_SECONDS - 70) * 1000)
    expect(await callApp(page)).toBe(200)
    expect(calls('refresh')).toBe(0)
    await page.evaluate((ms) => (clockOffset += ms), 15_000)
    expect(await callApp(page)).toBe(200)
    expect(calls('refresh')).toBe(1)
  })

  test.each([
    ['ten minutes fast', 600],
    ['ten minutes slow', -600],
  ])('a clock that is %s changes nothing', async (_, seconds) => {
    const visitor = await visit()
    const email = await openAccount()
    const page = await newTab(visitor, seconds * 1000)
    await logIn(page, email)
    for (let round = 0; round < 3; round += 1) expect(await callApp(page)).toBe(200)
    expect(calls('refresh')).toBe(0)
    await page.evaluate((ms) => (clockOffset += ms), (ACCESS_TOKEN_SECONDS - 30) * 1000)
    expect(await callApp(page)).toBe(200)
    expect(calls('refresh')).toBe(1)
  })

  test('a clock set back while the tab is open costs one refresh once the server refuses the token', async () => {
    const { page, email } = await signedInVisitor()
    await page.evaluate(() => (clockOffset -= 3_600_000))
    expect(await callApp(page)).toBe(200)
    // The server's 15 minutes are over; by this clock the token is still to come.
    await page.route('**/api/auth/account', (route) => route.fulfill({ status: 401, body: '' }), { times: 1 })
    expect(await callApp(page)).toBe(200)
    expect(calls('refresh')).toBe(1)
    expect(email).toContain('@')
  })
})

describe('several tabs', () => {
  test('a sign-in or sign-out reaches the other tabs', async () => {
    const visitor = await visit()
    const email = await openAccount()
    const [first, second] = [await newTab(visitor), await newTab(visitor)]
    await Promise.all([watch(first), watch(second)])
    served.length = 0
    await logIn(first, email)
    await second.waitForFunction(() => auth.session.getSnapshot().kind === 'signed-in')
    expect(await callApp(second)).toBe(200)
    expect(calls('refresh')).toBe(0)
    await second.evaluate(() => auth.logout())
    await first.waitForFunction(() => auth.session.getSnapshot().kind === 'signed-out')
    expect(await first.evaluate(() => states)).toEqual(['signed-out', 'signed-in', 'signed-out'])
    expect(calls('refresh')).toBe(0)
  })

  test('tabs that refresh in the same moment all stay signed in', async () => {
    const { visitor, email } = await signedInVisitor()
    for (let round = 0; round < 5; round += 1) {
      await ageRotation(email)
      const tabs = await Promise.all(Array.from({ length: 4 }, () => newTab(visitor)))
      expect(await Promise.all(tabs.map(callApp))).toEqual([200, 200, 200, 200])
      await Promise.all(tabs.map((tab) => tab.close()))
    }
  })

  test('another account that signs in replaces the one before, in every tab', async () => {
    const { visitor, page } = await signedInVisitor()
    const email = await openAccount()
    await watch(page)
    const second = await newTab(visitor)
    await logIn(second, email)
    await page.waitForFunction((address) => {
      const state = auth.session.getSnapshot()
      return state.kind === 'signed-in' && state.user.email === address
    }, email)
    expect(await callApp(page)).toBe(200)
  })
})

describe('when something goes wrong', () => {
  test('a lost response is requested again, and the session continues', async () => {
    const { visitor, email } = await signedInVisitor()
    visitor.expected.push(/ERR_FAILED/)
    await ageRotation(email)
    const page = await newTab(visitor)
    await loseReplies(page, 'refresh', 2)
    expect(await callApp(page)).toBe(200)
    expect(await stateOf(page)).toBe('signed-in')
    expect(calls('refresh')).toBe(3)
    const [{ counter }] = await query(
      'SELECT counter FROM sessions JOIN users ON users.id = user_id WHERE email = $1',
      email,
    )
    expect(Number(counter)).toBe(1)
  })

  test('a request that gets `refresh-required` is repeated after a refresh', async () => {
    const { visitor, page, email } = await signedInVisitor()
    await ageRotation(email)
    // A rotation whose response never reached the browser, longer ago than the reuse interval.
    const [cookie] = (await visitor.context.cookies()).filter(({ name }) => name === 'session')
    const rotated = await fetch(`${origin}/api/auth/refresh`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', cookie: `session=${cookie?.value}` },
      body: '{}',
    })
    expect(rotated.status).toBe(200)
    await ageRotation(email)
    served.length = 0
    const sessions = await page.evaluate(() => auth.listSessions())
    expect(sessions).toMatchObject({ ok: true })
    expect(served.map(({ method, url }) => `${method} ${url}`)).toEqual([
      'GET /api/auth/sessions',
      'POST /api/auth/refresh',
      'GET /api/auth/sessions',
    ])
  })

  test('`refresh-required` from refresh signs nobody out, and is tried again after the reuse interval', async () => {
    const { visitor } = await signedInVisitor()
    const page = await newTab(visitor)
    await page.clock.install()
    const body = JSON.stringify({ code: 'refresh-required', title: '', detail: '' })
    await page.route('**/api/auth/refresh', (route) => route.fulfill({ status: 401, body }), { times: 1 })
    await watch(page)
    await expect
      .poll(() => page.evaluate(() => auth.session.check()).then(({ kind }) => kind))
      .toBe('unknown')
    for (let round = 0; round < 5; round += 1) expect(await check(page)).toBe('unknown')
    expect(calls('refresh')).toBe(0)
    await page.clock.fastForward(32_000)
    await page.waitForFunction(() => auth.session.getSnapshot().kind === 'signed-in')
    expect(calls('refresh')).toBe(1)
  })

  test('offline: three tries, then a pause; it continues at once when back online', async () => {
    const { visitor } = await signedInVisitor()
    visitor.expected.push(/ERR_FAILED|ERR_INTERNET_DISCONNECTED/)
    const page = await newTab(visitor)
    let tries = 0
    await page.route('**/api/auth/refresh', (route) => {
      tries += 1
      return route.abort('internetdisconnected')
    })
    expect(await check(page)).toBe('unknown')
    expect(tries).toBe(3)
    for (let round = 0; round < 20; round += 1) expect(await check(page)).toBe('unknown')
    expect(tries).toBe(3)
    await page.unroute('**/api/auth/refresh')
    await page.evaluate(() => dispatchEvent(new Event('online')))
    await page.waitForFunction(() => auth.session.getSnapshot().kind === 'signed-in')
  })

  test('a database outage signs nobody out, and Retry-After is honored', async () => {
    const { visitor } = await signedInVisitor()
    visitor.expected.push(/status of 503/)
    gateway.fault = () => ({ kind: 'refuse' })
    const page = await newTab(visitor)
    expect(await check(page)).toBe('unknown')
    expect(calls('refresh')).toBe(1)
    gateway.fault = undefined
    expect(await check(page)).toBe('unknown')
    await page.evaluate(() => (clockOffset += 120_000))
    expect(await check(page)).toBe('signed-in')
  })

  test('a refresh on demand ignores pauses, says why it failed, and reaches the other tabs', async () => {
    const { visitor, page } = await signedInVisitor()
    visitor.expected.push(/status of 503/)
    const second = await newTab(visitor)
    await watch(second)
    await second.waitForFunction(() => auth.session.getSnapshot().kind === 'signed-in')
    gateway.fault = () => ({ kind: 'refuse' })
    for (let round = 0; round < 2; round += 1) {
      expect(await page.evaluate(() => auth.refresh())).toMatchObject({
        ok: false,
        problem: { code: 'unavailable', status: 503, retryAfterSeconds: 5, requestId: expect.any(String) },
      })
    }
    expect(await stateOf(page)).toBe('signed-in')
    gateway.fault = undefined
    served.length = 0
    const heard = second.evaluate(() => {
      const count = states.length
      return new Promise<boolean>((resolve) => {
        auth.session.subscribe(() => resolve(states.length > count))
      })
    })
    expect(await page.evaluate(() => auth.refresh())).toMatchObject({ ok: true, body: { session: {} } })
    expect(await heard).toBe(true)
    expect(calls('refresh')).toBe(1)
    await page.evaluate(() => auth.logout({ everywhere: true }))
    expect(await page.evaluate(() => auth.refresh())).toMatchObject({
      ok: false,
      problem: { code: 'session-ended' },
    })
    expect(await stateOf(page)).toBe('signed-out')
  })

  test('a device that slept past its token wakes up signed in; past its session, signed out', async () => {
    const { page, email } = await signedInVisitor()
    await watch(page)
    await sleep(page, 3600)
    await expect.poll(() => calls('refresh')).toBe(1)
    expect(await callApp(page)).toBe(200)
    await query(
      `UPDATE sessions SET idle_expires_at = now() - interval '1 second'
       WHERE user_id = (SELECT id FROM users WHERE email = $1)`,
      email,
    )
    await sleep(page, 8 * 24 * 3600)
    await page.waitForFunction(() => auth.session.getSnapshot().kind === 'signed-out')
  })

  test('a logout wins over a refresh that was on its way', async () => {
    const { visitor } = await signedInVisitor()
    const page = await newTab(visitor)
    const held = Promise.withResolvers<void>()
    await page.route('**/api/auth/refresh', async (route) => {
      const response = await route.fetch()
      await held.promise
      await route.fulfill({ response })
    })
    await watch(page)
    await expect.poll(() => calls('refresh')).toBe(1)
    expect(await page.evaluate(() => auth.logout())).toMatchObject({ ok: true })
    expect(await stateOf(page)).toBe('signed-out')
    held.resolve()
    await page.waitForTimeout(300)
    expect(await page.evaluate(() => states)).toEqual(['signed-out'])
    // The late answer set cookies of a session that has ended: they open nothing, and the next look says so.
    await page.unroute('**/api/auth/refresh')
    expect(await check(page)).toBe('signed-out')
  })

  test('a logout without a response isn’t taken for done', async () => {
    const { visitor, page } = await signedInVisitor()
    visitor.expected.push(/ERR_FAILED/)
    await page.route('**/api/auth/logout', (route) => route.abort())
    expect(await page.evaluate(() => auth.logout())).toMatchObject({
      ok: false,
      problem: { code: 'network-error', status: 0 },
    })
    expect(await stateOf(page)).toBe('signed-in')
    expect(await callApp(page)).toBe(200)
  })

  test('a session that was revoked elsewhere is noticed at the next 401', async () => {
    const { page, email } = await signedInVisitor()
    await query(
      `UPDATE sessions SET revoked_at = now() - interval '1 minute', revocation_reason = 'reuse'
       WHERE user_id = (SELECT id FROM users WHERE email = $1)`,
      email,
    )
    await page.evaluate(() => (clockOffset += 10_000))
    expect(await callApp(page)).toBe(401)
    expect(await stateOf(page)).toBe('signed-out')
    expect(calls('refresh')).toBe(1)
  })

  test('a function that refuses a fresh token causes no refreshes', async () => {
    const { visitor, page } = await signedInVisitor()
    visitor.expected.push(/status of 401/)
    await page.route('**/api/hello', (route) => route.fulfill({ status: 401, body: '' }))
    for (let round = 0; round < 5; round += 1) {
      expect(await page.evaluate(() => auth.fetch('/api/hello').then(({ status }) => status))).toBe(401)
    }
    expect(calls('refresh')).toBe(0)
  })
})

describe('results', () => {
  test('a failure has the problem, a success the body', async () => {
    const { page, email } = await signedInVisitor()
    const wrong = await page.evaluate(
      (address) => auth.login({ email: address, password: 'wrong, and quite long' }),
      email,
    )
    expect(wrong).toMatchObject({ ok: false, problem: { code: 'invalid-credentials', status: 401 } })
    const weak = await page.evaluate(() => auth.register({ email: 'a@example.org', password: 'short' }))
    expect(weak).toMatchObject({
      ok: false,
      problem: { code: 'weak-password', errors: [{ pointer: '#/password' }] },
    })
    const sessions = await page.evaluate(() => auth.listSessions())
    expect(sessions).toMatchObject({ ok: true, body: { sessions: [{ client: expect.any(String) }] } })
  })

  test('verifying an address in the browser that registered signs in, in every tab', async () => {
    const visitor = await visit()
    const [page, second] = [await newTab(visitor), await newTab(visitor)]
    await watch(second)
    const email = newAddress()
    const person = { email, password: PASSWORD, remember: false }
    expect(await page.evaluate((body) => auth.register(body), person)).toMatchObject({ ok: true })
    const [message] = await emailsTo(inboxUrl, email, 'verify')
    const verified = await page.evaluate((token) => auth.verify({ token }), tokenOf(linkIn(message)))
    expect(verified).toMatchObject({ ok: true, body: { status: 'signed-in', user: { email } } })
    expect(await stateOf(page)).toBe('signed-in')
    await second.waitForFunction(() => auth.session.getSnapshot().kind === 'signed-in')
    expect([await callApp(page), await callApp(second)]).toEqual([200, 200])
    expect(calls('refresh')).toBe(0)
  })

  test('step-up: refused until reauthenticated, then done', async () => {
    const { page, email } = await signedInVisitor()
    await query(
      `UPDATE sessions SET authenticated_at = authenticated_at - interval '10 minutes'
       WHERE user_id = (SELECT id FROM users WHERE email = $1)`,
      email,
    )
    const refused = { ok: false, problem: { code: 'reauthentication-required', status: 403 } }
    const done = () => page.evaluate((address) => auth.changeEmail(address), newAddress())
    expect(await done()).toMatchObject(refused)
    expect(await page.evaluate(() => auth.logout({ everywhere: true }))).toMatchObject(refused)
    expect(await stateOf(page)).toBe('signed-in')
    expect(await page.evaluate((password) => auth.reauthenticate(password), OTHER_PASSWORD)).toMatchObject({
      ok: false,
      problem: { code: 'invalid-credentials' },
    })
    expect(await page.evaluate((password) => auth.reauthenticate(password), PASSWORD)).toMatchObject({
      ok: true,
      body: { user: { email } },
    })
    expect(await done()).toMatchObject({ ok: true, body: { status: 'check-email' } })
  })

  test('step-up: an address that was changed in another browser is no obstacle', async () => {
    const { page, email } = await signedInVisitor()
    const newEmail = newAddress()
    await query('UPDATE users SET email = $2, email_normalized = $2 WHERE email = $1', email, newEmail)
    expect(await page.evaluate((password) => auth.reauthenticate(password), PASSWORD)).toMatchObject({
      ok: true,
      body: { user: { email: newEmail } },
    })
  })

  test('confirming a new address in the browser that is signed in reaches every tab', async () => {
    const { visitor, page } = await signedInVisitor()
    const newEmail = newAddress()
    expect(await page.evaluate((address) => auth.changeEmail(address), newEmail)).toMatchObject({ ok: true })
    const [message] = await emailsTo(inboxUrl, newEmail, 'verify')
    const second = await newTab(visitor)
    const verified = await second.evaluate((token) => auth.verify({ token }), tokenOf(linkIn(message)))
    expect(verified).toMatchObject({ ok: true, body: { status: 'verified' } })
    await page.waitForFunction((address) => {
      const state = auth.session.getSnapshot()
      return state.kind === 'signed-in' && state.user.email === address
    }, newEmail)
  })

  test('a changed password keeps this tab and the other one signed in, with new tokens', async () => {
    const { visitor, page, email } = await signedInVisitor()
    const second = await newTab(visitor)
    await watch(second)
    await second.waitForFunction(() => auth.session.getSnapshot().kind === 'signed-in')
    served.length = 0
    const change = { currentPassword: PASSWORD, newPassword: OTHER_PASSWORD }
    expect(await page.evaluate((passwords) => auth.changePassword(passwords), change)).toMatchObject({
      ok: true,
    })
    expect([await callApp(page), await callApp(second)]).toEqual([200, 200])
    expect(calls('refresh')).toBe(0)
    await page.evaluate(() => auth.logout())
    await logIn(page, email, OTHER_PASSWORD)
    const gone = await page.evaluate(() => auth.deleteAccount())
    expect(gone).toMatchObject({ ok: true })
    expect(await stateOf(page)).toBe('signed-out')
    await second.waitForFunction(() => auth.session.getSnapshot().kind === 'signed-out')
  })
})
