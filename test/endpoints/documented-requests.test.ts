/** The rules for requests, in public/openapi.json and between fields, as the endpoints enforce them. */
import { v7 as newId } from 'uuid'
import { describe, expect, test } from 'vitest'
import * as z from 'zod/mini'
import { clientInfo } from '../../lib/http/client-info.ts'
import { EmailAddress } from '../../lib/email-address.ts'
import { maximum } from '../../lib/limits.ts'
import { passwordIssues } from '../../lib/auth/password-policy.ts'
import { expiryIn, signOneTimeToken } from '../../lib/crypto/one-time-token.ts'
import { hashPassword } from '../../lib/crypto/passwords.ts'
import { OneTimeCode, OneTimeToken, Password } from '../../lib/http/schemas/requests.ts'
import { newBrowser, sendRaw, type EndpointName } from '../support/browser.ts'
import { contract, resolve } from '../support/contract.ts'
import { query } from '../support/database.ts'
import { newAddress, OTHER_PASSWORD, PASSWORD, signedInPerson } from '../support/people.ts'

const BODY_BYTES = 16 * 1024

interface Schema {
  $ref?: string
  maxLength?: number
  pattern?: string
  properties?: Record<string, Schema>
}

const documented = (name: string) => contract.components['schemas']?.[name] as Schema

/** Each operation that takes a body, and the fields that it may have. */
const bodies = Object.entries(contract.paths).flatMap(([path, operations]) =>
  Object.entries(operations).flatMap(([method, { requestBody }]) => {
    const schema: Schema | undefined = requestBody?.content['application/json']?.schema
    if (schema === undefined) return []
    const endpoint = path.replace('/api/auth/', '') as EndpointName
    return [[endpoint, method.toUpperCase(), Object.keys(resolve(schema).properties ?? {})] as const]
  }),
)

const accepts = (schema: z.core.$ZodType, value: unknown) => z.safeParse(schema, value).success

describe('[ASVS 2.1.1] the documented rule of each input is the one that is enforced:', () => {
  test.each(bodies)(
    '%s %s takes the documented fields and no other one',
    async (endpoint, method, fields) => {
      // A number fits none, so the response names each field that it knows, and the others as unknown.
      const body = Object.fromEntries([...fields, 'unknownField'].map((field) => [field, 7]))
      const { status, body: refusal } = await newBrowser().send(endpoint, method, body)
      expect(status).toBe(422)
      const errors: { pointer: string; detail: string }[] = refusal.errors
      const unknown = errors.filter(({ detail }) => detail === 'There is no such field.')
      expect(unknown.map(({ pointer }) => pointer)).toEqual(['#/unknownField'])
      expect(errors.map(({ pointer }) => pointer).toSorted()).toEqual(
        [...fields, 'unknownField'].map((field) => `#/${field}`).toSorted(),
      )
    },
  )

  test('a body has at most 16 KB', async () => {
    const send = (length: number) =>
      sendRaw('login', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ email: '' }).replace('""', `"${'x'.repeat(length - 12)}"`),
      })
    expect([(await send(BODY_BYTES)).status, (await send(BODY_BYTES + 1)).status]).toEqual([422, 413])
  })

  test('an address', () => {
    const { maxLength: most = 0 } = documented('EmailAddress')
    const addressOf = (length: number) => {
      const domain = `${'b'.repeat(60)}.${'c'.repeat(60)}.${'d'.repeat(60)}.example`
      return `${'a'.repeat(length - domain.length - 1)}@${domain}`
    }
    const longestLocalPart = `${'a'.repeat(63)}@example.org`
    expect(addressOf(most)).toHaveLength(254)
    expect([accepts(EmailAddress, addressOf(most)), accepts(EmailAddress, addressOf(most + 1))]).toEqual([
      true,
      false,
    ])
    expect(accepts(EmailAddress, longestLocalPart)).toBe(true)
    for (const refused of [`a${longestLocalPart}`, 'a@localhost', 'a@192.0.2.1', 'ä@example.org'])
      expect(accepts(EmailAddress, refused), refused).toBe(false)
  })

  test('a password', () => {
    const { maxLength: most = 0 } = documented('Password')
    const ofLength = (length: number) => '🔑'.repeat(length)
    expect([accepts(Password, ofLength(most)), accepts(Password, ofLength(most + 1))]).toEqual([true, false])
    const words = 'seven teapots orbit'
    expect(passwordIssues(words.slice(0, 15))).toEqual([])
    expect(passwordIssues(words.slice(0, 14))).toHaveLength(1)
    for (const refused of ['a\0b', '\ud800']) expect(accepts(Password, refused)).toBe(false)
  })

  test('a token and a code', () => {
    const { maxLength: most = 0 } = documented('OneTimeToken')
    expect([accepts(OneTimeToken, 'x'.repeat(most)), accepts(OneTimeToken, 'x'.repeat(most + 1))]).toEqual([
      true,
      false,
    ])
    const good = signOneTimeToken('reset-email', { id: newId(), expiresAt: expiryIn(60) })
    expect(good).toHaveLength(70)
    const pattern = new RegExp(documented('OneTimeCode').pattern ?? '')
    for (const code of ['111111', '111 111', '11111', '1111111', '11 1111', '١١١١١١', ''])
      expect(accepts(OneTimeCode, code), code).toBe(pattern.test(code))
    expect(accepts(OneTimeCode, '111 111')).toBe(true)
  })

  test('the choice of sessions', async () => {
    const { browser } = await signedInPerson()
    for (const wrong of [
      'id=1',
      'others=yes',
      'others=true&others=true',
      `id=${newId()}&id=${newId()}`,
      'all=true',
    ])
      expect((await browser.send(`sessions?${wrong}`, 'DELETE')).status).toBe(422)
    expect((await browser.send(`sessions?id=${newId()}`, 'DELETE')).status).toBe(404)
  })

  test('cookies and headers', async () => {
    const { browser } = await signedInPerson()
    await browser.send('register', 'POST', { email: newAddress(), password: PASSWORD })
    for (const [name, length] of [
      ['__Host-session', 91],
      ['__Host-registration', 66],
      ['__Host-device', 70],
    ] as const) {
      expect(browser.cookies.get(name), name).toMatch(new RegExp(`^[\\w-]{${length}}$`))
    }
    const from = (headers: Record<string, string>) =>
      clientInfo(new Request('http://localhost/', { headers }))
    expect(from({ 'user-agent': 'x'.repeat(300) }).userAgent).toBe('x'.repeat(256))
    const id = 'x'.repeat(128)
    expect(from({ 'x-vercel-id': id }).requestId).toBe(id)
    expect(from({ 'x-vercel-id': `${id}x` }).requestId).not.toContain('xx')
  })
})

