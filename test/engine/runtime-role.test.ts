/** The functions as their own role do everything that they do as the owner; an app as its own reads the audit log. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'pg'
import { afterAll, describe, expect, test } from 'vitest'
import { createRole, urlOf } from '../support/database-roles.ts'
import { query } from '../support/database.ts'
import { databaseUrl, gateway } from '../support/setup-stack.ts'

await createRole('latchkey_functions')
await createRole('latchkey_app')
process.env['DATABASE_URL'] = urlOf('latchkey_functions')

// After the variable is set: the environment is read once, when the first module asks for it.
const { maintenance, operations } = await import('../faults/operations.ts')

const clients: Client[] = []
afterAll(() => Promise.all(clients.map((client) => client.end())))

async function connected(url: string): Promise<Client> {
  // For the engine's private functions, which the owner calls here.
  const client = new Client({ connectionString: url, options: '-c search_path=latchkey' })
  clients.push(client)
  await client.connect()
  return client
}

describe('[ASVS 13.2.2] as the role of the functions', () => {
  test.each([...operations, maintenance].map((operation) => [operation.name, operation] as const))(
    '%s: works as it does for the owner',
    async (_, operation) => {
      const scene = await operation.prepare()
      const { status } = await scene.send({})
      expect(`${status}`).toBe(operation.response.split(' ')[0])
      await scene.expectWellEnded()
    },
  )

  test('it is that role that the functions connect as', async () => {
    const roles = await query(
      `SELECT DISTINCT usename FROM pg_stat_activity
       WHERE datname = current_database() AND query LIKE 'SELECT latchkey.%'`,
    )
    expect(roles).toEqual([{ usename: 'latchkey_functions' }])
    expect(gateway.requests.length).toBeGreaterThan(operations.length)
  })

  test.each(['serializable', 'repeatable read'])(
    'its transactions are READ COMMITTED where the database says %s',
    async (isolation) => {
      const name = new URL(databaseUrl).pathname.slice(1)
      await query(`ALTER DATABASE ${name} SET default_transaction_isolation = '${isolation}'`)
      const client = await connected(urlOf('latchkey_functions'))
      const { rows } = await client.query(`SELECT latchkey.describe_connection()->>'isolation' AS isolation`)
      await query(`ALTER DATABASE ${name} RESET default_transaction_isolation`)
      expect(rows).toEqual([{ isolation: 'read committed' }])
    },
  )
})

describe('[ASVS 16.4.2] read_events gives an app each event at least once, and misses none', () => {
  interface Page {
    events: { id: number; kind: string; created_at: number; detail: object | null }[]
    cursor: string | null
  }

  async function read(app: Client, cursor: string | null, limit = 100): Promise<Page> {
    const { rows } = await app.query('SELECT latchkey.read_events($1, $2) AS page', [cursor, limit])
    const { kind, ...page } = rows[0].page
    expect(kind).toBe('events')
    return page
  }

  /** From there to the end, with the cursor of the end. */
  async function readOn(app: Client, cursor: string | null, limit = 100) {
    const events: Page['events'] = []
    for (;;) {
      const page = await read(app, cursor, limit)
      if (page.events.length === 0) return { events, cursor }
      events.push(...page.events)
      cursor = page.cursor
    }
  }

  /** As an engine's function writes it. */
  const write = (owner: Client, mark: string) =>
    owner.query(`SELECT latchkey.write_event('email-failed', NULL, NULL, '{}', $1)`, [{ mark }])

  const marks = (events: Page['events']) =>
    events.flatMap(({ detail }) => (detail !== null && 'mark' in detail ? [String(detail.mark)] : []))

  /** Waits for transactions elsewhere on this server that began before. */
  async function expectRead(app: Client, cursor: string | null, wanted: string[]): Promise<string | null> {
    let last: Awaited<ReturnType<typeof readOn>> = { events: [], cursor }
    await expect
      .poll(
        async () => {
          last = await readOn(app, cursor)
          return marks(last.events)
        },
        { timeout: 20_000 },
      )
      .toEqual(wanted)
    return last.cursor
  }

  async function stage() {
    const [app, owner, other] = [
      await connected(urlOf('latchkey_app')),
      await connected(databaseUrl),
      await connected(databaseUrl),
    ]
    await write(owner, 'begin')
    let cursor: string | null = null
    await expect
      .poll(
        async () => {
          const page = await readOn(app, cursor)
          ;({ cursor } = page)
          return marks(page.events)
        },
        { timeout: 20_000 },
      )
      .toContain('begin')
    return { app, owner, other, cursor }
  }

  test('an event of a transaction that commits late is not skipped for one that began after it', async () => {
    const { app, owner, other, cursor } = await stage()
    await other.query('BEGIN')
    await write(other, 'began first')
    await write(owner, 'committed first')
    // Nothing of it yet: a cursor past it would miss the other one for good.
    expect(await read(app, cursor)).toEqual({ events: [], cursor })
    await other.query('COMMIT')
    const end = await expectRead(app, cursor, ['began first', 'committed first'])
    expect(await read(app, end)).toEqual({ events: [], cursor: end })
  })

  test('what is rolled back is never read, and holds nothing up afterwards', async () => {
    const { app, owner, other, cursor } = await stage()
    await other.query('BEGIN')
    await write(other, 'undone')
    await write(owner, 'kept')
    await other.query('ROLLBACK')
    await expectRead(app, cursor, ['kept'])
  })

  test('a transaction that only reads holds nothing up', async () => {
    const { app, owner, other, cursor } = await stage()
    await other.query('BEGIN ISOLATION LEVEL REPEATABLE READ')
    await other.query('SELECT count(*) FROM latchkey.events')
    await write(owner, 'not held up')
    await expectRead(app, cursor, ['not held up'])
    await other.query('COMMIT')
  })

  test('a cursor goes on where the page ended, within a transaction, too', async () => {
    const { app, owner, cursor } = await stage()
    const wanted = Array.from({ length: 10 }, (_, index) => `event ${index}`)
    await owner.query('BEGIN')
    for (const mark of wanted.slice(0, 7)) await write(owner, mark)
    await owner.query('COMMIT')
    for (const mark of wanted.slice(7)) await write(owner, mark)
    await expectRead(app, cursor, wanted)
    for (const limit of [1, 3, 10, 1000]) {
      const { events } = await readOn(app, cursor, limit)
      expect([limit, ...marks(events)]).toEqual([limit, ...wanted])
    }
    // The same cursor again: the same events again.
    expect(await read(app, cursor, 3)).toEqual(await read(app, cursor, 3))
  })

  test('a page has 1 to 1000 events, whatever is asked for', async () => {
    const { app, owner, cursor } = await stage()
    await owner.query(
      `SELECT latchkey.write_event('email-failed', NULL, NULL, '{}', '{"mark": "many"}')
       FROM generate_series(1, 1001)`,
    )
    await expect
      .poll(async () => (await read(app, cursor, 5000)).events.length, { timeout: 20_000 })
      .toBe(1000)
    for (const limit of [0, -1, null]) {
      expect((await read(app, cursor, limit as number)).events).toHaveLength(1)
    }
  })

  test('a reader that keeps asking while many write misses none and gets none twice', async () => {
    const { app, cursor } = await stage()
    const writers = await Promise.all(Array.from({ length: 6 }, () => connected(databaseUrl)))
    const written: string[] = []
    const load = { ended: false }
    const all = Promise.all(
      writers.map(async (writer, index) => {
        for (let round = 0; round < 15; round += 1) {
          const own = [`${index} ${round} a`, `${index} ${round} b`]
          await writer.query('BEGIN')
          await write(writer, own[0] ?? '')
          await sleep((index * 7 + round * 3) % 17)
          await write(writer, own[1] ?? '')
          await writer.query('COMMIT')
          written.push(...own)
        }
      }),
    ).finally(() => (load.ended = true))

    const got: string[] = []
    let at: string | null = cursor
    async function readMore(): Promise<number> {
      const page = await readOn(app, at, 7)
      got.push(...marks(page.events))
      at = page.cursor
      return got.length
    }
    while (!load.ended) await readMore()
    await all
    await expect.poll(readMore, { timeout: 20_000 }).toBeGreaterThanOrEqual(written.length)
    expect(got.toSorted()).toEqual(written.toSorted())
    expect(new Set(got).size).toBe(got.length)
  })

  test('after a restore into a server that counts transactions from the start, events can be read again', async () => {
    const { app, owner } = await stage()
    await write(owner, 'restored')
    await owner.query('UPDATE latchkey.events SET xid = (xid::text::bigint + 1000000000)::text::xid8')
    expect((await read(app, null)).events).toEqual([])
    await owner.query("UPDATE latchkey.events SET xid = '0'")
    await write(owner, 'new')
    await expect
      .poll(async () => marks((await readOn(app, null)).events).slice(-2))
      .toEqual(['restored', 'new'])
  })

  test('a text that is no cursor is refused', async () => {
    const { app } = await stage()
    for (const cursor of ['x', '1', '1:x', "1'; --"]) {
      await expect(read(app, cursor)).rejects.toMatchObject({ code: '22P02' })
    }
  })
})
