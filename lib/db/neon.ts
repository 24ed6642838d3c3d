/** The engine over Neon's HTTP: one request a call, no connection to keep. */
import { neon, neonConfig, NeonDbError } from '@neondatabase/serverless'
import { environment } from '../env.ts'
import { connectionError, ConnectionError, QueryError } from './errors.ts'
import { callDatabase } from './http.ts'

type Send = (text: string, values: unknown[]) => Promise<unknown>

let send: Send | undefined

/** Resolves to the one row's `result`. Throws `QueryError` or `ConnectionError`. */
export async function queryOverHttp(text: string, values: unknown[]): Promise<unknown> {
  send ??= connect()
  try {
    return await send(text, values)
  } catch (error) {
    throw withoutStatement(error)
  }
}

function connect(): Send {
  const { databaseUrl, neonFetchEndpoint } = environment()
  if (neonFetchEndpoint !== undefined) neonConfig.fetchEndpoint = neonFetchEndpoint
  neonConfig.fetchFunction = callDatabase
  const driver = neon(databaseUrl)
  return async (text, values) => {
    const [row] = await driver.query(text, values)
    return row?.['result']
  }
}

/**
 * What Neon's proxy says itself. Its errors have an empty SQLSTATE. It checks the password, so a wrong one never gets the
 * code that Postgres would give it.
 */
const PROXY_REFUSALS: readonly [RegExp, string][] = [
  [
    /password authentication failed|role .* (?:not found|is protected)/i,
    'refused: the database refuses the role or the password in DATABASE_URL; correct it and deploy again',
  ],
  [
    /not allowed to connect|blocked network/i,
    "refused: Neon's IP allow list does not have this deployment; change the list or its network",
  ],
  [
    /(?:endpoint|branch|project).*(?:could not be found|cannot be found|not found|disabled|does not exist)/i,
    'refused: there is no such endpoint as DATABASE_URL names, or it is disabled; look at it in the dashboard',
  ],
  [
    /too many connections|rate limit|quota|failed to acquire permit/i,
    "refused: Neon's limit on connections or requests is reached",
  ],
]

/** Between the proxy and Postgres. */
const LOST = /connection closed|error communicating with the server/i

function withoutStatement(error: unknown): QueryError | ConnectionError {
  if (!(error instanceof NeonDbError)) return new ConnectionError('an unreadable response', false)
  const { code, table, constraint, severity, sourceError, message } = error
  if (code !== undefined && code !== '') return new QueryError({ code, table, constraint, severity })
  if (sourceError !== undefined) return connectionError(sourceError)
  const refusal = PROXY_REFUSALS.find(([pattern]) => pattern.test(message))?.[1]
  if (refusal !== undefined) return new ConnectionError(refusal, false)
  // For other statuses than 400 the driver leaves status and body in the message: Postgres refused the connection.
  const [, status] = /HTTP status (\d{3})/.exec(message) ?? []
  const [, sqlState] = /"code":"([0-9A-Z]{5})"/.exec(message) ?? []
  if (sqlState !== undefined) return new QueryError({ code: sqlState, severity: 'FATAL' })
  if (LOST.test(message)) return new ConnectionError('ECONNRESET', true)
  return new ConnectionError(status === undefined ? "Neon's proxy refused" : `HTTP ${status}`, false)
}
