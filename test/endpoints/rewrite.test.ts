/** An app in another Vercel project that rewrites to this one, by a proxy with the `rewrites` of docs/adopt.md. */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, request as send } from 'node:http'
import { createLocalJWKSet, jwtVerify, type JSONWebKeySet } from 'jose'
import { parseSetCookie } from 'cookie'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { freePort, listen } from '../../dev/port.ts'
import { startHandler, type Handler } from '../support/handler.ts'
import { expectStory } from '../support/http-story.ts'
import { verifiedPerson } from '../support/people.ts'
import { inbox } from '../support/setup-stack.ts'

const page = readFileSync('docs/adopt.md', 'utf8')
const [, block = ''] = /```json\n(\{[^`]*"rewrites"[^`]*\})\n```/.exec(page) ?? []
const { rewrites }: { rewrites: { source: string; destination: string }[] } = JSON.parse(block)
const DESTINATION = 'https://auth.example.vercel.app'
/** The other end of every connection, where the platform doesn't say more. */
const PROXY_ADDRESS = '198.51.100.7'

let origin: string
let handler: Handler
const seen: { path: string; host: string | undefined }[] = []

const proxy = createServer((incoming, response) => {
  const path = incoming.url ?? ''
  const rule = rewrites.find(({ source }) => path.startsWith(source.replace(':path*', '')))
  if (rule === undefined) return void response.writeHead(200).end('the app itself')
  const from = rule.source.replace(':path*', '')
  const to = rule.destination.replace(DESTINATION, '').replace(':path*', '')
  const { port } = handler
  const forwarded = { host: new URL(DESTINATION).host, 'x-real-ip': PROXY_ADDRESS }
  const headers = { ...incoming.headers, ...forwarded, 'x-forwarded-host': incoming.headers.host }
  seen.push({ path, host: headers.host })
  const outgoing = send(
    { host: '127.0.0.1', port, method: incoming.method, path: path.replace(from, to), headers },
    (inner) => {
      response.writeHead(inner.statusCode ?? 502, inner.rawHeaders)
      inner.pipe(response)
    },
  )
  outgoing.on('error', () => response.destroy())
  incoming.pipe(outgoing)
})

beforeAll(async () => {
  const port = await freePort()
  origin = `http://localhost:${port}`
  handler = await startHandler({ environment: { APP_URL: origin } })
  await listen(proxy, port)
})
afterAll(async () => {
  proxy.closeAllConnections()
  proxy.close()
  await Promise.all([handler.stop(), once(proxy, 'close')])
})

const post = (to: string, headers: Record<string, string>, body: object = {}) =>
  fetch(to, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  })

test('the whole story runs on the outer origin, with its cookies and its links', async () => {
  await expectStory({ origin, inboxUrl: inbox.url })
  expect(await (await fetch(origin)).text()).toBe('the app itself')
  expect(seen.length).toBeGreaterThan(10)
  expect(new Set(seen.map(({ host }) => host))).toEqual(new Set([new URL(DESTINATION).host]))
})

test("[ASVS 3.5.1] a page of the outer origin passes the origin check, one at the inner project's own address does not", async () => {
  const path = `${origin}/api/auth/logout`
  expect((await post(path, { origin, 'sec-fetch-site': 'same-origin' })).status).toBe(204)
  const inner = `http://127.0.0.1:${handler.port}/api/auth/logout`
  expect((await post(inner, { origin: DESTINATION, 'sec-fetch-site': 'same-origin' })).status).toBe(403)
  expect((await post(path, { origin: 'https://evil.example' })).status).toBe(403)
})

test('over HTTPS the cookies belong to the outer host only, as they name none', async () => {
  const https = await startHandler({ environment: { APP_URL: 'https://app.example.com' } })
  try {
    const email = `${Date.now()}@example.org`
    const registered = await post(
      `http://127.0.0.1:${https.port}/api/auth/register`,
      { origin: 'https://app.example.com' },
      { email, password: 'correct horse battery staple' },
    )
    expect(registered.status).toBe(202)
    for (const cookie of registered.headers.getSetCookie().map((text) => parseSetCookie(text))) {
      expect(cookie).toMatchObject({ name: '__Host-registration', path: '/', secure: true })
      expect(cookie).not.toHaveProperty('domain')
    }
  } finally {
    await https.stop()
  }
})

test('the outer app verifies an access token by the keys at its own address', async () => {
  const response = await fetch(`${origin}/api/auth/keys`)
  expect(response.headers.get('cache-control')).toBe('public, max-age=300')
  const keys = createLocalJWKSet((await response.json()) as JSONWebKeySet)
  const { email, password } = await verifiedPerson()
  const login = await post(`${origin}/api/auth/login`, { origin }, { email, password })
  const { accessToken, user } = (await login.json()) as { accessToken: string; user: { id: string } }
  const { payload } = await jwtVerify(accessToken, keys, { typ: 'at+jwt', issuer: origin, audience: origin })
  expect(payload.sub).toBe(user.id)
})
