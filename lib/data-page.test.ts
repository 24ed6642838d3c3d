/** docs/data.md names what is stored, column by column, and says of how long it is kept what the code does. */
import { readFileSync } from 'node:fs'
import { getTableConfig, PgTable } from 'drizzle-orm/pg-core'
import { expect, test } from 'vitest'
import * as schema from '../drizzle/schema.ts'
import { ACCESS_TOKEN_LIFETIME_SECONDS } from './access-token.ts'
import { KNOWN_BROWSER_LIFETIME_SECONDS } from './known-browser.ts'
import { KEEP_ENDED_SECONDS, KEEP_EVENT_IP_SECONDS } from './maintenance.ts'
import { limits } from './rate-limits.ts'
import { REGISTRATION_LIFETIME_SECONDS } from './registrations.ts'
import { SESSION_LIFETIME_SECONDS } from './sessions.ts'

const page = readFileSync(new URL('../docs/data.md', import.meta.url), 'utf8')
const DAY_SECONDS = 24 * 60 * 60

const tables = Object.values(schema)
  .filter((value) => value instanceof PgTable)
  .map(getTableConfig)

/** What stands between a table's heading and the next heading. */
function sectionOf(table: string): string {
  return page.split(/^#{2,3} /m).find((section) => section.startsWith(`\`${table}\`\n`)) ?? ''
}

function rowsOf(section: string): { columns: string[]; kind: string }[] {
  return [...section.matchAll(/^\| (`.*`) *\| (\w+) +\|$/gm)].map(([, columns = '', kind = '']) => ({
    columns: [...columns.matchAll(/`(\w+)`/g)].map(([, column = '']) => column),
    kind,
  }))
}

test('[ASVS 14.1.1] every table and column of the schema is in the docs, and no other, each in one of the classes', () => {
  const documented = [...page.matchAll(/^### `(\w+)`$/gm)].map(([, name]) => name)
  expect(documented.toSorted()).toEqual(tables.map(({ name }) => name).toSorted())
  for (const { name, columns } of tables) {
    const rows = rowsOf(sectionOf(name))
    expect(rows.flatMap((row) => row.columns).toSorted(), name).toEqual(
      columns.map((column) => column.name).toSorted(),
    )
    for (const { kind } of rows) expect(page, name).toContain(`| _${kind}_`)
  }
})

test('[ASVS 14.1.2] [ASVS 14.2.4] what is secret is a hash or a key made by one, and what is personal is what the docs call so', () => {
  const inClass = (wanted: string) =>
    tables.flatMap(({ name }) =>
      rowsOf(sectionOf(name))
        .filter(({ kind }) => kind === wanted)
        .flatMap(({ columns }) => columns.map((column) => `${name}.${column}`)),
    )
  for (const column of inClass('secret')) expect(column).toMatch(/_hash$|\.key$/)
  const personal = inClass('personal')
  for (const { name, columns } of tables) {
    for (const column of columns) {
      const isPersonal = /^(?:ip|user_agent|recipient|(?:new_)?email(?:_key)?)$/.test(column.name)
      expect(personal.includes(`${name}.${column.name}`), `${name}.${column.name}`).toBe(isPersonal)
    }
  }
})

test('[ASVS 14.2.7] the docs say how long each is kept, as the code does', () => {
  const days = (seconds: number) => `${seconds / DAY_SECONDS} days`
  expect(sectionOf('registrations')).toContain(`Removed ${days(REGISTRATION_LIFETIME_SECONDS)} after`)
  expect(sectionOf('sessions')).toContain(
    `absolute end has come, ${days(SESSION_LIFETIME_SECONDS)} after it began`,
  )
  // So the absolute end alone, which has an index, is enough to remove by.
  expect(SESSION_LIFETIME_SECONDS).toBeLessThanOrEqual(KEEP_ENDED_SECONDS)
  expect(sectionOf('mail_tokens')).toContain(`Removed ${days(KEEP_ENDED_SECONDS)} after`)
  expect(sectionOf('outbox')).toContain(`Removed ${days(KEEP_ENDED_SECONDS)} after`)
  expect(sectionOf('password_attempts')).toContain(`after ${days(KEEP_ENDED_SECONDS)} where one is`)
  expect(sectionOf('events')).toContain(`loses its IP address after ${days(KEEP_EVENT_IP_SECONDS)}`)
  expect(sectionOf('rate_limits')).toContain('after a day at most')
  expect(Math.max(...Object.values(limits).map(({ windowSeconds }) => windowSeconds))).toBe(DAY_SECONDS)
  expect(page).toContain(`; ${days(KNOWN_BROWSER_LIFETIME_SECONDS)}, or until the account is deleted`)
  expect(page).toContain(`${days(REGISTRATION_LIFETIME_SECONDS)} or until the address is confirmed`)
  expect(page).toContain(`in memory, ${ACCESS_TOKEN_LIFETIME_SECONDS / 60} minutes`)
})
