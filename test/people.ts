/** People of the tests: addresses that nobody else uses, mails read from the inbox, and the way to an account. */
import { randomBytes } from 'node:crypto'
import { expect } from 'vitest'
import type { Mail } from '../dev/inbox.ts'
import { newBrowser, type Browser } from './browser.ts'
import { query } from './database.ts'
import { inbox } from './setup-stack.ts'

export const PASSWORD = 'correct horse battery staple'
export const OTHER_PASSWORD = 'violet teapots orbit the moon'

export function newAddress(): string {
  return `${randomBytes(6).toString('hex')}@example.org`
}

export async function mailsTo(address: string): Promise<Mail[]> {
  const messages = await inbox.messages()
  return messages.filter((mail) => mail.to.includes(address))
}

/** The newest mail to an address; fails when there is none. */
export async function newestMailTo(address: string): Promise<Mail> {
  const mail = (await mailsTo(address)).at(-1)
  if (mail === undefined) throw new Error('there is no mail to that address')
  return mail
}

/** The token of a mail's link, from its fragment. */
export function tokenIn(mail: Mail): string {
  const token = /#token=([\w-]+)/.exec(mail.text ?? '')?.[1]
  if (token === undefined) throw new Error('there is no link in that mail')
  return token
}

/** As if so many wrong passwords in a row had been counted in every bucket of an account, and their last wait were over. */
export async function failedBefore(email: string, failures: number): Promise<void> {
  await query(
    `UPDATE password_attempts SET failures = $2, next_attempt_at = now()
     WHERE user_id = (SELECT id FROM users WHERE email = $1)`,
    email,
    failures,
  )
}

/** Wrong passwords in a row that an account's buckets have. */
export async function failuresOf(email: string): Promise<number[]> {
  const rows = await query(
    'SELECT failures FROM password_attempts WHERE user_id = (SELECT id FROM users WHERE email = $1) ORDER BY 1',
    email,
  )
  return rows.map(({ failures }) => failures)
}

export interface Person {
  email: string
  password: string
  browser: Browser
}

export async function registeredPerson(password = PASSWORD): Promise<Person> {
  const person = { email: newAddress(), password, browser: newBrowser() }
  const answer = await person.browser.send('register', 'POST', { email: person.email, password })
  expect(answer.status).toBe(202)
  return person
}

export async function verifiedPerson(password = PASSWORD): Promise<Person> {
  const person = await registeredPerson(password)
  const token = tokenIn(await newestMailTo(person.email))
  const answer = await person.browser.send('verify', 'PUT', { token })
  expect(answer.status).toBe(200)
  return person
}

export async function signedInPerson(password = PASSWORD): Promise<Person> {
  const person = await verifiedPerson(password)
  const answer = await person.browser.send('login', 'POST', { email: person.email, password })
  expect(answer.status).toBe(200)
  return person
}
