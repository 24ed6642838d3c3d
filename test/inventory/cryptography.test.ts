/** Every key, every algorithm and every place that uses one, held against an inventory. */
import { createHmac, createPublicKey, hkdfSync } from 'node:crypto'
import { globSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createLocalJWKSet, exportJWK, generateKeyPair, jwtVerify, SignJWT } from 'jose'
import { expect, test } from 'vitest'
import { keyedHash, signingKeys, type KeyPurpose } from '../../lib/crypto/keys.ts'

/** What each key is for. The compiler asks for every purpose and knows no other. */
const KEYS: Record<KeyPurpose, string> = {
  'refresh-token': 'signs the session cookie',
  'registration-email': 'signs the link that verifies a registration',
  'reset-email': 'signs the link that resets a password',
  'email-change-email': 'signs the link that confirms a new address',
  'email-change-cancel-email': 'signs the link that cancels a change of address',
  'one-time-code': 'derives the code beside a link',
  'registration-cookie': 'signs the cookie of the browser that registered',
  'device-cookie': 'signs the cookie of a browser that has signed in',
  'rate-limit': 'hashes addresses and networks in the tables of limits',
}
const PURPOSES = Object.keys(KEYS) as KeyPurpose[]

/** Who imports cryptography, and what. A new use of it is a new line here, and is reviewed. */
const USES: [file: string, from: string, ...names: string[]][] = [
  ['api/auth/maintenance.ts', 'node:crypto', 'createHash', 'timingSafeEqual'],
  ['lib/crypto/access-token.ts', 'jose', 'SignJWT', 'createLocalJWKSet', 'jwtVerify'],
  ['lib/crypto/breached-passwords.ts', 'node:crypto', 'createHash'],
  ['lib/auth/password-policy.ts', 'node:crypto', 'createHash'],
  ['lib/http/client-info.ts', 'node:crypto', 'randomUUID'],
  ['lib/crypto/device-cookie.ts', 'node:crypto', 'randomBytes'],
  ['lib/env-schema.ts', 'node:crypto', 'X509Certificate'],
  ['lib/crypto/imported-hashes.ts', 'bcryptjs', 'compare'],
  ['lib/crypto/imported-hashes.ts', 'node:crypto', 'scrypt', 'timingSafeEqual'],
  ['lib/crypto/keys.ts', 'jose', 'calculateJwkThumbprint'],
  [
    'lib/crypto/keys.ts',
    'node:crypto',
    'KeyObject',
    'createECDH',
    'createHmac',
    'createPrivateKey',
    'hkdfSync',
    'timingSafeEqual',
  ],
  ['lib/crypto/one-time-code.ts', 'node:crypto', 'timingSafeEqual'],
  ['lib/crypto/passwords.ts', '@node-rs/argon2', 'hash', 'verify'],
  ['lib/crypto/refresh-token.ts', 'node:crypto', 'createHash', 'randomBytes'],
]

const IMPORT = /import (?:type )?\{([^}]+)\} from '(node:crypto|jose|@node-rs\/argon2)'/g
const LATER_IMPORT = /const \{([^}]+)\} = await import\('(bcryptjs)'\)/g

/** The functions' sources without comments, and the engine's. */
async function sources(pattern: string): Promise<[file: string, source: string][]> {
  const files = globSync(pattern).filter((file) => !file.endsWith('.test.ts'))
  return Promise.all(
    files.toSorted().map(async (file): Promise<[string, string]> => {
      const source = await readFile(file, 'utf8')
      return [file, source.replaceAll(/\/\*[\s\S]*?\*\/|(?<=^|\s)(?:\/\/|--).*$/gm, '')]
    }),
  )
}

const typescript = () => sources('{api,lib}/**/*.ts')

