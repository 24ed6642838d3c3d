/** The entries of docs/faq.md that only a browser can make happen. */
import { readFileSync } from 'node:fs'
import type { Frame, Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { origin, visit } from './app.ts'
import { openAccount, PASSWORD } from './people.ts'

const page = readFileSync('docs/faq.md', 'utf8')

function expectQuoted(heading: string, ...words: string[]): void {
  const [, entry = ''] = page.split(`### ${heading}\n`)
  for (const word of words) expect(entry.split(/^##/m)[0], heading).toContain(word)
}

interface Seen {
  status: number
  code: string | undefined
}

/** What a page's own `fetch` gets. */
function call(
  where: Page | Frame,
  name: string,
  body: object,
  credentials?: RequestCredentials,
): Promise<Seen> {
  return where.evaluate(
    async ([path, text, mode]) => {
      const response = await fetch(path, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: text,
        ...(mode && { credentials: mode }),
      })
      const { code }: { code?: string } = await response.json()
      return { status: response.status, code }
    },
    [`/api/auth/${name}`, JSON.stringify(body), credentials] as const,
  )
}

test('a page that calls without credentials: the sign-in goes well, and the browser keeps nothing of it', async () => {
  const heading = 'The cookie is not set: fetch leaves cookies out'
  const visitor = await visit()
  const email = await openAccount()
  await visitor.page.goto('/')
  const login = await call(visitor.page, 'login', { email, password: PASSWORD }, 'omit')
  expect(login.status).toBe(200)
  const cookies = await visitor.context.cookies()
  expect(cookies.filter(({ name }) => name === 'session')).toEqual([])
  const { status, code } = await call(visitor.page, 'refresh', {}, 'omit')
  expectQuoted(heading, `${status} ${code}`, "credentials: 'omit'")

  expect((await call(visitor.page, 'login', { email, password: PASSWORD })).status).toBe(200)
  expect((await call(visitor.page, 'refresh', {})).status).toBe(200)
})

test('an app in a frame of another site: the browser keeps no cookie for it, and shows none of our pages', async () => {
  const heading = 'The cookie is not set: the app is in a frame of another site'
  const visitor = await visit()
  const { page: tab, context } = visitor
  visitor.expected.push(/frame-ancestors 'none'/, /chrome-error/)
  const email = await openAccount()
  await context.route('http://other.example/', (route) =>
    route.fulfill({ contentType: 'text/html', body: `<iframe src="${origin}/framed"></iframe>` }),
  )
  // A page of the app that lets itself be framed.
  await context.route(`${origin}/framed`, (route) =>
    route.fulfill({ contentType: 'text/html', body: '<title>framed</title>' }),
  )
  await tab.goto('http://other.example/')
  const frame = tab.frames()[1]
  if (frame === undefined) throw new Error('there is no frame')
  await frame.waitForURL(`${origin}/framed`)
  expect((await call(frame, 'login', { email, password: PASSWORD })).status).toBe(200)
  const { status, code } = await call(frame, 'refresh', {})
  expectQuoted(heading, `${status} ${code}`)
  expect((await context.cookies(origin)).filter(({ name }) => name === 'session')).toEqual([])

  const response = await context.request.get('/')
  expectQuoted(
    heading,
    /frame-ancestors 'none'/.exec(response.headers()['content-security-policy'] ?? '')?.[0] ?? '–',
  )
})
