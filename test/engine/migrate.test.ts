import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { randomBytes } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Client } from 'pg'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { connectionTo, migrate, migrationUrl } from '../../cli/database/migrate.ts'
import { createRole } from '../support/database-roles.ts'

const PROGRAM = join(import.meta.dirname, '../../cli/database/migrate.ts')
const adminUrl = inject('postgresUrl')
const admin = new Client({ connectionString: adminUrl })
let directory: string

beforeAll(async () => {
  await admin.connect()
  directory = await mkdtemp(join(tmpdir(), 'latchkey-migrate-'))
})
afterAll(async () => {
  await admin.end()
  await rm(directory, { recursive: true, force: true })
})

async function emptyDatabase(): Promise<string> {
  const name = `migrate_${randomBytes(6).toString('hex')}`
  await admin.query(`CREATE DATABASE ${name}`)
  return new URL(`/${name}`, adminUrl).href
}

const nameOf = (url: string) => new URL(url).pathname.slice(1)

async function rowsOf(url: string, statement: string): Promise<unknown[]> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query({ text: statement, rowMode: 'array' })).rows.flat()
  } finally {
    await client.end()
  }
}

const OWN_RELATIONS = `SELECT relname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
  WHERE nspname NOT LIKE 'pg_%' AND nspname <> 'information_schema' ORDER BY relname`
const OWN_SCHEMAS = `SELECT nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg_%' AND nspname <> 'information_schema'`

/** A folder as `drizzle-kit generate` writes it. */
async function migrations(...files: string[]): Promise<string> {
  const folder = join(directory, randomBytes(6).toString('hex'), 'migrations')
  await mkdir(join(folder, 'meta'), { recursive: true })
  const entries = files.map((_, idx) => ({ idx, when: 1000 + idx, tag: `000${idx}_test`, breakpoints: true }))
  await writeFile(join(folder, 'meta', '_journal.json'), JSON.stringify({ entries }))
  for (const [index, sql] of files.entries()) await writeFile(join(folder, `000${index}_test.sql`), sql)
  return folder
}

function runProgram(url: string) {
  const env = { PATH: process.env['PATH'], DATABASE_URL_UNPOOLED: url }
  return promisify(execFile)(process.execPath, [PROGRAM], { env })
}

test('of two deploys that meet on an empty database one migrates, and both succeed', async () => {
  const url = await emptyDatabase()
  const outputs = await Promise.all([runProgram(url), runProgram(url), runProgram(url)])
  expect(outputs.map(({ stdout }) => stdout.split(':')[0]?.trim()).toSorted()).toEqual([
    'Migrated',
    'The database is up to date.',
    'The database is up to date.',
  ])
  expect(await rowsOf(url, OWN_RELATIONS)).toContain('sessions')
  const [inLedger] = await rowsOf(url, 'SELECT count(*)::int FROM latchkey.migrations')
  expect(inLedger).toBe(await migrate(await emptyDatabase()).then((names) => names.length))
})

test.each(['repeatable read', 'serializable'])(
  'two deploys that meet both succeed where the default isolation is %s',
  async (level) => {
    const url = await emptyDatabase()
    await rowsOf(url, `ALTER DATABASE ${nameOf(url)} SET default_transaction_isolation = '${level}'`)
    const applied = await Promise.all([migrate(url), migrate(url), migrate(url)])
    expect(applied.filter((names) => names.length > 0)).toHaveLength(1)
  },
)

test('a migration that fails halfway leaves nothing, and the next deploy starts over', async () => {
  const url = await emptyDatabase()
  const first =
    'CREATE TABLE latchkey.one (id int);--> statement-breakpoint\nINSERT INTO latchkey.one VALUES (1);'
  const second = 'CREATE TABLE latchkey.two (id int);'
  const folder = await migrations(first, `${second}--> statement-breakpoint\nCREATE TABEL x;`)
  await expect(migrate(url, folder)).rejects.toThrow(
    'Nothing was migrated. 0001_test, statement 2: syntax error at or near "TABEL" (SQLSTATE 42601).',
  )
  expect(await rowsOf(url, OWN_RELATIONS)).toEqual([])
  expect(await rowsOf(url, OWN_SCHEMAS)).toEqual(['public'])

  expect(await migrate(url, await migrations(first, second))).toEqual(['0000_test', '0001_test'])
  expect(await rowsOf(url, 'SELECT id FROM latchkey.one')).toEqual([1])
})

test('a migration that forgets the schema fails, and leaves an app table of that name alone', async () => {
  const url = await emptyDatabase()
  await rowsOf(url, 'CREATE TABLE users (id int)')
  const folder = await migrations('CREATE TABLE latchkey.users (id int)', 'ALTER TABLE users ADD note text')
  await expect(migrate(url, folder)).rejects.toThrow('relation "users" does not exist')
  const columns = `SELECT attname FROM pg_attribute WHERE attrelid = 'public.users'::regclass AND attnum > 0`
  expect(await rowsOf(url, columns)).toEqual(['id'])
  await expect(migrate(url, await migrations('CREATE TABLE stray (id int)'))).rejects.toThrow('3F000')
})

