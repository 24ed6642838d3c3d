/**
 * The races for one refresh token on a database whose transactions are serializable unless a role says otherwise, as
 * the role of the functions does (drizzle/runtime-role.sql): the engine is written for READ COMMITTED.
 */
import { Pool } from 'pg'
import { afterAll, expect, test, vi } from 'vitest'
import { verifyRefreshToken } from '../../lib/crypto/refresh-token.ts'
import { createRole, urlOf } from '../support/database-roles.ts'
import { query } from '../support/database.ts'
import { insertAccount, sessionsOf } from './accounts.ts'
import { liveSessions, logout, refresh, sortedStatuses, times } from './calls.ts'
import { countDeadlocks, rounds } from './harness.ts'
import { databaseUrl } from '../support/setup-stack.ts'

const AT_ONCE = 20

await createRole('latchkey_functions')
const databaseName = new URL(databaseUrl).pathname.slice(1)
await query(`ALTER DATABASE ${databaseName} SET default_transaction_isolation = 'serializable'`)
// The processes inherit it.
process.env['DATABASE_URL'] = urlOf('latchkey_functions')

const owner = new Pool({ connectionString: databaseUrl, max: AT_ONCE })
const functions = new Pool({ connectionString: urlOf('latchkey_functions'), max: 1 })
afterAll(() => Promise.all([owner.end(), functions.end()]))

test('the database is serializable, and the role of the functions is not', async () => {
  const isolations = await Promise.all(
    [owner, functions].map(async (pool) => (await pool.query('SHOW transaction_isolation')).rows[0]),
  )
  expect(isolations).toEqual([
    { transaction_isolation: 'serializable' },
    { transaction_isolation: 'read committed' },
  ])
})

test.concurrent(
  `refresh and refresh, ${AT_ONCE} at once: all get one and the same successor`,
  rounds(async (meet) => {
    const account = await insertAccount(1)
    const [session] = sessionsOf(account)
    const responses = await meet(account, times(AT_ONCE, refresh(session.cookie)))
    expect(new Set(sortedStatuses(responses))).toEqual(new Set([200]))
    const [successor, ...others] = new Set(responses.map((response) => response.session))
    expect(others).toEqual([])
    expect(verifyRefreshToken(successor)?.counter).toBe(1)
  }),
)

test.concurrent(
  'refresh and logout: the session stays ended',
  rounds(async (meet) => {
    const account = await insertAccount(1)
    const [session] = sessionsOf(account)
    const [out, ...refreshed] = await meet(account, [
      logout(session.cookie),
      ...times(7, refresh(session.cookie)),
    ])
    expect(out?.status).toBe(204)
    for (const { status } of refreshed) expect([200, 401]).toContain(status)
    expect(await liveSessions(account)).toEqual([])
  }),
)

test('without the setting of the role the same race is refused: it is the setting that does it', async () => {
  const account = await insertAccount(1)
  const [session] = sessionsOf(account)
  const [{ family_hash: family }] = await query('SELECT family_hash FROM sessions WHERE id = $1', session.id)
  const rotate = async () => {
    const statement = `SELECT latchkey.rotate_session($1, 0, '{"client": "Firefox on Linux"}')`
    try {
      await owner.query(statement, [family])
      return 'done'
    } catch (error) {
      return error instanceof Error && 'code' in error ? error.code : 'unknown'
    }
  }
  const holder = await owner.connect()
  await holder.query('BEGIN')
  await holder.query('SELECT FROM latchkey.sessions WHERE id = $1 FOR UPDATE', [session.id])
  const rotations = [rotate(), rotate()]
  const waiting =
    "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
  await vi.waitUntil(async () => (await query(waiting)).length === rotations.length)
  await holder.query('COMMIT')
  holder.release()
  expect((await Promise.all(rotations)).toSorted()).toEqual(['40001', 'done'])
})

test('no two calls met in a deadlock', async () => {
  expect(await countDeadlocks()).toBe(0)
})
