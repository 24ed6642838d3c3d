/** docs/cryptography.md is the inventory: of every key, every algorithm and every place that uses one. */
import { createHmac, createPublicKey, hkdfSync } from 'node:crypto'
import { globSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createLocalJWKSet, exportJWK, generateKeyPair, jwtVerify, SignJWT } from 'jose'
import { expect, test } from 'vitest'
import { ACCESS_TOKEN_LIFETIME_SECONDS, PUBLIC_KEYS_CACHE_SECONDS } from './access-token.ts'
import { keyedHash, signingKeys, type SealPurpose } from './keys.ts'
import { KNOWN_BROWSER_LIFETIME_SECONDS } from './known-browser.ts'
import {
  EMAIL_CHANGE_LINK_LIFETIME_SECONDS,
  REGISTRATION_LINK_LIFETIME_SECONDS,
  RESET_LINK_LIFETIME_SECONDS,
} from './mail-token.ts'
import { hashPassword } from './passwords.ts'
import { REGISTRATION_LIFETIME_SECONDS } from './registrations.ts'
import { SESSION_LIFETIME_SECONDS } from './sessions.ts'

const FILES = globSync('{api,lib}/**/*.ts').filter((file) => !file.endsWith('.test.ts'))
const page = await readFile('docs/cryptography.md', 'utf8')

/** The rows of a section's table, each as its cells. */
function rowsOf(heading: string): string[][] {
  const section = page.split('\n## ').find((each) => each.startsWith(`${heading}\n`)) ?? ''
  const lines = section.split('\n').filter((line) => line.startsWith('|'))
  return lines.slice(2).map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  )
}

