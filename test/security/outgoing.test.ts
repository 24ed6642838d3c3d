/** What leaves a function other than by its response: to the database, to the email provider, to the log. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { ageSessions, query } from '../support/database.ts'
import { newestEmailTo, OTHER_PASSWORD, PASSWORD, signedInPerson, tokenIn } from '../support/people.ts'
import { gateway } from '../support/setup-stack.ts'

const realFetch = globalThis.fetch
const log: string[] = []
const toDatabase: string[] = []
const toProvider: string[] = []

beforeEach(() => {
  for (const method of ['log', 'info', 'warn', 'error', 'debug'] as const) {
    vi.spyOn(console, method).mockImplementation(
      (...lines: unknown[]) => void log.push(lines.map(String).join(' ')),
    )
  }
  gateway.fault = ({ headers, body }) => {
    toDatabase.push(`${JSON.stringify(headers)} ${body}`)
    return undefined
  }
  globalThis.fetch = async (input, init) => {
    const request = new Request(input, init)
    toProvider.push(`${request.url} ${JSON.stringify([...request.headers])} ${await request.clone().text()}`)
    return realFetch(input, init)
  }
})
afterEach(() => {
  gateway.fault = undefined
  globalThis.fetch = realFetch
  vi.restoreAllMocks()
})

/** As it is, in hexadecimal, in base64. */
function spellings(text: string): string[] {
  const bytes = Buffer.from(text)
  return [text, bytes.toString('hex'), bytes.toString('base64'), bytes.toString('base64url')]
}

test('[ASVS 11.7.2] [CS Session Management] no password or token goes to the database, log or emails', async () => {
  const person = await signedInPerson()
  const { browser, email } = person
  const cookies = [browser.cookies.get('__Host-session') ?? '', browser.cookies.get('__Host-device') ?? '']
  await browser.send('login', 'POST', { email, password: 'not the right password at all' })
  await ageSessions(email, 60)
  const { body } = await browser.send('refresh', 'POST', {})
  cookies.push(browser.cookies.get('__Host-session') ?? '')
  await browser.send('account', 'PATCH', { currentPassword: PASSWORD, newPassword: OTHER_PASSWORD })
  await browser.send('reset', 'POST', { email })
  const link = tokenIn(await newestEmailTo(email))
  await browser.send('reset', 'PUT', { token: link, password: 'one more password, and the last' })
  const rows = await query(
    `SELECT to_jsonb(u)::text AS text FROM users u UNION ALL SELECT to_jsonb(s)::text FROM sessions s
     UNION ALL SELECT to_jsonb(t)::text FROM one_time_tokens t UNION ALL SELECT to_jsonb(o)::text FROM outbox o
     UNION ALL SELECT to_jsonb(e)::text FROM events e UNION ALL SELECT to_jsonb(r)::text FROM registrations r`,
  )

  const passwords = [
    PASSWORD,
    OTHER_PASSWORD,
    'not the right password at all',
    'one more password, and the last',
  ]
  const families = cookies.map((cookie) => Buffer.from(cookie, 'base64url').subarray(0, 32))
  const tokens = [...cookies, body.accessToken, link]
  const places = {
    toDatabase: toDatabase.join('\n'),
    stored: rows.map(({ text }) => text).join('\n'),
    log: log.join('\n'),
  }
  expect([toDatabase.length > 10, toProvider.length > 2, log.length >= 8]).toEqual([true, true, true])
  for (const [place, text] of Object.entries(places)) {
    expect(text.length, place).toBeGreaterThan(500)
    for (const secret of [...passwords, ...tokens]) {
      for (const spelling of spellings(secret)) expect(text.includes(spelling), place).toBe(false)
    }
    for (const family of [families[0], families[2]]) {
      for (const encoding of ['hex', 'base64', 'base64url'] as const) {
        expect(text.includes(family?.toString(encoding) ?? ''), place).toBe(false)
      }
    }
  }
  const emails = toProvider.join('\n')
  for (const secret of [...passwords, ...cookies, body.accessToken])
    expect(emails.includes(secret)).toBe(false)
  expect(emails).toContain(link)
})
