/** One call of the engine: the statement, the tries, and what a failure becomes. The transport is replaced. */
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { ServiceUnavailable } from '../unavailable.ts'
import { call } from './call.ts'
import { describeConnection, findSession, rotateSession } from './engine.ts'
import { ConnectionError, QueryError } from './errors.ts'
import { queryOverHttp } from './neon.ts'

vi.mock('./neon.ts', () => ({ queryOverHttp: vi.fn<typeof queryOverHttp>() }))

const transport = vi.mocked(queryOverHttp)
const NOBODY = { family_hash: null, counter: null, session_id: null }
const SIGNED_OUT = { kind: 'signed-out' }
const lost = () => new ConnectionError('ECONNRESET', true)
const refused = (code: string, severity = 'ERROR') => new QueryError({ code, severity, table: 'users' })

beforeEach(() => {
  transport.mockReset()
})

async function failureOf(calling: Promise<unknown>): Promise<Error> {
  return calling.then(
    () => Promise.reject(new Error('it was answered')),
    (error: unknown) => error as Error,
  )
}

test('one statement with named, cast parameters; bytes are a Buffer and jsonb is JSON', async () => {
  transport.mockResolvedValueOnce({ kind: 'limited', retryAfterSeconds: 1 })
  await call(rotateSession, {
    family_hash: Uint8Array.of(1, 2),
    presented: 3,
    request: { id: 'x', ip: null, client: 'y' },
  })
  expect(transport.mock.calls).toEqual([
    [
      'SELECT latchkey.rotate_session(p_family_hash => $1::bytea, p_presented => $2::bigint, p_request => $3::jsonb) AS result',
      [Buffer.of(1, 2), 3, '{"id":"x","ip":null,"client":"y"}'],
    ],
  ])
})

describe('tries', () => {
  test.each(['40001', '40P01'])('%s: twice more, and no more', async (code) => {
    transport.mockRejectedValueOnce(refused(code)).mockRejectedValueOnce(refused(code))
    transport.mockResolvedValueOnce(SIGNED_OUT)
    expect(await call(findSession, NOBODY)).toEqual(SIGNED_OUT)

    transport.mockReset().mockRejectedValue(refused(code))
    expect((await failureOf(call(findSession, NOBODY))).message).toBe(code)
    expect(transport).toHaveBeenCalledTimes(3)
  })

  test('lost: once more with `retry`, and not without', async () => {
    transport.mockRejectedValueOnce(lost()).mockResolvedValueOnce(SIGNED_OUT)
    expect(await call(findSession, NOBODY, { retry: true })).toEqual(SIGNED_OUT)

    transport.mockReset().mockRejectedValue(lost())
    await failureOf(call(findSession, NOBODY, { retry: true }))
    expect(transport).toHaveBeenCalledTimes(2)
    transport.mockClear()
    await failureOf(call(findSession, NOBODY))
    expect(transport).toHaveBeenCalledTimes(1)
  })

  test('refused or out of time: not again', async () => {
    transport.mockRejectedValue(new ConnectionError('TimeoutError', false))
    await failureOf(call(findSession, NOBODY, { retry: true }))
    expect(transport).toHaveBeenCalledTimes(1)
  })
})

describe('a failure', () => {
  test.each([
    ['08006', 'ERROR', '08006'],
    ['25006', 'ERROR', '25006'],
    ['28P01', 'FATAL', /^28P01: .*DATABASE_URL/],
    ['3D000', 'FATAL', /^3D000: .*DATABASE_URL/],
    ['42883', 'ERROR', /^42883: .*npm run migrate$/],
    ['53300', 'FATAL', '53300'],
    ['57P03', 'FATAL', '57P03'],
    // Supabase's pooler, for a tenant that it doesn't know.
    ['XX000', 'FATAL', 'XX000'],
    ['42501', 'FATAL', '42501'],
  ])('%s, %s: unavailable', async (code, severity, reason) => {
    transport.mockRejectedValueOnce(refused(code, severity))
    const error = await failureOf(call(describeConnection, {}))
    expect(error).toBeInstanceOf(ServiceUnavailable)
    expect(error.message).toMatch(typeof reason === 'string' ? new RegExp(`^${reason}$`) : reason)
  })

  test.each(['42501', '23505', '22P02', 'XX000', 'P0001'])('%s, ERROR: broken', async (code) => {
    transport.mockRejectedValueOnce(refused(code))
    const error = await failureOf(call(describeConnection, {}))
    expect(error).not.toBeInstanceOf(ServiceUnavailable)
    expect(error.message).toBe(`statement failed: SQLSTATE ${code} users`)
  })

  test.each([undefined, null, 'signed-out', {}, { kind: 'signed-in-somehow' }, { kind: 'toString' }])(
    'a result that this deployment does not know (%j): unavailable',
    async (result) => {
      transport.mockResolvedValueOnce(result)
      const error = await failureOf(call(findSession, NOBODY))
      expect(error).toBeInstanceOf(ServiceUnavailable)
      expect(error.message).toBe('find_session answered an unknown kind')
    },
  )
})
