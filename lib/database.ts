/**
 * Postgres over Neon's HTTP: one request a call, no connection to keep. Every call has a time limit. What the
 * driver throws never leaves this module: its messages carry statements and parameters.
 *
 * Drizzle writes the statements and Neon's driver sends them. Drizzle's own session in between would bring its query
 * builders and the driver's TCP client into every cold start, for nothing that is used here.
 */
import { neon, neonConfig, NeonDbError, type NeonQueryFunction } from '@neondatabase/serverless'
import { sql, type SQL } from 'drizzle-orm'
import { CasingCache } from 'drizzle-orm/casing'
import { getTypeParser, type TypeId } from 'pg-types'
import { callDatabase } from './database-call.ts'
import { environment } from './env.ts'
import { countRoundTrip } from './request-record.ts'
import { unavailable } from './unavailable.ts'

const RETRY_AFTER_SECONDS = 5

/**
 * SQLSTATE classes that speak of the server's state or of the way in, and not of our statement: connection, authorization, catalog
 * name, rollback, resources, operator.
 */
const PASSING_CLASSES = new Set(['08', '28', '3D', '40', '53', '55', '57', '58'])

/** Those of them that stay until somebody mends the variable. */
const REFUSED_AT_THE_DOOR: ReadonlyMap<string, string> = new Map([
  ['28', 'the database refuses the role or the password in DATABASE_URL; correct it and deploy again'],
  ['3D', 'there is no such database as DATABASE_URL names; correct it and deploy again'],
])

/** Moments stay text, as Postgres writes them: `Date` has no microseconds. */
const KEPT_AS_TEXT = new Set<number>([
  1082, // date
  1114, // timestamp
  1184, // timestamptz
  1186, // interval
  1115, // timestamp[]
  1182, // date[]
  1185, // timestamptz[]
  1187, // interval[]
  1231, // numeric[]
])

const types = {
  getTypeParser: (type: TypeId) =>
    KEPT_AS_TEXT.has(type) ? (text: string) => text : getTypeParser(type, 'text'),
}

type Driver = NeonQueryFunction<false, false>

let connected: Driver | undefined

function driver(): Driver {
  if (connected === undefined) {
    const { databaseUrl, neonFetchEndpoint } = environment()
    if (neonFetchEndpoint !== undefined) neonConfig.fetchEndpoint = neonFetchEndpoint
    neonConfig.fetchFunction = (...call: Parameters<typeof callDatabase>) => {
      countRoundTrip()
      return callDatabase(...call)
    }
    connected = neon(databaseUrl)
  }
  return connected
}

const quoted = (name: string, mark: string) => mark + name.replaceAll(mark, mark + mark) + mark

const dialect = {
  casing: new CasingCache(),
  escapeName: (name: string) => quoted(name, '"'),
  escapeString: (text: string) => quoted(text, "'"),
  escapeParam: (index: number) => `$${index + 1}`,
}

/** The statement as the driver sends it, once somebody waits for it. */
function prepared(statement: SQL) {
  const { sql: text, params } = statement.toQuery(dialect)
  return driver().query(text, params, { types })
}

/** A moment as a parameter. */
export function instant(moment: Date): SQL {
  return sql`${moment.toISOString()}::timestamptz`
}

async function rowsOf<Row extends object>(statement: SQL): Promise<Row[]> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what a statement yields is its author's word
  return (await prepared(statement)) as Row[]
}

/** Runs one statement and returns its rows. Throws `unavailable` when the database cannot be had. */
export async function run<Row extends object>(statement: SQL): Promise<Row[]> {
  try {
    return await rowsOf<Row>(statement)
  } catch (error) {
    throw withoutStatement(error)
  }
}

/** For a statement that may safely run twice: one more try when the first did not reach an answer. */
export async function runRepeatable<Row extends object>(statement: SQL): Promise<Row[]> {
  try {
    return await rowsOf<Row>(statement)
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
    const results = await driver().transaction([first, ...others].map(prepared))
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what a statement yields is its author's word
    return (results.at(-1) ?? []) as Row[]
  } catch (error) {
    throw withoutStatement(error)
  }
}

const UNIQUE_VIOLATION = '23505'

/** True for an error thrown here when the statement ran into a row with the same unique key. */
export function isUniqueViolation(error: unknown): boolean {
  return error instanceof Error && error.cause === UNIQUE_VIOLATION
}

function isConnectionFailure(error: unknown): boolean {
  if (!(error instanceof NeonDbError) || error.sourceError === undefined) return false
  // A call that ran into the time limit has had its time: the caller would wait twice as long.
  return error.sourceError.name !== 'TimeoutError'
}

/** A database that is away becomes 503; a fault in a statement keeps its SQLSTATE and names, and nothing else. */
function withoutStatement(error: unknown): Error {
  if (
    error instanceof NeonDbError &&
    error.code !== undefined &&
    !PASSING_CLASSES.has(error.code.slice(0, 2))
  ) {
    const { code, constraint = '', table = '' } = error
    return new Error(`statement failed: SQLSTATE ${code} ${table} ${constraint}`.trimEnd(), { cause: code })
  }
  return unavailable('unavailable', RETRY_AFTER_SECONDS, reasonOf(error))
}

function reasonOf(error: unknown): string {
  if (error instanceof NeonDbError) {
    const { code, sourceError, name } = error
    if (code === undefined) return failureOf(sourceError) ?? name
    const mend = REFUSED_AT_THE_DOOR.get(code.slice(0, 2))
    return mend === undefined ? code : `${code}: ${mend}`
  }
  return error instanceof Error ? error.name : 'unknown'
}

/** Node's own word for it, such as ECONNREFUSED, ENOTFOUND or CERT_HAS_EXPIRED, where it has one. */
function failureOf(error: Error | undefined): string | undefined {
  return error !== undefined && 'code' in error && typeof error.code === 'string' ? error.code : error?.name
}
