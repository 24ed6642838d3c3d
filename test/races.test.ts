/**
 * Races across real processes: parallel requests over HTTP to several instances, as on Vercel. Each round begins with its
 * own account. `RACE_ROUNDS` says how many rounds of each race; `npm run test:races` runs many.
 */
import { expect, test } from 'vitest'
import { maximum } from '../lib/limits.ts'
import { openRefreshToken } from '../lib/refresh-token.ts'
import { query } from './database.ts'
import { newAddress, OTHER_PASSWORD, PASSWORD } from './people.ts'
import {
  cancelBeside,
  codeBeside,
  insertAccount,
  insertMailToken,
  insertRegistration,
  insertWaitingMail,
  sessionsOf,
  type InsertedAccount,
} from './races-accounts.ts'
import { call, countDeadlocks, rounds } from './races-harness.ts'
import type { Call, RaceAnswer } from './races-processes.ts'

const SESSION_LIMIT = maximum.sessionsPerAccount

// --- The calls ---

const refresh = (session: string): Call => ({ target: 'refresh', method: 'POST', body: {}, session })
const logout = (session: string, everywhere = false): Call => ({
  target: 'logout',
  method: 'POST',
  body: { everywhere },
  session,
})
const endOne = (session: string, id: string): Call => ({
  target: `sessions?id=${id}`,
  method: 'DELETE',
  session,
})
const endOthers = (session: string): Call => ({ target: 'sessions?others=true', method: 'DELETE', session })
const login = (email: string, password: string, session?: string): Call => ({
  target: 'login',
  method: 'POST',
  body: { email, password },
  session,
})
const redeemReset = (token: string, password: string): Call => ({
  target: 'reset',
  method: 'PUT',
  body: { token, password },
})
const redeemCode = (email: string, code: string): Call => ({
  target: 'reset',
  method: 'PUT',
  body: { email, code, password: OTHER_PASSWORD },
})
const otherThan = (code: string) => `${(Number(code[0]) + 1) % 10}${code.slice(1)}`
const askReset = (email: string): Call => ({ target: 'reset', method: 'POST', body: { email } })
const verify = (token: string, registration?: string): Call => ({
  target: 'verify',
  method: 'PUT',
  body: { token },
  ...(registration !== undefined && { registration }),
})
const confirmEmail = (token: string, session: string): Call => ({ ...verify(token), session })
const changePassword = (session: string, newPassword: string): Call => ({
  target: 'account',
  method: 'PATCH',
  body: { currentPassword: PASSWORD, newPassword },
  session,
})
const changeEmail = (session: string, email: string): Call => ({
  target: 'account',
  method: 'PATCH',
  body: { email },
  session,
})
const deleteAccount = (session: string): Call => ({
  target: 'account',
  method: 'DELETE',
  session,
})

const times = (count: number, one: Call): Call[] => Array.from({ length: count }, () => ({ ...one }))
const newPasswords = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => `a new good password ${index}`)

// --- What is left afterwards ---

const sortedStatuses = (answers: RaceAnswer[]) => answers.map(({ status }) => status).toSorted()

async function liveSessions(account: InsertedAccount): Promise<string[]> {
  const rows = await query(
    'SELECT id FROM sessions WHERE user_id = $1 AND revoked_at IS NULL AND idle_expires_at > now()',
    account.id,
  )
  return rows.map(({ id }) => id)
}

/** Every token that anybody was given is refused. */
async function expectDead(tokens: (string | undefined)[]): Promise<void> {
  for (const token of new Set(tokens.filter((text) => text !== undefined && text !== ''))) {
    const answer = await call(refresh(token ?? ''))
    expect([answer.status, answer.code]).toEqual([401, 'session-ended'])
  }
}

async function expectAlive(token: string | undefined): Promise<void> {
  expect((await call(refresh(token ?? ''))).status).toBe(200)
}

async function expectPassword(email: string, password: string): Promise<void> {
  expect((await call(login(email, password))).status).toBe(200)
}

/** A refresh either got its token or was told that the session has ended; it never cleared a cookie by losing. */
function expectGotOrEnded(answers: RaceAnswer[]): void {
  for (const { status, code, session } of answers) {
    const cookie = session === undefined ? 'kept' : session === '' ? 'cleared' : 'new'
    expect(['200 undefined, cookie new', '401 session-ended, cookie kept']).toContain(
      `${status} ${code}, cookie ${cookie}`,
    )
  }
}

