/** The test file's database, seen from behind: to look at rows and to let time pass in them. */
import { Pool } from 'pg'
import { afterAll } from 'vitest'
import { databaseUrl } from './setup-stack.ts'

// Only the tests have a search path: the product names its schema everywhere.
const pool = new Pool({ connectionString: databaseUrl, max: 4, options: '-c search_path=latchkey' })
pool.on('error', () => {})
afterAll(() => pool.end())

// oxlint-disable-next-line typescript/no-explicit-any -- rows of any statement
export async function query(statement: string, ...parameters: unknown[]): Promise<any[]> {
  const { rows } = await pool.query(statement, parameters)
  return rows
}

/** Moves every moment in an account's sessions into the past, as if that many seconds had gone by. */
export async function ageSessions(email: string, seconds: number): Promise<void> {
  await query(
    `UPDATE sessions SET rotated_at = rotated_at - $2::interval, created_at = created_at - $2::interval,
       last_used_at = last_used_at - $2::interval, idle_expires_at = idle_expires_at - $2::interval,
       absolute_expires_at = absolute_expires_at - $2::interval, authenticated_at = authenticated_at - $2::interval
     WHERE user_id = (SELECT id FROM users WHERE email = $1)`,
    email,
    `${seconds} seconds`,
  )
}
