/** The API reference at /docs: Swagger UI under the CSP of every page; accessible; sends the session cookie. */
import axe from 'axe-core'
import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { origin, served, visit } from './app.ts'
import { newAddress, openAccount, PASSWORD } from './people.ts'

/** The operation of that summary, opened. */
async function openOperation(page: Page, summary: string) {
  const operation = page.locator('.opblock').filter({ has: page.getByText(summary, { exact: true }) })
  await operation.getByRole('button', { expanded: false }).first().click()
  await operation.getByRole('button', { name: 'Try it out' }).click()
  return operation
}

async function execute(operation: Awaited<ReturnType<typeof openOperation>>): Promise<string> {
  await operation.getByRole('button', { name: 'Execute' }).click()
  const response = operation.locator('.live-responses-table .response')
  await response.waitFor()
  return response.innerText()
}

test('every operation is there, and what is tried signs in and is signed in, by the cookie', async () => {
  const visitor = await visit()
  const { context, page } = visitor
  const email = await openAccount()
  await context.clearCookies()
  const before = served.length
  await page.goto('/docs')
  await page.locator('.opblock').first().waitFor()
  expect(await page.locator('.opblock').count()).toBe(15)

  const login = await openOperation(page, 'Sign in')
  await login.getByLabel('Request body').fill(JSON.stringify({ email, password: PASSWORD }))
  expect(await execute(login)).toMatch(/^200[^]*"accessToken"/)
  const cookies = await context.cookies()
  expect(cookies.map(({ name }) => name)).toEqual(expect.arrayContaining(['session', 'signed-in']))

  const account = await openOperation(page, 'Read the account')
  expect(await execute(account)).toContain(email)

  // From nowhere else, and nothing of it is kept.
  expect(
    served
      .slice(before)
      .map(({ url }) => url)
      .toSorted(),
  ).toEqual([
    '/api/auth/account',
    '/api/auth/login',
    '/assets/favicon.svg',
    '/docs',
    '/docs/reference.css',
    '/docs/reference.js',
    '/docs/swagger-ui-bundle.js',
    '/docs/swagger-ui.css',
    '/openapi.json',
  ])
  expect(await page.evaluate('localStorage.length + sessionStorage.length')).toBe(0)
})

test('nothing is loaded from an address that the query of the page names', async () => {
  const { page } = await visit()
  const asked: string[] = []
  page.on('request', (request) => asked.push(request.url()))
  await page.goto('/docs?url=https://elsewhere.test/x.json&configUrl=https://elsewhere.test/y.json')
  await page.locator('.opblock').first().waitFor()
  expect(asked.filter((url) => !url.startsWith(origin) && !url.startsWith('data:'))).toEqual([])
})

const MAX_TABS = 60

test('an operation is opened and tried by the keyboard alone', async () => {
  const { page } = await visit()
  await page.goto('/docs')
  const operation = page
    .locator('.opblock')
    .filter({ has: page.getByText('Request a password reset', { exact: true }) })
  const press = async (name: string | RegExp) => {
    const button = operation.getByRole('button', { name }).first()
    const hasFocus = () => button.evaluate((element) => element === document.activeElement)
    for (let tabs = 0; tabs < MAX_TABS && !(await hasFocus()); tabs += 1) await page.keyboard.press('Tab')
    expect(await hasFocus(), `Tab leads to ${name}`).toBe(true)
    expect(await button.evaluate((element) => getComputedStyle(element).outlineStyle)).toBe('solid')
    await page.keyboard.press('Enter')
  }
  await operation.waitFor()
  await press(/reset/)
  await press('Try it out')
  await press('Execute')
  await operation.locator('.live-responses-table .response').waitFor()
})

/** WCAG 2.2, 1.4.10. */
const NARROWEST_PX = 320

interface AxeResults {
  violations: { id: string; nodes: { html: string; failureSummary?: string }[] }[]
}

/** What axe-core finds in the state that the page is in, level AAA apart. */
async function faultsOf(page: Page, state: string): Promise<string[]> {
  if ((await page.evaluate('typeof axe')) === 'undefined') await page.evaluate(axe.source)
  const { violations } = await page.evaluate<AxeResults>(`axe.run(document, { resultTypes: ['violations'] })`)
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${state}: ${id}: ${html} ${failureSummary}`),
  )
}

test.each(['light', 'dark'] as const)(
  'in the %s no state of it has a fault that axe-core knows, and none is wider than a small phone',
  async (colorScheme) => {
    const { page } = await visit({ colorScheme })
    await page.goto('/docs')
    await page.locator('.opblock').first().waitFor()
    const faults = await faultsOf(page, 'closed')
    const login = await openOperation(page, 'Sign in')
    await login.getByLabel('Request body').fill(JSON.stringify({ email: newAddress(), password: PASSWORD }))
    await execute(login)
    await openOperation(page, 'Revoke one session, or all others')
    await openOperation(page, 'Change the password or the address')
    faults.push(...(await faultsOf(page, 'tried')))
    await page.setViewportSize({ width: NARROWEST_PX, height: 800 })
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(NARROWEST_PX)
    await page.getByRole('button', { name: 'Authorize', exact: true }).click()
    await page.getByRole('dialog').waitFor()
    faults.push(...(await faultsOf(page, 'authorization')))
    expect(faults).toEqual([])
  },
)