test('[ASVS 2.1.2] [ASVS 2.2.3] what fields have to do with each other is enforced', async () => {
  const person = await signedInPerson()
  const own = `long.enough.${newAddress()}`
  const account = (body: object) => person.browser.send('account', 'PATCH', body)
  const token = signOneTimeToken('registration-email', { id: newId(), expiresAt: expiryIn(60) })
  const code = '123456'
  const refusals = {
    'a new password is not the current one': await account({
      currentPassword: PASSWORD,
      newPassword: PASSWORD,
    }),
    "a new password is not made of the product's name or host": await newBrowser().send('register', 'POST', {
      email: newAddress(),
      password: 'latchkey app.latchkey.test',
    }),
    "a new password is not made of the account's own address": await newBrowser().send('reset', 'PUT', {
      email: own,
      code,
      password: own,
    }),
    'a token serves the purpose it was emailed for and no other': await newBrowser().send('reset', 'PUT', {
      token,
      password: OTHER_PASSWORD,
    }),
    'a code belongs to the address that is given with it': await newBrowser().send('reset', 'PUT', {
      email: own,
      code,
      password: OTHER_PASSWORD,
    }),
    'verify takes a token, or an address and a code, or a token to cancel': await newBrowser().send(
      'verify',
      'PUT',
      { token, cancel: token },
    ),
    'account takes both passwords, or a new address': await account({
      currentPassword: PASSWORD,
      newPassword: OTHER_PASSWORD,
      email: newAddress(),
    }),
    'the current password belongs to a change of the password': await account({
      currentPassword: PASSWORD,
      email: newAddress(),
    }),
    "sessions takes one session's id, or others": await person.browser.send(
      `sessions?id=${newId()}&others=true`,
      'DELETE',
    ),
  }
  expect(
    Object.entries(refusals).map(([rule, { status, body }]) => [rule, `${status} ${body.code}`]),
  ).toEqual([
    ['a new password is not the current one', '422 weak-password'],
    ["a new password is not made of the product's name or host", '422 weak-password'],
    ["a new password is not made of the account's own address", '422 weak-password'],
    ['a token serves the purpose it was emailed for and no other', '400 token-invalid'],
    ['a code belongs to the address that is given with it', '400 code-invalid'],
    ['verify takes a token, or an address and a code, or a token to cancel', '422 validation-failed'],
    ['account takes both passwords, or a new address', '422 validation-failed'],
    ['the current password belongs to a change of the password', '422 validation-failed'],
    ["sessions takes one session's id, or others", '422 validation-failed'],
  ])
})

describe('[ASVS 2.1.3] [ASVS 2.3.2] limits that are no rate limits:', () => {
  test('an account has at most 50 sessions, whatever was inserted behind its back', async () => {
    const most = maximum.sessionsPerAccount
    expect(most).toBe(50)
    const { email, browser } = await signedInPerson()
    for (let more = 0; more < 3; more += 1) {
      await query(
        `INSERT INTO sessions (id, user_id, family_hash, method, persistent, idle_expires_at, absolute_expires_at)
         SELECT gen_random_uuid(), users.id, sha256(gen_random_uuid()::text::bytea), 'password', true,
           now() + interval '1 day', now() + interval '1 day'
         FROM users, generate_series(1, $2) WHERE email = $1`,
        email,
        most - 1,
      )
      expect((await browser.send('login', 'POST', { email, password: PASSWORD })).status).toBe(200)
    }
    const live = await query(
      'SELECT FROM sessions JOIN users ON users.id = user_id WHERE email = $1 AND revoked_at IS NULL',
      email,
    )
    expect(live).toHaveLength(most)
  })

  test('an instance computes two password hashes at once, with 20 waiting', async () => {
    const hashes = Array.from({ length: 2 + 20 + 3 }, () => hashPassword(PASSWORD))
    const refused = (await Promise.allSettled(hashes)).filter(({ status }) => status === 'rejected')
    expect(refused).toHaveLength(3)
  })
})
