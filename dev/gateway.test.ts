import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { request as httpRequest } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { neon, neonConfig, NeonDbError } from '@neondatabase/serverless'
import { sql as rawSql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/neon-http'
import { integer, pgTable, text, timestamp } from 'drizzle-orm/pg-core'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { startGateway, type Gateway } from './gateway.ts'
import { startPostgres, type Postgres } from './postgres.ts'

let directory: string
let postgres: Postgres
let gateway: Gateway
let url: string

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'latchkey-gateway-'))
  postgres = await startPostgres({ directory: join(directory, 'postgres'), port: 0 })
  await postgres.createDatabase('gateway_test')
  url = postgres.databaseUrl('gateway_test')
  gateway = await startGateway({ port: 0 })
  neonConfig.fetchEndpoint = gateway.url
  await neon(
    url,
  )`CREATE TABLE things (id int PRIMARY KEY, name text NOT NULL, made_at timestamptz DEFAULT now())`
})
beforeEach(async () => {
  gateway.fault = undefined
  await neon(url)`TRUNCATE things`
  gateway.requests.length = 0
})
afterAll(async () => {
  await gateway.close()
  await postgres.discard()
  await rm(directory, { recursive: true, force: true })
})

const things = pgTable('things', {
  id: integer().primaryKey(),
  name: text().notNull(),
  madeAt: timestamp('made_at', { withTimezone: true }),
})

async function failureOf(promise: Promise<unknown>): Promise<NeonDbError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!(error instanceof NeonDbError)) throw new Error('no NeonDbError', { cause: error })
  return error
}

/** The driver sends a statement only when somebody waits for it. */
function started<Result>(statement: Promise<Result>): Promise<Result> {
  return statement.then((result) => result)
}

/** As the driver posts it, without the driver. */
async function post(body: string, headers: Record<string, string> = {}) {
  const response = await fetch(gateway.url, {
    method: 'POST',
    body,
    headers: { 'Neon-Connection-String': url, ...headers },
  })
  return { status: response.status, body: await response.text() }
}

describe('one statement', () => {
  it('comes back as the driver’s own types', async () => {
    const rows = await neon(url)`
      SELECT 1 AS int, 9007199254740993::int8 AS int8, true AS bool, null AS nothing, '{"a":[1]}'::jsonb AS json,
             '2026-01-02 03:04:05.678+00'::timestamptz AS at, '\\x00ff'::bytea AS bytes, ARRAY['a','b"c'] AS list,
             'ünï 🗝' AS text, ${'x'} || ${'y'} AS joined, ${[1, 2]}::int[] AS numbers`
    expect(rows).toEqual([
      {
        int: 1,
        int8: '9007199254740993',
        bool: true,
        nothing: null,
        json: { a: [1] },
        at: new Date('2026-01-02T03:04:05.678Z'),
        bytes: Buffer.from([0, 255]),
        list: ['a', 'b"c'],
        text: 'ünï 🗝',
        joined: 'xy',
        numbers: [1, 2],
      },
    ])
  })

  it('has every value as Postgres wrote it, and every field described', async () => {
    const query = `SELECT id, 12::int8 AS big, now() AS at, '\\x01'::bytea AS bytes, '{"a": 1}'::json AS json,
                          null::text AS nothing, '{1,NULL}'::int[] AS list, false AS bool
                   FROM things WHERE id = $1`
    await neon(url)`INSERT INTO things VALUES (7, 'seven')`
    const raw = { 'Neon-Raw-Text-Output': 'true', 'Neon-Array-Mode': 'true' }
    const response = await post(JSON.stringify({ query, params: ['7'] }), raw)
    const { rows, fields, ...rest } = JSON.parse(response.body)
    expect(rest).toEqual({ command: 'SELECT', rowCount: 1, rowAsArray: true })
    expect(rows).toEqual([
      [
        '7',
        '12',
        expect.stringMatching(/^\d{4}-\d\d-\d\d .*\+00$/),
        '\\x01',
        '{"a": 1}',
        null,
        '{1,NULL}',
        'f',
      ],
    ])
    expect(fields[0]).toEqual({
      name: 'id',
      tableID: expect.any(Number),
      columnID: 1,
      dataTypeID: 23,
      dataTypeSize: 4,
      dataTypeModifier: -1,
      format: 'text',
    })
    expect(fields[0].tableID).toBeGreaterThan(0)
    expect(fields.map((field: { dataTypeID: number }) => field.dataTypeID)).toEqual([
      23, 20, 1184, 17, 114, 25, 1007, 16,
    ])
  })

  it('has rows as objects of parsed values where neither is asked for', async () => {
    const response = await post(JSON.stringify({ query: 'SELECT 1 AS one, true AS yes' }))
    expect(JSON.parse(response.body)).toMatchObject({ rows: [{ one: 1, yes: true }], rowAsArray: false })
  })

  it('comes as arrays and full results when the driver is asked for them', async () => {
    const result = await neon(url, { arrayMode: true, fullResults: true })`SELECT 1 AS a, 2 AS a`
    expect(result).toMatchObject({ rows: [[1, 2]], rowCount: 1, command: 'SELECT', rowAsArray: true })
  })

  it('is one statement, as at Neon, also without parameters', async () => {
    const error = await failureOf(neon(url).query('SELECT 1; SELECT 2'))
    expect(error.code).toBe('42601')
  })

  it('is counted with its statement, database and size', async () => {
    await neon(url).query('SELECT $1::text', ['x'])
    expect(gateway.requests).toEqual([
      {
        database: 'gateway_test',
        statements: ['SELECT $1::text'],
        bytesIn: 42,
        bytesOut: expect.any(Number),
      },
    ])
    expect(gateway.requests[0]?.bytesOut).toBeGreaterThan(100)
  })

  it('keeps the count within bounds', async () => {
    const seen = { database: '', statements: [], bytesIn: 0, bytesOut: 0 }
    gateway.requests.push(...Array.from({ length: 10_000 }, () => seen))
    await neon(url)`SELECT 1`
    expect(gateway.requests).toHaveLength(10_000)
    expect(gateway.requests.at(-1)?.statements).toEqual(['SELECT 1'])
  })
})

