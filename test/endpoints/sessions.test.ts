import { describe, expect, test } from 'vitest'
import { lifetimeSeconds } from '../../lib/limits.ts'
import { newBrowser, sendRaw } from '../support/browser.ts'
import { ageSessions, query } from '../support/database.ts'
import {
  isSignedIn,
  newAddress,
  otherBrowserOf,
  OTHER_PASSWORD,
  PASSWORD,
  signedInPerson,
  type Person,
} from '../support/people.ts'
import { gateway } from '../support/setup-stack.ts'

const IPHONE =
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1'

const phoneOf = (person: Person) =>
  otherBrowserOf(person, { 'user-agent': IPHONE, 'x-real-ip': '2001:db8:aa:bb::1' })

describe('the list of sessions', () => {
  test('[ASVS 7.5.2] [CS Credential Stuffing sessions] [ASVS 14.2.6] it shows where each live session was opened and last used, coarsely, and which is the current one', async () => {
    const person = await signedInPerson()
    const phone = await phoneOf(person)
    const { status, body } = await phone.send('sessions', 'GET')
    expect(status).toBe(200)
    const iso = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
    expect(body.sessions).toEqual([
      {
        id: body.current,
        createdAt: iso,
        lastUsedAt: iso,
        absoluteExpiresAt: iso,
        client: 'Safari on iPhone',
        ip: '2001:db8:aa::',
        lastClient: 'Safari on iPhone',
        lastIp: '2001:db8:aa::',
      },
      {
        id: expect.any(String),
        createdAt: iso,
        lastUsedAt: iso,
        absoluteExpiresAt: iso,
        client: 'Firefox on Linux',
        ip: expect.stringMatching(/^10\.\d+\.\d+\.x$/),
        lastClient: 'Firefox on Linux',
        lastIp: expect.stringMatching(/^10\.\d+\.\d+\.x$/),
      },
    ])
  })

  test('where it was last refreshed stands beside where it was opened', async () => {
    const person = await signedInPerson()
    await ageSessions(person.email, 60)
    const abroad = { 'user-agent': IPHONE, 'x-real-ip': '203.0.113.9' }
    await person.browser.send('refresh', 'POST', {}, abroad)
    const { body } = await person.browser.send('sessions', 'GET')
    expect(body.sessions).toEqual([
      expect.objectContaining({
        client: 'Firefox on Linux',
        ip: expect.stringMatching(/^10\./),
        lastClient: 'Safari on iPhone',
        lastIp: '203.0.113.x',
      }),
    ])
  })

  test('what is not known of a session is said to be unknown', async () => {
    const person = await signedInPerson()
    await query('UPDATE sessions SET ip = NULL, last_ip = NULL, client = NULL, last_client = NULL')
    const { body } = await person.browser.send('sessions', 'GET')
    expect(body.sessions).toEqual([
      expect.objectContaining({
        client: 'Unknown device',
        ip: null,
        lastClient: 'Unknown device',
        lastIp: null,
      }),
    ])
  })

  test('[ASVS 14.2.6] lastUsedAt goes in steps of 15 minutes, so the list records no habits', async () => {
    const person = await signedInPerson()
    const listed = async () => {
      const { body } = await person.browser.send('sessions', 'GET')
      const [{ createdAt, lastUsedAt }] = body.sessions
      return { created: Date.parse(createdAt), used: Date.parse(lastUsedAt) }
    }
    const fresh = await listed()
    expect(fresh.used).toBe(fresh.created)

    await ageSessions(person.email, 3 * 3600)
    await person.browser.send('refresh', 'POST', {})
    const { used } = await listed()
    const step = lifetimeSeconds.lastUsedStep * 1000
    expect(used % step).toBe(0)
    expect(used).toBeLessThanOrEqual(Date.now())
    expect(Date.now() - used).toBeLessThan(step + 60_000)
    await ageSessions(person.email, 31)
    await person.browser.send('refresh', 'POST', {})
    expect([used, used + step]).toContain((await listed()).used)
  })

  test('the session used last stands first', async () => {
    const person = await signedInPerson()
    await phoneOf(person)
    await ageSessions(person.email, 3 * 3600)
    await person.browser.send('refresh', 'POST', {})
    const { body } = await person.browser.send('sessions', 'GET')
    expect(body.sessions.map(({ client }: { client: string }) => client)).toEqual([
      'Firefox on Linux',
      'Safari on iPhone',
    ])
  })

  test('revoked and expired sessions are not in it', async () => {
    const person = await signedInPerson()
    const [ended, expired] = [await phoneOf(person), await phoneOf(person)]
    await ended.send('logout', 'POST', {})
    const { body } = await expired.send('sessions', 'GET')
    await query('UPDATE sessions SET idle_expires_at = now() WHERE id = $1', body.current)
    const list = await person.browser.send('sessions', 'GET')
    expect(list.body.sessions.map(({ id }: { id: string }) => id)).toEqual([list.body.current])
  })

  test('it is given for a bearer access token as for the cookie', async () => {
    const person = await signedInPerson()
    const { body } = await person.browser.send('refresh', 'POST', {})
    const headers = { authorization: `Bearer ${body.accessToken}` }
    const list = await sendRaw('sessions', { headers })
    expect(list.body.current).toBe(body.session.id)
  })
})