/** No race may look like theft. */
async function expectNoTheft(account: InsertedAccount): Promise<void> {
  expect(
    await query("SELECT id FROM sessions WHERE user_id = $1 AND revocation_reason = 'reuse'", account.id),
  ).toEqual([])
}

// --- The races ---

test.concurrent(
  'refresh and refresh: all get one and the same successor, and it works',
  rounds(async (meet) => {
    const account = await insertAccount(1)
    const [session] = sessionsOf(account)
    const answers = await meet(account, times(12, refresh(session.cookie)))
    expect(new Set(sortedStatuses(answers))).toEqual(new Set([200]))
    const [successor, ...others] = new Set(answers.map((answer) => answer.session))
    expect(others).toEqual([])
    expect(openRefreshToken(successor)?.counter).toBe(1)
    const [row] = await query('SELECT counter, revoked_at FROM sessions WHERE id = $1', session.id)
    expect(row).toEqual({ counter: '1', revoked_at: null })
    await expectAlive(successor)
  }),
)

test.concurrent(
  'refresh and logout: the session stays ended, and no refresh clears a cookie',
  rounds(async (meet) => {
    const account = await insertAccount(2)
    const [session, other] = sessionsOf(account)
    const [out, ...refreshed] = await meet(account, [
      logout(session.cookie),
      ...times(7, refresh(session.cookie)),
    ])
    expect([out?.status, out?.session]).toEqual([204, ''])
    expectGotOrEnded(refreshed)
    await expectNoTheft(account)
    expect(await liveSessions(account)).toEqual([other.id])
    await expectDead([session.cookie, ...refreshed.map((answer) => answer.session)])
    await expectAlive(other.cookie)
  }),
)

test.concurrent(
  'refresh and the end of that device: the device stays ended, the one that ended it lives',
  rounds(async (meet) => {
    const account = await insertAccount(2)
    const [session, other] = sessionsOf(account)
    // Only a recent sign-in may end another device.
    await query('UPDATE sessions SET authenticated_at = now() WHERE id = $1', other.id)
    const [ending, ...refreshed] = await meet(account, [
      endOne(other.cookie, session.id),
      ...times(6, refresh(session.cookie)),
      refresh(other.cookie),
    ])
    expect(ending?.status).toBe(204)
    expectGotOrEnded(refreshed)
    expect(await liveSessions(account)).toEqual([other.id])
    await expectDead([session.cookie, ...refreshed.slice(0, -1).map((answer) => answer.session)])
    await expectAlive(refreshed.at(-1)?.session)
  }),
)

test.concurrent(
  'refresh and reset: no session outlives the reset',
  rounds(async (meet) => {
    const account = await insertAccount(3)
    const token = await insertMailToken(account, 'reset')
    const [reset, ...refreshed] = await meet(account, [
      redeemReset(token, OTHER_PASSWORD),
      ...account.sessions.flatMap(({ cookie }) => times(3, refresh(cookie))),
    ])
    expect(reset?.status).toBe(200)
    expectGotOrEnded(refreshed)
    await expectNoTheft(account)
    expect(await liveSessions(account)).toEqual([])
    await expectDead([
      ...account.sessions.map(({ cookie }) => cookie),
      ...refreshed.map((answer) => answer.session),
    ])
    await expectPassword(account.email, OTHER_PASSWORD)
  }),
)

test.concurrent(
  'redeem and redeem: a registration is consumed once and makes one account',
  rounds(async (meet) => {
    const registration = await insertRegistration(newAddress(), PASSWORD)
    const answers = await meet(undefined, times(8, verify(registration.token, registration.cookie)))
    expect(sortedStatuses(answers)).toEqual([200, ...Array<number>(7).fill(410)])
    expect(
      await query('SELECT email FROM users WHERE email_normalized = $1', registration.email),
    ).toHaveLength(1)
    await expectPassword(registration.email, PASSWORD)
  }),
)

test.concurrent(
  'redeem and redeem: a reset link sets one password, and that is the one of the 200',
  rounds(async (meet) => {
    const account = await insertAccount(1)
    const token = await insertMailToken(account, 'reset')
    const passwords = newPasswords(6)
    const answers = await meet(
      account,
      passwords.map((password) => redeemReset(token, password)),
    )
    expect(sortedStatuses(answers)).toEqual([200, ...Array<number>(5).fill(410)])
    const winner = passwords[answers.findIndex(({ status }) => status === 200)] ?? ''
    await expectPassword(account.email, winner)
    expect(await liveSessions(account)).toHaveLength(1)
  }),
)

