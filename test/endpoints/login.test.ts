import { hash } from '@node-rs/argon2'
import { parseSetCookie } from 'cookie'
import { decodeJwt } from 'jose'
import { describe, expect, test } from 'vitest'
import { lifetimeSeconds, maximum } from '../../lib/limits.ts'
import { newBrowser, type Received, type Browser } from '../support/browser.ts'
import { ageSessions, query } from '../support/database.ts'
import {
  emailKindsTo,
  failedBefore,
  failuresOf,
  isSignedIn,
  emailsTo,
  newAddress,
  newestEmailTo,
  otherBrowserOf,
  OTHER_PASSWORD,
  PASSWORD,
  registeredPerson,
  signedInPerson,
  tokenIn,
  verifiedPerson,
  type Person,
} from '../support/people.ts'

const WRONG = 'not the right password at all'

const login = (browser: Browser, email: string, password = PASSWORD, more: object = {}) =>
  browser.send('login', 'POST', { email, password, ...more })

const cookieNames = ({ setCookies }: Received) => setCookies.map((text) => parseSetCookie(text).name)
const maxAges = ({ setCookies }: Received) => setCookies.map((text) => parseSetCookie(text).maxAge)

async function userOf(email: string) {
  const [user] = await query('SELECT * FROM users WHERE email = $1', email)
  return user
}

/** Sets the hash of an account's password without changing the password, so that the next login rehashes it. */
async function weakenHash(email: string): Promise<void> {
  const weak = await hash(PASSWORD, { memoryCost: 4096, timeCost: 2, parallelism: 1 })
  await query('UPDATE users SET password_hash = $2 WHERE email = $1', email, weak)
}

