/** Every operation of every endpoint: where it starts, what is sent, what comes of it, and how a person goes on. */
import { expect } from 'vitest'
import { v7 as newId } from 'uuid'
import { expiryIn, signOneTimeToken } from '../../lib/crypto/one-time-token.ts'
import { verifyRegistrationCookie } from '../../lib/crypto/registration-cookie.ts'
import { newBrowser, sendRaw, type Received, type Browser } from '../support/browser.ts'
import { query } from '../support/database.ts'
import { newAddress, OTHER_PASSWORD, PASSWORD } from '../support/people.ts'
import {
  codeBeside,
  insertAccount,
  insertOneTimeToken,
  insertRegistration,
  type InsertedAccount,
} from '../races/accounts.ts'

export interface Operation {
  name: string
  /** What each round trip is for. */
  roundTrips: string[]
  /** So many more round trips do the same as the last one, and are left out. */
  moreLikeTheLast?: number
  /** Tried again by itself when a connection fails. */
  isRetried?: true
  /** Emails that one request queues. */
  emails?: number
  /** Status and problem code when nothing goes wrong, and of the same request again when it was done before. */
  response: string
  responseWhenDone: string
  /** Whether what it does shows in the state: a read's doesn't. */
  changes: boolean
  /** How a person goes on after any of the faults; `expectWellEnded` does so. */
  goingOn: string
  prepare(): Promise<Scene>
}

/** One run's starting point. */
export interface Scene {
  /** Whose rows the state is read from. */
  emails: string[]
  ip: string
  /** In place of comparing the state with that after the undisturbed operation. */
  stateName?(): Promise<string>
  send(headers: Record<string, string>): Promise<Received>
  /** The person gets what they wanted, whatever went wrong before. */
  expectWellEnded(): Promise<void>
}

const THIRD_PASSWORD = 'a lantern under the ninth wave'

function browserOf(account: InsertedAccount, session = 0): Browser {
  const browser = newBrowser()
  browser.cookies.set('__Host-session', account.sessions[session]?.cookie ?? '')
  browser.cookies.set('signed-in', '1')
  return browser
}

async function expectSignIn(email: string, password: string, status = 200): Promise<void> {
  expect((await newBrowser().send('login', 'POST', { email, password })).status).toBe(status)
}

/** With the cookie that a session had at the start. */
async function expectSession(account: InsertedAccount, session: number, status: number): Promise<void> {
  const response = await browserOf(account, session).send('refresh', 'POST', {})
  expect(response.status).toBe(status)
}

async function oneTimeTokenOf(account: InsertedAccount, purpose: 'reset' | 'email-change'): Promise<string> {
  const [row] = await query(
    'SELECT id, expires_at FROM one_time_tokens WHERE user_id = $1 AND purpose = $2 AND consumed_at IS NULL',
    account.id,
    purpose,
  )
  return signOneTimeToken(`${purpose}-email`, { id: row.id, expiresAt: row.expires_at })
}

const scene = (
  browser: Browser,
  emails: string[],
  send: Scene['send'],
  expectWellEnded: Scene['expectWellEnded'],
): Scene => ({ emails, ip: browser.ip, send, expectWellEnded })

