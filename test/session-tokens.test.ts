/** What is asked of session tokens, seen from outside: who issues them, where they count and when they are over. */
import { randomBytes } from 'node:crypto'
import { parseSetCookie } from 'cookie'
import { v7 as newId } from 'uuid'
import { describe, expect, test } from 'vitest'
import { expiryIn, sealMailToken } from '../lib/mail-token.ts'
import { openRefreshToken, sealRefreshToken } from '../lib/refresh-token.ts'
import { sealRegistration } from '../lib/registration-cookie.ts'
import { SESSION_IDLE_SECONDS, SESSION_LIFETIME_SECONDS, TURN_WINDOW_SECONDS } from '../lib/sessions.ts'
import { newBrowser, type Answer, type Browser } from './browser.ts'
import { ageSessions, query } from './database.ts'
import { newAddress, OTHER_PASSWORD, PASSWORD, signedInPerson } from './people.ts'
import { gateway } from './setup-stack.ts'

const DAY_SECONDS = 24 * 60 * 60

/** Everything that only a session opens. */
const GUARDED = [
  ['refresh', 'POST', {}],
  ['sessions', 'GET', undefined],
  ['sessions?others=true', 'DELETE', undefined],
  [`sessions?id=${newId()}`, 'DELETE', undefined],
  ['account', 'GET', undefined],
  ['account', 'PATCH', { currentPassword: PASSWORD, newPassword: OTHER_PASSWORD }],
  ['account', 'PATCH', { currentPassword: PASSWORD, email: newAddress() }],
  ['account', 'DELETE', { currentPassword: PASSWORD }],
] as const

const tokenOf = (browser: Browser) => browser.cookies.get('__Host-session') ?? ''
const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

function browserWith(token: string): Browser {
  const browser = newBrowser()
  browser.cookies.set('__Host-session', token)
  return browser
}

const signIn = (browser: Browser, email: string) =>
  browser.send('login', 'POST', { email, password: PASSWORD })

/** Asks everything that only a session opens, each time anew, since a definite end clears the cookie. */
async function expectNothingOpens(token: string, accessToken: string): Promise<void> {
  for (const [target, method, body] of GUARDED) {
    const answers = [
      await browserWith(token).send(target, method, body),
      await newBrowser().send(target, method, body, bearer(accessToken)),
    ]
    for (const { status } of answers) expect([target, method, status]).toEqual([target, method, 401])
  }
}

const seen = ({ status, body, headers }: Answer) => ({ status, body, headers: [...headers] })