describe('login', () => {
  test('[ASVS 3.3.4] the refresh token is only in the cookie', async () => {
    const person = await verifiedPerson()
    const response = await login(person.browser, person.email)
    const token = person.browser.cookies.get('__Host-session') ?? 'missing'
    expect(token).toMatch(/^[\w-]{91}$/)
    expect(JSON.stringify(response.body)).not.toContain(token)
    const others = [...response.headers].filter(([name]) => name !== 'set-cookie')
    expect(JSON.stringify(others)).not.toContain(token)
  })

  test('the session cookies live as long as the session, the device cookie for 180 days', async () => {
    const person = await verifiedPerson()
    const response = await login(person.browser, person.email)
    expect(cookieNames(response)).toEqual(['__Host-session', 'signed-in', '__Host-device'])
    expect(maxAges(response)).toEqual([604_800, 604_800, 15_552_000])
  })

  test('the access token says how and when the session was authenticated', async () => {
    const person = await verifiedPerson()
    const before = Math.floor(Date.now() / 1000)
    const { body } = await login(person.browser, person.email)
    const { amr, auth_time: authTime } = decodeJwt(body.accessToken)
    expect(amr).toEqual(['pwd'])
    expect(authTime).toBeGreaterThanOrEqual(before - 1)
    expect(authTime).toBeLessThanOrEqual(Date.now() / 1000 + 1)

    // A refresh renews the token and not the authentication.
    await ageSessions(person.email, 1000)
    const refreshed = await person.browser.send('refresh', 'POST', {})
    const claims = decodeJwt(refreshed.body.accessToken)
    expect([claims['amr'], claims['auth_time']]).toEqual([['pwd'], Number(authTime) - 1000])
  })

  test('[CS Authentication login] [ASVS 6.3.8] a wrong password, an unknown address, a locked and a disabled account get the same response', async () => {
    const [wrong, locked, disabled] = [await verifiedPerson(), await verifiedPerson(), await verifiedPerson()]
    const withoutPassword = await verifiedPerson()
    await login(newBrowser(), locked.email, WRONG)
    await failedBefore(locked.email, maximum.lockedAt)
    await query('UPDATE users SET disabled_at = now() WHERE email = $1', disabled.email)
    await query('UPDATE users SET password_hash = NULL WHERE email = $1', withoutPassword.email)
    const responses = [
      await login(newBrowser(), wrong.email, WRONG),
      await login(newBrowser(), newAddress()),
      await login(newBrowser(), locked.email),
      await login(newBrowser(), disabled.email),
      await login(newBrowser(), withoutPassword.email),
      await login(newBrowser(), (await registeredPerson()).email, WRONG),
    ]
    for (const response of responses) {
      expect([response.status, response.body, response.setCookies]).toEqual([401, responses[0]?.body, []])
      expect([...response.headers.keys()]).toEqual([...responses[0]!.headers.keys()])
      expect(response.headers.get('www-authenticate')).toBe('Bearer')
    }
  })

  test('[ASVS 2.3.1] a pending registration shows only after its right password, and opens no session', async () => {
    const person = await registeredPerson()
    const right = await login(newBrowser(), person.email)
    expect([right.status, right.body.code, right.setCookies]).toEqual([403, 'email-unverified', []])
    expect((await login(newBrowser(), person.email, WRONG)).body.code).toBe('invalid-credentials')
  })

  test('[ASVS 7.2.4] it supersedes the session that the browser had, whichever account that is of', async () => {
    const person = await signedInPerson()
    const first = person.browser.cookies.get('__Host-session') ?? ''
    expect((await login(person.browser, person.email)).status).toBe(200)
    const thief = newBrowser()
    thief.cookies.set('__Host-session', first)
    expect((await thief.send('refresh', 'POST', {})).body.code).toBe('session-ended')
    expect(await isSignedIn(person.browser)).toBe(true)

    const other = await verifiedPerson()
    const second = person.browser.cookies.get('__Host-session') ?? ''
    expect((await login(person.browser, other.email)).body.user.email).toBe(other.email)
    thief.cookies.set('__Host-session', second)
    expect(await isSignedIn(thief)).toBe(false)
    const events = await query(
      "SELECT detail FROM events WHERE kind = 'session-revoked' AND user_id = $1",
      (await userOf(person.email)).id,
    )
    expect(events.map(({ detail }) => detail)).toEqual([{ reason: 'superseded' }, { reason: 'superseded' }])
  })

  test('a failed login does nothing to the session that the browser had', async () => {
    const person = await signedInPerson()
    await login(person.browser, person.email, WRONG)
    expect(await isSignedIn(person.browser)).toBe(true)
  })

  test('[63B-4 3.2.2] [CS Authentication lockout] the 100th failure in a row locks the password, its owner is emailed once, and a reset unlocks it', async () => {
    const person = await verifiedPerson()
    const guess = (password: string) => login(newBrowser(), person.email, password)
    await guess(WRONG)
    await failedBefore(person.email, 99)
    await guess(WRONG)
    for (const password of [PASSWORD, WRONG]) {
      await failedBefore(person.email, (await failuresOf(person.email))[0] ?? 0)
      expect((await guess(password)).body.code).toBe('invalid-credentials')
    }
    expect(await emailKindsTo(person.email)).toEqual(['confirm-registration', 'password-locked'])
    const events = await query(
      "SELECT FROM events WHERE kind = 'password-locked' AND user_id = $1",
      (await userOf(person.email)).id,
    )
    expect(events).toHaveLength(1)

    await newBrowser().send('reset', 'POST', { email: person.email })
    const token = tokenIn(await newestEmailTo(person.email))
    expect((await newBrowser().send('reset', 'PUT', { token, password: OTHER_PASSWORD })).status).toBe(200)
    expect((await guess(OTHER_PASSWORD)).status).toBe(200)
  })

  test('[63B-4 3.2.2] the 99th failure does not lock, and a success clears the count', async () => {
    const person = await verifiedPerson()
    await login(newBrowser(), person.email, WRONG)
    await failedBefore(person.email, 98)
    await login(newBrowser(), person.email, WRONG)
    await failedBefore(person.email, 99)
    expect((await login(newBrowser(), person.email)).status).toBe(200)
    expect(await failuresOf(person.email)).toEqual([])
  })

  test('[ASVS 6.3.1] parallel guesses cannot outrun the counter', async () => {
    const person = await verifiedPerson()
    const responses = await Promise.all(
      Array.from({ length: 15 }, () => login(newBrowser(), person.email, WRONG)),
    )
    const statuses = responses.map((response) => response.status).toSorted((one, other) => one - other)
    const { backOffFrom } = maximum
    expect(statuses).toEqual([
      ...Array<number>(backOffFrom).fill(401),
      ...Array<number>(15 - backOffFrom).fill(429),
    ])
    expect(await failuresOf(person.email)).toEqual([backOffFrom])
  })

  test('[CS Password Storage] a login replaces a hash of another cost, and bumps no security version by it', async () => {
    const person = await verifiedPerson()
    await weakenHash(person.email)
    const { security_version: version } = await userOf(person.email)
    expect((await login(person.browser, person.email)).status).toBe(200)
    const user = await userOf(person.email)
    expect(user.password_hash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/)
    expect(user.security_version).toBe(version)
    expect((await login(person.browser, person.email)).status).toBe(200)
  })

  test('of logins in parallel with a rehash due, all succeed', async () => {
    const person = await verifiedPerson()
    await weakenHash(person.email)
    const { security_version: version } = await userOf(person.email)
    // As many as come before the first wait.
    const responses = await Promise.all(
      Array.from({ length: maximum.backOffFrom }, () => login(newBrowser(), person.email)),
    )
    expect(responses.map(({ status }) => status)).toEqual(Array<number>(maximum.backOffFrom).fill(200))
    const user = await userOf(person.email)
    expect(user.password_hash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/)
    expect(user.security_version).toBe(version)
    expect((await login(newBrowser(), person.email)).status).toBe(200)
  })

  test('a rehash is written only over the hash that was checked', async () => {
    const person = await verifiedPerson()
    await query(
      'UPDATE users SET password_hash = $2 WHERE email = $1',
      person.email,
      'set by a rehash before',
    )
    const [{ result }] = await query(
      `SELECT latchkey.finish_login(p_email_normalized => email_normalized, p_security_version => security_version,
         p_checked_hash => 'what was checked', p_rehash => 'its rehash', p_device_key => NULL,
         p_family_hash => sha256('family'), p_presented_family_hash => NULL, p_presented_counter => NULL,
         p_reauthenticates => false, p_persistent => true, p_request => '{}') AS result
       FROM users WHERE email = $1`,
      person.email,
    )
    expect(result.kind).toBe('signed-in')
    expect((await userOf(person.email)).password_hash).toBe('set by a rehash before')
  })

  test.each<[string, string]>([
    ['the password was changed', "password_hash = 'other', security_version = security_version + 1"],
    ['the account was disabled', 'disabled_at = now(), security_version = security_version + 1'],
    ['the role was changed', "role = 'admin', security_version = security_version + 1"],
  ])('a login under way opens no session when %s meanwhile', async (_, change) => {
    const person = await verifiedPerson()
    const { security_version: version } = await userOf(person.email)
    await query(`UPDATE users SET ${change} WHERE email = $1`, person.email)
    const [{ result }] = await query(
      `SELECT latchkey.finish_login(p_email_normalized => email_normalized, p_security_version => $2,
         p_checked_hash => 'what was checked', p_rehash => NULL, p_device_key => NULL,
         p_family_hash => sha256('family of another test'), p_presented_family_hash => NULL,
         p_presented_counter => NULL, p_reauthenticates => false, p_persistent => true, p_request => '{}') AS result
       FROM users WHERE email = $1`,
      person.email,
      version,
    )
    expect(result).toEqual({ kind: 'changed' })
  })

  test('[ASVS 2.3.2] [ASVS 7.1.2] an account has at most 50 sessions: one more revokes the oldest', async () => {
    const person = await signedInPerson()
    const { id } = await userOf(person.email)
    await query(
      `INSERT INTO sessions (id, user_id, family_hash, method, persistent, idle_expires_at, absolute_expires_at,
         created_at)
       SELECT gen_random_uuid(), $1, sha256(n::text::bytea), 'password', true, now() + interval '1 day',
         now() + interval '1 day', now() + n * interval '1 second'
       FROM generate_series(1, 49) n`,
      id,
    )
    expect((await login(newBrowser(), person.email)).status).toBe(200)
    const live = await query('SELECT FROM sessions WHERE user_id = $1 AND revoked_at IS NULL', id)
    expect(live).toHaveLength(50)
    expect((await person.browser.send('refresh', 'POST', {})).body.code).toBe('session-ended')
    const revoked = await query(
      "SELECT detail FROM events WHERE user_id = $1 AND kind = 'session-revoked'",
      id,
    )
    expect(revoked).toEqual([{ detail: { reason: 'session-limit' } }])
  })

  test('[ASVS 6.2.8] [63B-4 3.1.1.2(9)] the password counts to its last byte and as it was given', async () => {
    const password = `${'x y'.repeat(30)}Z`
    const { email } = await verifiedPerson(password)
    for (const other of [
      password.toLowerCase(),
      `${password} `,
      `${password.slice(0, 72)}!${password.slice(73)}`,
      password.slice(0, 72),
    ]) {
      expect((await login(newBrowser(), email, other)).status).toBe(401)
    }
    expect((await login(newBrowser(), email, password)).status).toBe(200)
  })

  test('[ASVS 6.2.9] [63B-4 3.1.1.2(2)] [63B-4 3.1.1.2(3)] [63B-4 3.1.1.2(4)] 64 and 128 characters register and sign in, of four bytes each or spaces and ASCII', async () => {
    const emoji = (count: number) =>
      Array.from({ length: count }, (_, index) => String.fromCodePoint(0x1f300 + index)).join('')
    for (const password of [emoji(64), emoji(128), ` ~!"#$%&'()*+,-./:;<=>?@[]^_ {|} and 0 to 9 `]) {
      const { email } = await verifiedPerson(password)
      expect((await login(newBrowser(), email, password)).status).toBe(200)
    }
  })

  test('[ASVS 6.2.10] [63B-4 3.1.1.2(6)] a password of years ago signs in, and nothing asks to change it', async () => {
    const person = await verifiedPerson()
    await query(
      `UPDATE users SET created_at = now() - interval '5 years', updated_at = now() - interval '5 years',
         email_verified_at = now() - interval '5 years' WHERE email = $1`,
      person.email,
    )
    const { status, body } = await login(newBrowser(), person.email)
    const fields = ['accessToken', 'expiresAt', 'session', 'user']
    expect([status, Object.keys(body).toSorted()]).toEqual([200, fields])
  })

  test('[ASVS 6.2.10] [63B-4 3.1.1.2(6)] a password that the operator takes away signs nobody in, revokes the sessions and queues a reset link', async () => {
    const person = await signedInPerson()
    const bystander = await signedInPerson()
    const { id, security_version: version } = await userOf(person.email)
    await query("SELECT latchkey.admin_force_reset(p_user_id => $1, p_request => '{}')", id)

    expect(await userOf(person.email)).toMatchObject({ password_hash: null, security_version: version + 1 })
    expect((await person.browser.send('account', 'GET')).status).toBe(401)
    expect((await person.browser.send('refresh', 'POST', {})).body.code).toBe('session-ended')
    for (const browser of [person.browser, newBrowser()]) {
      const refused = await login(browser, person.email)
      expect([refused.status, refused.body.code]).toEqual([401, 'invalid-credentials'])
    }
    expect(await isSignedIn(bystander.browser)).toBe(true)
    const events = await query(
      "SELECT detail FROM events WHERE kind = 'password-locked' AND user_id = $1",
      id,
    )
    expect(events).toEqual([{ detail: { by: 'operator' } }])
    expect(await emailKindsTo(person.email)).toEqual(['confirm-registration', 'reset-required'])

    // It takes along the one that the operator caused, which the newer request made worthless.
    await newBrowser().send('reset', 'POST', { email: person.email })
    const [, email] = await emailsTo(person.email)
    const token = tokenIn(email!)
    expect((await newBrowser().send('reset', 'PUT', { token, password: OTHER_PASSWORD })).status).toBe(200)
    expect((await login(person.browser, person.email, OTHER_PASSWORD)).status).toBe(200)
  })

  test('[CS Authentication lockout] failures count on the account and not on the network that they come from', async () => {
    const [victim, neighbor] = [await verifiedPerson(), await verifiedPerson()]
    const network = newBrowser()
    for (let failure = 1; failure <= maximum.backOffFrom; failure += 1)
      await login(network, victim.email, WRONG)
    expect((await login(network, victim.email)).status).toBe(429)
    expect((await login(network, neighbor.email)).status).toBe(200)
    expect((await login(newBrowser(), victim.email)).status).toBe(429)
  })

  test('[ASVS 15.2.2] of 100 at once, each from its own network, some are asked to come back and all others are answered', async () => {
    const { email } = await verifiedPerson()
    const responses = await Promise.all(
      Array.from({ length: 100 }, (_, index) =>
        index === 0 ? login(newBrowser(), email) : login(newBrowser(), newAddress(), WRONG),
      ),
    )
    const busy = responses.filter(({ status }) => status === 503)
    expect(busy.length).toBeGreaterThan(0)
    for (const { body, headers, setCookies } of busy) {
      expect([body.code, headers.get('retry-after'), setCookies]).toEqual(['busy', '2', []])
    }
    const responded = responses.filter(({ status }) => status === 200 || status === 401)
    expect(responded.length).toBeGreaterThanOrEqual(22)
    expect(busy.length + responded.length).toBe(100)
    expect((await login(newBrowser(), email)).status).toBe(200)
  })
})

