import { expect, describe, test } from 'vitest'
import { lifetimeSeconds } from '../../lib/limits.ts'
import { requireRole, requireSession, requireUser } from '../../lib/guards.ts'
import { newBrowser, type Browser } from '../support/browser.ts'
import { ageSessions, query } from '../support/database.ts'
import { isSignedIn, PASSWORD, signedInPerson, type Person } from '../support/people.ts'
import { APP_ORIGIN } from '../support/setup-environment.ts'
import { gateway } from '../support/setup-stack.ts'

/** A function of the app, as the guards' documentation has it. */
const hello = {
  async fetch(request: Request): Promise<Response> {
    const guard = await requireSession(request)
    if (guard.kind === 'refused') return guard.response
    return Response.json({ hello: guard.user.email })
  },
}

function appRequest(browser: Browser | undefined, init: RequestInit = {}): Request {
  const headers = new Headers(init.headers)
  if (browser)
    headers.set('cookie', [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; '))
  return new Request(`${APP_ORIGIN}/api/hello`, { ...init, headers })
}

const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } })

describe('requireSession', () => {
  test('it lets in by cookie or bearer, in one round trip', async () => {
    const person = await signedInPerson()
    const { body } = await person.browser.send('refresh', 'POST', {})
    gateway.requests.length = 0
    const byCookie = await hello.fetch(appRequest(person.browser))
    const byBearer = await hello.fetch(appRequest(undefined, bearer(body.accessToken)))
    expect([await byCookie.json(), await byBearer.json()]).toEqual([
      { hello: person.email },
      { hello: person.email },
    ])
    expect(gateway.requests).toHaveLength(2)
  })

  test('[RFC 9110 15.5.2] nobody, garbage and a bad bearer beside a good cookie are refused', async () => {
    const person = await signedInPerson()
    const requests = [
      appRequest(undefined),
      appRequest(undefined, bearer('x')),
      appRequest(person.browser, bearer('x.y.z')),
      appRequest(person.browser, { headers: { authorization: 'Basic eDp5' } }),
    ]
    for (const request of requests) {
      const response = await hello.fetch(request)
      expect([response.status, response.headers.get('www-authenticate')]).toEqual([401, 'Bearer'])
    }
  })

  test('[ASVS 7.4.2] it refuses a revoked session and a disabled or deleted account at once, by cookie and by bearer', async () => {
    for (const statement of [
      'UPDATE sessions SET revoked_at = now() WHERE user_id = $1',
      'UPDATE users SET disabled_at = now() WHERE id = $1',
      'DELETE FROM users WHERE id = $1',
    ]) {
      const person = await signedInPerson()
      const { body } = await person.browser.send('refresh', 'POST', {})
      await query(statement, body.user.id)
      expect((await hello.fetch(appRequest(person.browser))).status).toBe(401)
      expect((await hello.fetch(appRequest(undefined, bearer(body.accessToken)))).status).toBe(401)
    }
  })

  /** A browser with the session's token before its last rotation. */
  async function browserBehind(person: Person): Promise<Browser> {
    const behind = newBrowser()
    behind.cookies.set('__Host-session', person.browser.cookies.get('__Host-session') ?? '')
    await ageSessions(person.email, 60)
    await person.browser.send('refresh', 'POST', {})
    return behind
  }

  const refusalOf = async (browser: Browser) => {
    const guard = await requireSession(appRequest(browser))
    return guard.kind === 'refused' ? ((await guard.response.json()) as { code: string }).code : guard.kind
  }

  test('it never rotates a session, however old the token is', async () => {
    const person = await signedInPerson()
    await ageSessions(person.email, 86_400)
    expect((await hello.fetch(appRequest(person.browser))).status).toBe(200)
    expect(
      await query(
        'SELECT counter FROM sessions WHERE user_id = (SELECT id FROM users WHERE email = $1)',
        person.email,
      ),
    ).toEqual([{ counter: '0' }])
  })

  test('it takes the predecessor of the current token for 30 s', async () => {
    const person = await signedInPerson()
    const behind = await browserBehind(person)
    expect(await refusalOf(behind)).toBe('signed-in')
  })

  test('later, and while the current token was never presented, it answers refresh-required and revokes nothing: a refresh settles it', async () => {
    const person = await signedInPerson()
    const behind = await browserBehind(person)
    await ageSessions(person.email, 60)
    expect(await refusalOf(behind)).toBe('refresh-required')
    expect(await refusalOf(behind)).toBe('refresh-required')
    expect(await isSignedIn(behind)).toBe(true)
    expect(await refusalOf(behind)).toBe('signed-in')
  })

  test('once the current token was presented, to the guard too, it refuses the predecessor and revokes nothing', async () => {
    const person = await signedInPerson()
    const behind = await browserBehind(person)
    expect(await refusalOf(person.browser)).toBe('signed-in')
    await ageSessions(person.email, 60)
    expect(await refusalOf(behind)).toBe('unauthorized')
    expect(await refusalOf(person.browser)).toBe('signed-in')
  })

  test('it says until when the session lasts, and whether it was authenticated within 5 minutes', async () => {
    const person = await signedInPerson()
    const session = async () => {
      const guard = await requireSession(appRequest(person.browser))
      if (guard.kind === 'refused') throw new Error('refused')
      return guard.session
    }
    const { body } = await person.browser.send('refresh', 'POST', {})
    expect(await session()).toEqual({
      id: body.session.id,
      absoluteExpiresAt: new Date(body.session.absoluteExpiresAt),
      steppedUp: true,
    })
    await ageSessions(person.email, lifetimeSeconds.stepUp + 1)
    expect((await session()).steppedUp).toBe(false)
    const again = { email: person.email, password: PASSWORD, reauthenticate: true }
    await person.browser.send('login', 'POST', again)
    expect((await session()).steppedUp).toBe(true)
  })

  test('where the account has a second factor, a session without it is never stepped up', async () => {
    const person = await signedInPerson()
    await query('UPDATE users SET second_factor_at = now() WHERE email = $1', person.email)
    for (const [method, steppedUp] of [
      ['password', false],
      ['email', false],
      ['password+totp', true],
      ['passkey', true],
    ]) {
      await query('UPDATE sessions SET method = $1', method)
      const guard = await requireSession(appRequest(person.browser))
      expect(guard).toMatchObject({ kind: 'signed-in', session: { steppedUp } })
    }
  })

  test('[ASVS 3.5.1] [CS CSRF] on an unsafe method it applies the origin check', async () => {
    const person = await signedInPerson()
    const post = (headers: Record<string, string>) =>
      hello.fetch(appRequest(person.browser, { method: 'POST', headers }))
    expect((await post({ origin: 'https://evil.example' })).status).toBe(403)
    expect((await post({ 'sec-fetch-site': 'cross-site' })).status).toBe(403)
    expect((await post({ origin: APP_ORIGIN, 'sec-fetch-site': 'same-origin' })).status).toBe(200)
    expect(
      (await hello.fetch(appRequest(person.browser, { headers: { 'sec-fetch-site': 'cross-site' } }))).status,
    ).toBe(200)
  })

  test('with the database away it refuses with 503', async () => {
    const person = await signedInPerson()
    gateway.fault = () => ({ kind: 'refuse' })
    const response = await hello.fetch(appRequest(person.browser))
    gateway.fault = undefined
    expect([response.status, response.headers.has('retry-after')]).toEqual([503, true])
  })
})

