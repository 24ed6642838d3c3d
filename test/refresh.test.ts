import { randomBytes } from 'node:crypto'
import { parseSetCookie } from 'cookie'
import { decodeJwt } from 'jose'
import { Client } from 'pg'
import { describe, expect, test } from 'vitest'
import { openRefreshToken, sealRefreshToken } from '../lib/refresh-token.ts'
import { newBrowser, type Answer, type Browser } from './browser.ts'
import { ageSessions, query } from './database.ts'
import { mailsTo, newestMailTo, PASSWORD, signedInPerson, type Person } from './people.ts'
import { databaseUrl, gateway } from './setup-stack.ts'

const WINDOW_SECONDS = 30

const tokenOf = (browser: Browser) => browser.cookies.get('__Host-session') ?? ''

function refreshWith(token: string): Promise<Answer> {
  const browser = newBrowser()
  browser.cookies.set('__Host-session', token)
  return browser.send('refresh', 'POST', {})
}

function newTokenIn(answer: Answer): string | undefined {
  return answer.setCookies.map((text) => parseSetCookie(text)).find(({ name }) => name === '__Host-session')
    ?.value
}

async function sessionOf(person: Person) {
  const [session] = await query(
    'SELECT *, now() AS now FROM sessions WHERE user_id = (SELECT id FROM users WHERE email = $1)',
    person.email,
  )
  return session
}

async function expectEnded(answer: Answer): Promise<void> {
  expect([answer.status, answer.body.code]).toEqual([401, 'session-ended'])
  expect(answer.setCookies).toEqual([
    '__Host-session=; Max-Age=0; Path=/; HttpOnly; Secure; SameSite=Lax',
    'signed-in=; Max-Age=0; Path=/; Secure; SameSite=Lax',
  ])
}

