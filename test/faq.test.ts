/** docs/faq.md: each failure made to happen, and what the system says of it compared with what the page says that it says. */
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { afterEach, expect, test } from 'vitest'
import { freePort } from '../dev/port.ts'
import { appOrigin } from '../lib/env.ts'
import { sealMailToken } from '../lib/mail-token.ts'
import { newBrowser, sendRaw, type Answer } from './browser.ts'
import { ageSessions, query } from './database.ts'
import { serveThrough, startInstance, type Fleet, type Instance, type LogEntry } from './instances.ts'
import {
  mailsTo,
  newAddress,
  newestMailTo,
  PASSWORD,
  registeredPerson,
  signedInPerson,
  tokenIn,
  verifiedPerson,
} from './people.ts'
import { APP_ORIGIN } from './setup-environment.ts'
import { databaseUrl, inbox } from './setup-stack.ts'

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
const started = new Set<Instance>()
serveThrough(fleet)

afterEach(async () => {
  inbox.fault = undefined
  for (const instance of started) await instance.stop()
  started.clear()
})

/** From now on everybody reaches this one alone. */
async function deployed(environment: Record<string, string> = {}): Promise<Instance> {
  const instance = await startInstance(environment)
  started.add(instance)
  fleet.serving = [instance]
  return instance
}

/** Fails unless the entry quotes it. */
function expectQuoted(heading: string, ...words: unknown[]): void {
  const entry = entries.get(heading)
  expect(entry, `there is no entry "${heading}"`).toBeDefined()
  for (const word of words) {
    expect(word).toEqual(expect.any(String))
    expect(entry, heading).toContain(word)
  }
}

function expectAnswerQuoted(heading: string, { status, body }: Answer): void {
  expectQuoted(heading, `${status} ${body.code}`, body.detail)
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
  const answer = await newBrowser().send('login', 'POST', credentials, { origin: 'http://127.0.0.1:3000' })
  expectAnswerQuoted(heading, answer)
  expect(answer.setCookies).toEqual([])
  const { origin } = await logged(instance, { event: 'cold-start' })
  expectQuoted(heading, `"origin":"${String(origin)}"`)
})

test('another secret, and the old one is not in the list', async () => {
  const heading = 'Everyone was signed out by a deploy, or people are now and then'
  await deployed({ JWT_SECRET: newSecret() })
  const { email, browser } = await signedInPerson()
  const next = await deployed({ JWT_SECRET: newSecret() })
  const answer = await browser.send('refresh', 'POST', {})
  expectAnswerQuoted(heading, answer)
  expect(answer.setCookies.join()).toMatch(/__Host-session=; Max-Age=0/)
  const line = await logged(next, { event: 'request', path: '/api/auth/refresh' })
  expect(line['sessionId']).toBeUndefined()
  expectQuoted(heading, `"code":"${String(line['code'])}"`, '`sessionId`')
  expect(await endsOf(email)).toEqual([])
})

const WHY = 'Why was this person signed out?'

async function endsOf(email: string): Promise<string[]> {
  const statement = statementIn(WHY).replace('person@example.org', email)
  const rows = await query(statement)
  return rows.map(({ kind, detail }) => `${kind} ${JSON.stringify(detail)}`)
}

test('a cookie from a backup', async () => {
  const heading = 'One person was signed out, and a mail speaks of a copied session'
  const instance = await deployed()
  const { email, browser } = await signedInPerson()
  const backup = browser.cookies.get('__Host-session') ?? ''
  await ageSessions(email, 60)
  await browser.send('refresh', 'POST', {})
  await ageSessions(email, 60)
  browser.cookies.set('__Host-session', backup)
  expectAnswerQuoted(heading, await browser.send('refresh', 'POST', {}))
  expectQuoted(heading, `"event":"${(await logged(instance, { event: 'session-stolen' })).event}"`)
  expectQuoted(heading, (await newestMailTo(email)).subject)
  const [end] = await endsOf(email)
  expectQuoted(heading, end?.split(' ')[0])
})

test('a cookie of another project on localhost', async () => {
  const heading = 'Signed out on localhost as soon as another project runs'
  await deployed({ APP_URL: 'http://localhost:3000' })
  const browser = newBrowser()
  browser.cookies.set('session', 'eyJzb21lYm9keSI6ImVsc2UifQ')
  const answer = await browser.send('refresh', 'POST', {}, { origin: 'http://localhost:3000' })
  expectAnswerQuoted(heading, answer)
  expect(answer.setCookies.join()).toMatch(/(?:^|,)session=; Max-Age=0/)
  expectQuoted(heading, '`session`')
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
  expectAnswerQuoted(heading, await newBrowser().send('account', 'GET', undefined, bearer))
  expectQuoted(heading, '`expiresAt`')
})