const inBackticks = (cell = '') => Array.from(cell.matchAll(/`([^`]+)`/g), ([, word = '']) => word)

/** What the sources of the functions import from whatever does cryptography, as rows of the page's table. */
async function importsOfCryptography(): Promise<string[][]> {
  const found: string[][] = []
  for (const file of FILES) {
    const source = await readFile(file, 'utf8')
    const imports = source.matchAll(
      /import (?:type )?\{([^}]+)\} from '(node:crypto|jose|@node-rs\/argon2)'/g,
    )
    const later = source.matchAll(/const \{([^}]+)\} = await import\('(bcryptjs)'\)/g)
    for (const [, names = '', from = ''] of [...imports, ...later]) {
      const imported = names.split(',').map((name) => name.trim().replace(/^type /, ''))
      found.push([file, from, ...imported.filter((name) => name !== '').toSorted()])
    }
  }
  return found.toSorted()
}

/** Every source of the functions, without its comments. */
async function sources(): Promise<[file: string, source: string][]> {
  return Promise.all(
    FILES.map(async (file): Promise<[string, string]> => {
      const source = await readFile(file, 'utf8')
      return [file, source.replaceAll(/\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/.*$/gm, '')]
    }),
  )
}

/** The compiler asks for every purpose and knows no other. */
const LIFETIMES_SECONDS: Record<SealPurpose, number | string> = {
  'refresh-token': SESSION_LIFETIME_SECONDS,
  'registration-mail': REGISTRATION_LINK_LIFETIME_SECONDS,
  'reset-mail': RESET_LINK_LIFETIME_SECONDS,
  'email-change-mail': EMAIL_CHANGE_LINK_LIFETIME_SECONDS,
  'email-change-stop-mail': EMAIL_CHANGE_LINK_LIFETIME_SECONDS,
  'mail-code': 'as the link',
  'registration-cookie': REGISTRATION_LIFETIME_SECONDS,
  'known-browser': KNOWN_BROWSER_LIFETIME_SECONDS,
  'rate-limit': "the bucket's time",
}
const PURPOSES = Object.keys(LIFETIMES_SECONDS) as SealPurpose[]

function inWords(lifetime: number | string): string {
  if (typeof lifetime === 'string') return lifetime
  if (lifetime % 86_400 === 0) return `${lifetime / 86_400} days`
  return lifetime % 3600 === 0 ? `${lifetime / 3600} hours` : `${lifetime / 60} minutes`
}

test('[ASVS 11.1.1] [ASVS 11.1.2] [ASVS 11.2.3] every key is in the docs with its label, its size, its use and how long what it makes is good for, and no other one is', () => {
  const rows = rowsOf('Keys').map(([label, size, , life]) => [...inBackticks(label), size, life])
  expect(rows.toSorted()).toEqual(
    [
      ['access-token ES256', '40 bytes', inWords(ACCESS_TOKEN_LIFETIME_SECONDS)],
      ...PURPOSES.map((purpose) => [purpose, '32 bytes', inWords(LIFETIMES_SECONDS[purpose])]),
    ].toSorted(),
  )
})

test('[RFC 8725 3.5] [ASVS 11.2.3] each key is HKDF-SHA-256 of the secret under its own label, 32 bytes, and no two are alike', () => {
  const secret = process.env['JWT_SECRET'] ?? ''
  const payload = Buffer.from('payload')
  const keys = PURPOSES.map((purpose) => {
    const key = Buffer.from(hkdfSync('sha256', secret, '', `latchkey ${purpose}`, 32))
    expect(keyedHash(purpose, payload)).toEqual(createHmac('sha256', key).update(payload).digest())
    return key.toString('hex')
  })
  expect(new Set(keys).size).toBe(PURPOSES.length)
})

test('[ASVS 11.6.1] [ASVS 11.2.3] the signing key is a P-256 pair, reduced from 40 derived bytes as FIPS 186-5 has it, and its public half is the one that is published', async () => {
  const [key] = await signingKeys()
  if (key === undefined) throw new Error('there is no signing key')
  expect([key.privateKey.type, key.privateKey.asymmetricKeyType]).toEqual(['private', 'ec'])
  expect(key.privateKey.asymmetricKeyDetails).toEqual({ namedCurve: 'prime256v1' })
  expect(createPublicKey(key.privateKey).export({ format: 'jwk' })).toEqual({
    kty: 'EC',
    crv: 'P-256',
    x: key.publicJwk.x,
    y: key.publicJwk.y,
  })

  const secret = process.env['JWT_SECRET'] ?? ''
  const seed = Buffer.from(hkdfSync('sha256', secret, '', 'latchkey access-token ES256', 40)).toString('hex')
  const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n
  const scalar = (BigInt(`0x${seed}`) % (order - 1n)) + 1n
  expect(Buffer.from(key.privateKey.export({ format: 'jwk' }).d ?? '', 'base64url').toString('hex')).toBe(
    scalar.toString(16).padStart(64, '0'),
  )
})

test('[ASVS 11.1.2] what a password hash costs is in the docs', async () => {
  const [, mebibytes, passes, lanes] =
    rowsOf('Algorithms')
      .map(([name = '']) => /^argon2id, (\d+) MiB, (\d+) passes, (\d+) lane$/.exec(name))
      .find((match) => match !== null) ?? []
  const cost = `m=${Number(mebibytes) * 1024},t=${passes},p=${lanes}`
  expect(await hashPassword('a fine password')).toContain(`$argon2id$v=19$${cost}$`)
})

test('[ASVS 11.1.3] [ASVS 11.2.1] whatever imports cryptography is in the docs with what it imports, and nothing else is', async () => {
  const found = await importsOfCryptography()
  expect(found.length).toBeGreaterThan(8)
  const documented = rowsOf('Where it is used').map((cells) => cells.slice(0, 3).flatMap(inBackticks))
  expect(documented.toSorted()).toEqual(found)
})

test('[ASVS 11.1.3] [ASVS 11.2.1] cryptography comes by no other way than an import by name', async () => {
  for (const [file, source] of await sources()) {
    const mentions =
      source.match(
        /['"](?:node:)?crypto['"]|['"]jose[^'"]*['"]|['"]@node-rs\/[^'"]*['"]|['"]bcrypt[^'"]*['"]/g,
      ) ?? []
    const named =
      source.match(
        /import (?:type )?\{[^}]+\} from '(?:node:crypto|jose|@node-rs\/argon2)'|const \{[^}]+\} = await import\('bcryptjs'\)/g,
      ) ?? []
    expect(mentions.length, file).toBe(named.length)
    expect(source, file).not.toMatch(/\bcrypto\.|\bsubtle\b|webcrypto/)
  }
})

test('[ASVS 11.4.1] [ASVS 11.4.3] every hash is SHA-256, but for the prefix of a breached password, which SHA-1 sorts', async () => {
  const used = (await sources()).flatMap(([file, source]) =>
    Array.from(
      source.matchAll(
        /\b(?:createHash|createHmac|hkdfSync)\(\s*([^,)]+)|\b(md5|sha\d+|digest|hmac|crypt)\(/g,
      ),
      ([, algorithm, inSql]) => `${file} ${algorithm ?? `SQL ${inSql}`}`,
    ),
  )
  const hashes = used.filter((use) => !use.endsWith('SQL digest'))
  expect([...new Set(hashes)].toSorted()).toEqual([
    "api/auth/maintenance.ts 'sha256'",
    "lib/breached-passwords.ts 'sha1'",
    "lib/keys.ts 'sha256'",
    "lib/passwords.ts 'sha256'",
    'lib/rate-limits.ts SQL sha256',
    "lib/refresh-token.ts 'sha256'",
  ])
  expect(
    rowsOf('Algorithms')
      .find(([name]) => name === 'SHA-1')
      ?.at(-1),
  ).toContain('guards nothing')
})

test('[ASVS 11.5.1] nothing that must not be guessed comes from Math.random or a UUID: one request id does, and nothing else', async () => {
  const all = await sources()
  expect(all.filter(([, source]) => source.includes('Math.random')).map(([file]) => file)).toEqual([])
  expect(all.filter(([, source]) => /randomUUID\(/.test(source)).map(([file]) => file)).toEqual([
    'lib/client.ts',
  ])
  expect(
    all
      .filter(([, source]) => /randomBytes\(/.test(source))
      .map(([file]) => file)
      .toSorted(),
  ).toEqual(['lib/known-browser.ts', 'lib/refresh-token.ts'])
})

test('[ASVS 11.1.1] the life of a key and the exchange of the secret are in the docs, with the time after which the old one can go', async () => {
  expect(rowsOf('Life of a key').map(([stage]) => stage)).toEqual([
    'made',
    'kept',
    'derived',
    'used',
    'exchanged',
    'taken away',
  ])
  expect(page).toContain(`After ${inWords(SESSION_LIFETIME_SECONDS)} \`new\`, deploy`)
  expect(page).toContain(`may be cached for ${inWords(PUBLIC_KEYS_CACHE_SECONDS)}`)
})

