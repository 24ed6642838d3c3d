import { parseSetCookie } from 'cookie'
import { decodeJwt } from 'jose'
import { v7 as newId } from 'uuid'
import { describe, expect, test } from 'vitest'
import { signOneTimeToken } from '../../lib/crypto/one-time-token.ts'
import { newBrowser, type Received } from '../support/browser.ts'
import { query } from '../support/database.ts'
import {
  emailKindsTo,
  isSignedIn,
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

async function linkTokenOf({ email }: { email: string }): Promise<string> {
  return tokenIn(await newestEmailTo(email))
}

async function sessionsOf({ email }: { email: string }) {
  return query(
    `SELECT method, persistent, revocation_reason, extract(epoch FROM absolute_expires_at - created_at)::int AS lifetime
     FROM sessions WHERE user_id = (SELECT id FROM users WHERE email = $1)`,
    email,
  )
}

const maxAges = ({ setCookies }: Received) =>
  Object.fromEntries(setCookies.map((text) => parseSetCookie(text)).map(({ name, maxAge }) => [name, maxAge]))

describe('consuming the emailed token', () => {
  test('in the browser that registered, nothing more is needed, and the account is signed in', async () => {
    const person = await registeredPerson()
    const response = await person.browser.send('verify', 'PUT', { token: await linkTokenOf(person) })
    expect([response.status, response.body]).toEqual([
      200,
      {
        status: 'signed-in',
        user: { id: expect.any(String), email: person.email, emailVerified: true, role: 'user' },
        accessToken: expect.any(String),
        expiresAt: expect.any(String),
        session: { id: expect.any(String), absoluteExpiresAt: expect.any(String) },
      },
    ])
    expect(maxAges(response)).toEqual({
      '__Host-session': 604_800,
      'signed-in': 604_800,
      '__Host-registration': 0,
      '__Host-device': 15_552_000,
    })
    expect([...person.browser.cookies.keys()].toSorted()).toEqual([
      '__Host-device',
      '__Host-session',
      'signed-in',
    ])
    expect((await person.browser.send('account', 'GET')).body.user.email).toBe(person.email)
    expect(await sessionsOf(person)).toEqual([
      { method: 'email', persistent: true, revocation_reason: null, lifetime: 2_592_000 },
    ])
  })

  test('the access token says that the session was authenticated by email', async () => {
    const person = await registeredPerson()
    const { body } = await person.browser.send('verify', 'PUT', { token: await linkTokenOf(person) })
    const { amr, auth_time: authTime } = decodeJwt(body.accessToken)
    expect([amr, Math.abs(Number(authTime) - Date.now() / 1000) < 5]).toEqual([['otp'], true])
  })

  test('a session that the browser had is superseded, whichever account it was of', async () => {
    const before = await signedInPerson()
    const { browser } = before
    const old = browser.cookies.get('__Host-session') ?? ''
    const email = newAddress()
    await browser.send('register', 'POST', { email, password: PASSWORD })
    const response = await browser.send('verify', 'PUT', { token: await linkTokenOf({ email }) })
    expect(response.body.user.email).toBe(email)
    const copy = newBrowser()
    copy.cookies.set('__Host-session', old)
    expect(await isSignedIn(copy)).toBe(false)
    expect(await sessionsOf(before)).toMatchObject([{ revocation_reason: 'superseded' }])
    expect((await browser.send('account', 'GET')).body.user.email).toBe(email)
  })

  test('registered with remember: false, no cookie of that sign-in has a Max-Age, and the session lasts a day', async () => {
    const browser = newBrowser()
    const email = newAddress()
    await browser.send('register', 'POST', { email, password: PASSWORD, remember: false })
    const response = await browser.send('verify', 'PUT', { token: await linkTokenOf({ email }) })
    expect(maxAges(response)).toEqual({
      '__Host-session': undefined,
      'signed-in': undefined,
      '__Host-registration': 0,
      '__Host-device': undefined,
    })
    expect(await sessionsOf({ email })).toEqual([
      { method: 'email', persistent: false, revocation_reason: null, lifetime: 86_400 },
    ])
  })

  test("any other browser gives the registration's password, too", async () => {
    const person = await registeredPerson()
    const token = tokenIn(await newestEmailTo(person.email))
    const phone = newBrowser()
    const without = await phone.send('verify', 'PUT', { token })
    expect([without.status, without.body.code]).toEqual([403, 'password-required'])
    const wrong = await phone.send('verify', 'PUT', { token, password: 'not the right one at all' })
    expect([wrong.status, wrong.body.code]).toEqual([401, 'invalid-credentials'])
    expect(await query('SELECT 1 FROM users WHERE email = $1', person.email)).toEqual([])
    expect((await phone.send('verify', 'PUT', { token, password: PASSWORD })).status).toBe(200)
  })

  test('[ASVS 6.3.6] [63B-4 3.1.3.1] in any other browser it signs nobody in, with the password neither', async () => {
    const person = await registeredPerson()
    const phone = newBrowser()
    const proof = { token: await linkTokenOf(person), password: PASSWORD }
    const response = await phone.send('verify', 'PUT', proof)
    expect([response.status, response.body]).toEqual([200, { status: 'verified' }])
    expect(response.setCookies).toEqual([
      '__Host-registration=; Max-Age=0; Path=/; HttpOnly; Secure; SameSite=Lax',
    ])
    expect(phone.cookies.size).toBe(0)
    expect(await sessionsOf(person)).toEqual([])
    // Nor does the browser that registered get in by the consumed link.
    expect((await person.browser.send('verify', 'PUT', proof)).body.code).toBe('token-already-used')
    expect((await person.browser.send('account', 'GET')).status).toBe(401)
  })

  test('[ASVS 6.3.6] the registration cookie of another registration signs nobody in', async () => {
    const [person, stranger] = [await registeredPerson(), await registeredPerson()]
    const response = await stranger.browser.send('verify', 'PUT', { token: await linkTokenOf(person) })
    expect([response.status, response.body.code]).toEqual([403, 'password-required'])
    // Of the same address neither.
    const rival = newBrowser()
    await rival.send('register', 'POST', { email: person.email, password: OTHER_PASSWORD })
    const [owners] = await emailsTo(person.email)
    expect((await rival.send('verify', 'PUT', { token: tokenIn(owners!) })).body.code).toBe(
      'password-required',
    )
  })

  test('[ASVS 6.4.1] a token works once', async () => {
    const person = await registeredPerson()
    const token = tokenIn(await newestEmailTo(person.email))
    const other = newBrowser()
    expect((await other.send('verify', 'PUT', { token, password: PASSWORD })).status).toBe(200)
    for (const browser of [other, person.browser]) {
      const again = await browser.send('verify', 'PUT', { token, password: PASSWORD })
      expect([again.status, again.body.code]).toEqual([410, 'token-already-used'])
    }
  })

  test('[ASVS 2.3.4] of 20 that present one token at once exactly one succeeds, and one session opens', async () => {
    const person = await registeredPerson()
    const token = tokenIn(await newestEmailTo(person.email))
    const responses = await Promise.all(
      Array.from({ length: 20 }, () => person.browser.send('verify', 'PUT', { token })),
    )
    expect(responses.map((response) => response.status).toSorted()).toEqual([
      200,
      ...Array<number>(19).fill(410),
    ])
    expect(await query('SELECT 1 FROM users WHERE email = $1', person.email)).toHaveLength(1)
    expect(await sessionsOf(person)).toHaveLength(1)
    expect(
      await query(
        "SELECT 1 FROM events WHERE kind = 'account-created' AND user_id = (SELECT id FROM users WHERE email = $1)",
        person.email,
      ),
    ).toHaveLength(1)
  })

  test('two registrations of one address verified at once make one account, with the password of the one that won', async () => {
    for (let round = 0; round < 20; round += 1) {
      const email = newAddress()
      const browsers = [newBrowser(), newBrowser()]
      const passwords = ['the first of the two passwords', 'the second one of the passwords']
      for (const [index, browser] of browsers.entries()) {
        await browser.send('register', 'POST', { email, password: passwords[index] })
      }
      const tokens = (await emailsTo(email)).map(tokenIn)
      const responses = await Promise.all(
        browsers.map((browser, index) => browser.send('verify', 'PUT', { token: tokens[index] })),
      )
      expect(responses.map((response) => response.status).toSorted()).toEqual([200, 410])
      expect(await sessionsOf({ email })).toHaveLength(1)
      const winner = responses.findIndex((response) => response.status === 200)
      const logins = await Promise.all(
        passwords.map((password) => newBrowser().send('login', 'POST', { email, password })),
      )
      expect(logins.map((login) => login.status)).toEqual(winner === 0 ? [200, 401] : [401, 200])
    }
  })

  test('forged and expired tokens cost no database call', async () => {
    const expired = signOneTimeToken('registration-email', {
      id: newId(),
      expiresAt: new Date(1_700_000_000_000),
    })
    const person = await registeredPerson()
    const real = tokenIn(await newestEmailTo(person.email))
    gateway.requests.length = 0
    const browser = newBrowser()
    expect((await browser.send('verify', 'PUT', { token: expired })).body.code).toBe('token-expired')
    const spoilt = `${real.slice(0, -2)}${real.endsWith('AA') ? 'QQ' : 'AA'}`
    expect((await browser.send('verify', 'PUT', { token: spoilt })).body.code).toBe('token-invalid')
    expect((await browser.send('verify', 'PUT', { token: 'garbage' })).body.code).toBe('token-invalid')
    expect((await browser.send('verify', 'PUT', { token: '' })).body.code).toBe('token-invalid')
    expect(gateway.requests).toHaveLength(0)
  })

  test('[ASVS 2.1.2] [ASVS 2.2.3] a reset token verifies nothing', async () => {
    const person = await verifiedPerson()
    await newBrowser().send('reset', 'POST', { email: person.email })
    const token = tokenIn(await newestEmailTo(person.email))
    expect((await newBrowser().send('verify', 'PUT', { token })).body.code).toBe('token-invalid')
  })

  test('[ASVS 3.5.3] a GET with the token changes nothing, and the token still works', async () => {
    const person = await registeredPerson()
    const token = tokenIn(await newestEmailTo(person.email))
    const opened = await person.browser.send(`verify?token=${token}`, 'GET')
    expect([opened.status, opened.headers.get('allow')]).toEqual([405, 'POST, PUT'])
    expect((await person.browser.send('verify', 'PUT', { token })).status).toBe(200)
  })

  test('[ASVS 14.2.1] a token in the query counts for nothing: it comes in the body, from the fragment of the link', async () => {
    const person = await registeredPerson()
    const email = await newestEmailTo(person.email)
    const token = tokenIn(email)
    const addresses = [...`${email.text} ${email.html}`.matchAll(/https?:[^\s"<]*/g)].map(
      ([text]) => new URL(text),
    )
    expect(addresses.length).toBeGreaterThan(1)
    for (const { search, pathname } of addresses) expect([search, pathname]).toEqual(['', '/auth/verify'])

    const other = { password: OTHER_PASSWORD }
    expect((await person.browser.send(`verify?token=${token}`, 'PUT', {})).status).toBe(422)
    expect((await person.browser.send(`reset?token=${token}`, 'PUT', other)).status).toBe(422)
    expect((await person.browser.send('verify', 'PUT', { token })).status).toBe(200)
    const credentials = `email=${person.email}&password=${encodeURIComponent(PASSWORD)}` as const
    expect((await person.browser.send(`login?${credentials}`, 'POST', {})).status).toBe(422)
    const login = await person.browser.send('login', 'POST', { email: person.email, password: PASSWORD })
    for (const name of ['access_token', 'accessToken', 'token']) {
      const response = await newBrowser().send(`account?${name}=${login.body.accessToken}`, 'GET')
      expect(response.status).toBe(401)
    }
  })
})

describe('requesting a new link', () => {
  test('it works for the registration of this browser, though a stranger registered the address later', async () => {
    const person = await registeredPerson()
    await newBrowser().send('register', 'POST', {
      email: person.email,
      password: 'a stranger chose this one',
    })
    expect((await person.browser.send('verify', 'POST', { email: person.email })).status).toBe(202)
    const token = tokenIn(await newestEmailTo(person.email))
    expect((await person.browser.send('verify', 'PUT', { token })).body.status).toBe('signed-in')
    expect(
      (await newBrowser().send('login', 'POST', { email: person.email, password: PASSWORD })).status,
    ).toBe(200)
  })

  test('it works after the first link expired', async () => {
    const person = await registeredPerson()
    await query(
      "UPDATE registrations SET expires_at = now() - interval '1 hour' WHERE email = $1",
      person.email,
    )
    await person.browser.send('verify', 'POST', { email: person.email })
    const token = tokenIn(await newestEmailTo(person.email))
    expect((await person.browser.send('verify', 'PUT', { token })).status).toBe(200)
  })

  test('[ASVS 6.3.8] unknown, pending and known addresses get the same response', async () => {
    const [pending, known] = [await registeredPerson(), await verifiedPerson()]
    const responses = await Promise.all(
      [newAddress(), pending.email, known.email].map((email) =>
        newBrowser().send('verify', 'POST', { email }),
      ),
    )
    const shapes = responses.map((response) => [
      response.status,
      response.body,
      response.setCookies,
      [...response.headers.keys()],
    ])
    expect(shapes[1]).toEqual(shapes[0])
    expect(shapes[2]).toEqual(shapes[0])
    expect((await emailKindsTo(known.email)).at(-1)).toBe('already-registered')
  })

  test('a mailbox gets at most five such emails an hour, and the response stays the same', async () => {
    const person = await registeredPerson()
    for (let round = 0; round < 10; round += 1) {
      const response = await newBrowser().send('verify', 'POST', { email: person.email })
      expect([response.status, response.body]).toEqual([202, { status: 'check-email' }])
    }
    expect(await emailsTo(person.email)).toHaveLength(1 + 5)
  })
})

test('[ASVS 6.4.1] neither the token nor the code of an email works as a password', async () => {
  const person = await registeredPerson()
  const email = await newestEmailTo(person.email)
  const [code = ''] = /\d{3} \d{3}/.exec(email.text ?? '') ?? []
  const token = tokenIn(email)
  const signIns = async () => {
    const passwords = [token, code, code.replace(' ', '')]
    const responses = passwords.map((password) =>
      newBrowser().send('login', 'POST', { email: person.email, password }),
    )
    return (await Promise.all(responses)).map(({ status, setCookies }) => [status, setCookies])
  }
  const refused = Array.from({ length: 3 }, () => [401, []])
  expect(await signIns()).toEqual(refused)
  await person.browser.send('verify', 'PUT', { token })
  expect(await signIns()).toEqual(refused)
  expect(
    (await person.browser.send('login', 'POST', { email: person.email, password: PASSWORD })).status,
  ).toBe(200)
})
