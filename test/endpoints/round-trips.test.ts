/**
 * The round-trip budget: two for what makes or checks a hash or tries a code, one for everything else, none for what is
 * known without the database. Requests to the database are counted at the gateway; those that record the delivery of an
 * email come after the response and are counted apart.
 */
import { describe, expect, test } from 'vitest'
import { requireSession, requireUser } from '../../lib/guards.ts'
import { newBrowser, sendRaw, type Received, type Browser } from '../support/browser.ts'
import { ageSessions, query } from '../support/database.ts'
import { newAddress, OTHER_PASSWORD, PASSWORD, signedInPerson, type Person } from '../support/people.ts'
import {
  cancelBeside,
  codeBeside,
  insertAccount,
  insertOneTimeToken,
  insertRegistration,
} from '../races/accounts.ts'
import { APP_ORIGIN } from '../support/setup-environment.ts'
import { gateway } from '../support/setup-stack.ts'

interface Count {
  status: number
  roundTrips: number
  deliveries: number
}

async function counted(send: () => Promise<{ status: number }>): Promise<Count> {
  gateway.requests.length = 0
  const { status } = await send()
  const deliveries = gateway.requests.filter(({ statements }) =>
    statements[0]?.includes('latchkey.record_delivery('),
  ).length
  return { status, roundTrips: gateway.requests.length - deliveries, deliveries }
}

type Send = () => Promise<Received>

interface Case {
  what: string
  status: number
  deliveries?: number
  /** What comes before isn't counted. */
  prepare: () => Promise<Send>
}

const WRONG_CODE = '000000'
const THIRD_PASSWORD = 'a lantern under the ninth wave'

// --- Who sends it ---

const known = async () => (await insertAccount(0)).email
const unknown = async () => newAddress()

const signedIn = (): Promise<Person> => signedInPerson()

/** Signed in, with that many seconds gone by since. */
async function signedInSince(seconds: number): Promise<Person> {
  const person = await signedIn()
  await ageSessions(person.email, seconds)
  return person
}

const asksFor = (endpoint: 'verify' | 'reset', whose: () => Promise<string>) => async (): Promise<Send> => {
  const email = await whose()
  return () => newBrowser().send(endpoint, 'POST', { email })
}

const registers = (whose: () => Promise<string>) => async (): Promise<Send> => {
  const email = await whose()
  return () => newBrowser().send('register', 'POST', { email, password: PASSWORD })
}

const logsIn = (whose: () => Promise<string>, password: string) => async (): Promise<Send> => {
  const email = await whose()
  return () => newBrowser().send('login', 'POST', { email, password })
}

const bySession =
  (...request: Parameters<Browser['send']>) =>
  async (): Promise<Send> => {
    const { browser } = await signedIn()
    return () => browser.send(...request)
  }

async function registration() {
  const { email, token, cookie } = await insertRegistration(newAddress(), PASSWORD)
  const browser = newBrowser()
  browser.cookies.set('__Host-registration', cookie)
  return { email, token, browser, code: codeBeside('registration-email', token) }
}

async function emailChange(): Promise<string> {
  return insertOneTimeToken(await insertAccount(0), 'email-change', newAddress())
}

/** The link to confirm the new address, for an account that is signed in. */
async function ownEmailChange(): Promise<Send> {
  const { browser, email } = await signedIn()
  const [{ id }] = await query('SELECT id FROM users WHERE email = $1', email)
  const token = await insertOneTimeToken({ id, email, sessions: [] }, 'email-change', newAddress())
  return () => browser.send('verify', 'PUT', { token })
}

async function resetLink(): Promise<{ email: string; token: string; code: string }> {
  const account = await insertAccount(0)
  const token = await insertOneTimeToken(account, 'reset')
  return { email: account.email, token, code: codeBeside('reset-email', token) }
}

/** The person's browser with the session cookie of before two rotations. */
async function outdated(): Promise<Browser> {
  const { browser, email } = await signedIn()
  const cookie = browser.cookies.get('__Host-session') ?? ''
  for (let rotation = 0; rotation < 2; rotation += 1) {
    await ageSessions(email, 60)
    await browser.send('refresh', 'POST', {})
  }
  browser.cookies.set('__Host-session', cookie)
  return browser
}

// --- All of them ---

