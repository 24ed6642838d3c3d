/** What a role beside the owner tries in the database, and maintenance beside requests. */
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'pg'
import { afterAll, describe, expect, test } from 'vitest'
import { migrate } from '../../cli/database/migrate.ts'
import { createRole, urlOf, type Role } from '../support/database-roles.ts'
import { query } from '../support/database.ts'
import { insertAccount } from '../races/accounts.ts'
import { databaseUrl } from '../support/setup-stack.ts'

await createRole('latchkey_functions')
await createRole('latchkey_app')
const clients: Client[] = []
afterAll(() => Promise.all(clients.map((client) => client.end())))
async function connected(url: string): Promise<Client> {
  const client = new Client({ connectionString: url })
  client.on('error', () => {})
  clients.push(client)
  await client.connect()
  return client
}
const as = (role: Role) => connected(urlOf(role))
const owner = () => connected(databaseUrl)
const request = JSON.stringify({ id: 'attack', ip: null, client: 'psql' })

async function call(client: Client, name: string, given: Record<string, unknown>) {
  const list = Object.keys(given).map((key, index) => `p_${key} => $${index + 1}`)
  const { rows } = await client.query(
    `SELECT latchkey.${name}(${list.join()}) AS result`,
    Object.values(given),
  )
  return rows[0].result
}
const beginLogin = (client: Client, email: string, more: object = {}) =>
  call(client, 'begin_login', {
    email_normalized: email,
    source_key: randomBytes(32),
    address_key: randomBytes(32),
    device_key: null,
    device_version: null,
    registration_id: null,
    ...more,
  })
const finishLogin = (client: Client, email: string, version: number | null, more: object = {}) =>
  call(client, 'finish_login', {
    email_normalized: email,
    security_version: version,
    checked_hash: 'x',
    rehash: null,
    device_key: null,
    family_hash: randomBytes(32),
    presented_family_hash: null,
    presented_counter: null,
    reauthenticates: false,
    persistent: true,
    request,
    ...more,
  })

describe('event partitions', () => {
  test('the month moves out of the default partition beside requests under way', async () => {
    const busy = await owner()
    // The partition of this month doesn't exist yet, as on a day on which maintenance was late or at the first deploy.
    const month = `events_${new Date().toISOString().slice(0, 7).replace('-', '_')}`
    await query(`DO $$ BEGIN IF to_regclass('latchkey.${month}') IS NOT NULL THEN
      ALTER TABLE latchkey.events DETACH PARTITION latchkey.${month}; DROP TABLE latchkey.${month}; END IF; END $$`)
    await busy.query('BEGIN')
    await busy.query(`INSERT INTO latchkey.events (kind) VALUES ('login-failed')`)
    const maintenance = (await owner()).query('SELECT latchkey.maintain_event_partitions() AS result').then(
      ({ rows }) => rows[0].result.kind,
      (error: Error) => error.message,
    )
    await sleep(300)
    await busy.query('COMMIT')
    expect(await maintenance).toBe('maintained')
  })

  test('a new month is as private as the others, whatever the owner has made a default', async () => {
    await query('ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC')
    await query(`DO $$ DECLARE t text; BEGIN FOR t IN SELECT relname FROM pg_class WHERE relnamespace = 'latchkey'::regnamespace AND relkind = 'r' AND relname ~ '^events_[0-9]' LOOP
      EXECUTE format('ALTER TABLE latchkey.events DETACH PARTITION latchkey.%I', t); EXECUTE format('DROP TABLE latchkey.%I', t); END LOOP; END $$`)
    await query('SELECT maintain_event_partitions()')
    await query('ALTER DEFAULT PRIVILEGES REVOKE SELECT ON TABLES FROM PUBLIC')
    const month = `events_${new Date().toISOString().slice(0, 7).replace('-', '_')}`
    const thief = await as('latchkey_functions')
    await expect(
      thief.query(`SELECT count(*) FROM latchkey.${month}`).then(
        () => 'read',
        (error: Error) => error.message,
      ),
    ).resolves.toContain('permission denied')
  })
})