export const operations: Operation[] = [
  {
    name: 'register',
    roundTrips: ['limits', 'registration'],
    emails: 1,
    response: '202',
    responseWhenDone: '202',
    changes: true,
    goingOn: 'the link in the newest email works',
    async prepare() {
      const [browser, email] = [newBrowser(), newAddress()]
      return scene(
        browser,
        [email],
        (headers) => browser.send('register', 'POST', { email, password: PASSWORD }, headers),
        async () => {
          const id =
            verifyRegistrationCookie(browser.cookies.get('__Host-registration'))?.registrationId ?? ''
          const token = signOneTimeToken('registration-email', { id, expiresAt: expiryIn(600) })
          expect((await browser.send('verify', 'PUT', { token })).status).toBe(200)
        },
      )
    },
  },
  {
    name: 'verify: another email',
    roundTrips: ['link'],
    emails: 1,
    response: '202',
    responseWhenDone: '202',
    changes: true,
    goingOn: 'any link works',
    async prepare() {
      const registration = await insertRegistration(newAddress(), PASSWORD)
      const { email, token } = registration
      const browser = newBrowser()
      return scene(
        browser,
        [email],
        (headers) => browser.send('verify', 'POST', { email }, headers),
        async () => {
          const response = await newBrowser().send('verify', 'PUT', { token, password: PASSWORD })
          expect(response.status).toBe(200)
        },
      )
    },
  },
  {
    name: 'verify: registration, in its own browser',
    roundTrips: ['account'],
    response: '200',
    responseWhenDone: '410 token-already-used',
    changes: true,
    goingOn: 'signs in; a session whose cookie nobody has may be left',
    async prepare() {
      const { email, token, cookie } = await insertRegistration(newAddress(), PASSWORD)
      const browser = newBrowser()
      browser.cookies.set('__Host-registration', cookie)
      return scene(
        browser,
        [email],
        (headers) => browser.send('verify', 'PUT', { token }, headers),
        () => expectSignIn(email, PASSWORD),
      )
    },
  },
  {
    name: 'verify: registration, with its password',
    roundTrips: ['look', 'account'],
    response: '200',
    responseWhenDone: '410 token-already-used',
    changes: true,
    goingOn: 'signs in',
    async prepare() {
      const { email, token } = await insertRegistration(newAddress(), PASSWORD)
      const browser = newBrowser()
      return scene(
        browser,
        [email],
        (headers) => browser.send('verify', 'PUT', { token, password: PASSWORD }, headers),
        () => expectSignIn(email, PASSWORD),
      )
    },
  },
  {
    name: 'verify: registration, with the code',
    roundTrips: ['count', 'account'],
    response: '200',
    responseWhenDone: '400 code-invalid',
    changes: true,
    goingOn: 'signs in',
    async prepare() {
      const { email, token, cookie } = await insertRegistration(newAddress(), PASSWORD)
      const code = codeBeside('registration-email', token)
      const browser = newBrowser()
      browser.cookies.set('__Host-registration', cookie)
      return scene(
        browser,
        [email],
        (headers) => browser.send('verify', 'PUT', { email, code }, headers),
        () => expectSignIn(email, PASSWORD),
      )
    },
  },
  {
    name: 'verify: new address, signed in',
    roundTrips: ['address'],
    emails: 1,
    response: '200',
    responseWhenDone: '410 token-already-used',
    changes: true,
    goingOn: 'signs in with the new address',
    async prepare() {
      const [account, newEmail] = [await insertAccount(1), newAddress()]
      const token = await insertOneTimeToken(account, 'email-change', newEmail)
      const browser = browserOf(account)
      return scene(
        browser,
        [account.email, newEmail],
        (headers) => browser.send('verify', 'PUT', { token }, headers),
        () => expectSignIn(newEmail, PASSWORD),
      )
    },
  },
  {
    name: 'verify: new address, with the password',
    roundTrips: ['look', 'address'],
    emails: 1,
    response: '200',
    responseWhenDone: '410 token-already-used',
    changes: true,
    goingOn: 'signs in with the new address',
    async prepare() {
      const [account, newEmail] = [await insertAccount(1), newAddress()]
      const token = await insertOneTimeToken(account, 'email-change', newEmail)
      const browser = newBrowser()
      return scene(
        browser,
        [account.email, newEmail],
        (headers) => browser.send('verify', 'PUT', { token, password: PASSWORD }, headers),
        () => expectSignIn(newEmail, PASSWORD),
      )
    },
  },
  {
    name: 'verify: cancel a new address',
    roundTrips: ['cancel'],
    response: '200',
    responseWhenDone: '410 token-already-used',
    changes: true,
    goingOn: 'the new address can no longer be confirmed',
    async prepare() {
      const account = await insertAccount(1)
      const token = { id: newId(), expiresAt: expiryIn(600) }
      await query(
        `INSERT INTO one_time_tokens (id, user_id, purpose, new_email, new_email_normalized, expires_at)
         VALUES ($1, $2, 'email-change', $3, $3, $4)`,
        token.id,
        account.id,
        newAddress(),
        token.expiresAt,
      )
      const browser = newBrowser()
      const cancel = signOneTimeToken('email-change-cancel-email', token)
      return scene(
        browser,
        [account.email],
        (headers) => browser.send('verify', 'PUT', { cancel }, headers),
        async () => {
          const confirm = signOneTimeToken('email-change-email', token)
          expect((await browserOf(account).send('verify', 'PUT', { token: confirm })).status).toBe(410)
        },
      )
    },
  },
  {
    name: 'login',
    roundTrips: ['count', 'session'],
    response: '200',
    responseWhenDone: '200',
    changes: true,
    goingOn: 'signs in again; a session whose cookie nobody has may be left',
    async prepare() {
      const account = await insertAccount(0)
      const { email } = account
      const browser = newBrowser()
      return scene(
        browser,
        [email],
        (headers) => browser.send('login', 'POST', { email, password: PASSWORD }, headers),
        async () => expect((await browser.send('refresh', 'POST', {})).status).toBe(200),
      )
    },
  },
  {
    name: 'login: authenticate again',
    roundTrips: ['count', 'session'],
    response: '200',
    // The session was replaced, and the cookie of the new one was lost with the response.
    responseWhenDone: '401 unauthorized',
    changes: true,
    goingOn: 'signs in; a session whose cookie nobody has may be left',
    async prepare() {
      const account = await insertAccount(1)
      const { email } = account
      const browser = browserOf(account)
      const login = { email, password: PASSWORD, reauthenticate: true }
      return scene(
        browser,
        [email],
        (headers) => browser.send('login', 'POST', login, headers),
        () => expectSignIn(email, PASSWORD),
      )
    },
  },
  {
    name: 'refresh, due to rotate',
    roundTrips: ['rotate'],
    isRetried: true,
    response: '200',
    responseWhenDone: '200',
    changes: true,
    goingOn: 'refreshes again, whenever that is: a lost response is recovered',
    async prepare() {
      const account = await insertAccount(1)
      const browser = browserOf(account)
      return scene(
        browser,
        [account.email],
        (headers) => browser.send('refresh', 'POST', {}, headers),
        async () => {
          expect((await browser.send('refresh', 'POST', {})).status).toBe(200)
          const [{ counter }] = await query('SELECT counter FROM sessions WHERE user_id = $1', account.id)
          expect(counter).toBe('1')
        },
      )
    },
  },
  {
    name: 'refresh, rotated within 30 s',
    roundTrips: ['look'],
    isRetried: true,
    response: '200',
    responseWhenDone: '200',
    changes: false,
    goingOn: 'refreshes again',
    async prepare() {
      const account = await insertAccount(1)
      await query('UPDATE sessions SET rotated_at = now() WHERE user_id = $1', account.id)
      const browser = browserOf(account)
      return scene(
        browser,
        [account.email],
        (headers) => browser.send('refresh', 'POST', {}, headers),
        () => expectSession(account, 0, 200),
      )
    },
  },
  {
    name: 'refresh, after a response was lost',
    roundTrips: ['recover'],
    isRetried: true,
    response: '200',
    responseWhenDone: '200',
    changes: true,
    goingOn: 'refreshes again; it counts as one recovery',
    async prepare() {
      const account = await insertAccount(1)
      await query('UPDATE sessions SET counter = 1 WHERE user_id = $1', account.id)
      const browser = browserOf(account)
      return scene(
        browser,
        [account.email],
        (headers) => browser.send('refresh', 'POST', {}, headers),
        async () => {
          expect((await browser.send('refresh', 'POST', {})).status).toBe(200)
          expect(
            await query('SELECT counter, recovered_in_a_row FROM sessions WHERE user_id = $1', account.id),
          ).toEqual([{ counter: '1', recovered_in_a_row: 1 }])
        },
      )
    },
  },
  {
    name: 'refresh, with an outdated token',
    roundTrips: ['revoke'],
    isRetried: true,
    emails: 1,
    response: '401 session-ended',
    responseWhenDone: '401 session-ended',
    changes: true,
    goingOn: 'the session is revoked',
    async prepare() {
      const account = await insertAccount(1)
      await query('UPDATE sessions SET counter = 5 WHERE user_id = $1', account.id)
      const browser = browserOf(account)
      return scene(
        browser,
        [account.email],
        (headers) => browser.send('refresh', 'POST', {}, headers),
        async () => {
          expect(
            await query('SELECT revocation_reason FROM sessions WHERE user_id = $1', account.id),
          ).toEqual([{ revocation_reason: 'reuse' }])
        },
      )
    },
  },
  {
    name: 'logout',
    roundTrips: ['revoke'],
    response: '204',
    responseWhenDone: '204',
    changes: true,
    goingOn: 'signed out; other devices are not',
    async prepare() {
      const account = await insertAccount(2)
      const browser = browserOf(account)
      return scene(
        browser,
        [account.email],
        (headers) => browser.send('logout', 'POST', {}, headers),
        async () => {
          expect(browser.cookies.size).toBe(0)
          await expectSession(account, 0, 401)
          await expectSession(account, 1, 200)
        },
      )
    },
  },
  {
    name: 'logout everywhere',
    roundTrips: ['revoke'],
    response: '204',
    responseWhenDone: '401 session-ended',
    changes: true,
    goingOn: 'signed out on every device',
    async prepare() {
      const account = await insertAccount(2)
      const browser = browserOf(account)
      return scene(
        browser,
        [account.email],
        (headers) => browser.send('logout', 'POST', { everywhere: true }, headers),
        async () => {
          expect(browser.cookies.size).toBe(0)
          await expectSession(account, 0, 401)
          await expectSession(account, 1, 401)
        },
      )
    },
  },
  {
    name: 'reset: ask for an email',
    roundTrips: ['link'],
    emails: 1,
    response: '202',
    responseWhenDone: '202',
    changes: true,
    goingOn: 'the newest link works',
    async prepare() {
      const account = await insertAccount(1)
      const { email } = account
      const browser = newBrowser()
      return scene(
        browser,
        [email],
        (headers) => browser.send('reset', 'POST', { email }, headers),
        async () => {
          const token = await oneTimeTokenOf(account, 'reset')
          const response = await newBrowser().send('reset', 'PUT', { token, password: OTHER_PASSWORD })
          expect(response.status).toBe(200)
        },
      )
    },
  },
  {
    name: 'reset: set the password',
    roundTrips: ['reset'],
    emails: 1,
    response: '200',
    responseWhenDone: '410 token-already-used',
    changes: true,
    goingOn: 'the new password signs in; no session is left',
    async prepare() {
      const account = await insertAccount(1)
      const token = await insertOneTimeToken(account, 'reset')
      const browser = newBrowser()
      return scene(
        browser,
        [account.email],
        (headers) => browser.send('reset', 'PUT', { token, password: OTHER_PASSWORD }, headers),
        async () => {
          await expectSignIn(account.email, OTHER_PASSWORD)
          await expectSession(account, 0, 401)
        },
      )
    },
  },
  {
    name: 'reset: set the password, with the code',
    roundTrips: ['count', 'reset'],
    emails: 1,
    response: '200',
    responseWhenDone: '400 code-invalid',
    changes: true,
    goingOn: 'the new password signs in; no session is left',
    async prepare() {
      const account = await insertAccount(1)
      const code = codeBeside('reset-email', await insertOneTimeToken(account, 'reset'))
      const { email } = account
      const browser = newBrowser()
      return scene(
        browser,
        [email],
        (headers) => browser.send('reset', 'PUT', { email, code, password: OTHER_PASSWORD }, headers),
        async () => {
          await expectSignIn(email, OTHER_PASSWORD)
          await expectSession(account, 0, 401)
        },
      )
    },
  },
  {
    name: 'sessions: list',
    roundTrips: ['list'],
    isRetried: true,
    response: '200',
    responseWhenDone: '200',
    changes: false,
    goingOn: 'reads again',
    async prepare() {
      const account = await insertAccount(2)
      const browser = browserOf(account)
      return scene(
        browser,
        [account.email],
        (headers) => browser.send('sessions', 'GET', undefined, headers),
        async () => expect((await browser.send('sessions', 'GET')).body.sessions).toHaveLength(2),
      )
    },
  },
  {
    name: 'sessions: revoke one',
    roundTrips: ['revoke'],
    response: '204',
    responseWhenDone: '404 not-found',
    changes: true,
    goingOn: 'that device is signed out, this one is not',
    async prepare() {
      const account = await insertAccount(2)
      const browser = browserOf(account)
      const id = account.sessions[1]?.id
      return scene(
        browser,
        [account.email],
        (headers) => browser.send(`sessions?id=${id}`, 'DELETE', undefined, headers),
        async () => {
          await expectSession(account, 0, 200)
          await expectSession(account, 1, 401)
        },
      )
    },
  },
  {
    name: 'sessions: revoke the others',
    roundTrips: ['revoke'],
    response: '204',
    responseWhenDone: '204',
    changes: true,
    goingOn: 'the others are signed out, this one is not',
    async prepare() {
      const account = await insertAccount(3)
      const browser = browserOf(account)
      return scene(
        browser,
        [account.email],
        (headers) => browser.send('sessions?others=true', 'DELETE', undefined, headers),
        async () => {
          await expectSession(account, 0, 200)
          await expectSession(account, 1, 401)
          await expectSession(account, 2, 401)
        },
      )
    },
  },
  {
    name: 'account: read',
    roundTrips: ['look'],
    isRetried: true,
    response: '200',
    responseWhenDone: '200',
    changes: false,
    goingOn: 'reads again',
    async prepare() {
      const account = await insertAccount(1)
      const browser = browserOf(account)
      return scene(
        browser,
        [account.email],
        (headers) => browser.send('account', 'GET', undefined, headers),
        () => expectSession(account, 0, 200),
      )
    },
  },
  {
    name: 'account: change the password',
    roundTrips: ['count', 'password'],
    emails: 1,
    response: '200',
    // The session was replaced, and the cookie of the new one was lost with the response.
    responseWhenDone: '401 unauthorized',
    changes: true,
    goingOn: 'signs in with the new password; every old session has ended',
    async prepare() {
      const account = await insertAccount(2)
      const browser = browserOf(account)
      const change = { currentPassword: PASSWORD, newPassword: THIRD_PASSWORD }
      return scene(
        browser,
        [account.email],
        (headers) => browser.send('account', 'PATCH', change, headers),
        async () => {
          await expectSignIn(account.email, THIRD_PASSWORD)
          await expectSession(account, 0, 401)
          await expectSession(account, 1, 401)
        },
      )
    },
  },
  {
    name: 'account: change the address',
    roundTrips: ['link'],
    emails: 2,
    response: '200',
    responseWhenDone: '200',
    changes: true,
    goingOn: 'the newest link works',
    async prepare() {
      const [account, email] = [await insertAccount(1), newAddress()]
      const browser = browserOf(account)
      return scene(
        browser,
        [account.email, email],
        (headers) => browser.send('account', 'PATCH', { email }, headers),
        async () => {
          const token = await oneTimeTokenOf(account, 'email-change')
          expect((await browser.send('verify', 'PUT', { token })).status).toBe(200)
        },
      )
    },
  },
  {
    name: 'account: delete',
    roundTrips: ['delete'],
    emails: 1,
    response: '204',
    responseWhenDone: '401 unauthorized',
    changes: true,
    goingOn: 'the account is gone, and its sessions with it',
    async prepare() {
      const account = await insertAccount(2)
      const browser = browserOf(account)
      return scene(
        browser,
        [account.email],
        (headers) => browser.send('account', 'DELETE', undefined, headers),
        async () => {
          await expectSession(account, 0, 401)
          await expectSession(account, 1, 401)
          expect(await query('SELECT 1 FROM users WHERE email = $1', account.email)).toEqual([])
        },
      )
    },
  },
]

