/** What a person does from the first visit to the new password, with every mail opened from the inbox page. */
import { expect, test } from 'vitest'
import { inboxUrl, visit } from './app.ts'
import { codeIn, linkIn, emailsTo, openEmail, pressLink } from './emails.ts'
import { newAddress, openAccount, OTHER_PASSWORD, PASSWORD, register } from './people.ts'
import {
  askForReset,
  chooseNewPassword,
  createAccount,
  fillSignIn,
  pressConfirm,
  pressConfirmElsewhere,
  refresh,
  signOut,
} from './story.ts'
import { expectText, expectView, field } from './visitors.ts'

test('links: a person registers, confirms and is signed in, refreshes, signs out and resets', async () => {
  const { context, page } = await visit()
  const email = newAddress()
  await createAccount(page, email, PASSWORD)

  const confirm = await pressLink(await openEmail(context, inboxUrl, { to: email, linked: 'verify' }))
  await pressConfirm(confirm)
  await expectText(confirm, email)
  // The tab that waited for the email is signed in, too.
  await expectView(page, 'You are signed in')
  await refresh(confirm)
  await signOut(confirm)

  await askForReset(confirm, email)
  const reset = await pressLink(await openEmail(context, inboxUrl, { to: email, linked: 'reset' }))
  await chooseNewPassword(reset, OTHER_PASSWORD)
  await reset.getByRole('link', { name: 'Go to sign in' }).click()
  await expectView(reset, 'Sign in')
  await field(reset, 'Email address').fill(email)
  await field(reset, 'Password').fill(PASSWORD)
  await reset.getByRole('button', { name: 'Sign in' }).click()
  await reset.getByRole('alert').filter({ hasText: 'Wrong email or password' }).waitFor()
  await fillSignIn(reset, email, OTHER_PASSWORD)
})

test('code: “Check your email” accepts it, and the address needn’t be typed again', async () => {
  const { context, page } = await visit()
  const email = newAddress()
  await createAccount(page, email, PASSWORD)
  const confirmation = await openEmail(context, inboxUrl, { to: email, linked: 'verify' })
  const code = codeIn(await confirmation.email.locator('body').innerText())

  expect(await field(page, 'Email address').inputValue()).toBe(email)
  await field(page, 'Code').fill(code)
  await page.getByRole('button', { name: 'Confirm my address' }).click()
  await page
    .getByRole('status')
    .filter({ hasText: 'Your address is confirmed. You are signed in.' })
    .waitFor()
  await expectText(page, email)
  await signOut(page)

  await askForReset(page, email)
  const reset = await openEmail(context, inboxUrl, { to: email, linked: 'reset' })
  const resetCode = codeIn(await reset.email.locator('body').innerText())
  expect(await field(page, 'Email address').inputValue()).toBe(email)
  await field(page, 'Code').fill(resetCode)
  await field(page, 'New password').fill(OTHER_PASSWORD)
  await page.getByRole('button', { name: 'Change my password' }).click()
  await page.getByRole('status').filter({ hasText: 'Your password is changed.' }).waitFor()
  await fillSignIn(page, email, OTHER_PASSWORD)
})

test('code: another browser confirms with code and password at /auth/verify', async () => {
  const email = await register(await visit())
  const { page } = await visit()
  await page.goto('/auth/verify')
  await expectView(page, 'Open the link in your email')
  const [message] = await emailsTo(inboxUrl, email, 'verify')
  await field(page, 'Email address').fill(email)
  // As it comes from a copied mail.
  await field(page, 'Code').fill(` ${codeIn(message?.text)}\u00a0`)
  await page.getByRole('button', { name: 'Confirm my address' }).click()

  const password = field(page, 'Password')
  await password.waitFor()
  await expect.poll(() => page.evaluate('document.activeElement.name')).toBe('password')
  await password.fill(OTHER_PASSWORD)
  await page.getByRole('button', { name: 'Confirm my address' }).click()
  await expectText(page, 'Wrong password. Try again.')
  await password.fill(PASSWORD)
  await page.getByRole('button', { name: 'Confirm my address' }).click()
  await expectView(page, 'Your address is confirmed')
  await page.getByRole('link', { name: 'Continue' }).click()
  await fillSignIn(page, email, PASSWORD)
})

test('code: /auth/reset, opened without a link, sends one and accepts it', async () => {
  const email = await openAccount()
  const { page } = await visit()
  await page.goto('/auth/reset')
  await expectView(page, 'Open the link in your email')
  await field(page, 'Email address').fill(email)
  await page.getByRole('button', { name: 'Request a new email' }).click()
  await expectView(page, 'Request a new email')
  expect(await field(page, 'Email address').inputValue()).toBe(email)
  await page.getByRole('button', { name: 'Send a new email' }).click()
  await expectView(page, 'Check your email')
  expect(await field(page, 'Email address').inputValue()).toBe(email)

  const [message] = await emailsTo(inboxUrl, email, 'reset')
  await field(page, 'Code').fill(codeIn(message?.text).replace(' ', ''))
  await field(page, 'New password').fill('short')
  await page.getByRole('button', { name: 'Change my password' }).click()
  await expectText(page, 'Use at least 15 characters')
  await field(page, 'New password').fill(OTHER_PASSWORD)
  await page.getByRole('button', { name: 'Change my password' }).click()
  await expectView(page, 'Your password is changed')
  await page.getByRole('link', { name: 'Go to sign in' }).click()
  await fillSignIn(page, email, OTHER_PASSWORD)
})