describe('a schema that somebody else made first', () => {
  test('is refused by the migration', async () => {
    const name = `attack_${randomBytes(4).toString('hex')}`
    await query(`CREATE DATABASE ${name}`)
    await query(
      `DO $$ BEGIN CREATE ROLE mallory LOGIN PASSWORD 'only for this test'; EXCEPTION WHEN duplicate_object THEN NULL; END $$`,
    )
    await query(`GRANT CREATE ON DATABASE ${name} TO mallory`)
    const url = new URL(`/${name}`, databaseUrl)
    const mallory = await connected(Object.assign(new URL(url), { username: 'mallory' }).href)
    await mallory.query('CREATE SCHEMA latchkey')
    const migrated = await migrate(url.href).then(
      () => 'migrated',
      () => 'refused',
    )
    let ranAs
    if (migrated === 'migrated') {
      // The owner of the schema shadows a call whose arguments Postgres would have cast: count_attempt's power(2, …).
      await mallory.query(`CREATE TABLE latchkey.loot (ran_as text); GRANT ALL ON latchkey.loot TO PUBLIC;
        CREATE FUNCTION latchkey.power(integer, integer) RETURNS double precision LANGUAGE plpgsql AS $$
        BEGIN INSERT INTO latchkey.loot VALUES (current_user); RETURN 1; END $$;
        GRANT USAGE ON SCHEMA latchkey TO PUBLIC`)
      const root = await connected(url.href)
      for (let n = 0; n < 11; n += 1) {
        await root.query(
          `SELECT latchkey.begin_login('a@example.org', sha256('s'), sha256('a'), NULL, NULL, NULL)`,
        )
      }
      ranAs = (await mallory.query('SELECT DISTINCT ran_as FROM latchkey.loot')).rows
    }
    expect({ migrated, ranAs }).toEqual({ migrated: 'refused', ranAs: undefined })
  })
})

describe('a stolen connection string of latchkey_functions', () => {
  test("nor any bucket of somebody else's, by a sign-in to an account of its own", async () => {
    const [mine, victim] = [await insertAccount(0), await insertAccount(0)]
    const thief = await as('latchkey_functions')
    await beginLogin(thief, victim.email)
    await query('UPDATE login_attempts SET failures = 101 WHERE user_id = $1', victim.id)
    const { securityVersion } = await beginLogin(thief, mine.email)
    const {
      rows: [{ key }],
    } = await thief.query(`SELECT sha256(convert_to(E'login-account\\n' || $1, 'UTF8')) AS key`, [victim.id])
    await finishLogin(thief, mine.email, securityVersion, { device_key: key })
    expect(await query('SELECT failures FROM login_attempts WHERE user_id = $1', victim.id)).toEqual([
      { failures: 101 },
    ])
  })

  test('an event says when it was written', async () => {
    const account = await insertAccount(0)
    const thief = await as('latchkey_functions')
    await thief.query('SET idle_in_transaction_session_timeout = 0')
    await thief.query('BEGIN')
    await thief.query('SELECT now()')
    await sleep(2500)
    await finishLogin(thief, account.email, null)
    const {
      rows: [{ at }],
    } = await thief.query('SELECT clock_timestamp() AS at')
    await thief.query('COMMIT')
    const [event] = await query(
      `SELECT extract(epoch FROM $2::timestamptz - created_at)::float AS backdated FROM events WHERE user_id = $1 AND kind = 'session-created'`,
      account.id,
      at,
    )
    expect(event.backdated).toBeLessThan(1)
  })

  test("can't delete an account by a session of 5 minutes ago (docs/stolen-connection.md)", async () => {
    const account = await insertAccount(1)
    const thief = await as('latchkey_functions')
    await query(
      `UPDATE sessions SET authenticated_at = now() - interval '298 seconds' WHERE user_id = $1`,
      account.id,
    )
    await thief.query('BEGIN')
    await thief.query('SELECT now()')
    await sleep(4000)
    const { kind } = await call(thief, 'delete_account', {
      family_hash: null,
      counter: null,
      session_id: account.sessions[0]?.id,
      request,
    })
    await thief.query('ROLLBACK')
    expect(kind).toBe('reauthentication-required')
  })

  test('is worth nothing after the advice of the page was followed', async () => {
    const thief = await as('latchkey_functions')
    await thief.query('ALTER ROLE latchkey_functions SET default_transaction_read_only = on')
    await thief.query(`ALTER ROLE latchkey_functions SET standard_conforming_strings = off`)
    // "After a leak, give the role another password as its owner"; and the file that makes the role, for good measure.
    await query(`ALTER ROLE latchkey_functions PASSWORD 'another'`)
    await query(await readFile('drizzle/runtime-role.sql', 'utf8'))
    const functions = await as('latchkey_functions')
    const outcome = await beginLogin(functions, 'nobody@example.org').then(
      ({ kind }) => kind,
      (error: Error) => error.message,
    )
    await query('ALTER ROLE latchkey_functions RESET ALL')
    await query(await readFile('drizzle/runtime-role.sql', 'utf8'))
    expect(outcome).toBe('counted')
  })
})

