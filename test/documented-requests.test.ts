/** docs/security.md and docs/limits.md say of requests what the code does: numbers are read there and tried here. */
import { readFile } from 'node:fs/promises'
import { parseSetCookie } from 'cookie'
import { v7 as newId } from 'uuid'
import { describe, expect, test } from 'vitest'
import * as z from 'zod/mini'
import { clientOf } from '../lib/client.ts'
import { EmailAddress } from '../lib/email-address.ts'
import { KNOWN_BROWSER_LIFETIME_SECONDS } from '../lib/known-browser.ts'
import { MailCode } from '../lib/mail-code.ts'
import { expiryIn, MailTokenText, sealMailToken } from '../lib/mail-token.ts'
import { hashPassword, Password, passwordFaults } from '../lib/passwords.ts'
import { REGISTRATION_LIFETIME_SECONDS } from '../lib/registrations.ts'
import { newBrowser, sendRaw } from './browser.ts'
import { query } from './database.ts'
import { newAddress, OTHER_PASSWORD, PASSWORD, signedInPerson } from './people.ts'

const DAY_SECONDS = 24 * 60 * 60

const page = await readFile('docs/security.md', 'utf8')
const limitsPage = await readFile('docs/limits.md', 'utf8')

/** The rows under a heading, by their first cell. */
function tableUnder(heading: string): Map<string, string[]> {
  const section = page.split(/^## /m).find((text) => text.startsWith(heading)) ?? ''
  const rows = section
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    )
  return new Map(rows.slice(2).map(([head = '', ...cells]) => [head, cells]))
}

const inputs = tableUnder('What each input may be')

/** The number in an input's rule that stands before these words. */
function documented(input: string, words: string): number {
  const rule = inputs.get(input)?.at(-1) ?? ''
  const [, number] = new RegExp(`(\\d+) ${words}`).exec(rule) ?? []
  if (number === undefined) throw new Error(`the rule of ${input} has no number of ${words}`)
  return Number(number)
}

const accepts = (schema: z.core.$ZodType, value: unknown) => z.safeParse(schema, value).success

