/** The session's state machine (drizzle/functions/rotate_session.sql), over HTTP. */
import { randomBytes } from 'node:crypto'
import { parseSetCookie } from 'cookie'
import { decodeJwt } from 'jose'
import { describe, expect, test } from 'vitest'
import { lifetimeSeconds, maximum } from '../../lib/limits.ts'
import { hashFamily, verifyRefreshToken, signRefreshToken } from '../../lib/crypto/refresh-token.ts'
import { newBrowser, type Received, type Browser } from '../support/browser.ts'
import { ageSessions, query } from '../support/database.ts'
import { emailKindsTo, isSignedIn, PASSWORD, signedInPerson, type Person } from '../support/people.ts'
import { gateway } from '../support/setup-stack.ts'

const INTERVAL_SECONDS = lifetimeSeconds.reuseInterval

const IPHONE =
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1'
/** The tests' browsers are Firefox on Linux, too, of another version. */
const UPDATED_FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:141.0) Gecko/20100101 Firefox/141.0'

const tokenOf = (browser: Browser) => browser.cookies.get('__Host-session') ?? ''

function browserWith(token: string): Browser {
  const browser = newBrowser()
  browser.cookies.set('__Host-session', token)
  return browser
}

function refreshWith(token: string, userAgent?: string): Promise<Received> {
  const headers: Record<string, string> = userAgent === undefined ? {} : { 'user-agent': userAgent }
  return browserWith(token).send('refresh', 'POST', {}, headers)
}

function newTokenIn(response: Received): string | undefined {
  return response.setCookies.map((text) => parseSetCookie(text)).find(({ name }) => name === '__Host-session')
    ?.value
}

async function sessionOf(person: Person) {
  const [session] = await query(
    'SELECT *, xmin FROM sessions WHERE user_id = (SELECT id FROM users WHERE email = $1)',
    person.email,
  )
  return session
}

async function eventsOf(person: Person, kind: string) {
  return query(
    'SELECT user_id, session_id, ip, detail FROM events WHERE kind = $1 AND session_id = $2 ORDER BY id',
    kind,
    (await sessionOf(person)).id,
  )
}

const letIntervalPass = (person: Person) => ageSessions(person.email, INTERVAL_SECONDS + 1)

/** Rotates once and loses the response: the browser's token is a step behind one that was never presented. */
async function loseRotation(person: Person): Promise<{ presented: string; lost: string }> {
  const presented = tokenOf(person.browser)
  await letIntervalPass(person)
  const lost = newTokenIn(await refreshWith(presented))
  if (lost === undefined || lost === presented) throw new Error('the session did not rotate')
  await letIntervalPass(person)
  return { presented, lost }
}

function expectEnded(response: Received): void {
  expect([response.status, response.body.code]).toEqual([401, 'session-ended'])
  expect(response.setCookies).toEqual([
    '__Host-session=; Max-Age=0; Path=/; HttpOnly; Secure; SameSite=Lax',
    'signed-in=; Max-Age=0; Path=/; Secure; SameSite=Lax',
  ])
}

/** The session is revoked for reuse, with one event, and its owner is emailed once. */
async function expectReuse(person: Person, detail: object): Promise<void> {
  const session = await sessionOf(person)
  expect([session.revoked_at, session.revocation_reason]).toEqual([expect.any(Date), 'reuse'])
  expect(await eventsOf(person, 'refresh-token-reused')).toEqual([
    { user_id: session.user_id, session_id: session.id, ip: expect.any(String), detail },
  ])
  expect(await emailKindsTo(person.email)).toEqual(['confirm-registration', 'refresh-token-reused'])
}

async function expectNothingRevoked(person: Person): Promise<void> {
  expect(await sessionOf(person)).toMatchObject({ revoked_at: null, revocation_reason: null })
  expect(await eventsOf(person, 'refresh-token-reused')).toEqual([])
}