test('a migration is applied once, and a later one after it', async () => {
  const url = await emptyDatabase()
  const first = 'CREATE TABLE latchkey.one (id int)'
  expect(await migrate(url, await migrations(first))).toEqual(['0000_test'])
  expect(await migrate(url, await migrations(first))).toEqual([])
  const both = await migrations(first, 'INSERT INTO latchkey.one VALUES (1)')
  expect(await migrate(url, both)).toEqual(['0001_test'])
  expect(await rowsOf(url, 'SELECT id FROM latchkey.one')).toEqual([1])
})

test('a migration that was changed after it was applied is refused, and one with other line breaks is not', async () => {
  const url = await emptyDatabase()
  await migrate(url, await migrations('CREATE TABLE latchkey.one (id int);\nSELECT 1'))
  expect(await migrate(url, await migrations('CREATE TABLE latchkey.one (id int);\r\nSELECT 1'))).toEqual([])
  const changed = await migrations(
    'CREATE TABLE latchkey.one (id bigint)',
    'CREATE TABLE latchkey.two (id int)',
  )
  await expect(migrate(url, changed)).rejects.toThrow('0000_test.sql was changed after')
  expect(await rowsOf(url, OWN_RELATIONS)).toEqual(['migrations', 'migrations_pkey', 'one'])
})