describe('[ASVS 2.1.1] the rule of each input is in the docs as it is in the code:', () => {
  test('every field of a body and of a query is there, and no other one', async () => {
    const sources = await Promise.all(
      ['register', 'verify', 'login', 'refresh', 'logout', 'reset', 'account', 'sessions'].map((name) =>
        readFile(`api/auth/${name}.ts`, 'utf8'),
      ),
    )
    const fields = sources
      .flatMap((source) => [...source.matchAll(/strictObject\(\{(.*?)\}\)\n/gs)])
      .flatMap(([, body = '']) => [...body.matchAll(/(\w+): (?:z\.|[A-Z])/g)].map(([, field]) => field))
    const listed = [...inputs]
      .filter(([, [where = '']]) => /^(body|query)/.test(where))
      .flatMap(([head]) => [...head.matchAll(/`(\w+)`/g)].map(([, field]) => field))
    expect(listed.toSorted()).toEqual([...new Set(fields)].toSorted())
  })

  test('a body', async () => {
    const bytes = documented('body', 'bytes')
    const send = (length: number) =>
      sendRaw('login', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ email: '' }).replace('""', `"${'x'.repeat(length - 12)}"`),
      })
    expect([(await send(bytes)).status, (await send(bytes + 1)).status]).toEqual([422, 413])
  })

  test('an address', () => {
    const most = documented('`email`', 'characters')
    const beforeAt = documented('`email`', 'of them before the @')
    const addressOf = (length: number) => {
      const domain = `${'b'.repeat(60)}.${'c'.repeat(60)}.${'d'.repeat(60)}.example`
      return `${'a'.repeat(length - domain.length - 1)}@${domain}`
    }
    const shorter = `${'a'.repeat(beforeAt)}@example.org`
    expect(addressOf(most)).toHaveLength(most)
    expect([accepts(EmailAddress, addressOf(most)), accepts(EmailAddress, addressOf(most + 1))]).toEqual([
      true,
      false,
    ])
    expect([accepts(EmailAddress, shorter), accepts(EmailAddress, `a${shorter}`)]).toEqual([true, false])
    for (const refused of ['a@localhost', 'a@192.0.2.1', 'ä@example.org'])
      expect(accepts(EmailAddress, refused)).toBe(false)
  })

  test('a password', () => {
    const least = documented('`password`, `newPassword`', 'characters where one is chosen')
    const [, most] = /at most (\d+)/.exec(inputs.get('`password`, `newPassword`')?.at(-1) ?? '') ?? []
    expect(documented('`currentPassword`', 'characters')).toBe(Number(most))
    const ofLength = (length: number) => '🔑'.repeat(length)
    expect([
      accepts(Password, ofLength(Number(most))),
      accepts(Password, ofLength(Number(most) + 1)),
    ]).toEqual([true, false])
    const words = 'seven teapots orbit'
    expect(passwordFaults(words.slice(0, least))).toEqual([])
    expect(passwordFaults(words.slice(0, least - 1))).toHaveLength(1)
    for (const refused of ['a\0b', '\ud800']) expect(accepts(Password, refused)).toBe(false)
  })

  test('a token and a code', () => {
    const most = documented('`token`, `stop`', 'characters')
    expect([accepts(MailTokenText, 'x'.repeat(most)), accepts(MailTokenText, 'x'.repeat(most + 1))]).toEqual([
      true,
      false,
    ])
    const good = sealMailToken('reset-mail', { id: newId(), expiresAt: expiryIn(60) })
    expect(good).toHaveLength(documented('`token`, `stop`', 'of base64url'))
    const digits = documented('`code`', 'digits')
    for (const code of ['1'.repeat(digits), '111 111']) expect(accepts(MailCode, code)).toBe(true)
    for (const code of ['1'.repeat(digits - 1), '1'.repeat(digits + 1), '11 1111', '١١١١١١'])
      expect(accepts(MailCode, code)).toBe(false)
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
    for (const name of ['__Host-session', '__Host-registration', '__Host-known-browser']) {
      const length = documented(`\`${name}\``, 'characters')
      expect(browser.cookies.get(name), name).toMatch(new RegExp(`^[\\w-]{${length}}$`))
    }
    const from = (headers: Record<string, string>) => clientOf(new Request('http://localhost/', { headers }))
    const cut = documented('`user-agent`', 'characters')
    expect(from({ 'user-agent': 'x'.repeat(cut + 9) }).userAgent).toBe('x'.repeat(cut))
    const [, idLength] = /at most (\d+) of/.exec(inputs.get('`x-vercel-id`')?.at(-1) ?? '') ?? []
    const id = 'x'.repeat(Number(idLength))
    expect(from({ 'x-vercel-id': id }).requestId).toBe(id)
    expect(from({ 'x-vercel-id': `${id}x` }).requestId).not.toContain('xx')
  })
})

test('[ASVS 2.1.2] [ASVS 2.2.3] each documented rule between inputs is enforced with the documented refusal', async () => {
  const person = await signedInPerson()
  const own = `long.enough.${newAddress()}`
  const account = (body: object) =>
    person.browser.send('account', 'PATCH', { currentPassword: PASSWORD, ...body })
  const token = sealMailToken('registration-mail', { id: newId(), expiresAt: expiryIn(60) })
  const code = '123456'
  const refusals = {
    'a new password is not the current one': await account({ newPassword: PASSWORD }),
    "a new password is not made of the product's name or host": await newBrowser().send('register', 'POST', {
      email: newAddress(),
      password: 'latchkey app.latchkey.test',
    }),
    "a new password is not made of the account's own address": await newBrowser().send('reset', 'PUT', {
      email: own,
      code,
      password: own,
    }),
    'a token serves the purpose it was mailed for and no other': await newBrowser().send('reset', 'PUT', {
      token,
      password: OTHER_PASSWORD,
    }),
    'a code belongs to the address that is given with it': await newBrowser().send('reset', 'PUT', {
      email: own,
      code,
      password: OTHER_PASSWORD,
    }),
    'either a token, or an address and a code, or (verify alone) a stop token': await newBrowser().send(
      'verify',
      'PUT',
      {
        token,
        stop: token,
      },
    ),
    'either a new password or a new address': await account({
      newPassword: OTHER_PASSWORD,
      email: newAddress(),
    }),
    "either one session's id or all others": await person.browser.send(
      `sessions?id=${newId()}&others=true`,
      'DELETE',
    ),
  }
  expect(
    Object.entries(refusals).map(([rule, { status, body }]) => [rule, `${status} \`${body.code}\``]),
  ).toEqual([...tableUnder('Rules between inputs')].map(([rule, cells]) => [rule, cells.at(-1)]))
})

