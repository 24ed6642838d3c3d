/** Races of a deletion with whatever else an account's people do. */
import { expect, test } from 'vitest'
import { newBrowser } from '../support/browser.ts'
import { query } from '../support/database.ts'
import { emailKindsTo, newAddress, OTHER_PASSWORD, PASSWORD } from '../support/people.ts'
import {
  insertAccount,
  insertOneTimeToken,
  insertRegistration,
  insertWaitingEmail,
  sessionsOf,
} from './accounts.ts'
import {
  confirmEmail,
  deleteAccount,
  expectEnded,
  expectGone,
  expectPassword,
  liveSessions,
  login,
  logout,
  refresh,
  requestReset,
  reset,
  sortedStatuses,
  times,
  verify,
} from './calls.ts'
import { call, countDeadlocks, rounds } from './harness.ts'
import { gateway } from '../support/setup-stack.ts'

const ACCOUNTS_OF = 'SELECT id FROM users WHERE email_normalized = $1'

test.concurrent(
  'delete and delete: one of them does it, the others find nobody, and one email says so',
  rounds(async (meet) => {
    const account = await insertAccount(2)
    const [first, second] = sessionsOf(account)
    const responses = await meet(
      account,
      [first, first, second].map(({ cookie }) => deleteAccount(cookie)),
    )
    expect(sortedStatuses(responses)).toEqual([204, 401, 401])
    await expectGone(account)
    expect(await emailKindsTo(account.email)).toEqual(['account-deleted'])
  }),
)

test.concurrent(
  'delete and logout everywhere: neither waits for the other for ever, and no session is left',
  rounds(async (meet) => {
    const account = await insertAccount(4)
    const [first, second, third] = sessionsOf(account)
    const [deleted, out] = await meet(account, [
      deleteAccount(third.cookie),
      logout(second.cookie, true),
      refresh(first.cookie),
    ])
    expect([204, 401]).toContain(deleted?.status)
    expect([204, 401]).toContain(out?.status)
    expect(await liveSessions(account)).toEqual([])
    if (deleted?.status === 204) await expectGone(account)
  }),
)

test.concurrent(
  'delete and refresh: the account is gone and no token of it works',
  rounds(async (meet) => {
    const account = await insertAccount(3)
    const [first] = sessionsOf(account)
    const [deleted, ...refreshed] = await meet(account, [
      deleteAccount(first.cookie),
      ...account.sessions.flatMap(({ cookie }) => times(2, refresh(cookie))),
    ])
    expect(deleted?.status).toBe(204)
    for (const response of refreshed) expect([200, 401]).toContain(response.status)
    await expectGone(account)
    await expectEnded(refreshed.map((response) => response.session))
  }),
)

test.concurrent(
  'delete and login: the account is gone and nobody is signed in to it',
  rounds(async (meet) => {
    const account = await insertAccount(1)
    const [first] = sessionsOf(account)
    const [deleted, ...logins] = await meet(account, [
      deleteAccount(first.cookie),
      ...times(4, login(account.email, PASSWORD)),
    ])
    expect(deleted?.status).toBe(204)
    for (const response of logins) expect([200, 401]).toContain(response.status)
    await expectGone(account)
    await expectEnded(logins.map((response) => response.session))
  }),
)

test.concurrent(
  'delete and verify of the same address: the account is gone, and no registration of before makes another one',
  rounds(async (meet) => {
    const account = await insertAccount(1)
    const [session] = sessionsOf(account)
    const registration = await insertRegistration(account.email, OTHER_PASSWORD)
    const [deleted, ...verified] = await meet(account, [
      deleteAccount(session.cookie),
      ...times(4, verify(registration.token, registration.cookie)),
    ])
    expect(deleted?.status).toBe(204)
    expect(sortedStatuses(verified)).toEqual(Array<number>(4).fill(410))
    await expectGone(account)
    expect(await query(ACCOUNTS_OF, account.email)).toEqual([])
  }),
)

test.concurrent(
  'delete and reset, requested and done: the account is gone or has the new password, whole',
  rounds(async (meet) => {
    const account = await insertAccount(1)
    const [first] = sessionsOf(account)
    const token = await insertOneTimeToken(account, 'reset')
    const [deleted, done, requested] = await meet(account, [
      deleteAccount(first.cookie),
      reset(token, OTHER_PASSWORD),
      requestReset(account.email),
    ])
    expect(requested?.status).toBe(202)
    // A newer link takes the older one's place; a reset that comes first revokes the session that would delete.
    expect([200, 410]).toContain(done?.status)
    expect(deleted?.status).toBe(done?.status === 200 ? 401 : 204)
    if (deleted?.status === 204) await expectGone(account)
    else await expectPassword(account.email, OTHER_PASSWORD)
  }),
)

test.concurrent(
  'delete and the first reset requested: the response is the same 202, and no link is left to an account that is gone',
  rounds(async (meet) => {
    const account = await insertAccount(1)
    const [first] = sessionsOf(account)
    await insertWaitingEmail(account)
    const [deleted, ...requested] = await meet(account, [
      deleteAccount(first.cookie),
      ...times(3, { ...requestReset(account.email), setsOutLater: true }),
    ])
    expect(deleted?.status).toBe(204)
    expect(sortedStatuses(requested)).toEqual([202, 202, 202])
    await expectGone(account)
  }),
)

test.concurrent(
  'delete and the confirmation of a new address: the account is gone',
  rounds(async (meet) => {
    const account = await insertAccount(2)
    const [first, second] = sessionsOf(account)
    const token = await insertOneTimeToken(account, 'email-change', newAddress())
    const [deleted, confirmed] = await meet(account, [
      deleteAccount(first.cookie),
      confirmEmail(token, second.cookie),
    ])
    expect(deleted?.status).toBe(204)
    expect([200, 410]).toContain(confirmed?.status)
    await expectGone(account)
  }),
)

test('a login whose account is deleted and registered again between its two calls opens nothing', async () => {
  const account = await insertAccount(1)
  const [session] = sessionsOf(account)
  const arrived = Promise.withResolvers<void>()
  // In this process, whose gateway is its own: the second call comes late.
  gateway.fault = ({ statements }) => {
    if (!statements.some((statement) => statement.includes('finish_login'))) return undefined
    arrived.resolve()
    return { kind: 'delay-request', milliseconds: 500 }
  }
  const pending = newBrowser().send('login', 'POST', { email: account.email, password: PASSWORD })
  await arrived.promise
  expect((await call(deleteAccount(session.cookie))).status).toBe(204)
  const registration = await insertRegistration(account.email, OTHER_PASSWORD)
  expect((await call(verify(registration.token, registration.cookie))).status).toBe(200)
  const { status, body, setCookies } = await pending
  gateway.fault = undefined
  expect([status, body.code, setCookies]).toEqual([401, 'invalid-credentials', []])
  const [owner] = await query(ACCOUNTS_OF, account.email)
  const methods = await query('SELECT method FROM sessions WHERE user_id = $1', owner.id)
  expect(methods).toEqual([{ method: 'email' }])
})

test('no two calls met in a deadlock', async () => {
  expect(await countDeadlocks()).toBe(0)
})
