/**
 * `npm run migrate`, also a step of a deploy: brings the database's schema up to drizzle/migrations. Everything happens
 * in one transaction under one lock: of two deploys that meet one waits for the other, and a migration that fails half
 * way leaves nothing. The lock ends with the transaction, so PgBouncer may stand in between.
 *
 * The functions of the deployment before go on answering meanwhile, and they wait 5 s for the database. So a migration waits
 * for a table, and holds one up, for less than that; when it comes too late it gives way and tries again. All of its tables
 * it takes at once, before anything else: a request that has one of them and wants another would be in a deadlock with a
 * migration that has the other and comes for this one, and Postgres, after 1 s, would end the request.
 */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Client, DatabaseError, type ClientConfig } from 'pg'

export const MIGRATIONS = join(import.meta.dirname, '..', 'drizzle', 'migrations')

const CONNECT_TIMEOUT_MS = 20_000
/** Whoever comes after a change that waits for a table waits behind it. */
const TABLE_LOCK_TIMEOUT_MS = 200
/** While a statement runs, its table takes no writes or nothing at all. */
const STATEMENT_TIMEOUT_MS = 4_000
/** Long enough for those who queued to get through. */
const PAUSE_MS = 1_000
const TRIES = 10
const LOCK_NOT_AVAILABLE = '55P03'
const DEADLOCK_DETECTED = '40P01'
const QUERY_CANCELED = '57014'
/** Any number, but always the same one. */
const LOCK = 7_305_418_266

/** Where drizzle's own tools look for what has been applied. */
export const LEDGER = 'drizzle.__drizzle_migrations'
/** The role of drizzle/runtime-role.sql. */
const RUNTIME_ROLE = 'latchkey_functions'

interface Migration {
  name: string
  /** When it was generated, by which the ledger knows it. */
  when: number
  hash: string
  statements: string[]
}

/** Resolves to the names of the migrations that it applied. Its errors name no part of the address. */
export async function migrate(databaseUrl: string, directory = MIGRATIONS): Promise<string[]> {
  const migrations = await readMigrations(directory)
  const client = new Client(connectionTo(databaseUrl))
  // A connection that breaks also fails the statement that waits for it.
  client.on('error', () => {})
  try {
    await client.connect().catch((error: unknown) => {
      // A refusal names the user, a failure the host: its code says enough.
      const reason = error instanceof DatabaseError ? `SQLSTATE ${error.code}` : reasonOf(error)
      throw new Error(`The database could not be reached: ${reason}.`, { cause: error })
    })
    const grants = await readFile(join(directory, '..', 'runtime-role.sql'), 'utf8').catch(() => undefined)
    return await untilThereIsRoom(() => applyAll(client, migrations, grants))
  } finally {
    await client.end().catch(() => undefined)
  }
}

async function untilThereIsRoom(apply: () => Promise<string[]>): Promise<string[]> {
  for (let tried = 1; ; tried += 1) {
    try {
      return await apply()
    } catch (error) {
      if (!isTooLate(error) || tried === TRIES) throw error
      await sleep(PAUSE_MS)
    }
  }
}

/** A table was in use for too long; the next try may find it free. */
function isTooLate(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined
  return (
    cause instanceof DatabaseError && (cause.code === LOCK_NOT_AVAILABLE || cause.code === DEADLOCK_DETECTED)
  )
}

async function applyAll(
  client: Client,
  migrations: Migration[],
  grants: string | undefined,
): Promise<string[]> {
  let step = 'BEGIN'
  try {
    await client.query('BEGIN')
    step = 'waiting for another migration'
    await client.query('SELECT pg_advisory_xact_lock($1)', [LOCK])
    await client.query(`SET LOCAL lock_timeout = ${TABLE_LOCK_TIMEOUT_MS}`)
    await client.query(`SET LOCAL statement_timeout = ${STATEMENT_TIMEOUT_MS}`)
    step = 'reading what was applied'
    const waiting = await notYetApplied(client, migrations)
    const tables = await changedTables(client, waiting)
    if (tables.length > 0) {
      step = `locking ${tables.map(({ table }) => table).join(', ')}`
      await client.query(tables.map(({ table, mode }) => `LOCK TABLE "${table}" IN ${mode} MODE`).join(';'))
    }
    for (const { name, when, hash, statements } of waiting) {
      for (const [index, statement] of statements.entries()) {
        step = `${name}, statement ${index + 1}`
        await client.query(statement)
      }
      await client.query(`INSERT INTO ${LEDGER} (hash, created_at) VALUES ($1, $2)`, [hash, when])
    }
    if (waiting.length > 0 && grants !== undefined && (await servesRuntimeRole(client))) {
      step = 'drizzle/runtime-role.sql'
      await client.query(grants)
    }
    step = 'COMMIT'
    await client.query('COMMIT')
    return waiting.map(({ name }) => name)
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined)
    throw new Error(`Nothing was migrated. ${step}: ${reasonOf(error)}.`, { cause: error })
  }
}

