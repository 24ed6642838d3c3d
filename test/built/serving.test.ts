/** What Vercel puts around the functions: routes, headers, pages, and what it vouches for. */
import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { migrate } from '../../cli/database/migrate.ts'
import { serveArtefact, type Artefact } from '../../dev/artefact.ts'
import { readRoutes } from '../../dev/artefact-routes.ts'
import { functionEnvironment } from './environment.ts'

const output = inject('artefactOutput') ?? ''
const lines: string[] = []
let artefact: Artefact

beforeAll(async () => {
  const environment = functionEnvironment()
  artefact = await serveArtefact({ output, port: 0, environment, onLine: (line) => lines.push(line) })
})
afterAll(() => artefact.stop())

/** One in which no attempt can be counted, for no reason that a deployment could know. */
async function brokenDatabase(): Promise<string> {
  const adminUrl = inject('postgresUrl')
  const url = new URL('/broken', adminUrl).href
  const admin = new Client({ connectionString: adminUrl })
  await admin.connect()
  await admin.query('CREATE DATABASE broken')
  await admin.end()
  await migrate(url)
  const owner = new Client({ connectionString: url })
  await owner.connect()
  await owner.query('ALTER TABLE latchkey.login_attempts ADD CONSTRAINT broken CHECK (false)')
  await owner.end()
  return url
}

function get(path: string, init: RequestInit = {}): Promise<Response> {
  return fetch(artefact.origin + path, { redirect: 'manual', ...init })
}

describe('pages and routes', () => {
  test('a page has the headers of vercel.json, an answer of a function its own', async () => {
    const page = await get('/auth/verify')
    expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8'])
    expect(page.headers.get('content-security-policy')).toContain("script-src 'self'")
    expect(page.headers.get('strict-transport-security')).toContain('max-age=')
    const keys = await get('/api/auth/keys')
    expect(keys.headers.get('content-security-policy')).toContain(
      "default-src 'none'; frame-ancestors 'none'",
    )
    expect(keys.headers.get('strict-transport-security')).toContain('max-age=')
    expect(keys.headers.get('cache-control')).toContain('max-age=')
  })

  test.each([
    ['/index.html', '/'],
    ['/auth/verify.html?x=1', '/auth/verify?x=1'],
    ['/auth/verify/', '/auth/verify'],
    ['/api/auth/login/', '/api/auth/login'],
    ['/api/auth/login.ts', '/api/auth/login'],
  ])('%s leads to %s', async (from, to) => {
    const response = await get(from)
    expect([response.status, response.headers.get('location')]).toEqual([308, to])
  })

  test.each([
    '/nothing',
    '/api',
    '/api/auth',
    '/api/auth/nothing',
    '/api/auth/login.js',
    '/bundles/api/auth/login/function.mjs',
    '/lib/keys.ts',
    '/package.json',
    '/.env',
    '/auth/../package.json',
    '/assets/..%2f..%2fpackage.json',
  ])('%s is not found: nothing but pages and functions is served', async (path) => {
    const response = await get(path)
    expect([response.status, response.headers.get('x-vercel-error')]).toEqual([404, 'NOT_FOUND'])
  })

  test('a page is read, not written', async () => {
    expect((await get('/auth/verify', { method: 'POST', body: '{}' })).status).toBe(405)
    expect(await (await get('/auth/verify', { method: 'HEAD' })).text()).toBe('')
  })
})

describe('a function', () => {
  test('answers as the platform shows it to the world', async () => {
    const response = await get('/api/auth/login', { headers: { 'x-vercel-id': 'mine' } })
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'POST'])
    expect(response.headers.get('server')).toBe('Vercel')
    expect(response.headers.get('x-vercel-id')).toMatch(/^dev1::/)
    // The request's id is the platform's, not the client's.
    expect(response.headers.get('x-request-id')).toBe(response.headers.get('x-vercel-id'))
  })

  test('stays warm: a second request finds the process that the first one started', async () => {
    const times: number[] = []
    await artefact.endFunction('/api/auth/keys')
    for (let index = 0; index < 5; index += 1) {
      const start = performance.now()
      expect((await get('/api/auth/keys')).status).toBe(200)
      times.push(performance.now() - start)
    }
    expect(Math.min(...times.slice(1))).toBeLessThan(times[0]! / 3)
  })

  test('logs a stack with the names and lines of the sources', async () => {
    lines.length = 0
    const broken = await serveArtefact({
      output,
      port: 0,
      environment: functionEnvironment({ DATABASE_URL: await brokenDatabase() }),
      onLine: (line) => lines.push(line),
    })
    try {
      const response = await fetch(`${broken.origin}/api/auth/login`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ email: `${randomBytes(6).toString('hex')}@example.org`, password: 'x' }),
      })
      expect(response.status).toBe(500)
      await expect.poll(() => lines.join('\n')).toMatch(/lib\/db\/call\.ts:\d+/)
      expect(lines.join('\n')).toMatch(/lib\/auth\/sign-in\.ts:\d+/)
    } finally {
      await broken.stop()
    }
  })

  test('that cannot start is a 500 of the platform, and the next request tries again', async () => {
    const home = await mkdtemp(join(tmpdir(), 'latchkey-broken-'))
    const folder = join(home, 'functions', 'api', 'x.func')
    await mkdir(folder, { recursive: true })
    await writeFile(
      join(home, 'config.json'),
      JSON.stringify({ version: 3, routes: [{ handle: 'filesystem' }] }),
    )
    await writeFile(
      join(folder, '.vc-config.json'),
      JSON.stringify({ handler: 'x.mjs', launcherType: 'Nodejs' }),
    )
    // Installed where this test runs, and not part of the function.
    await writeFile(join(folder, 'x.mjs'), "import 'zod/mini'\nexport default {}")
    const other = await serveArtefact({ output: home, port: 0, environment: {} })
    try {
      for (let index = 0; index < 2; index += 1) {
        const response = await fetch(`${other.origin}/api/x`)
        expect([response.status, response.headers.get('x-vercel-error')]).toEqual([
          500,
          'FUNCTION_INVOCATION_FAILED',
        ])
      }
    } finally {
      await other.stop()
      await rm(home, { recursive: true, force: true })
    }
  })
})

test.each([
  [{ src: '/', has: [] }, 'A route has has, which is not known here.'],
  [{ handle: 'miss' }, 'A route has the phase miss, which is not known here.'],
])('a route of another kind is refused rather than served in another way: %o', (route, message) => {
  expect(() => readRoutes({ version: 3, routes: [route] })).toThrow(message)
})
