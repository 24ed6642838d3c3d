import { describe, expect, test } from 'vitest'
import { newBrowser, type Browser } from './browser.ts'
import { ageSessions, query } from './database.ts'
import { PASSWORD, signedInPerson, type Person } from './people.ts'

const CLEARED = [
  '__Host-session=; Max-Age=0; Path=/; HttpOnly; Secure; SameSite=Lax',
  'signed-in=; Max-Age=0; Path=/; Secure; SameSite=Lax',
]

async function otherDeviceOf(person: Person): Promise<Browser> {
  const browser = newBrowser()
  expect((await browser.send('login', 'POST', { email: person.email, password: PASSWORD })).status).toBe(200)
  return browser
}

const isSignedIn = async (browser: Browser) => (await browser.send('refresh', 'POST', {})).status === 200

describe('logout', () => {
  test('[ASVS 7.4.1] [63B-4 5.1 secrets] [ASVS 14.3.1] it ends this session and no other', async () => {
    const person = await signedInPerson()
    const other = await otherDeviceOf(person)
    const token = person.browser.cookies.get('__Host-session') ?? ''
    const answer = await person.browser.send('logout', 'POST', {})
    expect([answer.status, answer.body, answer.setCookies]).toEqual([204, undefined, CLEARED])
    expect(answer.headers.get('clear-site-data')).toBe('"cache"')
    person.browser.cookies.set('__Host-session', token)
    expect(await isSignedIn(person.browser)).toBe(false)
    expect(await isSignedIn(other)).toBe(true)
  })

  test('[ASVS 7.4.5] everywhere ends every session of the account', async () => {
    const person = await signedInPerson()
    const others = [await otherDeviceOf(person), await otherDeviceOf(person)]
    const stranger = await signedInPerson()
    expect((await person.browser.send('logout', 'POST', { everywhere: true })).status).toBe(204)
    expect(await Promise.all(others.map(isSignedIn))).toEqual([false, false])
    expect(await isSignedIn(stranger.browser)).toBe(true)
    const events = await query(
      "SELECT detail FROM events WHERE kind = 'session-ended' AND user_id = (SELECT id FROM users WHERE email = $1)",
      person.email,
    )
    expect(events).toEqual([0, 1, 2].map(() => ({ detail: { because: 'logout' } })))
  })

  test('[ASVS 3.3.1] [6265bis 4.1.3.2] it always answers 204 and clears the cookie with the attributes it was set with, also when no one is signed in', async () => {
    const nobody = newBrowser()
    const forged = newBrowser()
    forged.cookies.set('__Host-session', 'A'.repeat(91))
    const person = await signedInPerson()
    const token = person.browser.cookies.get('__Host-session') ?? ''
    await person.browser.send('logout', 'POST', {})
    person.browser.cookies.set('__Host-session', token)
    for (const browser of [nobody, forged, person.browser]) {
      const answer = await browser.send('logout', 'POST', { everywhere: true })
      expect([answer.status, answer.setCookies]).toEqual([204, CLEARED])
    }
  })

  test('an outdated token ends its own session but cannot end the others', async () => {
    const person = await signedInPerson()
    const outdated = person.browser.cookies.get('__Host-session') ?? ''
    const other = await otherDeviceOf(person)
    await ageSessions(person.email, 60)
    await person.browser.send('refresh', 'POST', {})
    await ageSessions(person.email, 60)
    const thief = newBrowser()
    thief.cookies.set('__Host-session', outdated)
    expect((await thief.send('logout', 'POST', { everywhere: true })).status).toBe(204)
    expect(await isSignedIn(person.browser)).toBe(false)
    expect(await isSignedIn(other)).toBe(true)
  })

  test('a refresh that races a logout leaves no zombie', async () => {
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
