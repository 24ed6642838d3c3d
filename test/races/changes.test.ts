/** Races for an account: registrations, resets and changes of the password or the address. */
import { expect, test } from 'vitest'
import { query } from '../support/database.ts'
import { newAddress, OTHER_PASSWORD, PASSWORD } from '../support/people.ts'
import {
  cancelBeside,
  codeBeside,
  insertAccount,
  insertOneTimeToken,
  insertRegistration,
  sessionsOf,
} from './accounts.ts'
import {
  cancelEmail,
  changeEmail,
  changePassword,
  confirmEmail,
  expectEnded,
  expectGotOrEnded,
  expectLive,
  expectPassword,
  liveSessions,
  login,
  logout,
  newPasswords,
  refresh,
  reset,
  resetByCode,
  revokeOthers,
  sortedStatuses,
  times,
  verify,
} from './calls.ts'
import { call, countDeadlocks, rounds } from './harness.ts'
import type { Call } from './processes.ts'

const CODE_ATTEMPTS = 5
const ACCOUNTS_OF = 'SELECT id FROM users WHERE email_normalized = $1'

// --- Registrations ---

test.concurrent(
  'verify and verify: a registration is consumed once, and makes one account with one session',
  rounds(async (meet) => {
    const registration = await insertRegistration(newAddress(), PASSWORD)
    const responses = await meet(registration, times(8, verify(registration.token, registration.cookie)))
    expect(sortedStatuses(responses)).toEqual([200, ...Array<number>(7).fill(410)])
    const [account, ...others] = await query(ACCOUNTS_OF, registration.email)
    expect(others).toEqual([])
    const methods = await query('SELECT method FROM sessions WHERE user_id = $1', account.id)
    expect(methods).toEqual([{ method: 'email' }])
    await expectLive(responses.find(({ status }) => status === 200)?.session)
    await expectPassword(registration.email, PASSWORD)
  }),
)

test.concurrent(
  "verify and verify: two registrations of one address make one account, with the winner's password",
  rounds(async (meet) => {
    const email = newAddress()
    const registrations = [
      await insertRegistration(email, PASSWORD),
      await insertRegistration(email, OTHER_PASSWORD),
    ]
    const calls = registrations.flatMap(({ token, cookie }) => times(3, verify(token, cookie)))
    const responses = await meet(registrations[0], calls)
    expect(sortedStatuses(responses)).toEqual([200, ...Array<number>(5).fill(410)])
    expect(await query(ACCOUNTS_OF, email)).toHaveLength(1)
    const won = responses.findIndex(({ status }) => status === 200)
    await expectPassword(email, won < 3 ? PASSWORD : OTHER_PASSWORD)
  }),
)

test.concurrent(
  'verify in a browser that is signed in to another account, which logs out everywhere: the new session is left',
  rounds(async (meet) => {
    const account = await insertAccount(2)
    const [first, second] = sessionsOf(account)
    const registration = await insertRegistration(newAddress(), PASSWORD)
    const [verified, out] = await meet(account, [
      { ...verify(registration.token, registration.cookie), session: first.cookie },
      logout(second.cookie, true),
    ])
    expect([verified?.status, out?.status]).toEqual([200, 204])
    expect(await liveSessions(account)).toEqual([])
    await expectLive(verified?.session)
  }),
)

test.concurrent(
  'verify a registration and confirm a change to its address, both by one session: one of them has the address',
  rounds(async (meet) => {
    const account = await insertAccount(1)
    const [session] = sessionsOf(account)
    const newEmail = newAddress()
    const token = await insertOneTimeToken(account, 'email-change', newEmail)
    const registration = await insertRegistration(newEmail, PASSWORD)
    const [confirmed, verified] = await meet(account, [
      confirmEmail(token, session.cookie),
      { ...verify(registration.token, registration.cookie), session: session.cookie },
    ])
    const isConfirmed = confirmed?.status === 200
    // A verification that comes first supersedes the session that would prove the change.
    expect([confirmed?.status, verified?.status]).toEqual(isConfirmed ? [200, 410] : [403, 200])
    const [owner, ...others] = await query(ACCOUNTS_OF, newEmail)
    expect(others).toEqual([])
    expect(owner.id === account.id).toBe(isConfirmed)
  }),
)

// --- Resets ---

test.concurrent(
  'reset and reset: a link sets one password, and that is the one of the 200',
  rounds(async (meet) => {
    const account = await insertAccount(1)
    const token = await insertOneTimeToken(account, 'reset')
    const passwords = newPasswords(6)
    const responses = await meet(
      account,
      passwords.map((password) => reset(token, password)),
    )
    expect(sortedStatuses(responses)).toEqual([200, ...Array<number>(5).fill(410)])
    const winner = passwords[responses.findIndex(({ status }) => status === 200)] ?? ''
    await expectPassword(account.email, winner)
    expect(await liveSessions(account)).toHaveLength(1)
  }),
)

