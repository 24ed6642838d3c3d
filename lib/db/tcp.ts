/**
 * The engine over Postgres' own protocol, for a host that isn't Neon's. `pg` is loaded only then. Nothing is set at the
 * start of a connection and no statement is named, so PgBouncer may stand in between, also in transaction mode.
 */
import { environment } from '../env.ts'
import { ConnectionError, failureCode, QueryError } from './errors.ts'
import { DATABASE_TIMEOUT_MS } from './http.ts'
import { connectionTo } from './tls.ts'

/** Longer than Vercel keeps an idle instance's functions waiting would keep it alive for nothing. */
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
  // An idle connection that breaks is replaced at the next call; unheard, its error would end the process.
  pool.on('error', () => undefined)
  attachDatabasePool(pool)
  return async (text, values) => {
    try {
      const { rows } = await pool.query<{ result: unknown }>(text, values)
      return rows[0]?.result
    } catch (error) {
      if (error instanceof DatabaseError && error.code !== undefined) {
        throw new QueryError({ code: error.code, table: error.table, constraint: error.constraint })
      }
      throw new ConnectionError(reasonOf(error), isLost(error))
    }
  }
}

/** `pg` has words and no codes for a time that is up: they are constant, and hold nothing of the address. */
function isTimeout(error: unknown): boolean {
  return error instanceof Error && /timeout/i.test(error.message)
}

function reasonOf(error: unknown): string {
  return isTimeout(error) ? 'TimeoutError' : failureCode(error)
}

function isLost(error: unknown): boolean {
  return (
    !isTimeout(error) &&
    !(error instanceof Error && 'code' in error && /CERT|SELF_SIGNED/.test(String(error.code)))
  )
}
