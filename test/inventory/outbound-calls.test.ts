/** The functions call three services and nothing else, over TLS with a valid certificate, and follow no redirect. */
import { createPrivateKey, generateKeyPairSync, sign } from 'node:crypto'
import { globSync, readFileSync } from 'node:fs'
import { createServer as createHttpServer, type Server } from 'node:http'
import https, { createServer as createHttpsServer, type RequestOptions } from 'node:https'
import { syncBuiltinESMExports } from 'node:module'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterEach, describe, expect, test, vi } from 'vitest'

const HOME = join(import.meta.dirname, '../..')

/** What is deployed, without its comments. */
const sources = globSync(['api/**/*.ts', 'lib/**/*.ts', 'drizzle/*.ts'], { cwd: HOME })
  .filter((path) => !path.endsWith('.test.ts'))
  .map((path) => {
    const text = readFileSync(join(HOME, path), 'utf8')
    return { path, code: text.replaceAll(/\/\*[^]*?\*\//g, '').replaceAll(/(?<![:'"])\/\/.*/g, '') }
  })

const CALLERS = ['lib/crypto/breached-passwords.ts', 'lib/db/http.ts', 'lib/db/tcp.ts', 'lib/email/send.ts']

describe('[ASVS 13.1.1] [ASVS 13.2.4] who calls out', () => {
  test('the sources are all there', () => {
    expect(sources.length).toBeGreaterThan(50)
    expect(sources.map(({ path }) => path)).toEqual(expect.arrayContaining(CALLERS))
  })

  test('only these packages are loaded, and each that can call out by one file', () => {
    const specifiers = sources.flatMap(({ code }) =>
      [...code.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*'([\w@][^'\s]*)'/g)].map(([, name]) => name),
    )
    expect([...new Set(specifiers)].toSorted()).toEqual([
      '@neondatabase/serverless',
      '@node-rs/argon2',
      '@vercel/functions/db-connections',
      'bcryptjs',
      'cookie',
      'drizzle-orm',
      'drizzle-orm/pg-core',
      'jose',
      'node:async_hooks',
      'node:crypto',
      'node:fs',
      'node:http',
      'node:https',
      'node:module',
      'node:net',
      'node:url',
      'pg',
      'resend',
      'uuid',
      'zod/mini',
    ])
    const pathsWith = (pattern: RegExp) =>
      sources.filter(({ code }) => pattern.test(code)).map(({ path }) => path)
    expect(pathsWith(/import \{ isIP \} from 'node:net'/)).toEqual(pathsWith(/'node:net'/))
    expect(pathsWith(/'resend'/)).toEqual(['lib/email/send.ts'])
    expect(pathsWith(/'@neondatabase\/serverless'/)).toEqual(['lib/db/neon.ts'])
    expect(pathsWith(/'(?:pg|@vercel\/functions\/.*)'/)).toEqual(['lib/db/tcp.ts'])
    expect(pathsWith(/'node:https?'/)).toEqual(['lib/db/http.ts'])
    expect(pathsWith(/'node:(?:fs|module)'/)).toEqual(['lib/http/stack-trace.ts'])
    expect(pathsWith(/\b(?:WebSocket|XMLHttpRequest|EventSource|createRemoteJWKSet|sendBeacon)\b/)).toEqual(
      [],
    )
    expect(
      pathsWith(
        /\bimport\s*\((?!'(?:resend|bcryptjs|pg|@vercel\/functions\/db-connections|\.{1,2}\/[\w/-]+\.ts)'\))|\brequire\b|\bgetBuiltinModule\b|\beval\b|\bFunction\(/,
      ),
    ).toEqual([])
  })

  test('fetch is called in one place; the name stands in no other but the wrapper of that name', () => {
    const uses = sources.flatMap(({ path, code }) =>
      [...code.matchAll(/.*(?<!sec-)\bfetch\b.*/g)].map(([line]) => `${path}: ${line.trim()}`),
    )
    expect(uses.toSorted()).toEqual([
      'lib/crypto/breached-passwords.ts: const response = await fetch(`${breachedPasswordsUrl}/${digest.slice(0, PREFIX_LENGTH)}`, {',
      'lib/http/endpoint.ts: async fetch(request) {',
      'lib/http/endpoint.ts: fetch: (request: Request) => Promise<Response>',
    ])
  })
})

const MESSAGE = { subject: 'A subject', text: 'A text', html: '<p>A text</p>' }
const servers: Server[] = []

afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    server.close()
  }
  vi.unstubAllEnvs()
  vi.restoreAllMocks()
  syncBuiltinESMExports()
  vi.resetModules()
})