test.concurrent(
  'reset and reset: the code sets the password once',
  rounds(async (meet) => {
    const account = await insertAccount(1)
    const code = codeBeside('reset-email', await insertOneTimeToken(account, 'reset'))
    const responses = await meet(account, times(4, resetByCode(account.email, code)))
    const [won, ...lost] = responses.toSorted((one, other) => one.status - other.status)
    expect(won?.status).toBe(200)
    for (const response of lost) expect(['token-already-used', 'code-invalid']).toContain(response.code)
    expect(await liveSessions(account)).toEqual([])
    await expectPassword(account.email, OTHER_PASSWORD)
  }),
)

test.concurrent(
  'guess and guess: a code is tried five times and not once more, however many guess at once',
  rounds(async (meet) => {
    const account = await insertAccount(1)
    const code = codeBeside('reset-email', await insertOneTimeToken(account, 'reset'))
    const wrong = `${(Number(code[0]) + 1) % 10}${code.slice(1)}`
    const guesses = await meet(account, times(8, resetByCode(account.email, wrong)))
    expect(new Set(guesses.map((response) => response.code))).toEqual(new Set(['code-invalid']))
    const tries = await query('SELECT code_attempts FROM one_time_tokens WHERE user_id = $1', account.id)
    expect(tries).toEqual([{ code_attempts: CODE_ATTEMPTS }])
    expect((await call(resetByCode(account.email, code))).code).toBe('code-invalid')
  }),
)

test.concurrent(
  'reset and the confirmation of a new address: both or the first of them, each whole',
  rounds(async (meet) => {
    const account = await insertAccount(1)
    const [first] = sessionsOf(account)
    const newEmail = newAddress()
    const [resetToken, emailToken] = [
      await insertOneTimeToken(account, 'reset'),
      await insertOneTimeToken(account, 'email-change', newEmail),
    ]
    const [done, confirmed] = await meet(account, [
      reset(resetToken, OTHER_PASSWORD),
      confirmEmail(emailToken, first.cookie),
    ])
    expect([200, 410]).toContain(done?.status)
    // A reset that comes first has revoked the session that would prove the change.
    expect([200, 403]).toContain(confirmed?.status)
    expect([done?.status, confirmed?.status]).toContain(200)
    await expectPassword(
      confirmed?.status === 200 ? newEmail : account.email,
      done?.status === 200 ? OTHER_PASSWORD : PASSWORD,
    )
  }),
)

// --- Changes of the password ---

test.concurrent(
  'change and change by one session: one wins, has the new session, and its password is the one',
  rounds(async (meet) => {
    const account = await insertAccount(2)
    const [session] = sessionsOf(account)
    const passwords = newPasswords(4)
    const responses = await meet(
      account,
      passwords.map((password) => changePassword(session.cookie, password)),
    )
    expect(sortedStatuses(responses)).toEqual([200, 401, 401, 401])
    const won = responses.findIndex(({ status }) => status === 200)
    // The losers' cookie is the winner's by now: they must leave it alone.
    const lost = responses.filter(({ status }) => status !== 200)
    expect(lost.map((response) => response.session)).toEqual([undefined, undefined, undefined])
    expect(await liveSessions(account)).toHaveLength(1)
    await expectLive(responses[won]?.session)
    await expectPassword(account.email, passwords[won] ?? '')
  }),
)

test.concurrent(
  'change and change by several sessions: one wins and is the only one signed in',
  rounds(async (meet) => {
    const account = await insertAccount(3)
    const passwords = newPasswords(3)
    const responses = await meet(
      account,
      account.sessions.map(({ cookie }, index) => changePassword(cookie, passwords[index] ?? '')),
    )
    expect(sortedStatuses(responses)).toEqual([200, 401, 401])
    const won = responses.findIndex(({ status }) => status === 200)
    expect(await liveSessions(account)).toHaveLength(1)
    await expectLive(responses[won]?.session)
    await expectPassword(account.email, passwords[won] ?? '')
  }),
)

test.concurrent(
  'change and refresh by other sessions: only the one that changed stays signed in',
  rounds(async (meet) => {
    const account = await insertAccount(3)
    const [session, ...others] = account.sessions
    const [changed, ...refreshed] = await meet(account, [
      changePassword(session?.cookie ?? '', OTHER_PASSWORD),
      ...others.flatMap(({ cookie }) => times(3, refresh(cookie))),
    ])
    expect(changed?.status).toBe(200)
    expectGotOrEnded(refreshed)
    expect(await liveSessions(account)).toHaveLength(1)
    await expectEnded(refreshed.map((response) => response.session))
    await expectLive(changed?.session)
  }),
)

