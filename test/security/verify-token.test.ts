/** examples/verify-token.py, with our tokens and with forgeries. */
import { spawn, spawnSync } from 'node:child_process'
import { createHmac, generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'
import { SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { listen } from '../../dev/port.ts'
import { signingKeys, type SigningKey } from '../../lib/crypto/keys.ts'
import { endpoints } from '../support/browser.ts'
import { signedInPerson } from '../support/people.ts'
import { APP_ORIGIN } from '../support/setup-environment.ts'

const PROGRAM = 'examples/verify-token.py'
/** Debian's own, where `apt install python3-jwt` puts it, before whatever else is called so. */
const python = ['/usr/bin/python3', 'python3'].find(
  (name) => spawnSync(name, ['-c', 'import jwt, cryptography']).status === 0,
)

let keysUrl: string
let fetches = 0
let key: SigningKey

const server = createServer((request, response) => {
  fetches += 1
  endpoints.keys
    .fetch(new Request(new URL(request.url ?? '', APP_ORIGIN)))
    .then(async (reply) => response.writeHead(reply.status).end(await reply.text()))
    .catch(() => response.destroy())
})

beforeAll(async () => {
  keysUrl = `http://127.0.0.1:${await listen(server, 0)}/api/auth/keys`
  const [first] = await signingKeys()
  if (first === undefined) throw new Error('there is no signing key')
  key = first
})
afterAll(() => void server.close())

async function verify(token: string): Promise<{ status: unknown; printed: string; said: string }> {
  const child = spawn(python ?? '', [PROGRAM, APP_ORIGIN, keysUrl])
  child.stdin.end(token)
  const [[status], printed, said] = await Promise.all([
    once(child, 'close'),
    text(child.stdout),
    text(child.stderr),
  ])
  return { status, printed, said }
}

function tokenOf(header: object = {}, claims: object = {}, privateKey = key.privateKey): Promise<string> {
  const now = Math.floor(Date.now() / 1000)
  const usual = {
    sub: 'u',
    sid: 's',
    role: 'user',
    iss: APP_ORIGIN,
    aud: APP_ORIGIN,
    iat: now,
    exp: now + 60,
  }
  return new SignJWT({ ...usual, ...claims })
    .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: key.kid, ...header })
    .sign(privateKey)
}

const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')

describe.skipIf(python === undefined)('the verifier in Python (skipped without python3-jwt)', () => {
  test('it reads our token, with our keys', async () => {
    const person = await signedInPerson()
    const { body } = await person.browser.send('refresh', 'POST', {})
    const { status, printed } = await verify(body.accessToken)
    expect(status).toBe(0)
    expect(JSON.parse(printed)).toMatchObject({
      sub: body.user.id,
      sid: body.session.id,
      role: 'user',
      iss: APP_ORIGIN,
      aud: APP_ORIGIN,
    })
    expect((await verify(await tokenOf())).status).toBe(0)
  })

  test.each<[string, () => string | Promise<string>]>([
    ['an expired one', () => tokenOf({}, { exp: Math.floor(Date.now() / 1000) - 1 })],
    ['one for another app', () => tokenOf({}, { aud: 'https://other.example' })],
    ['one of another app', () => tokenOf({}, { iss: 'https://other.example' })],
    ['one without an end', () => tokenOf({}, { exp: undefined })],
    ['one without a session', () => tokenOf({}, { sid: undefined })],
    ['another kind of token', () => tokenOf({ typ: 'JWT' })],
    ['an unknown key', () => tokenOf({ kid: 'other' })],
    [
      "somebody else's signature",
      () => tokenOf({}, {}, generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey),
    ],
    [
      'no signature',
      () => `${part({ alg: 'none', typ: 'at+jwt', kid: key.kid })}.${part({ sub: 'u', aud: APP_ORIGIN })}.`,
    ],
    [
      'the public key as a secret',
      async () => {
        const signed = `${part({ alg: 'HS256', typ: 'at+jwt', kid: key.kid })}.${(await tokenOf()).split('.')[1]}`
        const mac = createHmac('sha256', JSON.stringify(key.publicJwk)).update(signed).digest('base64url')
        return `${signed}.${mac}`
      },
    ],
    ['garbage', () => 'x'],
    ['nothing', () => ''],
  ])('it refuses %s', async (_, make) => {
    expect(await verify(await make())).toMatchObject({
      status: 1,
      printed: '',
      said: expect.stringMatching(/^refused: .+\n$/),
    })
  })

  test('it fetches no keys for what is no access token', async () => {
    fetches = 0
    for (const token of ['x', await tokenOf({ typ: 'JWT' })]) await verify(token)
    expect(fetches).toBe(0)
  })
})
