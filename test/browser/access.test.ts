/** Accessibility: keyboard only; and axe-core in every state of every page, light and dark, desktop and phone. */
import axe from 'axe-core'
import type { Locator, Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { gateway, inboxUrl, query, visit } from './app.ts'
import { codeIn, linkIn, emailsTo } from './emails.ts'
import { newAddress, openAccount, OTHER_PASSWORD, PASSWORD, register } from './people.ts'
import { createAccount, fillSignIn } from './story.ts'
import { expectText, expectView, field } from './visitors.ts'

// --- The keyboard ---

const MAX_TABS = 15

/** Tabs on to a control and sees to it that the focus can be seen there. */
async function tabTo(page: Page, name: string): Promise<void> {
  for (let pressed = 0; pressed < MAX_TABS; pressed += 1) {
    await page.keyboard.press('Tab')
    const outline = await page.evaluate('getComputedStyle(document.activeElement).outlineStyle')
    expect(outline, 'the focus is seen').toBe('solid')
    if ((await focused(page)) === name) return
  }
  throw new Error(`Tab does not lead to ${name}`)
}

/** The label or the text of what has the focus. */
async function focused(page: Page): Promise<string> {
  const text = await page.evaluate(
    '(document.activeElement.labels?.[0] ?? document.activeElement).textContent.trim()',
  )
  return String(text)
}

test('keyboard only: sign in after a mistake, refresh, sign out', async () => {
  const visitor = await visit()
  const { page } = visitor
  const email = await openAccount()
  await page.goto('/')
  await expectView(page, 'Sign in')
  await tabTo(page, 'Email address')
  await page.keyboard.press('Enter')
  await expectText(page, 'Email address is missing.')
  expect(await focused(page)).toBe('Email address')
  expect(await page.evaluate('document.activeElement.getAttribute("aria-invalid")')).toBe('true')
  await page.keyboard.type(email)
  await tabTo(page, 'Password')
  await page.keyboard.type('not this one')
  await tabTo(page, 'Show password')
  await page.keyboard.press('Space')
  expect(await focused(page)).toBe('Hide password')
  expect(await page.locator('#sign-in-password').getAttribute('type')).toBe('text')
  await tabTo(page, 'Sign in')
  await page.keyboard.press('Enter')
  await page.getByRole('alert').filter({ hasText: 'Wrong email or password' }).waitFor()
  expect(await focused(page)).toBe('Sign in')
  // A password that is submitted is hidden again, so that the browser does not keep it as a text.
  expect(await page.locator('#sign-in-password').getAttribute('type')).toBe('password')

  await page.keyboard.press('Shift+Tab')
  expect(await focused(page)).toBe('Remember me on this device')
  await page.keyboard.press('Shift+Tab')
  await page.keyboard.press('Shift+Tab')
  expect(await focused(page)).toBe('Password')
  await page.keyboard.press('ControlOrMeta+a')
  await page.keyboard.type(PASSWORD)
  await page.keyboard.press('Enter')
  await expectView(page, 'You are signed in')
  expect(await focused(page)).toBe('You are signed in')
  await tabTo(page, 'Refresh now')
  await page.keyboard.press('Space')
  await page.getByRole('status').filter({ hasText: 'Refreshed' }).waitFor()
  expect(await focused(page)).toBe('Refresh now')
  await tabTo(page, 'Sign out')
  await page.keyboard.press('Enter')
  await expectView(page, 'Sign in')
  expect(await focused(page)).toBe('Sign in')
})

test('keyboard only: sign out other devices with the password asked for in place, delete the account', async () => {
  const visitor = await visit()
  const { page } = visitor
  const email = await openAccount()
  const phone = await visit()
  await phone.page.goto('/')
  await fillSignIn(phone.page, email, PASSWORD)
  await page.goto('/')
  await fillSignIn(page, email, PASSWORD)
  await query(
    `UPDATE sessions SET authenticated_at = authenticated_at - interval '10 minutes'
     WHERE user_id = (SELECT id FROM users WHERE email = $1)`,
    email,
  )
  await page.keyboard.press('Shift+Tab')
  expect(await focused(page)).toBe('Delete')
  await page.keyboard.press('Shift+Tab')
  await page.keyboard.press('Shift+Tab')
  await page.keyboard.press('Shift+Tab')
  expect(await focused(page)).toBe('Devices')
  await page.keyboard.press('Enter')
  await expectView(page, 'Your devices')
  expect(await focused(page)).toBe('Your devices')
  await page.getByRole('button', { name: 'Sign out all others' }).waitFor()
  await tabTo(page, 'Sign out all others')
  await page.keyboard.press('Enter')
  await expect.poll(() => focused(page)).toBe('Password')
  await page.keyboard.type(PASSWORD)
  await page.keyboard.press('Enter')
  await page.getByRole('status').filter({ hasText: 'All other devices are signed out.' }).waitFor()
  expect(await focused(page)).toBe('Your devices')

  await page.keyboard.press('Shift+Tab')
  expect(await focused(page)).toBe('Delete')
  await page.keyboard.press('Enter')
  await expectView(page, 'Delete your account')
  await tabTo(page, 'Delete my account permanently')
  await page.keyboard.press('Space')
  await tabTo(page, 'Delete account')
  await page.keyboard.press('Enter')
  await expectView(page, 'Sign in')
  expect(await focused(page)).toBe('Sign in')
})

test('keyboard only: sign up, and confirm on another device with code and password', async () => {
  const { page } = await visit()
  const email = newAddress()
  await page.goto('/')
  await expectView(page, 'Sign in')
  await tabTo(page, 'Create an account')
  await page.keyboard.press('Enter')
  await expectView(page, 'Create an account')
  expect(await focused(page)).toBe('Create an account')
  await tabTo(page, 'Email address')
  await page.keyboard.type(email)
  await tabTo(page, 'Password')
  await page.keyboard.type('too short')
  await page.keyboard.press('Enter')
  await expectText(page, 'Use at least 15 characters')
  expect(await focused(page)).toBe('Password')
  await page.keyboard.press('ControlOrMeta+a')
  await page.keyboard.type(PASSWORD)
  await page.keyboard.press('Enter')
  await expectView(page, 'Check your email')
  expect(await focused(page)).toBe('Check your email')

  const [message] = await emailsTo(inboxUrl, email, 'verify')
  const digits =
    /(\d{3}) (\d{3})/
      .exec(message?.text ?? '')
      ?.slice(1)
      .join('') ?? ''
  const other = await visit()
  await other.page.goto('/auth/verify')
  await expectView(other.page, 'Open the link in your email')
  await tabTo(other.page, 'Email address')
  await other.page.keyboard.type(email)
  await tabTo(other.page, 'Code')
  await other.page.keyboard.type(digits)
  await other.page.keyboard.press('Enter')
  await expect.poll(() => focused(other.page)).toBe('Password')
  await other.page.keyboard.type(PASSWORD)
  await other.page.keyboard.press('Enter')
  await expectView(other.page, 'Your address is confirmed')
  expect(await focused(other.page)).toBe('Your address is confirmed')
})

test('fields tell password managers what they are for', async () => {
  const { page } = await visit()
  const purposes = async (path: string, form: string) => {
    await page.goto(path)
    const inputs = await page.locator(`${form} input`).all()
    const read = async (input: Locator) =>
      `${await input.getAttribute('name')}: ${await input.getAttribute('autocomplete')}`
    return Promise.all(inputs.map(read))
  }
  const withCode = ['email: username', 'code: one-time-code']
  expect(await purposes('/', '#sign-in form')).toEqual([
    'email: username',
    'password: current-password',
    'remember: null',
  ])
  expect(await purposes('/', '#create-account form')).toEqual([
    'email: username',
    'password: new-password',
    'remember: null',
  ])
  expect(await purposes('/', '#verify-code')).toEqual([...withCode, 'password: current-password'])
  expect(await purposes('/', '#reset-code')).toEqual([...withCode, 'password: new-password'])
  const ownChange = ['null: username', 'currentPassword: current-password', 'newPassword: new-password']
  expect(await purposes('/', '#reauthentication')).toEqual(['null: username', 'password: current-password'])
  expect(await purposes('/', '#change-password form')).toEqual(ownChange)
  expect(await purposes('/', '#change-email form')).toEqual(['email: email'])
  expect(await purposes('/auth/verify', '#code-form')).toEqual([...withCode, 'password: current-password'])
  expect(await purposes('/auth/reset', '#code-form')).toEqual([...withCode, 'password: new-password'])
  expect(await purposes('/auth/reset', '#reset-form')).toEqual(['password: new-password'])
  for (const input of await page.locator('input[name="code"]').all()) {
    expect(await input.getAttribute('inputmode')).toBe('numeric')
  }
})

// --- axe-core, the narrowest window and the two colour schemes ---

/** WCAG 2.2, 1.4.10: nothing needs scrolling in two directions at that width. */
const NARROWEST_PX = 320
const NARROW = { width: NARROWEST_PX, height: 800 }
const WIDE = { width: 1280, height: 800 }

interface AxeResults {
  violations: { id: string; nodes: { html: string; failureSummary?: string }[] }[]
}

/** In the dark nothing changes but the colours. */
const AXE_OPTIONS = {
  light: `{ resultTypes: ['violations'] }`,
  dark: `{ resultTypes: ['violations'], runOnly: ['cat.color'] }`,
}

/** What is wrong with the state that the page is in. */
async function faultsOf(page: Page, state: string): Promise<string[]> {
  const faults: string[] = []
  if ((await page.evaluate('typeof axe')) === 'undefined') await page.evaluate(axe.source)
  for (const viewport of [WIDE, NARROW]) {
    await page.setViewportSize(viewport)
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
      const { violations } = await page.evaluate<AxeResults>(`axe.run(document, ${AXE_OPTIONS[colorScheme]})`)
      for (const { id, nodes } of violations) {
        for (const { html, failureSummary } of nodes) {
          faults.push(`${state}, ${viewport.width} px, ${colorScheme}: ${id}: ${html} ${failureSummary}`)
        }
      }
    }
  }
  const width = Number(await page.evaluate('document.documentElement.scrollWidth'))
  if (width > NARROWEST_PX) faults.push(`${state}: ${width} px wide at ${NARROWEST_PX}`)
  await page.setViewportSize(WIDE)
  return faults
}

