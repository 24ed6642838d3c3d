import { describe, expect, test } from 'vitest'
import { newBrowser } from '../support/browser.ts'
import { ageSessions, query } from '../support/database.ts'
import { emailKindsTo, isSignedIn, otherBrowserOf, PASSWORD, signedInPerson } from '../support/people.ts'

const CLEARED = [
  '__Host-session=; Max-Age=0; Path=/; HttpOnly; Secure; SameSite=Lax',
  'signed-in=; Max-Age=0; Path=/; Secure; SameSite=Lax',
]

describe('logout', () => {
  test('[ASVS 7.4.1] [63B-4 5.1 secrets] [ASVS 14.3.1] it revokes this session and no other', async () => {
    const person = await signedInPerson()
    const other = await otherBrowserOf(person)
    const token = person.browser.cookies.get('__Host-session') ?? ''
    const response = await person.browser.send('logout', 'POST', {})
    expect([response.status, response.body, response.setCookies]).toEqual([204, undefined, CLEARED])
    expect(response.headers.get('clear-site-data')).toBe('"cache"')
    person.browser.cookies.set('__Host-session', token)
    expect(await isSignedIn(person.browser)).toBe(false)
    expect(await isSignedIn(other)).toBe(true)
  })

  test('[ASVS 7.4.5] everywhere revokes every session of the account', async () => {
    const person = await signedInPerson()
    const others = [await otherBrowserOf(person), await otherBrowserOf(person)]
    const stranger = await signedInPerson()
    expect((await person.browser.send('logout', 'POST', { everywhere: true })).status).toBe(204)
    expect(await Promise.all(others.map(isSignedIn))).toEqual([false, false])
    expect(await isSignedIn(stranger.browser)).toBe(true)
    const events = await query(
      "SELECT detail FROM events WHERE kind = 'session-revoked' AND user_id = (SELECT id FROM users WHERE email = $1)",
      person.email,
    )
    expect(events).toEqual([0, 1, 2].map(() => ({ detail: { reason: 'logout' } })))
  })

  test('[ASVS 3.3.1] [6265bis 4.1.3.2] it answers 204 and clears the cookie with the attributes that it was set with, also when no one is signed in', async () => {
    const nobody = newBrowser()
    const forged = newBrowser()
    forged.cookies.set('__Host-session', 'A'.repeat(91))
    const person = await signedInPerson()
    const token = person.browser.cookies.get('__Host-session') ?? ''
    await person.browser.send('logout', 'POST', {})
    person.browser.cookies.set('__Host-session', token)
    for (const browser of [nobody, forged, person.browser]) {
      const response = await browser.send('logout', 'POST', {})
      expect([response.status, response.setCookies]).toEqual([204, CLEARED])
    }
  })

  test('everywhere needs an authentication within the last 5 minutes: without one, nothing is revoked and no cookie goes', async () => {
    const person = await signedInPerson()
    const other = await otherBrowserOf(person)
    await ageSessions(person.email, 301)
    const refused = await person.browser.send('logout', 'POST', { everywhere: true })
    expect([refused.status, refused.body.code, refused.setCookies]).toEqual([
      403,
      'reauthentication-required',
      [],
    ])
    expect(await isSignedIn(person.browser)).toBe(true)
    expect(await isSignedIn(other)).toBe(true)

    const again = { email: person.email, password: PASSWORD, reauthenticate: true }
    await person.browser.send('login', 'POST', again)
    expect((await person.browser.send('logout', 'POST', { everywhere: true })).status).toBe(204)
    expect(await isSignedIn(other)).toBe(false)
  })

  test('to log out of this session needs no authentication, however long ago the last one was', async () => {
    const person = await signedInPerson()
    await ageSessions(person.email, 6 * 86_400)
    expect((await person.browser.send('logout', 'POST', {})).status).toBe(204)
  })

  test('an outdated token revokes its own session and cannot revoke the others', async () => {
    const person = await signedInPerson()
    const outdated = person.browser.cookies.get('__Host-session') ?? ''
    const other = await otherBrowserOf(person)
    await ageSessions(person.email, 60)
    await person.browser.send('refresh', 'POST', {})
    await person.browser.send('account', 'GET')
    await ageSessions(person.email, 60)
    const thief = newBrowser()
    thief.cookies.set('__Host-session', outdated)
    const { status, setCookies } = await thief.send('logout', 'POST', { everywhere: true })
    expect([status, setCookies]).toEqual([401, CLEARED])
    expect(await isSignedIn(person.browser)).toBe(false)
    expect(await isSignedIn(other)).toBe(true)
    expect(await emailKindsTo(person.email)).toContain('refresh-token-reused')
  })

  test('everywhere by a session that has ended is 401: the others go on, so it was not done', async () => {
    const person = await signedInPerson()
    const other = await otherBrowserOf(person)
    const token = person.browser.cookies.get('__Host-session') ?? ''
    await person.browser.send('logout', 'POST', {})
    person.browser.cookies.set('__Host-session', token)
    const { status, body, setCookies } = await person.browser.send('logout', 'POST', { everywhere: true })
    expect([status, body.code, setCookies]).toEqual([401, 'session-ended', CLEARED])
    expect(await isSignedIn(other)).toBe(true)
  })

  test('where the response to a refresh was lost, everywhere waits for another refresh, and revokes nothing', async () => {
    const person = await signedInPerson()
    const other = await otherBrowserOf(person)
    const before = person.browser.cookies.get('__Host-session') ?? ''
    await ageSessions(person.email, 60)
    await person.browser.send('refresh', 'POST', {})
    await ageSessions(person.email, 60)
    person.browser.cookies.set('__Host-session', before)
    const refused = await person.browser.send('logout', 'POST', { everywhere: true })
    expect([refused.status, refused.body.code, refused.setCookies]).toEqual([401, 'refresh-required', []])
    expect(await isSignedIn(other)).toBe(true)

    await person.browser.send('refresh', 'POST', {})
    expect((await person.browser.send('logout', 'POST', { everywhere: true })).status).toBe(204)
    expect(await isSignedIn(other)).toBe(false)
  })

  test('a refresh that races a logout leaves no live session', async () => {
    for (let round = 0; round < 20; round += 1) {
      const person = await signedInPerson()
      await ageSessions(person.email, 60)
      const token = person.browser.cookies.get('__Host-session') ?? ''
      const racers = Array.from({ length: 4 }, () => {
        const browser = newBrowser()
        browser.cookies.set('__Host-session', token)
        return browser
      })
      await Promise.all([
        ...racers.map((browser) => browser.send('refresh', 'POST', {})),
        person.browser.send('logout', 'POST', {}),
      ])
      for (const browser of racers) expect(await isSignedIn(browser)).toBe(false)
    }
  })
})
