/** People of the browser tests, and a short way to an account. */
import { randomBytes } from 'node:crypto'
import { expect } from 'vitest'
import { inboxUrl, origin } from './app.ts'
import { ADDRESS_HEADER } from './app-server.ts'
import { linkIn, emailsTo } from './emails.ts'
import { expectView, field, randomSource, type Visitor } from './visitors.ts'

export const PASSWORD = 'correct horse battery staple'
export const OTHER_PASSWORD = 'violet teapots orbit the moon'

export function newAddress(): string {
  return `${randomBytes(6).toString('hex')}@example.org`
}

/** Registers a new address; the browser then holds the registration's cookie. */
export async function register({ context }: Visitor): Promise<string> {
  const email = newAddress()
  const reply = await context.request.post('/api/auth/register', { data: { email, password: PASSWORD } })
  expect(reply.status()).toBe(202)
  return email
}

/** Creates an account elsewhere: no browser of the test has a cookie of it. */
export async function openAccount(): Promise<string> {
  const email = newAddress()
  await send('POST', 'register', { email, password: PASSWORD })
  const [message] = await emailsTo(inboxUrl, email, 'verify')
  await send('PUT', 'verify', { token: tokenOf(linkIn(message)), password: PASSWORD })
  return email
}

async function send(method: string, name: string, body: object): Promise<void> {
  const reply = await fetch(`${origin}/api/auth/${name}`, {
    method,
    headers: { 'content-type': 'application/json', [ADDRESS_HEADER]: randomSource() },
    body: JSON.stringify(body),
  })
  expect(reply.ok, await reply.text()).toBe(true)
}

export function tokenOf(link: string): string {
  return new URL(link).hash.replace('#token=', '')
}

/** Signs in by the form. */
export async function signIn({ page }: Visitor, email: string, password = PASSWORD): Promise<void> {
  await page.goto('/')
  await field(page, 'Email address').fill(email)
  await field(page, 'Password').fill(password)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await expectView(page, 'You are signed in')
}
