import { createHmac } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { v7 as newId } from 'uuid'
import { describe, expect, test } from 'vitest'
import { oneTimeCode } from '../../lib/crypto/one-time-code.ts'
import { lifetimeSeconds } from '../../lib/limits.ts'
import { signOneTimeToken } from '../../lib/crypto/one-time-token.ts'
import { newBrowser } from '../support/browser.ts'
import { query } from '../support/database.ts'
import {
  emailKindsTo,
  emailsTo,
  newAddress,
  newestEmailTo,
  OTHER_PASSWORD,
  PASSWORD,
  registeredPerson,
  signedInPerson,
  tokenIn,
  verifiedPerson,
} from '../support/people.ts'
import { gateway } from '../support/setup-stack.ts'

async function resetTokenOf(email: string): Promise<string> {
  expect((await newBrowser().send('reset', 'POST', { email })).status).toBe(202)
  return tokenIn(await newestEmailTo(email))
}

describe('requesting a reset', () => {
  test('[CS Forgot Password effects] it changes nothing', async () => {
    const person = await signedInPerson()
    await resetTokenOf(person.email)
    expect((await person.browser.send('refresh', 'POST', {})).status).toBe(200)
    expect(
      (await newBrowser().send('login', 'POST', { email: person.email, password: PASSWORD })).status,
    ).toBe(200)
  })

  test('[ASVS 6.3.8] known, unknown, pending and disabled addresses get the same response; only the account gets an email', async () => {
    const [known, pending, disabled] = [
      await verifiedPerson(),
      await registeredPerson(),
      await verifiedPerson(),
    ]
    await query('UPDATE users SET disabled_at = now() WHERE email = $1', disabled.email)
    const addresses = [known.email, newAddress(), pending.email, disabled.email]
    const responses = await Promise.all(
      addresses.map((email) => newBrowser().send('reset', 'POST', { email })),
    )
    for (const response of responses) {
      expect([response.status, response.body, response.setCookies]).toEqual([
        202,
        { status: 'check-email' },
        [],
      ])
      expect([...response.headers.keys()]).toEqual([...responses[0]!.headers.keys()])
    }
    const counts = await Promise.all(addresses.map(async (email) => (await emailsTo(email)).length))
    expect(counts).toEqual([2, 0, 1, 1])
  })

  test('[CS Forgot Password link] the link is built from the configured origin, whatever the request claims', async () => {
    const person = await verifiedPerson()
    const forged = {
      host: 'evil.example',
      'x-forwarded-host': 'evil.example',
      forwarded: 'host=evil.example',
    }
    expect((await newBrowser().send('reset', 'POST', { email: person.email }, forged)).status).toBe(202)
    const email = await newestEmailTo(person.email)
    expect(email.text).toContain('https://app.latchkey.test/auth/reset#token=')
    expect(`${email.text}${email.html}`).not.toContain('evil.example')
  })

  test('[CS Forgot Password limits] ten requests send at most five emails, with the same response', async () => {
    const person = await verifiedPerson()
    for (let round = 0; round < 10; round += 1) {
      const response = await newBrowser().send('reset', 'POST', { email: person.email })
      expect([response.status, response.body]).toEqual([202, { status: 'check-email' }])
    }
    expect(await emailsTo(person.email)).toHaveLength(1 + 5)
  })
})

