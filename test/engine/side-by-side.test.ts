/**
 * The functions of the deployment before on the schema of the one after, as between a migration and the switch, and after a
 * rollback. What comes next is made up here: it does all that a migration may do.
 */
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { migrate, MIGRATIONS } from '../../cli/database/migrate.ts'
import { newBrowser } from '../support/browser.ts'
import { ageSessions, query } from '../support/database.ts'
import { faultsOf } from './expand-only.ts'
import { serveThrough, startInstance, type Fleet } from '../support/instances.ts'
import { newAddress, newestEmailTo, OTHER_PASSWORD, PASSWORD, tokenIn } from '../support/people.ts'
import { databaseUrl } from '../support/setup-stack.ts'

/** One that touches the tables that requests lock together, in another order than they do. */
const nextMigration = (
  number: number,
) => `CREATE TABLE "latchkey"."passkeys_${number}" ("id" uuid PRIMARY KEY NOT NULL);
--> statement-breakpoint
ALTER TABLE "latchkey"."users" ADD COLUMN "nickname_${number}" text;--> statement-breakpoint
ALTER TABLE "latchkey"."sessions" ADD COLUMN "trust_${number}" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "latchkey"."outbox" ADD COLUMN "language_${number}" text;--> statement-breakpoint
CREATE INDEX IF NOT EXISTS "events_kind_${number}" ON "latchkey"."events" USING btree ("kind");`

const PEOPLE = 4
const MIGRATIONS_UNDER_LOAD = 5
const LOAD_TEST_MS = 120_000

const fleet: Fleet = { serving: [] }
let drizzle: string

beforeAll(async () => {
  drizzle = await mkdtemp(join(tmpdir(), 'latchkey-next-'))
  fleet.serving = [await startInstance(), await startInstance()]
  serveThrough(fleet)
})
afterAll(async () => {
  for (const instance of fleet.serving) await instance.stop()
  await rm(drizzle, { recursive: true, force: true })
})

/** The present migrations and one more. */
async function migrationsAnd(tag: string, sql: string): Promise<string> {
  const folder = join(drizzle, tag)
  await cp(MIGRATIONS, folder, { recursive: true })
  const journal = join(folder, 'meta', '_journal.json')
  const { entries, ...rest } = JSON.parse(await readFile(journal, 'utf8'))
  const more = { idx: entries.length, version: '7', when: Date.now(), tag, breakpoints: true }
  await writeFile(journal, JSON.stringify({ ...rest, entries: [...entries, more] }))
  await writeFile(join(folder, `${tag}.sql`), sql)
  return folder
}

interface Load {
  /** Resolves when everybody has come so many times further round. */
  rounds(count: number): Promise<void>
  /** Resolves to what was answered otherwise than it should be. */
  end(): Promise<string[]>
}

/** People who sign up, in, out and do all the rest, again and again. */
function startLoad(): Load {
  const surprises: string[] = []
  const turns = Array.from({ length: PEOPLE }, () => 0)
  const load = { ended: false }
  const people = turns.map(async (_, index) => {
    while (!load.ended) {
      await live(surprises)
      turns[index] = (turns[index] ?? 0) + 1
    }
  })
  const all = Promise.all(people)
  return {
    async rounds(count) {
      const goals = turns.map((turn) => turn + count)
      const reached = () => turns.every((turn, index) => turn >= (goals[index] ?? 0))
      await expect.poll(reached, { timeout: 60_000 }).toBe(true)
    },
    async end() {
      load.ended = true
      await all
      return surprises
    },
  }
}

