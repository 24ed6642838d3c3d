import { afterEach, expect, test } from 'vitest'
import { newBrowser } from '../support/browser.ts'
import { query } from '../support/database.ts'
import { emailsTo, newAddress, PASSWORD } from '../support/people.ts'
import { inbox } from '../support/setup-stack.ts'

const REQUEST_CONTEXT = Symbol.for('@vercel/request-context')

/** A platform that keeps the function alive for what it is given. */
function withPlatform(): Promise<unknown>[] {
  const works: Promise<unknown>[] = []
  const context = { get: () => ({ waitUntil: (work: Promise<unknown>) => works.push(work) }) }
  Reflect.set(globalThis, REQUEST_CONTEXT, context)
  return works
}

afterEach(() => {
  Reflect.deleteProperty(globalThis, REQUEST_CONTEXT)
  inbox.fault = undefined
})

test('[ASVS 6.3.8] with waitUntil no response waits for the provider, known address or not', async () => {
  const works = withPlatform()
  const email = newAddress()
  inbox.fault = () => ({ kind: 'delay', milliseconds: 2000 })
  expect((await newBrowser().send('register', 'POST', { email, password: PASSWORD })).status).toBe(202)
  expect((await newBrowser().send('reset', 'POST', { email: newAddress() })).status).toBe(202)
  expect(await query('SELECT sent_at, attempts FROM outbox WHERE recipient = $1', email)).toEqual([
    { sent_at: null, attempts: 0 },
  ])
  expect(works).toHaveLength(1)
  await Promise.all(works)
  expect(await emailsTo(email)).toHaveLength(1)
  const [sent] = await query('SELECT sent_at FROM outbox WHERE recipient = $1', email)
  expect(sent.sent_at).not.toBeNull()
})

test('without it, the email is delivered before the response', async () => {
  const email = newAddress()
  await newBrowser().send('register', 'POST', { email, password: PASSWORD })
  expect(await emailsTo(email)).toHaveLength(1)
})

test('an email that failed once is taken along by the next one', async () => {
  const [first, second] = [newAddress(), newAddress()]
  inbox.fault = () => ({ kind: 'status', code: 500 })
  await newBrowser().send('register', 'POST', { email: first, password: PASSWORD })
  inbox.fault = undefined
  await query('UPDATE outbox SET next_attempt_at = now() WHERE recipient = $1', first)
  await newBrowser().send('register', 'POST', { email: second, password: PASSWORD })
  expect([await emailsTo(first), await emailsTo(second)].map((emails) => emails.length)).toEqual([1, 1])
})
