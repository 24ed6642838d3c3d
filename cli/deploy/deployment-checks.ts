/**
 * What only a deployment can show, checked from outside by `npm run verify:deployment -- https://…`. No check creates an
 * account, sends an email or signs anyone in or out: each sends what is refused, or reads what is public. What Vercel's
 * edge does by itself (TLS versions, framing, methods) isn't checked.
 */
import { randomBytes } from 'node:crypto'
import { request as requestPlain } from 'node:http'
import { request as requestTls } from 'node:https'
import { text } from 'node:stream/consumers'

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
    name: 'every response, refusals too, tells browsers to stay on https for a year or more, subdomains included',
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
    ids: ['ASVS 13.4.1'],
    name: "no version control's files are served",
    run: ({ origin }) =>
      expectNotServed(origin, ['/.git/HEAD', '/.git/config', '/.gitignore', '/.svn/entries']),
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
        ensure(!showsInsides(body), `a response of ${status} shows its insides`)
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
  outgoing.on('timeout', () => outgoing.destroy(new Error(`no response within ${TIMEOUT_MS} ms`)))
  outgoing.on('error', reject)
  outgoing.end(body)
  return promise
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
