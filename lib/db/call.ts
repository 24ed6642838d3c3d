/**
 * The one way to the engine: a call is one statement, and one round trip. What a driver throws never leaves lib/db: its
 * messages carry statements and parameters.
 */
import { parseDatabaseUrl } from '../database-url.ts'
import { environment } from '../env.ts'
import { countRoundTrip } from '../log-context.ts'
import { ServiceUnavailable } from '../unavailable.ts'
import type { AnyOperation, Arguments, Results, SqlType } from './engine.ts'
import { ConnectionError, QueryError } from './errors.ts'
import { queryOverHttp } from './neon.ts'

type ArgumentsOf<Op extends AnyOperation> = {
  [Name in keyof Op['parameters']]: Arguments[Op['parameters'][Name]] | null
}

const RETRY_AFTER_SECONDS = 5

/** Serialization failure and deadlock: nothing was written, so the call may be made again. */
const CONFLICTS = new Set(['40001', '40P01'])
const MOST_TRIES = 3

/**
 * SQLSTATE classes that are about the server's state or the way in, and not about our statement: connection, transaction
 * state, authorization, catalog name, rollback, resources, object state, operator, system.
 */
const TRANSIENT_CLASSES = new Set(['08', '25', '28', '3D', '40', '53', '55', '57', '58'])

/** What stays so until somebody fixes it. */
const FIXES: ReadonlyMap<string, string> = new Map([
  ['28', 'the database refuses the role or the password in DATABASE_URL; correct it and deploy again'],
  ['3D', 'there is no such database as DATABASE_URL names; correct it and deploy again'],
])

/** Undefined function, schema or table. */
const NOT_MIGRATED = new Set(['42883', '3F000', '42P01'])

/**
 * Calls a function of the engine. With `retry`, for reads and for refresh, once more when the first call was lost.
 * Throws `unavailable` (503) when the database can't be had, and an error without statement or values for a broken one.
 */
export async function call<Op extends AnyOperation>(
  operation: Op,
  given: ArgumentsOf<Op>,
  options: { retry?: true } = {},
): Promise<Results[Op['name']]> {
  const text = statementOf(operation)
  const values = Object.entries(operation.parameters).map(([name, type]) => encoded(type, given[name]))
  let mayRetry = options.retry === true
  for (let tries = 1; ; tries += 1) {
    try {
      countRoundTrip()
      const result = await query(text, values)
      // Refused, so that what isn't understood never signs in. A test compares the kinds with the engine's functions.
      if (!isKnown(operation, result))
        throw new ConnectionError(`${operation.name} answered an unknown kind`, false)
      return result
    } catch (error) {
      const isConflict = error instanceof QueryError && CONFLICTS.has(error.sqlState) && tries < MOST_TRIES
      const isLost = error instanceof ConnectionError && error.isLost && mayRetry
      if (!isConflict && !isLost) throw mapped(error)
      if (isLost) mayRetry = false
    }
  }
}

/** Neon over HTTP; any other Postgres over TCP, by modules that are loaded only then. */
async function query(text: string, values: unknown[]): Promise<unknown> {
  const { databaseUrl, neonFetchEndpoint } = environment()
  const isNeon = parseDatabaseUrl(databaseUrl)?.host.endsWith('.neon.tech') === true
  if (neonFetchEndpoint !== undefined || isNeon) {
    return queryOverHttp(text, values)
  }
  const { queryOverTcp } = await import('./tcp.ts')
  return queryOverTcp(text, values)
}

const statements = new Map<string, string>()

function statementOf({ name, parameters }: AnyOperation): string {
  let text = statements.get(name)
  if (text === undefined) {
    const list = Object.entries(parameters).map(
      ([parameter, type], index) => `p_${parameter} => $${index + 1}::${type}`,
    )
    text = `SELECT latchkey.${name}(${list.join(', ')}) AS result`
    statements.set(name, text)
  }
  return text
}

function encoded(type: SqlType, value: unknown): unknown {
  if (value === null) return null
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  return type === 'jsonb' ? JSON.stringify(value) : value
}

/** False for a kind that this deployment doesn't know, which comes from a newer engine. */
function isKnown<Op extends AnyOperation>({ kinds }: Op, result: unknown): result is Results[Op['name']] {
  const isObject = typeof result === 'object' && result !== null
  return isObject && 'kind' in result && Object.hasOwn(kinds, String(result.kind))
}

function mapped(error: unknown): Error {
  if (error instanceof ConnectionError)
    return new ServiceUnavailable('unavailable', RETRY_AFTER_SECONDS, error.message)
  if (!(error instanceof QueryError)) return error instanceof Error ? error : new Error('unknown')
  const { sqlState } = error
  if (NOT_MIGRATED.has(sqlState)) {
    const reason = `${sqlState}: the database does not have the functions of this version; run npm run migrate`
    return new ServiceUnavailable('unavailable', RETRY_AFTER_SECONDS, reason)
  }
  if (!error.isFatal && !TRANSIENT_CLASSES.has(sqlState.slice(0, 2))) return error
  const fix = FIXES.get(sqlState.slice(0, 2))
  return new ServiceUnavailable(
    'unavailable',
    RETRY_AFTER_SECONDS,
    fix === undefined ? sqlState : `${sqlState}: ${fix}`,
  )
}