describe('who issues them', () => {
  test('[ASVS 7.2.1] a token with one character changed opens nothing that a session opens, and no database is asked', async () => {
    const person = await signedInPerson()
    const { body } = await person.browser.send('refresh', 'POST', {})
    const spoiled = (text: string) => `${text.slice(0, 20)}${text[20] === 'A' ? 'B' : 'A'}${text.slice(21)}`
    gateway.requests.length = 0
    await expectNothingOpens(spoiled(tokenOf(person.browser)), spoiled(body.accessToken))
    expect(gateway.requests).toHaveLength(0)
    expect((await person.browser.send('account', 'GET')).status).toBe(200)
  })

  test('[ASVS 7.2.2] [CS Session Management] each sign-in draws its own, and one that the browser brought along is never taken on', async () => {
    const person = await signedInPerson()
    const family = (browser: Browser) =>
      Buffer.from(openRefreshToken(tokenOf(browser))?.family ?? []).toString('hex')
    const families = [family(person.browser)]
    const fixed = sealRefreshToken({ family: randomBytes(32), generation: 0 })
    for (const brought of ['', 'of-my-own-choice', fixed]) {
      const browser = browserWith(brought)
      expect((await signIn(browser, person.email)).status).toBe(200)
      families.push(family(browser))
    }
    expect(families.every((each) => each.length === 64)).toBe(true)
    expect(new Set(families).size).toBe(4)
    expect((await browserWith(fixed).send('refresh', 'POST', {})).status).toBe(401)
  })

  test('[ASVS 7.2.4] a sign-in and a change of password issue a new one, and the one presented opens nothing any more', async () => {
    const person = await signedInPerson()
    const changes = [
      () => signIn(person.browser, person.email),
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

  test('[ASVS 7.2.4] the password given for a change of address counts for that change alone: the session is not a fresh one after it', async () => {
    const person = await signedInPerson()
    await ageSessions(person.email, 301)
    const change = { currentPassword: PASSWORD, email: newAddress() }
    expect((await person.browser.send('account', 'PATCH', change)).status).toBe(200)
    const answer = await person.browser.send('sessions?others=true', 'DELETE')
    expect([answer.status, answer.body.code]).toEqual([403, 'reauthentication-required'])
  })
})

describe('where they count', () => {
  test('[RFC 9700 4.3.2] in a query neither counts', async () => {
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

  test('[ASVS 11.2.5] whatever is wrong with a session cookie, the answer is the same', async () => {
    const person = await signedInPerson()
    const { body } = await person.browser.send('refresh', 'POST', {})
    const token = tokenOf(person.browser)
    const wrong = [
      'garbage',
      `${token.slice(0, -2)}${token.endsWith('AA') ? 'QQ' : 'AA'}`,
      `${token.startsWith('A') ? 'B' : 'A'}${token.slice(1)}`,
      token.slice(0, -4),
      `${token}AAAA`,
      sealMailToken('reset-mail', { id: newId(), expiresAt: expiryIn(60) }),
      sealRegistration(newId()),
      body.accessToken,
      sealRefreshToken({ family: randomBytes(32), generation: 0 }),
    ]
    for (const [target, method, asked] of GUARDED) {
      const answers = []
      for (const value of wrong) {
        answers.push(seen(await browserWith(value).send(target, method, asked, { 'x-vercel-id': 'same' })))
      }
      for (const answer of answers) expect(answer).toEqual(answers[0])
      expect(answers[0]?.status).toBe(401)
    }
  })
})

describe('when they are over', () => {
  test('[ASVS 7.3.1] [ASVS 10.4.9] [RFC 9700 4.14.2] unused for the idle time, and not a minute before', async () => {
    const person = await signedInPerson()
    await ageSessions(person.email, SESSION_IDLE_SECONDS - 60)
    const { status, body } = await browserWith(tokenOf(person.browser)).send('account', 'GET')
    expect([status, body.user?.email]).toEqual([200, person.email])
    const { body: session } = await person.browser.send('refresh', 'POST', {})
    await ageSessions(person.email, SESSION_IDLE_SECONDS + 1)
    await expectNothingOpens(tokenOf(person.browser), session.accessToken)
    expect((await person.browser.send('refresh', 'POST', {})).body.code).toBe('session-ended')
    expect((await signIn(person.browser, person.email)).status).toBe(200)
  })

  test('[ASVS 7.3.2] [ASVS 10.4.8] [BBA 6.3.2.3] at the absolute end, however busily it is turned; the cookie never promises more', async () => {
    const person = await signedInPerson()
    const stepSeconds = 3 * DAY_SECONDS
    const ages: number[] = []
    let last: Answer | undefined
    for (let age = stepSeconds; age < SESSION_LIFETIME_SECONDS; age += stepSeconds) {
      await ageSessions(person.email, stepSeconds)
      last = await person.browser.send('refresh', 'POST', {})
      expect(last.status).toBe(200)
      ages.push(parseSetCookie(last.setCookies[0] ?? '').maxAge ?? Number.NaN)
      const [session] = await query(
        `SELECT extract(epoch FROM ends_at - created_at)::int AS life, expires_at <= ends_at AS within FROM sessions
         WHERE user_id = (SELECT id FROM users WHERE email = $1)`,
        person.email,
      )
      expect(session).toEqual({ life: SESSION_LIFETIME_SECONDS, within: true })
    }
    expect(ages).toHaveLength(9)
    for (const [index, maxAge] of ages.entries()) {
      const left = Math.min(SESSION_IDLE_SECONDS, SESSION_LIFETIME_SECONDS - (index + 1) * stepSeconds)
      expect(maxAge).toBeLessThanOrEqual(left)
      expect(maxAge).toBeGreaterThan(left - 60)
    }
    await ageSessions(person.email, stepSeconds)
    await expectNothingOpens(tokenOf(person.browser), last?.body.accessToken)
    expect((await person.browser.send('refresh', 'POST', {})).body.code).toBe('session-ended')
  })

  test('[ASVS 7.4.1] [ASVS 10.4.9] after a logout, the unexpired access token included', async () => {
    const person = await signedInPerson()
    const { body } = await person.browser.send('refresh', 'POST', {})
    const token = tokenOf(person.browser)
    expect((await newBrowser().send('account', 'GET', undefined, bearer(body.accessToken))).status).toBe(200)
    expect((await person.browser.send('logout', 'POST', {})).status).toBe(204)
    await expectNothingOpens(token, body.accessToken)
  })

  test('[RFC 9700 2.2.2] [RFC 9700 4.14.2] [ASVS 10.4.5] five turns later the first one ends the newest, the access token with it', async () => {
    const person = await signedInPerson()
    const tokens = [tokenOf(person.browser)]
    let accessToken = ''
    for (let turn = 0; turn < 5; turn += 1) {
      await ageSessions(person.email, TURN_WINDOW_SECONDS + 1)
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
