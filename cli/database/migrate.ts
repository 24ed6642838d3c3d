/**
 * `npm run migrate`, also a step of a deploy: applies drizzle/migrations. Everything happens in one transaction under
 * one lock: if two deploys meet, one waits for the other, and a migration that fails halfway leaves nothing behind. The
 * lock ends with the transaction, so PgBouncer may stand in between.
 *
 * The previous deployment's functions keep serving meanwhile, and they wait 5 s for the database. So a migration waits
 * for a table, and holds one up, for less than that; if it can't get one, it gives way and tries again. It locks all of
 * its tables at once, before anything else. Otherwise a request that holds one and wants another could deadlock with
 * it, and after 1 s Postgres would end the request.
 */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Client, DatabaseError, type ClientConfig } from 'pg'
import { connectionTo as tcpConnection } from '../../lib/db/tls.ts'

export const MIGRATIONS = join(import.meta.dirname, '../../drizzle/migrations')

const CONNECT_TIMEOUT_MS = 20_000
/** Requests that come after a change that waits for a table wait behind it. */
const TABLE_LOCK_TIMEOUT_MS = 200
/** While a statement runs, its table takes no writes or nothing at all. */
const STATEMENT_TIMEOUT_MS = 4_000
/** Long enough for the requests that queued to get through. */
const PAUSE_MS = 1_000
const TRIES = 10
const LOCK_NOT_AVAILABLE = '55P03'
const DEADLOCK_DETECTED = '40P01'
const QUERY_CANCELED = '57014'
/** Any number, but always the same one. */
const LOCK = 7_305_418_266

/** Which migrations were applied. Created before the first of them. */
export const LEDGER = 'latchkey.migrations'
/** Roles that the owner may have created, and the files beside the migrations' folder that grant what they need. */
const ROLES = { latchkey_functions: 'runtime-role.sql', latchkey_app: 'app-role.sql' }

/**
 * Postgres lets everyone execute a new function. That is revoked in the same transaction, and not by ALTER DEFAULT
 * PRIVILEGES: the owner's defaults would change the app's own functions, too.
 */
const PRIVATE = `
  REVOKE ALL ON SCHEMA latchkey FROM PUBLIC;
  REVOKE ALL ON ALL TABLES IN SCHEMA latchkey FROM PUBLIC;
  REVOKE ALL ON ALL FUNCTIONS IN SCHEMA latchkey FROM PUBLIC`

interface Migration {
  name: string
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
    return await untilThereIsRoom(() => applyAll(client, migrations, join(directory, '..')))
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

async function applyAll(client: Client, migrations: Migration[], folder: string): Promise<string[]> {
  let step = 'BEGIN'
  try {
    // A stricter default would show the ledger as it was before the wait for another deploy.
    await client.query('BEGIN ISOLATION LEVEL READ COMMITTED')
    // So a statement that names no schema fails, and doesn't touch an app's table of that name.
    await client.query(`SET LOCAL search_path = ''`)
    step = 'waiting for another migration'
    await client.query('SELECT pg_advisory_xact_lock($1)', [LOCK])
    await client.query(`SET LOCAL lock_timeout = ${TABLE_LOCK_TIMEOUT_MS}`)
    await client.query(`SET LOCAL statement_timeout = ${STATEMENT_TIMEOUT_MS}`)
    step = 'reading what was applied'
    const waiting = await notYetApplied(client, migrations)
    const tables = await changedTables(client, waiting)
    if (tables.length > 0) {
      step = `locking ${tables.map(({ table }) => table).join(', ')}`
      await client.query(
        tables.map(({ table, mode }) => `LOCK TABLE latchkey."${table}" IN ${mode} MODE`).join(';'),
      )
    }
    for (const { name, hash, statements } of waiting) {
      for (const [index, statement] of statements.entries()) {
        step = `${name}, statement ${index + 1}`
        await client.query(statement)
      }
      await client.query(`INSERT INTO ${LEDGER} (hash, name) VALUES ($1, $2)`, [hash, name])
    }
    if (waiting.length > 0) {
      step = 'revoking what everyone may do'
      await client.query(PRIVATE)
      for (const role of await grantedRoles(client)) {
        step = `drizzle/${ROLES[role]}`
        await client.query(await readFile(join(folder, ROLES[role]), 'utf8'))
      }
    }
    step = 'COMMIT'
    await client.query('COMMIT')
    return waiting.map(({ name }) => name)
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined)
    throw new Error(`Nothing was migrated. ${step}: ${reasonOf(error)}.`, { cause: error })
  }
}

