/** The check for breached passwords, against a server with the range protocol of Pwned Passwords. */
import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeEach, describe, expect, test, vi } from 'vitest'

const BREACHED = 'a passphrase from a breach'
const asked: { path: string; padding: string | undefined }[] = []
const sha1 = (text: string) => createHash('sha1').update(text).digest('hex').toUpperCase()

/** Every range has the breached password's suffix, once in a while among padding. */
function listed(_: IncomingMessage, response: ServerResponse): void {
  response.end(
    `0018A45C4D1DEF81644B54AB7F969B88D65:0\r\n${sha1(BREACHED).slice(5)}:17\r\n${sha1('a padded entry of the list').slice(5)}:0`,
  )
}

let reply = listed
const server = createServer((request, response) => {
  asked.push({ path: request.url ?? '', padding: request.headers['add-padding']?.toString() })
  reply(request, response)
})
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
const { port } = server.address() as AddressInfo
process.env['BREACHED_PASSWORDS_URL'] = `http://127.0.0.1:${port}/range/`

// After the variable is set: the environment is read once, when the first module asks for it.
const { newBrowser } = await import('../support/browser.ts')
const { newAddress, newestEmailTo, PASSWORD, registeredPerson, signedInPerson, tokenIn, verifiedPerson } =
  await import('../support/people.ts')

afterAll(() => {
  server.closeAllConnections()
  server.close()
})
beforeEach(() => {
  asked.length = 0
  reply = listed
})

function expectBreached({ status, body }: { status: number; body: { code: string; errors: unknown } }): void {
  expect([status, body.code]).toEqual([422, 'weak-password'])
  expect(JSON.stringify(body.errors)).toContain('breach of another service')
}

describe('[ASVS 6.2.12] a breached password is refused', () => {
  test('at register, with the reason, and nothing is kept', async () => {
    const email = newAddress()
    expectBreached(await newBrowser().send('register', 'POST', { email, password: BREACHED }))
    await expect(newestEmailTo(email)).rejects.toThrow('no email')
  })

  test('at reset, and the link still works', async () => {
    const { email } = await verifiedPerson()
    await newBrowser().send('reset', 'POST', { email })
    const token = tokenIn(await newestEmailTo(email))
    expectBreached(await newBrowser().send('reset', 'PUT', { token, password: BREACHED }))
    const second = await newBrowser().send('reset', 'PUT', { token, password: 'another passphrase of mine' })
    expect(second.status).toBe(200)
  })

  test('at a change of password', async () => {
    const { browser } = await signedInPerson()
    const change = { currentPassword: PASSWORD, newPassword: BREACHED }
    expectBreached(await browser.send('account', 'PATCH', change))
  })
})

test('five characters of the hash are sent, with a request for padding, and nothing about the password or the person', async () => {
  await registeredPerson()
  expect(asked).toEqual([{ path: `/range/${sha1(PASSWORD).slice(0, 5)}`, padding: 'true' }])
})

test('an entry of padding is not a breach', async () => {
  const replied = await newBrowser().send('register', 'POST', {
    email: newAddress(),
    password: 'a padded entry of the list',
  })
  expect(replied.status).toBe(202)
})

describe('it is a best effort: without an answer the password passes, and the log says why', () => {
  const failures: [string, typeof listed, RegExp][] = [
    ['an error', (_, response) => response.writeHead(503).end(), /Error/],
    ['no response in a second', () => {}, /TimeoutError/],
    [
      'an answer that never ends',
      (_, response) => response.write('0018A45C4D1DEF81644B54AB7F969B88D65:3\r\n'),
      /TimeoutError/,
    ],
    ['a closed connection', (request) => request.socket.destroy(), /TypeError/],
    [
      'a redirect',
      (_, response) => response.writeHead(302, { location: `http://127.0.0.1:${port}/elsewhere` }).end(),
      /TypeError/,
    ],
  ]
  test.each(failures)('[ASVS 16.5.2] %s', async (_, failing, reason) => {
    reply = failing
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
    const replied = await newBrowser().send('register', 'POST', { email: newAddress(), password: BREACHED })
    expect(replied.status).toBe(202)
    expect(asked).toHaveLength(1)
    const entries = warn.mock.calls.map(([line]) => JSON.parse(String(line)))
    warn.mockRestore()
    expect(entries).toContainEqual(
      expect.objectContaining({
        event: 'breached-passwords-unavailable',
        reason: expect.stringMatching(reason),
      }),
    )
  })
})