test('a reader of the audit log holds up no sign-in while an old month is dropped, and the month goes the next time', async () => {
  await query('SELECT maintain_event_partitions()')
  await query(
    `CREATE TABLE events_2020_01 PARTITION OF events FOR VALUES FROM ('2020-01-01Z') TO ('2020-02-01Z')`,
  )
  const app = await owner()
  await app.query('BEGIN')
  await app.query('SELECT latchkey.read_events(NULL, 1)')
  const [{ held }] = await query('SELECT maintain_event_partitions() AS held')
  expect(held).toMatchObject({ kind: 'maintained', dropped: [] })
  await query(`SELECT fail_login('a@example.org', 'unknown', 1, '{}')`)
  await app.query('COMMIT')
  const [{ next }] = await query('SELECT maintain_event_partitions() AS next')
  expect(next).toMatchObject({ kind: 'maintained', dropped: ['events_2020_01'] })
})

test('deleting an account and maintenance do not deadlock', async () => {
  await query(
    `CREATE TABLE events_2020_01 PARTITION OF events FOR VALUES FROM ('2020-01-01Z') TO ('2020-02-01Z')`,
  )
  const account = await insertAccount(1)
  const other = await owner()
  await other.query('SET search_path = latchkey')
  // As delete_account: it has written to events, and is about to look at every partition.
  await other.query('BEGIN')
  await other.query(`SELECT latchkey.write_event('x', NULL, NULL, '{}', NULL)`)
  await other.query('COMMIT')
  await other.query('BEGIN')
  await other.query('SELECT latchkey.maintain_event_partitions()')
  const deletion = query(
    `SELECT delete_account(NULL, NULL, $1, '{}')->>'kind' AS kind`,
    account.sessions[0]?.id,
  ).then(
    ([row]) => row.kind,
    (error: Error) => error.message,
  )
  await sleep(300)
  await other.query('COMMIT')
  expect(await deletion).toBe('deleted')
})

test('an app writes to a table that the owner made with a foreign key, and makes none itself', async () => {
  const account = await insertAccount(0)
  await query('CREATE SCHEMA app AUTHORIZATION latchkey_app')
  const app = await as('latchkey_app')
  await query('CREATE TABLE app.made_by_owner (owner uuid REFERENCES users (id) ON DELETE CASCADE)')
  await query('GRANT SELECT, INSERT, UPDATE, DELETE ON app.made_by_owner TO latchkey_app')
  await app.query('INSERT INTO app.made_by_owner VALUES ($1)', [account.id])
  await expect(app.query('INSERT INTO app.made_by_owner VALUES (gen_random_uuid())')).rejects.toThrow(
    'foreign key',
  )
  await expect(
    app.query('CREATE TABLE app.mine (owner uuid REFERENCES latchkey.users (id))'),
  ).rejects.toThrow('permission denied')
  await expect(
    app.query(
      'CREATE TRIGGER t AFTER DELETE ON app.made_by_owner FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()',
    ),
  ).rejects.toThrow('permission denied')
})