describe('the current token', () => {
  test('rotated more than 30 s ago, it rotates: the counter rises, unconfirmed, and the idle expiry is renewed', async () => {
    const person = await signedInPerson()
    await ageSessions(person.email, 1000)
    const before = await sessionOf(person)
    const response = await person.browser.send('refresh', 'POST', {})
    expect(response.status).toBe(200)
    expect(verifyRefreshToken(newTokenIn(response))?.counter).toBe(1)
    const after = await sessionOf(person)
    expect([after.counter, after.confirmed]).toEqual(['1', false])
    expect(after.absolute_expires_at).toEqual(before.absolute_expires_at)
    expect(after.idle_expires_at - after.rotated_at).toBe(lifetimeSeconds.sessionIdle * 1000)
  })

  test('rotated within 30 s, it stays: the same token again, which is confirmed by that', async () => {
    const person = await signedInPerson()
    const token = tokenOf(person.browser)
    expect((await sessionOf(person)).confirmed).toBe(false)
    expect(newTokenIn(await refreshWith(token))).toBe(token)
    expect((await sessionOf(person)).confirmed).toBe(true)
    await ageSessions(person.email, INTERVAL_SECONDS - 5)
    expect(newTokenIn(await refreshWith(token))).toBe(token)
    expect((await sessionOf(person)).counter).toBe('0')
  })

  test('a rotation records the browser, the system and the network that it came from', async () => {
    const person = await signedInPerson()
    const before = await sessionOf(person)
    expect([before.client, before.last_client]).toEqual(['Firefox on Linux', 'Firefox on Linux'])
    await letIntervalPass(person)
    const headers = { 'user-agent': IPHONE, 'x-real-ip': '203.0.113.9' }
    expect((await person.browser.send('refresh', 'POST', {}, headers)).status).toBe(200)
    expect(await sessionOf(person)).toMatchObject({
      client: 'Firefox on Linux',
      ip: before.ip,
      last_client: 'Safari on iPhone',
      last_ip: '203.0.113.9',
    })
  })

  test('[ASVS 10.4.8] no rotation carries a session past its absolute expiry', async () => {
    const person = await signedInPerson()
    await query(
      `UPDATE sessions SET absolute_expires_at = now() + interval '1 hour', rotated_at = now() - interval '1 hour'
       WHERE id = $1`,
      (await sessionOf(person)).id,
    )
    const response = await person.browser.send('refresh', 'POST', {})
    const maxAge = parseSetCookie(response.setCookies[0] ?? '').maxAge ?? Number.NaN
    expect(maxAge).toBeLessThanOrEqual(3600)
    expect(maxAge).toBeGreaterThan(3500)
    const session = await sessionOf(person)
    expect(session.idle_expires_at).toEqual(session.absolute_expires_at)
    expect(Date.parse(response.body.session.absoluteExpiresAt)).toBe(session.absolute_expires_at.getTime())
  })

  test('[ASVS 15.4.2] of 40 parallel refreshes with one token, all get the one successor', async () => {
    const person = await signedInPerson()
    const { family = randomBytes(32) } = verifyRefreshToken(tokenOf(person.browser)) ?? {}
    for (let round = 0; round < 10; round += 1) {
      await letIntervalPass(person)
      await query('DELETE FROM rate_limits')
      const current = Number((await sessionOf(person)).counter)
      const presented = signRefreshToken({ family, counter: current })
      const responses = await Promise.all(Array.from({ length: 40 }, () => refreshWith(presented)))
      expect(new Set(responses.map((response) => response.status))).toEqual(new Set([200]))
      const successors = new Set(responses.map(newTokenIn))
      expect(successors.size).toBe(1)
      expect(verifyRefreshToken([...successors][0])?.counter).toBe(current + 1)
      expect((await sessionOf(person)).counter).toBe(String(current + 1))
    }
  })
})

