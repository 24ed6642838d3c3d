/** The demo app, signed in: devices, step-up, password, address, deletion, several tabs, and the panel. */
import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { inboxUrl, query, visit } from './app.ts'
import { linkIn, emailsTo } from './emails.ts'
import { newAddress, openAccount, OTHER_PASSWORD, PASSWORD, signIn } from './people.ts'
import { fillSignIn, pressConfirmElsewhere, refresh, signOut } from './story.ts'
import { expectText, expectView, field, type Visitor } from './visitors.ts'

const PHONE =
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) ' +
  'Version/18.0 Mobile/15E148 Safari/604.1'

interface SignedIn {
  visitor: Visitor
  page: Page
  email: string
}

async function signedIn(): Promise<SignedIn> {
  const visitor = await visit()
  const email = await openAccount()
  await signIn(visitor, email)
  return { visitor, page: visitor.page, email }
}

/** The same person on a telephone. */
async function signedInByPhone(email: string): Promise<Visitor> {
  const phone = await visit({ userAgent: PHONE })
  await signIn(phone, email)
  return phone
}

const press = (page: Page, name: string | RegExp) =>
  page.getByRole('button', { name, exact: typeof name === 'string' }).click()

async function openView(page: Page, link: string, heading: string): Promise<void> {
  await page.getByRole('link', { name: link, exact: true }).click()
  await expectView(page, heading)
}

async function expectStatus(page: Page, text: string): Promise<void> {
  await page.getByRole('status').filter({ hasText: text }).waitFor()
}

const panel = (page: Page) => page.getByRole('complementary', { name: 'What just happened' })

async function expectPanel(page: Page, text: string | RegExp): Promise<void> {
  await panel(page).getByText(text).first().waitFor()
}

function cookieInPanel(page: Page, name: string): Promise<string> {
  return page.locator(`[data-cookie="${name}"] .cookie-state`).innerText()
}

/** As if all of the account's sessions had begun ten minutes ago. */
async function ageSignIns(email: string): Promise<void> {
  await query(
    `UPDATE sessions SET authenticated_at = authenticated_at - interval '10 minutes'
     WHERE user_id = (SELECT id FROM users WHERE email = $1)`,
    email,
  )
}

// --- Devices ---

test('devices: all are listed; another one can be signed out and notices at its next refresh', async () => {
  const { page, email } = await signedIn()
  const phone = await signedInByPhone(email)
  await openView(page, 'Devices', 'Your devices')
  const items = page.getByRole('list', { name: 'Your devices' }).locator('> li')
  await expect.poll(() => items.count()).toBe(2)
  const own = items.filter({ hasText: 'this device' })
  expect(await own.getByRole('button').count()).toBe(0)
  expect(await own.innerText()).toContain('Chrome on Linux')

  await press(page, /^Sign out Safari on iPhone/)
  await expectStatus(page, 'That device is signed out.')
  await expect.poll(() => items.count()).toBe(1)
  expect(await page.evaluate('document.activeElement.textContent')).toBe('Your devices')
  expect(await page.getByRole('button', { name: 'Sign out all others' }).isVisible()).toBe(false)

  await press(phone.page, 'Refresh now')
  await expectView(phone.page, 'Sign in')
  await expectText(phone.page, 'Your session has ended.')
})

// --- Step-up ---

const dialogOf = (page: Page) => page.getByRole('dialog', { name: 'Confirm it’s you' })