test('a deploy that is killed in the middle of a migration leaves nothing and blocks nobody', async () => {
  const url = await emptyDatabase()
  const slow = 'CREATE TABLE latchkey.one (id int);--> statement-breakpoint\nSELECT pg_sleep(60);'
  const folder = await migrations(slow)
  const script = `import { migrate } from ${JSON.stringify(PROGRAM)}; await migrate(...process.argv.slice(1))`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, '--', url, folder])
  const asleep = `SELECT count(*)::int FROM pg_stat_activity
    WHERE query = E'\\nSELECT pg_sleep(60);' AND datname = current_database()`
  await expect.poll(() => rowsOf(url, asleep), { timeout: 20_000 }).toEqual([1])
  child.kill('SIGKILL')
  await once(child, 'exit')
  // Otherwise the server notices only after the sleep that its client is gone.
  await rowsOf(
    url,
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE datname = current_database() AND pid <> pg_backend_pid()`,
  )
  expect(await migrate(url, await migrations('CREATE TABLE latchkey.one (id int)'))).toEqual(['0000_test'])
})

test('a migration that finds a table in use gives way, and tries again', async () => {
  const url = await emptyDatabase()
  const first = 'CREATE TABLE latchkey.one (id int)'
  await migrate(url, await migrations(first))
  const reader = new Client({ connectionString: url })
  await reader.connect()
  const waiting = `SELECT count(*)::int FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE 'LOCK TABLE%'`
  try {
    await reader.query('BEGIN')
    await reader.query('SELECT * FROM latchkey.one')
    const migrated = migrate(url, await migrations(first, 'ALTER TABLE latchkey.one ADD two int'))
    migrated.catch(() => undefined)
    await expect.poll(() => rowsOf(url, waiting), { timeout: 5_000 }).toEqual([1])
    await expect.poll(() => rowsOf(url, waiting), { timeout: 5_000 }).toEqual([0])
    await reader.query('COMMIT')
    expect(await migrated).toEqual(['0001_test'])
  } finally {
    await reader.end()
  }
})

test('a partitioned table is locked before it is changed, like any other', async () => {
  const url = await emptyDatabase()
  const first = 'CREATE TABLE latchkey.parted (id int) PARTITION BY RANGE (id)'
  await migrate(url, await migrations(first))
  const reader = new Client({ connectionString: url })
  await reader.connect()
  const waiting = `SELECT count(*)::int FROM pg_stat_activity WHERE datname = current_database()
    AND wait_event_type = 'Lock' AND query LIKE 'LOCK TABLE latchkey."parted"%'`
  try {
    await reader.query('BEGIN')
    await reader.query('SELECT FROM latchkey.parted')
    const migrated = migrate(url, await migrations(first, 'ALTER TABLE "latchkey"."parted" ADD two int'))
    migrated.catch(() => undefined)
    await expect.poll(() => rowsOf(url, waiting), { timeout: 5_000 }).toEqual([1])
    await reader.query('COMMIT')
    expect(await migrated).toEqual(['0001_test'])
  } finally {
    await reader.end()
  }
})

test('replacing a function locks no table that its body names', async () => {
  const url = await emptyDatabase()
  const first = 'CREATE TABLE latchkey.one (id int)'
  await migrate(url, await migrations(first))
  const reader = new Client({ connectionString: url })
  await reader.connect()
  try {
    await reader.query('BEGIN')
    await reader.query('SELECT FROM latchkey.one')
    const replaced = `CREATE OR REPLACE FUNCTION latchkey.x() RETURNS void LANGUAGE plpgsql AS $$
      BEGIN EXECUTE 'ALTER TABLE latchkey.one ADD two int'; END $$`
    expect(await migrate(url, await migrations(first, replaced))).toEqual(['0001_test'])
  } finally {
    await reader.end()
  }
})

test('a request that has one table and comes for another is never ended because of a migration', async () => {
  const url = await emptyDatabase()
  const first =
    'CREATE TABLE latchkey.one (id int);--> statement-breakpoint\nCREATE TABLE latchkey.two (id int)'
  await migrate(url, await migrations(first))
  const request = new Client({ connectionString: url })
  await request.connect()
  const onItsWay = `SELECT count(*)::int FROM pg_stat_activity WHERE datname = current_database() AND state = 'active'
    AND (wait_event_type = 'Lock' AND query LIKE 'LOCK TABLE%' OR query LIKE '%SELECT pg_sleep(0.9)')`
  // Long enough that Postgres looks for a deadlock while the migration waits for the second one.
  const slow = [
    'ALTER TABLE latchkey.one ADD a int',
    'SELECT pg_sleep(0.9)',
    'ALTER TABLE latchkey.two ADD a int',
  ]
  try {
    await request.query('BEGIN')
    await request.query('SELECT FROM latchkey.two')
    const migrated = migrate(url, await migrations(first, slow.join('--> statement-breakpoint')))
    migrated.catch(() => undefined)
    await expect.poll(() => rowsOf(url, onItsWay), { timeout: 10_000 }).not.toEqual([0])
    await request.query('SELECT FROM latchkey.one')
    await request.query('COMMIT')
    expect(await migrated).toEqual(['0001_test'])
  } finally {
    await request.end()
  }
})

test('a migration that never gets its table says what to do, as docs/deploy.md quotes it', async () => {
  const url = await emptyDatabase()
  const first = 'CREATE TABLE latchkey.one (id int)'
  await migrate(url, await migrations(first))
  const reader = new Client({ connectionString: url })
  await reader.connect()
  try {
    await reader.query('BEGIN')
    await reader.query('SELECT * FROM latchkey.one')
    const message =
      'Nothing was migrated. locking one: one was in use for longer than 0.2 s, 10 times in a row; ' +
      'pg_stat_activity shows by whom. Deploy again when that has ended (SQLSTATE 55P03).'
    const folder = await migrations(first, 'ALTER TABLE latchkey.one ADD two int')
    await expect(migrate(url, folder)).rejects.toThrow(message)
    expect(await readFile('docs/deploy.md', 'utf8')).toContain(
      message.replace('locking one', 'locking users, sessions'),
    )
  } finally {
    await reader.end()
  }
})

test('a statement that takes longer than requests can wait is canceled, and leaves nothing', async () => {
  const url = await emptyDatabase()
  await expect(
    migrate(url, await migrations('CREATE TABLE latchkey.one (id int)', 'SELECT pg_sleep(60)')),
  ).rejects.toThrow(
    'Nothing was migrated. 0001_test, statement 1: it took longer than 4 s, and requests would have waited ' +
      'behind it. docs/deploy.md#big-tables says how a big table is changed (SQLSTATE 57014).',
  )
  expect(await rowsOf(url, OWN_RELATIONS)).toEqual([])
})

test('a new function comes with its grant, in a database whose owner granted the role before', async () => {
  const url = await emptyDatabase()
  const make = (name: string) =>
    `CREATE FUNCTION latchkey.${name}() RETURNS int LANGUAGE sql SECURITY DEFINER AS $$ SELECT 1 $$`
  const folder = await migrations(make('one'), make('two'))
  const mayCall = (name: string, role = 'latchkey_functions') =>
    rowsOf(url, `SELECT has_function_privilege('${role}', 'latchkey.${name}()', 'EXECUTE')`)
  const grants = await readFile('drizzle/runtime-role.sql', 'utf8')
  await writeFile(join(folder, '..', 'runtime-role.sql'), grants)
  const [journal, entries] = await journalOf(folder)
  await writeFile(journal, JSON.stringify({ entries: entries.slice(0, 1) }))
  await createRole('latchkey_functions')
  await migrate(url, folder)
  expect(await mayCall('one'), 'the role was not granted in this database').toEqual([false])
  expect(await mayCall('one', 'public')).toEqual([false])

  const owner = new Client({ connectionString: url })
  await owner.connect()
  await owner.query(grants)
  await owner.end()
  expect(await mayCall('one')).toEqual([true])
  await writeFile(journal, JSON.stringify({ entries }))
  expect(await migrate(url, folder)).toEqual(['0001_test'])
  expect(await mayCall('two')).toEqual([true])
  expect(await mayCall('two', 'public')).toEqual([false])
})

test('a deploy renews its grants while another one on the same server has not committed', async () => {
  await createRole('latchkey_functions')
  const grants = await readFile('drizzle/runtime-role.sql', 'utf8')
  const [url, other] = [await emptyDatabase(), await emptyDatabase()]
  for (const each of [url, other]) {
    await migrate(each)
  }
  const [here, elsewhere] = [new Client({ connectionString: url }), new Client({ connectionString: other })]
  await Promise.all([here.connect(), elsewhere.connect()])
  try {
    await elsewhere.query('BEGIN')
    await elsewhere.query(grants)
    await here.query(`SET lock_timeout = '1s'`)
    await expect(here.query(grants)).resolves.toBeDefined()
  } finally {
    await Promise.all([here.end(), elsewhere.end()])
  }
})

async function journalOf(folder: string): Promise<[path: string, entries: unknown[]]> {
  const path = join(folder, 'meta', '_journal.json')
  return [path, JSON.parse(await readFile(path, 'utf8')).entries]
}

test('no error names the address or the password', async () => {
  const PASSWORD = randomBytes(12).toString('hex')
  const unknownUser = new URL(adminUrl)
  Object.assign(unknownUser, { username: 'someone', password: PASSWORD })
  const urls = [
    unknownUser.href,
    `postgres://someone:${PASSWORD}@127.0.0.1:1/nowhere`,
    `postgres://someone:${PASSWORD}@no-such-host.invalid/nowhere?sslmode=require`,
    `postgres//someone:${PASSWORD}@host/database`,
  ]
  for (const url of urls) {
    const failure: unknown = await runProgram(url).catch((error: unknown) => error)
    const { stdout, stderr, code } = failure as { stdout: string; stderr: string; code: number }
    expect(code, url).toBe(1)
    expect(stderr.trim().split('\n'), url).toHaveLength(1)
    expect(stdout + stderr).not.toContain(PASSWORD)
    expect(stdout + stderr).not.toMatch(/postgres:|127\.0\.0\.1|no-such-host|someone/)
  }
})