describe('revoking sessions', () => {
  test('[ASVS 7.5.2] [ASVS 10.4.9] one by its id, and no other', async () => {
    const person = await signedInPerson()
    const [lost, kept] = [await phoneOf(person), await phoneOf(person)]
    const { body } = await lost.send('sessions', 'GET')
    const response = await person.browser.send(`sessions?id=${body.current}`, 'DELETE')
    expect([response.status, response.body, response.setCookies]).toEqual([204, undefined, []])
    expect(await isSignedIn(lost)).toBe(false)
    expect(await isSignedIn(kept)).toBe(true)
    expect(await isSignedIn(person.browser)).toBe(true)
  })

  test('all others, and not the one that asks for it', async () => {
    const person = await signedInPerson()
    const others = [await phoneOf(person), await phoneOf(person)]
    expect((await person.browser.send('sessions?others=true', 'DELETE')).status).toBe(204)
    expect(await Promise.all(others.map(isSignedIn))).toEqual([false, false])
    expect(await isSignedIn(person.browser)).toBe(true)
    expect((await person.browser.send('sessions?others=true', 'DELETE')).status).toBe(204)
  })

  test('where it is the current one, its cookies go, too', async () => {
    const person = await signedInPerson()
    const { body } = await person.browser.send('sessions', 'GET')
    const response = await person.browser.send(`sessions?id=${body.current}`, 'DELETE')
    expect(response.status).toBe(204)
    expect([...person.browser.cookies.keys()]).toEqual(['__Host-device'])
  })

  test('[ASVS 8.2.2] the id of another account is 404 like an unknown one, and that session goes on', async () => {
    const [person, stranger] = [await signedInPerson(), await signedInPerson()]
    const { body } = await stranger.browser.send('sessions', 'GET')
    const foreign = await person.browser.send(`sessions?id=${body.current}`, 'DELETE')
    const unknown = await person.browser.send('sessions?id=01890000-0000-7000-8000-000000000000', 'DELETE')
    expect([foreign.status, foreign.body]).toEqual([404, unknown.body])
    expect(await isSignedIn(stranger.browser)).toBe(true)
  })

  test('[ASVS 7.5.2] [ASVS 7.5.3] [63B-4 5.1.2] [CS Credential Stuffing sessions] it needs an authentication within the last 5 minutes, however fresh the tokens are', async () => {
    const person = await signedInPerson()
    const phone = await phoneOf(person)
    await ageSessions(person.email, 301)
    const { body } = await person.browser.send('refresh', 'POST', {})
    for (const target of ['sessions?others=true', `sessions?id=${body.session.id}`] as const) {
      const response = await person.browser.send(target, 'DELETE', undefined, {
        authorization: `Bearer ${body.accessToken}`,
      })
      expect([response.status, response.body.code]).toEqual([403, 'reauthentication-required'])
    }
    expect(await isSignedIn(phone)).toBe(true)
    const again = { email: person.email, password: PASSWORD, reauthenticate: true }
    await person.browser.send('login', 'POST', again)
    expect((await person.browser.send('sessions?others=true', 'DELETE')).status).toBe(204)
    expect(await isSignedIn(phone)).toBe(false)
    expect(await isSignedIn(person.browser)).toBe(true)
  })

  test.each([
    'sessions',
    'sessions?id=1',
    'sessions?id=',
    'sessions?others=false',
    'sessions?others=true&id=01890000-0000-7000-8000-000000000000',
    'sessions?others=true&others=true',
    'sessions?x=1&others=true',
    'sessions?__proto__=1',
  ] as const)('[ASVS 15.3.7] DELETE %s is refused, and the problem names the fields', async (target) => {
    const person = await signedInPerson()
    gateway.requests.length = 0
    const response = await person.browser.send(target, 'DELETE')
    expect([response.status, response.body.code]).toEqual([422, 'validation-failed'])
    expect(gateway.requests).toHaveLength(0)
  })
})

test('[ASVS 8.2.1] [ASVS 8.3.1] without a live session everything is 401, and no cookie is touched', async () => {
  const person = await signedInPerson()
  const token = person.browser.cookies.get('__Host-session') ?? ''
  await person.browser.send('logout', 'POST', {})
  const ended = newBrowser()
  ended.cookies.set('__Host-session', token)
  for (const browser of [newBrowser(), ended]) {
    for (const [target, method] of [
      ['sessions', 'GET'],
      ['sessions?others=true', 'DELETE'],
      ['account', 'GET'],
    ] as const) {
      const response = await browser.send(target, method)
      expect([response.status, response.body.code, response.setCookies]).toEqual([401, 'unauthorized', []])
      expect(response.headers.get('www-authenticate')).toBe('Bearer')
    }
    for (const [method, body] of [
      ['PATCH', { currentPassword: PASSWORD, newPassword: OTHER_PASSWORD }],
      ['PATCH', { email: newAddress() }],
      ['DELETE', undefined],
    ] as const) {
      const response = await browser.send('account', method, body)
      expect([response.status, response.body.code, response.setCookies]).toEqual([401, 'unauthorized', []])
    }
  }
})