describe('the device cookie', () => {
  /** Strangers have used up the account's own attempts: only a browser that is known gets in. */
  async function closeToStrangers(email: string): Promise<void> {
    await Promise.all(Array.from({ length: maximum.backOffFrom }, () => login(newBrowser(), email, WRONG)))
    expect((await login(newBrowser(), email, OTHER_PASSWORD)).status).toBe(429)
  }

  test('a change of the password renews it here, and makes every other one worthless', async () => {
    const person = await signedInPerson()
    const other = await otherBrowserOf(person)
    const passwords = { currentPassword: PASSWORD, newPassword: OTHER_PASSWORD }
    expect((await person.browser.send('account', 'PATCH', passwords)).status).toBe(200)
    await closeToStrangers(person.email)
    expect((await login(other, person.email, OTHER_PASSWORD)).status).toBe(429)
    expect((await login(person.browser, person.email, OTHER_PASSWORD)).status).toBe(200)
  })

  test('a reset renews it in a browser that has it, and gives none to another', async () => {
    const person = await signedInPerson()
    for (const browser of [person.browser, newBrowser()]) {
      const had = browser.cookies.has('__Host-device')
      await browser.send('reset', 'POST', { email: person.email })
      const token = tokenIn(await newestEmailTo(person.email))
      const response = await browser.send('reset', 'PUT', { token, password: OTHER_PASSWORD })
      expect(cookieNames(response)).toEqual(had ? ['__Host-device'] : [])
      expect(maxAges(response)).toEqual(had ? [undefined] : [])
      if (!had) continue
      await closeToStrangers(person.email)
      expect((await login(browser, person.email, OTHER_PASSWORD)).status).toBe(200)
    }
  })

  test('a change of the address renews it for the new one', async () => {
    const person = await signedInPerson()
    const email = newAddress()
    await person.browser.send('account', 'PATCH', { email })
    const token = tokenIn(await newestEmailTo(email))
    const response = await person.browser.send('verify', 'PUT', { token })
    expect(cookieNames(response)).toEqual(['__Host-device'])
    await closeToStrangers(email)
    expect((await login(person.browser, email)).status).toBe(200)
  })
})