const two: Case[] = [
  { what: 'register a free address', status: 202, deliveries: 1, prepare: registers(unknown) },
  { what: 'register a taken address', status: 202, deliveries: 1, prepare: registers(known) },
  {
    what: 'verify with the password',
    status: 200,
    async prepare() {
      const { token } = await registration()
      return () => newBrowser().send('verify', 'PUT', { token, password: PASSWORD })
    },
  },
  {
    what: 'verify with the code',
    status: 200,
    async prepare() {
      const { browser, email, code } = await registration()
      return () => browser.send('verify', 'PUT', { email, code })
    },
  },
  {
    what: 'confirm a new address with the password',
    status: 200,
    deliveries: 1,
    async prepare() {
      const token = await emailChange()
      return () => newBrowser().send('verify', 'PUT', { token, password: PASSWORD })
    },
  },
  { what: 'log in', status: 200, prepare: logsIn(known, PASSWORD) },
  { what: 'log in with a wrong password', status: 401, prepare: logsIn(known, OTHER_PASSWORD) },
  { what: 'log in to an unknown address', status: 401, prepare: logsIn(unknown, PASSWORD) },
  {
    what: 'log in to a pending registration',
    status: 403,
    prepare: logsIn(async () => (await registration()).email, PASSWORD),
  },
  {
    what: 'log in with a hash that is due to be made again',
    status: 200,
    async prepare() {
      const { email } = await insertAccount(0)
      const { hash } = await import('@node-rs/argon2')
      const cheap = await hash(PASSWORD, { memoryCost: 8192, timeCost: 1, parallelism: 1 })
      await query('UPDATE users SET password_hash = $2 WHERE email = $1', email, cheap)
      return () => newBrowser().send('login', 'POST', { email, password: PASSWORD })
    },
  },
  {
    what: 'log in again for a change of the account',
    status: 200,
    async prepare() {
      const { browser, email } = await signedIn()
      return () => browser.send('login', 'POST', { email, password: PASSWORD, reauthenticate: true })
    },
  },
  {
    what: 'log in again with another account',
    status: 403,
    async prepare() {
      const [{ browser }, email] = [await signedIn(), await known()]
      return () => browser.send('login', 'POST', { email, password: PASSWORD, reauthenticate: true })
    },
  },
  {
    what: 'reset with the code',
    status: 200,
    deliveries: 1,
    async prepare() {
      const { email, code } = await resetLink()
      return () => newBrowser().send('reset', 'PUT', { email, code, password: OTHER_PASSWORD })
    },
  },
  {
    what: 'change the password',
    status: 200,
    deliveries: 1,
    prepare: bySession('account', 'PATCH', { currentPassword: PASSWORD, newPassword: OTHER_PASSWORD }),
  },
  {
    what: 'change the password with a wrong one',
    status: 401,
    prepare: bySession('account', 'PATCH', { currentPassword: OTHER_PASSWORD, newPassword: THIRD_PASSWORD }),
  },
]

