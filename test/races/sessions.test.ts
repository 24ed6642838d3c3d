/** Races for a session: refreshing, reading, signing in and out. */
import { hash } from '@node-rs/argon2'
import { expect, test } from 'vitest'
import { maximum } from '../../lib/limits.ts'
import { needsRehash } from '../../lib/crypto/passwords.ts'
import { verifyRefreshToken, signRefreshToken } from '../../lib/crypto/refresh-token.ts'
import { ageSessions, query } from '../support/database.ts'
import { emailKindsTo, OTHER_PASSWORD, PASSWORD } from '../support/people.ts'
import {
  insertAccount,
  insertOneTimeToken,
  sessionsOf,
  type InsertedAccount,
  type InsertedSession,
} from './accounts.ts'
import {
  eventKinds,
  expectEnded,
  expectGotOrEnded,
  expectLive,
  expectNoReuse,
  expectPassword,
  listSessions,
  liveSessions,
  login,
  logout,
  readAccount,
  reauthenticate,
  refresh,
  reset,
  revokeOne,
  revokeOthers,
  SAFARI,
  sortedStatuses,
  times,
} from './calls.ts'
import { call, countDeadlocks, rounds } from './harness.ts'

const { recoveriesInARow, sessionsPerAccount } = maximum

interface Rotated {
  account: InsertedAccount
  session: InsertedSession
  /** The refresh tokens of the counter before and of the current one. */
  predecessor: string
  current: string
}

/** A session at counter 1, whose token nobody has presented since it was rotated, a minute and more ago. */
async function insertRotated(recovered = 0): Promise<Rotated> {
  const account = await insertAccount(1)
  const [session] = sessionsOf(account)
  await query('UPDATE sessions SET counter = 1, recovered_in_a_row = $2 WHERE id = $1', session.id, recovered)
  const current = signRefreshToken({ family: session.token.family, counter: 1 })
  return { account, session, predecessor: session.cookie, current }
}

async function rowOf(session: InsertedSession) {
  const [row] = await query(
    `SELECT counter::int AS counter, confirmed, recovered_in_a_row AS recovered, revocation_reason AS reason
     FROM sessions WHERE id = $1`,
    session.id,
  )
  return row
}

// --- Refreshing ---

test.concurrent(
  'refresh and refresh: all get one and the same successor, and it works',
  rounds(async (meet) => {
    const account = await insertAccount(1)
    const [session] = sessionsOf(account)
    const responses = await meet(account, times(12, refresh(session.cookie)))
    expect(new Set(sortedStatuses(responses))).toEqual(new Set([200]))
    const [successor, ...others] = new Set(responses.map((response) => response.session))
    expect(others).toEqual([])
    expect(verifyRefreshToken(successor)?.counter).toBe(1)
    expect(await rowOf(session)).toEqual({ counter: 1, confirmed: false, recovered: 0, reason: null })
    await expectLive(successor)
  }),
)

test.concurrent(
  'refresh and refresh of one token in two browsers: one gets the successor, the other nothing, nothing is revoked',
  rounds(async (meet) => {
    const account = await insertAccount(1)
    const [session] = sessionsOf(account)
    const [firefox, safari] = [refresh(session.cookie), { ...refresh(session.cookie), userAgent: SAFARI }]
    const responses = await meet(account, [...times(4, firefox), ...times(4, safari)])
    const seen = [responses.slice(0, 4), responses.slice(4)].map((half) => [
      ...new Set(
        half.map(({ status, code, session: cookie }) => `${status} ${code} ${cookie === undefined}`),
      ),
    ])
    expect(seen.toSorted()).toEqual([['200 undefined false'], ['401 refresh-required true']])
    expect(await rowOf(session)).toMatchObject({ counter: 1, reason: null })
    expect(await eventKinds(session.id)).toEqual(Array<string>(4).fill('refresh-refused'))
    expect(await emailKindsTo(account.email)).toEqual([])
  }),
)