describe('its predecessor within 30 s of the rotation', () => {
  test('from the same browser and system, it gets the very same successor: a second tab, a retry', async () => {
    const person = await signedInPerson()
    const token = tokenOf(person.browser)
    await letIntervalPass(person)
    const successor = newTokenIn(await refreshWith(token))
    expect(successor).not.toBe(token)
    await ageSessions(person.email, INTERVAL_SECONDS - 5)
    const again = await refreshWith(token, UPDATED_FIREFOX)
    expect([again.status, newTokenIn(again)]).toEqual([200, successor])
    expect((await sessionOf(person)).counter).toBe('1')
    expect(await eventsOf(person, 'session-recovered')).toEqual([])
  })

  test('also when the successor was presented already', async () => {
    const person = await signedInPerson()
    const token = tokenOf(person.browser)
    await letIntervalPass(person)
    const successor = newTokenIn(await refreshWith(token))
    expect(newTokenIn(await refreshWith(successor ?? ''))).toBe(successor)
    expect(newTokenIn(await refreshWith(token))).toBe(successor)
    await expectNothingRevoked(person)
  })

  test('from another browser or system, it is refused with an event: no successor, and nothing is revoked or cleared', async () => {
    const person = await signedInPerson()
    const token = tokenOf(person.browser)
    await letIntervalPass(person)
    const successor = newTokenIn(await refreshWith(token))
    const before = await sessionOf(person)
    const refused = await refreshWith(token, IPHONE)
    expect([refused.status, refused.body.code, refused.setCookies]).toEqual([401, 'refresh-required', []])
    expect(JSON.stringify(refused.body)).not.toContain('accessToken')
    expect(await sessionOf(person)).toEqual(before)
    expect((await eventsOf(person, 'refresh-refused')).map(({ detail }) => detail)).toEqual([
      { client: 'Safari on iPhone' },
    ])
    await expectNothingRevoked(person)
    expect(newTokenIn(await refreshWith(successor ?? ''))).toBe(successor)
  })

  test('what was refused for its browser is answered after the interval, by the rule for lost responses', async () => {
    const person = await signedInPerson()
    const token = tokenOf(person.browser)
    await letIntervalPass(person)
    const successor = newTokenIn(await refreshWith(token))
    expect((await refreshWith(token, IPHONE)).status).toBe(401)
    await letIntervalPass(person)
    const response = await refreshWith(token, IPHONE)
    expect([response.status, newTokenIn(response)]).toEqual([200, successor])
    expect(await sessionOf(person)).toMatchObject({ last_client: 'Safari on iPhone' })
  })
})

