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
import { migrate } from '../build/migrate.ts'
import { startGateway } from '../dev/gateway.ts'
import { freePort } from '../dev/port.ts'
import { startPostgres } from '../dev/postgres.ts'
import type { Answer, Browser } from './browser.ts'

const PEOPLE_AT_ONCE = 12
const CRASHES = 2
/** So many have come to the end of their story before the kill, which then comes at any moment. */
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
// Each session is due to turn from its start, so that a refresh has something to lose.
await pool.query("ALTER TABLE sessions ALTER rotated_at SET DEFAULT now() - interval '1 minute'")

// The environment is read once, by the first module that asks: so the handlers come after it, and not from people.ts.
const gateway = await startGateway({ port: 0 })
Object.assign(process.env, { DATABASE_URL: databaseUrl, NEON_FETCH_ENDPOINT: gateway.url })
const { newBrowser } = await import('./browser.ts')
const { newAddress, OTHER_PASSWORD, PASSWORD } = await import('./people.ts')
const { expiryIn, sealMailToken } = await import('../lib/mail-token.ts')
const { openRegistrationCookie } = await import('../lib/registration-cookie.ts')

afterAll(async () => {
  await pool.end()
  await gateway.close()
  await postgres.stop()
  await rm(directory, { recursive: true, force: true })
})

/** What a person was told with a 2xx, and nothing else. */
interface Told {
  email: string
  registered?: { browser: Browser; token: string }
  verified?: true
  /** Sessions that must be live: browsers with the newest cookie that they were sent. */
  live: Browser[]
  /** Sessions that must have ended, with the last cookie that they had. */
  ended: Browser[]
  reset?: true
  /** What was asked for and not answered with a 2xx: it may have been done or not. */
  unsure?: 'verify' | 'logout' | 'reset'
}

const succeeded = ({ status }: Answer) => status >= 200 && status < 300
const outages: Answer[] = []

/** Every step of a person's story until one is not answered with success. One who `stays` leaves both devices signed in. */
async function live(told: Told, stays: boolean): Promise<void> {
  const { email } = told
  const done = async (answer: Promise<Answer>): Promise<boolean> => {
    const answered = await answer
    if (!succeeded(answered)) outages.push(answered)
    return succeeded(answered)
  }

  const browser = newBrowser()
  if (!(await done(browser.send('register', 'POST', { email, password: PASSWORD })))) return
  const id = openRegistrationCookie(browser.cookies.get('__Host-registration'))?.registrationId ?? ''
  const token = sealMailToken('registration-mail', { id, expiresAt: expiryIn(600) })
  told.registered = { browser, token }

  told.unsure = 'verify'
  if (!(await done(browser.send('verify', 'PUT', { token })))) return
  delete told.unsure
  told.verified = true
  told.live.push(browser)

  const [first, second] = [newBrowser(), newBrowser()]
  for (const device of [first, second]) {
    if (!(await done(device.send('login', 'POST', { email, password: PASSWORD })))) return
    told.live.push(device)
    if (!(await done(device.send('refresh', 'POST', {})))) return
  }

  if (stays) return

  // The cookie goes with the answer; kept, it stands for whoever has a copy.
  const copy = newBrowser()
  for (const [name, value] of second.cookies) copy.cookies.set(name, value)
  told.live.pop()
  told.unsure = 'logout'
  if (!(await done(second.send('logout', 'POST', {})))) return
  delete told.unsure
  told.ended.push(copy)

  if (!(await done(newBrowser().send('reset', 'POST', { email })))) return
  const resetToken = await resetTokenFor(email)
  if (resetToken === undefined) return
  told.live = []
  told.unsure = 'reset'
  if (!(await done(newBrowser().send('reset', 'PUT', { token: resetToken, password: OTHER_PASSWORD }))))
    return
  delete told.unsure
  told.reset = true
  told.ended.push(browser, first)
}

