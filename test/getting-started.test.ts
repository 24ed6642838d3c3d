/** docs/getting-started.md: the route that it has you make does what it says, and what it tells you to look for is there. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { sendRaw } from './browser.ts'
import { signedInPerson, type Person } from './people.ts'
import { APP_ORIGIN } from './setup-environment.ts'

const page = await readFile('docs/getting-started.md', 'utf8')
const [, route = ''] = /```ts\n([^]*?)```/.exec(page) ?? []
const directory = await mkdtemp(resolve('test', 'hello-'))
afterAll(() => rm(directory, { recursive: true, force: true }))

async function hello(person?: Person): Promise<{ status: number; body: unknown }> {
  const file = join(directory, 'hello.ts')
  await writeFile(file, route.replace("'../lib/", "'../../lib/"))
  const { default: made }: { default: { fetch(request: Request): Promise<Response> } } = await import(file)
  const cookie = `__Host-session=${person?.browser.cookies.get('__Host-session')}`
  const response = await made.fetch(new Request(`${APP_ORIGIN}/api/hello`, { headers: { cookie } }))
  return { status: response.status, body: await response.json() }
}

test('the route greets whoever is signed in, and nobody else, from the moment of the sign-out', async () => {
  const person = await signedInPerson()
  expect(await hello(person)).toEqual({ status: 200, body: { hello: person.email } })
  expect(await hello()).toMatchObject({ status: 401, body: { detail: expect.any(String) } })
  const cookie = `__Host-session=${person.browser.cookies.get('__Host-session')}`
  const headers = { cookie, 'content-type': 'application/json' }
  expect((await sendRaw('logout', { method: 'POST', headers, body: '{}' })).status).toBe(204)
  expect((await hello(person)).status).toBe(401)
})

test('the route is the one of the README', async () => {
  expect(await readFile('README.md', 'utf8')).toContain(route)
})

test('what is printed and pressed is called as the page says', async () => {
  const [main, index] = await Promise.all(
    ['dev/main.ts', 'public/index.html'].map((file) => readFile(file, 'utf8')),
  )
  for (const label of ['App  ', 'API  ', 'Inbox  ', 'Database  ']) {
    expect(page).toContain(label)
    expect(main).toContain(`  ${label}`)
  }
  const buttons = [...page.matchAll(/Choose “([^”]+)”/g)].map(([, label]) => label)
  expect(buttons).toHaveLength(1)
  for (const label of buttons) expect(index).toContain(label)
})