test('code: errors appear beside the field, and after five wrong ones the right one is refused, too', async () => {
  const visitor = await visit()
  const { page } = visitor
  const email = await openAccount()
  await page.goto('/')
  await askForReset(page, email)
  const [message] = await emailsTo(inboxUrl, email, 'reset')
  const right = codeIn(message?.text)
  const wrong = right === '000 000' ? '111 111' : '000 000'

  const code = field(page, 'Code')
  const change = page.getByRole('button', { name: 'Change my password' })
  await field(page, 'New password').fill(OTHER_PASSWORD)
  await code.fill('12345')
  await change.click()
  await expectText(page, 'The code has six digits.')
  for (const given of [wrong, wrong, wrong, wrong, wrong, right]) {
    await code.fill(given)
    const replied = page.waitForResponse(/\/api\/auth\/reset$/)
    await change.click()
    expect((await replied).status()).toBe(400)
    await page.locator('#reset-code-digits-error').filter({ hasText: 'new' }).waitFor()
    await expect.poll(() => page.evaluate('document.activeElement.name')).toBe('code')
    expect(await code.inputValue()).toBe(given)
    expect(await field(page, 'New password').inputValue()).toBe(OTHER_PASSWORD)
  }

  await askForReset(page, email)
  const messages = await emailsTo(inboxUrl, email, 'reset', 2)
  await code.fill(codeIn(messages.at(-1)?.text))
  await field(page, 'New password').fill(OTHER_PASSWORD)
  await change.click()
  await page.getByRole('status').filter({ hasText: 'Your password is changed.' }).waitFor()
})

test('a second browser is asked for the password; a wrong one does not use up the link', async () => {
  const email = await register(await visit())
  const { context, page } = await visit()
  await page.goto('/')
  const opened = await pressLink(await openEmail(context, inboxUrl, { to: email, linked: 'verify' }))
  await expectView(opened, 'Confirm your address')
  const confirm = opened.getByRole('button', { name: 'Confirm my address' })
  const password = field(opened, 'Password')
  expect(await password.isVisible()).toBe(false)
  await confirm.click()
  await password.waitFor()
  await expect.poll(() => opened.evaluate('document.activeElement.id')).toBe('password')

  await confirm.click()
  await expectText(opened, 'Password is missing.')
  await password.fill(OTHER_PASSWORD)
  await confirm.click()
  await expectText(opened, 'Wrong password. Try again.')
  await password.fill(PASSWORD)
  await confirm.click()
  await expectView(opened, 'Your address is confirmed')
})

test('a user signs out another device, changes the password and deletes the account', async () => {
  const visitor = await visit()
  const { page } = visitor
  const email = await openAccount()
  const other = await visit()
  await other.page.goto('/')
  await fillSignIn(other.page, email, PASSWORD)
  await page.goto('/')
  await fillSignIn(page, email, PASSWORD)
  const done = (text: string) => page.getByRole('status').filter({ hasText: text }).waitFor()
  await page.getByRole('link', { name: 'Devices' }).click()
  await page.getByRole('button', { name: 'Sign out all others' }).click()
  await done('All other devices are signed out.')
  await other.page.reload()
  await expectView(other.page, 'Sign in')

  await page.getByRole('link', { name: 'Password', exact: true }).click()
  await expectView(page, 'Change your password')
  await field(page, 'Current password').fill(PASSWORD)
  await field(page, 'New password').fill(OTHER_PASSWORD)
  await page.getByRole('button', { name: 'Change password' }).click()
  await done('Your password is changed.')
  await page.reload()
  await expectView(page, 'Change your password')

  await page.getByRole('link', { name: 'Delete' }).click()
  await expectView(page, 'Delete your account')
  await page.getByLabel('Delete my account permanently').check()
  await page.getByRole('button', { name: 'Delete account' }).click()
  await expectView(page, 'Sign in')
  await done('Your account is deleted.')
})

test('a new address is confirmed without the password in the browser that is signed in', async () => {
  const visitor = await visit()
  const { context, page } = visitor
  const email = await openAccount()
  await page.goto('/')
  await fillSignIn(page, email, PASSWORD)
  const newEmail = newAddress()
  const reply = await context.request.patch('/api/auth/account', {
    data: { email: newEmail },
  })
  expect(reply.status()).toBe(200)

  const [message] = await emailsTo(inboxUrl, newEmail, 'verify')
  await page.goto(linkIn(message))
  await pressConfirmElsewhere(page)
  await page.getByRole('link', { name: 'Continue' }).click()
  await expectText(page, newEmail)
})