describe('its predecessor later than 30 s after the rotation', () => {
  test('while the successor was never presented, it recovers it, with an event: a response was lost, or a laptop was closed', async () => {
    const person = await signedInPerson()
    const { presented, lost } = await loseRotation(person)
    const response = await refreshWith(presented)
    expect([response.status, newTokenIn(response)]).toEqual([200, lost])
    const session = await sessionOf(person)
    expect([session.counter, session.recovered_counter, session.recovered_in_a_row]).toEqual(['1', '1', 1])
    expect((await eventsOf(person, 'session-recovered')).map(({ detail }) => detail)).toEqual([
      { counter: 1 },
    ])
    expect(await emailKindsTo(person.email)).toEqual(['confirm-registration'])
    await expectNothingRevoked(person)
    expect(newTokenIn(await refreshWith(lost))).not.toBe(undefined)
  })

  test('to recover the same counter again costs nothing, days later or by ten requests at once', async () => {
    const person = await signedInPerson()
    const { presented, lost } = await loseRotation(person)
    await refreshWith(presented)
    await ageSessions(person.email, 3 * 86_400)
    const responses = await Promise.all(Array.from({ length: 10 }, () => refreshWith(presented)))
    expect(new Set(responses.map(newTokenIn))).toEqual(new Set([lost]))
    expect((await sessionOf(person)).recovered_in_a_row).toBe(1)
    expect(await eventsOf(person, 'session-recovered')).toHaveLength(1)
    await expectNothingRevoked(person)
  })

  test('two different counters in a row may be recovered', async () => {
    const person = await signedInPerson()
    for (let recovery = 1; recovery <= maximum.recoveriesInARow; recovery += 1) {
      const { presented, lost } = await loseRotation(person)
      expect(newTokenIn(await person.browser.send('refresh', 'POST', {}))).toBe(lost)
      expect(presented).not.toBe(lost)
      expect((await sessionOf(person)).recovered_in_a_row).toBe(recovery)
    }
    await expectNothingRevoked(person)
    expect(await isSignedIn(person.browser)).toBe(true)
  })

  test('[RFC 9700 4.14.2] the third different counter recovered in a row is reuse: that finds a thief who polls at every interval', async () => {
    const person = await signedInPerson()
    const thief = browserWith(tokenOf(person.browser))
    for (let round = 1; round <= maximum.recoveriesInARow; round += 1) {
      await letIntervalPass(person)
      expect(await isSignedIn(thief)).toBe(true)
      await letIntervalPass(person)
      expect(await isSignedIn(person.browser), `recovery ${round}`).toBe(true)
    }
    await letIntervalPass(person)
    expect(await isSignedIn(thief)).toBe(true)
    await letIntervalPass(person)
    expectEnded(await person.browser.send('refresh', 'POST', {}))
    await expectReuse(person, { presented: 2, current: 3 })
    expectEnded(await thief.send('refresh', 'POST', {}))
  })

  test('a rotation that needed no recovery starts the count over', async () => {
    const person = await signedInPerson()
    for (let round = 0; round < 4; round += 1) {
      const { lost } = await loseRotation(person)
      expect(newTokenIn(await person.browser.send('refresh', 'POST', {}))).toBe(lost)
      expect((await sessionOf(person)).recovered_in_a_row).toBe(1)
      for (let rotation = 0; rotation < 2; rotation += 1) {
        await letIntervalPass(person)
        expect(await isSignedIn(person.browser)).toBe(true)
      }
      expect((await sessionOf(person)).recovered_in_a_row).toBe(0)
    }
    await expectNothingRevoked(person)
  })

  test('[ASVS 10.4.5] once the successor was presented, it is reuse: the session is revoked and its owner is emailed', async () => {
    const person = await signedInPerson()
    const { presented, lost } = await loseRotation(person)
    await query('UPDATE sessions SET rotated_at = now()')
    expect(newTokenIn(await refreshWith(lost))).toBe(lost)
    await letIntervalPass(person)
    expectEnded(await refreshWith(presented))
    await expectReuse(person, { presented: 0, current: 1 })
    expectEnded(await refreshWith(lost))
  })

  test('after a recovery, too', async () => {
    const person = await signedInPerson()
    const { presented, lost } = await loseRotation(person)
    await refreshWith(presented)
    expect((await browserWith(lost).send('account', 'GET')).status).toBe(200)
    await letIntervalPass(person)
    expectEnded(await refreshWith(presented))
    await expectReuse(person, { presented: 0, current: 1 })
  })
})

describe('an older token', () => {
  test('[RFC 9700 4.14.2] two rotations behind, it is reuse even within 30 s', async () => {
    const person = await signedInPerson()
    const first = tokenOf(person.browser)
    for (let rotation = 0; rotation < 2; rotation += 1) {
      await letIntervalPass(person)
      await person.browser.send('refresh', 'POST', {})
    }
    expectEnded(await refreshWith(first))
    await expectReuse(person, { presented: 0, current: 2 })
    expectEnded(await person.browser.send('refresh', 'POST', {}))
  })

  test('reuse has one event and one email, however often the token comes back', async () => {
    const person = await signedInPerson()
    const first = tokenOf(person.browser)
    await query('UPDATE sessions SET counter = 5 WHERE id = $1', (await sessionOf(person)).id)
    await Promise.all(Array.from({ length: 10 }, () => refreshWith(first)))
    expectEnded(await refreshWith(first))
    await expectReuse(person, { presented: 0, current: 5 })
  })

  test('also by two requests of one transaction, in which there is one now()', async () => {
    const person = await signedInPerson()
    const { family = randomBytes(32) } = verifyRefreshToken(tokenOf(person.browser)) ?? {}
    await query('UPDATE sessions SET counter = 5 WHERE id = $1', (await sessionOf(person)).id)
    const rows = await query(
      `SELECT latchkey.rotate_session(p_family_hash => $1, p_presented => 0,
         p_request => '{"ip": "10.0.0.1"}')->>'kind' AS kind
       FROM generate_series(1, 2)`,
      hashFamily(family),
    )
    expect(rows.map(({ kind }) => kind)).toEqual(['reused', 'ended'])
    await expectReuse(person, { presented: 0, current: 5 })
  })

  test('a counter that the session has not reached is refused and revokes nothing', async () => {
    const person = await signedInPerson()
    const { family = randomBytes(32) } = verifyRefreshToken(tokenOf(person.browser)) ?? {}
    for (const counter of [1, 2, 0xffffffff]) {
      expectEnded(await refreshWith(signRefreshToken({ family, counter })))
    }
    await expectNothingRevoked(person)
    expect(await isSignedIn(person.browser)).toBe(true)
  })
})

