/** Every way in that there is: which operations hand out a session, and to whom. */
import { readdir } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { endpoints, newBrowser, sendRaw, type Received, type EndpointName } from '../support/browser.ts'
import { contract } from '../support/contract.ts'
import { query } from '../support/database.ts'
import { newAddress, newestEmailTo, OTHER_PASSWORD, PASSWORD, tokenIn } from '../support/people.ts'

/** All others hand out none. */
const HANDS_OUT_A_SESSION = ['PUT verify', 'POST login', 'POST refresh', 'PATCH account']

/** As public/openapi.json has them: `POST login`. */
const documented = Object.entries(contract.paths).flatMap(([path, operations]) =>
  Object.keys(operations).map((method) => `${method.toUpperCase()} ${path.replace('/api/auth/', '')}`),
)

test('[ASVS 6.3.2] a new database has no account, nor anything else but the list of its migrations', async () => {
  const tables = await query(
    "SELECT tablename FROM pg_tables WHERE schemaname = 'latchkey' AND tablename <> 'migrations'",
  )
  expect(tables.map(({ tablename }) => tablename)).toContain('users')
  for (const { tablename } of tables) {
    expect(await query(`SELECT 1 FROM ${tablename}`), tablename).toEqual([])
  }
})

test('[ASVS 6.1.3] [ASVS 6.3.4] the functions and the methods that they serve are those of the OpenAPI document', async () => {
  const files = (await readdir('api', { recursive: true })).filter((name) => name.endsWith('.ts'))
  expect(files.toSorted()).toEqual(
    Object.keys(endpoints)
      .map((name) => `auth/${name}.ts`)
      .toSorted(),
  )
  const served: string[] = []
  for (const name of Object.keys(endpoints) as EndpointName[]) {
    const { headers } = await sendRaw(name, { method: 'OPTIONS' })
    for (const method of headers.get('allow')?.split(', ') ?? []) {
      if (method !== 'HEAD') served.push(`${method} ${name}`)
    }
  }
  expect(served.toSorted()).toEqual(documented.toSorted())
})

test('[ASVS 6.3.4] [ASVS 6.3.6] four operations hand out a session, none of them without password, session or the registration’s own browser, and no other does', async () => {
  const email = newAddress()
  const browser = newBrowser()
  const stranger = newBrowser()
  const handedOut = new Map<string, boolean>()
  const refusals: [string, number][] = []
  const handsOut = ({ setCookies, body }: Received) =>
    setCookies.some((cookie) => cookie.startsWith('__Host-session=') && !cookie.includes('Max-Age=0')) ||
    JSON.stringify(body ?? '').includes('accessToken')
  const call = async (way: string, status: number, body?: unknown, headers?: Record<string, string>) => {
    const [method = '', target = ''] = way.split(' ')
    const response = await browser.send(target as EndpointName, method, body, headers)
    expect([way, response.status]).toEqual([way, status])
    const operation = way.split('?', 1)[0] ?? way
    handedOut.set(operation, (handedOut.get(operation) ?? false) || handsOut(response))
    // A stranger with none of it sends the same, and gets nothing.
    if (/^(?:POST refresh|PATCH|DELETE|GET (?:sessions|account|maintenance))/.test(way)) {
      refusals.push([way, (await stranger.send(target as EndpointName, method, body)).status])
    }
  }

  await call('POST register', 202, { email, password: PASSWORD })
  await call('POST verify', 202, { email })
  const link = { token: tokenIn(await newestEmailTo(email)) }
  expect((await stranger.send('verify', 'PUT', link)).body.code).toBe('password-required')
  await call('PUT verify', 200, link)
  await call('POST login', 200, { email, password: PASSWORD })
  await call('POST refresh', 200, {})
  await call('GET sessions', 200)
  await call('GET account', 200)
  await call('PATCH account', 200, { email: newAddress() })
  await call('PATCH account', 200, { currentPassword: PASSWORD, newPassword: OTHER_PASSWORD })
  await call('DELETE sessions?others=true', 204)
  await call('POST reset', 202, { email })
  await call('PUT reset', 200, { token: tokenIn(await newestEmailTo(email)), password: PASSWORD })
  await call('POST logout', 204, {})
  await call('GET keys', 200)
  await call('GET maintenance', 200, undefined, {
    authorization: `Bearer ${process.env['CRON_SECRET'] ?? ''}`,
  })
  await browser.send('login', 'POST', { email, password: PASSWORD })
  await call('DELETE account', 204)
  expect(refusals).toEqual(refusals.map(([way]) => [way, 401]))
  expect([...handedOut.keys()].toSorted()).toEqual(documented.toSorted())
  const ways = [...handedOut].filter(([, session]) => session).map(([way]) => way)
  expect(ways.toSorted()).toEqual(HANDS_OUT_A_SESSION.toSorted())
})
