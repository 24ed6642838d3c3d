/**
 * The roles that an owner may make beside itself, in this file's database, with a login. They are the whole server's, so
 * two files that make them at once may meet: then it is tried again.
 */
import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { DatabaseError } from 'pg'
import { query } from './database.ts'
import { databaseUrl } from './setup-stack.ts'

export type Role = 'latchkey_functions' | 'latchkey_app'

const FILES: Record<Role, string> = {
  latchkey_functions: 'runtime-role.sql',
  latchkey_app: 'app-role.sql',
}

/** Tuple concurrently updated, duplicate object, unique violation. */
const MEETINGS = new Set(['XX000', '42710', '23505'])
const TRIES = 20
const PAUSE_MS = 100

export async function createRole(role: Role): Promise<void> {
  const grants = await readFile(new URL(`../../drizzle/${FILES[role]}`, import.meta.url), 'utf8')
  for (const statement of [grants, `ALTER ROLE ${role} LOGIN PASSWORD 'only for this test'`]) {
    await untilDone(statement)
  }
}

async function untilDone(statement: string): Promise<void> {
  for (let tried = 1; ; tried += 1) {
    try {
      await query(statement)
      return
    } catch (error) {
      const meets = error instanceof DatabaseError && MEETINGS.has(error.code ?? '')
      if (!meets || tried === TRIES) throw error
      await sleep(PAUSE_MS)
    }
  }
}

export function urlOf(role: Role): string {
  return Object.assign(new URL(databaseUrl), { username: role }).href
}