/** Undefined when the database is away. */
async function resetTokenFor(email: string): Promise<string | undefined> {
  const statement =
    "SELECT t.id, t.expires_at FROM one_time_tokens t JOIN users u ON u.id = t.user_id WHERE u.email = $1 AND purpose = 'reset'"
  const rows = await pool.query(statement, [email]).then(
    (result) => result.rows,
    () => [],
  )
  return rows[0] && sealMailToken('reset-mail', { id: rows[0].id, expiresAt: rows[0].expires_at })
}

/** What of it is not so any more; empty when everything was kept. */
async function losses(told: Told, crashedAt: Date): Promise<string[]> {
  const { email, registered, verified, unsure } = told
  const lost: string[] = []
  const check = (promise: string, isKept: boolean) => {
    if (!isKept) lost.push(promise)
  }
  const signsIn = async (password: string) =>
    (await newBrowser().send('login', 'POST', { email, password })).status === 200

  if (registered !== undefined && verified === undefined) {
    const { status } = await registered.browser.send('verify', 'PUT', { token: registered.token })
    check('registered', status === 200 || (unsure === 'verify' && status === 410))
  }
  for (const browser of told.live) {
    check('signed in', succeeded(await browser.send('refresh', 'POST', {})))
  }
  for (const browser of told.ended) {
    const { status, body } = await browser.send('refresh', 'POST', {})
    check('signed out', status === 401 && body.code === 'session-ended')
  }
  if (unsure === 'reset') {
    // Done or not done, but not by halves: the new password and no session, or the old one and its two.
    const { rows } = await pool.query(
      `SELECT s.id FROM sessions s JOIN users u ON u.id = s.user_id
       WHERE u.email = $1 AND s.revoked_at IS NULL AND s.created_at < $2`,
      [email, crashedAt],
    )
    const isDone = await signsIn(OTHER_PASSWORD)
    check('a whole reset', isDone !== (await signsIn(PASSWORD)) && rows.length === (isDone ? 0 : 2))
  } else if (registered !== undefined) {
    check('the password', await signsIn(told.reset ? OTHER_PASSWORD : PASSWORD))
    check('no other password', !(await signsIn(told.reset ? PASSWORD : OTHER_PASSWORD)))
  }
  return lost
}

test('a crash of the database loses nothing that was answered with success: registrations, logins, rotations, logouts, resets', async () => {
  const everybody: Told[] = []
  for (let crash = 0; crash < CRASHES; crash += 1) {
    const people: Told[] = []
    const stopped = new AbortController()
    const stream = async () => {
      while (!stopped.signal.aborted) {
        const told: Told = { email: newAddress(), live: [], ended: [] }
        people.push(told)
        await live(told, people.length % 2 === 0)
      }
    }
    const load = Promise.all(Array.from({ length: PEOPLE_AT_ONCE }, stream))
    while (people.filter(({ reset }) => reset).length < WHOLE_STORIES) await sleep(20)
    await sleep(Math.random() * LATEST_KILL_MS)
    expect(outages).toEqual([])
    const crashedAt = new Date()
    await postgres.kill()
    await sleep(OUTAGE_MS)
    stopped.abort()
    await load

    expect(outages.length).toBeGreaterThanOrEqual(PEOPLE_AT_ONCE)
    for (const answer of outages.splice(0)) {
      expect([answer.status, answer.body.code, answer.setCookies]).toEqual([503, 'unavailable', []])
    }
    postgres = await startPostgres({ directory, port })
    for (const told of people) expect(await losses(told, crashedAt)).toEqual([])
    everybody.push(...people)
  }
  const steps = (isOne: (told: Told) => boolean) => everybody.filter(isOne).length
  // The load was one, and the crash came in the middle of it.
  expect(steps(({ registered }) => registered !== undefined)).toBeGreaterThan(PEOPLE_AT_ONCE)
  expect(steps(({ live: browsers }) => browsers.length > 0)).toBeGreaterThanOrEqual(PEOPLE_AT_ONCE)
  expect(steps(({ ended }) => ended.length > 0)).toBeGreaterThanOrEqual(CRASHES * WHOLE_STORIES)
  expect(steps(({ unsure }) => unsure !== undefined)).toBeGreaterThan(0)
}, 60_000)
