/** The functions as the role of drizzle/runtime-role.sql: everything they do works, and nothing else does. */
import { readFile } from 'node:fs/promises'
import { Client } from 'pg'
import { afterAll, describe, expect, test } from 'vitest'
import { query } from './database.ts'
import { databaseUrl, gateway } from './setup-stack.ts'

const ROLE = 'latchkey_functions'
const grants = await readFile(new URL('../drizzle/runtime-role.sql', import.meta.url), 'utf8')
await query(grants)
await query(`ALTER ROLE ${ROLE} LOGIN PASSWORD 'only for this test'`)

const runtimeUrl = new URL(databaseUrl)
runtimeUrl.username = ROLE
process.env['DATABASE_URL'] = runtimeUrl.href

// After the variable is set: the environment is read once, when the first module asks for it.
const { maintenance, operations } = await import('./fault-operations.ts')

const runtime = new Client({ connectionString: runtimeUrl.href })
await runtime.connect()
afterAll(() => runtime.end())

const DENIED = '42501'

function codeOf(statement: string): Promise<string> {
  return runtime.query(statement).then(
    () => 'done',
    (error: unknown) => (error instanceof Error && 'code' in error ? String(error.code) : 'unknown'),
  )
}

describe('[ASVS 13.2.2] as that role', () => {
  test.each([...operations, maintenance].map((operation) => [operation.name, operation] as const))(
    '%s: works as it does for the owner',
    async (_, operation) => {
      const scene = await operation.prepare()
      const { status } = await scene.send({})
      expect(`${status}`).toBe(operation.answer.split(' ')[0])
      await scene.expectWellEnded()
    },
  )

  test('it is that role that the functions come as', async () => {
    const [{ running }] = await query(
      'SELECT count(*)::int AS running FROM pg_stat_activity WHERE usename = $1 AND datname = current_database()',
      ROLE,
    )
    expect(running).toBeGreaterThan(1)
    expect(gateway.requests.length).toBeGreaterThan(operations.length)
  })

  test.each([
    'DROP TABLE users',
    'DROP INDEX sessions_user_id',
    'TRUNCATE sessions',
    'ALTER TABLE users ADD COLUMN note text',
    'ALTER TABLE users DISABLE TRIGGER ALL',
    'CREATE TABLE notes (id int)',
    'CREATE TEMPORARY TABLE notes (id int)',
    'CREATE FUNCTION public.f() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$',
    'CREATE SCHEMA notes',
    'CREATE ROLE other',
    'CREATE DATABASE other',
    'SELECT * FROM drizzle.__drizzle_migrations',
    'SELECT rolpassword FROM pg_authid',
    "SELECT pg_read_file('/etc/hosts')",
    "COPY users TO PROGRAM 'cat'",
    "UPDATE users SET role = 'admin'",
    'UPDATE users SET disabled_at = NULL',
    "INSERT INTO users (id, email, email_key, password_hash, email_verified_at, role) VALUES (gen_random_uuid(), 'a', 'a', 'a', now(), 'admin')",
    'UPDATE sessions SET user_id = gen_random_uuid()',
    "UPDATE sessions SET ends_at = now() + interval '1 year'",
    "UPDATE outbox SET recipient = 'thief@example.org'",
  ])('%s: is refused', async (statement) => {
    expect(await codeOf(statement)).toBe(DENIED)
  })

  test('[ASVS 16.4.2] the trail is written and neither read nor rewritten, but for the IP address that is taken out', async () => {
    for (const statement of [
      'DELETE FROM events',
      'TRUNCATE events',
      "UPDATE events SET kind = 'session-opened'",
      'UPDATE events SET at = now()',
      'UPDATE events SET detail = NULL',
      'SELECT detail FROM events',
    ]) {
      expect(await codeOf(statement), statement).toBe(DENIED)
    }
    expect(await codeOf('UPDATE events SET ip = NULL WHERE user_id IS NULL')).toBe('done')
  })
})
