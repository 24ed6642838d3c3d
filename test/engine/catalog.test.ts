/**
 * Who may call what: the privileges that migrations and the roles' files leave behind. And the generator of migrations,
 * run as the program that it is on a copy of its sources.
 */
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { appendFile, cp, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Client } from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest'
import { functionFiles } from '../../cli/database/engine-functions.ts'
import { migrate } from '../../cli/database/migrate.ts'
import { createRole, type Role } from '../support/database-roles.ts'

const CHECKOUT = join(import.meta.dirname, '../..')
const files = await functionFiles()
const adminUrl = inject('postgresUrl')

/** The rule by which a function is public, read from the files and not from the catalog. */
const publicNames = [...files]
  .filter(
    ([name, text]) =>
      /\bSECURITY DEFINER\b/.test(text.replaceAll(/^--.*$/gm, '')) && !name.startsWith('admin_'),
  )
  .map(([name]) => name)
  .filter((name) => name !== 'read_events')

describe('the privileges', () => {
  let client: Client
  const roleFile = (role: Role) =>
    readFile(join(CHECKOUT, 'drizzle', role === 'latchkey_app' ? 'app-role.sql' : 'runtime-role.sql'), 'utf8')

  beforeAll(async () => {
    // Whole-server objects, which other files create, too: this tries again.
    for (const role of ['latchkey_functions', 'latchkey_app'] as const) await createRole(role)
    const name = `catalog_${randomBytes(6).toString('hex')}`
    const admin = new Client({ connectionString: adminUrl })
    await admin.connect()
    await admin.query(`CREATE DATABASE ${name}`)
    await admin.end()
    const url = new URL(`/${name}`, adminUrl).href
    await migrate(url)
    client = new Client({ connectionString: url })
    await client.connect()
  })
  afterAll(() => client.end())

  async function rows(statement: string): Promise<unknown[]> {
    return (await client.query({ text: statement, rowMode: 'array' })).rows
  }

  const functionAcls = () =>
    rows(`SELECT proname, pg_get_function_identity_arguments(oid), pg_get_functiondef(oid), proacl::text
          FROM pg_proc WHERE pronamespace = 'latchkey'::regnamespace ORDER BY 1, 2`)

  /** Every privilege in the schema of somebody who isn't the owner: who, what, on which object. */
  const grants = () =>
    rows(`
      WITH object AS (
        SELECT nspname::text AS name, nspacl AS acl, nspowner AS owner FROM pg_namespace WHERE nspname = 'latchkey'
        UNION ALL SELECT relname, relacl, relowner FROM pg_class WHERE relnamespace = 'latchkey'::regnamespace
        UNION ALL SELECT relname || '.' || attname, attacl, relowner FROM pg_attribute
          JOIN pg_class c ON c.oid = attrelid WHERE relnamespace = 'latchkey'::regnamespace
        -- A function without an ACL is everyone's.
        UNION ALL SELECT proname || '()', coalesce(proacl, acldefault('f', proowner)), proowner FROM pg_proc
          WHERE pronamespace = 'latchkey'::regnamespace)
      SELECT CASE grantee WHEN 0 THEN 'public' ELSE pg_get_userbyid(grantee) END, privilege_type, name
      FROM object, aclexplode(acl) WHERE grantee <> owner ORDER BY 1, 3, 2`)

  test('migrations grant nothing, and the files on top change neither functions nor privileges', async () => {
    expect(await grants()).toEqual([])
    const migrated = await functionAcls()
    await client.query('SET check_function_bodies = off')
    for (const text of files.values()) await client.query(text)
    expect(await functionAcls()).toEqual(migrated)
  })

  test('[ASVS 13.2.2] each role may do exactly what its file grants, whatever it had before', async () => {
    const expected = [
      ['latchkey_app', 'SELECT', 'accounts'],
      ['latchkey_app', 'USAGE', 'latchkey'],
      ['latchkey_app', 'EXECUTE', 'read_events()'],
      ['latchkey_functions', 'USAGE', 'latchkey'],
      ...publicNames.map((name) => ['latchkey_functions', 'EXECUTE', `${name}()`]),
    ]
    const sorted = (list: unknown[]) => list.map(String).toSorted()
    for (const role of ['latchkey_functions', 'latchkey_app'] as const)
      await client.query(await roleFile(role))
    expect(sorted(await grants())).toEqual(sorted(expected))

    await client.query(`
      GRANT ALL ON ALL TABLES IN SCHEMA latchkey TO latchkey_functions, latchkey_app;
      GRANT SELECT (password_hash), UPDATE (role) ON latchkey.users TO latchkey_functions, latchkey_app;
      GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA latchkey TO latchkey_functions, latchkey_app`)
    for (const role of ['latchkey_functions', 'latchkey_app'] as const)
      await client.query(await roleFile(role))
    expect(sorted(await grants())).toEqual(sorted(expected))
  })

  test("an operator's function is never granted, even if it is SECURITY DEFINER", async () => {
    await client.query('BEGIN')
    try {
      await client.query(`CREATE FUNCTION latchkey.admin_dummy() RETURNS int LANGUAGE sql SECURITY DEFINER RETURN 1;
        REVOKE ALL ON FUNCTION latchkey.admin_dummy() FROM PUBLIC`)
      await client.query(await roleFile('latchkey_functions'))
      const statement = `SELECT has_function_privilege('latchkey_functions', 'latchkey.admin_dummy()', 'EXECUTE')`
      expect(await rows(statement)).toEqual([[false]])
    } finally {
      await client.query('ROLLBACK')
    }
  })

  test('the transactions of the functions are READ COMMITTED and have time limits', async () => {
    const statement = `SELECT unnest(rolconfig) FROM pg_roles WHERE rolname = 'latchkey_functions'`
    expect((await rows(statement)).map(String)).toEqual(
      expect.arrayContaining([
        'default_transaction_isolation=read committed',
        expect.stringMatching(/^statement_timeout=\d+s$/),
        expect.stringMatching(/^idle_in_transaction_session_timeout=\d+s$/),
      ]),
    )
  })
})

