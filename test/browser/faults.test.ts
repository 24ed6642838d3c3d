/** When something is away: a sentence says so, what was typed stays, and the same press works afterwards. */
import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { gateway, inboxUrl, visit } from './app.ts'
import { codeIn, linkIn, emailsTo } from './emails.ts'
import { newAddress, openAccount, OTHER_PASSWORD, PASSWORD, register, signIn } from './people.ts'
import { askForReset, signOut } from './story.ts'
import { expectText, expectView, field, type Visitor } from './visitors.ts'

const DATABASE_AWAY = 'Not available right now'
const NETWORK_ERROR = 'The server didn’t respond. Try again.'

function stopDatabase(visitor: Visitor): void {
  visitor.expected.push(/status of 503/)
  gateway.fault = () => ({ kind: 'refuse' })
}

async function cutOff(visitor: Visitor): Promise<void> {
  visitor.expected.push(/net::ERR_FAILED/)
  await visitor.context.route('**/api/**', (route) => route.abort())
}

async function reconnect({ context }: Visitor): Promise<void> {
  gateway.fault = undefined
  await context.unroute('**/api/**')
}

/** The notice of the form that is shown. */
async function expectNotice(page: Page, text: string): Promise<void> {
  await page.getByRole('alert').filter({ hasText: text }).filter({ visible: true }).waitFor()
}

async function typed(page: Page): Promise<string[]> {
  const fields = await page.locator('input').filter({ visible: true }).all()
  return Promise.all(fields.map((input) => input.inputValue()))
}

/** Presses with the database away and with the whole API away, then once more with all well. */
async function pressThroughFaults(visitor: Visitor, button: string): Promise<void> {
  const { page } = visitor
  const before = await typed(page)
  const press = page.getByRole('button', { name: button, exact: true })
  stopDatabase(visitor)
  await press.click()
  await expectNotice(page, DATABASE_AWAY)
  await expectNotice(page, 'Try again in 5 seconds.')
  await expectNotice(page, 'Request id: ')
  expect(await typed(page)).toEqual(before)
  await cutOff(visitor)
  await press.click()
  await expectNotice(page, NETWORK_ERROR)
  expect(await typed(page)).toEqual(before)
  expect(await page.evaluate('document.activeElement.textContent.trim()')).toBe(button)
  await reconnect(visitor)
  await press.click()
}

test('home: during an outage every form says so, keeps its input, and works afterwards', async () => {
  const visitor = await visit()
  const { page } = visitor
  const email = await openAccount()
  const stranger = newAddress()

  await page.goto('/#create-account')
  await expectView(page, 'Create an account')
  await field(page, 'Email address').fill(stranger)
  await field(page, 'Password').fill(PASSWORD)
  await pressThroughFaults(visitor, 'Create account')
  await expectView(page, 'Check your email')
  const [message] = await emailsTo(inboxUrl, stranger, 'verify')
  await field(page, 'Code').fill(codeIn(message?.text))
  await pressThroughFaults(visitor, 'Confirm my address')
  await expectText(page, 'Your address is confirmed. You are signed in.')
  await signOut(page)

  await page.goto('/#verification-email')
  await expectView(page, 'No confirmation email?')
  await field(page, 'Email address').fill(stranger)
  await pressThroughFaults(visitor, 'Send a new email')
  await expectView(page, 'Check your email')

  await page.goto('/#reset-email')
  await expectView(page, 'Forgot your password?')
  await field(page, 'Email address').fill(email)
  await pressThroughFaults(visitor, 'Send reset email')
  await expectView(page, 'Check your email')
  const [reset] = await emailsTo(inboxUrl, email, 'reset')
  await field(page, 'Code').fill(codeIn(reset?.text))
  await field(page, 'New password').fill(OTHER_PASSWORD)
  await pressThroughFaults(visitor, 'Change my password')
  await expectText(page, 'Your password is changed.')

  await field(page, 'Email address').fill(email)
  await field(page, 'Password').fill(OTHER_PASSWORD)
  await pressThroughFaults(visitor, 'Sign in')
  await expectView(page, 'You are signed in')
  await pressThroughFaults(visitor, 'Refresh now')
  await expectText(page, 'Refreshed: new access token')
  await pressThroughFaults(visitor, 'Sign out')
  await expectView(page, 'Sign in')
})

test('emailed links: an outage loses neither the token nor the new password', async () => {
  const visitor = await visit()
  const { page } = visitor
  const account = await openAccount()
  const email = await register(visitor)
  const [confirmation] = await emailsTo(inboxUrl, email, 'verify')
  await page.goto(linkIn(confirmation))
  await pressThroughFaults(visitor, 'Confirm my address')
  await expectView(page, 'You are signed in')

  await page.goto('/auth/reset')
  await field(page, 'Email address').fill(account)
  await page.getByRole('button', { name: 'Request a new email' }).click()
  await pressThroughFaults(visitor, 'Send a new email')
  await expectView(page, 'Check your email')
  const [reset] = await emailsTo(inboxUrl, account, 'reset')
  await page.goto(linkIn(reset))
  await field(page, 'New password').fill(OTHER_PASSWORD)
  await pressThroughFaults(visitor, 'Change my password')
  await expectView(page, 'Your password is changed')
})

