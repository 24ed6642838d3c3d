/** Emailed links: scanners don't use them up, their tokens don't leak, and broken ones are explained. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { inboxUrl, origin, served, stackEnvironment, visit } from './app.ts'
import { allEmailsTo, linkIn, emailsTo, openEmail, pressLink } from './emails.ts'
import { newAddress, openAccount, OTHER_PASSWORD, PASSWORD, register, signIn, tokenOf } from './people.ts'
import { chooseNewPassword, pressConfirm, pressConfirmElsewhere } from './story.ts'
import { expectText, expectView, field, readableCookies, type Visitor } from './visitors.ts'

Object.assign(process.env, stackEnvironment, { APP_URL: 'http://localhost' })
const { verifyOneTimeToken, signOneTimeToken } = await import('../../lib/crypto/one-time-token.ts')

type Purpose = Parameters<typeof signOneTimeToken>[0]

/** The same token as the link's, as it would be had it been mailed long ago. */
function expired(purpose: Purpose, link: string): string {
  const opened = verifyOneTimeToken([purpose], tokenOf(link))
  if (opened.kind !== 'valid') throw new Error(`the link is ${opened.kind}`)
  return signOneTimeToken(purpose, { ...opened, expiresAt: new Date(Date.now() - 1000) })
}

async function askForResetLink({ context }: Visitor, email: string): Promise<string> {
  const before = await allEmailsTo(inboxUrl, email)
  const known = before.filter(({ text }) => text.includes('/auth/reset#token=')).length
  expect((await context.request.post('/api/auth/reset', { data: { email } })).status()).toBe(202)
  const messages = await emailsTo(inboxUrl, email, 'reset', known + 1)
  return linkIn(messages.at(-1))
}

/** The links of a requested change of address: to confirm it, and to cancel it. */
async function askForNewAddress(
  visitor: Visitor,
  email: string,
): Promise<{ confirm: string; cancel: string }> {
  await signIn(visitor, email)
  const newEmail = newAddress()
  const reply = await visitor.context.request.patch('/api/auth/account', {
    data: { email: newEmail },
  })
  expect(reply.status()).toBe(200)
  const [confirm] = await emailsTo(inboxUrl, newEmail, 'verify')
  const [cancel] = await emailsTo(inboxUrl, email, 'cancel')
  return { confirm: linkIn(confirm), cancel: linkIn(cancel) }
}

// --- Scanners ---

/** Opens a link like an email scanner: HEAD and GET, then a browser that waits, hovers, scrolls and follows links. */
async function scan(link: string): Promise<void> {
  await fetch(link, { method: 'HEAD' })
  await fetch(link)
  const { context, page } = await visit({ userAgent: 'Mozilla/5.0 (compatible; LinkScanner/1.0)' })
  await page.goto(link)
  await page.waitForLoadState('networkidle')
  for (const [x, y] of [
    [100, 100],
    [640, 300],
    [700, 450],
  ] as const) {
    await page.mouse.move(x, y, { steps: 5 })
  }
  for (const button of await page.getByRole('button').all()) await button.hover()
  await page.mouse.wheel(0, 500)
  await sleep(300)
  const anchors = await page.locator('a[href]').all()
  const addresses = await Promise.all(anchors.map((anchor) => anchor.getAttribute('href')))
  for (const address of new Set(addresses)) {
    const { href } = new URL(address ?? '', link)
    if (!href.startsWith(origin)) continue
    const tab = await context.newPage()
    await tab.goto(href)
    await tab.waitForLoadState('networkidle')
    await tab.close()
  }
}

test('[ASVS 3.5.3] a scanner that opens every link and runs its scripts uses up none of them', async () => {
  const visitor = await visit()
  const { page } = visitor
  const account = await openAccount()
  const reset = await askForResetLink(visitor, account)
  const { cancel } = await askForNewAddress(visitor, account)
  const email = await register(visitor)
  const [confirmation] = await emailsTo(inboxUrl, email, 'verify')
  const mover = await visit()
  const { confirm } = await askForNewAddress(mover, await openAccount())
  const emailsBefore = await allEmailsTo(inboxUrl, account)

  const servedBefore = served.length
  for (const link of [linkIn(confirmation), reset, cancel, confirm]) await scan(link)
  const scanned = served.slice(servedBefore)
  expect(scanned.filter(({ url }) => url === '/').length).toBeGreaterThanOrEqual(4)
  expect(scanned.filter(({ method, url }) => method !== 'GET' && url.startsWith('/api/'))).toEqual([])
  expect(await allEmailsTo(inboxUrl, account)).toEqual(emailsBefore)

  await page.goto(linkIn(confirmation))
  await pressConfirm(page)
  await page.goto(cancel)
  await pressCancel(page)
  await page.goto(reset)
  await chooseNewPassword(page, OTHER_PASSWORD)
  await mover.page.goto(confirm)
  await pressConfirmElsewhere(mover.page)
})

