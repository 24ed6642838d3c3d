/** Everything in test/engine/stolen-connection.ts is tried. docs/stolen-connection.md is what came of it. */
import { readFile, writeFile } from 'node:fs/promises'
import { Client, DatabaseError } from 'pg'
import { afterAll, describe, expect, test } from 'vitest'
import * as engine from '../../lib/db/engine.ts'
import { createRole, urlOf } from '../support/database-roles.ts'
import { query } from '../support/database.ts'
import { insertAccount } from '../races/accounts.ts'
import { appRole, functionsRole, type Thief } from './stolen-connection.ts'
import {
  stolenConnectionPage,
  type Impossibility,
  type Possibility,
  type Traces,
} from './stolen-connection-page.ts'

const PAGE = new URL('../../docs/stolen-connection.md', import.meta.url)
const DENIED = '42501'

await createRole('latchkey_functions')
await createRole('latchkey_app')
await query('CREATE SCHEMA app')
await query('GRANT ALL ON SCHEMA app TO latchkey_app')

// --- What was seen ---

const possible: Possibility[] = []
const impossible: Impossibility[] = []

/** The ids of what is there. */
async function traces(): Promise<Traces> {
  const [row] = await query(
    `SELECT ARRAY(SELECT id::text FROM events) AS events, ARRAY(SELECT id::text FROM outbox) AS emails`,
  )
  return row
}

/** The kinds of what is new. */
async function tracesSince(before: Traces): Promise<Traces> {
  const [row] = await query(
    `SELECT ARRAY(SELECT kind FROM events WHERE id::text <> ALL ($1) ORDER BY id) AS events,
       ARRAY(SELECT kind FROM outbox WHERE id::text <> ALL ($2) ORDER BY id) AS emails`,
    before.events,
    before.emails,
  )
  return row
}

const LONGEST = 56

function shortened(statement: string): string {
  const text = statement.replace(/^(SELECT latchkey\.\w+)\(.*\)$/, '$1(…)')
  return text.length > LONGEST ? `${text.slice(0, LONGEST - 1)}…` : text
}

// --- All of it ---

describe.each([functionsRole, appRole])(
  '[ASVS 13.2.2] [ASVS 16.4.2] a stolen connection string of $role',
  ({ role, can, cannot, refused }) => {
    const client = new Client({ connectionString: urlOf(role) })
    const connected = client.connect()
    afterAll(() => client.end())

    const run: Thief['run'] = async (statement, ...parameters) => {
      await connected
      const { rows } = await client.query(statement, parameters)
      return rows
    }
    const call: Thief['call'] = async (name, given) => {
      const list = Object.keys(given).map((parameter, index) => `p_${parameter} => $${index + 1}`)
      const [row] = await run(`SELECT latchkey.${name}(${list.join()}) AS result`, ...Object.values(given))
      return row.result
    }
    async function thief(): Promise<Thief> {
      const { email, sessions } = await insertAccount(1)
      return { email, sessionId: sessions[0]?.id ?? '', run, call }
    }

    test.each(can.map((deed) => [deed.what, deed] as const))('can %s', async (what, { attempt }) => {
      const one = await thief()
      const before = await traces()
      expect(await attempt(one, query)).toBe(true)
      possible.push({ role, what, ...(await tracesSince(before)) })
    })

    test.each(cannot.map(({ what, statement }) => [what, statement] as const))(
      "can't %s",
      async (what, statement) => {
        await run('BEGIN')
        const code = await run(statement).then(
          () => 'done',
          (error: unknown) => (error instanceof DatabaseError ? error.code : 'unknown'),
        )
        await run('ROLLBACK')
        expect(code).toBe(DENIED)
        impossible.push({ role, what, refusal: `\`${shortened(statement)}\`` })
      },
    )

    test.each(refused.map((deed) => [deed.what, deed] as const))(
      "can't %s: the engine refuses",
      async (what, { attempt, kind }) => {
        expect(await attempt(await thief(), query)).toBe(kind)
        impossible.push({ role, what, refusal: `the engine answers \`${kind}\`` })
      },
    )
  },
)

