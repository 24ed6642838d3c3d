/**
 * The session as a browser keeps it: its cookies, several tabs of it, and the ways back and forth.
 *
 * Chromium refuses `__Host-` cookies on http://localhost, so the app omits that prefix there. The prefix and `Secure`
 * are checked by the tests of the endpoints.
 */
import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { inboxUrl, query, visit } from './app.ts'
import { linkIn, emailsTo } from './emails.ts'
import { newAddress, openAccount, OTHER_PASSWORD, PASSWORD, register, signIn } from './people.ts'
import { askForReset, fillSignIn, pressConfirm, signOut } from './story.ts'
import { expectText, expectView, field, readableCookies, type Visitor } from './visitors.ts'

const IDLE_LIFETIME_SECONDS = 7 * 24 * 60 * 60

// --- Cookies ---

async function storedCookies({ context }: Visitor) {
  const cookies = await context.cookies()
  return cookies.toSorted((a, b) => a.name.localeCompare(b.name))
}

test('cookies: names, flags, path, and an expiry within the session’s', async () => {
  const visitor = await visit()
  const { page } = visitor
  const email = await openAccount()
  expect(await storedCookies(visitor)).toEqual([])

  await page.goto('/')
  const replied = page.waitForResponse(/\/api\/auth\/login$/)
  await fillSignIn(page, email, PASSWORD)
  const body = await (await replied).json()
  const [known, ...cookies] = await storedCookies(visitor)
  const common = { domain: 'localhost', path: '/', secure: false, sameSite: 'Lax' }
  expect(known).toMatchObject({ ...common, name: 'device', httpOnly: true })
  expect(cookies).toEqual([
    { ...common, name: 'session', value: expect.any(String), httpOnly: true, expires: expect.any(Number) },
    { ...common, name: 'signed-in', value: '1', httpOnly: false, expires: expect.any(Number) },
  ])
  const now = Date.now() / 1000
  for (const { expires } of cookies) {
    expect(expires).toBeGreaterThan(now + IDLE_LIFETIME_SECONDS - 60)
    expect(expires).toBeLessThanOrEqual(now + IDLE_LIFETIME_SECONDS + 1)
    expect(expires).toBeLessThan(Date.parse(body.session.absoluteExpiresAt) / 1000)
  }
  expect(await readableCookies(page)).toBe('signed-in=1')
  expect(JSON.stringify(body)).not.toContain(cookies[0]?.value)
  expect(await page.content()).not.toContain(cookies[0]?.value)
})

test('signing out removes the cookies, and copies of them open nothing', async () => {
  const visitor = await visit()
  const { context, page } = visitor
  const email = await openAccount()
  await signIn(visitor, email)
  const copied = await context.cookies()
  await signOut(page)
  expect((await storedCookies(visitor)).map(({ name }) => name)).toEqual(['device'])
  expect(await readableCookies(page)).toBe('')

  const thief = await visit()
  await thief.context.addCookies(copied)
  await thief.page.goto('/')
  await expectView(thief.page, 'Sign in')
  await expectText(thief.page, 'Your session has ended.')
})

test('without “remember me” every cookie ends with the browser, at sign-in and at sign-up', async () => {
  const visitor = await visit()
  const { page } = visitor
  const email = await openAccount()
  await page.goto('/')
  await expectView(page, 'Sign in')
  await page.getByLabel('Remember me').filter({ visible: true }).uncheck()
  await fillSignIn(page, email, PASSWORD)
  const expiries = async () => (await storedCookies(visitor)).map(({ name, expires }) => [name, expires])
  expect(await expiries()).toEqual([
    ['device', -1],
    ['session', -1],
    ['signed-in', -1],
  ])
  await signOut(page)

  await page.getByRole('link', { name: 'Create an account' }).click()
  await expectView(page, 'Create an account')
  const stranger = newAddress()
  await field(page, 'Email address').fill(stranger)
  await field(page, 'Password').fill(PASSWORD)
  await page.getByLabel('Remember me').filter({ visible: true }).uncheck()
  await page.getByRole('button', { name: 'Create account' }).click()
  const [message] = await emailsTo(inboxUrl, stranger, 'verify')
  await page.goto(linkIn(message))
  await pressConfirm(page)
  expect(await expiries()).toEqual([
    ['device', -1],
    ['session', -1],
    ['signed-in', -1],
  ])
})

test('the registration cookie is hidden from scripts, and gone once the address is confirmed', async () => {
  const visitor = await visit()
  const { page } = visitor
  const email = await register(visitor)
  const [cookie, ...others] = await storedCookies(visitor)
  expect(others).toEqual([])
  expect(cookie).toMatchObject({ name: 'registration', httpOnly: true, sameSite: 'Lax', path: '/' })
  const [message] = await emailsTo(inboxUrl, email, 'verify')
  await page.goto(linkIn(message))
  expect(await readableCookies(page)).toBe('')
  await pressConfirm(page)
  expect((await storedCookies(visitor)).map(({ name }) => name)).toEqual(['device', 'session', 'signed-in'])
})

