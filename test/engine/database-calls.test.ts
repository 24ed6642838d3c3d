/** How the engine is called: what is tried again, what a refusal becomes, and what an answer must be. */
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { call } from '../../lib/db/call.ts'
import { describeConnection, findSession } from '../../lib/db/engine.ts'
import { ServiceUnavailable } from '../../lib/unavailable.ts'
import { newBrowser } from '../support/browser.ts'
import { query } from '../support/database.ts'
import { PASSWORD, verifiedPerson } from '../support/people.ts'
import { gateway } from '../support/setup-stack.ts'

let logged: string[] = []

beforeAll(() => query('CREATE SEQUENCE tries'))
beforeEach(async () => {
  logged = []
  vi.spyOn(console, 'error').mockImplementation((line: string) => void logged.push(line))
  await query('ALTER SEQUENCE tries RESTART')
  gateway.requests.length = 0
})
afterEach(() => {
  gateway.fault = undefined
  vi.restoreAllMocks()
})

/** Puts another body into a function of the engine, for as long as `work` goes on. */
async function withBody<T>(name: string, body: string, work: () => Promise<T>): Promise<T> {
  const [{ text }] = await query('SELECT pg_get_functiondef($1::regproc) AS text', `latchkey.${name}`)
  await query(text.replace(/AS \$(\w*)\$[^]*\$\1\$/, () => `AS $body$${body}$body$`))
  try {
    return await work()
  } finally {
    await query(text)
  }
}

async function reasonOf(calling: Promise<unknown>): Promise<string> {
  const error: unknown = await calling.then(
    () => 'answered',
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof ServiceUnavailable)) throw new Error(`not unavailable: ${String(error)}`)
  expect([error.code, error.retryAfterSeconds]).toEqual(['unavailable', 5])
  return error.message
}

const failing = (sqlState: string, times: number) => `BEGIN
  IF nextval('latchkey.tries') <= ${times} THEN RAISE EXCEPTION 'x' USING ERRCODE = '${sqlState}'; END IF;
  RETURN jsonb_build_object('kind', 'described', 'isolation', 'tried');
END`

describe('a call that meets another', () => {
  test.each(['40001', '40P01'])('%s is tried twice more, as nothing was written', async (sqlState) => {
    await withBody('describe_connection', failing(sqlState, 2), async () => {
      expect(await call(describeConnection, {})).toMatchObject({ isolation: 'tried' })
    })
    expect(gateway.requests).toHaveLength(3)
  })

  test('and then it is 503', async () => {
    await withBody('describe_connection', failing('40001', 9), async () => {
      expect(await reasonOf(call(describeConnection, {}))).toBe('40001')
    })
    expect(gateway.requests).toHaveLength(3)
  })
})

describe('a call that is lost', () => {
  const nobody = { family_hash: null, counter: null, session_id: null }

  test('is made once more where that does no harm, and only there', async () => {
    gateway.fault = ({ index }) => (index === 0 ? { kind: 'lose-request' } : undefined)
    expect(await call(findSession, nobody, { retry: true })).toEqual({ kind: 'signed-out' })
    gateway.requests.length = 0
    expect(await reasonOf(call(findSession, nobody))).toBe('ECONNRESET')
    expect(gateway.requests).toHaveLength(1)
  })
})

describe("what Neon's proxy says in front of Postgres, where it has no SQLSTATE", () => {
  test.each([
    [400, "password authentication failed for user 'neondb_owner'", /^refused: .*role or the password/],
    [
      400,
      'This IP address 203.0.113.7 is not allowed to connect to this endpoint.',
      /^refused: .*allow list/,
    ],
    [400, 'The endpoint has been disabled. Enable it using Neon API and retry.', /^refused: .*endpoint/],
    [
      400,
      'The requested endpoint could not be found, or you don’t have access to it.',
      /^refused: .*endpoint/,
    ],
    [500, 'Too many connections attempts', /^refused: .*limit/],
    [400, 'This address 203.0.113.7 comes from a blocked network.', /^refused: .*allow list/],
    [400, 'The requested endpoint cannot be found.', /^refused: .*endpoint/],
    [400, 'Something new of 203.0.113.7', /^Neon's proxy refused$/],
    [500, 'Control plane request failed', /^HTTP 500$/],
  ] as const)('%d %s: 503, and the log has our own word for it', async (status, message, reason) => {
    gateway.fault = () => ({ kind: 'proxy-refusal', status, message })
    const response = await newBrowser().send('login', 'POST', { email: 'a@example.org', password: PASSWORD })
    expect([response.status, response.body.code, response.headers.get('retry-after')]).toEqual([
      503,
      'unavailable',
      '5',
    ])
    const line = logged.map((text) => JSON.parse(text)).find(({ event }) => event === 'unavailable')
    expect(line.reason).toMatch(reason)
    expect(logged.join()).not.toMatch(/neondb_owner|203\.0\.113/)
  })
})

describe('a connection between the proxy and Postgres that closes', () => {
  test('is a lost call, which a read makes once more', async () => {
    gateway.fault = ({ index }) =>
      index === 0 ? { kind: 'proxy-refusal', status: 400, message: 'connection closed' } : undefined
    const nobody = { family_hash: null, counter: null, session_id: null }
    expect(await call(findSession, nobody, { retry: true })).toEqual({ kind: 'signed-out' })
    gateway.requests.length = 0
    expect(await reasonOf(call(findSession, nobody))).toBe('ECONNRESET')
  })
})

describe('an answer of a newer engine', () => {
  test('of a kind that is not known refuses, and signs nobody in', async () => {
    const { email } = await verifiedPerson()
    const newer = `BEGIN RETURN jsonb_build_object('kind', 'signed-in-somehow', 'session', '{}'::jsonb); END`
    await withBody('finish_login', newer, async () => {
      const response = await newBrowser().send('login', 'POST', { email, password: PASSWORD })
      expect([response.status, response.body.code, response.setCookies]).toEqual([503, 'unavailable', []])
    })
    expect(logged.join()).toContain('finish_login answered an unknown kind')
  })
})

describe('a database that has not been migrated', () => {
  test('is 503, and the log says what to do', async () => {
    await query('ALTER FUNCTION latchkey.find_session RENAME TO elsewhere')
    const reason = await reasonOf(call(findSession, { family_hash: null, counter: null, session_id: null }))
    await query('ALTER FUNCTION latchkey.elsewhere RENAME TO find_session')
    expect(reason).toMatch(/^42883: .*npm run migrate$/)
  })
})
