/** The statements of docs/security.md by which whoever runs the app ends sessions, run as they stand there. */
import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { newBrowser, type Browser } from './browser.ts'
import { query } from './database.ts'
import { PASSWORD, signedInPerson, type Person } from './people.ts'

const page = await readFile('docs/security.md', 'utf8')
const [, chapter = ''] = page.split("## Ending somebody's sessions")
const [section = ''] = chapter.split('\n## ')
const statements = Array.from(section.matchAll(/```sql\n([\s\S]*?)```/g), ([, statement = '']) => statement)
const [endOne = '', shutOne = '', endAll = ''] = statements

const signIn = (browser: Browser, { email }: Person) =>
  browser.send('login', 'POST', { email, password: PASSWORD })

/** By its cookie and by its access token, which is then looked at on the row. */
async function isSignedIn({ browser }: Person, accessToken: string): Promise<boolean[]> {
  const byBearer = { authorization: `Bearer ${accessToken}` }
  return [
    (await browser.send('account', 'GET')).status === 200,
    (await newBrowser().send('account', 'GET', undefined, byBearer)).status === 200,
  ]
}

const accessTokenOf = async ({ browser }: Person) =>
  (await browser.send('refresh', 'POST', {})).body.accessToken as string

async function eventsOf({ email }: Person): Promise<unknown[]> {
  const events = await query(
    `SELECT e.detail FROM events e JOIN users u ON u.id = e.user_id JOIN sessions s ON s.id = e.session_id
     WHERE e.kind = 'session-ended' AND u.email = $1`,
    email,
  )
  return events.map(({ detail }) => detail)
}

test('the page has three of them under that heading', () => {
  expect(statements).toHaveLength(3)
})

test("[ASVS 7.4.5] one account's sessions are ended, and no one else's; the account can sign in again", async () => {
  const [person, other] = [await signedInPerson(), await signedInPerson()]
  const second = newBrowser()
  await signIn(second, person)
  const [accessToken, others] = [await accessTokenOf(person), await accessTokenOf(other)]
  await query(endOne.replace('person@example.org', person.email))
  expect(await isSignedIn(person, accessToken)).toEqual([false, false])
  expect((await second.send('refresh', 'POST', {})).body.code).toBe('session-ended')
  expect(await isSignedIn(other, others)).toEqual([true, true])
  expect(await eventsOf(person)).toEqual([{ because: 'operator' }, { because: 'operator' }])
  expect((await signIn(newBrowser(), person)).status).toBe(200)
})

test('[ASVS 7.4.2] [ASVS 7.4.5] an account that is shut stays shut, and its sessions are not back when it is opened again', async () => {
  const person = await signedInPerson()
  const accessToken = await accessTokenOf(person)
  await query(shutOne.replace('person@example.org', person.email))
  expect(await isSignedIn(person, accessToken)).toEqual([false, false])
  expect((await signIn(newBrowser(), person)).body.code).toBe('invalid-credentials')
  expect(await eventsOf(person)).toEqual([{ because: 'operator' }])

  await query('UPDATE users SET disabled_at = NULL WHERE email = $1', person.email)
  expect(await isSignedIn(person, accessToken)).toEqual([false, false])
  expect((await signIn(newBrowser(), person)).status).toBe(200)
})

test("[ASVS 7.4.5] everyone's sessions are ended, each with an event", async () => {
  const people = [await signedInPerson(), await signedInPerson()]
  const accessTokens = await Promise.all(people.map(accessTokenOf))
  await query(endAll)
  for (const [index, person] of people.entries()) {
    expect(await isSignedIn(person, accessTokens[index] ?? '')).toEqual([false, false])
    expect(await eventsOf(person)).toEqual([{ because: 'operator' }])
  }
  expect(await query('SELECT 1 FROM sessions WHERE revoked_at IS NULL AND expires_at > now()')).toEqual([])
})