// --- Where the token goes ---

test('the token leaves address bar and history at once, and is in no request line or header', async () => {
  const visitor = await visit()
  const { context, page } = visitor
  const account = await openAccount()
  const email = await register(visitor)
  const [confirmation] = await emailsTo(inboxUrl, email, 'verify')
  const reset = await askForResetLink(visitor, account)
  const { cancel } = await askForNewAddress(visitor, account)

  for (const link of [linkIn(confirmation), reset, cancel]) {
    const token = tokenOf(link)
    const requested: string[] = []
    const bodies: string[] = []
    const watched: Promise<unknown>[] = []
    context.on('request', (request) => {
      requested.push(`${request.method()} ${request.url().split('#', 1)[0]}`)
      bodies.push(request.postData() ?? '')
      watched.push(request.allHeaders().then((headers) => requested.push(JSON.stringify(headers))))
    })
    const servedBefore = served.length

    // Followed from a page, as one follows it from webmail.
    await page.goto(inboxUrl)
    await page.evaluate(`location.href = ${JSON.stringify(link)}`)
    await page.getByRole('button').filter({ visible: true }).first().waitFor()
    expect(page.url()).toBe(link.split('#', 1)[0])
    const session = await context.newCDPSession(page)
    const history = await session.send('Page.getNavigationHistory')
    expect(history.entries.at(history.currentIndex)?.url).toBe(page.url())
    expect(history.entries.some(({ url }) => url.includes(token))).toBe(false)
    expect(await page.evaluate('navigation.entries().map(({ url }) => url).join()')).not.toContain(token)
    expect((await page.content()).includes(token)).toBe(false)
    expect(await page.evaluate('JSON.stringify([localStorage, sessionStorage, history.state])')).toBe(
      '[{},{},null]',
    )

    if (link.includes('/auth/verify')) await pressConfirm(page)
    if (link.includes('/auth/reset')) await chooseNewPassword(page, OTHER_PASSWORD)
    if (link.includes('/auth/cancel')) await pressCancel(page)
    await page.locator('main a').filter({ visible: true }).first().click()
    await page.waitForURL((url) => url.pathname === '/')
    await page.waitForLoadState('networkidle')

    await Promise.allSettled(watched)
    expect(bodies.filter((body) => body.includes(token))).toHaveLength(1)
    expect(requested.length).toBeGreaterThan(10)
    expect(requested.filter((text) => text.includes(token))).toEqual([])
    expect(requested.filter((text) => text.includes(`"referer":"${origin}`))).toEqual([])
    const arrived = served.slice(servedBefore)
    expect(arrived.length).toBeGreaterThan(5)
    expect(JSON.stringify(arrived)).not.toContain(token)
    expect(arrived.filter(({ headers }) => String(headers['referer']).startsWith(origin))).toEqual([])
    expect(await page.evaluate('document.referrer')).toBe('')
    context.removeAllListeners('request')
  }
})

// --- Links that do not work ---

async function expectBroken(page: Page, link: string, heading: string): Promise<void> {
  await page.goto('about:blank')
  await page.goto(link)
  if (link.includes('/auth/reset')) {
    await expectView(page, 'Choose a new password')
    await field(page, 'New password').fill(OTHER_PASSWORD)
    await page.getByRole('button', { name: 'Change my password' }).click()
  } else {
    await expectView(page, 'Confirm your address')
    await page.getByRole('button', { name: 'Confirm my address' }).click()
  }
  await expectView(page, heading)
  expect(await page.evaluate('document.activeElement.textContent')).toBe(heading)
}

/** From the view that says what is wrong to the view that waits for the new mail. */
async function askForNewEmail(page: Page, email: string): Promise<void> {
  await field(page, 'Email address').fill(email)
  await page.getByRole('button', { name: 'Send a new email' }).click()
  await expectView(page, 'Check your email')
  await expectText(page, email)
}