test('why somebody was signed out', async () => {
  const heading = 'Why was this person signed out?'
  await deployed()
  const { email, browser } = await signedInPerson()
  await browser.send('logout', 'POST', {})
  expect(await endsOf(email)).toEqual(['session-ended {"because":"logout"}'])
  const source = readFileSync('lib/sessions.ts', 'utf8')
  const [, union = ''] = /export type RevokedBecause =([^]*?)\n\n/.exec(source) ?? []
  const causes = [...union.matchAll(/'([\w-]+)'/g)].map(([, cause]) => cause)
  expect(causes).toContain('session-limit')
  for (const cause of causes) expectQuoted(heading, `\`${cause}\``)
})

// --- Refusals ---

test('a page at a domain that APP_URL does not name', async () => {
  const heading = '403 origin-refused behind a proxy, a rewrite or a custom domain'
  const instance = await deployed()
  const credentials = { email: newAddress(), password: PASSWORD }
  const answer = await newBrowser().send('login', 'POST', credentials, {
    origin: 'https://www.latchkey.test',
  })
  expectAnswerQuoted(heading, answer)
  const { level, code } = await logged(instance, { event: 'request', status: 403 })
  expectQuoted(heading, `"level":"${String(level)}"`, `"code":"${String(code)}"`, '`cold-start`')
})

test('a page of another origin', async () => {
  const heading = 'A CORS error'
  await deployed()
  const elsewhere = { origin: 'https://other.example', 'sec-fetch-site': 'cross-site' }
  const preflight = await sendRaw('login', {
    method: 'OPTIONS',
    headers: { ...elsewhere, 'access-control-request-method': 'POST' },
  })
  expectAnswerQuoted(heading, preflight)
  expect(preflight.headers.has('access-control-allow-origin')).toBe(false)
  const credentials = { email: newAddress(), password: PASSWORD }
  expectAnswerQuoted(heading, await newBrowser().send('login', 'POST', credentials, elsewhere))
})

test('five wrong passwords', async () => {
  const heading = '429 for somebody who did little'
  await deployed()
  const { email } = await verifiedPerson()
  const browser = newBrowser()
  for (let failure = 0; failure < 5; failure += 1) {
    await browser.send('login', 'POST', { email, password: 'not the right password' })
  }
  const answer = await browser.send('login', 'POST', { email, password: PASSWORD })
  expectAnswerQuoted(heading, answer)
  expectQuoted(heading, '`Retry-After`')
  expect(answer.headers.has('retry-after')).toBe(true)
})

test('a body that is not said to be JSON', async () => {
  const heading = '415 unsupported-media-type'
  await deployed()
  expectAnswerQuoted(heading, await sendRaw('logout', { method: 'POST', body: '{}' }))
})

// --- After a deploy ---

test('a deploy without variables', async () => {
  const heading = 'The deploy fails and names variables'
  const printed = await program('build/check-environment.ts', {
    VERCEL_ENV: 'production',
    VERCEL_PROJECT_PRODUCTION_URL: 'app.vercel.app',
    DATABASE_URL: 'postgres://someone:nothing@db.example.com/app',
    JWT_SECRET: newSecret(),
    CRON_SECRET: newSecret(),
    MAIL_FROM: 'login@example.com',
  })
  expectQuoted(heading, ...printed.trim().split(/\n+/))
})

test('a variable that was set for another environment', async () => {
  const heading = '503 misconfigured'
  const instance = await deployed({ JWT_SECRET: '' })
  expectAnswerQuoted(heading, await sendRaw('keys', {}))
  const { event, keys } = await logged(instance, { event: 'misconfigured' })
  expectQuoted(heading, `"event":"${event}"`, ...(keys as string[]))
})

test('a database that is not to be had', async () => {
  const heading = '503 unavailable'
  const instance = await deployed({ NEON_FETCH_ENDPOINT: `http://127.0.0.1:${await freePort()}/sql` })
  const answer = await newBrowser().send('login', 'POST', { email: newAddress(), password: PASSWORD })
  expectAnswerQuoted(heading, answer)
  const { reason } = await logged(instance, { event: 'unavailable' })
  expectQuoted(heading, `"reason":"${String(reason)}"`)

  const name = `faq_${randomBytes(6).toString('hex')}`
  await query(`CREATE ROLE ${name} NOLOGIN`)
  const { reason: refused } = await loginAt(Object.assign(new URL(databaseUrl), { username: name }))
  expect(refused).toMatch(/^28000: /)
  expectQuoted(heading, refused.replace(/^28000: /, ''))
})

test('a database without the tables, and a role without the grants', async () => {
  const heading = '500 internal-error'
  const name = `faq_${randomBytes(6).toString('hex')}`
  await query(`CREATE DATABASE ${name}`)
  const empty = new URL(`/${name}`, databaseUrl)
  const answer = await loginAt(empty)
  expectAnswerQuoted(heading, answer.answer)
  expectQuoted(heading, answer.reason)

  await query(`CREATE ROLE ${name} LOGIN PASSWORD 'only for this test'`)
  const stranger = Object.assign(new URL(databaseUrl), { username: name, password: 'only for this test' })
  expectQuoted(heading, (await loginAt(stranger)).reason)
})