describe('drizzle', () => {
  it('inserts, reads and returns through its neon-http driver', async () => {
    const database = drizzle(neon(url))
    const [made] = await database.insert(things).values({ id: 1, name: 'one' }).returning()
    expect(made?.madeAt).toBeInstanceOf(Date)
    expect(await database.select().from(things)).toEqual([made])
    expect((await database.execute(rawSql`SELECT count(*)::int AS count FROM things`)).rows).toEqual([
      { count: 1 },
    ])
  })

  it('runs a batch in one request and one transaction', async () => {
    const database = drizzle(neon(url))
    const [, rows] = await database.batch([
      database.insert(things).values({ id: 1, name: 'one' }),
      database.select({ name: things.name }).from(things),
    ])
    expect(rows).toEqual([{ name: 'one' }])
    expect(gateway.requests).toHaveLength(1)
    expect(gateway.requests[0]?.statements).toHaveLength(2)
  })
})

describe('a batch', () => {
  it('commits together', async () => {
    const sql = neon(url)
    const [, , count] = await sql.transaction([
      sql`INSERT INTO things VALUES (1, 'one')`,
      sql`INSERT INTO things VALUES (2, 'two')`,
      sql`SELECT count(*)::int AS count FROM things`,
    ])
    expect(count).toEqual([{ count: 2 }])
    expect(await sql`SELECT count(*)::int AS count FROM things`).toEqual([{ count: 2 }])
  })

  it('leaves nothing behind when one of its statements fails', async () => {
    const sql = neon(url)
    const batch = sql.transaction([
      sql`INSERT INTO things VALUES (1, 'one')`,
      sql`INSERT INTO things VALUES (1, 'again')`,
    ])
    expect((await failureOf(batch)).code).toBe('23505')
    expect(await sql`SELECT count(*)::int AS count FROM things`).toEqual([{ count: 0 }])
  })

  it.each([
    ['ReadUncommitted', 'read uncommitted'],
    ['ReadCommitted', 'read committed'],
    ['RepeatableRead', 'repeatable read'],
    ['Serializable', 'serializable'],
  ] as const)('runs at isolation level %s', async (isolationLevel, name) => {
    const sql = neon(url)
    const [rows] = await sql.transaction([sql`SHOW transaction_isolation`], { isolationLevel })
    expect(rows).toEqual([{ transaction_isolation: name }])
  })

  it('is read-only and deferrable when asked to be', async () => {
    const sql = neon(url)
    const settings = await sql.transaction(
      [sql`SHOW transaction_read_only`, sql`SHOW transaction_deferrable`],
      {
        isolationLevel: 'Serializable',
        readOnly: true,
        deferrable: true,
      },
    )
    expect(settings).toEqual([[{ transaction_read_only: 'on' }], [{ transaction_deferrable: 'on' }]])
    const write = sql.transaction([sql`INSERT INTO things VALUES (1, 'one')`], { readOnly: true })
    expect((await failureOf(write)).code).toBe('25006')
  })
})