test('step-up: the password is asked for in place, then the request is repeated', async () => {
  const { visitor, page, email } = await signedIn()
  await signedInByPhone(email)
  await ageSignIns(email)
  await openView(page, 'Devices', 'Your devices')
  await press(page, 'Sign out all others')
  await dialogOf(page).waitFor()
  await expect.poll(() => page.evaluate('document.activeElement.id')).toBe('reauthentication-password')
  await expectPanel(page, 'reauthentication-required')

  await field(page, 'Password').fill(OTHER_PASSWORD)
  await press(page, 'Continue')
  await expectText(page, 'Wrong password. Try again.')
  await field(page, 'Password').fill(PASSWORD)
  await press(page, 'Continue')
  await expectStatus(page, 'All other devices are signed out.')
  expect(await dialogOf(page).isVisible()).toBe(false)
  await expect.poll(() => page.locator('.device-client').allInnerTexts()).toEqual(['Chrome on Linux'])
  // The password is nowhere left.
  expect(await page.locator('#reauthentication-password').inputValue()).toBe('')
  expect((await visitor.context.cookies()).map(({ name }) => name).toSorted()).toEqual([
    'device',
    'session',
    'signed-in',
  ])
})

test('step-up: a form keeps its input, whether the dialog is canceled or not', async () => {
  const { page, email } = await signedIn()
  await ageSignIns(email)
  const newEmail = newAddress()
  await openView(page, 'Email', 'Change your email address')
  await field(page, 'New email address').fill(newEmail)
  await press(page, 'Change email address')
  await field(page, 'Password').fill(PASSWORD)
  await press(page, 'Show password')
  await page.keyboard.press('Escape')
  await dialogOf(page).waitFor({ state: 'hidden' })
  expect(await page.evaluate('document.activeElement.textContent')).toBe('Change email address')
  expect(await field(page, 'New email address').inputValue()).toBe(newEmail)

  await press(page, 'Change email address')
  await dialogOf(page).waitFor()
  expect(await field(page, 'Password').inputValue()).toBe('')
  expect(await field(page, 'Password').getAttribute('type')).toBe('password')
  await field(page, 'Password').fill(PASSWORD)
  await page.keyboard.press('Enter')
  await expectStatus(page, `We’ve sent an email to ${newEmail}.`)
})

test('step-up: deletion and signing out everywhere ask for the password, too', async () => {
  const { page, email } = await signedIn()
  await ageSignIns(email)
  await press(page, 'Sign out everywhere')
  await field(page, 'Password').fill(PASSWORD)
  await press(page, 'Continue')
  await expectStatus(page, 'You are signed out on every device.')

  await fillSignIn(page, email, PASSWORD)
  await ageSignIns(email)
  await openView(page, 'Delete', 'Delete your account')
  await page.getByLabel('Delete my account permanently').check()
  await press(page, 'Delete account')
  await field(page, 'Password').fill(PASSWORD)
  await press(page, 'Continue')
  await expectStatus(page, 'Your account is deleted.')
})

test('step-up: if the session has ended meanwhile, the dialog closes and the sign-in form is shown', async () => {
  const { page, email } = await signedIn()
  await ageSignIns(email)
  await press(page, 'Sign out everywhere')
  await dialogOf(page).waitFor()
  await query(
    `UPDATE sessions SET revoked_at = now() - interval '1 minute', revocation_reason = 'reset'
     WHERE user_id = (SELECT id FROM users WHERE email = $1)`,
    email,
  )
  await field(page, 'Password').fill(PASSWORD)
  await press(page, 'Continue')
  await expectView(page, 'Sign in')
  await expectText(page, 'Your session has ended.')
  expect(await dialogOf(page).isVisible()).toBe(false)
})

// --- Devices ---

test('devices: shows where a session was last used, if not where it was opened', async () => {
  const { page, email } = await signedIn()
  await query(
    `UPDATE sessions SET ip = '203.0.113.7', last_client = $2, last_ip = '198.51.100.9'
     WHERE user_id = (SELECT id FROM users WHERE email = $1)`,
    email,
    'Safari on iPhone',
  )
  await openView(page, 'Devices', 'Your devices')
  const facts = page.locator('.device-facts li')
  await expect.poll(() => facts.first().innerText()).toMatch(/^Signed in .*, from 203\.0\.113\.x$/)
  expect(await facts.nth(1).innerText()).toMatch(/^Last used .*, from Safari on iPhone, 198\.51\.100\.x$/)
})