describe('a session that has ended', () => {
  test('an unknown family is refused', async () => {
    expectEnded(await refreshWith(signRefreshToken({ family: randomBytes(32), counter: 0 })))
  })

  test.each([
    [
      'revoked',
      "UPDATE sessions SET revoked_at = now() - interval '31 seconds', revocation_reason = 'logout' WHERE id = $1",
    ],
    ['idle for 7 days', 'UPDATE sessions SET idle_expires_at = now() WHERE id = $1'],
    [
      'of a disabled account',
      'UPDATE users SET disabled_at = now() WHERE id = (SELECT user_id FROM sessions WHERE id = $1)',
    ],
    ['of a deleted account', 'DELETE FROM users WHERE id = (SELECT user_id FROM sessions WHERE id = $1)'],
  ])('[ASVS 7.4.2] a session %s is not refreshed, and its cookies go', async (_, statement) => {
    const person = await signedInPerson()
    await query(statement, (await sessionOf(person)).id)
    expectEnded(await person.browser.send('refresh', 'POST', {}))
    expect([...person.browser.cookies.keys()]).toEqual(['__Host-device'])
  })

  test('a refresh that lost a race against a logout or a login clears nothing: the cookie may be newer by now', async () => {
    const person = await signedInPerson()
    const token = tokenOf(person.browser)
    await person.browser.send('login', 'POST', { email: person.email, password: PASSWORD })
    const late = await refreshWith(token)
    expect([late.status, late.body.code, late.setCookies]).toEqual([401, 'session-ended', []])
    expect(await isSignedIn(person.browser)).toBe(true)
  })
})