describe('remember: false', () => {
  async function sessionOf(email: string) {
    const [session] = await query(
      `SELECT persistent, extract(epoch FROM idle_expires_at - rotated_at)::int AS idle,
         extract(epoch FROM absolute_expires_at - created_at)::int AS absolute
       FROM sessions WHERE user_id = (SELECT id FROM users WHERE email = $1) AND revoked_at IS NULL`,
      email,
    )
    return session
  }

  test('no cookie of that sign-in has a Max-Age; the session is over after 2 hours idle, and after a day', async () => {
    const person = await verifiedPerson()
    const response = await login(person.browser, person.email, PASSWORD, { remember: false })
    expect(cookieNames(response)).toEqual(['__Host-session', 'signed-in', '__Host-device'])
    expect(maxAges(response)).toEqual([undefined, undefined, undefined])
    for (const text of response.setCookies) expect(text.toLowerCase()).not.toContain('expires')
    expect(await sessionOf(person.email)).toEqual({ persistent: false, idle: 7200, absolute: 86_400 })
    const endsIn = (Date.parse(response.body.session.absoluteExpiresAt) - Date.now()) / 1000
    expect(Math.abs(endsIn - 86_400)).toBeLessThan(60)
  })

  test('a refresh keeps it that way', async () => {
    const person = await verifiedPerson()
    await login(person.browser, person.email, PASSWORD, { remember: false })
    await ageSessions(person.email, 3600)
    const response = await person.browser.send('refresh', 'POST', {})
    expect(maxAges(response)).toEqual([undefined, undefined])
    expect(await sessionOf(person.email)).toEqual({ persistent: false, idle: 7200, absolute: 86_400 })
    await ageSessions(person.email, 7201)
    expect(await isSignedIn(person.browser)).toBe(false)
  })

  test('however often it is refreshed, it is over after a day', async () => {
    const person = await verifiedPerson()
    await login(person.browser, person.email, PASSWORD, { remember: false })
    for (let hour = 1; hour < 24; hour += 1) {
      await ageSessions(person.email, 3600)
      expect(await isSignedIn(person.browser), `hour ${hour}`).toBe(true)
    }
    await ageSessions(person.email, 3600)
    expect(await isSignedIn(person.browser)).toBe(false)
  })

  test('remembering is the default, and a new sign-in chooses again', async () => {
    const person = await verifiedPerson()
    await login(person.browser, person.email, PASSWORD, { remember: false })
    const response = await login(person.browser, person.email)
    expect(maxAges(response)).toEqual([604_800, 604_800, 15_552_000])
    expect(await sessionOf(person.email)).toMatchObject({ persistent: true, absolute: 2_592_000 })
  })

  test.each([null, 0, 'false', 'on', {}])('%j is not a choice', async (remember) => {
    const response = await login(newBrowser(), newAddress(), PASSWORD, { remember })
    expect([response.status, response.body.errors[0].pointer]).toEqual([422, '#/remember'])
  })
})