/** Between dollars is a function's body, which locks nothing when the function is created. */
const BODY = /\$(\w*)\$[^]*?\$\1\$/g

/** What a statement will lock, strongest first. */
const TABLE_LOCKS = [
  {
    mode: 'ACCESS EXCLUSIVE',
    pattern: /\b(?:ALTER|DROP) TABLE (?:IF EXISTS )?(?:ONLY )?(?:"?latchkey"?\.)?"?(\w+)/gi,
  },
  { mode: 'SHARE ROW EXCLUSIVE', pattern: /\bREFERENCES (?:"?latchkey"?\.)?"?(\w+)/gi },
  { mode: 'SHARE', pattern: /\bCREATE (?:UNIQUE )?INDEX [^;]*? ON (?:ONLY )?(?:"?latchkey"?\.)?"?(\w+)/gi },
]

interface TableLock {
  table: string
  mode: string
}

/** Tables that exist already, each once, with the strongest lock that it will need. */
async function changedTables(client: Client, migrations: Migration[]): Promise<TableLock[]> {
  const text = migrations
    .flatMap(({ statements }) => statements)
    .join(';')
    .replaceAll(BODY, '')
  const modes = new Map<string, string>()
  for (const { mode, pattern } of TABLE_LOCKS) {
    for (const [, table = ''] of text.matchAll(pattern)) if (!modes.has(table)) modes.set(table, mode)
  }
  const { rows } = await client.query<{ relname: string }>(
    `SELECT relname FROM pg_class
     WHERE relkind IN ('r', 'p') AND relnamespace = 'latchkey'::regnamespace AND relname = ANY ($1)`,
    [[...modes.keys()]],
  )
  return rows.map(({ relname }) => ({ table: relname, mode: modes.get(relname) ?? '' }))
}

/** Roles already in use in this database. They are granted what is new before anything calls it. */
async function grantedRoles(client: Client): Promise<(keyof typeof ROLES)[]> {
  const { rows } = await client.query<{ rolname: keyof typeof ROLES }>(
    `SELECT rolname FROM pg_roles JOIN pg_namespace ON nspname = 'latchkey', aclexplode(nspacl)
     WHERE grantee = pg_roles.oid AND rolname = ANY ($1)`,
    [Object.keys(ROLES)],
  )
  return rows.map(({ rolname }) => rolname)
}

async function notYetApplied(client: Client, migrations: Migration[]): Promise<Migration[]> {
  await client.query('CREATE SCHEMA IF NOT EXISTS latchkey')
  await refuseOthersSchema(client)
  await client.query(
    `CREATE TABLE IF NOT EXISTS ${LEDGER}
     (name text PRIMARY KEY, hash text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())`,
  )
  const { rows } = await client.query<{ name: string; hash: string }>(`SELECT name, hash FROM ${LEDGER}`)
  const applied = new Map(rows.map((row) => [row.name, row.hash]))
  const changed = migrations.find(({ name, hash }) => applied.has(name) && applied.get(name) !== hash)
  if (changed !== undefined) throw new Error(changedSince(changed.name))
  return migrations.filter(({ name }) => !applied.has(name))
}

/**
 * Whoever else owns the schema, or may create in it, could put a function there that the engine then runs with the
 * owner's rights.
 */
async function refuseOthersSchema(client: Client): Promise<void> {
  const { rows } = await client.query<{ problem: string }>(
    `SELECT 'the schema latchkey belongs to ' || pg_get_userbyid(nspowner) AS problem
     FROM pg_namespace WHERE nspname = 'latchkey' AND nspowner <> current_user::regrole
     UNION ALL
     SELECT pg_get_userbyid(grantee) || ' may create in the schema latchkey'
     FROM pg_namespace, aclexplode(nspacl)
     WHERE nspname = 'latchkey' AND privilege_type = 'CREATE' AND grantee <> nspowner
     UNION ALL
     SELECT relname || ' in the schema latchkey belongs to ' || pg_get_userbyid(relowner)
     FROM pg_class WHERE relnamespace = 'latchkey'::regnamespace AND relowner <> (SELECT nspowner FROM pg_namespace WHERE nspname = 'latchkey')
     UNION ALL
     SELECT proname || ' in the schema latchkey belongs to ' || pg_get_userbyid(proowner)
     FROM pg_proc WHERE pronamespace = 'latchkey'::regnamespace AND proowner <> (SELECT nspowner FROM pg_namespace WHERE nspname = 'latchkey')`,
  )
  if (rows[0] !== undefined) {
    throw new Error(`${rows[0].problem}; only the role that migrates may own what is in it`)
  }
}

/** What an applied migration did can't be done again, so a change of its file would reach no database that has it. */
export function changedSince(name: string): string {
  return (
    `drizzle/migrations/${name}.sql was changed after this database applied it. Restore the file and put the change ` +
    'into a new migration; a local database can start over: npm run dev -- --reset'
  )
}

/** As `drizzle-kit generate` writes them, oldest first. */
export async function readMigrations(directory = MIGRATIONS): Promise<Migration[]> {
  const journal: { entries: { tag: string }[] } = JSON.parse(
    await readFile(join(directory, 'meta', '_journal.json'), 'utf8'),
  )
  return Promise.all(
    journal.entries.map(async ({ tag }) => {
      const text = await readFile(join(directory, `${tag}.sql`), 'utf8')
      // The same on a checkout with Windows' line breaks.
      const hash = createHash('sha256').update(text.replaceAll('\r\n', '\n')).digest('hex')
      return { name: tag, hash, statements: text.split('--> statement-breakpoint') }
    }),
  )
}

/** The server's certificate is verified, whatever the address says. */
export function connectionTo(databaseUrl: string): ClientConfig {
  const ca = process.env['DATABASE_CA'] || undefined
  return { ...tcpConnection(databaseUrl, ca), connectionTimeoutMillis: CONNECT_TIMEOUT_MS }
}

/** The database's message, or else only a code: a driver's message may hold the address. */
function reasonOf(error: unknown): string {
  if (error instanceof DatabaseError) return `${adviceOn(error) ?? error.message} (SQLSTATE ${error.code})`
  if (error instanceof Error && 'code' in error) return String(error.code)
  return error instanceof Error ? error.message : 'unknown'
}

/** The fix, where the database's message says only that something took too long. */
function adviceOn({ code, message }: DatabaseError): string | undefined {
  if (code === LOCK_NOT_AVAILABLE) {
    return (
      `one was in use for longer than ${TABLE_LOCK_TIMEOUT_MS / 1000} s, ${TRIES} times in a row; ` +
      'pg_stat_activity shows by whom. Deploy again when that has ended'
    )
  }
  if (code === QUERY_CANCELED && message.includes('statement timeout')) {
    return (
      `it took longer than ${STATEMENT_TIMEOUT_MS / 1000} s, and requests would have waited behind it. ` +
      'docs/deploy.md#big-tables says how a big table is changed'
    )
  }
  return undefined
}

/** The direct address if there is one. An empty variable counts as missing. */
export function migrationUrl(variables: NodeJS.ProcessEnv): string {
  const url = variables['DATABASE_URL_UNPOOLED'] || variables['DATABASE_URL']
  if (!url) throw new Error('DATABASE_URL is missing.')
  return url
}

/** Migrates the database that the environment names, and prints the result. */
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
