/**
 * Attacks on an access token, by name. Each is refused with the very response that garbage gets, by an endpoint and by
 * the guard that asks no database, and without a call to anywhere. What may vary in our own token is at the end.
 */
import { createHmac, createPublicKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import { createServer } from 'node:http'
import { EncryptJWT } from 'jose'
import { v7 as newId } from 'uuid'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { listen } from '../../dev/port.ts'
import { requireSession, requireUser } from '../../lib/guards.ts'
import { signingKeys, type SigningKey } from '../../lib/crypto/keys.ts'
import { sendRaw, type Received } from '../support/browser.ts'
import { newestEmailTo, signedInPerson, tokenIn, type Person } from '../support/people.ts'
import { APP_ORIGIN } from '../support/setup-environment.ts'
import { gateway } from '../support/setup-stack.ts'

const P256_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n

/** Signed in. The attacker knows their token, or would like to have made it. */
let person: Person
let token: string
let key: SigningKey
let claims: Record<string, unknown>
let outsideUrl: string
let outsideCalls = 0
const attacker = generateKeyPairSync('ec', { namedCurve: 'P-256' })

const outside = createServer((_, response) => {
  outsideCalls += 1
  response.end(JSON.stringify({ keys: [attacker.publicKey.export({ format: 'jwk' })] }))
})
const realFetch = globalThis.fetch
let fetched: string[] = []

beforeAll(async () => {
  outsideUrl = `http://127.0.0.1:${await listen(outside, 0)}/keys`
  person = await signedInPerson()
  const { body } = await person.browser.send('refresh', 'POST', {})
  token = body.accessToken
  const [first] = await signingKeys()
  if (first === undefined) throw new Error('there is no signing key')
  key = first
  claims = { role: 'user', sid: body.session.id, sub: body.user.id, iss: APP_ORIGIN, aud: APP_ORIGIN }
  globalThis.fetch = (input, init) => {
    fetched.push(input instanceof Request ? input.url : String(input))
    return realFetch(input, init)
  }
})

afterAll(() => {
  globalThis.fetch = realFetch
  outside.close()
})

afterEach(() => {
  vi.unstubAllEnvs()
  vi.resetModules()
})

// --- Tokens made by hand ---

type Json = Record<string, unknown>

const encoded = (part: unknown): string =>
  Buffer.from(typeof part === 'string' ? part : JSON.stringify(part)).toString('base64url')
const now = () => Math.floor(Date.now() / 1000)
const ourHeader = (changes: Json = {}): Json => ({ alg: 'ES256', typ: 'at+jwt', kid: key.kid, ...changes })
const ourClaims = (changes: Json = {}): Json => ({ ...claims, iat: now(), exp: now() + 60, ...changes })
const parts = (): [string, string, string] => token.split('.') as [string, string, string]

/** Signs as jose would with this key, whatever the header says. A text is taken as it is. */
function signed(header: Json | string, payload: Json | string, by: KeyObject, hash = 'sha256'): string {
  const input = `${encoded(header)}.${encoded(payload)}`
  const signature = sign(hash, Buffer.from(input), { key: by, dsaEncoding: 'ieee-p1363' })
  return `${input}.${signature.toString('base64url')}`
}

/** By our own key: what is refused here is refused for what the token says. */
const ours = (header: Json, payload: Json = {}) =>
  signed(ourHeader(header), ourClaims(payload), key.privateKey)
/** By the attacker's key: what would let it in is believing the token about the key. */
const theirs = (header: Json | string) =>
  signed(typeof header === 'string' ? header : ourHeader(header), ourClaims(), attacker.privateKey)

function withMac(alg: string, secret: Buffer | string): string {
  const input = `${encoded(ourHeader({ alg }))}.${encoded(ourClaims())}`
  const mac = createHmac(`sha${alg.slice(2)}`, secret).update(input)
  return `${input}.${mac.digest('base64url')}`
}

const unsigned = (alg: string, signature = '') =>
  `${encoded(ourHeader({ alg }))}.${encoded(ourClaims())}.${signature}`
const withSignature = (signature: Buffer | string) =>
  `${parts()[0]}.${parts()[1]}.${typeof signature === 'string' ? signature : signature.toString('base64url')}`
const rawSignature = () => Buffer.from(parts()[2], 'base64url')

const publicKey = () => createPublicKey({ key: key.publicJwk, format: 'jwk' })
const publicPem = () => publicKey().export({ type: 'spki', format: 'pem' }).toString()
const publicDer = () => publicKey().export({ type: 'spki', format: 'der' })
const attackerJwk = () => attacker.publicKey.export({ format: 'jwk' })

/** The same numbers as ASN.1 has them. */
function der(raw: Buffer): Buffer {
  const integer = (bytes: Buffer) => {
    const digits = bytes.subarray(bytes.findIndex((byte) => byte !== 0))
    const positive = (digits[0] ?? 0) > 127 ? Buffer.concat([Buffer.from([0]), digits]) : digits
    return Buffer.concat([Buffer.from([2, positive.length]), positive])
  }
  const numbers = Buffer.concat([integer(raw.subarray(0, 32)), integer(raw.subarray(32))])
  return Buffer.concat([Buffer.from([0x30, numbers.length]), numbers])
}

const scalar = (value: bigint) => Buffer.from(value.toString(16).padStart(64, '0'), 'hex')
const signature = (r: bigint, s: bigint) => Buffer.concat([scalar(r), scalar(s)])

async function ofAnotherProject(): Promise<string> {
  vi.stubEnv('JWT_SECRET', Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('base64'))
  vi.resetModules()
  const { signAccessToken } = await import('../../lib/crypto/access-token.ts')
  const { accessToken } = await signAccessToken({
    userId: String(claims['sub']),
    sessionId: String(claims['sid']),
    role: 'admin',
    amr: ['pwd'],
    authenticatedAt: now(),
  })
  return accessToken
}

async function encrypted(): Promise<string> {
  return new EncryptJWT(ourClaims())
    .setProtectedHeader({ alg: 'ECDH-ES', enc: 'A256GCM', typ: 'at+jwt', kid: key.kid })
    .encrypt(publicKey())
}

// --- What is asked of every refusal ---

const bearer = (text: string) => ({ headers: { authorization: `Bearer ${text}`, 'x-vercel-id': 'attack' } })
const seen = (response: Received) => ({
  status: response.status,
  headers: [...response.headers],
  body: response.body,
})

async function expectRefusedAsGarbage(text: string): Promise<void> {
  const garbage = seen(await sendRaw('account', bearer('garbage')))
  gateway.requests.length = 0
  fetched = []
  outsideCalls = 0

  const response = await sendRaw('account', bearer(text))
  expect(response.status).toBe(401)
  expect(response.body.code).toBe('unauthorized')
  expect(response.headers.get('www-authenticate')).toBe('Bearer')
  expect(seen(response)).toEqual(garbage)
  for (const guard of [requireUser, requireSession]) {
    const guarded = await guard(new Request(`${APP_ORIGIN}/api/hello`, bearer(text)))
    if (guarded.kind !== 'refused') throw new Error('the guard let it in')
    expect(guarded.response.status).toBe(401)
    expect(guarded.response.headers.get('www-authenticate')).toBe('Bearer')
    expect(await guarded.response.json()).toEqual(garbage.body)
  }

  expect(gateway.requests).toEqual([])
  expect(fetched).toEqual([])
  expect(outsideCalls).toBe(0)
}

async function expectLetIn(text: string): Promise<void> {
  const response = await sendRaw('account', bearer(text))
  expect([response.status, response.body.user?.email]).toEqual([200, person.email])
  expect((await requireUser(new Request(APP_ORIGIN, bearer(text)))).kind).toBe('signed-in')
}

type Attack = [name: string, make: () => string | Promise<string>]

test('a token made here by hand with our own key is let in, so each refusal below is for the one thing that is changed', async () => {
  await expectLetIn(token)
  await expectLetIn(ours({}))
})

describe('[ASVS 9.1.2] [RFC 8725 3.1] [RFC 8725 3.2] [ASVS 11.2.5] the algorithm is ours to choose', () => {
  test.each<Attack>([
    ...['none', 'None', 'NONE', 'noNE', 'nOnE', ''].flatMap((alg): Attack[] => [
      [`alg "${alg}" without a signature`, () => unsigned(alg)],
      [`alg "${alg}" with the signature of a good token`, () => unsigned(alg, parts()[2])],
    ]),
    ['alg "none" without the last dot', () => unsigned('none').slice(0, -1)],
    ['no alg at all', () => ours({ alg: undefined })],
    ['alg that is a list', () => ours({ alg: ['ES256'] })],
    ['alg that is null', () => ours({ alg: null })],
    ['alg "es256"', () => ours({ alg: 'es256' })],
    ...['HS256', 'HS384', 'HS512'].flatMap((alg): Attack[] => [
      [`${alg} keyed with the public key's PEM`, () => withMac(alg, publicPem())],
      [`${alg} keyed with the PEM without its last line break`, () => withMac(alg, publicPem().trimEnd())],
      [`${alg} keyed with the public key's DER`, () => withMac(alg, publicDer())],
      [`${alg} keyed with the public point`, () => withMac(alg, publicDer().subarray(-65))],
      [`${alg} keyed with the JWK's JSON`, () => withMac(alg, JSON.stringify(key.publicJwk))],
      [`${alg} keyed with the JWK Set's JSON`, () => withMac(alg, JSON.stringify({ keys: [key.publicJwk] }))],
      [`${alg} keyed with the JWK's x`, () => withMac(alg, Buffer.from(key.publicJwk.x ?? '', 'base64url'))],
      [`${alg} keyed with the kid`, () => withMac(alg, key.kid)],
      [`${alg} keyed with nothing`, () => withMac(alg, '')],
    ]),
    ...['ES384', 'ES512', 'ES256K', 'RS256', 'PS256', 'EdDSA', 'Ed25519', 'ML-DSA-44'].map((alg): Attack => [
      `alg ${alg} over a signature by our own key`,
      () => ours({ alg }),
    ]),
    [
      'ES384 by a P-384 key of its own',
      () => {
        const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' })
        return signed(ourHeader({ alg: 'ES384' }), ourClaims(), privateKey, 'sha384')
      },
    ],
    [
      'RS256 by an RSA key of its own, embedded',
      () => {
        const { privateKey, publicKey: own } = generateKeyPairSync('rsa', { modulusLength: 2048 })
        return signed(
          ourHeader({ alg: 'RS256', jwk: own.export({ format: 'jwk' }) }),
          ourClaims(),
          privateKey,
        )
      },
    ],
    ['ES256 over SHA-512', () => signed(ourHeader(), ourClaims(), key.privateKey, 'sha512')],
    ['a JWE encrypted to our public key', encrypted],
    [
      'a JWE that asks for 2147483647 rounds of PBKDF2',
      () =>
        `${encoded({ alg: 'PBES2-HS256+A128KW', enc: 'A128GCM', p2s: 'AAAA', p2c: 2 ** 31 - 1 })}.AAAA.AAAA.AAAA.AAAA`,
    ],
  ])('%s is refused as garbage is', async (_, make) => {
    await expectRefusedAsGarbage(await make())
  })
})

describe('[ASVS 9.1.3] [RFC 8725 3.10] [ASVS 11.2.5] keys come from the environment, and nothing is fetched', () => {
  test.each<Attack>([
    ['a key of its own under our kid', () => theirs({})],
    ['an embedded jwk', () => theirs({ jwk: attackerJwk() })],
    ['an embedded jwk with our kid in it', () => theirs({ jwk: { ...attackerJwk(), kid: key.kid } })],
    ['an embedded jwk and no kid', () => theirs({ kid: undefined, jwk: attackerJwk() })],
    ['a jku', () => theirs({ jku: outsideUrl })],
    ['a jku and another kid', () => theirs({ jku: outsideUrl, kid: 'theirs' })],
    ['a jku on our own origin', () => theirs({ jku: `${APP_ORIGIN}/api/auth/keys@${outsideUrl}` })],
    ['an x5u', () => theirs({ x5u: outsideUrl })],
    [
      'an x5c',
      () => theirs({ x5c: [attacker.publicKey.export({ type: 'spki', format: 'der' }).toString('base64')] }),
    ],
    ['an x5t', () => theirs({ x5t: 'AAAA', 'x5t#S256': 'AAAA' })],
    [
      'an issuer that is a place to look for keys',
      () => signed(ourHeader(), ourClaims({ iss: new URL(outsideUrl).origin }), attacker.privateKey),
    ],
    ['the secret of another project', ofAnotherProject],
    ['no kid and a key of its own', () => theirs({ kid: undefined })],
    ['another kid', () => ours({ kid: 'other' })],
    ['an empty kid', () => ours({ kid: '' })],
    ['a kid that is a path', () => ours({ kid: '../../../../dev/null' })],
    ['a kid that is an address', () => ours({ kid: outsideUrl })],
    ['a kid with a quote', () => ours({ kid: `${key.kid}'` })],
    ['a kid with SQL', () => ours({ kid: "' UNION SELECT 'AAAA' -- " })],
    ['a kid with a shell command', () => ours({ kid: `$(curl ${outsideUrl})` })],
    ['a kid with NUL', () => ours({ kid: `${key.kid}\0` })],
    ['a kid that is a list', () => ours({ kid: [key.kid] })],
    ['a kid that is a number', () => ours({ kid: 0 })],
    ['a kid that is null', () => ours({ kid: null })],
    ['a kid that is an object', () => ours({ kid: { toString: key.kid } })],
    ['a kid that is __proto__', () => ours({ kid: '__proto__' })],
    ['a kid of 8 KB', () => ours({ kid: 'k'.repeat(8192) })],
  ])('%s is refused as garbage is', async (_, make) => {
    await expectRefusedAsGarbage(await make())
  })

  test('the place that a jku or x5u names would answer', async () => {
    const response = await realFetch(outsideUrl)
    expect(await response.json()).toEqual({ keys: [attackerJwk()] })
  })
})

describe('[ASVS 9.1.1] [RFC 8725 3.3] [ASVS 11.2.5] the signature comes before the claims', () => {
  test.each<Attack>([
    ['an empty signature', () => withSignature('')],
    ['a signature of zeros (CVE-2022-21449)', () => withSignature(Buffer.alloc(64))],
    ['a signature of zeros in DER', () => withSignature(Buffer.from('3006020100020100', 'hex'))],
    ['r = 0', () => withSignature(Buffer.concat([Buffer.alloc(32), rawSignature().subarray(32)]))],
    ['s = 0', () => withSignature(Buffer.concat([rawSignature().subarray(0, 32), Buffer.alloc(32)]))],
    ['r = s = the order', () => withSignature(signature(P256_ORDER, P256_ORDER))],
    ['r = s = 1', () => withSignature(signature(1n, 1n))],
    [
      'r and s exchanged',
      () => withSignature(Buffer.concat([rawSignature().subarray(32), rawSignature().subarray(0, 32)])),
    ],
    [
      's + the order, in 33 bytes',
      () => {
        const raised = BigInt(`0x${rawSignature().subarray(32).toString('hex')}`) + P256_ORDER
        const bytes = Buffer.from(raised.toString(16).padStart(66, '0'), 'hex')
        return withSignature(Buffer.concat([rawSignature().subarray(0, 32), bytes]))
      },
    ],
    ['the signature in DER', () => withSignature(der(rawSignature()))],
    ['a signature one byte short', () => withSignature(rawSignature().subarray(0, 63))],
    ['a signature one byte long', () => withSignature(Buffer.concat([rawSignature(), Buffer.alloc(1)]))],
    ['the signature of another payload', () => `${ours({}).split('.').slice(0, 2).join('.')}.${parts()[2]}`],
    [
      'the role changed in the payload',
      () =>
        `${parts()[0]}.${encoded({ ...claims, role: 'admin', iat: now(), exp: now() + 60 })}.${parts()[2]}`,
    ],
    ['the signature by an attacker', () => theirs({})],
  ])('%s is refused as garbage is', async (_, make) => {
    await expectRefusedAsGarbage(await make())
  })
})

describe('[ASVS 9.2.1] [RFC 8725 3.3] a time that is past, to come or no time', () => {
  test.each<Attack>([
    ['exp a second ago', () => ours({}, { exp: now() - 1 })],
    ['exp now', () => ours({}, { exp: now() })],
    ['exp of 1970', () => ours({}, { exp: 0 })],
    ['a negative exp', () => ours({}, { exp: -1 })],
    ['no exp', () => ours({}, { exp: undefined })],
    ['exp that is null', () => ours({}, { exp: null })],
    ['exp that is a text', () => ours({}, { exp: String(now() + 60) })],
    ['exp that is a list', () => ours({}, { exp: [now() + 60] })],
    ['exp that is true', () => ours({}, { exp: true })],
    [
      'exp written as 1e999',
      () =>
        signed(ourHeader(), JSON.stringify(ourClaims({ exp: 'x' })).replace('"x"', '-1e999'), key.privateKey),
    ],
    ['nbf in a minute', () => ours({}, { nbf: now() + 60 })],
    ['nbf that is a text', () => ours({}, { nbf: '0' })],
    ['no iat', () => ours({}, { iat: undefined })],
    ['iat that is a text', () => ours({}, { iat: String(now()) })],
  ])('%s is refused as garbage is, also with our signature', async (_, make) => {
    await expectRefusedAsGarbage(await make())
  })
})

describe('[ASVS 9.2.2] [ASVS 9.2.3] [RFC 8725 3.8] [RFC 8725 3.9] [RFC 8725 3.11] a token for something else', () => {
  test.each<Attack>([
    ['typ JWT', () => ours({ typ: 'JWT' })],
    ['typ of a logout token', () => ours({ typ: 'logout+jwt' })],
    ['typ of a DPoP proof', () => ours({ typ: 'dpop+jwt' })],
    ['no typ', () => ours({ typ: undefined })],
    ['an empty typ', () => ours({ typ: '' })],
    ['typ that is a list', () => ours({ typ: ['at+jwt'] })],
    ['typ with a parameter', () => ours({ typ: 'at+jwt; charset=utf-8' })],
    ['another aud', () => ours({}, { aud: 'https://other.example' })],
    ['aud of a host that begins like ours', () => ours({}, { aud: `${APP_ORIGIN}.evil.example` })],
    ['aud with a slash behind it', () => ours({}, { aud: `${APP_ORIGIN}/` })],
    ['aud by http', () => ours({}, { aud: APP_ORIGIN.replace('https', 'http') })],
    ['aud in capitals', () => ours({}, { aud: APP_ORIGIN.toUpperCase() })],
    ['a list of others as aud', () => ours({}, { aud: ['https://other.example', `${APP_ORIGIN}/`] })],
    ['an empty list as aud', () => ours({}, { aud: [] })],
    ['an object as aud', () => ours({}, { aud: { [APP_ORIGIN]: true } })],
    ['no aud', () => ours({}, { aud: undefined })],
    ['another iss', () => ours({}, { iss: 'https://other.example' })],
    ['a list as iss', () => ours({}, { iss: [APP_ORIGIN] })],
    ['no iss', () => ours({}, { iss: undefined })],
    ['no sub', () => ours({}, { sub: undefined })],
    ['sub that is a number', () => ours({}, { sub: 1 })],
    ['sub that is a list', () => ours({}, { sub: [claims['sub']] })],
    ['no sid', () => ours({}, { sid: undefined })],
    ['sid that is an object', () => ours({}, { sid: {} })],
    ['no role', () => ours({}, { role: undefined })],
    ['role that is a list', () => ours({}, { role: ['admin'] })],
    ['a payload that is a list', () => signed(ourHeader(), '[]', key.privateKey)],
    ['a payload that is null', () => signed(ourHeader(), 'null', key.privateKey)],
    ['a payload that is no JSON', () => signed(ourHeader(), '{', key.privateKey)],
    ['a payload that is empty', () => signed(ourHeader(), '', key.privateKey)],
    [
      'claims in __proto__',
      () => signed(ourHeader(), `{"__proto__":${JSON.stringify(ourClaims())}}`, key.privateKey),
    ],
  ])('%s is refused as garbage is, also with our signature', async (_, make) => {
    await expectRefusedAsGarbage(await make())
  })
})

describe('[RFC 8725 3.7] [ASVS 9.1.1] [ASVS 11.2.5] another form than the compact one', () => {
  const flattened = () => {
    const [header, payload, mark] = parts()
    return { protected: header, payload, signature: mark }
  }
  test.each<Attack>([
    ['nothing', () => ''],
    ['one dot', () => '.'],
    ['two dots', () => '..'],
    ['only a header', () => parts()[0]],
    ['header and payload', () => parts().slice(0, 2).join('.')],
    ['the last two characters cut off', () => token.slice(0, -2)],
    ['the first character cut off', () => token.slice(1)],
    ['half of it', () => token.slice(0, token.length / 2)],
    ['a fourth part', () => `${token}.AAAA`],
    ['a fourth part that is empty', () => `${token}.`],
    ['five parts', () => `${token}.AAAA.AAAA`],
    ['a dot before it', () => `.${token}`],
    ['an empty payload', () => `${parts()[0]}..${parts()[2]}`],
    ['itself twice', () => `${token}${token}`],
    ['itself twice, by a comma', () => `${token}, Bearer ${token}`],
    ['the flattened JSON form', () => JSON.stringify(flattened())],
    [
      'the general JSON form',
      () => {
        const { payload, ...mark } = flattened()
        return JSON.stringify({ payload, signatures: [mark] })
      },
    ],
    ['the flattened JSON form in base64url', () => encoded(flattened())],
    ['padding behind it', () => `${token}==`],
    ['plain base64', () => `${token.slice(0, -4)}+/==`],
    ['a quotation', () => `"${token}"`],
    ['percent signs', () => encodeURIComponent(token).replaceAll('.', '%2E')],
    ['a tab in the middle', () => token.replace('.', '.\t')],
    ['a space in the middle', () => token.replace('.', '. ')],
    ['non-ASCII', () => `${token}é`],
    ['a full stop of another script', () => token.replaceAll('.', '·')],
    ['a header that is no JSON', () => signed('{', ourClaims(), key.privateKey)],
    ['a header that is a list', () => signed('[]', ourClaims(), key.privateKey)],
    ['a header that is null', () => signed('null', ourClaims(), key.privateKey)],
    [
      'a header that is not UTF-8',
      () => {
        const input = `${Buffer.from([0x7b, 0xff, 0x7d]).toString('base64url')}.${encoded(ourClaims())}`
        const mark = sign('sha256', Buffer.from(input), { key: key.privateKey, dsaEncoding: 'ieee-p1363' })
        return `${input}.${mark.toString('base64url')}`
      },
    ],
    [
      'alg twice, none last',
      () =>
        `${encoded(`{"alg":"ES256","typ":"at+jwt","kid":"${key.kid}","alg":"none"}`)}.${encoded(ourClaims())}.`,
    ],
    [
      'alg twice, none first',
      () =>
        `${encoded(`{"alg":"none","typ":"at+jwt","kid":"${key.kid}","alg":"ES256"}`)}.${encoded(ourClaims())}.`,
    ],
    ['kid twice', () => theirs(`{"alg":"ES256","typ":"at+jwt","kid":"theirs","kid":"${key.kid}"}`)],
    ['crit that names what nobody knows', () => ours({ crit: ['sudo'], sudo: true })],
    ['crit that is empty', () => ours({ crit: [] })],
    ['crit that is no list', () => ours({ crit: 'exp' })],
    ['crit that names a header of the standard', () => ours({ crit: ['alg'] })],
    ['an unencoded payload', () => ours({ crit: ['b64'], b64: false })],
    [
      'an unencoded payload in plain text',
      () => {
        const header = encoded(ourHeader({ crit: ['b64'], b64: false }))
        const input = `${header}.e30`
        const mark = sign('sha256', Buffer.from(input), { key: key.privateKey, dsaEncoding: 'ieee-p1363' })
        return `${input}.${mark.toString('base64url')}`
      },
    ],
    ['64 KB', () => `${parts()[0]}.${'A'.repeat(65_536)}.${parts()[2]}`],
    ['30000 dots', () => '.'.repeat(30_000)],
  ])('%s is refused as garbage is', async (_, make) => {
    await expectRefusedAsGarbage(await make())
  })

  test.each([
    ['only the scheme', 'Bearer'],
    ['no scheme', 'TOKEN'],
    ['the scheme Basic', 'Basic TOKEN'],
    ['the scheme DPoP', 'DPoP TOKEN'],
    ['the scheme glued to it', 'BearerTOKEN'],
    ['a tab behind the scheme', 'Bearer\tTOKEN'],
    ['a parameter', 'Bearer token=TOKEN'],
    ['a comma behind it', 'Bearer TOKEN,'],
  ])('a good token behind %s is refused as garbage is', async (_, form) => {
    const garbage = seen(await sendRaw('account', bearer('garbage')))
    const headers = { authorization: form.replace('TOKEN', token), 'x-vercel-id': 'attack' }
    expect(seen(await sendRaw('account', { headers }))).toEqual(garbage)
    expect((await requireUser(new Request(APP_ORIGIN, { headers }))).kind).toBe('refused')
  })

  test('[RFC 9700 4.3.2] a good token anywhere but in the header counts for nothing', async () => {
    const nowhere = seen(await sendRaw('account', { headers: { 'x-vercel-id': 'attack' } }))
    const asCookie = { cookie: `__Host-session=${token}; access_token=${token}`, 'x-vercel-id': 'attack' }
    const elsewhere = {
      'x-access-token': token,
      'proxy-authorization': `Bearer ${token}`,
      'x-vercel-id': 'attack',
    }
    const responses = [
      await sendRaw(`account?access_token=${token}`, { headers: { 'x-vercel-id': 'attack' } }),
      await sendRaw('account', { headers: asCookie }),
      await sendRaw('account', { headers: elsewhere }),
    ]
    for (const response of responses) expect(seen(response)).toEqual(nowhere)
  })
})

describe('[ASVS 9.2.2] [ASVS 2.1.2] [RFC 8725 3.12] [ASVS 11.2.5] one kind of token in another one’s place', () => {
  test.each<Attack>([
    ['a refresh token', () => person.browser.cookies.get('__Host-session') ?? ''],
    [
      'a refresh token in three parts',
      () => `${parts()[0]}.${parts()[1]}.${person.browser.cookies.get('__Host-session')}`,
    ],
    [
      'a one-time token',
      async () => {
        await person.browser.send('reset', 'POST', { email: person.email })
        return tokenIn(await newestEmailTo(person.email))
      },
    ],
    [
      'a registration cookie',
      async () => {
        const { signRegistrationCookie } = await import('../../lib/crypto/registration-cookie.ts')
        return signRegistrationCookie({ registrationId: newId(), persistent: true })
      },
    ],
    ['the secret of the cron', () => process.env['CRON_SECRET'] ?? ''],
  ])('%s as a bearer token is refused as garbage is', async (_, make) => {
    const text = await make()
    expect(text.length).toBeGreaterThan(40)
    await expectRefusedAsGarbage(text)
  })

  test('an access token and a refresh token are no one-time tokens', async () => {
    const refreshToken = person.browser.cookies.get('__Host-session')
    const password = 'a password that is long enough'
    for (const [text, refusal] of [
      // Longer than any of them.
      [token, [422, 'validation-failed']],
      [refreshToken, [400, 'token-invalid']],
    ]) {
      const responses = [
        await person.browser.send('verify', 'PUT', { token: text }),
        await person.browser.send('verify', 'PUT', { cancel: text }),
        await person.browser.send('reset', 'PUT', { token: text, password }),
      ]
      for (const response of responses) expect([response.status, response.body.code]).toEqual(refusal)
    }
  })

  test('an access token and a one-time token are no refresh tokens, and end no session', async () => {
    await person.browser.send('reset', 'POST', { email: person.email })
    for (const text of [token, tokenIn(await newestEmailTo(person.email))]) {
      const headers = { 'content-type': 'application/json', cookie: `__Host-session=${text}` }
      const send = (name: 'refresh' | 'logout') => sendRaw(name, { method: 'POST', headers, body: '{}' })
      expect((await send('refresh')).body.code).toBe('session-ended')
      expect((await send('logout')).status).toBe(204)
    }
    await expectLetIn(token)
  })

  test('an access token does not run maintenance', async () => {
    expect((await sendRaw('maintenance', bearer(token))).body.code).toBe('unauthorized')
  })
})

describe('what may vary in a token of our own: it is let in, and grants nothing that the token did not', () => {
  /** ECDSA has two signatures for one message: from one, anybody can make the other without the key. */
  const mirrored = () => {
    const raw = rawSignature()
    const s = BigInt(`0x${raw.subarray(32).toString('hex')}`)
    return withSignature(Buffer.concat([raw.subarray(0, 32), scalar(P256_ORDER - s)]))
  }
  /** The last character holds four bits that no byte of the signature needs. */
  const respelled = () => {
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    return `${token.slice(0, -1)}${alphabet[alphabet.indexOf(token.at(-1) ?? '') ^ 1]}`
  }

  test.each<Attack>([
    ['typ application/at+jwt (RFC 9068, section 4)', () => ours({ typ: 'application/at+jwt' })],
    ['typ in capitals', () => ours({ typ: 'AT+JWT' })],
    ['no kid, while there is one key', () => ours({ kid: undefined })],
    ['a list as aud that has ours', () => ours({}, { aud: ['https://other.example', APP_ORIGIN] })],
    ['iat in the future', () => ours({}, { iat: now() + 3600, exp: now() + 7200 })],
    [
      'an embedded jwk that is not looked at',
      () => ours({ jwk: attackerJwk(), jku: outsideUrl, x5u: outsideUrl }),
    ],
    ['the mirrored signature (n − s)', mirrored],
    ['another spelling of the last character', respelled],
  ])('%s', async (_, make) => {
    outsideCalls = 0
    await expectLetIn(await make())
    expect(outsideCalls).toBe(0)
  })

  test('[CS JWT] [ASVS 7.4.1] once its session is revoked, no respelling of a token is let in', async () => {
    const spellings = [token, mirrored(), respelled(), ours({})]
    expect(new Set(spellings).size).toBe(4)
    expect((await person.browser.send('logout', 'POST', {})).status).toBe(204)
    const garbage = seen(await sendRaw('account', bearer('garbage')))
    for (const text of spellings) expect(seen(await sendRaw('account', bearer(text)))).toEqual(garbage)
  })
})