test('[ASVS 11.1.4] what quantum computers would break is in the docs, algorithm by algorithm, with what takes its place and by when', async () => {
  const [key] = await signingKeys()
  const rows = new Map(
    rowsOf('When there are quantum computers').map(([what = '', ...cells]) => [what, cells]),
  )
  expect([...rows.keys()]).toEqual([
    'HMAC-SHA-256, HKDF, SHA-256',
    'argon2id',
    `ECDSA with P-256 (${key?.publicJwk.alg})`,
    'TLS',
  ])
  expect(page).toMatch(/The plan for ES256\..*2035.*\n?.*ML-DSA/)
})

test('[ASVS 11.1.4] the successor in that plan signs and verifies here today, beside the present key in one set', async () => {
  expect(page).toContain('`ML-DSA-44`')
  const successor = await generateKeyPair('ML-DSA-44', { extractable: true })
  const published = {
    ...(await exportJWK(successor.publicKey)),
    kid: 'successor',
    alg: 'ML-DSA-44',
    use: 'sig',
  }
  const keys = createLocalJWKSet({
    keys: [...(await signingKeys()).map(({ publicJwk }) => publicJwk), published],
  })
  const [present] = await signingKeys()
  const tokens = [
    await new SignJWT().setProtectedHeader({ alg: 'ML-DSA-44', kid: 'successor' }).sign(successor.privateKey),
    await new SignJWT()
      .setProtectedHeader({ alg: 'ES256', kid: present?.kid ?? '' })
      .sign(present?.privateKey ?? new Uint8Array()),
  ]
  const verified = await Promise.all(
    tokens.map((token) => jwtVerify(token, keys, { algorithms: ['ES256', 'ML-DSA-44'] })),
  )
  expect(verified.map(({ protectedHeader }) => protectedHeader.alg)).toEqual(['ML-DSA-44', 'ES256'])
})
