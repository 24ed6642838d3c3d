/**
 * A crash of the database under load: nothing that was answered with success is lost, and nothing is done by halves.
 * Postgres is killed with SIGKILL and started again on the same data directory.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Pool } from 'pg'
import { afterAll, expect, test } from 'vitest'
import { migrate } from '../../cli/database/migrate.ts'
import { startGateway } from '../../dev/gateway.ts'
import { freePort } from '../../dev/port.ts'
import { startPostgres } from '../../dev/postgres.ts'
import type { Received, Browser } from '../support/browser.ts'

const PEOPLE_AT_ONCE = 12
const CRASHES = 2
/** A check is mostly two hashes, of which so many run at once. */
const CHECKS_AT_ONCE = 3
/** So many have been through a whole story before the kill, which then comes at any moment. */
const WHOLE_STORIES = 6
const LATEST_KILL_MS = 300
const OUTAGE_MS = 250

const directory = await mkdtemp(join(tmpdir(), 'latchkey-crash-'))
const port = await freePort()
let postgres = await startPostgres({ directory, port })
await postgres.createDatabase('crash')
const databaseUrl = postgres.databaseUrl('crash')
await migrate(databaseUrl)
const pool = new Pool({ connectionString: databaseUrl, max: 4, options: '-c search_path=latchkey' })
pool.on('error', () => {})
// Each session is due to rotate from its start, so that a refresh has something to lose.
await pool.query("ALTER TABLE sessions ALTER rotated_at SET DEFAULT now() - interval '1 minute'")

// The environment is read once, by the first module that asks: so the handlers come after it, and not from people.ts.
const gateway = await startGateway({ port: 0 })
Object.assign(process.env, { DATABASE_URL: databaseUrl, NEON_FETCH_ENDPOINT: gateway.url })
const { newBrowser } = await import('../support/browser.ts')
const { newAddress, OTHER_PASSWORD, PASSWORD } = await import('../support/people.ts')
const { expiryIn, signOneTimeToken } = await import('../../lib/crypto/one-time-token.ts')
const { verifyRegistrationCookie } = await import('../../lib/crypto/registration-cookie.ts')

afterAll(async () => {
  await pool.end()
  await gateway.close()
  await postgres.stop()
  await rm(directory, { recursive: true, force: true })
})

/** Where a story goes after signing in: nowhere, to a reset, or by a new password to the end of the account. */
const STORIES = ['stays', 'resets', 'leaves'] as const
type Story = (typeof STORIES)[number]

/** What a person got a 2xx for, and nothing else. */
interface Person {
  email: string
  registered?: { browser: Browser; token: string }
  verified?: true
  /** Undefined: the account is deleted. */
  password: string | undefined
  /** Sessions that must be live: browsers with the newest cookie that they were sent. */
  live: Browser[]
  /** Sessions that must have ended, with the last cookie that they had. */
  ended: Browser[]
  /** The whole story. */
  isThrough?: true
  /** What was asked for and got no 2xx: it may have been done or not. */
  unsure?: 'verify' | 'logout' | keyof typeof WHOLE
}

/** Live sessions, and whether the old and the new password sign in: as it was, and when it was done. */
const WHOLE = {
  reset: ['2 true false', '0 false true'],
  change: ['3 true false', '1 false true'],
  deletion: ['1 false true', '0 false false'],
} as const

const succeeded = ({ status }: Received) => status >= 200 && status < 300
const outages: Received[] = []

async function done(response: Promise<Received>): Promise<boolean> {
  const received = await response
  if (!succeeded(received)) outages.push(received)
  return succeeded(received)
}

/** A copy of what a browser holds: the cookie goes with a response, a copy stays. */
function copyOf(browser: Browser): Browser {
  const copy = newBrowser()
  for (const [name, value] of browser.cookies) copy.cookies.set(name, value)
  return copy
}

/** Every step of a person's story until one gets no success. */
async function live(person: Person, story: Story): Promise<void> {
  const { email } = person
  const browser = newBrowser()
  if (!(await done(browser.send('register', 'POST', { email, password: PASSWORD })))) return
  const id = verifyRegistrationCookie(browser.cookies.get('__Host-registration'))?.registrationId ?? ''
  const token = signOneTimeToken('registration-email', { id, expiresAt: expiryIn(600) })
  person.registered = { browser, token }

  person.unsure = 'verify'
  if (!(await done(browser.send('verify', 'PUT', { token })))) return
  delete person.unsure
  person.verified = true
  person.live.push(browser)

  const [first, second] = [newBrowser(), newBrowser()]
  for (const device of [first, second]) {
    if (!(await done(device.send('login', 'POST', { email, password: PASSWORD })))) return
    person.live.push(device)
    if (!(await done(device.send('refresh', 'POST', {})))) return
  }
  if (story === 'resets') await reset(person, { browser, first, second })
  else if (story === 'leaves') await leave(person, { browser, first, second })
  else person.isThrough = true
}

interface Browsers {
  browser: Browser
  first: Browser
  second: Browser
}

/** Signs one session out, then resets the password. */
async function reset(person: Person, { browser, first, second }: Browsers): Promise<void> {
  const { email } = person
  const copy = copyOf(second)
  person.live.pop()
  person.unsure = 'logout'
  if (!(await done(second.send('logout', 'POST', {})))) return
  delete person.unsure
  person.ended.push(copy)

  if (!(await done(newBrowser().send('reset', 'POST', { email })))) return
  const token = await resetTokenFor(email)
  if (token === undefined) return
  person.live = []
  person.unsure = 'reset'
  if (!(await done(newBrowser().send('reset', 'PUT', { token, password: OTHER_PASSWORD })))) return
  delete person.unsure
  person.password = OTHER_PASSWORD
  person.ended.push(browser, first)
  person.isThrough = true
}