test('[RFC 8725 3.5] [ASVS 11.1.2] [ASVS 11.2.3] each key is HKDF-SHA-256 of the secret under its own label, 32 bytes, and no two are alike', () => {
  const secret = process.env['JWT_SECRET'] ?? ''
  const payload = Buffer.from('payload')
  const keys = PURPOSES.map((purpose) => {
    const key = Buffer.from(hkdfSync('sha256', secret, '', `latchkey ${purpose}`, 32))
    expect(keyedHash(purpose, payload)).toEqual(createHmac('sha256', key).update(payload).digest())
    return key.toString('hex')
  })
  expect(new Set(keys).size).toBe(PURPOSES.length)
})

test('[ASVS 11.6.1] [ASVS 11.2.3] the signing key is a P-256 pair, reduced from 40 derived bytes by FIPS 186-5, and its public half is published', async () => {
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

test('[ASVS 11.1.3] [ASVS 11.2.1] what imports cryptography, and what it imports, is in the inventory', async () => {
  const found = (await typescript()).flatMap(([file, source]) =>
    [...source.matchAll(IMPORT), ...source.matchAll(LATER_IMPORT)].map(([, names = '', from = '']) => {
      const imported = names.split(',').map((name) => name.trim().replace(/^type /, ''))
      return [file, from, ...imported.filter((name) => name !== '').toSorted()]
    }),
  )
  expect(found.toSorted()).toEqual(USES.toSorted())
})

test('[ASVS 11.1.3] [ASVS 11.2.1] cryptography comes only by an import by name', async () => {
  for (const [file, source] of await typescript()) {
    const mentions =
      source.match(
        /['"](?:node:)?crypto['"]|['"]jose[^'"]*['"]|['"]@node-rs\/[^'"]*['"]|['"]bcrypt[^'"]*['"]/g,
      ) ?? []
    const named = [...source.matchAll(IMPORT), ...source.matchAll(LATER_IMPORT)]
    expect(mentions.length, file).toBe(named.length)
    expect(source, file).not.toMatch(/\bcrypto\.|\bsubtle\b|webcrypto/)
  }
})

test('[ASVS 11.4.1] [ASVS 11.4.3] every hash is SHA-256, but for the SHA-1 by which breached passwords are looked up', async () => {
  const algorithms = (await typescript()).flatMap(([file, source]) =>
    Array.from(
      source.matchAll(/\b(?:createHash|createHmac|hkdfSync)\(\s*([^,)]+)/g),
      ([, algorithm]) => `${file} ${algorithm}`,
    ),
  )
  expect([...new Set(algorithms)].toSorted()).toEqual([
    "api/auth/maintenance.ts 'sha256'",
    "lib/auth/password-policy.ts 'sha256'",
    "lib/crypto/breached-passwords.ts 'sha1'",
    "lib/crypto/keys.ts 'sha256'",
    "lib/crypto/refresh-token.ts 'sha256'",
  ])
  const inSql = (await sources('drizzle/functions/*.sql')).flatMap(([file, source]) =>
    Array.from(source.matchAll(/\b(md5|sha\d+|digest|hmac|crypt)\(/gi), ([, name]) => `${file} ${name}`),
  )
  expect(inSql).toEqual(['drizzle/functions/subject_key.sql sha256'])
})

test('[ASVS 11.5.1] nothing that must not be guessed comes from Math.random or a UUID: the id of a request does, and nothing else', async () => {
  const all = await typescript()
  const filesWith = (pattern: RegExp) =>
    all.filter(([, source]) => pattern.test(source)).map(([file]) => file)
  expect(filesWith(/Math\.random|pseudoRandomBytes/)).toEqual([])
  expect(filesWith(/randomUUID\(/)).toEqual(['lib/http/client-info.ts'])
  expect(filesWith(/randomBytes\(/)).toEqual(['lib/crypto/device-cookie.ts', 'lib/crypto/refresh-token.ts'])
  const ids = (await sources('drizzle/functions/*.sql')).filter(([, source]) =>
    /gen_random_uuid|random\(/.test(source),
  )
  expect(ids.map(([file]) => file)).toEqual(['drizzle/functions/new_id.sql'])
})

test('[ASVS 11.1.4] a successor that quantum computers do not break signs and verifies here today, beside the present key in one set', async () => {
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