const one: Case[] = [
  {
    what: 'ask for another verification email',
    status: 202,
    deliveries: 1,
    prepare: asksFor('verify', async () => (await registration()).email),
  },
  { what: 'ask for one, unknown address', status: 202, prepare: asksFor('verify', unknown) },
  {
    what: 'verify in the browser that registered',
    status: 200,
    async prepare() {
      const { browser, token } = await registration()
      return () => browser.send('verify', 'PUT', { token })
    },
  },
  {
    what: 'verify in another browser, which is asked for the password',
    status: 403,
    async prepare() {
      const { token } = await registration()
      return () => newBrowser().send('verify', 'PUT', { token })
    },
  },
  {
    what: 'verify with a wrong code',
    status: 400,
    async prepare() {
      const { browser, email } = await registration()
      return () => browser.send('verify', 'PUT', { email, code: WRONG_CODE })
    },
  },
  { what: 'confirm a new address', status: 200, deliveries: 1, prepare: ownEmailChange },
  {
    what: 'cancel a new address',
    status: 200,
    async prepare() {
      const cancel = cancelBeside(await emailChange())
      return () => newBrowser().send('verify', 'PUT', { cancel })
    },
  },
  { what: 'refresh', status: 200, prepare: bySession('refresh', 'POST', {}) },
  {
    what: 'refresh, with a rotation',
    status: 200,
    async prepare() {
      const { browser } = await signedInSince(60)
      return () => browser.send('refresh', 'POST', {})
    },
  },
  {
    what: 'refresh with an outdated token, which is reuse',
    status: 401,
    deliveries: 1,
    async prepare() {
      const browser = await outdated()
      return () => browser.send('refresh', 'POST', {})
    },
  },
  { what: 'log out', status: 204, prepare: bySession('logout', 'POST', {}) },
  { what: 'log out everywhere', status: 204, prepare: bySession('logout', 'POST', { everywhere: true }) },
  { what: 'ask for a reset', status: 202, deliveries: 1, prepare: asksFor('reset', known) },
  { what: 'ask for a reset, unknown address', status: 202, prepare: asksFor('reset', unknown) },
  {
    what: 'reset with the link',
    status: 200,
    deliveries: 1,
    async prepare() {
      const { token } = await resetLink()
      return () => newBrowser().send('reset', 'PUT', { token, password: OTHER_PASSWORD })
    },
  },
  {
    what: 'reset with a wrong code',
    status: 400,
    async prepare() {
      const { email } = await resetLink()
      return () => newBrowser().send('reset', 'PUT', { email, code: WRONG_CODE, password: OTHER_PASSWORD })
    },
  },
  { what: 'list the sessions', status: 200, prepare: bySession('sessions', 'GET') },
  { what: 'revoke the others', status: 204, prepare: bySession('sessions?others=true', 'DELETE') },
  {
    what: 'revoke the others, after a while',
    status: 403,
    async prepare() {
      const { browser } = await signedInSince(301)
      return () => browser.send('sessions?others=true', 'DELETE')
    },
  },
  { what: 'read the account', status: 200, prepare: bySession('account', 'GET') },
  {
    what: 'read the account by its access token',
    status: 200,
    async prepare() {
      const { browser } = await signedIn()
      const { accessToken } = (await browser.send('refresh', 'POST', {})).body
      return () => sendRaw('account', { headers: { authorization: `Bearer ${accessToken}` } })
    },
  },
  {
    what: 'change the address',
    status: 200,
    deliveries: 2,
    prepare: bySession('account', 'PATCH', { email: newAddress() }),
  },
  { what: 'delete the account', status: 204, deliveries: 1, prepare: bySession('account', 'DELETE') },
]

const byNobody =
  (...request: Parameters<Browser['send']>) =>
  async (): Promise<Send> =>
  () =>
    newBrowser().send(...request)

const none: Case[] = [
  { what: 'read the public keys', status: 200, prepare: async () => () => sendRaw('keys', {}) },
  { what: 'refresh without a cookie', status: 401, prepare: byNobody('refresh', 'POST', {}) },
  {
    what: 'refresh with a cookie that was not signed here',
    status: 401,
    async prepare() {
      const browser = newBrowser()
      browser.cookies.set('__Host-session', 'x'.repeat(96))
      return () => browser.send('refresh', 'POST', {})
    },
  },
  { what: 'log out without a cookie', status: 204, prepare: byNobody('logout', 'POST', {}) },
  { what: 'list the sessions, signed out', status: 401, prepare: byNobody('sessions', 'GET') },
  { what: 'delete the account, signed out', status: 401, prepare: byNobody('account', 'DELETE') },
  { what: 'verify with a forged link', status: 400, prepare: byNobody('verify', 'PUT', { token: 'x' }) },
  {
    what: 'register with a weak password',
    status: 422,
    prepare: byNobody('register', 'POST', { email: newAddress(), password: 'too short' }),
  },
]

describe.each([
  ['two round trips, for what makes or checks a hash or tries a code', 2, two],
  ['one, for everything else', 1, one],
  ['none, for what is known without the database', 0, none],
] as const)('%s', (_, roundTrips, cases) => {
  test.each(cases.map((each) => [each.what, each] as const))(
    '%s',
    async (what, { status, deliveries = 0, prepare }) => {
      const send = await prepare()
      expect({ what, ...(await counted(send)) }).toEqual({ what, status, roundTrips, deliveries })
    },
  )
})

describe("a guard of the app's own functions", () => {
  async function request(): Promise<Request> {
    const { browser } = await signedIn()
    const { accessToken } = (await browser.send('refresh', 'POST', {})).body
    return new Request(`${APP_ORIGIN}/api/hello`, { headers: { authorization: `Bearer ${accessToken}` } })
  }

  test.each([
    ['requireSession: one', requireSession, 1],
    ['requireUser: none', requireUser, 0],
  ] as const)('%s', async (_, guard, roundTrips) => {
    const asked = await request()
    gateway.requests.length = 0
    expect((await guard(asked)).kind).toBe('signed-in')
    expect(gateway.requests).toHaveLength(roundTrips)
  })
})