/** Changes the password, then deletes the account. */
async function leave(person: Person, { browser, first, second }: Browsers): Promise<void> {
  const change = { currentPassword: PASSWORD, newPassword: OTHER_PASSWORD }
  person.live = []
  person.unsure = 'change'
  if (!(await done(first.send('account', 'PATCH', change)))) return
  delete person.unsure
  person.password = OTHER_PASSWORD
  person.ended.push(browser, second)

  const copy = copyOf(first)
  person.unsure = 'deletion'
  if (!(await done(first.send('account', 'DELETE')))) return
  delete person.unsure
  person.password = undefined
  person.ended.push(copy)
  person.isThrough = true
}

/** Undefined when the database is away. */
async function resetTokenFor(email: string): Promise<string | undefined> {
  const statement = `SELECT t.id, t.expires_at FROM one_time_tokens t JOIN users u ON u.id = t.user_id
    WHERE u.email = $1 AND purpose = 'reset'`
  const rows = await pool.query(statement, [email]).then(
    (result) => result.rows,
    () => [],
  )
  return rows[0] && signOneTimeToken('reset-email', { id: rows[0].id, expiresAt: rows[0].expires_at })
}

/** What of it no longer holds; empty when everything was kept. */
async function losses({ email, registered, verified, ...person }: Person): Promise<string[]> {
  const lost: string[] = []
  const check = (promise: string, isKept: boolean) => {
    if (!isKept) lost.push(`${promise}, of one unsure of ${person.unsure ?? 'nothing'}`)
  }
  const signsIn = async (password: string) =>
    (await newBrowser().send('login', 'POST', { email, password })).status === 200

  if (registered !== undefined && verified === undefined) {
    const { status } = await registered.browser.send('verify', 'PUT', { token: registered.token })
    check('registered', status === 200 || (person.unsure === 'verify' && status === 410))
  }
  for (const browser of person.live) {
    check('signed in', succeeded(await browser.send('refresh', 'POST', {})))
  }
  for (const browser of person.ended) {
    const { status, body } = await browser.send('refresh', 'POST', {})
    check('signed out', status === 401 && body.code === 'session-ended')
  }
  const { rows } = await pool.query(
    'SELECT s.id FROM sessions s JOIN users u ON u.id = s.user_id WHERE u.email = $1 AND s.revoked_at IS NULL',
    [email],
  )
  const passwords = [await signsIn(PASSWORD), await signsIn(OTHER_PASSWORD)]
  const { unsure } = person
  if (unsure !== undefined && unsure in WHOLE) {
    const whole: readonly string[] = WHOLE[unsure as keyof typeof WHOLE]
    check('by halves', whole.includes([rows.length, ...passwords].join(' ')))
  } else if (registered !== undefined) {
    check(
      'the password',
      passwords.join() === [PASSWORD, OTHER_PASSWORD].map((one) => one === person.password).join(),
    )
  }
  return lost
}

async function lossesOf(people: readonly Person[]): Promise<string[]> {
  const next = people.values()
  const lost: string[] = []
  const check = async () => {
    for (const person of next) lost.push(...(await losses(person)))
  }
  await Promise.all(Array.from({ length: CHECKS_AT_ONCE }, check))
  return lost
}

/** As if the database had been away for longer than the reuse interval: who lost a response then has to recover. */
async function passInterval(): Promise<void> {
  await pool.query("UPDATE sessions SET rotated_at = rotated_at - interval '1 minute'")
}

test('a crash of the database loses nothing that got a success, and does nothing by halves', async () => {
  const everybody: Person[] = []
  for (let crash = 0; crash < CRASHES; crash += 1) {
    const people: Person[] = []
    const stopped = new AbortController()
    const stream = async () => {
      while (!stopped.signal.aborted) {
        const person: Person = { email: newAddress(), password: PASSWORD, live: [], ended: [] }
        people.push(person)
        await live(person, STORIES[people.length % STORIES.length] ?? 'stays')
      }
    }
    const load = Promise.all(Array.from({ length: PEOPLE_AT_ONCE }, stream))
    while (people.filter(({ isThrough, ended }) => isThrough && ended.length > 0).length < WHOLE_STORIES) {
      await sleep(20)
    }
    await sleep(Math.random() * LATEST_KILL_MS)
    expect(outages).toEqual([])
    await postgres.kill()
    await sleep(OUTAGE_MS)
    stopped.abort()
    await load

    expect(outages.length).toBeGreaterThanOrEqual(PEOPLE_AT_ONCE)
    for (const { status, body, setCookies } of outages.splice(0)) {
      expect([status, body.code, setCookies]).toEqual([503, 'unavailable', []])
    }
    postgres = await startPostgres({ directory, port })
    if (crash % 2 === 1) await passInterval()
    expect(await lossesOf(people)).toEqual([])
    everybody.push(...people)
  }
  const steps = (isOne: (person: Person) => boolean) => everybody.filter(isOne).length
  // The load was one, and the crash came in the middle of it.
  expect(steps(({ registered }) => registered !== undefined)).toBeGreaterThan(PEOPLE_AT_ONCE)
  expect(steps(({ live: browsers }) => browsers.length > 0)).toBeGreaterThanOrEqual(PEOPLE_AT_ONCE)
  expect(steps(({ ended }) => ended.length > 0)).toBeGreaterThanOrEqual(CRASHES * WHOLE_STORIES)
  expect(steps(({ unsure }) => unsure !== undefined)).toBeGreaterThan(0)
}, 60_000)