test.concurrent(
  'recovery and recovery of one counter: all get the current token, and it counts once',
  rounds(async (meet) => {
    const { account, session, predecessor, current } = await insertRotated()
    const responses = await meet(account, times(8, refresh(predecessor)))
    expect(new Set(sortedStatuses(responses))).toEqual(new Set([200]))
    expect(new Set(responses.map((response) => response.session))).toEqual(new Set([current]))
    expect(await rowOf(session)).toEqual({ counter: 1, confirmed: false, recovered: 1, reason: null })
    expect(await eventKinds(session.id)).toEqual(['session-recovered'])
  }),
)

test.concurrent(
  'recovery and recovery when it is one too many: the session is revoked, with one event and one email',
  rounds(async (meet) => {
    const { account, session, predecessor, current } = await insertRotated(recoveriesInARow)
    const responses = await meet(account, times(8, refresh(predecessor)))
    expect(new Set(responses.map(({ code, session: cookie }) => `${code} ${cookie}`))).toEqual(
      new Set(['session-ended ']),
    )
    expect(await rowOf(session)).toMatchObject({ reason: 'reuse' })
    expect(await eventKinds(session.id)).toEqual(['refresh-token-reused'])
    expect(await emailKindsTo(account.email)).toEqual(['refresh-token-reused'])
    await expectEnded([current])
  }),
)

// --- Reading ---

test.concurrent(
  'reading and refresh: what reads with the predecessor is let in, and confirms nothing of its successor',
  rounds(async (meet) => {
    const { account, session, current } = await insertRotated()
    const responses = await meet(account, [
      ...times(3, refresh(current)),
      ...times(3, readAccount(current)),
      ...times(3, listSessions(current)),
    ])
    expect(new Set(sortedStatuses(responses))).toEqual(new Set([200]))
    expect(await rowOf(session)).toEqual({ counter: 2, confirmed: false, recovered: 0, reason: null })
    // So a response that was lost can still be recovered.
    await ageSessions(account.email, 60)
    const recovered = await call(refresh(current))
    expect([recovered.status, verifyRefreshToken(recovered.session)?.counter]).toEqual([200, 2])
  }),
)

test.concurrent(
  'reading with the current token and a recovery by its predecessor: the recovery comes first, or it is reuse',
  rounds(async (meet) => {
    const { account, session, predecessor, current } = await insertRotated()
    const [recovery, ...reads] = await meet(account, [
      refresh(predecessor),
      ...times(3, readAccount(current)),
    ])
    const cameFirst = recovery?.status === 200
    expect(await rowOf(session)).toEqual({
      counter: 1,
      confirmed: true,
      recovered: cameFirst ? 1 : 0,
      reason: cameFirst ? null : 'reuse',
    })
    expect(await eventKinds(session.id)).toEqual([cameFirst ? 'session-recovered' : 'refresh-token-reused'])
    expect(recovery?.session).toBe(cameFirst ? current : '')
    // Whoever reads after the reuse is signed out.
    const letIn = reads.filter(({ status }) => status === 200).length
    expect(letIn).toBeGreaterThanOrEqual(cameFirst ? reads.length : 1)
  }),
)

test.concurrent(
  'listing the sessions and logout: the list has the session that asks, or the response is 401',
  rounds(async (meet) => {
    const account = await insertAccount(2)
    const [session, other] = sessionsOf(account)
    const [out, everywhere, ...lists] = await meet(account, [
      logout(session.cookie),
      logout(other.cookie, true),
      ...times(4, listSessions(session.cookie)),
    ])
    expect([out?.status, everywhere?.status]).toEqual([204, 204])
    for (const { status, body } of lists) {
      const listed: string[] = (body.sessions ?? []).map(({ id }: { id: string }) => id)
      expect([200, 401]).toContain(status)
      expect(listed.includes(session.id)).toBe(status === 200)
    }
    expect(await liveSessions(account)).toEqual([])
  }),
)

// --- Signing out ---

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
    await expectNoReuse(account)
    expect(await liveSessions(account)).toEqual([other.id])
    await expectEnded([session.cookie, ...refreshed.map((response) => response.session)])
    await expectLive(other.cookie)
  }),
)

