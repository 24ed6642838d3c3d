/** The whole story of an account over HTTP, against an app that runs somewhere: nothing here knows the functions. */
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseSetCookie } from 'cookie'
import { expect } from 'vitest'
import { holdAgainstContract } from './contract.ts'

const PASSWORD = 'correct horse battery staple'
const OTHER_PASSWORD = 'violet teapots orbit the moon'
const EMAIL_TRIES = 100
const EMAIL_WAIT_MS = 100

export interface RunningApp {
  /** On http://localhost. */
  origin: string
  inboxUrl: string
}

/** A client that keeps cookies and nothing else. */
function newClient(origin: string) {
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
      const reply = { status: response.status, body: text === '' ? undefined : JSON.parse(text) }
      holdAgainstContract(method, `/api/auth/${name}`, { ...reply, headers: response.headers })
      return reply
    },
  }
}

async function tokenEmailedTo(
  { origin, inboxUrl }: RunningApp,
  email: string,
  page: string,
): Promise<string> {
  for (let attempt = 0; attempt < EMAIL_TRIES; attempt += 1) {
    const response = await fetch(`${inboxUrl}/emails`, { headers: { authorization: 'Bearer re_any' } })
    const { data } = (await response.json()) as { data: { to: string[]; text: string }[] }
    const pattern = new RegExp(`${origin}/auth/${page}#token=([\\w-]+)`)
    const token = data
      .filter(({ to }) => to.includes(email))
      .map(({ text }) => pattern.exec(text)?.[1])
      .find(Boolean)
    if (token !== undefined) return token
    await sleep(EMAIL_WAIT_MS)
  }
  throw new Error('no such mail arrived')
}

/** Every page is there, with the headers of `vercel.json`. */
export async function expectPages({ origin }: RunningApp): Promise<void> {
  for (const page of ['/', '/auth/verify', '/auth/reset', '/auth/cancel', '/auth/problems', '/docs']) {
    const response = await fetch(origin + page)
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8'])
    expect(response.headers.get('content-security-policy')).toContain("script-src 'self'")
  }
}

/** Register, verify, login, refresh, look at devices and account, logout, reset, login. */
export async function expectStory(app: RunningApp): Promise<void> {
  const email = `${randomBytes(6).toString('hex')}@example.org`
  const client = newClient(app.origin)
  expect(await client.send('register', 'POST', { email, password: PASSWORD })).toEqual({
    status: 202,
    body: { status: 'check-email' },
  })
  const verified = await client.send('verify', 'PUT', { token: await tokenEmailedTo(app, email, 'verify') })
  expect([verified.status, verified.body.status]).toEqual([200, 'signed-in'])

  const login = await client.send('login', 'POST', { email, password: PASSWORD })
  expect(login.status).toBe(200)
  expect([...client.cookies.keys()]).toEqual(['session', 'signed-in', 'device'])
  const refreshed = await client.send('refresh', 'POST', {})
  expect([refreshed.status, refreshed.body.session]).toEqual([200, login.body.session])
  expect((await client.send('sessions', 'GET')).body.current).toBe(login.body.session.id)
  expect((await client.send('account', 'GET')).body.user.email).toBe(email)

  const cookie = client.cookies.get('session') ?? ''
  expect((await client.send('logout', 'POST', {})).status).toBe(204)
  expect([...client.cookies.keys()]).toEqual(['device'])
  client.cookies.set('session', cookie)
  expect((await client.send('refresh', 'POST', {})).status).toBe(401)

  expect((await client.send('login', 'POST', { email, password: PASSWORD })).status).toBe(200)
  expect((await newClient(app.origin).send('reset', 'POST', { email })).status).toBe(202)
  const token = await tokenEmailedTo(app, email, 'reset')
  expect((await newClient(app.origin).send('reset', 'PUT', { token, password: OTHER_PASSWORD })).status).toBe(
    200,
  )
  expect((await client.send('refresh', 'POST', {})).status).toBe(401)
  expect((await client.send('login', 'POST', { email, password: OTHER_PASSWORD })).status).toBe(200)
}