/** What a statement will lock, the strongest first. */
const TABLE_LOCKS = [
  {
    mode: 'ACCESS EXCLUSIVE',
    pattern: /\b(?:ALTER|DROP) TABLE (?:IF EXISTS )?(?:ONLY )?(?:"?public"?\.)?"?(\w+)/gi,
  },
  { mode: 'SHARE ROW EXCLUSIVE', pattern: /\bREFERENCES (?:"?public"?\.)?"?(\w+)/gi },
  { mode: 'SHARE', pattern: /\bCREATE (?:UNIQUE )?INDEX [^;]*? ON (?:ONLY )?(?:"?public"?\.)?"?(\w+)/gi },
]

interface TableLock {
  table: string
  mode: string
}

/** Tables that are there already, each once, with the strongest lock that it will need. */
async function changedTables(client: Client, migrations: Migration[]): Promise<TableLock[]> {
  const text = migrations.flatMap(({ statements }) => statements).join(';')
  const modes = new Map<string, string>()
  for (const { mode, pattern } of TABLE_LOCKS) {
    for (const [, table = ''] of text.matchAll(pattern)) if (!modes.has(table)) modes.set(table, mode)
  }
  const { rows } = await client.query<{ relname: string }>(
    `SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname = ANY ($1)`,
    [[...modes.keys()]],
  )
  return rows.map(({ relname }) => ({ table: relname, mode: modes.get(relname) ?? '' }))
}

/** Whoever runs the functions as a role of their own needs its grants with the tables, before the first request to them. */
async function servesRuntimeRole(client: Client): Promise<boolean> {
  const { rowCount } = await client.query(
    `SELECT FROM pg_class JOIN pg_roles ON rolname = $1, aclexplode(relacl)
     WHERE relnamespace = 'public'::regnamespace AND grantee = pg_roles.oid LIMIT 1`,
    [RUNTIME_ROLE],
  )
  return rowCount === 1
}

async function notYetApplied(client: Client, migrations: Migration[]): Promise<Migration[]> {
  await client.query('CREATE SCHEMA IF NOT EXISTS drizzle')
  await client.query(
    `CREATE TABLE IF NOT EXISTS ${LEDGER} (id serial PRIMARY KEY, hash text NOT NULL, created_at bigint)`,
  )
  const { rows } = await client.query<{ created_at: string }>(`SELECT created_at FROM ${LEDGER}`)
  const applied = new Set(rows.map((row) => Number(row.created_at)))
  return migrations.filter(({ when }) => !applied.has(when))
}

/** As `drizzle-kit generate` writes them, oldest first. */
export async function readMigrations(directory = MIGRATIONS): Promise<Migration[]> {
  const journal: { entries: { tag: string; when: number }[] } = JSON.parse(
    await readFile(join(directory, 'meta', '_journal.json'), 'utf8'),
  )
  return Promise.all(
    journal.entries.map(async ({ tag, when }) => {
      const text = await readFile(join(directory, `${tag}.sql`), 'utf8')
      const hash = createHash('sha256').update(text).digest('hex')
      return { name: tag, when, hash, statements: text.split('--> statement-breakpoint') }
    }),
  )
}

/** What of an address decides about TLS at `pg`, which takes `sslmode=no-verify` and even no word of it at all. */
const TLS_PARAMETERS = ['ssl', 'sslmode', 'uselibpqcompat']
const LOOPBACK_NAMES = new Set(['localhost', '127.0.0.1', '[::1]'])

/** Whatever the address says, the server's certificate is verified; but for this machine, where there is none. */
export function connectionTo(databaseUrl: string): ClientConfig {
  if (!URL.canParse(databaseUrl)) throw new Error('The database address is not an address.')
  const url = new URL(databaseUrl)
  for (const name of TLS_PARAMETERS) url.searchParams.delete(name)
  return {
    connectionString: url.href,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    ssl: LOOPBACK_NAMES.has(url.hostname) ? false : { rejectUnauthorized: true },
  }
}

/** The database's own words, or else the name of what failed: the rest may hold the address. */
function reasonOf(error: unknown): string {
  if (error instanceof DatabaseError) return `${adviceOn(error) ?? error.message} (SQLSTATE ${error.code})`
  if (error instanceof Error && 'code' in error) return String(error.code)
  return error instanceof Error ? error.message : 'unknown'
}

/** What to do, where the database's words say only that something took too long. */
function adviceOn({ code, message }: DatabaseError): string | undefined {
  if (code === LOCK_NOT_AVAILABLE) {
    return `one was in use for longer than ${TABLE_LOCK_TIMEOUT_MS / 1000} s, ${TRIES} times in a row; pg_stat_activity shows by whom. Deploy again when that has ended`
  }
  if (code === QUERY_CANCELED && message.includes('statement timeout')) {
    return `it took longer than ${STATEMENT_TIMEOUT_MS / 1000} s, and requests would have waited behind it. docs/deploy.md#big-tables says how a big table is changed`
  }
  return undefined
}

/** Past the pooler where there is such an address. An empty variable is a missing one. */
export function migrationUrl(variables: NodeJS.ProcessEnv): string {
  const url = variables['DATABASE_URL_UNPOOLED'] || variables['DATABASE_URL']
  if (!url) throw new Error('DATABASE_URL is missing.')
  return url
}

/** Migrates the database that the environment names and prints what was done. */
export async function migrateFromEnvironment(): Promise<void> {
  const applied = await migrate(migrationUrl(process.env))
  console.log(applied.length > 0 ? `Migrated: ${applied.join(', ')}.` : 'The database is up to date.')
}

if (import.meta.main) {
  try {
    await migrateFromEnvironment()
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error))
    process.exitCode = 1
  }
}
