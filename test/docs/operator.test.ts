/** The statements of docs/operator.md for an operator without a checkout, run as they stand there. */
import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { query } from '../support/database.ts'
import {
  emailKindsTo,
  isSignedIn,
  newAddress,
  otherBrowserOf,
  signedInPerson,
  type Person,
} from '../support/people.ts'

const page = await readFile('docs/operator.md', 'utf8')
const [, section = ''] = page.split('\n## Without a checkout\n')
const statements = Array.from(section.matchAll(/```sql\n([^]*?)```/g), ([, statement = '']) => statement)

/** Runs the statement that calls this function, for this address. Resolves to the results of its rows. */
async function run(name: string, email = 'nobody@example.org'): Promise<unknown[]> {
  const statement = statements.find((each) => each.includes(`latchkey.${name}(`)) ?? ''
  const rows = await query(statement.replace('person@example.org', email))
  return rows.map((row) => row[name])
}

const eventsOf = ({ email }: Person) =>
  query(
    `SELECT kind, detail FROM events WHERE user_id = (SELECT id FROM users WHERE email = $1)
       AND request_id = 'operator:console' ORDER BY id`,
    email,
  )

const revoked = { kind: 'session-revoked', detail: { reason: 'operator' } }

test("[ASVS 7.4.5] an account's sessions are revoked, and nobody else's; the account can sign in again", async () => {
  const [person, other] = [await signedInPerson(), await signedInPerson()]
  const second = await otherBrowserOf(person)
  expect(await run('admin_revoke_sessions', person.email)).toEqual([{ kind: 'done', revoked: 2 }])
  expect(await isSignedIn(person.browser)).toBe(false)
  expect(await isSignedIn(second)).toBe(false)
  expect(await isSignedIn(other.browser)).toBe(true)
  expect(await eventsOf(person)).toEqual([revoked, revoked])
  expect(await isSignedIn(await otherBrowserOf(person))).toBe(true)
})

test('[ASVS 7.4.2] [ASVS 7.4.5] a disabled account has no session', async () => {
  const person = await signedInPerson()
  expect(await run('admin_disable', person.email)).toEqual([{ kind: 'done', changed: true, revoked: 1 }])
  expect(await isSignedIn(person.browser)).toBe(false)
  expect(await eventsOf(person)).toEqual([{ kind: 'account-disabled', detail: { by: 'operator' } }, revoked])
})

test('a forced reset removes the password and queues the email', async () => {
  const person = await signedInPerson()
  expect(await run('admin_force_reset', person.email)).toMatchObject([{ kind: 'done', revoked: 1 }])
  expect(await isSignedIn(person.browser)).toBe(false)
  expect((await emailKindsTo(person.email)).at(-1)).toBe('reset-required')
})

test("[ASVS 7.4.5] everyone's sessions are revoked, each with an event", async () => {
  const people = [await signedInPerson(), await signedInPerson()]
  const [first] = await run('admin_revoke_everyones_sessions')
  expect(first).toMatchObject({ kind: 'done' })
  expect(await run('admin_revoke_everyones_sessions')).toMatchObject([{ revoked: 0 }])
  for (const person of people) {
    expect(await isSignedIn(person.browser)).toBe(false)
    expect(await eventsOf(person)).toEqual([revoked])
  }
})

test('an address without an account changes nothing', async () => {
  const before = await query('SELECT count(*) FROM events')
  for (const name of ['admin_revoke_sessions', 'admin_disable', 'admin_force_reset']) {
    expect(await run(name, newAddress())).toEqual([])
  }
  expect(await query('SELECT count(*) FROM events')).toEqual(before)
})