test('home: an outage doesn’t look like a sign-out', async () => {
  const visitor = await visit()
  const { context, page } = visitor
  const email = await openAccount()
  await signIn(visitor, email)
  stopDatabase(visitor)
  await page.reload()
  await expectView(page, 'Are you signed in?')
  await expectNotice(page, DATABASE_AWAY)
  await cutOff(visitor)
  await page.getByRole('button', { name: 'Try again' }).click()
  await expectNotice(page, NETWORK_ERROR)
  expect(await context.cookies()).toHaveLength(3)
  await reconnect(visitor)
  await page.getByRole('button', { name: 'Try again' }).click()
  await expectView(page, 'You are signed in')
})

test('home: while another browser has just refreshed the session, it says to wait', async () => {
  const visitor = await visit()
  const { context, page } = visitor
  await signIn(visitor, await openAccount())
  const body = JSON.stringify({ code: 'refresh-required', title: 'For programs', detail: 'Call refresh.' })
  await context.route('**/api/auth/refresh', (route) => route.fulfill({ status: 401, body }), { times: 1 })
  await page.reload()
  await expectView(page, 'Are you signed in?')
  await expectNotice(page, 'Try again in 30 seconds.')
  await page.getByRole('button', { name: 'Try again' }).click()
  await expectView(page, 'You are signed in')
})

test('a lost response promises nothing, and the next try says what was done', async () => {
  const visitor = await visit()
  const { context, page } = visitor
  const email = await register(visitor)
  const [message] = await emailsTo(inboxUrl, email, 'verify')
  await page.goto(linkIn(message))
  visitor.expected.push(/net::ERR_FAILED/)
  await context.route('**/api/auth/verify', async (route) => {
    await route.fetch()
    await route.abort()
  })
  await page.getByRole('button', { name: 'Confirm my address' }).click()
  await expectNotice(page, NETWORK_ERROR)
  await context.unroute('**/api/auth/verify')
  await page.getByRole('button', { name: 'Confirm my address' }).click()
  await expectView(page, 'This link has already been used')
  await expectText(page, 'If you have used it, you can sign in.')
  await page.getByRole('link', { name: 'Go to sign in' }).click()
  await expectView(page, 'You are signed in')
  await expectText(page, email)
})

test('offline and with an HTML error page in place of the response, the message says so', async () => {
  const visitor = await visit()
  const { context, page } = visitor
  await page.goto('/')
  await askForReset(page, newAddress())
  await field(page, 'Code').fill('123456')
  await field(page, 'New password').fill(OTHER_PASSWORD)
  visitor.expected.push(/net::ERR_INTERNET_DISCONNECTED/, /status of 502/)
  await context.setOffline(true)
  await page.getByRole('button', { name: 'Change my password' }).click()
  await expectNotice(page, 'You seem to be offline. Try again.')
  await context.setOffline(false)

  const body = '<!doctype html><h1>502: Bad gateway</h1>'
  await context.route('**/api/**', (route) => route.fulfill({ status: 502, contentType: 'text/html', body }))
  await page.getByRole('button', { name: 'Change my password' }).click()
  await expectNotice(page, 'Something went wrong')
  expect((await typed(page)).slice(1)).toEqual(['123456', OTHER_PASSWORD])
})

test('too many requests: the message says how long to wait', async () => {
  const visitor = await visit()
  const { page } = visitor
  await page.goto('/')
  await field(page, 'Email address').fill(newAddress())
  await field(page, 'Password').fill(PASSWORD)
  const attempts = Array.from({ length: 20 }, () =>
    visitor.context.request.post('/api/auth/login', {
      data: { email: 'nobody.at.all@example.org', password: PASSWORD },
    }),
  )
  await Promise.all(attempts)
  await field(page, 'Email address').fill('nobody.at.all@example.org')
  await page.getByRole('button', { name: 'Sign in' }).click()
  await expectNotice(page, 'Too many requests')
  await expectText(page, /Try again in \d+ seconds?\.$/)
})

test('violations of the Content Security Policy fail a test', async () => {
  const visitor = await visit()
  await visitor.page.goto('/')
  await visitor.page.evaluate(`document.body.setAttribute('style', 'color: red')`)
  await expect.poll(() => visitor.pageErrors().join()).toContain('Content Security Policy')
  visitor.expected.push(/Content Security Policy/)
})
