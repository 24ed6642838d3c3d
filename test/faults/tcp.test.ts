/**
 * The database over TCP, when the way to it breaks: the functions run in a process of their own, and between them and
 * Postgres stands a proxy that does as it is told. What the HTTP transport does is in test/faults/neon.test.ts.
 */
import { connect, createServer, type Socket } from 'node:net'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { listen } from '../../dev/port.ts'
import { newBrowser, sendThrough, type Received } from '../support/browser.ts'
import { query } from '../support/database.ts'
import { startHandler, type Handler } from '../support/handler.ts'
import { newAddress, OTHER_PASSWORD, PASSWORD } from '../support/people.ts'
import { insertAccount, type InsertedAccount } from '../races/accounts.ts'
import { databaseUrl } from '../support/setup-stack.ts'

type Fault =
  /** The connection is cut when the response to the request of that number, from 0, comes. It was done. */
  | { kind: 'lose-response'; request: number }
  /** No response comes. */
  | { kind: 'hang' }
  | { kind: 'refuse' }

let fault: Fault | undefined
let requests = 0
const pairs = new Set<{ client: Socket; server: Socket }>()

const proxy = createServer((client) => {
  if (fault?.kind === 'refuse') {
    client.destroy()
    return
  }
  const { hostname, port } = new URL(databaseUrl)
  const server = connect(Number(port), hostname)
  const pair = { client, server }
  pairs.add(pair)
  const cut = () => {
    client.destroy()
    server.destroy()
    pairs.delete(pair)
  }
  for (const socket of [client, server]) socket.on('error', cut).on('close', cut)
  let asked = false
  client.on('data', (bytes) => {
    asked = true
    server.write(bytes)
  })
  server.on('data', (bytes) => {
    if (fault?.kind === 'hang') return
    // Of a response in several pieces the first one counts.
    const number = asked ? requests++ : -1
    asked = false
    if (fault?.kind === 'lose-response' && number === fault.request) cut()
    else client.write(bytes)
  })
})

let handler: Handler

beforeAll(async () => {
  const url = new URL(databaseUrl)
  url.port = String(await listen(proxy, 0))
  // One connection: then the requests' numbers are theirs.
  const environment = { DATABASE_URL: url.href, NEON_FETCH_ENDPOINT: '', DATABASE_POOL_MAX: '1' }
  handler = await startHandler({ environment })
  sendThrough(async (request) => {
    const { pathname, search } = new URL(request.url)
    return fetch(new Request(`http://127.0.0.1:${handler.port}${pathname}${search}`, request))
  })
})
afterEach(() => {
  fault = undefined
})
afterAll(async () => {
  await handler.stop()
  proxy.close()
  for (const { client, server } of pairs) for (const socket of [client, server]) socket.destroy()
})

function browserOf({ sessions: [session] }: InsertedAccount) {
  const browser = newBrowser()
  browser.cookies.set('__Host-session', session?.cookie ?? '')
  browser.cookies.set('signed-in', '1')
  return browser
}

/** So that there is a connection, with its handshake behind it. */
async function connected(): Promise<void> {
  expect((await browserOf(await insertAccount(1)).send('account', 'GET')).status).toBe(200)
  requests = 0
}

function expectUnavailable({ status, body, headers, setCookies }: Received): void {
  expect([status, body.code, headers.get('retry-after'), setCookies]).toEqual([503, 'unavailable', '5', []])
}

const sessionOf = async ({ id }: InsertedAccount) =>
  (await query('SELECT counter, revoked_at FROM sessions WHERE user_id = $1', id))[0]

test('[ASVS 16.5.2] with nobody there it is 503, no cookie is touched, and afterwards all is as before', async () => {
  const account = await insertAccount(1)
  const { email } = account
  const browser = browserOf(account)
  fault = { kind: 'refuse' }
  for (const { client } of pairs) client.destroy()
  expectUnavailable(await browser.send('refresh', 'POST', {}))
  expectUnavailable(await browser.send('login', 'POST', { email, password: PASSWORD }))
  expectUnavailable(await browser.send('logout', 'POST', {}))
  fault = undefined
  expect((await browser.send('refresh', 'POST', {})).status).toBe(200)
})

test('[ASVS 13.2.6] a refresh whose response was lost is retried once, with the same successor', async () => {
  await connected()
  const account = await insertAccount(1)
  const browser = browserOf(account)
  fault = { kind: 'lose-response', request: 0 }
  expect((await browser.send('refresh', 'POST', {})).status).toBe(200)
  expect(await sessionOf(account)).toMatchObject({ counter: '1' })
  fault = undefined
  expect((await browser.send('refresh', 'POST', {})).status).toBe(200)
})

test('[ASVS 13.2.6] a change whose response was lost is not retried, and is done', async () => {
  await connected()
  const account = await insertAccount(1)
  const browser = browserOf(account)
  fault = { kind: 'lose-response', request: 0 }
  expectUnavailable(await browser.send('logout', 'POST', {}))
  fault = undefined
  expect((await sessionOf(account)).revoked_at).not.toBeNull()
  expect((await browser.send('logout', 'POST', {})).status).toBe(204)
})

test('a login whose second response was lost is 503, and the next one signs in', async () => {
  await connected()
  const { email } = await insertAccount(0)
  const browser = newBrowser()
  fault = { kind: 'lose-response', request: 1 }
  expectUnavailable(await browser.send('login', 'POST', { email, password: PASSWORD }))
  fault = undefined
  expect((await browser.send('login', 'POST', { email, password: PASSWORD })).status).toBe(200)
})

test('[ASVS 13.1.3] one that hangs is given up after 5 s, and nobody gets its late response', async () => {
  await connected()
  const [first, second] = [await insertAccount(1), await insertAccount(1)]
  fault = { kind: 'hang' }
  expectUnavailable(await browserOf(first).send('sessions', 'GET'))
  fault = undefined
  const { status, body } = await browserOf(second).send('account', 'GET')
  expect([status, body.user.email]).toEqual([200, second.email])
})

test('connections that the server ended are replaced', async () => {
  await connected()
  await query(
    `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
     WHERE datname = current_database() AND query LIKE 'SELECT latchkey.%'`,
  )
  await connected()
  const email = newAddress()
  expect((await newBrowser().send('login', 'POST', { email, password: OTHER_PASSWORD })).status).toBe(401)
})

test('more requests at once than connections wait for one another', async () => {
  const accounts = await Promise.all(Array.from({ length: 12 }, () => insertAccount(1)))
  const responses = await Promise.all(accounts.map((account) => browserOf(account).send('account', 'GET')))
  expect(responses.map(({ body }) => body.user?.email)).toEqual(accounts.map(({ email }) => email))
})