test.concurrent(
  'redeem and redeem: the code of a reset sets the password once',
  rounds(async (meet) => {
    const account = await insertAccount(1)
    const code = codeBeside('reset-mail', await insertMailToken(account, 'reset'))
    const answers = await meet(account, times(4, redeemCode(account.email, code)))
    const [won, ...lost] = answers.toSorted((one, other) => one.status - other.status)
    expect(won?.status).toBe(200)
    for (const answer of lost) expect(['token-already-used', 'code-invalid']).toContain(answer.code)
    expect(await liveSessions(account)).toEqual([])
    await expectPassword(account.email, OTHER_PASSWORD)
  }),
)

test.concurrent(
  'guess and guess: a code is tried five times and no more, however many guess at once',
  rounds(async (meet) => {
    const account = await insertAccount(1)
    const code = codeBeside('reset-mail', await insertMailToken(account, 'reset'))
    const guesses = await meet(account, times(8, redeemCode(account.email, otherThan(code))))
    expect(new Set(guesses.map((answer) => answer.code))).toEqual(new Set(['code-invalid']))
    const tries = await query('SELECT code_attempts FROM one_time_tokens WHERE user_id = $1', account.id)
    expect(tries).toEqual([{ code_attempts: 5 }])
    expect((await call(redeemCode(account.email, code))).code).toBe('code-invalid')
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
    const answers = await meet(undefined, calls)
    expect(sortedStatuses(answers)).toEqual([200, ...Array<number>(5).fill(410)])
    expect(await query('SELECT email FROM users WHERE email_normalized = $1', email)).toHaveLength(1)
    const won = answers.findIndex(({ status }) => status === 200)
    await expectPassword(email, won < 3 ? PASSWORD : OTHER_PASSWORD)
  }),
)

test.concurrent(
  'login and login at the limit of sessions: all get in, the oldest end, and there are never more than 50',
  rounds(async (meet) => {
    const account = await insertAccount(SESSION_LIMIT)
    const answers = await meet(account, times(5, login(account.email, PASSWORD)))
    expect(sortedStatuses(answers)).toEqual(Array<number>(5).fill(200))
    const live = new Set(await liveSessions(account))
    expect(live.size).toBe(SESSION_LIMIT)
    for (const { id } of account.sessions.slice(0, 5)) expect(live).not.toContain(id)
    for (const { session } of answers) await expectAlive(session)
  }),
)

test.concurrent(
  'login and reset: no session that was opened with the old password survives',
  rounds(async (meet) => {
    const account = await insertAccount(1)
    const token = await insertMailToken(account, 'reset')
    const [reset, ...logins] = await meet(account, [
      redeemReset(token, OTHER_PASSWORD),
      // Those that come after the reset are failures: a fifth one would make the next attempt wait.
      ...times(4, login(account.email, PASSWORD)),
    ])
    expect(reset?.status).toBe(200)
    for (const answer of logins) expect([200, 401]).toContain(answer.status)
    expect(await liveSessions(account)).toEqual([])
    await expectDead(logins.map((answer) => answer.session))
    await expectPassword(account.email, OTHER_PASSWORD)
  }),
)

test.concurrent(
  'change and change of one session: one wins, keeps its session, and its password is the one',
  rounds(async (meet) => {
    const account = await insertAccount(2)
    const [session] = sessionsOf(account)
    const passwords = newPasswords(4)
    const answers = await meet(
      account,
      passwords.map((password) => changePassword(session.cookie, password)),
    )
    expect(sortedStatuses(answers)).toEqual([200, 401, 401, 401])
    const won = answers.findIndex(({ status }) => status === 200)
    // The losers' cookie is the winner's by now: they must leave it alone.
    for (const answer of answers.filter(({ status }) => status !== 200))
      expect(answer.session).toBeUndefined()
    expect(await liveSessions(account)).toHaveLength(1)
    await expectAlive(answers[won]?.session)
    await expectPassword(account.email, passwords[won] ?? '')
  }),
)

test.concurrent(
  'change and change of several devices: one wins and is the only one signed in',
  rounds(async (meet) => {
    const account = await insertAccount(3)
    const passwords = newPasswords(3)
    const answers = await meet(
      account,
      account.sessions.map(({ cookie }, index) => changePassword(cookie, passwords[index] ?? '')),
    )
    expect(sortedStatuses(answers)).toEqual([200, 401, 401])
    const won = answers.findIndex(({ status }) => status === 200)
    expect(await liveSessions(account)).toHaveLength(1)
    await expectAlive(answers[won]?.session)
    await expectPassword(account.email, passwords[won] ?? '')
  }),
)

