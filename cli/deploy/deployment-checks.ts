/**
 * What only a deployment can show, checked from outside: `npm run verify:deployment -- https://…` runs these. No check makes an
 * account, sends an email or signs anybody in or out: each sends what is refused, or what anybody may read.
 */
import { randomBytes } from 'node:crypto'
import { request as requestPlain } from 'node:http'
import { connect as connectHttp2 } from 'node:http2'
import { request as requestTls } from 'node:https'
import { connect as connectPlain, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { connect as connectTls } from 'node:tls'
import { exchangeHttp2 } from './http2-by-hand.ts'

export interface Deployment {
  /** `https://app.example.com`, or `http://localhost:3000`. */
  origin: string
  /** Where a preview of the same project answers. */
  previewOrigin?: string
}

export interface DeploymentCheck {
  /** The requirements that it shows, as docs/security-requirements.md names them. */
  ids: readonly [string, ...string[]]
  name: string
  /** Shown by TLS or by the platform's edge alone; plain http://localhost, `vercel dev` too, has neither. */
  atEdge?: true
  /**
   * Throws, with what it saw, when the deployment does not do it. A text that it resolves to says why there was nothing to
   * check.
   */
  run: (deployment: Deployment) => Promise<string | void>
}

interface Sending {
  method?: string
  headers?: Record<string, string>
  body?: string
}

interface Received {
  status: number
  headers: Record<string, string>
  body: string
}

const TIMEOUT_MS = 15_000
const YEAR_SECONDS = 365 * 24 * 60 * 60
/** More than a source may try codes in an hour (docs/limits.md), from two addresses should it have an IPv6 one as well. */
const CODE_TRIES = 65

const JSON_BODY = { 'content-type': 'application/json' }
const SIGNED_OUT = { method: 'POST', headers: JSON_BODY, body: '{}' }

export const deploymentChecks: readonly DeploymentCheck[] = [
  {
    ids: ['ASVS 3.4.1'],
    name: 'every answer, refusals too, tells browsers to stay on https for a year or more, subdomains included',
    atEdge: true,
    async run({ origin }) {
      const responses = {
        'GET /auth/problems': await send(`${origin}/auth/problems`),
        'GET /api/auth/keys': await send(`${origin}/api/auth/keys`),
        'GET /api/auth/account': await send(`${origin}/api/auth/account`),
        'GET /api/auth/login': await send(`${origin}/api/auth/login`),
        'POST /api/auth/login': await send(`${origin}/api/auth/login`, SIGNED_OUT),
        'GET /api/auth/no-such-function': await send(`${origin}/api/auth/no-such-function`),
        'GET /no-such-page': await send(`${origin}/no-such-page`),
      }
      for (const [what, { status, headers }] of Object.entries(responses)) {
        const policy = headers['strict-transport-security'] ?? 'none'
        const maxAgeSeconds = Number(/max-age=(\d+)/i.exec(policy)?.[1] ?? 0)
        ensure(
          maxAgeSeconds >= YEAR_SECONDS && /includeSubDomains/i.test(policy),
          `${what} (${status}): Strict-Transport-Security is ${policy}`,
        )
      }
    },
  },
  {
    ids: ['ASVS 3.4.3', 'ASVS 3.4.6'],
    name: 'pages and functions have a Content-Security-Policy that lets no other site frame them and no plug-in in',
    async run({ origin }) {
      for (const path of ['/auth/problems', '/api/auth/keys', '/api/auth/account']) {
        const { headers } = await send(origin + path)
        const policy = headers['content-security-policy'] ?? 'none'
        for (const directive of [
          "default-src 'none'",
          "object-src 'none'",
          "base-uri 'none'",
          "frame-ancestors 'none'",
        ])
          ensure(policy.includes(directive), `${path}: no ${directive} in ${policy}`)
        ensure(!/unsafe-|\*/.test(policy), `${path}: ${policy}`)
      }
    },
  },
  {
    ids: ['ASVS 3.4.4', 'ASVS 3.4.5'],
    name: "an unknown name under /api/auth, the platform's own answer, is 404 with nosniff and no-referrer",
    atEdge: true,
    async run({ origin }) {
      const { status, headers, body } = await send(`${origin}/api/auth/no-such-function`)
      ensure(status === 404, `it answers ${status}`)
      ensure(headers['x-content-type-options'] === 'nosniff', 'no X-Content-Type-Options: nosniff')
      ensure(
        headers['referrer-policy'] === 'no-referrer',
        `Referrer-Policy is ${headers['referrer-policy'] ?? 'none'}`,
      )
      ensure(!showsInsides(body), 'it shows its insides')
    },
  },
  {
    ids: ['ASVS 3.5.4'],
    name: 'a preview has a host and keys of its own, so no token of one opens anything at the other',
    async run({ origin, previewOrigin }) {
      if (previewOrigin === undefined) return "give a preview's address as well"
      ensure(new URL(previewOrigin).host !== new URL(origin).host, 'both have one host')
      const keys = await keyIds(origin)
      const shared = (await keyIds(previewOrigin)).filter((id) => keys.includes(id))
      ensure(
        shared.length === 0,
        `both sign with the key ${shared.join()}: give previews a JWT_SECRET of their own`,
      )
      return undefined
    },
  },
  {
    ids: ['ASVS 3.7.4'],
    name: 'who asks for the preload list does what it demands',
    atEdge: true,
    async run({ origin }) {
      const { headers } = await send(`${origin}/`)
      const policy = headers['strict-transport-security'] ?? ''
      if (!/\bpreload\b/i.test(policy))
        return "the deployment does not ask to be preloaded; that is for the domain's owner to decide"
      const maxAgeSeconds = Number(/max-age=(\d+)/i.exec(policy)?.[1] ?? 0)
      ensure(maxAgeSeconds >= YEAR_SECONDS, `it says preload with a max-age of ${maxAgeSeconds} s`)
      ensure(/includeSubDomains/i.test(policy), 'it says preload without includeSubDomains')
      const plain = await send(`${withoutTls(origin)}/`)
      ensure(
        isMovedToTls(plain, origin),
        `http://… answers ${plain.status} to ${plain.headers['location'] ?? 'nowhere'}`,
      )
      return undefined
    },
  },
  {
    ids: ['ASVS 4.1.2'],
    name: 'a login sent over plain http is not processed',
    atEdge: true,
    async run({ origin }) {
      const response = await send(`${withoutTls(origin)}/api/auth/login`, SIGNED_OUT).catch(() => undefined)
      if (response === undefined) return
      const processed =
        response.status < 300 || response.headers['content-type']?.startsWith('application/problem+json')
      ensure(processed !== true, `the function answered it, with ${response.status}`)
      ensure(response.headers['set-cookie'] === undefined, 'a cookie is set over plain http')
    },
  },
  {
    ids: ['ASVS 12.2.1'],
    name: 'plain http serves nothing: it leads to https on the same host or is closed',
    atEdge: true,
    async run({ origin }) {
      for (const path of ['/', '/auth/verify', '/api/auth/keys']) {
        const response = await send(withoutTls(origin) + path).catch(() => undefined)
        if (response === undefined) continue
        ensure(
          isMovedToTls(response, origin),
          `http://…${path} answers ${response.status} to ${response.headers['location'] ?? 'nowhere'}`,
        )
      }
    },
  },
  {
    ids: ['ASVS 12.1.1'],
    name: 'TLS 1.2 or 1.3 with a certificate that is trusted; 1.1 and 1.0 are refused',
    atEdge: true,
    async run({ origin }) {
      const spoken = await tlsVersion(origin, {})
      ensure(spoken === 'TLSv1.3' || spoken === 'TLSv1.2', `it speaks ${spoken}`)
      for (const version of ['TLSv1.1', 'TLSv1'] as const) {
        // Our own side must be willing, or its refusal would pass for the deployment's.
        const willing = { minVersion: version, maxVersion: version, ciphers: 'DEFAULT@SECLEVEL=0' }
        const refused = await tlsVersion(origin, willing).then(
          () => false,
          () => true,
        )
        ensure(refused, `it accepts ${version}`)
      }
    },
  },
  {
    ids: ['ASVS 4.1.3', 'ASVS 15.3.4'],
    name: "what a client says of its own address or person counts for nothing (tries codes until its source's hour is used up)",
    atEdge: true,
    async run({ origin }) {
      const claims = {
        'x-user-id': '00000000-0000-7000-8000-000000000000',
        'x-user': 'admin',
        'x-forwarded-user': 'admin',
        'x-vercel-sc-headers': '{"Authorization":"Bearer x"}',
        'x-original-url': '/api/auth/keys',
      }
      const { status } = await send(`${origin}/api/auth/account`, { headers: claims })
      ensure(status === 401, `GET /api/auth/account with a forged person answers ${status}`)

      for (let tries = 1; tries <= CODE_TRIES; tries += 1) {
        // Every try for an address that nobody has, from another forged source.
        const forged = `203.0.${tries}.${(tries * 7) % 250}`
        const response = await send(`${origin}/api/auth/verify`, {
          method: 'PUT',
          headers: {
            ...JSON_BODY,
            'x-real-ip': forged,
            'x-forwarded-for': forged,
            'x-vercel-forwarded-for': forged,
            'x-client-ip': forged,
            'true-client-ip': forged,
            'cf-connecting-ip': forged,
            forwarded: `for=${forged}`,
          },
          body: JSON.stringify({ email: `${randomBytes(9).toString('hex')}@example.org`, code: '000000' }),
        })
        if (response.status === 429) return
        ensure(response.status === 400, `a wrong code is answered with ${response.status}`)
      }
      throw new Error(`${CODE_TRIES} wrong codes with as many forged addresses were all taken`)
    },
  },
  {
    ids: ['ASVS 4.2.1'],
    name: 'a body with two lengths is refused, or framed by its chunks',
    async run({ origin }) {
      const host = new URL(origin).host
      const head = `POST /api/auth/refresh HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/json\r\nConnection: close\r\n`
      // By its chunks it is `{}`, which says that nobody is signed in; by its length it is no JSON.
      const chunked = '2\r\n{}\r\n0\r\n\r\n'
      const both = await exchange(
        origin,
        `${head}Content-Length: ${chunked.length}\r\nTransfer-Encoding: chunked\r\n\r\n${chunked}`,
      )
      ensure(!both.includes('malformed-json'), 'Content-Length beat Transfer-Encoding')
      ensure((both.match(/^HTTP\/1\.1 /gm) ?? []).length <= 1, 'one request was answered twice')

      const lengths = await exchange(origin, `${head}Content-Length: 2\r\nContent-Length: 0\r\n\r\n{}`)
      ensure(!/"code":/.test(lengths), 'of two different Content-Length fields one was taken')
    },
  },
  {
    ids: ['ASVS 4.2.2'],
    name: 'a stated length is the length of what is sent',
    async run({ origin }) {
      const host = new URL(origin).host
      for (const path of ['/api/auth/keys', '/api/auth/account', '/auth/problems']) {
        const response = await exchange(
          origin,
          `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
        )
        const end = response.indexOf('\r\n\r\n')
        const head = response.slice(0, end)
        const stated = /^content-length: *(\d+)/im.exec(head)?.[1]
        const chunked = /^transfer-encoding:/im.test(head)
        ensure(end > 0, `${path}: no answer`)
        ensure(
          stated === undefined || !chunked,
          `${path}: Content-Length and Transfer-Encoding in one answer`,
        )
        const sent = response.length - end - 4
        ensure(
          stated === undefined || Number(stated) === sent,
          `${path}: ${stated} bytes stated, ${sent} sent`,
        )
      }
    },
  },
  {
    ids: ['ASVS 4.2.3'],
    name: 'HTTP/2 carries no field that belongs to a connection, either way',
    atEdge: true,
    async run({ origin }) {
      const { hostname, host, port } = new URL(origin)
      const open = async () => {
        const options = {
          host: hostname,
          port: Number(port || 443),
          servername: hostname,
          ALPNProtocols: ['h2'],
        }
        const socket = connectTls(options)
        await opened(socket, 'secureConnect')
        return socket
      }
      const probe = await open()
      const { alpnProtocol } = probe
      probe.destroy()
      if (alpnProtocol !== 'h2') return 'it does not speak HTTP/2'

      const fields = { ':method': 'GET', ':scheme': 'https', ':authority': host, ':path': '/api/auth/keys' }
      ensure((await exchangeHttp2(await open(), fields)) === 'answered', 'a plain request got no answer')
      for (const field of [{ 'transfer-encoding': 'chunked' }, { connection: 'keep-alive' }]) {
        const outcome = await exchangeHttp2(await open(), { ...fields, ...field })
        ensure(outcome === 'refused', `a request with ${Object.keys(field).join()} is answered`)
      }
      // Node's own client ends a stream whose answer has such a field.
      await respondOverHttp2(origin)
      return undefined
    },
  },
  {
    ids: ['ASVS 13.4.1'],
    name: "no version control's files are served",
    run: ({ origin }) =>
      expectNotServed(origin, ['/.git/HEAD', '/.git/config', '/.gitignore', '/.svn/entries']),
  },
  {
    ids: ['ASVS 13.4.3'],
    name: 'no folder lists its files',
    async run({ origin }) {
      for (const path of ['/assets/', '/assets', '/auth/', '/api/', '/api/auth/', '/api/auth']) {
        const { status, body } = await send(origin + path)
        ensure(status !== 200 || !/index of|directory listing/i.test(body), `${path} lists its files`)
        ensure(status !== 200 || !/login\.ts|style\.css"?>style\.css/.test(body), `${path} lists its files`)
      }
    },
  },
  {
    ids: ['ASVS 13.4.5'],
    name: 'no monitoring and no notes of the repository are served',
    run: ({ origin }) =>
      expectNotServed(origin, [
        '/metrics',
        '/server-status',
        '/debug/vars',
        '/actuator/env',
        '/docs/security.md',
        '/README.md',
      ]),
  },
  {
    ids: ['ASVS 13.4.7'],
    name: 'nothing but pages and their parts is served: no sources, settings or environment',
    run: ({ origin }) =>
      expectNotServed(origin, [
        '/.env',
        '/.env.local',
        '/.env.example',
        '/package.json',
        '/package-lock.json',
        '/vercel.json',
        '/tsconfig.json',
        '/lib/keys.ts',
        '/drizzle/schema.ts',
        '/api/auth/login.ts',
        '/index.html.bak',
      ]),
  },
  {
    ids: ['ASVS 13.4.2'],
    name: 'an error shows no stack, path or setting',
    async run({ origin }) {
      const broken = { method: 'POST', headers: JSON_BODY, body: '{' }
      const responses = [
        await send(`${origin}/api/auth/login`, broken),
        await send(`${origin}/api/auth/sessions?id=%00`, { method: 'DELETE' }),
        await send(`${origin}/api/auth/login?debug=1`, {
          ...broken,
          headers: { ...JSON_BODY, 'x-debug': '1' },
        }),
        await send(`${origin}/no-such-page`),
      ]
      for (const { status, body } of responses) {
        ensure(status >= 400 && status < 500, `what is refused answers ${status}`)
        ensure(!showsInsides(body), `an answer of ${status} shows its insides`)
      }
    },
  },
  {
    ids: ['ASVS 13.4.4'],
    name: 'TRACE is refused',
    atEdge: true,
    async run({ origin }) {
      for (const path of ['/', '/api/auth/keys']) {
        const { status } = await send(origin + path, { method: 'TRACE' })
        ensure(status >= 400 && status < 500, `TRACE ${path} answers ${status}`)
      }
    },
  },
  {
    ids: ['ASVS 13.4.6'],
    name: 'no answer names a version',
    async run({ origin }) {
      for (const path of ['/', '/api/auth/keys', '/api/auth/account', '/no-such-page']) {
        const { headers } = await send(origin + path)
        const poweredBy = headers['x-powered-by']
        ensure(poweredBy === undefined, `${path}: X-Powered-By is ${poweredBy}`)
        ensure(!/\d/.test(headers['server'] ?? ''), `${path}: Server is ${headers['server']}`)
      }
    },
  },
]

function ensure(holds: boolean, seen: string): void {
  if (!holds) throw new Error(seen)
}

/** Sends exactly this and follows nothing. Any method, unlike `fetch`. */
function send(address: string, { method = 'GET', headers = {}, body = '' }: Sending = {}): Promise<Received> {
  const { promise, resolve, reject } = Promise.withResolvers<Received>()
  const request = address.startsWith('https:') ? requestTls : requestPlain
  const length = body === '' ? {} : { 'content-length': String(Buffer.byteLength(body)) }
  const outgoing = request(
    address,
    { method, headers: { ...headers, ...length }, timeout: TIMEOUT_MS },
    (incoming) => {
      const fields = Object.entries(incoming.headers).map(([name, value]) => [name, String(value)] as const)
      text(incoming).then(
        (read) =>
          resolve({ status: incoming.statusCode ?? 0, headers: Object.fromEntries(fields), body: read }),
        reject,
      )
    },
  )
  outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer within ${TIMEOUT_MS} ms`)))
  outgoing.on('error', reject)
  outgoing.end(body)
  return promise
}

/** Sends bytes as they are and reads until the other side closes. Latin-1, so that a character is a byte. */
async function exchange(origin: string, message: string): Promise<string> {
  const { protocol, hostname, port } = new URL(origin)
  const secure = protocol === 'https:'
  const socket = secure
    ? connectTls({ host: hostname, port: Number(port || 443), servername: hostname })
    : connectPlain({ host: hostname, port: Number(port || 80) })
  await opened(socket, secure ? 'secureConnect' : 'connect')
  socket.write(message, 'latin1')
  let received = ''
  try {
    for await (const chunk of socket) received += Buffer.from(chunk).toString('latin1')
  } catch {
    // Cut off: what came until then is the answer.
  }
  return received
}

/** Resolves when it is open; from then on it is destroyed after a silence. */
function opened(socket: Socket, event: 'connect' | 'secureConnect'): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  socket.setTimeout(TIMEOUT_MS, () => socket.destroy(new Error(`no answer within ${TIMEOUT_MS} ms`)))
  socket.once(event, () => resolve())
  socket.on('error', reject)
  return promise
}

async function tlsVersion(
  origin: string,
  options: { minVersion?: 'TLSv1.1' | 'TLSv1'; maxVersion?: 'TLSv1.1' | 'TLSv1'; ciphers?: string },
): Promise<string> {
  const { hostname, port } = new URL(origin)
  const socket = connectTls({ host: hostname, port: Number(port || 443), servername: hostname, ...options })
  await opened(socket, 'secureConnect')
  const version = socket.getProtocol() ?? 'nothing'
  socket.destroy()
  return version
}

async function respondOverHttp2(origin: string): Promise<void> {
  const session = connectHttp2(origin)
  try {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    session.setTimeout(TIMEOUT_MS, () => reject(new Error(`no answer within ${TIMEOUT_MS} ms`)))
    session.on('error', reject)
    const stream = session.request({ ':path': '/api/auth/keys' })
    stream.on('error', reject)
    stream.on('end', resolve)
    stream.resume()
    await promise
  } finally {
    session.destroy()
  }
}

async function expectNotServed(origin: string, paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    const { status } = await send(origin + path)
    ensure(status >= 300 && status < 500, `${path} answers ${status}`)
  }
}

async function keyIds(origin: string): Promise<string[]> {
  const { status, body } = await send(`${origin}/api/auth/keys`)
  ensure(status === 200, `${origin}/api/auth/keys answers ${status}`)
  const { keys }: { keys: { kid: string }[] } = JSON.parse(body)
  return keys.map(({ kid }) => kid)
}

function withoutTls(origin: string): string {
  return origin.replace('https:', 'http:')
}

function isMovedToTls({ status, headers }: Received, origin: string): boolean {
  const location = headers['location'] ?? ''
  return (
    [301, 302, 307, 308].includes(status) &&
    URL.canParse(location) &&
    new URL(location).protocol === 'https:' &&
    new URL(location).hostname === new URL(origin).hostname
  )
}

/** A stack, a path of the machine, a module's folder or a statement. */
function showsInsides(body: string): boolean {
  return /\n\s+at |\/var\/task|node_modules|\bSELECT\b|ECONNREFUSED|process\.env/.test(body)
}