describe('reauthenticate: true', () => {
  const reauthenticate = (browser: Browser, email: string, password = PASSWORD, more: object = {}) =>
    login(browser, email, password, { reauthenticate: true, ...more })

  async function sessionsOf(person: Person) {
    return query(
      `SELECT id, persistent, revoked_at IS NULL AS live, absolute_expires_at, revocation_reason
       FROM sessions WHERE user_id = (SELECT id FROM users WHERE email = $1) ORDER BY created_at`,
      person.email,
    )
  }

  test('it replaces the session, which counts as just authenticated and keeps its absolute expiry', async () => {
    const person = await signedInPerson()
    await ageSessions(person.email, 3 * 86_400)
    const [before] = await sessionsOf(person)
    expect((await person.browser.send('sessions?others=true', 'DELETE')).body.code).toBe(
      'reauthentication-required',
    )

    const response = await reauthenticate(person.browser, person.email)
    expect(response.status).toBe(200)
    expect(Date.parse(response.body.session.absoluteExpiresAt)).toBe(before.absolute_expires_at.getTime())
    const sessions = await sessionsOf(person)
    expect(sessions).toEqual([
      { ...before, live: false, revocation_reason: 'superseded' },
      { ...before, id: response.body.session.id, live: true },
    ])
    expect((await person.browser.send('sessions?others=true', 'DELETE')).status).toBe(204)
  })

  test('it never carries a session past its absolute expiry, and the cookie promises no more', async () => {
    const person = await signedInPerson()
    await query("UPDATE sessions SET absolute_expires_at = now() + interval '1 hour'")
    const response = await reauthenticate(person.browser, person.email)
    const [maxAge = Number.NaN] = maxAges(response)
    expect(maxAge).toBeLessThanOrEqual(3600)
    expect(maxAge).toBeGreaterThan(3500)
  })

  test('a session that ends with the browser still does, whatever remember says', async () => {
    const person = await verifiedPerson()
    await login(person.browser, person.email, PASSWORD, { remember: false })
    const response = await reauthenticate(person.browser, person.email, PASSWORD, { remember: true })
    expect(maxAges(response)).toEqual([undefined, undefined, undefined])
    expect((await sessionsOf(person)).at(-1)).toMatchObject({ persistent: false })
  })

  test('a session that is remembered stays so, whatever remember says', async () => {
    const person = await signedInPerson()
    const response = await reauthenticate(person.browser, person.email, PASSWORD, { remember: false })
    expect(maxAges(response).slice(0, 2)).toEqual([604_800, 604_800])
    expect((await sessionsOf(person)).at(-1)).toMatchObject({ persistent: true })
  })

  test('without a live session it is 401, and opens none', async () => {
    const person = await signedInPerson()
    const token = person.browser.cookies.get('__Host-session') ?? ''
    await person.browser.send('logout', 'POST', {})
    const [ended, forged] = [newBrowser(), newBrowser()]
    ended.cookies.set('__Host-session', token)
    forged.cookies.set('__Host-session', 'A'.repeat(91))
    for (const browser of [newBrowser(), ended, forged]) {
      const response = await reauthenticate(browser, person.email)
      expect([response.status, response.body.code, response.setCookies]).toEqual([401, 'unauthorized', []])
    }
    expect((await sessionsOf(person)).filter(({ live }) => live)).toEqual([])
  })

  test('an outdated refresh token re-authenticates nothing', async () => {
    const person = await signedInPerson()
    const outdated = newBrowser()
    outdated.cookies.set('__Host-session', person.browser.cookies.get('__Host-session') ?? '')
    for (let rotation = 0; rotation < 2; rotation += 1) {
      await ageSessions(person.email, lifetimeSeconds.reuseInterval + 1)
      await person.browser.send('refresh', 'POST', {})
    }
    const response = await reauthenticate(outdated, person.email)
    expect([response.status, response.body.code]).toEqual([401, 'unauthorized'])
    expect(await isSignedIn(person.browser)).toBe(true)
  })

  test('where the response to a refresh was lost, it waits for another refresh', async () => {
    const person = await signedInPerson()
    const before = person.browser.cookies.get('__Host-session') ?? ''
    await ageSessions(person.email, 60)
    await person.browser.send('refresh', 'POST', {})
    await ageSessions(person.email, 60)
    person.browser.cookies.set('__Host-session', before)
    const response = await reauthenticate(person.browser, person.email)
    expect([response.status, response.body.code, response.setCookies]).toEqual([401, 'refresh-required', []])
    await person.browser.send('refresh', 'POST', {})
    expect((await reauthenticate(person.browser, person.email)).status).toBe(200)
  })

  test('with the right password of another account it is 403, it counts as a failure, and nothing else changes', async () => {
    const [person, other] = [await signedInPerson(), await verifiedPerson()]
    const before = await sessionsOf(person)
    const response = await reauthenticate(person.browser, other.email)
    expect([response.status, response.body.code, response.setCookies]).toEqual([403, 'different-account', []])
    expect(await sessionsOf(person)).toEqual(before)
    expect(await sessionsOf(other)).toEqual([])
    // It stays counted, or any session would be a silent way to try other accounts' passwords.
    expect(await failuresOf(other.email)).toEqual([1])
    expect((await person.browser.send('account', 'GET')).body.user.email).toBe(person.email)
  })

  test('a wrong password is refused and counted like any other, and the session goes on', async () => {
    const person = await signedInPerson()
    const response = await reauthenticate(person.browser, person.email, WRONG)
    expect([response.status, response.body.code]).toEqual([401, 'invalid-credentials'])
    expect(await isSignedIn(person.browser)).toBe(true)
    const events = await query(
      "SELECT FROM events WHERE kind = 'login-failed' AND user_id = $1",
      (await userOf(person.email)).id,
    )
    expect(events).toHaveLength(1)
  })

  test('of two tabs that re-authenticate at once, one replaces the session and the other opens none', async () => {
    const person = await signedInPerson()
    const other = await otherBrowserOf(person)
    const tab = newBrowser()
    for (const [name, value] of person.browser.cookies) tab.cookies.set(name, value)
    const responses = await Promise.all([
      reauthenticate(person.browser, person.email),
      reauthenticate(tab, person.email),
    ])
    expect(responses.map(({ status }) => status).toSorted()).toEqual([200, 401])
    const live = (await sessionsOf(person)).filter((session) => session.live)
    expect(live).toHaveLength(2)
    expect(await isSignedIn(other)).toBe(true)
  })
})
