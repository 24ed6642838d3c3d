/** What somebody tries who has copied a cookie, or has one of another account. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'pg'
import { describe, expect, test } from 'vitest'
import { newBrowser, type Browser } from '../support/browser.ts'
import { ageSessions, query } from '../support/database.ts'
import {
  emailKindsTo,
  failuresOf,
  newAddress,
  otherBrowserOf,
  PASSWORD,
  signedInPerson,
  verifiedPerson,
} from '../support/people.ts'
import { insertAccount, insertOneTimeToken } from '../races/accounts.ts'
import { databaseUrl } from '../support/setup-stack.ts'

const tokenOf = (browser: Browser) => browser.cookies.get('__Host-session') ?? ''
function browserWith(token: string): Browser {
  const browser = newBrowser()
  browser.cookies.set('__Host-session', token)
  return browser
}
const eventsOf = async (email: string) =>
  (
    await query(
      'SELECT kind, detail FROM events WHERE user_id = (SELECT id FROM users WHERE email = $1) ORDER BY id',
      email,
    )
  ).map(({ kind, detail }) => (detail?.reason ? `${kind}:${detail.reason}` : kind))

describe('re-authentication as a silent oracle', () => {
  test('a right password after many wrong ones is emailed about, or leaves the failures standing', async () => {
    const victim = await verifiedPerson()
    const attacker = await signedInPerson()
    const guess = (password: string, more: object) =>
      attacker.browser.send('login', 'POST', { email: victim.email, password, ...more })
    for (let n = 0; n < 7; n += 1) await guess(`wrong guess number ${n}`, { reauthenticate: true })
    expect(await failuresOf(victim.email)).toEqual([7])
    const eventsBefore = (await eventsOf(victim.email)).length
    const right = await guess(PASSWORD, { reauthenticate: true })
    expect([right.status, right.body.code]).toEqual([403, 'different-account'])
    // The attacker knows the password now. What does the owner know?
    const left = {
      failures: await failuresOf(victim.email),
      events: (await eventsOf(victim.email)).length - eventsBefore,
    }
    // And signs in for good, which would have been emailed about.
    await newBrowser().send('login', 'POST', { email: victim.email, password: PASSWORD })
    const emailed = (await emailKindsTo(victim.email)).includes('login-after-failures')
    expect({ ...left, emailed }).toEqual({ failures: [8], events: 1, emailed: true })
  })

  test('nor by a dead cookie, without any account', async () => {
    const victim = await verifiedPerson()
    const attacker = await signedInPerson()
    const dead = tokenOf(attacker.browser)
    await attacker.browser.send('logout', 'POST', {})
    const guess = (password: string) =>
      browserWith(dead).send('login', 'POST', { email: victim.email, password, reauthenticate: true })
    for (let n = 0; n < 7; n += 1) await guess(`wrong guess number ${n}`)
    const wrong = (await guess('another wrong guess')).body.code
    const right = (await guess(PASSWORD)).body.code
    expect([wrong, right, await failuresOf(victim.email)]).toEqual([
      'invalid-credentials',
      'unauthorized',
      [9],
    ])
  })
})

describe('reuse', () => {
  test('is found where the thief has signed out before the owner comes back', async () => {
    const person = await signedInPerson()
    const owners = tokenOf(person.browser)
    const thief = browserWith(owners)
    for (let n = 0; n < 2; n += 1) {
      await ageSessions(person.email, 31)
      expect((await thief.send('refresh', 'POST', {})).status).toBe(200)
    }
    // Smash and grab: the thief is two rotations ahead, is done, and signs out.
    expect((await thief.send('logout', 'POST', {})).status).toBe(204)
    await query(
      `UPDATE sessions SET revoked_at = revoked_at - interval '10 minutes' WHERE user_id = (SELECT id FROM users WHERE email = $1)`,
      person.email,
    )
    const response = await person.browser.send('refresh', 'POST', {})
    expect(response.body.code).toBe('session-ended')
    expect([await eventsOf(person.email), await emailKindsTo(person.email)]).toEqual([
      expect.arrayContaining(['refresh-token-reused']),
      expect.arrayContaining(['refresh-token-reused']),
    ])
  })
})

describe('presented means presented', () => {
  test('a cookie that confirms a change of address confirms itself', async () => {
    const account = await insertAccount(1)
    const token = await insertOneTimeToken(account, 'email-change', newAddress())
    const browser = browserWith(account.sessions[0]?.cookie ?? '')
    expect((await browser.send('verify', 'PUT', { token })).status).toBe(200)
    expect(await query('SELECT confirmed FROM sessions WHERE user_id = $1', account.id)).toEqual([
      { confirmed: true },
    ])
  })

  test('a read that waited for a revocation sees it', async () => {
    const account = await insertAccount(1)
    const other = new Client({ connectionString: databaseUrl })
    await other.connect()
    await other.query('BEGIN')
    await other.query(
      `UPDATE latchkey.sessions SET revoked_at = now(), revocation_reason = 'logout' WHERE user_id = $1`,
      [account.id],
    )
    const read = browserWith(account.sessions[0]?.cookie ?? '').send('account', 'GET')
    await sleep(500)
    await other.query('COMMIT')
    await other.end()
    // The list of sessions says 401 here (list_sessions.sql: "Revoked meanwhile").
    expect((await read).status).toBe(401)
  })
})

describe('signing out everywhere', () => {
  test('does not say done where it was not', async () => {
    const person = await signedInPerson()
    const elsewhere = await otherBrowserOf(person)
    // A thief has rotated twice in the first session: the owner's cookie there is stale.
    const thief = browserWith(tokenOf(person.browser))
    for (let n = 0; n < 2; n += 1) {
      await ageSessions(person.email, 31)
      await thief.send('refresh', 'POST', {})
    }
    const response = await person.browser.send('logout', 'POST', { everywhere: true })
    const still = (await elsewhere.send('account', 'GET')).status
    expect({ status: response.status, still, events: await eventsOf(person.email) }).not.toMatchObject({
      status: 204,
      still: 200,
    })
  })
})

test('nobody signs in to an account without a password', async () => {
  const account = await insertAccount(0)
  // As admin_force_reset leaves it. What login then compares with is a constant of the source.
  const [{ security_version: version }] = await query(
    'UPDATE users SET password_hash = NULL WHERE id = $1 RETURNING security_version',
    account.id,
  )
  const [{ result }] = await query(
    `SELECT latchkey.finish_login(p_email_normalized => $1, p_security_version => $2, p_checked_hash => $3, p_rehash => NULL,
       p_device_key => NULL, p_family_hash => sha256('x'), p_presented_family_hash => NULL, p_presented_counter => NULL,
       p_reauthenticates => false, p_persistent => true, p_request => '{}') AS result`,
    account.email,
    version,
    'any hash',
  )
  expect(result.kind).toBe('changed')
})

test('remember: false leaves no cookie behind when the browser is closed', async () => {
  const browser = newBrowser()
  const { setCookies } = await browser.send('register', 'POST', {
    email: newAddress(),
    password: PASSWORD,
    remember: false,
  })
  expect(setCookies.filter((cookie) => cookie.includes('Max-Age'))).toEqual([])
})

describe('recoveries', () => {
  test('a recovery by the owner, then the predecessor again from another browser, leaves an event', async () => {
    const person = await signedInPerson()
    const old = tokenOf(person.browser)
    await ageSessions(person.email, 31)
    await browserWith(old).send('refresh', 'POST', {}) // its response is lost
    await ageSessions(person.email, 31)
    await person.browser.send('refresh', 'POST', {}) // the owner's recovery
    await ageSessions(person.email, 31)
    const before = (await eventsOf(person.email)).length
    const phone =
      'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1'
    const thief = await browserWith(old).send('refresh', 'POST', {}, { 'user-agent': phone })
    expect([thief.status, (await eventsOf(person.email)).length - before]).not.toEqual([200, 0])
  })
})