async function listening(server: Server): Promise<string> {
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Calls each service at one address, and returns what came of it. */
async function callEverybodyAt(base: string) {
  vi.stubEnv('NEON_FETCH_ENDPOINT', `${base}/sql`)
  vi.stubEnv('RESEND_BASE_URL', base)
  vi.stubEnv('BREACHED_PASSWORDS_URL', `${base}/range`)
  return callEverybody()
}

async function callEverybody() {
  vi.resetModules()
  const { call } = await import('../../lib/db/call.ts')
  const { describeConnection } = await import('../../lib/db/engine.ts')
  const { sendEmail } = await import('../../lib/email/send.ts')
  const { breachIssues } = await import('../../lib/crypto/breached-passwords.ts')
  return {
    database: await call(describeConnection, {}).catch((error: unknown) => error),
    email: await sendEmail('a@example.org', MESSAGE, 'a key'),
    breaches: await breachIssues('a fine long password'),
  }
}

/** Before the others: the driver keeps the local endpoint that it was once given. */
test('[ASVS 12.3.1] [ASVS 13.1.3] in a deployment all three are called over HTTPS, at their own hosts, with a time limit and with redirects refused', async () => {
  vi.stubEnv('VERCEL_ENV', 'production')
  vi.stubEnv('NEON_FETCH_ENDPOINT', '')
  vi.stubEnv('RESEND_BASE_URL', '')
  vi.stubEnv('RESEND_API_KEY', 're_of_a_deployment')
  vi.stubEnv('BREACHED_PASSWORDS_URL', 'https://list.example/range')
  vi.stubEnv(
    'DATABASE_URL',
    'postgresql://app:pw@ep-quiet-sun-1-pooler.eu-central-1.aws.neon.tech/app?sslmode=disable',
  )
  const called: { host: string; redirect: string | undefined; signal: boolean }[] = []
  vi.spyOn(globalThis, 'fetch').mockImplementation((input, init) => {
    const { origin } = new URL(typeof input === 'string' ? input : '')
    called.push({ host: origin, redirect: init?.redirect, signal: init?.signal instanceof AbortSignal })
    return Promise.reject(new TypeError('nobody there'))
  })
  // Node's client follows no redirect of itself.
  vi.spyOn(https, 'request').mockImplementation((address: unknown, options: unknown) => {
    const { signal } = options as RequestOptions
    called.push({
      host: new URL(String(address)).origin,
      redirect: 'error',
      signal: signal instanceof AbortSignal,
    })
    throw new TypeError('nobody there')
  })
  syncBuiltinESMExports()
  vi.spyOn(console, 'warn').mockImplementation(() => {})
  await callEverybody()
  expect(called).toEqual([
    { host: 'https://api.eu-central-1.aws.neon.tech', redirect: 'error', signal: true },
    { host: 'https://api.resend.com', redirect: 'error', signal: true },
    { host: 'https://list.example', redirect: 'error', signal: true },
  ])
})

test.each([301, 302, 307, 308])(
  '[ASVS 13.2.5] a redirect (%i) is not followed: its target gets no request',
  async (status) => {
    let reached = 0
    const elsewhere = await listening(
      createHttpServer((_, response) => {
        reached += 1
        response.end('{}')
      }),
    )
    let asked = 0
    const peer = await listening(
      createHttpServer((request, response) => {
        asked += 1
        response.writeHead(status, { location: `http://${elsewhere}${request.url}` }).end()
      }),
    )
    vi.spyOn(console, 'warn').mockImplementation(() => {})
    const { database, email, breaches } = await callEverybodyAt(`http://${peer}`)
    expect([asked, reached]).toEqual([3, 0])
    expect(database).toMatchObject({ code: 'unavailable' })
    expect(email.kind).toBe('later')
    expect(breaches).toEqual([])
  },
)

test('[ASVS 12.3.2] [ASVS 16.3.4] a service whose certificate is not valid is sent nothing, and the log says so', async () => {
  let asked = 0
  const peer = await listening(
    createHttpsServer(selfSigned(), (_, response) => {
      asked += 1
      response.end('{}')
    }),
  )
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
  const { database, email } = await callEverybodyAt(`https://${peer}`)
  expect(asked).toBe(0)
  expect(database).toMatchObject({ code: 'unavailable' })
  expect(email).toMatchObject({ kind: 'later', reason: expect.stringContaining('no response') })
  expect(warn.mock.calls.map(([line]) => JSON.parse(String(line)))).toEqual([
    expect.objectContaining({ event: 'breached-passwords-unavailable', reason: 'TypeError' }),
  ])
  // The same server, once certificates aren't verified: nothing else was in the way.
  vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0')
  await callEverybodyAt(`https://${peer}`)
  expect(asked).toBe(3)
})

/** A self-signed certificate for 127.0.0.1 (X.509 v1, ECDSA). */
function selfSigned(): { key: string; cert: string } {
  const der = (tag: number, ...parts: Uint8Array[]): Buffer => {
    const content = Buffer.concat(parts)
    const { length } = content
    const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255]
    return Buffer.concat([Buffer.from([tag, ...size]), content])
  }
  const sequence = (...parts: Uint8Array[]) => der(0x30, ...parts)
  const { privateKey, publicKey } = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    publicKeyEncoding: { type: 'spki', format: 'der' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  })
  const algorithm = sequence(Buffer.from('06082a8648ce3d040302', 'hex'))
  const commonName = sequence(Buffer.from('0603550403', 'hex'), der(0x0c, Buffer.from('127.0.0.1')))
  const name = sequence(der(0x31, commonName))
  const validity = sequence(der(0x17, Buffer.from('250101000000Z')), der(0x17, Buffer.from('491231235959Z')))
  const body = sequence(der(0x02, Buffer.from([1])), algorithm, name, validity, name, publicKey)
  const signature = sign('sha256', body, createPrivateKey(privateKey))
  const certificate = sequence(body, algorithm, der(0x03, Buffer.from([0]), signature))
  const lines = certificate.toString('base64').replaceAll(/.{64}/g, '$&\n')
  return { key: privateKey, cert: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n` }
}