describe('[ASVS 2.1.3] [ASVS 2.3.2] the limits that no bucket keeps are as docs/limits.md says:', () => {
  const numbers = (words: RegExp) => Number(words.exec(limitsPage)?.[1])

  test('sessions of an account', async () => {
    const most = numbers(/(\d+) sessions an account/)
    const { email, browser } = await signedInPerson()
    for (let more = 0; more < 3; more += 1) {
      await query(
        `INSERT INTO sessions (id, user_id, family_hash, expires_at, ends_at)
         SELECT gen_random_uuid(), users.id, sha256(gen_random_uuid()::text::bytea), now() + interval '1 day', now() + interval '1 day'
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

  test('hashes in an instance', async () => {
    expect(limitsPage).toContain('two password hashes at once an instance')
    const most = 2 + numbers(/with (\d+) waiting/)
    const hashes = Array.from({ length: most + 3 }, () => hashPassword(PASSWORD))
    const refused = (await Promise.allSettled(hashes)).filter(({ status }) => status === 'rejected')
    expect(refused).toHaveLength(3)
  })

  test('bytes of a body', () => {
    expect(numbers(/bodies of (\d+) KB/) * 1024).toBe(documented('body', 'bytes'))
  })

  test('nothing is counted over all sources, and the page says so', () => {
    expect(page).toContain('Nothing is counted over all sources')
  })
})

test('[ASVS 3.1.1] what is relied on in a browser is in the docs, with what happens without it', () => {
  const features = tableUnder('What is relied on in a browser')
  for (const feature of [
    'HTTPS',
    'HSTS',
    'SameSite=Lax',
    'Fetch Metadata',
    '`Origin`',
    '__Host-',
    'Content-Security-Policy',
  ])
    expect(
      [...features.keys()].filter((head) => head.includes(feature)),
      feature,
    ).toHaveLength(1)
  for (const [feature, [use = '', without = '']] of features)
    expect(`${use}${without}`.length, feature).toBeGreaterThan(40)
})

test('[63B-4 5.1 CSRF] the docs say why there is no anti-forgery token, and what serves instead', () => {
  expect(page).toMatch(/### No anti-forgery token\n\n[^#]*two headers[^#]*content type/)
})

test('every cookie is in the docs, with the time it is kept for', async () => {
  const documentedCookies = tableUnder('Cookies')
  const { browser } = await signedInPerson()
  const login = await browser.send('login', 'POST', { email: newAddress(), password: PASSWORD })
  expect(login.setCookies).toEqual([])
  const register = await browser.send('register', 'POST', { email: newAddress(), password: PASSWORD })
  const [registration] = register.setCookies.map((text) => parseSetCookie(text))
  expect([...documentedCookies.keys()].toSorted()).toEqual(
    [...browser.cookies.keys()].map((name) => `\`${name}\``).toSorted(),
  )
  expect(documentedCookies.get('`__Host-registration`')?.at(-1)).toBe(
    `${(registration?.maxAge ?? 0) / DAY_SECONDS} days`,
  )
  expect(REGISTRATION_LIFETIME_SECONDS).toBe(registration?.maxAge)
  expect(documentedCookies.get('`__Host-known-browser`')?.at(-1)).toBe(
    `${KNOWN_BROWSER_LIFETIME_SECONDS / DAY_SECONDS} days`,
  )
})