describe('an error of Postgres', () => {
  it('keeps Postgres’s own fields', async () => {
    const sql = neon(url)
    await sql`INSERT INTO things VALUES (1, 'one')`
    expect(await failureOf(sql`INSERT INTO things VALUES (1, 'again')`)).toMatchObject({
      message: 'duplicate key value violates unique constraint "things_pkey"',
      severity: 'ERROR',
      code: '23505',
      detail: 'Key (id)=(1) already exists.',
      schema: 'public',
      table: 'things',
      constraint: 'things_pkey',
      routine: '_bt_check_unique',
    })
    expect(await failureOf(sql`SELECT nam FROM things`)).toMatchObject({ code: '42703', position: '8' })
    expect(await failureOf(sql`INSERT INTO things VALUES (2, null)`)).toMatchObject({
      code: '23502',
      column: 'name',
    })
  })

  it('leaves the connection fit for the next statement', async () => {
    const sql = neon(url)
    for (let attempt = 0; attempt < 30; attempt++) await failureOf(sql`SELECT 1 / 0`)
    expect(await sql`SELECT 1 AS one`).toEqual([{ one: 1 }])
  })

  it('names a database that does not exist', async () => {
    const error = await failureOf(neon(postgres.databaseUrl('absent'))`SELECT 1`)
    expect(error.code).toBe('3D000')
  })
})

describe('statements', () => {
  it('run in parallel and wait for each other’s locks', async () => {
    const sql = neon(url)
    await sql`INSERT INTO things VALUES (1, '0')`
    const start = performance.now()
    const slow = started(sql`WITH held AS MATERIALIZED (SELECT id FROM things WHERE id = 1 FOR UPDATE),
      slept AS MATERIALIZED (SELECT pg_sleep(0.5) FROM held)
      UPDATE things SET name = name || 'a' FROM slept WHERE id = 1`)
    await waitUntil(
      async () => (await sql`SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'`).length > 0,
    )
    const waiting = started(sql`UPDATE things SET name = name || 'b' WHERE id = 1 RETURNING name`)
    const free = sql`SELECT 1 AS one`.then(() => performance.now() - start)
    expect(await free).toBeLessThan(400)
    expect(await waiting).toEqual([{ name: '0ab' }])
    expect(performance.now() - start).toBeGreaterThanOrEqual(500)
    await slow
  })

  it('of a caller who no longer waits are cancelled', async () => {
    const sql = neon(url)
    const abandoned = sql.query('SELECT pg_sleep(30)', [], {
      fetchOptions: { signal: AbortSignal.timeout(100) },
    })
    expect((await failureOf(abandoned)).sourceError?.name).toBe('TimeoutError')
    const asleep = () => sql`SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'`
    await waitUntil(async () => (await asleep()).length === 0)
  })
})

async function waitUntil(isSo: () => Promise<boolean>): Promise<void> {
  await expect.poll(isSo, { interval: 20, timeout: 5_000 }).toBe(true)
}

describe('a fault', () => {
  const insert = () => neon(url)`INSERT INTO things VALUES (1, 'one')`
  const count = async () => {
    gateway.fault = undefined
    return neon(url)`SELECT count(*)::int AS count FROM things`
  }

  it.each(['refuse', 'lose-request'] as const)('%s runs nothing and cuts the connection', async (kind) => {
    gateway.fault = () => ({ kind })
    expect((await failureOf(insert())).sourceError).toBeInstanceOf(TypeError)
    expect(gateway.requests).toHaveLength(1)
    expect(await count()).toEqual([{ count: 0 }])
  })

  it('lose-answer commits and cuts the connection', async () => {
    gateway.fault = () => ({ kind: 'lose-answer' })
    expect((await failureOf(insert())).sourceError).toBeInstanceOf(TypeError)
    expect(await count()).toEqual([{ count: 1 }])
  })

  it('delay runs at once and answers later', async () => {
    gateway.fault = ({ index }) => (index === 0 ? { kind: 'delay', milliseconds: 300 } : undefined)
    const start = performance.now()
    const inserted = started(insert())
    await waitUntil(async () => (await neon(url)`SELECT 1 FROM things`).length === 1)
    expect(performance.now() - start).toBeLessThan(250)
    await inserted
    expect(performance.now() - start).toBeGreaterThanOrEqual(295)
  })

  it('delay-request runs later', async () => {
    gateway.fault = ({ statements }) =>
      statements[0]?.startsWith('INSERT') ? { kind: 'delay-request', milliseconds: 300 } : undefined
    const inserted = started(insert())
    expect(await neon(url)`SELECT pg_sleep(0.1), (SELECT count(*)::int FROM things) AS count`).toMatchObject([
      { count: 0 },
    ])
    await inserted
    expect(await count()).toEqual([{ count: 1 }])
  })

  it('garbage is an answer nobody can read', async () => {
    gateway.fault = () => ({ kind: 'garbage' })
    await expect(insert()).rejects.toThrow(SyntaxError)
    expect(await count()).toEqual([{ count: 0 }])
  })

  it('status answers that status and runs nothing', async () => {
    gateway.fault = () => ({ kind: 'status', code: 503 })
    expect((await failureOf(insert())).message).toMatch('HTTP status 503')
    expect(await count()).toEqual([{ count: 0 }])
  })

  it('hang never answers', async () => {
    gateway.fault = () => ({ kind: 'hang' })
    const options = { fetchOptions: { signal: AbortSignal.timeout(200) } }
    const error = await failureOf(neon(url, options)`INSERT INTO things VALUES (1, 'one')`)
    expect(error.sourceError?.name).toBe('TimeoutError')
    expect(await count()).toEqual([{ count: 0 }])
  })
})