describe('npm run migration', () => {
  let root: string

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'latchkey-migration-'))
    for (const each of ['cli', 'drizzle', 'lib', 'drizzle.config.ts', 'package.json']) {
      await cp(join(CHECKOUT, each), join(root, each), { recursive: true })
    }
    await symlink(join(CHECKOUT, 'node_modules'), join(root, 'node_modules'))
    return () => rm(root, { recursive: true, force: true })
  })

  interface Outcome {
    code: number
    output: string
  }

  async function generator(...options: string[]): Promise<Outcome> {
    const run = promisify(execFile)(process.execPath, [join(root, 'cli/database/migration.ts'), ...options])
    return run.then(
      ({ stdout, stderr }) => ({ code: 0, output: stdout + stderr }),
      ({ stdout, stderr, code }) => ({ code, output: `${stdout}${stderr}` }),
    )
  }

  const functionFile = (name: string) => join(root, 'drizzle', 'functions', `${name}.sql`)
  const migrationNames = async () =>
    (await readdir(join(root, 'drizzle', 'migrations'))).filter((file) => file.endsWith('.sql')).toSorted()
  const migration = (file: string) => readFile(join(root, 'drizzle', 'migrations', file), 'utf8')
  const dummy = (parameters: string, value: number) =>
    [
      '-- For a test.',
      `CREATE OR REPLACE FUNCTION latchkey.dummy(${parameters}) RETURNS int`,
      `LANGUAGE sql AS $$ SELECT ${value} $$;\n`,
    ].join('\n')

  async function replaceIn(file: string, from: string, to: string): Promise<void> {
    const path = join(root, file)
    const text = await readFile(path, 'utf8')
    expect(text).toContain(from)
    await writeFile(path, text.replace(from, to))
  }

  test('writes nothing when nothing changed, but --custom does, to be filled in', async () => {
    expect(await generator()).toEqual({ code: 0, output: 'There is nothing to migrate.\n' })
    expect(await generator('--custom', '--name', 'by_hand')).toMatchObject({ code: 0 })
    expect(await migrationNames()).toEqual(['0000_latchkey.sql', '0001_by_hand.sql'])
    expect(await generator('--check')).toEqual({ code: 0, output: '' })
  })

  test('a function is added, keeps its signature, and is dropped with a note', async () => {
    await writeFile(functionFile('dummy'), dummy('p_one int', 1))
    expect(await generator('--check')).toEqual({
      code: 1,
      output: 'drizzle/functions/dummy.sql differs from the migrations: run npm run migration.\n',
    })
    await generator('--name', 'added')
    expect(await migration('0001_added.sql')).toContain(dummy('p_one int', 1))

    await writeFile(functionFile('dummy'), dummy('p_one bigint', 2))
    const refused = await generator('--name', 'changed')
    expect(refused.output).toContain('The signature of dummy changed.')
    expect(refused.code).toBe(1)

    await rm(functionFile('dummy'))
    const dropped = await generator('--name', 'dropped')
    expect(dropped.output).toContain('"-- contract: 1.2.0"')
    expect(await migration('0002_dropped.sql')).toContain('DROP FUNCTION latchkey.dummy(p_one int);')
    expect(await generator('--check')).toEqual({ code: 0, output: '' })

    const admin = new Client({ connectionString: adminUrl })
    await admin.connect()
    const name = `generated_${randomBytes(6).toString('hex')}`
    await admin.query(`CREATE DATABASE ${name}`)
    await admin.end()
    const url = new URL(`/${name}`, adminUrl).href
    expect(await migrate(url, join(root, 'drizzle', 'migrations'))).toHaveLength(3)
  })

  test('a new column and a new limit are one migration, with nothing after the last statement', async () => {
    await replaceIn('drizzle/schema.ts', "role: text('role')", "note: text('note'),\n  role: text('role')")
    await replaceIn('lib/limits.ts', 'sessionsPerAccount: 50', 'sessionsPerAccount: 51')
    const { output } = await generator('--check')
    expect(output).toContain('drizzle/functions/maximum.sql is not what lib/limits.ts makes')
    expect(output).toContain('drizzle/schema.ts differs from the migrations')
    await generator('--name', 'both')
    const statements = (await migration('0001_both.sql')).split('--> statement-breakpoint')
    expect(statements).toHaveLength(3)
    expect(statements[0]).toContain('ADD COLUMN "note" text')
    expect(statements[2]).toContain("WHEN 'sessions_per_account' THEN RETURN 51;")
  })

  test('a rename, about which it has to ask in a terminal, is refused elsewhere and changes no migration', async () => {
    await replaceIn('drizzle/schema.ts', "text('last_ip')", "text('last_address')")
    const before = await migration('0000_latchkey.sql')
    expect(await generator('--check')).toEqual({
      code: 1,
      output: 'drizzle/schema.ts differs from the migrations: run npm run migration.\n',
    })
    const { code, output } = await generator('--name', 'renamed')
    expect(code).toBe(1)
    expect(output).toContain('drizzle-kit wrote no migration.')
    expect(await migrationNames()).toEqual(['0000_latchkey.sql'])
    expect(await migration('0000_latchkey.sql')).toBe(before)
  })

  // Goes with --squash, when the first release does.
  test('--squash writes the same 0000 again, and keeps the former one when it fails', async () => {
    const before = await migration('0000_latchkey.sql')
    await writeFile(functionFile('bad'), 'SELECT 1;')
    expect(await generator('--squash')).toMatchObject({ code: 1 })
    expect(await migration('0000_latchkey.sql')).toBe(before)
    await rm(functionFile('bad'))

    const config = join(root, 'drizzle.config.ts')
    await appendFile(config, '\nthrow new Error("no config")\n')
    expect(await generator('--squash')).toMatchObject({ code: 1 })
    expect(await migration('0000_latchkey.sql')).toBe(before)
    await cp(join(CHECKOUT, 'drizzle.config.ts'), config)

    expect(await generator('--squash')).toMatchObject({ code: 0 })
    expect(await migration('0000_latchkey.sql')).toBe(before)
  })
})
