/**
 * The engine over Postgres' own protocol, for a host that isn't Neon's. `pg` is loaded only then. No startup parameters
 * and no named statements, so PgBouncer may stand in between, in transaction mode, too.
 */
import { environment } from '../env.ts'
import { connectionError, ConnectionError, QueryError } from './errors.ts'
import { DATABASE_TIMEOUT_MS } from './http.ts'
import { connectionTo } from './tls.ts'

/** A frozen instance can't close its connections, so they are closed soon. */
const IDLE_MS = 5_000

type Send = (text: string, values: unknown[]) => Promise<unknown>

let send: Promise<Send> | undefined

/** Resolves to the one row's `result`. Throws `QueryError` or `ConnectionError`. */
export async function queryOverTcp(text: string, values: unknown[]): Promise<unknown> {
  send ??= connect()
  return (await send)(text, values)
}

async function connect(): Promise<Send> {
  const { databaseUrl, databasePoolMax, databaseCa } = environment()
  const [{ Pool, DatabaseError }, { attachDatabasePool }] = await Promise.all([
    import('pg'),
    import('@vercel/functions/db-connections'),
  ])
  const pool = new Pool({
    ...connectionTo(databaseUrl, databaseCa),
    max: databasePoolMax,
    connectionTimeoutMillis: DATABASE_TIMEOUT_MS,
    query_timeout: DATABASE_TIMEOUT_MS,
    idleTimeoutMillis: IDLE_MS,
  })
  // A broken idle connection is replaced by the next call; without a listener its error would end the process.
  pool.on('error', () => undefined)
  attachDatabasePool(pool)
  return async (text, values) => {
    try {
      const { rows } = await pool.query<{ result: unknown }>(text, values)
      return rows[0]?.result
    } catch (error) {
      if (error instanceof DatabaseError && error.code !== undefined) {
        const { code, table, constraint, severity } = error
        throw new QueryError({ code, table, constraint, severity })
      }
      throw driverError(error)
    }
  }
}

/** `pg` has only messages for these. They are constant and hold nothing of the address. */
function driverError(error: unknown): ConnectionError {
  const message = error instanceof Error ? error.message : ''
  if (/timeout/i.test(message)) return new ConnectionError('TimeoutError', false)
  if (/connection (?:terminated|ended)/i.test(message)) return new ConnectionError('ECONNRESET', true)
  if (/does not support SSL/i.test(message)) {
    return new ConnectionError("refused: the database doesn't offer TLS; turn it on there", false)
  }
  return connectionError(error)
}
