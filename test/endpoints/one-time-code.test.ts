import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { oneTimeCode } from '../../lib/crypto/one-time-code.ts'
import { newBrowser } from '../support/browser.ts'
import { query } from '../support/database.ts'
import { newAddress, OTHER_PASSWORD, PASSWORD, registeredPerson, verifiedPerson } from '../support/people.ts'

/** The code of the newest email, without the space. */
async function registrationCodeOf(email: string): Promise<string> {
  const [row] = await query(
    'SELECT id, expires_at FROM registrations WHERE email = $1 ORDER BY created_at DESC',
    email,
  )
  return oneTimeCode('registration-email', { id: row.id, expiresAt: row.expires_at })
}

async function resetCodeOf(email: string): Promise<string> {
  expect((await newBrowser().send('reset', 'POST', { email })).status).toBe(202)
  const [row] = await query(
    `SELECT t.id, t.expires_at FROM one_time_tokens t JOIN users u ON u.id = t.user_id
     WHERE u.email = $1 AND purpose = 'reset' AND consumed_at IS NULL`,
    email,
  )
  return oneTimeCode('reset-email', { id: row.id, expiresAt: row.expires_at })
}

const other = (code: string) => String((Number(code) + 1) % 1_000_000).padStart(6, '0')
const spaced = (code: string) => `${code.slice(0, 3)} ${code.slice(3)}`

describe('the code of a registration', () => {
  test('in the browser that registered it does what the link does: the account is signed in', async () => {
    const person = await registeredPerson()
    const code = spaced(await registrationCodeOf(person.email))
    const reply = await person.browser.send('verify', 'PUT', { email: person.email, code })
    expect([reply.status, reply.body.status, reply.body.user?.email]).toEqual([
      200,
      'signed-in',
      person.email,
    ])
    expect([...person.browser.cookies.keys()].toSorted()).toEqual([
      '__Host-device',
      '__Host-session',
      'signed-in',
    ])
    expect((await person.browser.send('account', 'GET')).status).toBe(200)
  })

  test('in any other browser the password is needed, too', async () => {
    const { email } = await registeredPerson()
    const code = await registrationCodeOf(email)
    const phone = newBrowser()
    expect((await phone.send('verify', 'PUT', { email, code })).body.code).toBe('password-required')
    expect((await phone.send('verify', 'PUT', { email, code, password: OTHER_PASSWORD })).body.code).toBe(
      'invalid-credentials',
    )
    const verified = await phone.send('verify', 'PUT', { email, code, password: PASSWORD })
    expect([verified.status, verified.body, phone.cookies.size]).toEqual([200, { status: 'verified' }, 0])
    expect((await phone.send('verify', 'PUT', { email, code, password: PASSWORD })).body.code).toBe(
      'code-invalid',
    )
  })

  test('it is found among several pending registrations of the address', async () => {
    const person = await registeredPerson()
    const code = await registrationCodeOf(person.email)
    await newBrowser().send('register', 'POST', { email: person.email, password: OTHER_PASSWORD })
    const reply = await newBrowser().send('verify', 'PUT', { email: person.email, code, password: PASSWORD })
    expect(reply.status).toBe(200)
  })

  test('[63B-4 4.2.1.2] after five wrong tries the right one is worth nothing, until a new email is sent', async () => {
    const { email, browser } = await registeredPerson()
    const code = await registrationCodeOf(email)
    for (let attempt = 0; attempt < 5; attempt += 1) {
      const wrong = await newBrowser().send('verify', 'PUT', { email, code: other(code) })
      expect([wrong.status, wrong.body.code]).toEqual([400, 'code-invalid'])
    }
    expect((await browser.send('verify', 'PUT', { email, code })).body.code).toBe('code-invalid')
    await browser.send('verify', 'POST', { email })
    const fresh = await registrationCodeOf(email)
    expect(fresh).not.toBe(code)
    expect((await browser.send('verify', 'PUT', { email, code: fresh })).status).toBe(200)
  })

  test('[63B-4 4.2.1.2] parallel guesses cannot outrun the counter', async () => {
    const { email } = await registeredPerson()
    const code = await registrationCodeOf(email)
    const replies = await Promise.all(
      Array.from({ length: 9 }, () => newBrowser().send('verify', 'PUT', { email, code: other(code) })),
    )
    expect(new Set(replies.map(({ body }) => body.code))).toEqual(new Set(['code-invalid']))
    const [row] = await query('SELECT code_attempts FROM registrations WHERE email = $1', email)
    expect(row.code_attempts).toBe(5)
  })
})