async function live(surprises: string[]): Promise<void> {
  const [email, browser] = [newAddress(), newBrowser()]
  const step = async (wanted: number, ...request: Parameters<typeof browser.send>) => {
    const { status, body } = await browser.send(...request)
    if (status !== wanted) surprises.push(`${request[1]} ${request[0]}: ${status} ${body?.code}`)
  }
  const emailed = async () => tokenIn(await newestEmailTo(email))

  await step(202, 'register', 'POST', { email, password: PASSWORD })
  await step(200, 'verify', 'PUT', { token: await emailed() })
  await step(200, 'login', 'POST', { email, password: PASSWORD })
  await ageSessions(email, 60)
  await step(200, 'refresh', 'POST', {})
  await step(200, 'sessions', 'GET')
  await step(204, 'logout', 'POST', {})
  await step(202, 'reset', 'POST', { email })
  await step(200, 'reset', 'PUT', { token: await emailed(), password: OTHER_PASSWORD })
  await step(200, 'login', 'POST', { email, password: OTHER_PASSWORD })
  await step(204, 'account', 'DELETE')
}

test(
  'while a migration waits for a table that somebody holds, everyone is served',
  async () => {
    const folder = await migrationsAnd(
      '0100_waits',
      'ALTER TABLE "latchkey"."users" ADD COLUMN "waited_for" text;',
    )
    const holder = new Client({ connectionString: databaseUrl })
    await holder.connect()
    const load = startLoad()
    try {
      await load.rounds(1)
      await holder.query('BEGIN')
      await holder.query('SELECT FROM latchkey.users LIMIT 1')
      const attempt = migrate(databaseUrl, folder).catch(() => [])
      await expect.poll(waitingForATable, { timeout: 20_000 }).toBe(true)
      await load.rounds(1)
      await holder.query('COMMIT')
      // By the first one, if it has not given up by then.
      expect([...(await attempt), ...(await migrate(databaseUrl, folder))]).toEqual(['0100_waits'])
    } finally {
      await holder.end()
      expect(await load.end()).toEqual([])
    }
  },
  LOAD_TEST_MS,
)

async function waitingForATable(): Promise<boolean> {
  const [row] = await query(
    `SELECT count(*)::int AS waiting FROM pg_stat_activity
     WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE 'LOCK TABLE latchkey."users"%'`,
  )
  return row.waiting > 0
}

test(
  'functions of the deployment before serve everyone while the next migrations are applied, and after them',
  async () => {
    const load = startLoad()
    await load.rounds(1)
    for (let number = 0; number < MIGRATIONS_UNDER_LOAD; number += 1) {
      const sql = nextMigration(number)
      expect(faultsOf(sql)).toEqual([])
      const tag = `0101_next_${number}`
      expect(await migrate(databaseUrl, await migrationsAnd(tag, sql))).toEqual([tag])
    }
    await load.rounds(1)
    expect(await load.end()).toEqual([])
  },
  LOAD_TEST_MS,
)

test('an older checkout that is deployed again finds a newer schema, and leaves it as it is', async () => {
  await migrate(databaseUrl, await migrationsAnd('0102_newer', 'CREATE TABLE "latchkey"."newer" ("id" int);'))
  expect(await migrate(databaseUrl)).toEqual([])
  expect(await query("SELECT to_regclass('latchkey.newer') IS NOT NULL AS there")).toEqual([{ there: true }])
  const load = startLoad()
  await load.rounds(1)
  expect(await load.end()).toEqual([])
})

test('an index that a big table was given before, as docs/deploy.md says, is no work for the deploy', async () => {
  const page = await readFile('docs/deploy.md', 'utf8')
  const [, byHand = ''] = /--command '(CREATE INDEX CONCURRENTLY [^']+)'/.exec(page) ?? []
  const onColumn = byHand.replace('("example")', '("revoked_at")')
  await query(onColumn)
  const [before] = await query("SELECT 'sessions_example'::regclass::oid AS index")
  const inMigration = onColumn.replace('CONCURRENTLY ', '')
  expect(faultsOf(inMigration)).toEqual([])
  expect(await migrate(databaseUrl, await migrationsAnd('0103_index', inMigration))).toEqual(['0103_index'])
  expect(await query("SELECT 'sessions_example'::regclass::oid AS index")).toEqual([before])
})