describe('the door', () => {
  it('is closed to hosts that are not this machine', async () => {
    for (const host of ['example.com', '10.0.0.1', '127.0.0.1.example.com']) {
      const response = await post('{"query":"SELECT 1"}', {
        'Neon-Connection-String': `postgres://a:b@${host}/c`,
      })
      expect(response).toMatchObject({ status: 400, body: expect.stringContaining('loopback') })
    }
    const smuggled = { 'Neon-Connection-String': `${url}?host=example.com&port=1` }
    expect(await post('{"query":"SELECT 1"}', smuggled)).toMatchObject({ status: 200 })
  })

  it('is closed to pages in a browser', async () => {
    expect(await post('{"query":"SELECT 1"}', { origin: 'http://localhost:3000' })).toMatchObject({
      status: 403,
    })
  })

  it('answers what it cannot read with 400', async () => {
    for (const body of [
      '',
      '{',
      '[]',
      'null',
      '{"query":1}',
      '{"queries":[1]}',
      '{"query":"x","params":{}}',
    ]) {
      expect(await post(body)).toMatchObject({ status: 400 })
    }
    expect(await post('{"query":"SELECT 1"}', { 'Neon-Connection-String': 'x' })).toMatchObject({
      status: 400,
    })
    const level = { 'Neon-Batch-Isolation-Level': 'Chaos' }
    expect(await post('{"queries":[{"query":"SELECT 1"}]}', level)).toMatchObject({ status: 400 })
  })

  it('survives a caller who leaves in the middle of a request', async () => {
    const request = httpRequest(gateway.url, { method: 'POST', headers: { 'content-length': '1000' } })
    request.on('error', () => undefined)
    request.write('{"query"')
    await once(request, 'socket')
    request.destroy()
    expect(await neon(url)`SELECT 1 AS one`).toEqual([{ one: 1 }])
  })
})

describe('Postgres killed', () => {
  it('closes the connection of the request in flight, is 5xx to later ones, and all is there again after its restart', async () => {
    const sql = neon(url)
    await sql`INSERT INTO things VALUES (1, 'kept')`
    const inFlight = failureOf(sql`SELECT pg_sleep(30)`)
    await waitUntil(
      async () => (await sql`SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'`).length > 0,
    )
    await postgres.kill()
    expect((await inFlight).message).toMatch(/connection closed|terminating connection/)
    expect((await failureOf(sql`SELECT 1`)).message).toMatch(/HTTP status 5/)

    const port = Number(new URL(url).port)
    postgres = await startPostgres({ directory: join(directory, 'postgres'), port })
    expect(await sql`SELECT name FROM things`).toEqual([{ name: 'kept' }])
  })
})

describe('closing', () => {
  it('cuts off what still runs', async () => {
    const other = await startGateway({ port: 0 })
    const running = fetch(other.url, {
      method: 'POST',
      body: '{"query":"SELECT pg_sleep(30)"}',
      headers: { 'Neon-Connection-String': url },
    }).catch((error: unknown) => error)
    const asleep = () => neon(url)`SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'`
    await waitUntil(async () => (await asleep()).length > 0)
    await other.close()
    expect(await running).toBeInstanceOf(TypeError)
    expect(await asleep()).toEqual([])
  })
})