test.each([
  '',
  '?sslmode=require',
  '?sslmode=no-verify',
  '?sslmode=disable',
  '?ssl=false',
  '?uselibpqcompat=true&sslmode=require',
])(
  '[ASVS 12.3.2] the certificate of a database elsewhere is verified, whatever its address says: %s',
  (query) => {
    const connection = connectionTo(`postgresql://u:p%40w@db.example.com/app${query}`)
    const made = new Client(connection)
    expect(made).toMatchObject({
      ssl: { rejectUnauthorized: true },
      host: 'db.example.com',
      password: 'p@w',
      database: 'app',
    })
    expect(connection.ssl).toEqual({ rejectUnauthorized: true })
  },
)

test('the direct address comes before the pooled one, and an empty variable counts as missing', () => {
  expect(migrationUrl({ DATABASE_URL: 'pooled', DATABASE_URL_UNPOOLED: 'direct' })).toBe('direct')
  expect(migrationUrl({ DATABASE_URL: 'pooled', DATABASE_URL_UNPOOLED: '' })).toBe('pooled')
  expect(() => migrationUrl({})).toThrow('DATABASE_URL is missing.')
})

test('it runs beside an app with tables of the same names, where the default schema is another', async () => {
  const url = await emptyDatabase()
  await rowsOf(url, 'CREATE SCHEMA app')
  await rowsOf(url, `ALTER DATABASE ${nameOf(url)} SET search_path = app`)
  for (const table of ['users', 'sessions', 'events', 'migrations']) {
    await rowsOf(url, `CREATE TABLE app.${table} (id int)`)
  }
  const names = await migrate(url)
  expect(names).toHaveLength(
    (await readdir('drizzle/migrations')).filter((file) => file.endsWith('.sql')).length,
  )
  expect(await migrate(url)).toEqual([])
  const schemas = `SELECT DISTINCT nspname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
    WHERE nspname NOT LIKE 'pg_%' AND nspname <> 'information_schema' ORDER BY 1`
  expect(await rowsOf(url, schemas)).toEqual(['app', 'latchkey'])
  expect(
    await rowsOf(
      url,
      'SELECT count(*)::int FROM pg_attribute WHERE attrelid = $$app.users$$::regclass AND attnum > 0',
    ),
  ).toEqual([1])
  const [response] = await rowsOf(
    url,
    `SELECT latchkey.register('a@example.org', 'a@example.org', 'hash', '{}')->>'kind'`,
  )
  expect(response).toBe('accepted')
})
