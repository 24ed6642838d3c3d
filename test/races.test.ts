/**
 * Races across real processes: parallel requests over HTTP to several instances, as on Vercel. Each round begins with its
 * own account. `RACE_ROUNDS` says how many rounds of each race; `npm run test:races` runs many.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Pool, type PoolClient } from 'pg'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { openRefreshToken } from '../lib/refresh-token.ts'
import { query } from './database.ts'
import { newAddress, OTHER_PASSWORD, PASSWORD } from './people.ts'
import {
  codeBeside,
  insertAccount,
  insertMailToken,
  insertRegistration,
  insertWaitingMail,
  type InsertedAccount,
  type InsertedSession,
} from './races-accounts.ts'
import { startProcesses, type Call, type Processes, type RaceAnswer } from './races-processes.ts'
import { databaseUrl, inbox } from './setup-stack.ts'

const ROUNDS = Number(process.env['RACE_ROUNDS'] ?? 12)
const PROCESSES = 4
const RACES_AT_ONCE = 4
/** Some ten times what a round takes on two cores that have nothing else to do. */
const ROUND_DEADLINE_MS = 5_000
const SESSION_LIMIT = 50
const MAX_VIOLATIONS_TOLD = 5

let processes: Processes
const pool = new Pool({ connectionString: databaseUrl, max: RACES_AT_ONCE })

vi.setConfig({ maxConcurrency: RACES_AT_ONCE, testTimeout: 60_000 + ROUNDS * ROUND_DEADLINE_MS })
beforeAll(async () => {
  // The mails are not the point, and taking them would slow the rest down.
  inbox.fault = () => ({ kind: 'status', code: 500 })
  processes = await startProcesses(PROCESSES)
})
afterAll(async () => {
  await processes.stop()
  await pool.end()
})

/** A test's body that runs every round and tells each violation. Any answer of 5xx is one: a deadlock shows as a 503. */
function rounds(round: (meet: Meeting) => Promise<void>): () => Promise<void> {
  return async () => {
    const violations: string[] = []
    for (let number = 1; number <= ROUNDS && violations.length < MAX_VIOLATIONS_TOLD; number += 1) {
      try {
        await round(meeting(number))
      } catch (error) {
        violations.push(`round ${number}: ${error instanceof Error ? error.message : String(error)}`)
      }
    }
    expect(violations).toEqual([])
  }
}

// --- How the calls meet ---

/** About what a hash takes, so that a call with one meets a call without one. */
const HASH_MS = 40
const REQUEST_MS = 12

/** The rows that all calls wait for, then run at once; the calls of every fourth meeting just come as they come. */
const HELD_ROWS = [
  undefined,
  'SELECT FROM sessions WHERE user_id = $1 FOR UPDATE',
  'SELECT FROM users WHERE id = $1 FOR UPDATE',
  // The last rows that a deletion comes to: so that others meet it half way.
  'SELECT FROM outbox WHERE recipient = (SELECT email FROM users WHERE id = $1) FOR UPDATE',
]
const LONGEST_HOLD_MS = 500
const LOOK_EVERY_MS = 20

/** Sends calls so that they run at the same time; the answers are in the order of the calls. */
type Meeting = (account: InsertedAccount | undefined, calls: Call[]) => Promise<RaceAnswer[]>

function meeting(roundNumber: number): Meeting {
  return async (account, calls) => {
    const hashing = calls.some(({ body }) => body && JSON.stringify(body).includes('assword'))
    const send = async (call: Call) => {
      await sleep(Math.random() * (hashing ? HASH_MS : REQUEST_MS))
      return processes.call(call)
    }
    const held = HELD_ROWS[roundNumber % HELD_ROWS.length]
    if (account === undefined || held === undefined) return all(calls.map(send))
    return holding({ rows: held, accountId: account.id }, calls, send)
  }
}

interface Held {
  rows: string
  accountId: string
}

/** Holds rows until every call waits for one of them or has been answered. */
async function holding(
  { rows, accountId }: Held,
  calls: Call[],
  send: (call: Call) => Promise<RaceAnswer>,
): Promise<RaceAnswer[]> {
  const holder = await pool.connect()
  try {
    await holder.query('BEGIN')
    await holder.query(rows, [accountId])
    let answered = 0
    const count = () => void (answered += 1)
    const start = (call: Call) => {
      const answer = send(call)
      answer.then(count, count)
      return answer
    }
    const allStopped = async (started: number) => {
      const until = Date.now() + LONGEST_HOLD_MS
      while (Date.now() < until && answered + (await waitingFor(holder)) < started) await sleep(LOOK_EVERY_MS)
    }

    const sooner = calls.filter((call) => !call.setsOutLater)
    const answers = new Map(sooner.map((call) => [call, start(call)]))
    await allStopped(sooner.length)
    for (const call of calls) if (!answers.has(call)) answers.set(call, start(call))
    if (sooner.length < calls.length) await allStopped(calls.length)
    await holder.query('COMMIT')
    return await all(calls.flatMap((call) => answers.get(call) ?? []))
  } finally {
    holder.release()
  }
}