test('home: axe-core finds nothing in any state, and each fits a small phone', async () => {
  const visitor = await visit()
  const { page } = visitor
  const email = await openAccount()
  const faults: string[] = []
  const check = async (state: string) => faults.push(...(await faultsOf(page, state)))
  const press = (name: string) => page.getByRole('button', { name, exact: true }).click()
  const follow = async (name: string) => {
    await page.getByRole('link', { name }).click()
    await expectView(page, name)
  }

  await page.goto('/')
  await expectView(page, 'Sign in')
  await check('sign in')
  await press('Sign in')
  await expectText(page, 'Password is missing.')
  await check('sign in, fields missing')
  await field(page, 'Email address').fill(email)
  await field(page, 'Password').fill(OTHER_PASSWORD)
  await press('Sign in')
  await expectText(page, 'Wrong email or password')
  await check('sign in, refused')
  await follow('Create an account')
  await field(page, 'Password').fill('short')
  await press('Create account')
  await expectText(page, 'Use at least 15 characters')
  await check('create account, weak password')
  await follow('Forgot your password?')
  await check('forgot password')
  await press('Send reset email')
  await expectView(page, 'Check your email')
  await check('reset mailed')
  await field(page, 'Code').fill('000000')
  await field(page, 'New password').fill(OTHER_PASSWORD)
  await press('Change my password')
  await expectText(page, 'The code is not valid')
  await check('reset code refused')
  await follow('No confirmation email?')
  await check('new confirmation mail')

  const stranger = newAddress()
  const elsewhere = await visit()
  await createAccount(elsewhere.page, stranger, PASSWORD)
  await createAccount(page, stranger, OTHER_PASSWORD)
  await check('confirmation mailed')
  await follow('Sign in')
  await field(page, 'Password').fill(OTHER_PASSWORD)
  await press('Sign in')
  await expectText(page, 'The address is not confirmed yet')
  await check('sign in, not confirmed')
  await visitor.context.clearCookies()
  await press('Send a new email')
  await expectView(page, 'Check your email')
  visitor.expected.push(/status of 503/)
  await page.goto('/')
  await fillSignIn(page, email, PASSWORD)
  await check('signed in')
  await press('Refresh now')
  await expectText(page, 'Refreshed: new access token')
  await press('Call a function')
  await expectText(page, 'The function responded')
  await check('signed in, with a status')
  await visitAccountViews(page, email, check)
  await page.getByRole('link', { name: 'Session' }).click()
  await expectView(page, 'You are signed in')
  gateway.fault = () => ({ kind: 'refuse' })
  await press('Sign out')
  await expectText(page, 'Not available right now')
  await check('signed in, API away')
  await page.reload()
  await expectView(page, 'Are you signed in?')
  await check('signed in or not')
  expect(faults).toEqual([])
})

