import { Client } from 'pg'
import { expect, test } from 'vitest'
import { newBrowser, sendRaw } from '../support/browser.ts'
import { ageSessions, query } from '../support/database.ts'
import {
  emailKindsTo,
  newAddress,
  newestEmailTo,
  OTHER_PASSWORD,
  PASSWORD,
  tokenIn,
} from '../support/people.ts'
import { databaseUrl } from '../support/setup-stack.ts'

test('[ASVS 6.4.3] the whole story: register, email, verify, login, refresh, logout, login, reset, login, delete', () =>
  expectWholeStory())

/** Names of ours that an app may well have, in the schemas that its search path finds first. */
const NAMES = ['users', 'sessions', 'events', 'outbox', 'registrations', 'rate_limits', 'login_attempts']

test('the whole story beside an app whose search path finds tables and functions of the same names first', async () => {
  await query('CREATE SCHEMA app')
  for (const schema of ['app', 'public']) {
    for (const name of NAMES) await query(`CREATE TABLE ${schema}.${name} (id int, email int, kind int)`)
    await query(`
      CREATE FUNCTION ${schema}.lifetime(text) RETURNS interval LANGUAGE sql AS $$ SELECT interval '1 second' $$;
      CREATE FUNCTION ${schema}.maximum(text) RETURNS integer LANGUAGE sql AS $$ SELECT 0 $$;
      CREATE FUNCTION ${schema}.new_id() RETURNS uuid LANGUAGE sql AS $$ SELECT NULL::uuid $$`)
  }
  await query(`ALTER DATABASE ${new URL(databaseUrl).pathname.slice(1)} SET search_path = app, public`)
  // A search path is read when a connection begins.
  await query(
    `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
     WHERE datname = current_database() AND pid <> pg_backend_pid()`,
  )
  expect(await defaultSearchPath()).toBe('app, public')
  await expectWholeStory()
  const { status } = await sendRaw('maintenance', {
    headers: { authorization: `Bearer ${process.env['CRON_SECRET']}` },
  })
  expect(status).toBe(200)
  for (const schema of ['app', 'public']) {
    for (const name of NAMES) expect(await query(`SELECT FROM ${schema}.${name}`), name).toEqual([])
  }
})

async function defaultSearchPath(): Promise<string> {
  const client = new Client({ connectionString: databaseUrl })
  await client.connect()
  const { rows } = await client.query('SHOW search_path')
  await client.end()
  return rows[0].search_path
}

async function expectWholeStory(): Promise<void> {
  const email = newAddress()
  const browser = newBrowser()

  const registered = await browser.send('register', 'POST', { email, password: PASSWORD })
  expect([registered.status, registered.body]).toEqual([202, { status: 'check-email' }])
  expect([...browser.cookies.keys()]).toEqual(['__Host-registration'])

  const tooEarly = await browser.send('login', 'POST', { email, password: PASSWORD })
  expect([tooEarly.status, tooEarly.body.code]).toEqual([403, 'email-unverified'])

  const verified = await browser.send('verify', 'PUT', { token: tokenIn(await newestEmailTo(email)) })
  expect([verified.status, verified.body.status]).toEqual([200, 'signed-in'])
  expect([...browser.cookies.keys()].toSorted()).toEqual(['__Host-device', '__Host-session', 'signed-in'])

  const login = await browser.send('login', 'POST', { email, password: PASSWORD })
  expect(login.status).toBe(200)
  expect(login.body).toEqual({
    user: { id: expect.any(String), email, emailVerified: true, role: 'user' },
    accessToken: expect.stringMatching(/^[\w-]+\.[\w-]+\.[\w-]+$/),
    expiresAt: expect.any(String),
    session: { id: expect.any(String), absoluteExpiresAt: expect.any(String) },
  })
  expect([...browser.cookies.keys()].toSorted()).toEqual(['__Host-device', '__Host-session', 'signed-in'])

  await ageSessions(email, 60)
  const firstToken = browser.cookies.get('__Host-session')
  const refreshed = await browser.send('refresh', 'POST', {})
  expect(refreshed.status).toBe(200)
  expect(refreshed.body.user).toEqual(login.body.user)
  expect(refreshed.body.session.id).toBe(login.body.session.id)
  expect(browser.cookies.get('__Host-session')).not.toBe(firstToken)

  const lastToken = browser.cookies.get('__Host-session') ?? ''
  const loggedOut = await browser.send('logout', 'POST', {})
  expect(loggedOut.status).toBe(204)
  expect([...browser.cookies.keys()]).toEqual(['__Host-device'])
  browser.cookies.set('__Host-session', lastToken)
  const zombie = await browser.send('refresh', 'POST', {})
  expect([zombie.status, zombie.body.code]).toEqual([401, 'session-ended'])

  expect((await browser.send('login', 'POST', { email, password: PASSWORD })).status).toBe(200)

  const forgotten = await newBrowser().send('reset', 'POST', { email })
  expect([forgotten.status, forgotten.body]).toEqual([202, { status: 'check-email' }])
  const reset = await newBrowser().send('reset', 'PUT', {
    token: tokenIn(await newestEmailTo(email)),
    password: OTHER_PASSWORD,
  })
  expect([reset.status, reset.body]).toEqual([200, { status: 'password-changed' }])
  expect(reset.setCookies).toEqual([])

  expect((await browser.send('refresh', 'POST', {})).body.code).toBe('session-ended')
  expect((await browser.send('login', 'POST', { email, password: PASSWORD })).status).toBe(401)
  expect((await browser.send('login', 'POST', { email, password: OTHER_PASSWORD })).status).toBe(200)

  expect((await browser.send('sessions', 'GET')).body.sessions).toHaveLength(1)
  expect((await browser.send('account', 'GET')).body.user.email).toBe(email)
  expect(await emailKindsTo(email)).toEqual(['confirm-registration', 'reset-password', 'password-reset'])
  expect((await browser.send('account', 'DELETE')).status).toBe(204)
  expect(browser.cookies.size).toBe(0)
  expect(await emailKindsTo(email)).toEqual(['account-deleted'])
}