test.concurrent(
  'change and logout everywhere: neither waits for the other for ever, and no session of before is left',
  rounds(async (meet) => {
    const account = await insertAccount(3)
    const [first, second, third] = sessionsOf(account)
    const [changed, out] = await meet(account, [
      changePassword(third.cookie, OTHER_PASSWORD),
      logout(first.cookie, true),
      logout(second.cookie),
    ])
    expect([200, 401]).toContain(changed?.status)
    // A logout that comes after the change finds its own session ended, and ends no other.
    expect([204, 401]).toContain(out?.status)
    expect(await liveSessions(account)).toHaveLength(changed?.status === 200 ? 1 : 0)
    await expectEnded([first.cookie, second.cookie, third.cookie])
  }),
)

test.concurrent(
  'change and revoking all other sessions: one session at most is left',
  rounds(async (meet) => {
    const account = await insertAccount(4)
    const [first, second, third] = sessionsOf(account)
    const [changed, ...revoked] = await meet(account, [
      changePassword(third.cookie, OTHER_PASSWORD),
      revokeOthers(first.cookie),
      revokeOthers(second.cookie),
    ])
    expect([200, 401]).toContain(changed?.status)
    for (const response of revoked) expect([204, 401]).toContain(response.status)
    expect((await liveSessions(account)).length).toBeLessThanOrEqual(1)
  }),
)

// --- Changes of the address ---

test.concurrent(
  'login and the confirmation of a new address: whoever got in with the old address was first',
  rounds(async (meet) => {
    const account = await insertAccount(1)
    const [first] = sessionsOf(account)
    const token = await insertOneTimeToken(account, 'email-change', newAddress())
    const [confirmed, ...logins] = await meet(account, [
      confirmEmail(token, first.cookie),
      ...times(4, login(account.email, PASSWORD)),
    ])
    expect(confirmed?.status).toBe(200)
    for (const response of logins) expect([200, 401]).toContain(response.status)
    const opened = logins.filter(({ status }) => status === 200).length
    expect(await liveSessions(account)).toHaveLength(1 + opened)
    expect((await call(login(account.email, PASSWORD))).code).toBe('invalid-credentials')
  }),
)

test.concurrent(
  'two requests to change the address: the newer one takes the place of the older',
  rounds(async (meet) => {
    const account = await insertAccount(2)
    const [first, second] = sessionsOf(account)
    const responses = await meet(account, [
      changeEmail(first.cookie, newAddress()),
      changeEmail(second.cookie, newAddress()),
      changeEmail(first.cookie, newAddress()),
    ])
    expect(sortedStatuses(responses)).toEqual([200, 200, 200])
    const tokens = await query('SELECT consumed_at FROM one_time_tokens WHERE user_id = $1', account.id)
    expect(tokens).toHaveLength(3)
    expect(tokens.filter((token) => token.consumed_at === null)).toHaveLength(1)
  }),
)

test.concurrent(
  'a new change of address and the confirmation of the one before: the address is a confirmed one',
  rounds(async (meet) => {
    const account = await insertAccount(2)
    const [first, second] = sessionsOf(account)
    const [newEmail, newerEmail] = [newAddress(), newAddress()]
    const token = await insertOneTimeToken(account, 'email-change', newEmail)
    const [requested, ...confirmed] = await meet(account, [
      changeEmail(first.cookie, newerEmail),
      ...times(2, confirmEmail(token, second.cookie)),
    ])
    expect(requested?.status).toBe(200)
    for (const response of confirmed) expect([200, 410]).toContain(response.status)
    const won = confirmed.filter(({ status }) => status === 200)
    expect(won.length).toBeLessThanOrEqual(1)
    await expectPassword(won.length === 1 ? newEmail : account.email, PASSWORD)
  }),
)

test.concurrent(
  'cancel and confirm a change of address: one of them is done, and the address is the one that it says',
  rounds(async (meet) => {
    const account = await insertAccount(1)
    const [first] = sessionsOf(account)
    const newEmail = newAddress()
    const token = await insertOneTimeToken(account, 'email-change', newEmail)
    const [canceled, confirmed] = await meet(account, [
      cancelEmail(cancelBeside(token)),
      confirmEmail(token, first.cookie),
    ])
    expect([canceled?.status, confirmed?.status].toSorted()).toEqual([200, 410])
    await expectPassword(confirmed?.status === 200 ? newEmail : account.email, PASSWORD)
  }),
)

test.concurrent(
  'two accounts that confirm one new address, and a registration of it: one has it, the others keep their own',
  rounds(async (meet) => {
    const accounts = [await insertAccount(1), await insertAccount(1)]
    const newEmail = newAddress()
    const calls: Call[] = []
    for (const account of accounts) {
      const token = await insertOneTimeToken(account, 'email-change', newEmail)
      calls.push(confirmEmail(token, sessionsOf(account)[0].cookie))
    }
    const registration = await insertRegistration(newEmail, PASSWORD)
    const responses = await meet(registration, [...calls, verify(registration.token, registration.cookie)])
    expect(sortedStatuses(responses)).toEqual([200, 410, 410])
    expect(await query(ACCOUNTS_OF, newEmail)).toHaveLength(1)
  }),
)

test('no two calls met in a deadlock', async () => {
  expect(await countDeadlocks()).toBe(0)
})
