/** The emails of the inbox, read as a person and as a program. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { BrowserContext, FrameLocator, Page } from 'playwright-core'

export interface Email {
  id: string
  to: string[]
  subject: string
  text: string
  html: string
}

/** What an email leads to: the page under /auth that its link opens. */
export type LinkedPage = 'verify' | 'reset' | 'cancel'

const EMAIL_DEADLINE_MS = 10_000

/** All emails to an address that lead to that page, oldest first, once there are so many. */
export async function emailsTo(
  inboxUrl: string,
  address: string,
  linked: LinkedPage,
  count = 1,
): Promise<Email[]> {
  const deadline = Date.now() + EMAIL_DEADLINE_MS
  while (Date.now() < deadline) {
    const all = await allEmailsTo(inboxUrl, address)
    const emails = all.filter(({ text }) => text.includes(`/auth/${linked}#token=`))
    if (emails.length >= count) return emails
    await sleep(50)
  }
  throw new Error(`no email that leads to ${linked} came`)
}

export async function allEmailsTo(inboxUrl: string, address: string): Promise<Email[]> {
  const response = await fetch(new URL('/emails', inboxUrl), {
    headers: { authorization: 'Bearer re_tests' },
  })
  const { data }: { data: Email[] } = JSON.parse(await response.text())
  return data.filter(({ to }) => to.includes(address))
}

/** The address of the email's link to a page of the app, token and all. */
export function linkIn(email: Email | undefined): string {
  const link = /https?:\S+#token=[\w-]+/.exec(email?.text ?? '')?.[0]
  if (link === undefined) throw new Error('there is no link in that email')
  return link
}

/** The six digits as the email shows them. */
export function codeIn(text: string | undefined): string {
  const code = /(?<!\d)\d{3} \d{3}(?!\d)/.exec(text ?? '')?.[0]
  if (code === undefined) throw new Error('there is no code in that email')
  return code
}

/** Opens the inbox in a new tab, and in it the newest such email, as it is shown to a person. */
export async function openEmail(
  context: BrowserContext,
  inboxUrl: string,
  { to, linked }: { to: string; linked: LinkedPage },
): Promise<{ tab: Page; email: FrameLocator }> {
  const emails = await emailsTo(inboxUrl, to, linked)
  const tab = await context.newPage()
  await tab.goto(inboxUrl)
  await tab.locator(`a[href$="${emails.at(-1)?.id}"]`).click()
  return { tab, email: tab.frameLocator('iframe') }
}

/** Presses the button of an opened email; the app opens in a tab of its own. */
export async function pressLink({ tab, email }: { tab: Page; email: FrameLocator }): Promise<Page> {
  const opened = tab.waitForEvent('popup')
  await email.getByRole('link').first().click()
  const page = await opened
  await page.waitForLoadState()
  return page
}