async function loginAt(url: URL): Promise<{ answer: Answer; reason: string }> {
  const instance = await deployed({ DATABASE_URL: url.href })
  const answer = await newBrowser().send('login', 'POST', { email: newAddress(), password: PASSWORD })
  const { reason } = await logged(instance, { level: 'error', requestId: answer.headers.get('x-request-id') })
  return { answer, reason: String(reason) }
}

test('a role that may have no more connections', async () => {
  const heading = 'Too many connections'
  const name = `faq_${randomBytes(6).toString('hex')}`
  await query(`CREATE ROLE ${name} LOGIN PASSWORD 'only for this test' CONNECTION LIMIT 0`)
  const url = Object.assign(new URL(databaseUrl), { username: name, password: 'only for this test' })
  const { answer, reason } = await loginAt(url)
  expectAnswerQuoted(heading, answer)
  expectQuoted(heading, `"reason":"${reason}"`)
  expectQuoted(heading, (await program('build/migrate.ts', { DATABASE_URL: url.href })).trim())
})

test('a link of a deployment with other secrets', async () => {
  const heading = 'It works here and not in a preview'
  const common = { VERCEL_BRANCH_URL: 'app-git-x.vercel.app', VERCEL_ENV: 'preview' }
  expect(appOrigin({ ...common, APP_URL: APP_ORIGIN })).toEqual(appOrigin({ APP_URL: APP_ORIGIN }))
  expect(appOrigin(common)).toEqual({ kind: 'origin', origin: 'https://app-git-x.vercel.app' })
  await deployed({ JWT_SECRET: newSecret() })
  const { email, browser } = await registeredPerson()
  const token = tokenIn(await newestMailTo(email))
  await deployed()
  expectAnswerQuoted(heading, await browser.send('verify', 'PUT', { token }))
})

// --- Mail ---

test('an APP_URL that names the machine itself', async () => {
  const heading = 'The link in a mail leads to localhost'
  const printed = await program('build/check-environment.ts', {
    VERCEL_ENV: 'production',
    APP_URL: 'http://localhost:3000',
  })
  expectQuoted(heading, /^APP_URL: .*$/m.exec(printed)?.[0])
})

test('a link that is cut short, too old, used, or of another deployment', async () => {
  const heading = 'The link in a mail is “not valid”'
  await deployed()
  const { email, browser } = await registeredPerson()
  const token = tokenIn(await newestMailTo(email))
  const press = (text: string) => browser.send('verify', 'PUT', { token: text })
  expectAnswerQuoted(heading, await press(token.slice(0, -5)))
  const [{ id }] = await query('SELECT id FROM registrations WHERE email = $1', email)
  const old = sealMailToken('registration-mail', { id, expiresAt: new Date(1_700_000_000_000) })
  expectAnswerQuoted(heading, await press(old))

  await deployed({ JWT_SECRET: newSecret() })
  expectAnswerQuoted(heading, await press(token))
  await deployed()
  expect((await press(token)).status).toBe(200)
  expectAnswerQuoted(heading, await press(token))
})

test('a link that is opened in another browser', async () => {
  const heading = 'The link asks for the password'
  await deployed()
  const { email } = await registeredPerson()
  const token = tokenIn(await newestMailTo(email))
  expectAnswerQuoted(heading, await newBrowser().send('verify', 'PUT', { token }))
})

test('a mail that Resend does not take, and one too many for an address', async () => {
  const heading = 'No mail arrives'
  const instance = await deployed()
  inbox.fault = () => ({ kind: 'status', code: 403 })
  const { email } = await registeredPerson()
  const { event, reason } = await logged(instance, { event: 'mail-not-sent' })
  expect(reason).toMatch(/^403 /)
  expectQuoted(heading, `"event":"${event}"`, '403')
  const waiting = await query(statementIn(heading))
  expect(waiting).toEqual([expect.objectContaining({ kind: 'confirm-registration', attempts: 1 })])

  inbox.fault = undefined
  for (let wish = 0; wish < 6; wish += 1) {
    const answer = await newBrowser().send('verify', 'POST', { email })
    expect(answer.status).toBe(202)
  }
  const mails = await mailsTo(email)
  expect(mails.length).toBeLessThan(7)
  expectQuoted(heading, 'five in an hour')
})

// --- Maintenance ---

test('a cron without the secret', async () => {
  const heading = 'The cron answers 401'
  await deployed()
  expectAnswerQuoted(heading, await sendRaw('maintenance', { headers: { authorization: 'Bearer another' } }))
  expectAnswerQuoted(heading, await sendRaw('maintenance', {}))
})

// --- All of them ---

test('every entry is one of these, or is made to happen in a browser', () => {
  const sources = ['test/faq.test.ts', 'browser/faq.test.ts'].map((file) => readFileSync(file, 'utf8'))
  const headings = sources.flatMap((source) =>
    [...source.matchAll(/heading = '([\w][^']+)'/g)].map(([, heading = '']) => heading),
  )
  expect([...entries.keys()]).toEqual([...new Set(entries.keys())])
  expect([...entries.keys()].toSorted()).toEqual([...new Set(headings)].toSorted())
})
