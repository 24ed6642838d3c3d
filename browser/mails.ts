/** The mails of the inbox, read as a person and as a program. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { BrowserContext, FrameLocator, Page } from 'playwright-core'

export interface Mail {
  id: string
  to: string[]
  subject: string
  text: string
  html: string
}

/** What a mail leads to: the page under /auth that its link opens. */
export type LinkedPage = 'verify' | 'reset' | 'cancel'

const MAIL_DEADLINE_MS = 10_000

/** All mails to an address that lead to that page, oldest first, once there are so many. */
export async function mailsTo(
  inboxUrl: string,
  address: string,
  linked: LinkedPage,
  count = 1,
): Promise<Mail[]> {
  const deadline = Date.now() + MAIL_DEADLINE_MS
  while (Date.now() < deadline) {
    const all = await allMailsTo(inboxUrl, address)
    const mails = all.filter(({ text }) => text.includes(`/auth/${linked}#token=`))
    if (mails.length >= count) return mails
    await sleep(50)
  }
  throw new Error(`no mail that leads to ${linked} came`)
}

export async function allMailsTo(inboxUrl: string, address: string): Promise<Mail[]> {
  const response = await fetch(new URL('/emails', inboxUrl), {
    headers: { authorization: 'Bearer re_tests' },
  })
  const { data }: { data: Mail[] } = JSON.parse(await response.text())
  return data.filter(({ to }) => to.includes(address))
}

/** The address of the mail's link to a page of the app, token and all. */
export function linkIn(mail: Mail | undefined): string {
  const link = /https?:\S+#token=[\w-]+/.exec(mail?.text ?? '')?.[0]
  if (link === undefined) throw new Error('there is no link in that mail')
  return link
}

/** The six digits as the mail shows them. */
export function codeIn(text: string | undefined): string {
  const code = /(?<!\d)\d{3} \d{3}(?!\d)/.exec(text ?? '')?.[0]
  if (code === undefined) throw new Error('there is no code in that mail')
  return code
}

/** Opens the inbox in a new tab, and in it the newest such mail, as it is shown to a person. */
export async function openMail(
  context: BrowserContext,
  inboxUrl: string,
  { to, linked }: { to: string; linked: LinkedPage },
): Promise<{ tab: Page; mail: FrameLocator }> {
  const mails = await mailsTo(inboxUrl, to, linked)
  const tab = await context.newPage()
  await tab.goto(inboxUrl)
  await tab.locator(`a[href$="${mails.at(-1)?.id}"]`).click()
  return { tab, mail: tab.frameLocator('iframe') }
}

/** Presses the button of an opened mail; the app opens in a tab of its own. */
export async function pressLink({ tab, mail }: { tab: Page; mail: FrameLocator }): Promise<Page> {
  const opened = tab.waitForEvent('popup')
  await mail.getByRole('link').first().click()
  const page = await opened
  await page.waitForLoadState()
  return page
}