/** How many wait for this transaction, or for one that does. */
async function waitingFor(holder: PoolClient): Promise<number> {
  const { rows } = await holder.query(
    `WITH RECURSIVE waiting AS (SELECT pid, pg_blocking_pids(pid) AS blockers FROM pg_stat_activity
       WHERE wait_event_type = 'Lock' AND datname = current_database()),
     behind AS (SELECT pid FROM waiting WHERE pg_backend_pid() = ANY (blockers)
       UNION SELECT waiting.pid FROM waiting JOIN behind ON behind.pid = ANY (waiting.blockers))
     SELECT count(*)::int AS count FROM behind`,
  )
  return rows[0]?.count ?? 0
}

/** Waits for all of them, so that no round runs into the next one. */
async function all(calls: Promise<RaceAnswer>[]): Promise<RaceAnswer[]> {
  await Promise.allSettled(calls)
  return Promise.all(calls)
}

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
  body: { currentPassword: PASSWORD, email },
  session,
})
const deleteAccount = (session: string): Call => ({
  target: 'account',
  method: 'DELETE',
  body: { currentPassword: PASSWORD },
  session,
})

const times = (count: number, call: Call): Call[] => Array.from({ length: count }, () => ({ ...call }))
const newPasswords = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => `a new good password ${index}`)

// --- What is left afterwards ---

const sortedStatuses = (answers: RaceAnswer[]) => answers.map(({ status }) => status).toSorted()

async function liveSessions(account: InsertedAccount): Promise<string[]> {
  const rows = await query(
    'SELECT id FROM sessions WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > now()',
    account.id,
  )
  return rows.map(({ id }) => id)
}

/** Every token that anybody was given is refused. */
async function expectDead(tokens: (string | undefined)[]): Promise<void> {
  for (const token of new Set(tokens.filter((text) => text !== undefined && text !== ''))) {
    const answer = await processes.call(refresh(token ?? ''))
    expect([answer.status, answer.code]).toEqual([401, 'session-ended'])
  }
}

async function expectAlive(token: string | undefined): Promise<void> {
  expect((await processes.call(refresh(token ?? ''))).status).toBe(200)
}

async function expectPassword(email: string, password: string): Promise<void> {
  expect((await processes.call(login(email, password))).status).toBe(200)
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
    await query("SELECT id FROM sessions WHERE user_id = $1 AND revoked_because = 'theft'", account.id),
  ).toEqual([])
}

/** A destructured session that is there. */
function sessionsOf(account: InsertedAccount): [InsertedSession, InsertedSession, InsertedSession] {
  const [first, second = first, third = second] = account.sessions
  if (first === undefined || second === undefined || third === undefined)
    throw new Error('there is no session')
  return [first, second, third]
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
    expect(openRefreshToken(successor)?.generation).toBe(1)
    const [row] = await query('SELECT generation, revoked_at FROM sessions WHERE id = $1', session.id)
    expect(row).toEqual({ generation: '1', revoked_at: null })
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
  'redeem and redeem: a registration is spent once and makes one account',
  rounds(async (meet) => {
    const registration = await insertRegistration(newAddress(), PASSWORD)
    const answers = await meet(undefined, times(8, verify(registration.token, registration.cookie)))
    expect(sortedStatuses(answers)).toEqual([200, ...Array<number>(7).fill(410)])
    expect(await query('SELECT email FROM users WHERE email_key = $1', registration.email)).toHaveLength(1)
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
    for (const answer of lost) expect(['token-spent', 'code-invalid']).toContain(answer.code)
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
    const tries = await query('SELECT code_attempts FROM mail_tokens WHERE user_id = $1', account.id)
    expect(tries).toEqual([{ code_attempts: 5 }])
    expect((await processes.call(redeemCode(account.email, code))).code).toBe('code-invalid')
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
    expect(await query('SELECT email FROM users WHERE email_key = $1', email)).toHaveLength(1)
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
    expect(await query('SELECT id FROM users WHERE email_key = $1', newEmail)).toHaveLength(1)
  }),
)

async function expectGone(account: InsertedAccount): Promise<void> {
  const left = await query(
    `SELECT 1 FROM users WHERE id = $1 UNION ALL SELECT 1 FROM sessions WHERE user_id = $1
     UNION ALL SELECT 1 FROM mail_tokens WHERE user_id = $1`,
    account.id,
  )
  expect(left).toEqual([])
}
