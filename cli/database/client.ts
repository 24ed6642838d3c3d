/** One connection to the database over TCP, for short queries. Its errors name no part of the address. */
import { Client, DatabaseError } from 'pg'
import { connectionTo } from './migrate.ts'

const TIMEOUT_MS = 10_000

export async function withClient<Result>(
  databaseUrl: string,
  work: (client: Client) => Promise<Result>,
): Promise<Result> {
  const limits = { connectionTimeoutMillis: TIMEOUT_MS, query_timeout: TIMEOUT_MS }
  const client = new Client({ ...connectionTo(databaseUrl), ...limits })
  client.on('error', () => {})
  try {
    await client.connect()
    return await work(client)
  } catch (error) {
    throw new Error(failureName(error), { cause: error })
  } finally {
    await client.end().catch(() => undefined)
  }
}

/** The code only: a driver's message may hold the host, the role, the values or the statement. */
export function failureName(error: unknown): string {
  if (error instanceof DatabaseError) return `SQLSTATE ${error.code}`
  if (error instanceof Error && 'code' in error) return String(error.code)
  return error instanceof Error ? error.name : 'unknown'
}

/** The SQLSTATE of an error that `withClient` threw. */
export function sqlStateOf(error: unknown): string | undefined {
  const cause = error instanceof Error ? error.cause : undefined
  return cause instanceof DatabaseError ? cause.code : undefined
}
