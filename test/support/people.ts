/** The people in the tests: unique addresses, what is in their mailboxes, and how they get an account. */
import { randomBytes } from 'node:crypto'
import { expect } from 'vitest'
import type { Email } from '../../dev/inbox.ts'
import { newBrowser, type Browser } from './browser.ts'
import { query } from './database.ts'
import { inbox } from './setup-stack.ts'

export const PASSWORD = 'correct horse battery staple'
export const OTHER_PASSWORD = 'violet teapots orbit the moon'

export function newAddress(): string {
  return `${randomBytes(6).toString('hex')}@example.org`
}

export async function emailsTo(address: string): Promise<Email[]> {
  const messages = await inbox.messages()
  return messages.filter((email) => email.to.includes(address))
}

/** What was emailed to an address, by kind, the oldest first. Words are for reviewers. */
export async function emailKindsTo(address: string): Promise<string[]> {
  const rows = await query('SELECT kind FROM outbox WHERE recipient = $1 ORDER BY created_at, id', address)
  return rows.map(({ kind }) => kind)
}

/** The newest email to an address. Throws when there is none. */
export async function newestEmailTo(address: string): Promise<Email> {
  const email = (await emailsTo(address)).at(-1)
  if (email === undefined) throw new Error('no email went to that address')
  return email
}

/** The token in an email's link, from the fragment. */
export function tokenIn(email: Email): string {
  const token = /#token=([\w-]+)/.exec(email.text ?? '')?.[1]
  if (token === undefined) throw new Error('that email has no link')
  return token
}

/** Sets every count of failures that an account has, with the last wait over. */
export async function failedBefore(email: string, failures: number): Promise<void> {
  await query(
    `UPDATE login_attempts SET failures = $2, next_attempt_at = now()
     WHERE user_id = (SELECT id FROM users WHERE email = $1)`,
    email,
    failures,
  )
}

/** The counts of failures that an account has, one for each place they are counted in. */
export async function failuresOf(email: string): Promise<number[]> {
  const rows = await query(
    'SELECT failures FROM login_attempts WHERE user_id = (SELECT id FROM users WHERE email = $1) ORDER BY 1',
    email,
  )
  return rows.map(({ failures }) => failures)
}

export interface Person {
  email: string
  password: string
  browser: Browser
}

/** Registered in `browser`, which has the registration cookie. The link is in the mailbox. */
export async function registeredPerson(password = PASSWORD): Promise<Person> {
  const person = { email: newAddress(), password, browser: newBrowser() }
  const response = await person.browser.send('register', 'POST', { email: person.email, password })
  expect(response.status).toBe(202)
  return person
}

/**
 * Has an account and is signed out. The link was opened in another browser, with the password, which opens no session:
 * the account never had one, and `browser` has no cookie.
 */
export async function verifiedPerson(password = PASSWORD): Promise<Person> {
  const { email } = await registeredPerson(password)
  const token = tokenIn(await newestEmailTo(email))
  const response = await newBrowser().send('verify', 'PUT', { token, password })
  expect([response.status, response.body]).toEqual([200, { status: 'verified' }])
  return { email, password, browser: newBrowser() }
}

/**
 * Has an account and is signed in, by the one session that verifying in the browser that registered opens. Its method
 * is `email`; where a test is about signing in with the password, take `verifiedPerson` and log in.
 */
export async function signedInPerson(password = PASSWORD): Promise<Person> {
  const person = await registeredPerson(password)
  const token = tokenIn(await newestEmailTo(person.email))
  const response = await person.browser.send('verify', 'PUT', { token })
  expect([response.status, response.body.status]).toEqual([200, 'signed-in'])
  return person
}

/** Another browser in which somebody signs in with the password. */
export async function otherBrowserOf(person: Person, headers: Record<string, string> = {}): Promise<Browser> {
  const browser = newBrowser()
  const { email, password } = person
  const response = await browser.send('login', 'POST', { email, password }, headers)
  expect(response.status).toBe(200)
  return browser
}

/** Whether a browser still has a live session. */
export async function isSignedIn(browser: Browser): Promise<boolean> {
  return (await browser.send('refresh', 'POST', {})).status === 200
}
