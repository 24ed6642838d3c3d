import { readFile } from 'node:fs/promises'
import { parseSetCookie } from 'cookie'
import { describe, expect, test } from 'vitest'
import { newBrowser } from './browser.ts'
import { query } from './database.ts'
import {
  failedBefore,
  failuresOf,
  newAddress,
  newestMailTo,
  mailsTo,
  OTHER_PASSWORD,
  PASSWORD,
  registeredPerson,
  signedInPerson,
  tokenIn,
  verifiedPerson,
} from './people.ts'

const WRONG = 'not the right password at all'

describe('login', () => {
  test('[ASVS 3.3.4] the refresh token is in the cookie alone', async () => {
    const person = await verifiedPerson()
    const answer = await person.browser.send('login', 'POST', { email: person.email, password: PASSWORD })
    const token = person.browser.cookies.get('__Host-session') ?? 'missing'
    expect(token).toMatch(/^[\w-]{91}$/)
    expect(JSON.stringify(answer.body)).not.toContain(token)
    const others = [...answer.headers].filter(([name]) => name !== 'set-cookie')
    expect(JSON.stringify(others)).not.toContain(token)
  })

  test('the cookie lives as long as the session has left', async () => {
    const person = await verifiedPerson()
    const answer = await person.browser.send('login', 'POST', { email: person.email, password: PASSWORD })
    expect(answer.setCookies.map((text) => parseSetCookie(text).maxAge)).toEqual([
      604_800, 604_800, 15_552_000,
    ])
  })

  test('[CS Authentication login] [ASVS 6.3.8] wrong password, unknown, locked and disabled accounts answer alike', async () => {
    const [wrong, locked, disabled] = [await verifiedPerson(), await verifiedPerson(), await verifiedPerson()]
    await newBrowser().send('login', 'POST', { email: locked.email, password: WRONG })
    await failedBefore(locked.email, 100)
    await query('UPDATE users SET disabled_at = now() WHERE email = $1', disabled.email)
    const answers = [
      await newBrowser().send('login', 'POST', { email: wrong.email, password: WRONG }),
      await newBrowser().send('login', 'POST', { email: newAddress(), password: PASSWORD }),
      await newBrowser().send('login', 'POST', { email: locked.email, password: PASSWORD }),
      await newBrowser().send('login', 'POST', { email: disabled.email, password: PASSWORD }),
      await newBrowser().send('login', 'POST', { email: (await registeredPerson()).email, password: WRONG }),
    ]
    for (const answer of answers) {
      expect([answer.status, answer.body, answer.setCookies]).toEqual([401, answers[0]?.body, []])
      expect([...answer.headers.keys()]).toEqual([...answers[0]!.headers.keys()])
      expect(answer.headers.get('www-authenticate')).toBe('Bearer')
    }
  })

  test('[ASVS 2.3.1] a pending registration is told only after its right password', async () => {
    const person = await registeredPerson()
    const right = await newBrowser().send('login', 'POST', { email: person.email, password: PASSWORD })
    expect([right.status, right.body.code]).toEqual([403, 'email-unverified'])
    expect(right.setCookies).toEqual([])
    const wrong = await newBrowser().send('login', 'POST', { email: person.email, password: WRONG })
    expect(wrong.body.code).toBe('invalid-credentials')
  })

  test('[ASVS 7.2.4] a session presented with it ends', async () => {
    const person = await signedInPerson()
    const first = person.browser.cookies.get('__Host-session') ?? ''
    expect(
      (await person.browser.send('login', 'POST', { email: person.email, password: PASSWORD })).status,
    ).toBe(200)
    const thief = newBrowser()
    thief.cookies.set('__Host-session', first)
    expect((await thief.send('refresh', 'POST', {})).body.code).toBe('session-ended')
    expect((await person.browser.send('refresh', 'POST', {})).status).toBe(200)
  })

  test('a session presented with a failed login goes on', async () => {
    const person = await signedInPerson()
    await person.browser.send('login', 'POST', { email: person.email, password: WRONG })
    expect((await person.browser.send('refresh', 'POST', {})).status).toBe(200)
  })

  test('[63B-4 3.2.2] [CS Authentication lockout] the 100th failure in a row locks the password, its owner hears once, and a reset unlocks it', async () => {
    const person = await verifiedPerson()
    const guess = (password: string) => newBrowser().send('login', 'POST', { email: person.email, password })
    await guess(WRONG)
    await failedBefore(person.email, 99)
    await guess(WRONG)
    expect((await newestMailTo(person.email)).subject).toBe('Your Latchkey password is locked')
    for (const password of [PASSWORD, WRONG]) {
      await failedBefore(person.email, (await failuresOf(person.email))[0] ?? 0)
      expect((await guess(password)).body.code).toBe('invalid-credentials')
    }
    expect(await mailsTo(person.email)).toHaveLength(2)
    const events = await query(
      "SELECT 1 FROM events WHERE kind = 'password-locked' AND user_id = (SELECT id FROM users WHERE email = $1)",
      person.email,
    )
    expect(events).toHaveLength(1)

    await newBrowser().send('reset', 'POST', { email: person.email })
    const token = tokenIn(await newestMailTo(person.email))
    expect((await newBrowser().send('reset', 'PUT', { token, password: OTHER_PASSWORD })).status).toBe(200)
    expect((await guess(OTHER_PASSWORD)).status).toBe(200)
  })

  test('[63B-4 3.2.2] the 99th failure does not lock, and a success clears the count', async () => {
    const person = await verifiedPerson()
    const guess = (password: string) => newBrowser().send('login', 'POST', { email: person.email, password })
    await guess(WRONG)
    await failedBefore(person.email, 98)
    await guess(WRONG)
    await failedBefore(person.email, 99)
    expect((await guess(PASSWORD)).status).toBe(200)
    expect(await failuresOf(person.email)).toEqual([])
  })

  test('[ASVS 6.3.1] parallel guesses cannot outrun the counter', async () => {
    const person = await verifiedPerson()
    const answers = await Promise.all(
      Array.from({ length: 15 }, () =>
        newBrowser().send('login', 'POST', { email: person.email, password: WRONG }),
      ),
    )
    const statuses = answers.map((answer) => answer.status).toSorted((one, other) => one - other)
    expect(statuses).toEqual([...Array<number>(5).fill(401), ...Array<number>(10).fill(429)])
    expect(await failuresOf(person.email)).toEqual([5])
  })

  test('[CS Password Storage] a hash of a lower cost is renewed by a login', async () => {
    const person = await verifiedPerson()
    const { hash } = await import('@node-rs/argon2')
    await query(
      'UPDATE users SET password_hash = $2 WHERE email = $1',
      person.email,
      await hash(PASSWORD, { memoryCost: 4096, timeCost: 2, parallelism: 1 }),
    )
    expect(
      (await person.browser.send('login', 'POST', { email: person.email, password: PASSWORD })).status,
    ).toBe(200)
    const [user] = await query('SELECT password_hash FROM users WHERE email = $1', person.email)
    expect(user.password_hash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/)
    expect(
      (await person.browser.send('login', 'POST', { email: person.email, password: PASSWORD })).status,
    ).toBe(200)
  })

  test('[ASVS 2.3.2] [ASVS 7.1.2] an account has at most 50 sessions: the oldest ends when one more opens', async () => {
    const person = await signedInPerson()
    const [user] = await query('SELECT id FROM users WHERE email = $1', person.email)
    await query(
      `INSERT INTO sessions (id, user_id, family_hash, expires_at, ends_at, created_at)
       SELECT gen_random_uuid(), $1, sha256(n::text::bytea), now() + interval '1 day', now() + interval '1 day', now() + n * interval '1 second'
       FROM generate_series(1, 49) n`,
      user.id,
    )
    expect(
      (await newBrowser().send('login', 'POST', { email: person.email, password: PASSWORD })).status,
    ).toBe(200)
    const live = await query('SELECT 1 FROM sessions WHERE user_id = $1 AND revoked_at IS NULL', user.id)
    expect(live).toHaveLength(50)
    expect((await person.browser.send('refresh', 'POST', {})).body.code).toBe('session-ended')
    const [ended] = await query(
      "SELECT detail FROM events WHERE user_id = $1 AND kind = 'session-ended'",
      user.id,
    )
    expect(ended.detail).toEqual({ because: 'session-limit' })
  })

  test('[ASVS 6.2.8] [63B-4 3.1.1.2(9)] the password counts to its last byte and as it was given', async () => {
    const password = `${'x y'.repeat(30)}Z`
    const { email } = await verifiedPerson(password)
    const login = (other: string) => newBrowser().send('login', 'POST', { email, password: other })
    for (const other of [
      password.toLowerCase(),
      `${password} `,
      `${password.slice(0, 72)}!${password.slice(73)}`,
      password.slice(0, 72),
    ]) {
      expect((await login(other)).status).toBe(401)
    }
    expect((await login(password)).status).toBe(200)
  })

  test('[ASVS 6.2.9] [63B-4 3.1.1.2(2)] [63B-4 3.1.1.2(3)] [63B-4 3.1.1.2(4)] 64 and 128 characters register and sign in, of four bytes each or spaces and ASCII', async () => {
    const emoji = (count: number) =>
      Array.from({ length: count }, (_, index) => String.fromCodePoint(0x1f300 + index)).join('')
    for (const password of [emoji(64), emoji(128), ` ~!"#$%&'()*+,-./:;<=>?@[]^_ {|} and 0 to 9 `]) {
      const { email } = await verifiedPerson(password)
      expect((await newBrowser().send('login', 'POST', { email, password })).status).toBe(200)
    }
  })

  test('[ASVS 6.2.10] [63B-4 3.1.1.2(6)] a password of years ago signs in and is not asked to be changed', async () => {
    const person = await verifiedPerson()
    await query(
      `UPDATE users SET created_at = now() - interval '5 years', updated_at = now() - interval '5 years',
         email_verified_at = now() - interval '5 years' WHERE email = $1`,
      person.email,
    )
    const { status, body } = await newBrowser().send('login', 'POST', {
      email: person.email,
      password: PASSWORD,
    })
    expect([status, Object.keys(body).toSorted()]).toEqual([
      200,
      ['accessToken', 'expiresAt', 'session', 'user'],
    ])
  })

  test('[ASVS 6.2.10] [63B-4 3.1.1.2(6)] what the docs have an operator do about a password that is out ends its sessions and lets nobody in before a reset', async () => {
    const page = await readFile('docs/security.md', 'utf8')
    const [, statements = ''] = /known to be out\n.*?```sql\n(.*?)```/s.exec(page) ?? []
    expect(statements).toContain("password_hash = '!'")
    const person = await signedInPerson()
    const bystander = await signedInPerson()
    await query(statements.replaceAll('person@example.org', person.email))

    expect((await person.browser.send('account', 'GET')).status).toBe(401)
    expect((await person.browser.send('refresh', 'POST', {})).body.code).toBe('session-ended')
    for (const browser of [person.browser, newBrowser()]) {
      const refused = await browser.send('login', 'POST', { email: person.email, password: PASSWORD })
      expect([refused.status, refused.body.code]).toEqual([401, 'invalid-credentials'])
      expect(refused.body.detail).toContain('ask for a new password')
    }
    expect((await bystander.browser.send('refresh', 'POST', {})).status).toBe(200)
    const [event] = await query(
      "SELECT detail FROM events WHERE kind = 'password-locked' AND user_id = (SELECT id FROM users WHERE email = $1)",
      person.email,
    )
    expect(event.detail).toEqual({ by: 'operator' })

    await newBrowser().send('reset', 'POST', { email: person.email })
    const token = tokenIn(await newestMailTo(person.email))
    expect((await newBrowser().send('reset', 'PUT', { token, password: OTHER_PASSWORD })).status).toBe(200)
    const again = { email: person.email, password: OTHER_PASSWORD }
    expect((await person.browser.send('login', 'POST', again)).status).toBe(200)
  })

  test('[CS Authentication lockout] failures are counted of the account and not of the network that they come from', async () => {
    const [victim, neighbour] = [await verifiedPerson(), await verifiedPerson()]
    const network = newBrowser()
    for (let failure = 1; failure <= 5; failure += 1) {
      await network.send('login', 'POST', { email: victim.email, password: WRONG })
    }
    const login = (email: string) => network.send('login', 'POST', { email, password: PASSWORD })
    expect((await login(victim.email)).status).toBe(429)
    expect((await login(neighbour.email)).status).toBe(200)
    expect(
      (await newBrowser().send('login', 'POST', { email: victim.email, password: PASSWORD })).status,
    ).toBe(429)
  })

  test('[ASVS 15.2.2] of 100 at once, each from its own network, some are told to come back and all others are answered', async () => {
    const { email } = await verifiedPerson()
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, index) =>
        newBrowser().send('login', 'POST', {
          email: index === 0 ? email : newAddress(),
          password: index === 0 ? PASSWORD : WRONG,
        }),
      ),
    )
    const busy = answers.filter(({ status }) => status === 503)
    expect(busy.length).toBeGreaterThan(0)
    for (const { body, headers, setCookies } of busy) {
      expect([body.code, headers.get('retry-after'), setCookies]).toEqual(['busy', '2', []])
    }
    const answered = answers.filter(({ status }) => status === 200 || status === 401)
    expect(answered.length).toBeGreaterThanOrEqual(22)
    expect(busy.length + answered.length).toBe(100)
    expect((await newBrowser().send('login', 'POST', { email, password: PASSWORD })).status).toBe(200)
  })
})