test('devices: if the session has ended meanwhile, the sign-in form is shown', async () => {
  const { page, email } = await signedIn()
  await query(
    `UPDATE sessions SET revoked_at = now() - interval '1 minute', revocation_reason = 'reset'
     WHERE user_id = (SELECT id FROM users WHERE email = $1)`,
    email,
  )
  await page.getByRole('link', { name: 'Devices' }).click()
  await expectView(page, 'Sign in')
  await expectText(page, 'Your session has ended.')
  expect((await page.content()).includes(email)).toBe(false)
})

test('an ended session is reported as such even if its cookies are gone before the response arrives', async () => {
  const { visitor, page, email } = await signedIn()
  await query(
    `UPDATE sessions SET revoked_at = now() - interval '1 minute', revocation_reason = 'reset'
     WHERE user_id = (SELECT id FROM users WHERE email = $1)`,
    email,
  )
  const held = Promise.withResolvers<void>()
  const replied = Promise.withResolvers<void>()
  await page.route('**/api/auth/refresh', async (route) => {
    const response = await route.fetch()
    replied.resolve()
    await held.promise
    await route.fulfill({ response })
  })
  await page.reload()
  await replied.promise
  await visitor.context.clearCookies()
  await page.evaluate(`document.dispatchEvent(new Event('visibilitychange'))`)
  await expectView(page, 'Sign in')
  held.resolve()
  await expectText(page, 'Your session has ended.')
})

// --- The account ---

test('password: errors appear beside their fields; only this browser stays signed in', async () => {
  const { visitor, page, email } = await signedIn()
  const phone = await signedInByPhone(email)
  const second = await visitor.context.newPage()
  await second.goto('/')
  await expectView(second, 'You are signed in')
  await openView(page, 'Password', 'Change your password')
  await press(page, 'Change password')
  await expectText(page, 'Current password is missing.')
  await expectText(page, 'New password is missing.')
  await field(page, 'Current password').fill(PASSWORD)
  await field(page, 'New password').fill('short')
  await press(page, 'Change password')
  await page.locator('#change-password-new-error').filter({ hasText: 'at least 15 characters' }).waitFor()
  await expect.poll(() => page.evaluate('document.activeElement.id')).toBe('change-password-new')
  await field(page, 'Current password').fill('not this one at all')
  await field(page, 'New password').fill(OTHER_PASSWORD)
  await press(page, 'Change password')
  await page.locator('#change-password-current-error').filter({ hasText: 'Wrong password' }).waitFor()
  expect(await field(page, 'New password').inputValue()).toBe(OTHER_PASSWORD)
  await field(page, 'Current password').fill(PASSWORD)
  await press(page, 'Change password')
  await expectStatus(page, 'Your password is changed.')
  expect(await field(page, 'New password').inputValue()).toBe('')

  await refresh(second)
  await press(phone.page, 'Refresh now')
  await expectView(phone.page, 'Sign in')
  await fillSignIn(phone.page, email, OTHER_PASSWORD)
})

test('address: the new one takes effect once its link is opened', async () => {
  const { page, email } = await signedIn()
  const newEmail = newAddress()
  await openView(page, 'Email', 'Change your email address')
  await field(page, 'New email address').fill('not an address')
  await press(page, 'Change email address')
  await expect.poll(() => page.evaluate('document.activeElement.id')).toBe('change-email-new')
  expect(await page.locator('#change-email-new-error').innerText()).not.toBe('')
  await field(page, 'New email address').fill(newEmail)
  await press(page, 'Change email address')
  await expectStatus(page, `We’ve sent an email to ${newEmail}.`)
  await expectText(page, email)

  const [message] = await emailsTo(inboxUrl, newEmail, 'verify')
  await page.goto(linkIn(message))
  await pressConfirmElsewhere(page)
  await page.goto('/')
  await expectView(page, 'You are signed in')
  await expectText(page, newEmail)
  // What was typed for the new address is not for the form of whoever signs in next.
  await signOut(page)
  expect(await field(page, 'Email address').inputValue()).toBe('')
})