test.concurrent(
  'refresh and revoking that session: it stays ended, and the session that revoked it lives',
  rounds(async (meet) => {
    const account = await insertAccount(2)
    const [session, other] = sessionsOf(account)
    const [revoked, ...refreshed] = await meet(account, [
      revokeOne(other.cookie, session.id),
      ...times(6, refresh(session.cookie)),
      refresh(other.cookie),
    ])
    expect(revoked?.status).toBe(204)
    expectGotOrEnded(refreshed)
    expect(await liveSessions(account)).toEqual([other.id])
    await expectEnded([session.cookie, ...refreshed.slice(0, -1).map((response) => response.session)])
    await expectLive(refreshed.at(-1)?.session)
  }),
)

test.concurrent(
  'two sessions that revoke all others: one of them is left, and the other one came too late',
  rounds(async (meet) => {
    const account = await insertAccount(4)
    const [first, second] = sessionsOf(account)
    const responses = await meet(account, [revokeOthers(first.cookie), revokeOthers(second.cookie)])
    expect(sortedStatuses(responses)).toEqual([204, 401])
    const won = responses[0]?.status === 204 ? first : second
    expect(await liveSessions(account)).toEqual([won.id])
  }),
)

test.concurrent(
  'refresh and reset: no session outlives the reset',
  rounds(async (meet) => {
    const account = await insertAccount(3)
    const token = await insertOneTimeToken(account, 'reset')
    const [done, ...refreshed] = await meet(account, [
      reset(token, OTHER_PASSWORD),
      ...account.sessions.flatMap(({ cookie }) => times(3, refresh(cookie))),
    ])
    expect(done?.status).toBe(200)
    expectGotOrEnded(refreshed)
    await expectNoReuse(account)
    expect(await liveSessions(account)).toEqual([])
    await expectEnded([
      ...account.sessions.map(({ cookie }) => cookie),
      ...refreshed.map((response) => response.session),
    ])
    await expectPassword(account.email, OTHER_PASSWORD)
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
    await expectEnded([
      ...account.sessions.map(({ cookie }) => cookie),
      ...refreshed.map((response) => response.session),
    ])
    expect((await liveSessions(account)).length).toBeLessThanOrEqual(1)
  }),
)

// --- Signing in ---

test.concurrent(
  'reauthenticate and reauthenticate: one session takes the place of the one that was there, and keeps its expiry',
  rounds(async (meet) => {
    const account = await insertAccount(1)
    const [session] = sessionsOf(account)
    const expiry = 'SELECT absolute_expires_at FROM sessions WHERE id = $1'
    const before = await query(expiry, session.id)
    const responses = await meet(account, times(4, reauthenticate(account.email, session.cookie)))
    expect(sortedStatuses(responses)).toEqual([200, 401, 401, 401])
    // The losers' cookie is the winner's by now: they must leave it alone.
    const lost = responses.filter(({ status }) => status === 401)
    expect(new Set(lost.map(({ code, session: cookie }) => `${code} ${cookie}`))).toEqual(
      new Set(['unauthorized undefined']),
    )
    const [opened, ...others] = await liveSessions(account)
    expect(others).toEqual([])
    expect(await query(expiry, opened)).toEqual(before)
    expect(await rowOf(session)).toMatchObject({ reason: 'superseded' })
    await expectLive(responses.find(({ status }) => status === 200)?.session)
  }),
)

test.concurrent(
  'reauthenticate and logout: whoever signed out is signed out, unless the new session was there first',
  rounds(async (meet) => {
    const account = await insertAccount(1)
    const [session] = sessionsOf(account)
    const [again, out] = await meet(account, [
      reauthenticate(account.email, session.cookie),
      logout(session.cookie),
    ])
    expect(out?.status).toBe(204)
    const cameFirst = again?.status === 200
    expect(again?.code).toBe(cameFirst ? undefined : 'unauthorized')
    expect(await rowOf(session)).toMatchObject({ reason: cameFirst ? 'superseded' : 'logout' })
    expect(await liveSessions(account)).toHaveLength(cameFirst ? 1 : 0)
  }),
)

