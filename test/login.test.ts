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

  test('[CS Authentication] wrong password, unknown, locked and disabled accounts answer alike', async () => {
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

  test('a session presented with it ends', async () => {
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

  test('[63B-4 3.2.2] the 100th failure in a row locks the password, its owner hears once, and a reset unlocks it', async () => {
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

  test('the 99th failure does not lock, and a success clears the count', async () => {
    const person = await verifiedPerson()
    const guess = (password: string) => newBrowser().send('login', 'POST', { email: person.email, password })
    await guess(WRONG)
    await failedBefore(person.email, 98)
    await guess(WRONG)
    await failedBefore(person.email, 99)
    expect((await guess(PASSWORD)).status).toBe(200)
    expect(await failuresOf(person.email)).toEqual([])
  })

  test('parallel guesses cannot outrun the counter', async () => {
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

  test('[ASVS 2.3.2] an account has at most 50 sessions: the oldest ends when one more opens', async () => {
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
})