test('deletion: needs a tick; then the account is gone here, in other tabs and on other devices', async () => {
  const { visitor, page, email } = await signedIn()
  const phone = await signedInByPhone(email)
  const second = await visitor.context.newPage()
  await second.goto('/')
  await expectView(second, 'You are signed in')
  await openView(page, 'Delete', 'Delete your account')
  await press(page, 'Delete account')
  await expectText(page, 'Tick the box to continue.')
  expect(await page.evaluate('document.activeElement.id')).toBe('delete-account-sure')
  await page.getByLabel('Delete my account permanently').check()
  await press(page, 'Delete account')
  await expectView(page, 'Sign in')
  await expectStatus(page, 'Your account is deleted.')
  expect(await visitor.context.cookies()).toEqual([])
  expect((await page.content()).includes(email)).toBe(false)
  await expectView(second, 'Sign in')
  await press(phone.page, 'Refresh now')
  await expectView(phone.page, 'Sign in')
  expect(await query('SELECT id FROM users WHERE email = $1', email)).toEqual([])
})

test('sign out everywhere: this device at once, the other one at its next refresh', async () => {
  const { page, email } = await signedIn()
  const phone = await signedInByPhone(email)
  await press(page, 'Sign out everywhere')
  await expectView(page, 'Sign in')
  await expectStatus(page, 'You are signed out on every device.')
  await phone.page.reload()
  await expectView(phone.page, 'Sign in')
  await expectText(phone.page, 'Your session has ended.')
})

// --- Tabs, and the ways back and forth ---

test('tabs: a sign-in or sign-out in one shows in the others at once, without a request', async () => {
  const visitor = await visit()
  const { context, page } = visitor
  const email = await openAccount()
  const second = await context.newPage()
  await second.goto('/#devices')
  await expectView(second, 'Sign in')
  const asked: string[] = []
  second.on('request', (request) => request.url().endsWith('/refresh') && asked.push(request.url()))
  await signIn(visitor, email)
  await expectView(second, 'Your devices')
  await expectPanel(second, 'Another tab of this browser signed in.')
  await second.getByText('Renewed by the client').waitFor()
  await signOut(page)
  await expectView(second, 'Sign in')
  await expectText(second, 'You are no longer signed in.')
  await expectPanel(second, 'Another tab of this browser signed out')
  expect(asked).toEqual([])
  expect((await second.content()).includes(email)).toBe(false)
})

test('tabs: another account that signs in replaces the one before, and nothing of it is left', async () => {
  const { visitor, page, email } = await signedIn()
  const other = await openAccount()
  await openView(page, 'Password', 'Change your password')
  await field(page, 'Current password').fill(PASSWORD)
  const second = await visitor.context.newPage()
  await second.goto('/auth/problems')
  // As another page of the app would, with the client.
  await second.evaluate(
    `import('/client/auth.js').then(({ login }) => login({ email: '${other}', password: '${PASSWORD}' }))`,
  )
  await openView(page, 'Session', 'You are signed in')
  await expectText(page, other)
  expect((await page.content()).includes(email)).toBe(false)
  expect(await page.locator('#change-password-current').inputValue()).toBe('')
})

test('back, forward and reload keep to the account’s views', async () => {
  const { page } = await signedIn()
  await openView(page, 'Devices', 'Your devices')
  await openView(page, 'Email', 'Change your email address')
  expect(await page.getByRole('link', { name: 'Email', exact: true }).getAttribute('aria-current')).toBe(
    'page',
  )
  await page.goBack()
  await expectView(page, 'Your devices')
  await page.reload()
  await expectView(page, 'Your devices')
  await expectText(page, 'this device')
  await page.goForward()
  await expectView(page, 'Change your email address')
})

// --- What just happened ---

