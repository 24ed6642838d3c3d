/** The engine over Neon's HTTP: one request a call, no connection to keep. */
import { neon, neonConfig, NeonDbError } from '@neondatabase/serverless'
import { environment } from '../env.ts'
import { ConnectionError, failureCode, QueryError } from './errors.ts'
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
 * What Neon's proxy says where Postgres said nothing: its errors have an empty SQLSTATE. The proxy checks the password itself,
 * so a wrong one never has the code that Postgres would give it.
 */
const PROXY_REFUSALS: readonly [RegExp, string][] = [
  [
    /password authentication failed|role .* (?:not found|is protected)/i,
    'refused: the database refuses the role or the password in DATABASE_URL; correct it and deploy again',
  ],
  [
    /not allowed to connect/i,
    "refused: Neon's IP allow list does not have this deployment; change the list or its network",
  ],
  [
    /(?:endpoint|branch|project).*(?:could not be found|not found|disabled|does not exist)/i,
    'refused: there is no such endpoint as DATABASE_URL names, or it is disabled; look at it in the dashboard',
  ],
  [
    /too many connections|rate limit|quota|failed to acquire permit/i,
    "refused: Neon's limit on connections or requests is reached",
  ],
]

function withoutStatement(error: unknown): QueryError | ConnectionError {
  if (!(error instanceof NeonDbError)) return new ConnectionError(failureCode(error), false)
  const { code, table, constraint, sourceError, message } = error
  if (code !== undefined && code !== '') return new QueryError({ code, table, constraint })
  // A call that ran into the time limit has had its time: the caller would wait twice as long.
  if (sourceError !== undefined) {
    return new ConnectionError(failureCode(sourceError), sourceError.name !== 'TimeoutError')
  }
  const refusal = PROXY_REFUSALS.find(([pattern]) => pattern.test(message))?.[1]
  return new ConnectionError(refusal ?? error.name, false)
}
