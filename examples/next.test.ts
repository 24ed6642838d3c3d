/** `npm run test:next`: the Next.js example, built and started, with the story of every other app and its own guarded parts. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseSetCookie } from 'cookie'
import { chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startChild } from '../dev/child.ts'
import { freePort } from '../dev/port.ts'
import { query } from '../test/support/database.ts'
import { expectStory } from '../test/support/http-story.ts'
import { verifiedPerson } from '../test/support/people.ts'
import { gateway, inbox } from '../test/support/setup-stack.ts'

const HERE = join(import.meta.dirname, 'next')
const NEXT = join(HERE, 'node_modules/next/dist/bin/next')
const READY_TRIES = 600
const READY_WAIT_MS = 100

let origin: string
let app: ReturnType<typeof startChild>

function start(program: string, ...given: string[]): ReturnType<typeof startChild> {
  return startChild({
    file: process.execPath,
    arguments: [program, ...given],
    environment: { ...process.env, NODE_ENV: 'production', NEXT_TELEMETRY_DISABLED: '1', APP_URL: origin },
    directory: HERE,
    signalWhenOrphaned: 'SIGKILL',
    onLine: () => undefined,
  })
}

beforeAll(async () => {
  const port = await freePort()
  origin = `http://localhost:${port}`
  await start('lift.js').exited
  const build = start(NEXT, 'build')
  if ((await build.exited) !== 'exit code 0') throw new Error(`not built:\n${build.lastLines()}`)
  app = start(NEXT, 'start', '--hostname', '127.0.0.1', '--port', String(port))
  for (let tries = 0; tries < READY_TRIES; tries += 1) {
    if (await fetch(origin).catch(() => undefined)) return
    await sleep(READY_WAIT_MS)
  }
  throw new Error(`next did not start:\n${app.lastLines()}`)
})
afterAll(() => app.end('SIGTERM', 5_000))

/** Signed in over HTTP: the cookie header and the access token. */
async function signedIn(): Promise<{ email: string; cookie: string; accessToken: string }> {
  const { email, password } = await verifiedPerson()
  const response = await fetch(`${origin}/api/auth/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', origin },
    body: JSON.stringify({ email, password }),
  })
  expect(response.status).toBe(200)
  const cookies = response.headers.getSetCookie().map((text) => parseSetCookie(text))
  const cookie = cookies.map(({ name, value }) => `${name}=${value}`).join('; ')
  const { accessToken } = (await response.json()) as { accessToken: string }
  return { email, cookie, accessToken }
}

const get = (path: string, headers: Record<string, string> = {}) =>
  fetch(origin + path, { headers, redirect: 'manual' })

test('its packages are those of this repository, at the same versions', () => {
  const packages = (path: string): Record<string, string> =>
    JSON.parse(readFileSync(path, 'utf8')).dependencies
  const { next: _, react, 'react-dom': reactDom, pg, ...shared } = packages(join(HERE, 'package.json'))
  expect([react, pg]).toEqual([reactDom, packages('package.json')['pg']])
  // What the build and the API reference need is no part of what is lifted.
  const { rolldown, 'swagger-ui-dist': reference, pg: __, ...own } = packages('package.json')
  expect([rolldown, reference]).not.toContain(undefined)
  expect(shared).toEqual(own)
})

test('the whole story runs over HTTP', async () => {
  await expectStory({ origin, inboxUrl: inbox.url })
})

test('the pages that emailed links open are there, with all that they load', async () => {
  for (const name of ['verify', 'reset', 'cancel', 'problems']) {
    const loaded = new Set([`/auth/${name}`])
    for (const path of loaded) {
      const response = await get(path)
      expect(response.status, path).toBe(200)
      const text = await response.text()
      const named = text.matchAll(/(?:src|href)="(\/(?:assets|client)\/[^"]+)"|from '([^']+\.js)'/g)
      for (const [, address, module] of named)
        loaded.add(new URL(address ?? module ?? '', origin + path).pathname)
    }
    expect(loaded.size, name).toBeGreaterThan(1)
  }
})

test('answers keep their headers, and a method that an endpoint does not have is 405', async () => {
  const response = await get('/api/auth/login')
  expect([response.status, response.headers.get('allow')]).toEqual([405, 'POST'])
  expect(response.headers.get('cache-control')).toBe('no-store')
  expect(response.headers.get('content-security-policy')).toContain("default-src 'none'")
  expect((await fetch(`${origin}/api/auth/login`, { method: 'OPTIONS' })).status).toBe(405)
  expect((await get('/api/auth/nothing')).status).toBe(404)
  expect((await get('/api/auth/constructor')).status).toBe(404)
  const foreign = await fetch(`${origin}/api/auth/logout`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', origin: 'https://evil.example' },
    body: '{}',
  })
  expect(foreign.status).toBe(403)
})

test('a guarded server component shows its page to signed-in users, and redirects everyone else', async () => {
  const { email, cookie } = await signedIn()
  const page = await get('/account', { cookie })
  expect([page.status, await page.text()]).toEqual([200, expect.stringContaining(email)])
  expect(page.headers.get('cache-control')).toContain('no-store')
  expect(page.headers.getSetCookie()).toEqual([])
  const stranger = await get('/account')
  expect([stranger.status, stranger.headers.get('location')]).toEqual([307, '/'])

  await query(
    'UPDATE sessions SET revoked_at = now() WHERE user_id = (SELECT id FROM users WHERE email = $1)',
    email,
  )
  expect((await get('/account', { cookie })).status).toBe(307)
})

test('a cookie that is a step behind is refreshed in the browser, and the guarded page is shown', async () => {
  const { email, cookie } = await signedIn()
  const age = () =>
    query(
      `UPDATE sessions SET rotated_at = rotated_at - interval '31 seconds'
       WHERE user_id = (SELECT id FROM users WHERE email = $1)`,
      email,
    )
  await age()
  const rotated = await fetch(`${origin}/api/auth/refresh`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', origin, cookie },
    body: '{}',
  })
  expect(rotated.status).toBe(200)
  await age()
  // On the server nothing is refreshed, and nobody is sent to sign in.
  const page = await get('/account', { cookie })
  expect([page.status, page.headers.getSetCookie()]).toEqual([200, []])
  expect(await page.text()).not.toContain(email)

  await inBrowser(async (tab) => {
    const cookies = cookie.split('; ').map((pair) => pair.split('=', 2))
    await tab.context().addCookies(cookies.map(([name = '', value = '']) => ({ name, value, url: origin })))
    await tab.goto('/account')
    await tab.getByText(`Signed in as ${email} until`).waitFor()
  })
})

test('with the database away the page says so, and not that nobody is signed in', async () => {
  const { cookie } = await signedIn()
  gateway.fault = () => ({ kind: 'refuse' })
  const page = await get('/account', { cookie })
  gateway.fault = undefined
  expect(page.status).toBe(500)
  expect((await get('/account', { cookie })).status).toBe(200)
})

test('a guarded route lets in by cookie or bearer, and applies the origin check', async () => {
  const { email, cookie, accessToken } = await signedIn()
  const bearer = { authorization: `Bearer ${accessToken}` }
  expect(await (await get('/api/hello', { cookie })).json()).toEqual({ hello: email })
  expect(await (await get('/api/hello', bearer)).json()).toEqual({ hello: email })
  expect(await (await get('/api/whoami', bearer)).json()).toMatchObject({ role: 'user' })
  expect((await get('/api/whoami', { cookie })).status).toBe(401)
  expect((await get('/api/hello')).status).toBe(401)
  const post = (from: string) =>
    fetch(`${origin}/api/hello`, { method: 'POST', headers: { cookie, origin: from } })
  expect([(await post(origin)).status, (await post('https://evil.example')).status]).toEqual([200, 403])
})

test('in a browser: sign in on the page, see the guarded one, sign out', async () => {
  const { email, password } = await verifiedPerson()
  await inBrowser(async (page) => {
    await page.goto('/')
    await page.getByLabel('Email').fill(email)
    await page.getByLabel('Password').fill('not the password')
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByRole('alert').filter({ hasText: 'password' }).waitFor()
    await page.getByLabel('Email').fill(email)
    await page.getByLabel('Password').fill(password)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByText(`Signed in as ${email}`).waitFor()
    await page.getByRole('link', { name: 'Your account' }).click()
    await page.getByText(`Signed in as ${email} until`).waitFor()
    await page.goBack()
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByRole('button', { name: 'Sign in' }).waitFor()
    await page.goto('/account')
    expect(new URL(page.url()).pathname).toBe('/')
  })
})

async function inBrowser(visit: (page: Page) => Promise<void>): Promise<void> {
  const browser = await chromium.launch({
    executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'],
  })
  try {
    await visit(await browser.newPage({ baseURL: origin }))
  } finally {
    await browser.close()
  }
}
