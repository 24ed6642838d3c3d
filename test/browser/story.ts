/** The steps of a person's story, each by what they see and press. */
import type { Page } from 'playwright-core'
import { expectText, expectView, field } from './visitors.ts'

export async function createAccount(page: Page, email: string, password: string): Promise<void> {
  await page.goto('/')
  await page.getByRole('link', { name: 'Create an account' }).click()
  await expectView(page, 'Create an account')
  await field(page, 'Email address').fill(email)
  await field(page, 'Password').fill(password)
  await page.getByRole('button', { name: 'Create account' }).click()
  await expectView(page, 'Check your email')
}

/** The browser that registered is signed in and goes on to the app. */
export async function pressConfirm(page: Page): Promise<void> {
  await expectView(page, 'Confirm your address')
  await page.getByRole('button', { name: 'Confirm my address' }).click()
  await expectView(page, 'You are signed in')
}

/** In any other browser, or for a change of address, nobody is signed in by it. */
export async function pressConfirmElsewhere(page: Page): Promise<void> {
  await expectView(page, 'Confirm your address')
  await page.getByRole('button', { name: 'Confirm my address' }).click()
  await expectView(page, 'Your address is confirmed')
}

/** From the view that has the form, which keeps an address typed before. */
export async function fillSignIn(page: Page, email: string, password: string): Promise<void> {
  await expectView(page, 'Sign in')
  await field(page, 'Email address').fill(email)
  await field(page, 'Password').fill(password)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await expectView(page, 'You are signed in')
  await expectText(page, email)
}

export async function refresh(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'Refresh now' }).click()
  await page.getByRole('status').filter({ hasText: 'Refreshed: new access token' }).waitFor()
}

export async function signOut(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'Sign out', exact: true }).click()
  await expectView(page, 'Sign in')
  await page.getByRole('status').filter({ hasText: 'You are signed out.' }).waitFor()
}

export async function askForReset(page: Page, email: string): Promise<void> {
  await page.getByRole('link', { name: 'Forgot your password?' }).click()
  await expectView(page, 'Forgot your password?')
  await field(page, 'Email address').fill(email)
  await page.getByRole('button', { name: 'Send reset email' }).click()
  await expectView(page, 'Check your email')
}

export async function chooseNewPassword(page: Page, password: string): Promise<void> {
  await expectView(page, 'Choose a new password')
  await field(page, 'New password').fill(password)
  await page.getByRole('button', { name: 'Change my password' }).click()
  await expectView(page, 'Your password is changed')
}
