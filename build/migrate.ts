/**
 * `npm run migrate`, also a step of a deploy: brings the database's schema up to drizzle/migrations. Everything happens
 * in one transaction under one lock: of two deploys that meet one waits for the other, and a migration that fails half
 * way leaves nothing. The lock ends with the transaction, so PgBouncer may stand in between.
 */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Client, DatabaseError, type ClientConfig } from 'pg'

export const MIGRATIONS = join(import.meta.dirname, '..', 'drizzle', 'migrations')

const CONNECT_TIMEOUT_MS = 20_000
/** A change that waits for a table holds up everybody behind it: better that the deploy fails. */
const TABLE_LOCK_TIMEOUT_MS = 5_000
/** Any number, but always the same one. */
const LOCK = 7_305_418_266

/** Where drizzle's own tools look for what has been applied. */
export const LEDGER = 'drizzle.__drizzle_migrations'

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
    return await applyAll(client, migrations)
  } finally {
    await client.end().catch(() => undefined)
  }
}

async function applyAll(client: Client, migrations: Migration[]): Promise<string[]> {
  let step = 'BEGIN'
  try {
    await client.query('BEGIN')
    step = 'waiting for another migration'
    await client.query('SELECT pg_advisory_xact_lock($1)', [LOCK])
    await client.query(`SET LOCAL lock_timeout = ${TABLE_LOCK_TIMEOUT_MS}`)
    step = 'reading what was applied'
    const waiting = await notYetApplied(client, migrations)
    for (const { name, when, hash, statements } of waiting) {
      for (const [index, statement] of statements.entries()) {
        step = `${name}, statement ${index + 1}`
        await client.query(statement)
      }
      await client.query(`INSERT INTO ${LEDGER} (hash, created_at) VALUES ($1, $2)`, [hash, when])
    }
    step = 'COMMIT'
    await client.query('COMMIT')
    return waiting.map(({ name }) => name)
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined)
    throw new Error(`Nothing was migrated. ${step}: ${reasonOf(error)}.`, { cause: error })
  }
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
  if (error instanceof DatabaseError) return `${error.message} (SQLSTATE ${error.code})`
  if (error instanceof Error && 'code' in error) return String(error.code)
  return error instanceof Error ? error.message : 'unknown'
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