describe('rotation', () => {
  test('the current token, turned last more than 30 s ago, turns: the generation rises and the idle end is renewed', async () => {
    const person = await signedInPerson()
    await ageSessions(person.email, 1000)
    const before = await sessionOf(person)
    const answer = await person.browser.send('refresh', 'POST', {})
    expect(answer.status).toBe(200)
    expect(openRefreshToken(newTokenIn(answer))?.generation).toBe(1)
    const after = await sessionOf(person)
    expect(after.generation).toBe('1')
    expect(after.ends_at).toEqual(before.ends_at)
    expect(after.expires_at - after.turned_at).toBe(7 * 24 * 3600 * 1000)
  })

  test('the current token, turned last within 30 s, stays: the same token again', async () => {
    const person = await signedInPerson()
    const token = tokenOf(person.browser)
    expect(newTokenIn(await refreshWith(token))).toBe(token)
    await ageSessions(person.email, WINDOW_SECONDS - 5)
    expect(newTokenIn(await refreshWith(token))).toBe(token)
    expect((await sessionOf(person)).generation).toBe('0')
  })

  test('the token before, within 30 s of the turn, yields the very same successor', async () => {
    const person = await signedInPerson()
    const token = tokenOf(person.browser)
    await ageSessions(person.email, WINDOW_SECONDS + 1)
    const successor = newTokenIn(await refreshWith(token))
    expect(successor).not.toBe(token)
    await ageSessions(person.email, WINDOW_SECONDS - 5)
    const again = await refreshWith(token)
    expect([again.status, newTokenIn(again)]).toEqual([200, successor])
    expect((await sessionOf(person)).generation).toBe('1')
  })

  test('[ASVS 10.4.5] the token before, later than 30 s after the turn, is theft: the family ends, the owner is told', async () => {
    const person = await signedInPerson()
    const token = tokenOf(person.browser)
    await ageSessions(person.email, WINDOW_SECONDS + 1)
    const successor = newTokenIn(await refreshWith(token)) ?? ''
    await ageSessions(person.email, WINDOW_SECONDS + 1)

    await expectEnded(await refreshWith(token))
    await expectEnded(await refreshWith(successor))
    const session = await sessionOf(person)
    expect(session.revoked_because).toBe('theft')
    const events = await query(
      "SELECT user_id, session_id, detail FROM events WHERE kind = 'session-stolen' AND session_id = $1",
      session.id,
    )
    expect(events).toEqual([
      { user_id: session.user_id, session_id: session.id, detail: { presented: 0, current: 1 } },
    ])
    expect((await newestMailTo(person.email)).subject).toBe('A device was signed out of Latchkey')
  })

  test('[RFC 9700 4.14.2] a token two turns old is theft even within the window', async () => {
    const person = await signedInPerson()
    const first = tokenOf(person.browser)
    for (let turn = 0; turn < 2; turn += 1) {
      await ageSessions(person.email, WINDOW_SECONDS + 1)
      await person.browser.send('refresh', 'POST', {})
    }
    await expectEnded(await refreshWith(first))
    await expectEnded(await person.browser.send('refresh', 'POST', {}))
  })

  test('theft is told once, also by two requests that begin in the same microsecond', async () => {
    const person = await signedInPerson()
    const token = tokenOf(person.browser)
    await ageSessions(person.email, 60)
    await person.browser.send('refresh', 'POST', {})
    await ageSessions(person.email, 60)
    // Both tries are lost on their way. Then what the driver made goes twice into one transaction, in which there is one now().
    let body = ''
    gateway.fault = (request) => {
      ;({ body } = request)
      return { kind: 'lose-request' }
    }
    expect((await refreshWith(token)).status).toBe(503)
    gateway.fault = undefined
    const { query: statement, params } = JSON.parse(body)
    const client = new Client({ connectionString: databaseUrl })
    await client.connect()
    await client.query('BEGIN')
    const send = () => client.query<{ mail: unknown }>(statement, params)
    const answers = [await send(), await send()]
    await client.query('COMMIT')
    await client.end()
    expect(answers.map(({ rows }) => rows[0]?.mail !== null)).toEqual([true, false])
    const { id } = await sessionOf(person)
    expect(
      await query("SELECT FROM events WHERE kind = 'session-stolen' AND session_id = $1", id),
    ).toHaveLength(1)
    expect(
      await query("SELECT FROM outbox WHERE kind = 'session-stolen' AND recipient = $1", person.email),
    ).toHaveLength(1)
  })

  test('theft is told once, however often the stolen token comes back', async () => {
    const person = await signedInPerson()
    const first = tokenOf(person.browser)
    await query('UPDATE sessions SET generation = 5 WHERE id = $1', (await sessionOf(person)).id)
    await Promise.all(Array.from({ length: 10 }, () => refreshWith(first)))
    await expectEnded(await refreshWith(first))
    const mails = await mailsTo(person.email)
    expect(mails.filter((mail) => mail.subject === 'A device was signed out of Latchkey')).toHaveLength(1)
    expect(
      await query(
        "SELECT 1 FROM events WHERE kind = 'session-stolen' AND session_id = $1",
        (await sessionOf(person)).id,
      ),
    ).toHaveLength(1)
  })

  test('a generation that the row has not reached is refused and ends nothing', async () => {
    const person = await signedInPerson()
    const { family = randomBytes(32) } = openRefreshToken(tokenOf(person.browser)) ?? {}
    await expectEnded(await refreshWith(sealRefreshToken({ family, generation: 1 })))
    expect((await person.browser.send('refresh', 'POST', {})).status).toBe(200)
  })

  test('an unknown family is refused', async () => {
    await expectEnded(await refreshWith(sealRefreshToken({ family: randomBytes(32), generation: 0 })))
  })

  test.each([
    [
      'revoked',
      "UPDATE sessions SET revoked_at = now() - interval '31 seconds', revoked_because = 'logout' WHERE id = $1",
    ],
    ['idle for 7 days', 'UPDATE sessions SET expires_at = now() WHERE id = $1'],
    [
      'of a disabled user',
      'UPDATE users SET disabled_at = now() WHERE id = (SELECT user_id FROM sessions WHERE id = $1)',
    ],
    ['of a deleted user', 'DELETE FROM users WHERE id = (SELECT user_id FROM sessions WHERE id = $1)'],
  ])('[ASVS 7.4.2] a session %s has ended', async (_, statement) => {
    const person = await signedInPerson()
    await query(statement, (await sessionOf(person)).id)
    await expectEnded(await person.browser.send('refresh', 'POST', {}))
    expect([...person.browser.cookies.keys()]).toEqual(['__Host-known-browser'])
  })

  test('a refresh that lost a race against a logout or a login clears nothing: the newer cookie is not its own', async () => {
    const person = await signedInPerson()
    const token = tokenOf(person.browser)
    await person.browser.send('login', 'POST', { email: person.email, password: PASSWORD })
    const late = await refreshWith(token)
    expect([late.status, late.body.code, late.setCookies]).toEqual([401, 'session-ended', []])
    expect((await person.browser.send('refresh', 'POST', {})).status).toBe(200)
  })

  test('[ASVS 10.4.8] a turn never carries a session past its absolute end', async () => {
    const person = await signedInPerson()
    await query(
      "UPDATE sessions SET ends_at = now() + interval '1 hour', turned_at = now() - interval '1 hour' WHERE id = $1",
      (await sessionOf(person)).id,
    )
    const answer = await person.browser.send('refresh', 'POST', {})
    const maxAge = parseSetCookie(answer.setCookies[0] ?? '').maxAge ?? Number.NaN
    expect(maxAge).toBeLessThanOrEqual(3600)
    expect(maxAge).toBeGreaterThan(3500)
    const session = await sessionOf(person)
    expect(session.expires_at).toEqual(session.ends_at)
    expect(Date.parse(answer.body.session.endsAt)).toBe(session.ends_at.getTime())
  })

  test('[ASVS 15.4.2] of 40 parallel refreshes with one token all get one successor', async () => {
    const person = await signedInPerson()
    const token = tokenOf(person.browser)
    for (let round = 0; round < 10; round += 1) {
      await ageSessions(person.email, WINDOW_SECONDS + 1)
      await query('DELETE FROM rate_limits')
      const current = (await sessionOf(person)).generation
      const presented = sealRefreshToken({
        family: openRefreshToken(token)?.family ?? randomBytes(32),
        generation: Number(current),
      })
      const answers = await Promise.all(Array.from({ length: 40 }, () => refreshWith(presented)))
      expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set([200]))
      const successors = new Set(answers.map(newTokenIn))
      expect(successors.size).toBe(1)
      expect(openRefreshToken([...successors][0])?.generation).toBe(Number(current) + 1)
      expect((await sessionOf(person)).generation).toBe(String(Number(current) + 1))
    }
  })
})

describe('the answer of a refresh', () => {
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
      await expectEnded(await refreshWith(token))
    }
    const nobody = await newBrowser().send('refresh', 'POST', {})
    expect([nobody.status, nobody.body.code, nobody.setCookies]).toEqual([401, 'session-ended', []])
    const withTheHintAlone = newBrowser()
    withTheHintAlone.cookies.set('signed-in', '1')
    await expectEnded(await withTheHintAlone.send('refresh', 'POST', {}))
    expect(gateway.requests).toHaveLength(0)
  })

  test('[CS Session Management] the token counts in its cookie alone: not in the body, the query or a header', async () => {
    const person = await signedInPerson()
    const token = tokenOf(person.browser)
    const bare = newBrowser()
    expect((await bare.send('refresh', 'POST', { refreshToken: token })).status).toBe(422)
    expect((await bare.send('refresh', 'POST', {}, { authorization: `Bearer ${token}` })).status).toBe(401)
    expect((await bare.send('refresh', 'POST', {}, { 'x-session': token })).status).toBe(401)
  })
})
