/** People of the browser tests, and a short way to an account through the API, with the cookies of their browser. */
import { randomBytes } from 'node:crypto'
import { expect } from 'vitest'
import { linkIn, mailsTo } from './mails.ts'
import { expectView, field, type Visitor } from './visitors.ts'

export const PASSWORD = 'correct horse battery staple'
export const OTHER_PASSWORD = 'violet teapots orbit the moon'

export function newAddress(): string {
  return `${randomBytes(6).toString('hex')}@example.org`
}

/** Registers a new address; the browser then holds the registration's cookie. */
export async function register({ context }: Visitor): Promise<string> {
  const email = newAddress()
  const answer = await context.request.post('/api/auth/register', { data: { email, password: PASSWORD } })
  expect(answer.status()).toBe(202)
  return email
}

/** Makes an account; nobody is signed in by that. */
export async function openAccount(visitor: Visitor, inboxUrl: string): Promise<string> {
  const email = await register(visitor)
  const [mail] = await mailsTo(inboxUrl, email, 'verify')
  const token = tokenOf(linkIn(mail))
  const answer = await visitor.context.request.put('/api/auth/verify', { data: { token } })
  expect(answer.status()).toBe(200)
  return email
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