const EXPIRED = 'This link has expired'
const USED = 'This link has already been used'
const INCOMPLETE = 'This link is incomplete'

test('confirmation: an expired, cut or foreign link says so and offers a new email', async () => {
  const visitor = await visit()
  const { context, page } = visitor
  const account = await openAccount()
  const foreign = tokenOf(await askForResetLink(visitor, account))
  const email = await register(visitor)
  const [message] = await emailsTo(inboxUrl, email, 'verify')
  const link = linkIn(message)

  const at = (token: string) => `${origin}/auth/verify#token=${token}`
  await expectBroken(page, at(tokenOf(link).slice(0, -3)), INCOMPLETE)
  await expectBroken(page, at('%F0%9F%97%9D'), INCOMPLETE)
  await expectBroken(page, at('a'.repeat(600)), INCOMPLETE)
  await expectBroken(page, at(foreign), INCOMPLETE)
  await expectBroken(page, at(expired('registration-email', link)), EXPIRED)

  await askForNewEmail(page, email)
  await emailsTo(inboxUrl, email, 'verify', 2)
  const opened = await pressLink(await openEmail(context, inboxUrl, { to: email, linked: 'verify' }))
  await pressConfirm(opened)
  await expectBroken(page, link, USED)
  await expectText(page, 'If you have used it, you can sign in.')
  await page.getByRole('link', { name: 'Go to sign in' }).click()
  await expectView(page, 'You are signed in')
})

test('reset: an expired, replaced, used, cut or foreign link says so and offers a new email', async () => {
  const visitor = await visit()
  const { page } = visitor
  const registered = await register(visitor)
  const [confirmation] = await emailsTo(inboxUrl, registered, 'verify')
  const email = await openAccount()
  const first = await askForResetLink(visitor, email)
  const link = await askForResetLink(visitor, email)

  const at = (token: string) => `${origin}/auth/reset#token=${token}`
  await expectBroken(page, first, USED)
  await expectBroken(page, at(tokenOf(link).slice(2)), INCOMPLETE)
  await expectBroken(page, at(tokenOf(linkIn(confirmation))), INCOMPLETE)
  await expectBroken(page, at(expired('reset-email', link)), EXPIRED)
  await page.goto(link)
  await chooseNewPassword(page, OTHER_PASSWORD)
  await expectBroken(page, link, USED)

  await askForNewEmail(page, email)
  const messages = await emailsTo(inboxUrl, email, 'reset', 3)
  const fresh = linkIn(messages.at(-1))
  // In the same tab only the fragment changes: the page notices.
  await page.evaluate(`location.href = ${JSON.stringify(fresh)}`)
  await chooseNewPassword(page, PASSWORD)
  await signIn(visitor, email)
})

// --- The page that cancels a change of address ---

async function pressCancel(page: Page): Promise<void> {
  await expectView(page, 'Cancel the change of address')
  await page.getByRole('button', { name: 'Cancel the change' }).click()
  await expectView(page, 'The change is canceled')
}

test('cancel: any browser can cancel the change of address, and its other link stops working', async () => {
  const owner = await visit()
  const email = await openAccount()
  const { confirm, cancel } = await askForNewAddress(owner, email)
  const { page } = await visit()
  await page.goto('/auth/cancel')
  await expectView(page, 'Open the link in your email')
  await page.goto(cancel)
  expect(await readableCookies(page)).toBe('')
  await pressCancel(page)
  await page.getByRole('link', { name: 'Choose a new password' }).click()
  await expectView(page, 'Forgot your password?')

  await expectBroken(owner.page, confirm, USED)
  await owner.page.goto('/')
  await expectText(owner.page, email)
  // In a browser that is signed in, that link of the page leads to the account's own form.
  await owner.page.goto('/#reset-email')
  await expectView(owner.page, 'Change your password')

  for (const token of [
    tokenOf(cancel),
    tokenOf(cancel).slice(1),
    expired('email-change-cancel-email', cancel),
  ]) {
    await page.goto('about:blank')
    await page.goto(`/auth/cancel#token=${token}`)
    await page.getByRole('button', { name: 'Cancel the change' }).click()
    await expectView(page, 'There is nothing to cancel')
  }
})