describe('the code of a reset', () => {
  test('with a new password it does what the link does, once', async () => {
    const { email } = await verifiedPerson()
    const code = await resetCodeOf(email)
    const reset = () => newBrowser().send('reset', 'PUT', { email, code, password: OTHER_PASSWORD })
    expect((await reset()).body).toEqual({ status: 'password-changed' })
    expect((await reset()).body.code).toBe('code-invalid')
    expect((await newBrowser().send('login', 'POST', { email, password: OTHER_PASSWORD })).status).toBe(200)
  })

  test('a weak password costs no try', async () => {
    const { email } = await verifiedPerson()
    const code = await resetCodeOf(email)
    for (let attempt = 0; attempt < 6; attempt += 1) {
      const weak = await newBrowser().send('reset', 'PUT', { email, code, password: 'too short' })
      expect(weak.body.code).toBe('weak-password')
    }
    expect((await newBrowser().send('reset', 'PUT', { email, code, password: OTHER_PASSWORD })).status).toBe(
      200,
    )
  })

  test('[ASVS 11.5.1] [63B-4 4.2.1.2] [ASVS 2.4.1] however many emails are requested, an address has ten tries a day', async () => {
    const { email } = await verifiedPerson()
    const statuses: number[] = []
    for (let message = 0; message < 3; message += 1) {
      const code = await resetCodeOf(email)
      for (let attempt = 0; attempt < 5; attempt += 1) {
        const reply = await newBrowser().send('reset', 'PUT', {
          email,
          code: other(code),
          password: OTHER_PASSWORD,
        })
        statuses.push(reply.status)
      }
    }
    expect(statuses).toEqual([...Array<number>(10).fill(400), ...Array<number>(5).fill(429)])
  })
})

test('[ASVS 6.3.8] a wrong code gets the same response for a known, a pending and an unknown address', async () => {
  const [known, pending] = [await verifiedPerson(), await registeredPerson()]
  await resetCodeOf(known.email)
  for (const body of [{}, { password: OTHER_PASSWORD }]) {
    const replies = await Promise.all(
      [known.email, pending.email, newAddress()].map((email) =>
        newBrowser().send('password' in body ? 'reset' : 'verify', 'PUT', { email, code: '000000', ...body }),
      ),
    )
    for (const reply of replies) {
      expect([reply.status, reply.body, reply.setCookies]).toEqual([400, replies[0]?.body, []])
    }
  }
})

test('[CS Input Validation token] a code is never stored', async () => {
  const { email } = await registeredPerson()
  const code = await registrationCodeOf(email)
  const tables = ['registrations', 'outbox', 'events', 'one_time_tokens']
  for (const table of tables) {
    const rows = await query(`SELECT to_jsonb(t)::text AS text FROM ${table} t`)
    expect(rows.filter(({ text }) => new RegExp(`(?<!\\d)${code}(?!\\d)`).test(text))).toEqual([])
  }
})

test.each([
  ['neither token nor code', {}],
  ['both', { token: 'x', email: 'a@example.org', code: '123456' }],
  ['a code without an address', { code: '123456' }],
  ['five digits', { email: 'a@example.org', code: '12345' }],
  ['letters', { email: 'a@example.org', code: 'abcdef' }],
])('%s is refused, and the problem names the fields', async (_, body) => {
  for (const [endpoint, extra] of [
    ['verify', {}],
    ['reset', { password: PASSWORD }],
  ] as const) {
    const reply = await newBrowser().send(endpoint, 'PUT', { ...body, ...extra })
    expect([reply.status, reply.body.code]).toEqual([422, 'validation-failed'])
  }
})

test('[ASVS 6.3.6] [63B-4 3.1.3.1] a code signs nobody in, but in the browser that registered and set the password there', async () => {
  const { email, browser } = await registeredPerson()
  const proof = { email, code: await registrationCodeOf(email), password: PASSWORD }
  const elsewhere = newBrowser()
  const verified = await elsewhere.send('verify', 'PUT', proof)
  expect([verified.status, verified.body, elsewhere.cookies.size]).toEqual([200, { status: 'verified' }, 0])
  for (const reader of [browser, elsewhere]) {
    const reset = { email, code: await resetCodeOf(email), password: OTHER_PASSWORD }
    const reply = await reader.send('reset', 'PUT', reset)
    expect([reply.status, reply.body, reply.setCookies]).toEqual([200, { status: 'password-changed' }, []])
  }
  expect(
    await query('SELECT FROM sessions WHERE user_id = (SELECT id FROM users WHERE email = $1)', email),
  ).toEqual([])
})

test('[63B-4 4.2.1.2] the codes of a thousand emails are spread over all that six digits can be', () => {
  const expiresAt = new Date(1_800_000_000_000)
  const codes = Array.from({ length: 1000 }, () =>
    oneTimeCode('reset-email', { id: randomUUID(), expiresAt }),
  )
  for (const code of codes) expect(code).toMatch(/^\d{6}$/)
  expect(new Set(codes).size).toBeGreaterThan(990)
  for (const place of [0, 1, 2, 3, 4, 5]) {
    const counts = Map.groupBy(codes, (code) => code[place])
    for (const digit of '0123456789') expect(counts.get(digit)?.length).toBeGreaterThan(50)
  }
})