test('[ASVS 3.5.1] [ASVS 3.5.2] [ASVS 3.5.8] another site can neither read anything nor sign anybody out', async () => {
  const visitor = await visit()
  const { context, page } = visitor
  const email = await openAccount()
  await signIn(visitor, email)
  const app = new URL(page.url()).origin

  // The inbox is on 127.0.0.1, which is another site than localhost.
  visitor.expected.push(/CORS|net::ERR_|status of 403/)
  const foreign = await context.newPage()
  await foreign.goto(inboxUrl)
  const outcomes = await foreign.evaluate(`Promise.all([
    fetch('${app}/api/auth/account', { credentials: 'include' }),
    fetch('${app}/api/auth/logout', { method: 'POST', credentials: 'include', body: '{}', mode: 'no-cors' }),
    fetch('${app}/api/auth/logout', { method: 'POST', credentials: 'include', body: '{}',
      headers: { 'content-type': 'application/json' } }),
  ].map((request) => request.then(({ type, status }) => type + status, () => 'refused')))`)
  expect(outcomes).toEqual(['refused', 'refused', 'refused'])
  const posted = foreign.waitForNavigation()
  await foreign.evaluate(`{
    const form = document.createElement('form')
    form.method = 'post'
    form.action = '${app}/api/auth/logout'
    document.body.append(form)
    form.submit()
  }`)
  expect((await posted)?.status()).toBe(403)
  await page.reload()
  await expectView(page, 'You are signed in')
})

// --- Tabs ---

const ROUNDS = 25

/** As if so many seconds had gone by for the account's sessions. */
async function ageSession(email: string, seconds: number): Promise<void> {
  await query(
    `UPDATE sessions SET rotated_at = rotated_at - $2::interval
     WHERE user_id = (SELECT id FROM users WHERE email = $1)`,
    email,
    `${seconds} seconds`,
  )
}

/** Presses at the same moment, whichever tab was spoken to first. */
async function refreshAt(page: Page, moment: number): Promise<number> {
  const replied = page.waitForResponse(/\/api\/auth\/refresh$/)
  await page.evaluate(`new Promise((resolve) => setTimeout(resolve, ${moment} - Date.now()))
    .then(() => document.querySelector('button[value="refresh"]').click())`)
  return (await replied).status()
}

test('two tabs that refresh at once, round after round, stay signed in with one cookie', async () => {
  const visitor = await visit()
  const { context, page } = visitor
  const email = await openAccount()
  await signIn(visitor, email)
  const second = await context.newPage()
  await second.goto('/')
  await expectView(second, 'You are signed in')

  for (let round = 0; round < ROUNDS; round += 1) {
    // Every other round rotates; in the others the same token comes again.
    if (round % 2 === 0) await ageSession(email, 31)
    const moment = Date.now() + 40
    const statuses = await Promise.all([refreshAt(page, moment), refreshAt(second, moment)])
    expect(statuses, `round ${round}`).toEqual([200, 200])
    await Promise.all([page, second].map((tab) => tab.locator('button[value="refresh"]:enabled').waitFor()))
    const sessions = (await context.cookies()).filter(({ name }) => name === 'session')
    expect(sessions, `round ${round}`).toHaveLength(1)
  }
  // A tab that begins asks at once who is signed in: so do both when they are loaded together.
  for (let round = 0; round < 5; round += 1) {
    await ageSession(email, 31)
    await Promise.all([page.reload(), second.reload()])
    await Promise.all([expectView(page, 'You are signed in'), expectView(second, 'You are signed in')])
  }
  const rows = await query(
    `SELECT counter::int, revoked_at FROM sessions WHERE user_id = (SELECT id FROM users WHERE email = $1)`,
    email,
  )
  expect(rows).toEqual([{ counter: Math.ceil(ROUNDS / 2) + 5, revoked_at: null }])
})

test('a tab that comes back to the front notices that another one has signed out, or in', async () => {
  const visitor = await visit()
  const { context, page } = visitor
  const email = await openAccount()
  await signIn(visitor, email)
  const second = await context.newPage()
  await second.goto('/')
  await expectView(second, 'You are signed in')
  await signOut(second)

  const comeToFront = `document.dispatchEvent(new Event('visibilitychange'))`
  await page.evaluate(comeToFront)
  await expectView(page, 'Sign in')
  await expectText(page, 'You are no longer signed in.')
  await fillSignIn(page, email, PASSWORD)
  await second.evaluate(comeToFront)
  await expectView(second, 'You are signed in')

  // A page that Back brings out of the browser's memory as it was left, which Chromium does not do when it is driven.
  await signOut(page)
  await second.evaluate(`dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))`)
  await expectView(second, 'Sign in')
  expect((await second.content()).includes(email)).toBe(false)
})