/** Maintenance works on everyone's rows, so its runs aren't mixed with one another. */
export const maintenance: Operation = {
  name: 'maintenance',
  roundTrips: ['claim emails', 'count what waits', 'remove old rows'],
  moreLikeTheLast: 7,
  emails: 1,
  response: '200',
  responseWhenDone: '200',
  changes: false,
  goingOn: 'the next run sends what waits; a claimed email is due again after a minute',
  async prepare() {
    const email = newAddress()
    await query(
      `INSERT INTO outbox (id, kind, recipient, next_attempt_at) VALUES ($1, 'already-registered', $2, now())`,
      newId(),
      email,
    )
    const { email: old } = await insertRegistration(newAddress(), PASSWORD)
    await query("UPDATE registrations SET created_at = now() - interval '8 days' WHERE email = $1", old)
    const statement =
      'SELECT sent_at, failed_at, next_attempt_at > now() AS claimed FROM outbox WHERE recipient = $1'
    return {
      emails: [email],
      ip: '',
      send: runMaintenance,
      async stateName() {
        const [row] = await query(statement, email)
        if (row.sent_at !== null) return 'email sent'
        return row.claimed ? 'email claimed' : 'nothing'
      },
      async expectWellEnded() {
        await query('UPDATE outbox SET next_attempt_at = now() WHERE recipient = $1', email)
        expect((await runMaintenance()).status).toBe(200)
        const [row] = await query(statement, email)
        expect(row.sent_at ?? row.failed_at).not.toBeNull()
        expect(await query('SELECT 1 FROM registrations WHERE email = $1', old)).toEqual([])
      },
    }
  },
}

export function runMaintenance(headers: Record<string, string> = {}): Promise<Received> {
  return sendRaw('maintenance', {
    headers: { authorization: `Bearer ${process.env['CRON_SECRET']}`, ...headers },
  })
}
