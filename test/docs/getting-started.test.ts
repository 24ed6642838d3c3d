/** The first route that the docs have you make does what it says. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { sendRaw } from '../support/browser.ts'
import { signedInPerson, type Person } from '../support/people.ts'
import { APP_ORIGIN } from '../support/setup-environment.ts'

const directory = await mkdtemp(resolve('test', 'hello-'))
afterAll(() => rm(directory, { recursive: true, force: true }))

/** Makes the route of a page, and returns a way to call it. */
async function routeIn(page: string) {
  const blocks = (await readFile(page, 'utf8')).matchAll(/```ts\n([^]*?)```/g)
  const [route = ''] = Array.from(blocks, ([, block = '']) => block).filter((block) =>
    block.includes('export default'),
  )
  const file = join(directory, `${page.replaceAll('/', '-')}.ts`)
  await writeFile(file, route.replace("'../lib/", "'../../lib/"))
  const { default: made }: { default: { fetch(request: Request): Promise<Response> } } = await import(file)
  return async (person?: Person) => {
    const cookie = `__Host-session=${person?.browser.cookies.get('__Host-session')}`
    const response = await made.fetch(new Request(`${APP_ORIGIN}/api/hello`, { headers: { cookie } }))
    const body: unknown = await response.json()
    return { status: response.status, body }
  }
}

test.each(['README.md', 'docs/getting-started.md'])(
  'the route of %s greets somebody who is signed in, and nobody else, until they sign out',
  async (page) => {
    const hello = await routeIn(page)
    const person = await signedInPerson()
    expect(await hello(person)).toEqual({ status: 200, body: { hello: person.email } })
    expect(await hello()).toMatchObject({ status: 401, body: { detail: expect.any(String) } })
    const cookie = `__Host-session=${person.browser.cookies.get('__Host-session')}`
    const headers = { cookie, 'content-type': 'application/json' }
    expect((await sendRaw('logout', { method: 'POST', headers, body: '{}' })).status).toBe(204)
    expect((await hello(person)).status).toBe(401)
  },
)