describe('what a role has is no more than that', () => {
  const privileges = (role: string) =>
    query(
      `SELECT what FROM (
         SELECT format('%s %s', privilege, relname) AS what
         FROM pg_class,
           unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER,MAINTAIN}'::text[]) AS privilege
         WHERE relnamespace = 'latchkey'::regnamespace AND relkind IN ('r', 'p', 'v')
           AND has_table_privilege($1, oid, privilege)
         UNION ALL
         SELECT format('%s %s.%s', privilege, attrelid::regclass, attname)
         FROM pg_attribute, unnest('{SELECT,INSERT,UPDATE,REFERENCES}'::text[]) AS privilege
         WHERE attrelid IN (SELECT oid FROM pg_class
             WHERE relnamespace = 'latchkey'::regnamespace AND relkind IN ('r', 'p', 'v'))
           AND attnum > 0 AND has_column_privilege($1, attrelid, attnum, privilege)
           AND NOT has_table_privilege($1, attrelid, privilege)
         UNION ALL
         SELECT format('%s %s', privilege, relname)
         FROM pg_class, unnest('{USAGE,SELECT,UPDATE}'::text[]) AS privilege
         WHERE relnamespace = 'latchkey'::regnamespace AND relkind = 'S'
           AND has_sequence_privilege($1, oid, privilege)
         UNION ALL
         SELECT format('EXECUTE %s', proname) FROM pg_proc
         WHERE pronamespace = 'latchkey'::regnamespace AND has_function_privilege($1, oid, 'EXECUTE')
         UNION ALL
         SELECT format('%s ON SCHEMA %s', privilege, nspname)
         FROM pg_namespace, unnest('{CREATE,USAGE}'::text[]) AS privilege
         WHERE nspname IN ('latchkey', 'public') AND has_schema_privilege($1, oid, privilege)
         UNION ALL
         SELECT format('%s ON DATABASE', privilege) FROM unnest('{CREATE,TEMPORARY}'::text[]) AS privilege
         WHERE has_database_privilege($1, current_database(), privilege)
       ) AS had ORDER BY what COLLATE "C"`,
      role,
    ).then((rows) => rows.map(({ what }) => what))

  test('latchkey_functions: the functions that TypeScript calls', async () => {
    const called = Object.values(engine).map(({ name }) => `EXECUTE ${name}`)
    expect(await privileges('latchkey_functions')).toEqual(
      [...called, 'USAGE ON SCHEMA latchkey', 'USAGE ON SCHEMA public'].toSorted(),
    )
  })

  test('latchkey_app: a foreign key to an account, the view of accounts, and the audit log', async () => {
    expect(await privileges('latchkey_app')).toEqual([
      'EXECUTE read_events',
      'SELECT accounts',
      'USAGE ON SCHEMA latchkey',
      'USAGE ON SCHEMA public',
    ])
  })

  test('neither is a superuser, bypasses anything or is a member of another role', async () => {
    const roles = await query(
      `SELECT rolname, rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls,
         ARRAY(SELECT roleid::regrole::text FROM pg_auth_members WHERE member = pg_roles.oid) AS member_of
       FROM pg_roles WHERE rolname IN ('latchkey_functions', 'latchkey_app') ORDER BY rolname`,
    )
    const nothing = {
      rolsuper: false,
      rolcreaterole: false,
      rolcreatedb: false,
      rolreplication: false,
      rolbypassrls: false,
      member_of: [],
    }
    expect(roles).toEqual([
      { rolname: 'latchkey_app', ...nothing },
      { rolname: 'latchkey_functions', ...nothing },
    ])
  })
})

test('docs/stolen-connection.md is what was seen', async () => {
  const page = stolenConnectionPage({ possible, impossible })
  if (process.env['UPDATE_DOCS'] === '1') await writeFile(PAGE, page)
  expect(await readFile(PAGE, 'utf8')).toBe(page)
})
