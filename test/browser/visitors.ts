/** People's browsers: real Chromium, one profile a visitor, and a watch on what goes wrong in it. */
import { randomInt } from 'node:crypto'
import {
  chromium,
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  type Locator,
  type Page,
} from 'playwright-core'
import { expect } from 'vitest'
import { ADDRESS_HEADER } from './app-server.ts'

/** A browser of its own: what it keeps, nobody else sees. */
export interface Visitor {
  context: BrowserContext
  /** The tab it begins with. */
  page: Page
  /** Errors on the console that this test means to cause, besides the line about a 4xx of the API. */
  expected: RegExp[]
  /** Everything on the console that is an error, as far as it was not expected. */
  pageErrors(): string[]
  close(): Promise<void>
}

const CHROMIUM = process.env['CHROMIUM'] ?? '/usr/bin/chromium'
const ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

export function startChromium(): Promise<Browser> {
  return chromium.launch({ executablePath: CHROMIUM, args: ARGUMENTS })
}

export interface VisitorOptions extends BrowserContextOptions {
  /** How long it waits for anything; functions under `vercel dev` take seconds. */
  patienceMs?: number
}

const PATIENCE_MS = 10_000

/** An address to come from, so that tests don't share rate limits. */
export function randomSource(): string {
  return `10.${randomInt(256)}.${randomInt(256)}.${randomInt(1, 255)}`
}

export async function newVisitor(
  browser: Browser,
  origin: string,
  { patienceMs = PATIENCE_MS, ...options }: VisitorOptions = {},
): Promise<Visitor> {
  const context = await browser.newContext({
    baseURL: origin,
    extraHTTPHeaders: { [ADDRESS_HEADER]: randomSource() },
    // No frames are drawn for what turns and slides.
    reducedMotion: 'reduce',
    ...options,
  })
  context.setDefaultTimeout(patienceMs)

  const errors: { text: string; url: string }[] = []
  const expected: RegExp[] = []
  context.on('console', (message) => {
    const { url } = message.location()
    const isOurs = url.startsWith(origin) || message.page()?.url().startsWith(origin)
    if (isOurs && ['error', 'warning'].includes(message.type())) errors.push({ text: message.text(), url })
  })
  context.on('weberror', (error) => errors.push({ text: String(error.error()), url: origin }))
  const isRefusal = ({ text, url }: { text: string; url: string }) =>
    url.startsWith(`${origin}/api/auth/`) && /^Failed to load resource: .* status of 4\d\d /.test(text)

  return {
    context,
    page: await context.newPage(),
    expected,
    pageErrors: () =>
      errors
        .filter((error) => !isRefusal(error) && !expected.some((pattern) => pattern.test(error.text)))
        .map(({ text, url }) => `${text} (${url})`),
    close: () => context.close(),
  }
}

/** Waits for a view by its heading. */
export async function expectView(page: Page, heading: string): Promise<void> {
  await page.getByRole('heading', { level: 1, name: heading, exact: true }).waitFor()
}

/** Waits for a text that can be seen. */
export async function expectText(page: Page, text: string | RegExp): Promise<void> {
  await page.getByText(text).filter({ visible: true }).first().waitFor()
}

/** The field with that label in the visible view. Wait for the view first: others have fields of the same label. */
export function field(page: Page, label: string): Locator {
  return page.getByLabel(label, { exact: true }).filter({ visible: true })
}

/** What scripts can read of the cookies; nothing where the page is in a sandbox, as an answer of the API is. */
export async function readableCookies(page: Page): Promise<string> {
  return String(await page.evaluate(`(() => { try { return document.cookie } catch { return '' } })()`))
}

/** No script on any open page of the app may see what signs somebody in. */
export async function expectSecretsHidden({ context }: Visitor, origin: string): Promise<void> {
  for (const page of context.pages()) {
    if (page.url().startsWith(origin)) expect(['', 'signed-in=1']).toContain(await readableCookies(page))
  }
}