test('the panel shows cookies, calls, session and token as they are, but never a whole token', async () => {
  const visitor = await visit()
  const { page } = visitor
  const email = await openAccount()
  await page.goto('/')
  await expectPanel(page, 'The browser has no signed-in cookie.')
  expect(await cookieInPanel(page, 'session')).toBe('none')
  expect(await cookieInPanel(page, 'signed-in')).toBe('none')
  await expectPanel(page, 'None yet.')

  await field(page, 'Email address').fill(email)
  await field(page, 'Password').fill(OTHER_PASSWORD)
  await press(page, 'Sign in')
  await expectPanel(page, '401 invalid-credentials')
  await expectPanel(page, 'The server refused (invalid-credentials).')
  const replied = page.waitForResponse(/\/api\/auth\/login$/)
  await fillSignIn(page, email, PASSWORD)
  const { accessToken, session } = await (await replied).json()
  await expectPanel(page, 'The password was right, and a session was created.')
  for (const name of ['session', 'signed-in', 'device']) {
    expect(await cookieInPanel(page, name), name).toBe('set')
  }
  expect(await page.locator('#calls li').allInnerTexts()).toEqual([
    expect.stringMatching(/^POST \/api\/auth\/login\s+200$/),
    expect.stringMatching(/^POST \/api\/auth\/login\s+401 invalid-credentials$/),
  ])
  const [header, claims] = accessToken
    .split('.')
    .map((part: string) => Buffer.from(part, 'base64url').toString())
  expect(JSON.parse(await page.locator('#token-header').innerText())).toEqual(JSON.parse(header))
  expect(JSON.parse(await page.locator('#token-claims').innerText())).toEqual(JSON.parse(claims))
  expect(JSON.parse(claims).sid).toBe(session.id)
  const content = await page.content()
  const [, , signature] = accessToken.split('.')
  expect(content).not.toContain(signature)
  expect(content).not.toContain(PASSWORD)

  await press(page, 'Call a function')
  await expectStatus(page, `The function responded: signed in as ${email}.`)
  await signOut(page)
  await expectPanel(page, 'The session was revoked first')
  expect(await cookieInPanel(page, 'session')).toBe('none')
  expect(await cookieInPanel(page, 'device')).toBe('set')
  await page.locator('#no-token').waitFor()
  expect(await page.locator('#token-claims').textContent()).toBe('')
})

test('countdowns run to the token’s expiry, its renewal and the session’s expiry', async () => {
  const visitor = await visit()
  const { page } = visitor
  const email = await openAccount()
  await page.clock.install()
  await signIn(visitor, email)
  await page.clock.pauseAt(Date.now() + 60_000)
  const seconds = async (selector: string) => {
    const text = await page.locator(selector).first().innerText()
    const [, days = '0', clock = ''] = /in (?:(\d+) days? )?([\d:]+)/.exec(text) ?? []
    return clock.split(':').reduce((sum, part) => sum * 60 + Number(part), 0) + Number(days) * 86_400
  }
  const selectors = ['#token-expires', '#token-renewed', '.ends-in']
  const before = await Promise.all(selectors.map(seconds))
  await page.clock.runFor(100_000)
  const after = await Promise.all(selectors.map(seconds))
  expect(after).toEqual(before.map((left) => left - 100))
  const [token = 0, renewal = 0, absolute = 0] = before
  expect(token).toBeGreaterThan(13 * 60)
  expect(token).toBeLessThanOrEqual(14 * 60)
  expect(token - renewal).toBe(60)
  expect(absolute).toBeGreaterThan(30 * 86_400 - 120)

  await page.clock.runFor(15 * 60_000)
  await expectPanel(page, 'has expired')
  await expectPanel(page, 'when it is next used')
  await press(page, 'Call a function')
  await expectStatus(page, `The function responded: signed in as ${email}.`)
  const calls = await page.locator('#calls code').allInnerTexts()
  expect(calls.slice(0, 2)).toEqual(['GET /api/auth/account', 'POST /api/auth/refresh'])
})