test.concurrent(
  'reauthenticate and refresh: the new session lives, and no refresh clears its cookie',
  rounds(async (meet) => {
    const account = await insertAccount(1)
    const [session] = sessionsOf(account)
    const [again, ...refreshed] = await meet(account, [
      reauthenticate(account.email, session.cookie),
      ...times(6, refresh(session.cookie)),
    ])
    expect(again?.status).toBe(200)
    expectGotOrEnded(refreshed)
    await expectNoReuse(account)
    expect(await liveSessions(account)).toHaveLength(1)
    await expectEnded(refreshed.map((response) => response.session))
    await expectLive(again?.session)
  }),
)

test.concurrent(
  'login and login: ten right passwords at once are ten sessions, the hash that is due is renewed, no failure is left',
  rounds(async (meet) => {
    const account = await insertAccount(0)
    const outdated = await hash(PASSWORD, { memoryCost: 8192, timeCost: 1, parallelism: 1 })
    await query('UPDATE users SET password_hash = $2 WHERE id = $1', account.id, outdated)
    const version = 'SELECT security_version FROM users WHERE id = $1'
    const before = await query(version, account.id)
    const responses = await meet(account, times(10, login(account.email, PASSWORD)))
    expect(sortedStatuses(responses)).toEqual(Array<number>(10).fill(200))
    expect(await liveSessions(account)).toHaveLength(10)
    const [{ password_hash: renewed }] = await query(
      'SELECT password_hash FROM users WHERE id = $1',
      account.id,
    )
    expect(needsRehash(renewed)).toBe(false)
    expect(await query(version, account.id)).toEqual(before)
    expect(await query('SELECT failures FROM login_attempts WHERE user_id = $1', account.id)).toEqual([])
    await expectPassword(account.email, PASSWORD)
  }),
)

test.concurrent(
  'login and login at the limit of sessions: all get in, the oldest are revoked, and there are never more than 50',
  rounds(async (meet) => {
    const account = await insertAccount(sessionsPerAccount)
    const responses = await meet(account, times(5, login(account.email, PASSWORD)))
    expect(sortedStatuses(responses)).toEqual(Array<number>(5).fill(200))
    const live = new Set(await liveSessions(account))
    expect(live.size).toBe(sessionsPerAccount)
    for (const { id } of account.sessions.slice(0, 5)) expect(live).not.toContain(id)
    for (const { session } of responses) await expectLive(session)
  }),
)

test.concurrent(
  "two accounts signing in, each in the browser of the other's session: both get in, and neither old session is left",
  rounds(async (meet) => {
    const [ada, bob] = [await insertAccount(1), await insertAccount(1)]
    const [adas] = sessionsOf(ada)
    const [bobs] = sessionsOf(bob)
    const responses = await meet(ada, [
      login(ada.email, PASSWORD, bobs.cookie),
      login(bob.email, PASSWORD, adas.cookie),
    ])
    expect(sortedStatuses(responses)).toEqual([200, 200])
    for (const session of [adas, bobs]) expect(await rowOf(session)).toMatchObject({ reason: 'superseded' })
    for (const { session } of responses) await expectLive(session)
  }),
)

test.concurrent(
  'login and reset: no session that was opened with the old password survives',
  rounds(async (meet) => {
    const account = await insertAccount(1)
    const token = await insertOneTimeToken(account, 'reset')
    const [done, ...logins] = await meet(account, [
      reset(token, OTHER_PASSWORD),
      ...times(6, login(account.email, PASSWORD)),
    ])
    expect(done?.status).toBe(200)
    for (const response of logins) expect([200, 401]).toContain(response.status)
    expect(await liveSessions(account)).toEqual([])
    await expectEnded(logins.map((response) => response.session))
    await expectPassword(account.email, OTHER_PASSWORD)
  }),
)

test('no two calls met in a deadlock', async () => {
  expect(await countDeadlocks()).toBe(0)
})
