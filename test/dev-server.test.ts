/**
 * The whole story over HTTP against a started `npm run dev`: the real CLI, the real `vercel dev`, on ports and a
 * directory of its own. Each request starts a function anew there, so this is the slowest test of all.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseSetCookie } from 'cookie'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { freePort } from '../dev/port.ts'
import { newAddress, OTHER_PASSWORD, PASSWORD } from './people.ts'

let directory = ''
let origin = ''
let inboxUrl = ''
let dev: ChildProcess
let output = ''

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'latchkey-dev-'))
  const [port, postgres, gateway, inbox] = [
    await freePort(),
    await freePort(),
    await freePort(),
    await freePort(),
  ]
  origin = `http://localhost:${port}`
  inboxUrl = `http://127.0.0.1:${inbox}`
  const options = [
    '--port',
    port,
    '--directory',
    directory,
    '--stack-ports',
    [postgres, gateway, inbox].join(),
  ]
  dev = spawn('npm', ['run', 'dev', '--', ...options.map(String)], {
    // What the tests set for their own handlers is not for the server.
    env: Object.fromEntries(
      Object.entries(process.env).filter(([name]) => ['PATH', 'HOME', 'TMPDIR'].includes(name)),
    ),
    detached: true,
  })
  dev.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()))
  dev.stderr?.on('data', (chunk: Buffer) => (output += chunk.toString()))
  while (!output.includes('Latchkey answers')) {
    if (dev.exitCode !== null) throw new Error(`npm run dev ended:\n${output}`)
    await sleep(100)
  }
}, 120_000)

afterAll(async () => {
  if (dev.exitCode === null && dev.pid !== undefined) {
    process.kill(-dev.pid, 'SIGINT')
    await once(dev, 'exit')
  }
  await rm(directory, { recursive: true, force: true })
}, 30_000)

/** A client that keeps cookies and nothing else. */
function newClient() {
  const cookies = new Map<string, string>()
  return {
    cookies,
    async send(name: string, method: string, body?: unknown) {
      const response = await fetch(`${origin}/api/auth/${name}`, {
        method,
        headers: {
          ...(body === undefined ? {} : { 'content-type': 'application/json', origin }),
          cookie: [...cookies].map(([key, value]) => `${key}=${value}`).join('; '),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      for (const text of response.headers.getSetCookie()) {
        const { name: key, value, maxAge } = parseSetCookie(text)
        if (maxAge === 0) cookies.delete(key)
        else cookies.set(key, value ?? '')
      }
      const text = await response.text()
      return { status: response.status, body: text === '' ? undefined : JSON.parse(text) }
    },
  }
}

async function tokenMailedTo(email: string, page: string): Promise<string> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const response = await fetch(`${inboxUrl}/emails`, { headers: { authorization: 'Bearer re_any' } })
    const { data } = (await response.json()) as { data: { to: string[]; text: string }[] }
    const pattern = new RegExp(`${origin}/auth/${page}#token=([\\w-]+)`)
    const token = data
      .filter(({ to }) => to.includes(email))
      .map(({ text }) => pattern.exec(text)?.[1])
      .find(Boolean)
    if (token !== undefined) return token
    await sleep(100)
  }
  throw new Error('no such mail arrived')
}

test('npm run dev says what to open, and the whole story runs over HTTP', { timeout: 150_000 }, async () => {
  expect(output).toContain(`${origin}/`)
  expect(output).toContain(`${inboxUrl}/inbox`)
  for (const page of ['/', '/auth/verify', '/auth/reset', '/auth/stop', '/auth/problems']) {
    const response = await fetch(origin + page)
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8'])
    expect(response.headers.get('content-security-policy')).toContain("script-src 'self'")
  }

  const email = newAddress()
  const client = newClient()
  expect(await client.send('register', 'POST', { email, password: PASSWORD })).toEqual({
    status: 202,
    body: { status: 'check-email' },
  })
  const verified = await client.send('verify', 'PUT', { token: await tokenMailedTo(email, 'verify') })
  expect(verified).toEqual({ status: 200, body: { status: 'verified' } })

  const login = await client.send('login', 'POST', { email, password: PASSWORD })
  expect(login.status).toBe(200)
  expect([...client.cookies.keys()]).toEqual(['session', 'signed-in', 'known-browser'])
  const refreshed = await client.send('refresh', 'POST', {})
  expect([refreshed.status, refreshed.body.session]).toEqual([200, login.body.session])
  expect((await client.send('sessions', 'GET')).body.current).toBe(login.body.session.id)
  expect((await client.send('account', 'GET')).body.user.email).toBe(email)

  const cookie = client.cookies.get('session') ?? ''
  expect((await client.send('logout', 'POST', {})).status).toBe(204)
  expect([...client.cookies.keys()]).toEqual(['known-browser'])
  client.cookies.set('session', cookie)
  expect((await client.send('refresh', 'POST', {})).status).toBe(401)

  expect((await client.send('login', 'POST', { email, password: PASSWORD })).status).toBe(200)
  expect((await newClient().send('reset', 'POST', { email })).status).toBe(202)
  const token = await tokenMailedTo(email, 'reset')
  expect((await newClient().send('reset', 'PUT', { token, password: OTHER_PASSWORD })).status).toBe(200)
  expect((await client.send('refresh', 'POST', {})).status).toBe(401)
  expect((await client.send('login', 'POST', { email, password: OTHER_PASSWORD })).status).toBe(200)
})

test('[ASVS 14.2.5] beneath an endpoint there is nothing that a cache could take for a file', async () => {
  for (const unknown of ['account/x.css', 'sessions/x.js', 'nothing.css']) {
    const response = await fetch(`${origin}/api/auth/${unknown}`)
    expect([unknown, response.status]).toEqual([unknown, 404])
  }
})
