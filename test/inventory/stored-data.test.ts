/** Every column of the schema in one class. A new column is a new line here, and is reviewed. */
import { getTableConfig, PgTable } from 'drizzle-orm/pg-core'
import { expect, test } from 'vitest'
import * as schema from '../../drizzle/schema.ts'

const tables = Object.values(schema)
  .filter((value) => value instanceof PgTable)
  .map(getTableConfig)
const columns = tables.flatMap((table) =>
  table.columns.map((column) => ({ name: `${table.name}.${column.name}`, type: column.getSQLType() })),
)

/** Would open something if it were the original. Only a hash of it is stored. */
const SECRET = ['users.password_hash', 'registrations.password_hash', 'sessions.family_hash']

/** Hashed under a key, so the tables name neither an address nor a network. */
const KEYED = ['rate_limits.key', 'login_attempts.key']

/** About a person. */
const PERSONAL = [
  'users.email',
  'users.email_normalized',
  'registrations.email',
  'registrations.email_normalized',
  'sessions.client',
  'sessions.ip',
  'sessions.last_client',
  'sessions.last_ip',
  'one_time_tokens.new_email',
  'one_time_tokens.new_email_normalized',
  'outbox.recipient',
  'events.ip',
]

const names = (matching: (column: { name: string; type: string }) => boolean) =>
  columns
    .filter(matching)
    .map(({ name }) => name)
    .toSorted()

test('[ASVS 14.1.1] [ASVS 14.1.2] [ASVS 14.2.4] what is personal in the tables is what is listed here, and no free text besides', () => {
  expect(columns.length).toBeGreaterThan(60)
  expect(
    names(
      ({ name }) =>
        /email(?!_verified_at)|\.(?:last_)?ip$|client$|recipient|agent|phone|name$/.test(name) &&
        !/migrations/.test(name),
    ),
  ).toEqual(PERSONAL.toSorted())
  const texts = names(({ name, type }) => type === 'text' && ![...PERSONAL, ...SECRET].includes(name))
  expect(texts).toEqual([
    'events.kind',
    'events.request_id',
    'migrations.hash',
    'migrations.name',
    'one_time_tokens.purpose',
    'outbox.kind',
    'outbox.provider_id',
    'production_database.address',
    'sessions.method',
    'sessions.revocation_reason',
    'users.role',
  ])
})

test('[ASVS 14.1.2] what is secret is stored as a hash only', () => {
  expect(
    names(({ name }) => /hash|secret|token$|key$|password|code$/.test(name) && !/migrations/.test(name)),
  ).toEqual([...SECRET, ...KEYED].toSorted())
  expect(names(({ type }) => type === 'bytea')).toEqual([...KEYED, 'sessions.family_hash'].toSorted())
})
