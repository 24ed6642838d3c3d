/**
 * Postgres over Neon's HTTP: one request a call, no connection to keep. Every call has a time limit. What the
 * driver throws never leaves this module: its messages carry statements and parameters.
 */
import { neon, neonConfig, NeonDbError } from '@neondatabase/serverless'
import { drizzle, type NeonHttpDatabase } from 'drizzle-orm/neon-http'
import { sql, type SQL } from 'drizzle-orm'
import { environment } from './env.ts'
import { unavailable } from './unavailable.ts'

export const DATABASE_TIMEOUT_MS = 5_000
const RETRY_AFTER_SECONDS = 5

/** SQLSTATE classes that speak of the server's state and not of our statement: connection, rollback, resources, operator. */
const PASSING_CLASSES = new Set(['08', '40', '53', '55', '57', '58'])

let connected: NeonHttpDatabase | undefined

function database(): NeonHttpDatabase {
  if (connected === undefined) {
    const { databaseUrl, neonFetchEndpoint } = environment()
    if (neonFetchEndpoint !== undefined) neonConfig.fetchEndpoint = neonFetchEndpoint
    neonConfig.fetchFunction = (url: string, init: RequestInit) =>
      fetch(url, { ...init, redirect: 'error', signal: AbortSignal.timeout(DATABASE_TIMEOUT_MS) })
    connected = drizzle(neon(databaseUrl))
  }
  return connected
}

/** A moment as a parameter. */
export function instant(moment: Date): SQL {
  return sql`${moment.toISOString()}::timestamptz`
}

/** An interface as the record of columns that drizzle asks for. */
type Columns<Row> = { [Column in keyof Row]: Row[Column] }

/** Runs one statement and returns its rows. Throws `unavailable` when the database cannot be had. */
export async function run<Row extends object>(statement: SQL): Promise<Row[]> {
  try {
    const { rows } = await database().execute<Columns<Row>>(statement)
    return rows
  } catch (error) {
    throw withoutStatement(error)
  }
}

/** For a statement that may safely run twice: one more try when the first did not reach an answer. */
export async function runRepeatable<Row extends object>(statement: SQL): Promise<Row[]> {
  try {
    const { rows } = await database().execute<Columns<Row>>(statement)
    return rows
  } catch (error) {
    if (!isConnectionFailure(error)) throw withoutStatement(error)
    return run(statement)
  }
}

/** Runs statements in one transaction, each seeing what was committed when it began; returns the last one's rows. */
export async function runTogether<Row extends object>(
  first: SQL,
  ...others: [...SQL[], SQL]
): Promise<Row[]> {
  try {
    const results = await database().batch([
      database().execute<Columns<Row>>(first),
      ...others.map((statement) => database().execute<Columns<Row>>(statement)),
    ])
    return results.at(-1)?.rows ?? []
  } catch (error) {
    throw withoutStatement(error)
  }
}

const UNIQUE_VIOLATION = '23505'

/** True for an error thrown here when the statement ran into a row with the same unique key. */
export function isUniqueViolation(error: unknown): boolean {
  return error instanceof Error && error.cause === UNIQUE_VIOLATION
}

/** Drizzle wraps the driver's error for a single statement, not for a batch. */
function driverError(error: unknown): unknown {
  return error instanceof Error && error.cause instanceof Error ? error.cause : error
}

function isConnectionFailure(error: unknown): boolean {
  const cause = driverError(error)
  if (!(cause instanceof NeonDbError) || cause.sourceError === undefined) return false
  // A call that ran into the time limit has had its time: the caller would wait twice as long.
  return cause.sourceError.name !== 'TimeoutError'
}

/** A database that is away becomes 503; a fault in a statement keeps its SQLSTATE and names, and nothing else. */
function withoutStatement(error: unknown): Error {
  const cause = driverError(error)
  if (
    cause instanceof NeonDbError &&
    cause.code !== undefined &&
    !PASSING_CLASSES.has(cause.code.slice(0, 2))
  ) {
    const { code, constraint = '', table = '' } = cause
    return new Error(`statement failed: SQLSTATE ${code} ${table} ${constraint}`.trimEnd(), { cause: code })
  }
  return unavailable('unavailable', RETRY_AFTER_SECONDS, reasonOf(cause))
}

function reasonOf(error: unknown): string {
  if (error instanceof NeonDbError) return error.code ?? error.sourceError?.name ?? error.name
  return error instanceof Error ? error.name : 'unknown'
}