describe('requireUser', () => {
  test('[RFC 9700 4.3.2] it goes by the bearer token only, without a round trip', async () => {
    const person = await signedInPerson()
    const { body } = await person.browser.send('refresh', 'POST', {})
    gateway.requests.length = 0
    expect(await requireUser(appRequest(undefined, bearer(body.accessToken)))).toEqual({
      kind: 'signed-in',
      user: { id: body.user.id, role: 'user' },
      session: { id: body.session.id },
    })
    expect((await requireUser(appRequest(person.browser))).kind).toBe('refused')
    expect((await requireUser(new Request(`${APP_ORIGIN}/?access_token=${body.accessToken}`))).kind).toBe(
      'refused',
    )
    expect(gateway.requests).toHaveLength(0)
  })
})

describe('requireRole', () => {
  const roleOf = async (browser: Browser | undefined, init: RequestInit = {}) => {
    const guard = await requireRole(appRequest(browser, init), 'admin', 'editor')
    return guard.kind === 'refused' ? guard.response.status : guard.user.role
  }

  test('[ASVS 8.2.1] it goes by the role that the account has now, whatever an older access token says', async () => {
    const person = await signedInPerson()
    expect(await roleOf(undefined)).toBe(401)
    expect(await roleOf(person.browser)).toBe(403)
    await query("UPDATE users SET role = 'editor' WHERE email = $1", person.email)
    const { body } = await person.browser.send('refresh', 'POST', {})
    expect(await roleOf(person.browser)).toBe('editor')
    await query("UPDATE users SET role = 'user' WHERE email = $1", person.email)
    expect(await roleOf(undefined, bearer(body.accessToken))).toBe(403)
  })

  test('the refusal says what is missing', async () => {
    const { browser } = await signedInPerson()
    const guard = await requireRole(appRequest(browser), 'admin')
    if (guard.kind !== 'refused') throw new Error('let in')
    expect(await guard.response.json()).toMatchObject({ status: 403, code: 'role-required' })
  })
})