test.concurrent(
  'change and refresh of other devices: only the one that changed stays signed in',
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
    await expectDead(refreshed.map((answer) => answer.session))
    await expectAlive(changed?.session)
  }),
)

test.concurrent(
  'change and logout everywhere: neither waits for the other for ever, and nobody is left',
  rounds(async (meet) => {
    const account = await insertAccount(3)
    const [first, second, third] = sessionsOf(account)
    const [changed, out] = await meet(account, [
      changePassword(third.cookie, OTHER_PASSWORD),
      logout(first.cookie, true),
      logout(second.cookie),
    ])
    expect([200, 401]).toContain(changed?.status)
    expect(out?.status).toBe(204)
    // A logout that comes after the change finds its own session ended and has no say any more.
    expect(await liveSessions(account)).toHaveLength(changed?.status === 200 ? 1 : 0)
    await expectDead([first.cookie, second.cookie, third.cookie])
  }),
)

test.concurrent(
  'change and the end of all other devices: one device at most is left',
  rounds(async (meet) => {
    const account = await insertAccount(4)
    const [first, second, third] = sessionsOf(account)
    await query('UPDATE sessions SET authenticated_at = now() WHERE user_id = $1', account.id)
    const [changed, ...endings] = await meet(account, [
      changePassword(third.cookie, OTHER_PASSWORD),
      endOthers(first.cookie),
      endOthers(second.cookie),
    ])
    expect([200, 401]).toContain(changed?.status)
    for (const ending of endings) expect([204, 401]).toContain(ending.status)
    expect((await liveSessions(account)).length).toBeLessThanOrEqual(1)
  }),
)

test.concurrent(
  'logout everywhere, login and refresh: what was signed in before has ended',
  rounds(async (meet) => {
    const account = await insertAccount(6)
    const [first] = sessionsOf(account)
    const [out, another, ...refreshed] = await meet(account, [
      logout(first.cookie, true),
      login(account.email, PASSWORD, account.sessions[3]?.cookie),
      ...account.sessions.map(({ cookie }) => refresh(cookie)),
    ])
    expect([out?.status, another?.status]).toEqual([204, 200])
    expectGotOrEnded(refreshed)
    await expectDead([
      ...account.sessions.map(({ cookie }) => cookie),
      ...refreshed.map((answer) => answer.session),
    ])
    expect((await liveSessions(account)).length).toBeLessThanOrEqual(1)
  }),
)

test.concurrent(
  'delete and logout everywhere: neither waits for the other for ever, and nobody is left',
  rounds(async (meet) => {
    const account = await insertAccount(4)
    const [first, second, third] = sessionsOf(account)
    const [deleted, out] = await meet(account, [
      deleteAccount(third.cookie),
      logout(second.cookie, true),
      refresh(first.cookie),
    ])
    expect([204, 401]).toContain(deleted?.status)
    expect(out?.status).toBe(204)
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
    for (const answer of refreshed) expect([200, 401]).toContain(answer.status)
    await expectGone(account)
    await expectDead(refreshed.map((answer) => answer.session))
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
    for (const answer of logins) expect([200, 401]).toContain(answer.status)
    await expectGone(account)
    await expectDead(logins.map((answer) => answer.session))
  }),
)

test.concurrent(
  'delete and reset, asked for and redeemed: the account is gone or has the new password, whole',
  rounds(async (meet) => {
    const account = await insertAccount(1)
    const [first] = sessionsOf(account)
    const token = await insertMailToken(account, 'reset')
    const [deleted, reset, asked] = await meet(account, [
      deleteAccount(first.cookie),
      redeemReset(token, OTHER_PASSWORD),
      askReset(account.email),
    ])
    expect(asked?.status).toBe(202)
    // A newer link voids the older; a reset that comes first ends the session that would delete.
    expect([200, 410]).toContain(reset?.status)
    expect(deleted?.status).toBe(reset?.status === 200 ? 401 : 204)
    if (deleted?.status === 204) await expectGone(account)
    else await expectPassword(account.email, OTHER_PASSWORD)
  }),
)

test.concurrent(
  'delete and the first link asked for: the answer is the same 202, and no link is left to an account that is gone',
  rounds(async (meet) => {
    const account = await insertAccount(1)
    const [first] = sessionsOf(account)
    await insertWaitingMail(account)
    const [deleted, ...asked] = await meet(account, [
      deleteAccount(first.cookie),
      ...times(3, { ...askReset(account.email), setsOutLater: true }),
    ])
    expect(deleted?.status).toBe(204)
    expect(sortedStatuses(asked)).toEqual([202, 202, 202])
    await expectGone(account)
  }),
)

