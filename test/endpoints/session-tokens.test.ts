/** Session tokens, from outside: who issues them, where they count and when they expire. */
import { randomBytes } from 'node:crypto'
import { parseSetCookie } from 'cookie'
import { v7 as newId } from 'uuid'
import { describe, expect, test } from 'vitest'
import { lifetimeSeconds } from '../../lib/limits.ts'
import { expiryIn, signOneTimeToken } from '../../lib/crypto/one-time-token.ts'
import { verifyRefreshToken, signRefreshToken } from '../../lib/crypto/refresh-token.ts'
import { signRegistrationCookie } from '../../lib/crypto/registration-cookie.ts'
import { newBrowser, type Received, type Browser } from '../support/browser.ts'
import { ageSessions, query } from '../support/database.ts'
import { newAddress, OTHER_PASSWORD, PASSWORD, signedInPerson } from '../support/people.ts'
import { gateway } from '../support/setup-stack.ts'

const DAY_SECONDS = 24 * 60 * 60

/** Everything that needs a session. */
const GUARDED = [
  ['refresh', 'POST', {}],
  ['sessions', 'GET', undefined],
  ['sessions?others=true', 'DELETE', undefined],
  [`sessions?id=${newId()}`, 'DELETE', undefined],
  ['account', 'GET', undefined],
  ['account', 'PATCH', { currentPassword: PASSWORD, newPassword: OTHER_PASSWORD }],
  ['account', 'PATCH', { email: newAddress() }],
  ['account', 'DELETE', undefined],
] as const

const tokenOf = (browser: Browser) => browser.cookies.get('__Host-session') ?? ''
const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

function browserWith(token: string): Browser {
  const browser = newBrowser()
  browser.cookies.set('__Host-session', token)
  return browser
}

const signIn = (browser: Browser, email: string, more: object = {}) =>
  browser.send('login', 'POST', { email, password: PASSWORD, ...more })

/** Tries everything that needs a session, each with a fresh browser, as a definite end clears the cookie. */
async function expectNothingOpens(token: string, accessToken: string): Promise<void> {
  for (const [target, method, body] of GUARDED) {
    const responses = [
      await browserWith(token).send(target, method, body),
      await newBrowser().send(target, method, body, bearer(accessToken)),
    ]
    for (const { status } of responses) expect([target, method, status]).toEqual([target, method, 401])
  }
}

const seen = ({ status, body, headers }: Received) => ({ status, body, headers: [...headers] })

describe('who issues them', () => {
  test('[ASVS 7.2.1] a token with one character changed opens nothing, and costs no database call', async () => {
    const person = await signedInPerson()
    const { body } = await person.browser.send('refresh', 'POST', {})
    const spoiled = (text: string) => `${text.slice(0, 20)}${text[20] === 'A' ? 'B' : 'A'}${text.slice(21)}`
    gateway.requests.length = 0
    await expectNothingOpens(spoiled(tokenOf(person.browser)), spoiled(body.accessToken))
    expect(gateway.requests).toHaveLength(0)
    expect((await person.browser.send('account', 'GET')).status).toBe(200)
  })

  test('[ASVS 7.2.2] [CS Session Management] each sign-in draws its own, and never adopts one that the browser brought along', async () => {
    const person = await signedInPerson()
    const family = (browser: Browser) =>
      Buffer.from(verifyRefreshToken(tokenOf(browser))?.family ?? []).toString('hex')
    const families = [family(person.browser)]
    const fixed = signRefreshToken({ family: randomBytes(32), counter: 0 })
    for (const brought of ['', 'of-my-own-choice', fixed]) {
      const browser = browserWith(brought)
      expect((await signIn(browser, person.email)).status).toBe(200)
      families.push(family(browser))
    }
    expect(families.every((each) => each.length === 64)).toBe(true)
    expect(new Set(families).size).toBe(4)
    expect((await browserWith(fixed).send('refresh', 'POST', {})).status).toBe(401)
  })

  test('[ASVS 7.2.4] a sign-in, a re-authentication and a change of password issue a new one, and the one presented opens nothing any more', async () => {
    const person = await signedInPerson()
    const changes = [
      () => signIn(person.browser, person.email),
      () => signIn(person.browser, person.email, { reauthenticate: true }),
      () =>
        person.browser.send('account', 'PATCH', { currentPassword: PASSWORD, newPassword: OTHER_PASSWORD }),
    ]
    for (const change of changes) {
      const { body } = await person.browser.send('refresh', 'POST', {})
      const old = tokenOf(person.browser)
      expect((await change()).status).toBe(200)
      expect(tokenOf(person.browser)).not.toBe(old)
      await expectNothingOpens(old, body.accessToken)
      expect((await person.browser.send('account', 'GET')).status).toBe(200)
    }
  })
})