test('a reset in another browser ends the session: the next refresh says so', async () => {
  const visitor = await visit()
  const { page } = visitor
  const email = await openAccount()
  await signIn(visitor, email)
  const elsewhere = await visit()
  await elsewhere.page.goto('/')
  await askForReset(elsewhere.page, email)
  const [message] = await emailsTo(inboxUrl, email, 'reset')
  await elsewhere.page.goto(linkIn(message))
  await field(elsewhere.page, 'New password').fill(OTHER_PASSWORD)
  await elsewhere.page.getByRole('button', { name: 'Change my password' }).click()
  await expectView(elsewhere.page, 'Your password is changed')

  await page.getByRole('button', { name: 'Refresh now' }).click()
  await expectView(page, 'Sign in')
  await expectText(page, 'Your session has ended.')

  // For half a minute the cookie stays, as another tab may just have signed in again; then it goes.
  expect(await storedCookies(visitor)).toHaveLength(3)
  await query(
    `UPDATE sessions SET revoked_at = revoked_at - interval '31 seconds'
     WHERE user_id = (SELECT id FROM users WHERE email = $1)`,
    email,
  )
  await page.reload()
  await expectText(page, 'Your session has ended.')
  expect((await storedCookies(visitor)).map(({ name }) => name)).toEqual(['device'])
})

// --- Back, forward, reload ---

test('home: back and forward go through the forms with what was typed, and a reload stays on the form', async () => {
  const { page } = await visit()
  await page.goto('/')
  await expectView(page, 'Sign in')
  await page.getByRole('link', { name: 'Create an account' }).click()
  await expectView(page, 'Create an account')
  await field(page, 'Email address').fill('somebody@example.org')
  await page.getByRole('link', { name: 'Forgot your password?' }).click()
  await expectView(page, 'Forgot your password?')
  expect(await field(page, 'Email address').inputValue()).toBe('somebody@example.org')
  await page.goBack()
  await expectView(page, 'Create an account')
  expect(await field(page, 'Email address').inputValue()).toBe('somebody@example.org')
  await page.reload()
  await expectView(page, 'Create an account')
  await page.goBack()
  await expectView(page, 'Sign in')
  await page.goForward()
  await expectView(page, 'Create an account')
})

test('home: a reload stays signed in; after signing out, Back shows nothing of the account', async () => {
  const visitor = await visit()
  const { page } = visitor
  const email = await openAccount()
  await page.goto('/auth/problems')
  await signIn(visitor, email)
  await page.reload()
  await expectView(page, 'You are signed in')
  await page.goBack()
  await page.goForward()
  await expectView(page, 'You are signed in')
  await page.goto('/auth/problems')
  await page.goBack()
  await expectView(page, 'You are signed in')
  await signOut(page)
  expect((await page.content()).includes(email)).toBe(false)

  await page.goto('/auth/problems')
  await page.goBack()
  await expectView(page, 'Sign in')
  expect((await page.content()).includes(email)).toBe(false)
  await page.reload()
  await expectView(page, 'Sign in')
})

test('home: reloading “Check your email” leads back to a form and sends nothing twice', async () => {
  const visitor = await visit()
  const { page } = visitor
  const email = await openAccount()
  await page.goto('/')
  await askForReset(page, email)
  const posts: string[] = []
  page.on('request', (request) => request.method() !== 'GET' && posts.push(request.url()))
  await page.reload()
  await expectView(page, 'Sign in')
  await page.goBack()
  await expectView(page, 'Sign in')
  expect(posts).toEqual([])
})

test('emailed links: reload, Back and Forward use none of them up', async () => {
  const visitor = await visit()
  const { context, page } = visitor
  const account = await openAccount()
  const email = await register(visitor)
  const [confirmation] = await emailsTo(inboxUrl, email, 'verify')
  await context.request.post('/api/auth/reset', { data: { email: account } })
  const [reset] = await emailsTo(inboxUrl, account, 'reset')
  await signIn(visitor, account)
  const reply = await context.request.patch('/api/auth/account', {
    data: { email: `new.${account}` },
  })
  expect(reply.status()).toBe(200)
  const [cancel] = await emailsTo(inboxUrl, account, 'cancel')

  const pages = [
    { link: linkIn(cancel), ready: 'Cancel the change of address', done: 'The change is canceled' },
    { link: linkIn(reset), ready: 'Choose a new password', done: 'Your password is changed' },
    { link: linkIn(confirmation), ready: 'Confirm your address', done: 'You are signed in' },
  ]
  for (const { link, ready, done } of pages) {
    await page.goto('/auth/problems')
    await page.goto(link)
    await expectView(page, ready)
    await page.reload()
    await expectView(page, 'Open the link in your email')
    await page.goBack()
    await expectView(page, 'Problems')
    await page.goForward()
    await expectView(page, 'Open the link in your email')

    await page.goto(link)
    await expectView(page, ready)
    if (link.includes('/auth/reset')) await field(page, 'New password').fill(OTHER_PASSWORD)
    await page.locator('form button[type="submit"]').filter({ visible: true }).click()
    await expectView(page, done)
    const left = done === 'You are signed in' ? done : 'Open the link in your email'
    await page.reload()
    await expectView(page, left)
    await page.goBack()
    await page.goForward()
    await expectView(page, left)
  }
})
