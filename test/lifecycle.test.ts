import { expect, test } from 'vitest'
import { ageSessions } from './database.ts'
import { newBrowser } from './browser.ts'
import { mailsTo, newAddress, newestMailTo, OTHER_PASSWORD, PASSWORD, tokenIn } from './people.ts'

test('[ASVS 6.4.3] the whole story: register, mail, verify, login, refresh, logout, login, reset, login', async () => {
  const email = newAddress()
  const browser = newBrowser()

  const registered = await browser.send('register', 'POST', { email, password: PASSWORD })
  expect([registered.status, registered.body]).toEqual([202, { status: 'check-email' }])
  expect([...browser.cookies.keys()]).toEqual(['__Host-registration'])

  const tooEarly = await browser.send('login', 'POST', { email, password: PASSWORD })
  expect([tooEarly.status, tooEarly.body.code]).toEqual([403, 'email-unverified'])

  const mail = await newestMailTo(email)
  expect(mail.subject).toBe('Confirm your address for Latchkey')
  const verified = await browser.send('verify', 'PUT', { token: tokenIn(mail) })
  expect([verified.status, verified.body]).toEqual([200, { status: 'verified' }])
  expect(browser.cookies.size).toBe(0)

  const login = await browser.send('login', 'POST', { email, password: PASSWORD })
  expect(login.status).toBe(200)
  expect(login.body).toEqual({
    user: { id: expect.any(String), email, emailVerified: true, role: 'user' },
    accessToken: expect.stringMatching(/^[\w-]+\.[\w-]+\.[\w-]+$/),
    expiresAt: expect.any(String),
    session: { id: expect.any(String), endsAt: expect.any(String) },
  })
  expect([...browser.cookies.keys()].toSorted()).toEqual([
    '__Host-known-browser',
    '__Host-session',
    'signed-in',
  ])

  await ageSessions(email, 60)
  const firstToken = browser.cookies.get('__Host-session')
  const refreshed = await browser.send('refresh', 'POST', {})
  expect(refreshed.status).toBe(200)
  expect(refreshed.body.user).toEqual(login.body.user)
  expect(refreshed.body.session.id).toBe(login.body.session.id)
  expect(browser.cookies.get('__Host-session')).not.toBe(firstToken)

  const lastToken = browser.cookies.get('__Host-session') ?? ''
  const loggedOut = await browser.send('logout', 'POST', {})
  expect(loggedOut.status).toBe(204)
  expect([...browser.cookies.keys()]).toEqual(['__Host-known-browser'])
  browser.cookies.set('__Host-session', lastToken)
  const zombie = await browser.send('refresh', 'POST', {})
  expect([zombie.status, zombie.body.code]).toEqual([401, 'session-ended'])

  expect((await browser.send('login', 'POST', { email, password: PASSWORD })).status).toBe(200)

  const forgotten = await newBrowser().send('reset', 'POST', { email })
  expect([forgotten.status, forgotten.body]).toEqual([202, { status: 'check-email' }])
  const reset = await newBrowser().send('reset', 'PUT', {
    token: tokenIn(await newestMailTo(email)),
    password: OTHER_PASSWORD,
  })
  expect([reset.status, reset.body]).toEqual([200, { status: 'password-changed' }])
  expect(reset.setCookies).toEqual([])
  expect((await newestMailTo(email)).subject).toBe('Your Latchkey password was changed')

  expect((await browser.send('refresh', 'POST', {})).body.code).toBe('session-ended')
  expect((await browser.send('login', 'POST', { email, password: PASSWORD })).status).toBe(401)
  expect((await browser.send('login', 'POST', { email, password: OTHER_PASSWORD })).status).toBe(200)
  expect(await mailsTo(email)).toHaveLength(3)
})