describe('where they count', () => {
  test('[RFC 9700 4.3.2] neither counts in a query', async () => {
    const person = await signedInPerson()
    const { body } = await person.browser.send('refresh', 'POST', {})
    for (const name of ['access_token', 'token', '__Host-session', 'session', 'authorization']) {
      for (const value of [tokenOf(person.browser), body.accessToken]) {
        const given = `${name}=${value}`
        expect((await newBrowser().send(`account?${given}`, 'GET')).status).toBe(401)
        expect((await newBrowser().send(`sessions?${given}`, 'GET')).status).toBe(401)
        expect((await newBrowser().send(`refresh?${given}`, 'POST', {})).status).toBe(401)
      }
    }
  })

  test('[ASVS 11.2.5] whatever is wrong with a session cookie, the response is the same', async () => {
    const person = await signedInPerson()
    const { body } = await person.browser.send('refresh', 'POST', {})
    const token = tokenOf(person.browser)
    const wrong = [
      'garbage',
      `${token.slice(0, -2)}${token.endsWith('AA') ? 'QQ' : 'AA'}`,
      `${token.startsWith('A') ? 'B' : 'A'}${token.slice(1)}`,
      token.slice(0, -4),
      `${token}AAAA`,
      signOneTimeToken('reset-email', { id: newId(), expiresAt: expiryIn(60) }),
      signRegistrationCookie({ registrationId: newId(), persistent: true }),
      body.accessToken,
      signRefreshToken({ family: randomBytes(32), counter: 0 }),
    ]
    for (const [target, method, asked] of GUARDED) {
      const responses = []
      for (const value of wrong) {
        responses.push(seen(await browserWith(value).send(target, method, asked, { 'x-vercel-id': 'same' })))
      }
      for (const response of responses) expect(response).toEqual(responses[0])
      expect(responses[0]?.status).toBe(401)
    }
  })
})

describe('when they expire', () => {
  test('[ASVS 7.3.1] [ASVS 10.4.9] [RFC 9700 4.14.2] when they were not used for the idle time, and not a minute before', async () => {
    const person = await signedInPerson()
    await ageSessions(person.email, lifetimeSeconds.sessionIdle - 60)
    const { status, body } = await browserWith(tokenOf(person.browser)).send('account', 'GET')
    expect([status, body.user?.email]).toEqual([200, person.email])
    const { body: session } = await person.browser.send('refresh', 'POST', {})
    await ageSessions(person.email, lifetimeSeconds.sessionIdle + 1)
    await expectNothingOpens(tokenOf(person.browser), session.accessToken)
    expect((await person.browser.send('refresh', 'POST', {})).body.code).toBe('session-ended')
    expect((await signIn(person.browser, person.email)).status).toBe(200)
  })

  test('[ASVS 7.3.2] [ASVS 10.4.8] [BBA 6.3.2.3] at the absolute expiry, however busily the session is refreshed; the cookie never promises more', async () => {
    const person = await signedInPerson()
    const stepSeconds = 3 * DAY_SECONDS
    const ages: number[] = []
    let last: Received | undefined
    for (let age = stepSeconds; age < lifetimeSeconds.sessionAbsolute; age += stepSeconds) {
      await ageSessions(person.email, stepSeconds)
      last = await person.browser.send('refresh', 'POST', {})
      expect(last.status).toBe(200)
      ages.push(parseSetCookie(last.setCookies[0] ?? '').maxAge ?? Number.NaN)
      const [session] = await query(
        `SELECT extract(epoch FROM absolute_expires_at - created_at)::int AS life,
           idle_expires_at <= absolute_expires_at AS within
         FROM sessions
         WHERE user_id = (SELECT id FROM users WHERE email = $1)`,
        person.email,
      )
      expect(session).toEqual({ life: lifetimeSeconds.sessionAbsolute, within: true })
    }
    expect(ages).toHaveLength(9)
    for (const [index, maxAge] of ages.entries()) {
      const left = Math.min(
        lifetimeSeconds.sessionIdle,
        lifetimeSeconds.sessionAbsolute - (index + 1) * stepSeconds,
      )
      expect(maxAge).toBeLessThanOrEqual(left)
      expect(maxAge).toBeGreaterThan(left - 60)
    }
    await ageSessions(person.email, stepSeconds)
    await expectNothingOpens(tokenOf(person.browser), last?.body.accessToken)
    expect((await person.browser.send('refresh', 'POST', {})).body.code).toBe('session-ended')
  })

  test('[ASVS 7.4.1] [ASVS 10.4.9] after a logout, and the unexpired access token with them', async () => {
    const person = await signedInPerson()
    const { body } = await person.browser.send('refresh', 'POST', {})
    const token = tokenOf(person.browser)
    expect((await newBrowser().send('account', 'GET', undefined, bearer(body.accessToken))).status).toBe(200)
    expect((await person.browser.send('logout', 'POST', {})).status).toBe(204)
    await expectNothingOpens(token, body.accessToken)
  })

  test('[RFC 9700 2.2.2] [RFC 9700 4.14.2] [ASVS 10.4.5] five rotations later, the first one revokes the session, and the newest tokens with it', async () => {
    const person = await signedInPerson()
    const tokens = [tokenOf(person.browser)]
    let accessToken = ''
    for (let rotation = 0; rotation < 5; rotation += 1) {
      await ageSessions(person.email, lifetimeSeconds.reuseInterval + 1)
      const { status, body } = await person.browser.send('refresh', 'POST', {})
      expect(status).toBe(200)
      accessToken = body.accessToken
      tokens.push(tokenOf(person.browser))
    }
    expect(new Set(tokens).size).toBe(6)
    const [family] = await query(
      'SELECT count(*)::int AS sessions FROM sessions WHERE user_id = (SELECT id FROM users WHERE email = $1)',
      person.email,
    )
    expect(family).toEqual({ sessions: 1 })

    const replayed = await browserWith(tokens[0] ?? '').send('refresh', 'POST', {})
    expect([replayed.status, replayed.body.code]).toEqual([401, 'session-ended'])
    await expectNothingOpens(tokens[5] ?? '', accessToken)
  })
})
