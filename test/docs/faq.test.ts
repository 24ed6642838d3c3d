/** docs/faq.md: each failure is made to happen, and the code and the log line to search for are in its entry. */
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { globSync, readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { afterAll, afterEach, expect, test } from 'vitest'
import { freePort } from '../../dev/port.ts'
import { appOrigin } from '../../lib/env.ts'
import { maximum } from '../../lib/limits.ts'
import { signOneTimeToken } from '../../lib/crypto/one-time-token.ts'
import { newBrowser, sendRaw, type Received } from '../support/browser.ts'
import { ageSessions, query } from '../support/database.ts'
import {
  serveThrough,
  startInstance,
  type Fleet,
  type Instance,
  type LogEntry,
} from '../support/instances.ts'
import {
  emailKindsTo,
  newAddress,
  newestEmailTo,
  PASSWORD,
  registeredPerson,
  signedInPerson,
  tokenIn,
  verifiedPerson,
} from '../support/people.ts'
import { APP_ORIGIN } from '../support/setup-environment.ts'
import { databaseUrl, inbox } from '../support/setup-stack.ts'

const page = readFileSync('docs/faq.md', 'utf8')
const entries = new Map(
  page
    .split(/^### /m)
    .slice(1)
    .map((entry) => {
      const [heading = '', ...lines] = entry.split(/\n(?!### )/)
      return [heading, lines.join('\n').split(/^## /m)[0] ?? '']
    }),
)

const fleet: Fleet = { serving: [] }
/** With the tests' own environment, for all tests that need no other. */
let usual: Instance | undefined
const others = new Set<Instance>()
serveThrough(fleet)

afterEach(async () => {
  inbox.fault = undefined
  for (const instance of others) await instance.stop()
  others.clear()
})
afterAll(() => usual?.stop())

/** From now on everybody reaches this one only. */
async function deployed(environment?: Record<string, string>): Promise<Instance> {
  let instance = usual
  if (environment !== undefined) {
    instance = await startInstance(environment)
    others.add(instance)
  } else if (instance === undefined) {
    instance = await startInstance()
    usual = instance
  }
  fleet.serving = [instance]
  return instance
}

/** Fails unless the entry has these identifiers. */
function expectNamed(heading: string, ...words: unknown[]): void {
  const entry = entries.get(heading)
  expect(entry, `there is no entry "${heading}"`).toBeDefined()
  for (const word of words) {
    expect(word).toEqual(expect.any(String))
    expect(entry?.replaceAll(/\s+/g, ' '), heading).toContain(word)
  }
}

function expectResponseNamed(heading: string, { status, body }: Received): void {
  expectNamed(heading, `${status} ${body.code}`)
}

async function logged(instance: Instance, wanted: Partial<LogEntry>): Promise<LogEntry> {
  const found = () => instance.entries.find((entry) => isLike(entry, wanted))
  await expect.poll(found, { timeout: 10_000 }).toBeDefined()
  return found() ?? { event: '' }
}

const isLike = (entry: LogEntry, wanted: Partial<LogEntry>) =>
  Object.entries(wanted).every(([key, value]) => entry[key] === value)

const newSecret = () => randomBytes(32).toString('base64')

function program(file: string, environment: Record<string, string>): Promise<string> {
  const env = { PATH: process.env['PATH'] ?? '', ...environment }
  return promisify(execFile)(process.execPath, [file], { env }).then(
    ({ stdout }) => stdout,
    ({ stdout, stderr }: { stdout: string; stderr: string }) => stdout + stderr,
  )
}

/** The statement of an entry, as it stands there. */
function statementIn(heading: string): string {
  return /```sql\n([^]*?)```/.exec(entries.get(heading) ?? '')?.[1] ?? ''
}

// --- The cookie and the session ---

test('a page that is open at another address than APP_URL', async () => {
  const heading = 'The cookie is not set: the page is open at another address'
  const instance = await deployed({ APP_URL: 'http://localhost:3000' })
  const credentials = { email: newAddress(), password: PASSWORD }
  const response = await newBrowser().send('login', 'POST', credentials, { origin: 'http://127.0.0.1:3000' })
  expectResponseNamed(heading, response)
  expect(response.setCookies).toEqual([])
  const { origin } = await logged(instance, { event: 'cold-start' })
  expectNamed(heading, `"origin":"${String(origin)}"`)
})

test('another secret, without the old one in the list', async () => {
  const heading = 'Everyone was signed out by a deploy, or people are now and then'
  await deployed({ JWT_SECRET: newSecret() })
  const { email, browser } = await signedInPerson()
  const next = await deployed({ JWT_SECRET: newSecret() })
  const response = await browser.send('refresh', 'POST', {})
  expectResponseNamed(heading, response)
  expect(response.setCookies.join()).toMatch(/__Host-session=; Max-Age=0/)
  const line = await logged(next, { event: 'request', path: '/api/auth/refresh' })
  expect(line['sessionId']).toBeUndefined()
  expectNamed(heading, `"code":"${String(line['code'])}"`, '`sessionId`')
  expect(await revocationsOf(email)).toEqual([])
})

const WHY = 'Why was this person signed out?'

async function revocationsOf(email: string): Promise<{ kind: string; detail: object }[]> {
  const rows = await query(statementIn(WHY).replace('person@example.org', email))
  return rows.map(({ kind, detail }) => ({ kind, detail }))
}

test('a cookie from a backup', async () => {
  const heading = 'Somebody was signed out, and got an email about it'
  const instance = await deployed()
  const { email, browser } = await signedInPerson()
  const backup = browser.cookies.get('__Host-session') ?? ''
  for (let rotation = 0; rotation < 2; rotation += 1) {
    await ageSessions(email, 60)
    await browser.send('refresh', 'POST', {})
  }
  browser.cookies.set('__Host-session', backup)
  expectResponseNamed(heading, await browser.send('refresh', 'POST', {}))
  expectNamed(heading, (await logged(instance, { event: 'refresh-token-reused' })).event)
  expect((await emailKindsTo(email)).at(-1)).toBe('refresh-token-reused')
  expect(await revocationsOf(email)).toEqual([
    { kind: 'refresh-token-reused', detail: { presented: 0, current: 2 } },
  ])
})

test('a response that was lost, and two browsers that share one cookie', async () => {
  const heading = '401 refresh-required'
  await deployed()
  const { email, browser } = await signedInPerson()
  const copy = newBrowser()
  copy.cookies.set('__Host-session', browser.cookies.get('__Host-session') ?? '')
  await ageSessions(email, 60)
  await browser.send('refresh', 'POST', {})
  const onAPhone = { 'user-agent': 'Mozilla/5.0 (iPhone) Version/18.0 Safari/604.1' }
  expectResponseNamed(heading, await copy.send('refresh', 'POST', {}, onAPhone))
  const refused = await query(
    "SELECT kind FROM events WHERE kind LIKE 'refresh-%' AND user_id = (SELECT id FROM users WHERE email = $1)",
    email,
  )
  expectNamed(heading, refused[0]?.kind)
  await ageSessions(email, 60)
  expectResponseNamed(heading, await copy.send('account', 'GET'))
  expect((await copy.send('refresh', 'POST', {})).status).toBe(200)
  expect((await copy.send('account', 'GET')).status).toBe(200)
})

test('a cookie of another project on localhost', async () => {
  const heading = 'Signed out on localhost as soon as another project runs'
  await deployed({ APP_URL: 'http://localhost:3000' })
  const browser = newBrowser()
  browser.cookies.set('session', 'eyJzb21lYm9keSI6ImVsc2UifQ')
  const response = await browser.send('refresh', 'POST', {}, { origin: 'http://localhost:3000' })
  expectResponseNamed(heading, response)
  expect(response.setCookies.join()).toMatch(/(?:^|,)session=; Max-Age=0/)
  expectNamed(heading, '`session`')
})

test('a clock that is twenty minutes behind', async () => {
  const heading = 'The access token is refused right after the sign-in'
  const late = 'const now = Date.now; Date.now = () => now() - 20 * 60 * 1000'
  await deployed({ NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(late)}` })
  const { browser } = await signedInPerson()
  const { accessToken, expiresAt } = (await browser.send('refresh', 'POST', {})).body
  expect(Date.parse(expiresAt)).toBeLessThan(Date.now())
  await deployed()
  const bearer = { authorization: `Bearer ${accessToken}` }
  expectResponseNamed(heading, await newBrowser().send('account', 'GET', undefined, bearer))
  expectNamed(heading, '`expiresAt`')
})

test('why somebody was signed out', async () => {
  const heading = 'Why was this person signed out?'
  await deployed()
  const { email, browser } = await signedInPerson()
  await browser.send('logout', 'POST', {})
  expect(await revocationsOf(email)).toEqual([{ kind: 'session-revoked', detail: { reason: 'logout' } }])
  const engine = globSync('drizzle/functions/*.sql')
    .map((file) => readFileSync(file, 'utf8'))
    .join('\n')
  const reasons = [
    ...engine.matchAll(/revoke_(?:all_)?sessions\([^;]*?'([\w-]+)',\s*p_request\)/g),
    ...engine.matchAll(/revocation_reason = '([\w-]+)'/g),
  ].map(([, reason]) => reason)
  expect(new Set(reasons).size).toBe(8)
  for (const reason of reasons) expectNamed(heading, `\`${reason}\``)
})

// --- Refusals ---

test('a page at a domain that APP_URL does not name', async () => {
  const heading = '403 cross-origin-request behind a proxy, a rewrite or a custom domain'
  const instance = await deployed()
  const credentials = { email: newAddress(), password: PASSWORD }
  const response = await newBrowser().send('login', 'POST', credentials, {
    origin: 'https://www.latchkey.test',
  })
  expectResponseNamed(heading, response)
  const { level, code } = await logged(instance, {
    event: 'request',
    requestId: response.headers.get('x-request-id'),
  })
  expectNamed(heading, `"level":"${String(level)}"`, `"code":"${String(code)}"`, '`cold-start`')
})

test('a page of another origin', async () => {
  const heading = 'A CORS error'
  await deployed()
  const elsewhere = { origin: 'https://other.example', 'sec-fetch-site': 'cross-site' }
  const preflight = await sendRaw('login', {
    method: 'OPTIONS',
    headers: { ...elsewhere, 'access-control-request-method': 'POST' },
  })
  expectResponseNamed(heading, preflight)
  expect(preflight.headers.has('access-control-allow-origin')).toBe(false)
  const credentials = { email: newAddress(), password: PASSWORD }
  expectResponseNamed(heading, await newBrowser().send('login', 'POST', credentials, elsewhere))
})

test('wrong passwords in a row', async () => {
  const heading = '429 for somebody who did little'
  await deployed()
  const { email } = await verifiedPerson()
  const browser = newBrowser()
  for (let failure = 0; failure < maximum.backOffFrom; failure += 1) {
    await browser.send('login', 'POST', { email, password: 'not the right password' })
  }
  const response = await browser.send('login', 'POST', { email, password: PASSWORD })
  expectResponseNamed(heading, response)
  expectNamed(heading, '`Retry-After`')
  expect(response.headers.has('retry-after')).toBe(true)
})

test('a change with a session that was not authenticated a moment ago', async () => {
  const heading = '403 reauthentication-required'
  await deployed()
  const [person, other] = [await signedInPerson(), await verifiedPerson()]
  await ageSessions(person.email, 3600)
  expectResponseNamed(heading, await person.browser.send('account', 'DELETE'))
  const login = { password: PASSWORD, reauthenticate: true }
  const mistaken = await person.browser.send('login', 'POST', { ...login, email: other.email })
  expectResponseNamed(heading, mistaken)
  await person.browser.send('login', 'POST', { ...login, email: person.email })
  expect((await person.browser.send('account', 'DELETE')).status).toBe(204)
})

test('a body without a content type', async () => {
  const heading = '415 unsupported-media-type'
  await deployed()
  expectResponseNamed(heading, await sendRaw('logout', { method: 'POST', body: '{}' }))
})

// --- After a deploy ---

test('a deploy without variables', async () => {
  const heading = 'The deploy fails and names variables'
  const printed = await program('cli/deploy/check-environment.ts', {
    VERCEL_ENV: 'production',
    VERCEL_PROJECT_PRODUCTION_URL: 'app.vercel.app',
    DATABASE_URL: 'postgres://someone:nothing@db.example.com/app',
    JWT_SECRET: newSecret(),
    CRON_SECRET: newSecret(),
    EMAIL_FROM: 'login@example.com',
  })
  expect(printed).toContain('RESEND_API_KEY')
  expectNamed(heading, 'RESEND_API_KEY')
})

test('a variable that was set for another environment', async () => {
  const heading = '503 misconfigured'
  const instance = await deployed({ JWT_SECRET: '' })
  expectResponseNamed(heading, await sendRaw('keys', {}))
  const { event, keys } = await logged(instance, { event: 'misconfigured' })
  expectNamed(heading, `"event":"${event}"`, '`keys`')
  expect(keys).toEqual([expect.stringMatching(/^JWT_SECRET: /)])
})

test('a database out of reach, one that refuses the role, and one without the migrations', async () => {
  const heading = '503 unavailable'
  const instance = await deployed({ NEON_FETCH_ENDPOINT: `http://127.0.0.1:${await freePort()}/sql` })
  const response = await newBrowser().send('login', 'POST', { email: newAddress(), password: PASSWORD })
  expectResponseNamed(heading, response)
  const { reason } = await logged(instance, { event: 'unavailable' })
  expectNamed(heading, `\`${String(reason)}\``)

  const name = `faq_${randomBytes(6).toString('hex')}`
  await query(`CREATE ROLE ${name} NOLOGIN`)
  await query(`CREATE DATABASE ${name}`)
  for (const url of [
    Object.assign(new URL(databaseUrl), { username: name }),
    new URL(`/${name}`, databaseUrl),
  ]) {
    const refused = await loginAt(url)
    expectResponseNamed(heading, refused.response)
    expectNamed(heading, /^(?:refused|\w{5})(?=: )/.exec(refused.reason)?.[0])
  }
})

test('a role without the grants', async () => {
  const heading = '500 internal-error'
  const name = `faq_${randomBytes(6).toString('hex')}`
  await query(`CREATE ROLE ${name} LOGIN PASSWORD 'only for this test'`)
  const stranger = Object.assign(new URL(databaseUrl), { username: name, password: 'only for this test' })
  const { response, reason } = await loginAt(stranger)
  expectResponseNamed(heading, response)
  expectNamed(heading, /SQLSTATE \w{5}/.exec(reason)?.[0])
})

async function loginAt(url: URL): Promise<{ response: Received; reason: string }> {
  const instance = await deployed({ DATABASE_URL: url.href })
  const response = await newBrowser().send('login', 'POST', { email: newAddress(), password: PASSWORD })
  const { reason } = await logged(instance, {
    level: 'error',
    requestId: response.headers.get('x-request-id'),
  })
  return { response, reason: String(reason) }
}

test('a role that may have no more connections', async () => {
  const heading = 'Too many connections'
  const name = `faq_${randomBytes(6).toString('hex')}`
  await query(`CREATE ROLE ${name} LOGIN PASSWORD 'only for this test' CONNECTION LIMIT 0`)
  const url = Object.assign(new URL(databaseUrl), { username: name, password: 'only for this test' })
  const { response, reason } = await loginAt(url)
  expectResponseNamed(heading, response)
  expectNamed(heading, /^(?:refused|\w{5})/.exec(reason)?.[0])
  const printed = await program('cli/database/migrate.ts', { DATABASE_URL: url.href })
  expectNamed(heading, /SQLSTATE \w{5}/.exec(printed)?.[0])
})

test('a link of a deployment with other secrets', async () => {
  const heading = 'It works here and not in a preview'
  const common = { VERCEL_BRANCH_URL: 'app-git-x.vercel.app', VERCEL_ENV: 'preview' }
  expect(appOrigin({ ...common, APP_URL: APP_ORIGIN })).toEqual(appOrigin({ APP_URL: APP_ORIGIN }))
  expect(appOrigin(common)).toEqual({ kind: 'origin', origin: 'https://app-git-x.vercel.app' })
  await deployed({ JWT_SECRET: newSecret() })
  const { email, browser } = await registeredPerson()
  const token = tokenIn(await newestEmailTo(email))
  await deployed()
  expectResponseNamed(heading, await browser.send('verify', 'PUT', { token }))
})

// --- Email ---

test('an APP_URL that names the machine itself', async () => {
  const heading = 'The link in an email leads to localhost'
  const printed = await program('cli/deploy/check-environment.ts', {
    VERCEL_ENV: 'production',
    APP_URL: 'http://localhost:3000',
  })
  expect(printed).toMatch(/^APP_URL: /m)
  expectNamed(heading, '`APP_URL`')
})

test('a link that is cut short, too old, used, or of another deployment', async () => {
  const heading = 'The link in an email is not valid'
  await deployed()
  const { email, browser } = await registeredPerson()
  const token = tokenIn(await newestEmailTo(email))
  const open = (text: string) => browser.send('verify', 'PUT', { token: text })
  expectResponseNamed(heading, await open(token.slice(0, -5)))
  const [{ id }] = await query('SELECT id FROM registrations WHERE email = $1', email)
  const old = signOneTimeToken('registration-email', { id, expiresAt: new Date(1_700_000_000_000) })
  expectResponseNamed(heading, await open(old))

  await deployed({ JWT_SECRET: newSecret() })
  expectResponseNamed(heading, await open(token))
  await deployed()
  expect((await open(token)).status).toBe(200)
  expectResponseNamed(heading, await open(token))
})

test('a link that is opened in another browser', async () => {
  const heading = 'The link asks for the password'
  await deployed()
  const { email } = await registeredPerson()
  const token = tokenIn(await newestEmailTo(email))
  expectResponseNamed(heading, await newBrowser().send('verify', 'PUT', { token }))
})

test('an email that Resend does not accept, and one too many for an address', async () => {
  const heading = 'No email arrives'
  const instance = await deployed()
  inbox.fault = () => ({ kind: 'status', code: 403 })
  const { email } = await registeredPerson()
  const { event, reason } = await logged(instance, { event: 'email-not-sent' })
  expect(reason).toMatch(/^403 /)
  expectNamed(heading, `"event":"${event}"`, '403')
  const waiting = await query(statementIn(heading))
  expect(waiting).toEqual([expect.objectContaining({ kind: 'confirm-registration', attempts: 1 })])

  inbox.fault = undefined
  for (let request = 0; request < 6; request += 1) {
    const response = await newBrowser().send('verify', 'POST', { email })
    expect(response.status).toBe(202)
  }
  expect((await emailKindsTo(email)).length).toBeLessThan(7)
})

// --- Maintenance ---

test('a cron without the secret', async () => {
  const heading = 'The cron answers 401'
  await deployed()
  expectResponseNamed(heading, await sendRaw('maintenance', { headers: { authorization: 'Bearer another' } }))
  expectResponseNamed(heading, await sendRaw('maintenance', {}))
})

// --- All of them ---

test('every entry is one of these, or is made to happen in a browser', () => {
  const sources = ['test/docs/faq.test.ts', 'test/browser/faq.test.ts'].map((file) =>
    readFileSync(file, 'utf8'),
  )
  const headings = sources.flatMap((source) =>
    [...source.matchAll(/heading = '([\w][^']+)'/g)].map(([, heading = '']) => heading),
  )
  expect([...entries.keys()]).toEqual([...new Set(entries.keys())])
  expect([...entries.keys()].toSorted()).toEqual([...new Set(headings)].toSorted())
})