describe('presenting the cookie to anything but refresh', () => {
  const READS = ['account', 'sessions'] as const

  test.each(READS)('GET %s never rotates, however old the token is', async (read) => {
    const person = await signedInPerson()
    await ageSessions(person.email, 86_400)
    const token = tokenOf(person.browser)
    const response = await person.browser.send(read, 'GET')
    expect([response.status, response.setCookies]).toEqual([200, []])
    expect((await sessionOf(person)).counter).toBe('0')
    expect(tokenOf(person.browser)).toBe(token)
  })

  test.each(READS)('GET %s confirms the current token, with one write a rotation', async (read) => {
    const person = await signedInPerson()
    await letIntervalPass(person)
    await person.browser.send('refresh', 'POST', {})
    expect((await sessionOf(person)).confirmed).toBe(false)
    expect((await person.browser.send(read, 'GET')).status).toBe(200)
    const { confirmed, xmin } = await sessionOf(person)
    expect(confirmed).toBe(true)
    for (let again = 0; again < 3; again += 1) await person.browser.send(read, 'GET')
    expect((await sessionOf(person)).xmin).toBe(xmin)
  })

  test.each(READS)('after GET %s with the successor, its predecessor is reuse', async (read) => {
    const person = await signedInPerson()
    const { presented, lost } = await loseRotation(person)
    expect((await browserWith(lost).send(read, 'GET')).status).toBe(200)
    expectEnded(await refreshWith(presented))
    await expectReuse(person, { presented: 0, current: 1 })
  })

  test.each(READS)('GET %s takes the predecessor within 30 s, and confirms nothing by it', async (read) => {
    const person = await signedInPerson()
    const token = tokenOf(person.browser)
    await letIntervalPass(person)
    await refreshWith(token)
    expect((await browserWith(token).send(read, 'GET')).status).toBe(200)
    expect((await sessionOf(person)).confirmed).toBe(false)
  })

  test.each(READS)(
    'GET %s with the predecessor, late and unconfirmed: refresh-required, and a refresh settles it',
    async (read) => {
      const person = await signedInPerson()
      const { presented, lost } = await loseRotation(person)
      const browser = browserWith(presented)
      const before = await sessionOf(person)
      for (let again = 0; again < 3; again += 1) {
        const response = await browser.send(read, 'GET')
        expect([response.status, response.body.code, response.setCookies]).toEqual([
          401,
          'refresh-required',
          [],
        ])
      }
      expect(await sessionOf(person)).toEqual(before)
      expect((await browser.send('refresh', 'POST', {})).status).toBe(200)
      expect(tokenOf(browser)).toBe(lost)
      expect((await browser.send(read, 'GET')).status).toBe(200)
    },
  )

  test.each(READS)(
    'GET %s with the predecessor, late and confirmed, or with an older one: 401, and nothing is revoked',
    async (read) => {
      const person = await signedInPerson()
      const { presented, lost } = await loseRotation(person)
      await browserWith(lost).send('account', 'GET')
      expect((await browserWith(presented).send(read, 'GET')).body.code).toBe('unauthorized')
      expect(newTokenIn(await refreshWith(lost))).toBeDefined()
      expect((await browserWith(presented).send(read, 'GET')).body.code).toBe('unauthorized')
      await expectNothingRevoked(person)
    },
  )

  test.each([
    ['PATCH', { currentPassword: PASSWORD, newPassword: 'a password for later on' }],
    ['PATCH', { email: 'somebody@example.org' }],
    ['DELETE', undefined],
  ] as const)(
    '%s account with the predecessor, late and unconfirmed: refresh-required, and nothing is done',
    async (method, body) => {
      const person = await signedInPerson()
      const { presented } = await loseRotation(person)
      await query('UPDATE sessions SET authenticated_at = now()')
      const response = await browserWith(presented).send('account', method, body)
      expect([response.status, response.body.code, response.setCookies]).toEqual([
        401,
        'refresh-required',
        [],
      ])
      await expectNothingRevoked(person)
    },
  )

  test('an access token confirms nothing', async () => {
    const person = await signedInPerson()
    await letIntervalPass(person)
    const { body } = await person.browser.send('refresh', 'POST', {})
    const headers = { authorization: `Bearer ${body.accessToken}` }
    expect((await newBrowser().send('account', 'GET', undefined, headers)).status).toBe(200)
    expect((await sessionOf(person)).confirmed).toBe(false)
  })
})

describe('the response of a refresh', () => {
  test('the access token names the account, the session and the role as they are now', async () => {
    const person = await signedInPerson()
    await query("UPDATE users SET role = 'admin' WHERE email = $1", person.email)
    const { body } = await person.browser.send('refresh', 'POST', {})
    expect(body.user.role).toBe('admin')
    expect(decodeJwt(body.accessToken)).toMatchObject({
      sub: body.user.id,
      sid: body.session.id,
      role: 'admin',
    })
  })

  test('garbage is refused without a database call', async () => {
    gateway.requests.length = 0
    for (const token of ['', 'x', 'A'.repeat(91), 'A'.repeat(10_000), '%00', '"; DROP TABLE sessions']) {
      expectEnded(await refreshWith(token))
    }
    const nobody = await newBrowser().send('refresh', 'POST', {})
    expect([nobody.status, nobody.body.code, nobody.setCookies]).toEqual([401, 'session-ended', []])
    const withOnlyTheHint = newBrowser()
    withOnlyTheHint.cookies.set('signed-in', '1')
    expectEnded(await withOnlyTheHint.send('refresh', 'POST', {}))
    expect(gateway.requests).toHaveLength(0)
  })

  test('[CS Session Management] the token counts in its cookie only: not in the body, the query or a header', async () => {
    const person = await signedInPerson()
    const token = tokenOf(person.browser)
    const bare = newBrowser()
    expect((await bare.send('refresh', 'POST', { refreshToken: token })).status).toBe(422)
    expect((await bare.send('refresh', 'POST', {}, { authorization: `Bearer ${token}` })).status).toBe(401)
    expect((await bare.send('refresh', 'POST', {}, { 'x-session': token })).status).toBe(401)
  })
})
