/** Every way in that there is, as docs/security.md lists them: which of them hand out a session, and to whom. */
import { readdir, readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { failureWaits } from '../lib/rate-limits.ts'
import { endpoints, newBrowser, sendRaw, type Answer, type EndpointName } from './browser.ts'
import { query } from './database.ts'
import { newAddress, newestMailTo, OTHER_PASSWORD, PASSWORD, tokenIn } from './people.ts'

const page = await readFile('docs/security.md', 'utf8')

/** A row of the table is a way in, and whether a session comes out. */
const documented = new Map(
  [...page.matchAll(/^\| `([A-Z]+ [a-z]+)` +\|[^|]+\| *([^|]*?) *\|$/gm)].map(
    ([, way = '', session = '']) => [way, session.startsWith('yes')],
  ),
)

test('[ASVS 6.3.2] a new database has no account, nor anything else', async () => {
  const tables = await query("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
  expect(tables.map(({ tablename }) => tablename)).toContain('users')
  for (const { tablename } of tables) {
    expect(await query(`SELECT 1 FROM ${tablename}`), tablename).toEqual([])
  }
  const migrations = (await readdir('drizzle/migrations')).filter((name) => name.endsWith('.sql'))
  for (const name of migrations) {
    expect(await readFile(`drizzle/migrations/${name}`, 'utf8'), name).not.toMatch(
      /\b(?:INSERT|COPY|MERGE)\b/i,
    )
  }
})

test('[ASVS 6.1.3] [ASVS 6.3.4] the functions and the methods that they serve are those of the docs', async () => {
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
  expect([...documented.keys()].toSorted()).toEqual(served.toSorted())
})

test('[ASVS 6.3.4] [ASVS 6.3.6] a session comes out of the documented ways alone, and none out of them without password or session', async () => {
  const email = newAddress()
  const browser = newBrowser()
  const stranger = newBrowser()
  const handedOut = new Map<string, boolean>()
  const refusals: [string, number][] = []
  const handsOut = ({ setCookies, body }: Answer) =>
    setCookies.some((cookie) => cookie.startsWith('__Host-session=') && !cookie.includes('Max-Age=0')) ||
    JSON.stringify(body ?? '').includes('accessToken')
  const call = async (way: string, status: number, body?: unknown, headers?: Record<string, string>) => {
    const [method = '', target = ''] = way.split(' ')
    const answer = await browser.send(target as EndpointName, method, body, headers)
    expect([way, answer.status]).toEqual([way, status])
    const documentedWay = way.split('?', 1)[0] ?? way
    handedOut.set(documentedWay, (handedOut.get(documentedWay) ?? false) || handsOut(answer))
    // Somebody who has none of it sends the same.
    if (/^(?:POST refresh|PATCH|DELETE|GET (?:sessions|account|maintenance))/.test(way)) {
      refusals.push([way, (await stranger.send(target as EndpointName, method, body)).status])
    }
  }

  await call('POST register', 202, { email, password: PASSWORD })
  await call('POST verify', 202, { email })
  await call('PUT verify', 200, { token: tokenIn(await newestMailTo(email)) })
  await call('POST login', 200, { email, password: PASSWORD })
  await call('POST refresh', 200, {})
  await call('GET sessions', 200)
  await call('GET account', 200)
  await call('PATCH account', 200, { currentPassword: PASSWORD, email: newAddress() })
  await call('PATCH account', 200, { currentPassword: PASSWORD, newPassword: OTHER_PASSWORD })
  await call('DELETE sessions?others=true', 204)
  await call('POST reset', 202, { email })
  await call('PUT reset', 200, { token: tokenIn(await newestMailTo(email)), password: PASSWORD })
  await call('POST logout', 204, {})
  await call('GET keys', 200)
  await call('GET maintenance', 200, undefined, {
    authorization: `Bearer ${process.env['CRON_SECRET'] ?? ''}`,
  })
  await browser.send('login', 'POST', { email, password: PASSWORD })
  await call('DELETE account', 204, { currentPassword: PASSWORD })
  expect(refusals).toEqual(refusals.map(([way]) => [way, 401]))
  expect([...handedOut].toSorted()).toEqual([...documented].toSorted())
})

test('[ASVS 6.3.3] [63B-4 2.1] the docs say that there is one factor, why no higher level is claimed, and what stands in', () => {
  const [, chapter = ''] = /^## One factor\n(.*?)^## /ms.exec(page) ?? []
  expect(chapter).toContain('There is one factor, the password')
  expect(chapter).toContain('no level above AAL1 is claimed')
  expect(chapter).toContain(`at most ${failureWaits.lockedAt} wrong passwords in a row`)
  expect(chapter).toContain(
    `waits of up to ${failureWaits.longestWaitSeconds / 3600 === 1 ? 'an hour' : '?'}`,
  )
})