/** The account's views, at first and with errors. */
async function visitAccountViews(
  page: Page,
  email: string,
  check: (state: string) => Promise<unknown>,
): Promise<void> {
  const press = (name: string) => page.getByRole('button', { name, exact: true }).click()
  const enter = async (link: string, heading: string) => {
    await page.getByRole('link', { name: link, exact: true }).click()
    await expectView(page, heading)
  }
  const phone = await visit()
  await phone.page.goto('/')
  await fillSignIn(phone.page, email, PASSWORD)
  await query(
    `UPDATE sessions SET authenticated_at = authenticated_at - interval '10 minutes'
     WHERE user_id = (SELECT id FROM users WHERE email = $1)`,
    email,
  )
  await enter('Devices', 'Your devices')
  await expectText(page, 'this device')
  await check('devices')
  await press('Sign out all others')
  await expectText(page, 'Confirm it’s you')
  await check('devices, password asked')
  await press('Continue')
  await expectText(page, 'Password is missing.')
  await check('devices, password missing')
  await press('Cancel')
  await enter('Password', 'Change your password')
  await check('password')
  await press('Change password')
  await expectText(page, 'Current password is missing.')
  await check('password, fields missing')
  await enter('Email', 'Change your email address')
  await field(page, 'New email address').fill('not an address')
  await press('Change email address')
  await page.locator('#change-email-new[aria-invalid]').waitFor()
  await check('address, refused')
  await enter('Delete', 'Delete your account')
  await press('Delete account')
  await expectText(page, 'Tick the box to continue.')
  await check('deletion, fields missing')
}