test.concurrent(
  'delete and the confirmation of a new address: the account is gone',
  rounds(async (meet) => {
    const account = await insertAccount(2)
    const [first, second] = sessionsOf(account)
    const token = await insertMailToken(account, 'email-change', newAddress())
    const [deleted, confirmed] = await meet(account, [
      deleteAccount(first.cookie),
      confirmEmail(token, second.cookie),
    ])
    expect(deleted?.status).toBe(204)
    expect([200, 410]).toContain(confirmed?.status)
    await expectGone(account)
  }),
)

test.concurrent(
  'reset and the confirmation of a new address: both or the first of them, each whole',
  rounds(async (meet) => {
    const account = await insertAccount(1)
    const [first] = sessionsOf(account)
    const newEmail = newAddress()
    const [resetToken, emailToken] = [
      await insertMailToken(account, 'reset'),
      await insertMailToken(account, 'email-change', newEmail),
    ]
    const [reset, confirmed] = await meet(account, [
      redeemReset(resetToken, OTHER_PASSWORD),
      confirmEmail(emailToken, first.cookie),
    ])
    expect([200, 410]).toContain(reset?.status)
    // A reset that comes first has ended the session that would prove the change.
    expect([200, 403]).toContain(confirmed?.status)
    expect([reset?.status, confirmed?.status]).toContain(200)
    await expectPassword(
      confirmed?.status === 200 ? newEmail : account.email,
      reset?.status === 200 ? OTHER_PASSWORD : PASSWORD,
    )
  }),
)

test.concurrent(
  'a new change of address and the confirmation of the one before: the address is a confirmed one',
  rounds(async (meet) => {
    const account = await insertAccount(2)
    const [first, second] = sessionsOf(account)
    const [newEmail, newerEmail] = [newAddress(), newAddress()]
    const token = await insertMailToken(account, 'email-change', newEmail)
    const [asked, ...confirmed] = await meet(account, [
      changeEmail(first.cookie, newerEmail),
      ...times(2, confirmEmail(token, second.cookie)),
    ])
    expect(asked?.status).toBe(200)
    for (const answer of confirmed) expect([200, 410]).toContain(answer.status)
    const won = confirmed.filter(({ status }) => status === 200)
    expect(won.length).toBeLessThanOrEqual(1)
    await expectPassword(won.length === 1 ? newEmail : account.email, PASSWORD)
  }),
)

test.concurrent(
  'two accounts that confirm one new address: one has it, the other one keeps its own',
  rounds(async (meet) => {
    const accounts = [await insertAccount(1), await insertAccount(1)]
    const newEmail = newAddress()
    const calls: Call[] = []
    for (const account of accounts) {
      const token = await insertMailToken(account, 'email-change', newEmail)
      calls.push(confirmEmail(token, sessionsOf(account)[0].cookie))
    }
    const registration = await insertRegistration(newEmail, PASSWORD)
    const answers = await meet(undefined, [...calls, verify(registration.token, registration.cookie)])
    expect(sortedStatuses(answers)).toEqual([200, 410, 410])
    expect(await query('SELECT id FROM users WHERE email_normalized = $1', newEmail)).toHaveLength(1)
  }),
)

test.concurrent(
  'cancel and confirm a change of address: one of them has it, and a new address is one that was confirmed',
  rounds(async (meet) => {
    const account = await insertAccount(1)
    const [first] = sessionsOf(account)
    const newEmail = newAddress()
    const token = await insertMailToken(account, 'email-change', newEmail)
    const [canceled, confirmed] = await meet(account, [
      { target: 'verify', method: 'PUT', body: { cancel: cancelBeside(token) } },
      confirmEmail(token, first.cookie),
    ])
    expect([canceled?.status, confirmed?.status].toSorted()).toEqual([200, 410])
    await expectPassword(confirmed?.status === 200 ? newEmail : account.email, PASSWORD)
  }),
)

test('no pair of calls has met in a deadlock', async () => {
  expect(await countDeadlocks()).toBe(0)
})

async function expectGone(account: InsertedAccount): Promise<void> {
  const left = await query(
    `SELECT 1 FROM users WHERE id = $1 UNION ALL SELECT 1 FROM sessions WHERE user_id = $1
     UNION ALL SELECT 1 FROM one_time_tokens WHERE user_id = $1`,
    account.id,
  )
  expect(left).toEqual([])
}