describe('consuming a reset token', () => {
  test('[ASVS 7.4.3] [ASVS 6.3.6] [ASVS 6.3.7] [63B-4 3.1.3.1] [63B-4 4.2.3] [63B-4 4.6] [CS Forgot Password effects] every session of the account is revoked, nobody is signed in, and the owner is emailed', async () => {
    const person = await signedInPerson()
    const other = newBrowser()
    await other.send('login', 'POST', { email: person.email, password: PASSWORD })
    const response = await newBrowser().send('reset', 'PUT', {
      token: await resetTokenOf(person.email),
      password: OTHER_PASSWORD,
    })
    expect([response.status, response.body, response.setCookies]).toEqual([
      200,
      { status: 'password-changed' },
      [],
    ])
    for (const browser of [person.browser, other]) {
      expect((await browser.send('refresh', 'POST', {})).body.code).toBe('session-ended')
    }
    expect((await emailKindsTo(person.email)).at(-1)).toBe('password-reset')
    expect((await newestEmailTo(person.email)).text).not.toMatch(/token=|teapots/)
  })

  test('[ASVS 6.4.1] [CS Forgot Password token] it works once', async () => {
    const person = await verifiedPerson()
    const token = await resetTokenOf(person.email)
    expect((await newBrowser().send('reset', 'PUT', { token, password: OTHER_PASSWORD })).status).toBe(200)
    const again = await newBrowser().send('reset', 'PUT', { token, password: 'yet another good password' })
    expect([again.status, again.body.code]).toEqual([410, 'token-already-used'])
    expect(
      (await newBrowser().send('login', 'POST', { email: person.email, password: OTHER_PASSWORD })).status,
    ).toBe(200)
  })

  test('[ASVS 2.3.4] of 20 that present one token at once exactly one succeeds, and its password is the one', async () => {
    const person = await verifiedPerson()
    const token = await resetTokenOf(person.email)
    const passwords = Array.from({ length: 20 }, (_, index) => `a new password, number ${index}`)
    const responses = await Promise.all(
      passwords.map((password) => newBrowser().send('reset', 'PUT', { token, password })),
    )
    expect(responses.map((response) => response.status).toSorted()).toEqual([
      200,
      ...Array<number>(19).fill(410),
    ])
    const password = passwords[responses.findIndex((response) => response.status === 200)]
    expect((await newBrowser().send('login', 'POST', { email: person.email, password })).status).toBe(200)
    expect(await emailsTo(person.email)).toHaveLength(3)
  })

  test('[CS Forgot Password token] a newer request makes the older link worthless', async () => {
    const person = await verifiedPerson()
    const older = await resetTokenOf(person.email)
    const newer = await resetTokenOf(person.email)
    expect(
      (await newBrowser().send('reset', 'PUT', { token: older, password: OTHER_PASSWORD })).body.code,
    ).toBe('token-already-used')
    expect((await newBrowser().send('reset', 'PUT', { token: newer, password: OTHER_PASSWORD })).status).toBe(
      200,
    )
  })

  test('[ASVS 6.4.3] [ASVS 6.2.4] a weak password is refused with the reason, and the link still works', async () => {
    const person = await verifiedPerson()
    const token = await resetTokenOf(person.email)
    const weak = await newBrowser().send('reset', 'PUT', { token, password: '1qaz2wsx3edc4rfv' })
    expect([weak.status, weak.body.code]).toEqual([422, 'weak-password'])
    expect((await newBrowser().send('reset', 'PUT', { token, password: OTHER_PASSWORD })).status).toBe(200)
  })

  test('forged and expired tokens cost no database call', async () => {
    const expired = signOneTimeToken('reset-email', { id: newId(), expiresAt: new Date(1_700_000_000_000) })
    const person = await registeredPerson()
    const ofRegistration = tokenIn(await newestEmailTo(person.email))
    gateway.requests.length = 0
    const code = async (token: string) =>
      (await newBrowser().send('reset', 'PUT', { token, password: OTHER_PASSWORD })).body.code
    expect(await code(expired)).toBe('token-expired')
    expect(await code(ofRegistration)).toBe('token-invalid')
    expect(await code('garbage')).toBe('token-invalid')
    expect(gateway.requests).toHaveLength(0)
  })

  test('a token whose row has expired by the database clock is refused', async () => {
    const person = await verifiedPerson()
    const token = await resetTokenOf(person.email)
    await query(
      'UPDATE one_time_tokens SET expires_at = now() WHERE user_id = (SELECT id FROM users WHERE email = $1)',
      person.email,
    )
    expect((await newBrowser().send('reset', 'PUT', { token, password: OTHER_PASSWORD })).body.code).toBe(
      'token-already-used',
    )
  })

  test('it bumps the security version, so that nothing that was checked before is worth anything', async () => {
    const person = await verifiedPerson()
    const version = async () =>
      (await query('SELECT security_version FROM users WHERE email = $1', person.email))[0].security_version
    const before = await version()
    const token = await resetTokenOf(person.email)
    expect(await version()).toBe(before)
    await newBrowser().send('reset', 'PUT', { token, password: OTHER_PASSWORD })
    expect(await version()).toBe(before + 1)
  })

  test('an account without a password gets one by a reset', async () => {
    const person = await verifiedPerson()
    await query('UPDATE users SET password_hash = NULL WHERE email = $1', person.email)
    const token = await resetTokenOf(person.email)
    expect((await newBrowser().send('reset', 'PUT', { token, password: OTHER_PASSWORD })).status).toBe(200)
    const login = { email: person.email, password: OTHER_PASSWORD }
    expect((await newBrowser().send('login', 'POST', login)).status).toBe(200)
  })

  test('no session opens on the old password while a reset goes through', async () => {
    for (let round = 0; round < 15; round += 1) {
      const person = await verifiedPerson()
      const token = await resetTokenOf(person.email)
      const racers = Array.from({ length: 4 }, newBrowser)
      const [reset] = await Promise.all([
        newBrowser().send('reset', 'PUT', { token, password: OTHER_PASSWORD }),
        ...racers.map((browser) =>
          browser.send('login', 'POST', { email: person.email, password: PASSWORD }),
        ),
      ])
      expect(reset.status).toBe(200)
      for (const browser of racers) expect((await browser.send('refresh', 'POST', {})).status).toBe(401)
    }
  })

  test('[ASVS 2.3.3] [RFC 9457 5] when a part of it fails, none of it is done', async () => {
    const person = await signedInPerson()
    const token = await resetTokenOf(person.email)
    await query("ALTER TABLE events ADD CONSTRAINT no_reset CHECK (kind <> 'password-reset') NOT VALID")
    const response = await newBrowser().send('reset', 'PUT', { token, password: OTHER_PASSWORD })
    await query('ALTER TABLE events DROP CONSTRAINT no_reset')
    expect([response.status, response.body.code]).toEqual([500, 'internal-error'])
    expect(JSON.stringify(response.body)).not.toMatch(/SQL|events|no_reset|constraint/i)
    expect((await person.browser.send('refresh', 'POST', {})).status).toBe(200)
    expect((await newBrowser().send('reset', 'PUT', { token, password: OTHER_PASSWORD })).status).toBe(200)
  })

  test('[CS Forgot Password token] [CS Input Validation token] nothing that is stored opens it: its parts make no token without the secret', async () => {
    const person = await verifiedPerson()
    const token = await resetTokenOf(person.email)
    const tables = await query("SELECT tablename FROM pg_tables WHERE schemaname = 'latchkey'")
    expect(tables.length).toBeGreaterThan(8)
    const mac = Buffer.from(token, 'base64url').subarray(-32)
    for (const { tablename } of tables) {
      const rows = await query(`SELECT to_jsonb(t)::text AS text FROM ${tablename} t`)
      for (const { text } of rows) {
        for (const secret of [
          token,
          mac.toString('base64url'),
          mac.toString('hex'),
          mac.toString('base64'),
        ]) {
          expect(text).not.toContain(secret)
        }
      }
    }
    // What a thief of the tables has: the id and the expiry of the token, and a key of their own.
    const [row] = await query(
      "SELECT id, expires_at FROM one_time_tokens WHERE purpose = 'reset' AND user_id = (SELECT id FROM users WHERE email = $1)",
      person.email,
    )
    const parts = Buffer.from(token, 'base64url').subarray(0, -32)
    expect(parts.subarray(0, 16).toString('hex')).toBe(String(row.id).replaceAll('-', ''))
    expect(parts.readUInt32BE(16)).toBe(row.expires_at.getTime() / 1000)
    const forged = createHmac('sha256', 'another key').update(parts).digest()
    const response = await newBrowser().send('reset', 'PUT', {
      token: Buffer.concat([parts, forged]).toString('base64url'),
      password: OTHER_PASSWORD,
    })
    expect([response.status, response.body.code]).toEqual([400, 'token-invalid'])
    expect((await newBrowser().send('reset', 'PUT', { token, password: OTHER_PASSWORD })).status).toBe(200)
  })

  test('[63B-4 4.2.1.2] [ASVS 6.4.3] link and code go to a verified address only, and expire within half an hour', async () => {
    const pending = await registeredPerson()
    await newBrowser().send('reset', 'POST', { email: pending.email })
    expect(await emailKindsTo(pending.email)).toEqual(['confirm-registration'])
    const person = await verifiedPerson()
    const before = Date.now()
    const token = await resetTokenOf(person.email)
    const expiresAt = Buffer.from(token, 'base64url').readUInt32BE(16) * 1000
    expect(expiresAt - before).toBeLessThanOrEqual(lifetimeSeconds.resetLink * 1000 + 2000)
    expect(lifetimeSeconds.resetLink).toBe(30 * 60)
    await query("UPDATE one_time_tokens SET expires_at = date_trunc('second', now()) - interval '1 second'")
    const [row] = await query(
      'SELECT id, expires_at FROM one_time_tokens WHERE user_id = (SELECT id FROM users WHERE email = $1)',
      person.email,
    )
    const code = oneTimeCode('reset-email', { id: row.id, expiresAt: row.expires_at })
    const late = { email: person.email, code, password: OTHER_PASSWORD }
    expect((await newBrowser().send('reset', 'PUT', late)).body.code).toBe('code-invalid')
    expect((await newBrowser().send('reset', 'PUT', { token, password: OTHER_PASSWORD })).body.code).toBe(
      'token-already-used',
    )
  })

  test('[CS Forgot Password link] the page that the link opens sends no referrer', async () => {
    expect(await readFile('public/auth/reset.html', 'utf8')).toContain(
      '<meta name="referrer" content="no-referrer" />',
    )
    const { headers } = JSON.parse(await readFile('vercel.json', 'utf8'))
    expect(headers).toContainEqual({
      source: '/(.*)',
      headers: expect.arrayContaining([{ key: 'Referrer-Policy', value: 'no-referrer' }]),
    })
  })
})