test('the pages of emailed links: axe-core finds nothing in any state, and each fits a small phone', async () => {
  const visitor = await visit()
  const { context, page } = visitor
  const account = await openAccount()
  const faults: string[] = []
  const check = async (state: string) => faults.push(...(await faultsOf(page, state)))
  const press = (name: string) => page.getByRole('button', { name, exact: true }).click()

  const email = await register(await visit())
  const [confirmation] = await emailsTo(inboxUrl, email, 'verify')
  await page.goto('/auth/verify')
  await expectView(page, 'Open the link in your email')
  await check('verify, no link')
  await press('Confirm my address')
  await expectText(page, 'Code is missing.')
  await check('verify, no link, fields missing')
  await press('Request a new email')
  await expectView(page, 'Request a new email')
  await check('verify, new mail')
  await field(page, 'Email address').fill(email)
  await press('Send a new email')
  await expectView(page, 'Check your email')
  const messages = await emailsTo(inboxUrl, email, 'verify', 2)
  await field(page, 'Code').fill(codeIn(messages.at(-1)?.text))
  await press('Confirm my address')
  await field(page, 'Password').waitFor()
  await check('verify, mailed, password asked')

  await page.goto(linkIn(confirmation))
  await expectView(page, 'Confirm your address')
  await check('verify, ready')
  await press('Confirm my address')
  await field(page, 'Password').fill(OTHER_PASSWORD)
  await press('Confirm my address')
  await expectText(page, 'Wrong password. Try again.')
  await check('verify, wrong password')
  await field(page, 'Password').fill(PASSWORD)
  await press('Confirm my address')
  await expectView(page, 'Your address is confirmed')
  await check('verify, confirmed')
  await page.goto('about:blank')
  await page.goto(linkIn(confirmation))
  await press('Confirm my address')
  await expectView(page, 'This link has already been used')
  await check('verify, used')

  await page.goto('/auth/reset')
  await expectView(page, 'Open the link in your email')
  await check('reset, no link')
  await context.request.post('/api/auth/reset', { data: { email: account } })
  const [reset] = await emailsTo(inboxUrl, account, 'reset')
  await page.goto(linkIn(reset))
  await expectView(page, 'Choose a new password')
  await check('reset, ready')
  await field(page, 'New password').fill('short')
  await press('Change my password')
  await expectText(page, 'Use at least 15 characters')
  await check('reset, weak password')
  await field(page, 'New password').fill(OTHER_PASSWORD)
  await press('Change my password')
  await expectView(page, 'Your password is changed')
  await check('reset, changed')

  await page.goto('/auth/cancel')
  await expectView(page, 'Open the link in your email')
  await check('cancel, no link')
  await page.goto('/')
  await fillSignIn(page, account, OTHER_PASSWORD)
  await context.request.patch('/api/auth/account', {
    data: { email: newAddress() },
  })
  const [cancel] = await emailsTo(inboxUrl, account, 'cancel')
  for (const done of ['The change is canceled', 'There is nothing to cancel']) {
    await page.goto('about:blank')
    await page.goto(linkIn(cancel))
    await expectView(page, 'Cancel the change of address')
    await check('cancel, ready')
    await press('Cancel the change')
    await expectView(page, done)
    await check(`cancel: ${done}`)
  }
  await page.goto('/auth/problems')
  await check('problems')
  expect(faults).toEqual([])
})
