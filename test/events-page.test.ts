/** docs/events.md, held against what the code writes and against a trail of everything that can happen. */
import { globSync, readFileSync } from 'node:fs'
import { expect, test, vi } from 'vitest'
import { KEEP_EVENTS_DAYS } from '../admin/purge.ts'
import { EVENT_KINDS } from '../lib/events.ts'
import { KEEP_EVENT_IP_SECONDS } from '../lib/maintenance.ts'
import { admin } from './admin-program.ts'
import { endpoints, newBrowser, sendThrough } from './browser.ts'
import { query } from './database.ts'
import { operations } from './fault-operations.ts'
import { failedBefore, OTHER_PASSWORD, PASSWORD, signedInPerson, type Person } from './people.ts'
import { inbox } from './setup-stack.ts'

const page = readFileSync('docs/events.md', 'utf8')

function cellsUnder(heading: string): string[][] {
  const [, section = ''] = page.split(`\n## ${heading}\n`)
  return (section.split('\n## ')[0] ?? '')
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    )
}

const namesIn = (cell = '') => [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name)

interface Documented {
  writtenBy: string[]
  account: string | undefined
  session: string | undefined
  detail: string[]
}

const documented = new Map<string, Documented>(
  cellsUnder('Kinds')
    .filter((cells) => cells.length === 7)
    .map(([kind, , writtenBy, , account, session, detail]) => [
      namesIn(kind)[0] ?? '',
      { writtenBy: namesIn(writtenBy), account, session, detail: namesIn(detail) },
    ]),
)

const sources = globSync(['api/**/*.ts', 'lib/*.ts', 'admin/*.ts'])
  .filter((path) => !path.endsWith('.test.ts'))
  .map((path) => readFileSync(path, 'utf8'))
  .join('\n')

/** What stands between a bracket and the one that closes it. */
function inBrackets(text: string): string {
  let depth = 0
  for (const [index, character] of [...text].entries()) {
    if (character === '(') depth += 1
    if (character === ')') depth -= 1
    if (depth === 0) return [...text].slice(0, index + 1).join('')
  }
  throw new Error('a bracket is not closed')
}

/** Each place that writes an event: its kind, and the keys of its detail. */
const written = [
  ...[...sources.matchAll(/(?<!function )\binsertEvent(?=\()/g)].map(({ index }) =>
    inBrackets(sources.slice(index + 'insertEvent'.length, index + 1500)),
  ),
  ...[...sources.matchAll(/INSERT INTO events \(kind, detail\)\s+SELECT [^]*?(?=\n {4}\),)/g)].map(
    ([text]) => text,
  ),
].flatMap((text) => {
  const [, ...kinds] = /^(?:\(|[^']*SELECT)\s*(?:\$\{\w+ \? )?'([\w-]+)'(?: : '([\w-]+)')?/.exec(text) ?? []
  const objects = [...text.matchAll(/jsonb_build_object(?=\()/g)].map(({ index }) =>
    inBrackets(text.slice(index + 'jsonb_build_object'.length)),
  )
  const keys = objects.flatMap((object) =>
    [...object.matchAll(/[(,] ?'(\w+)'(?=,)/g)].map(([, key = '']) => key),
  )
  const all = text.includes('BY_OPERATOR') ? [...keys, 'by'] : keys
  return kinds.filter((kind) => kind !== undefined).map((kind) => ({ kind, keys: all }))
})

test('every kind that there is, is written somewhere and is in the docs once, and no other', () => {
  expect([...documented.keys()].toSorted()).toEqual([...EVENT_KINDS].toSorted())
  expect(cellsUnder('Kinds').filter((cells) => cells.length === 7)).toHaveLength(documented.size)
  expect([...new Set(written.map(({ kind }) => kind))].toSorted()).toEqual([...EVENT_KINDS].toSorted())
  expect(sources.match(/INSERT INTO events \(/g)).toHaveLength(2)
})

test('every key of a detail that the code writes is in the docs of its kind, and no other; each is explained', () => {
  for (const [kind, { detail }] of documented) {
    const keys = new Set(written.filter((each) => each.kind === kind).flatMap((each) => each.keys))
    expect([...keys].toSorted(), kind).toEqual(detail.toSorted())
  }
  const explained = cellsUnder('Kinds')
    .filter((cells) => cells.length === 2)
    .flatMap(([names]) => namesIn(names))
  const all = new Set([...documented.values()].flatMap(({ detail }) => detail))
  expect(explained.toSorted()).toEqual([...all].toSorted())
})

test('every column is in the docs, and every reason for which a session ends', () => {
  const columns = readFileSync('drizzle/schema.ts', 'utf8').split("'events',")[1]?.split('(table)')[0] ?? ''
  expect(cellsUnder('Columns').flatMap(([name]) => namesIn(name))).toEqual(
    [...columns.matchAll(/(?:text|uuid|bigint|jsonb|at)\('(\w+)'/g)].map(([, name]) => name),
  )
  const [, union = ''] =
    /type RevokedBecause =([^]*?)\n\n/.exec(readFileSync('lib/sessions.ts', 'utf8')) ?? []
  expect(cellsUnder('Why a session ended').flatMap(([name]) => namesIn(name))).toEqual(
    [...union.matchAll(/'([\w-]+)'/g)].map(([, because]) => because),
  )
})

test('[ASVS 14.2.7] how long an event and its IP address are kept is in the docs as the code has it', () => {
  const [, section = ''] = page.split('\n## How long it is kept\n')
  expect(section).toContain(`after ${KEEP_EVENTS_DAYS} days`)
  expect(section).toContain(`after ${KEEP_EVENT_IP_SECONDS / (24 * 60 * 60)} days`)
  const data = readFileSync('docs/data.md', 'utf8')
  expect(data).toContain(`goes after ${KEEP_EVENTS_DAYS} days, by [the operator's purge]`)
})

test('the statements of the docs find what they say', async () => {
  const person = await signedInPerson()
  const [ofAccount = '', ofKind = ''] = [...page.matchAll(/```sql\n([^`]*)```/g)].map(
    ([, statement]) => statement,
  )
  const found = await query(ofAccount.replace('person@example.org', person.email))
  expect(found.map(({ kind }) => kind)).toEqual(['session-opened', 'account-created'])
  expect(await query(ofKind)).toEqual([])
  expect((await query(ofKind.replace('session-stolen', 'session-opened'))).length).toBeGreaterThan(0)
})

/** Wrong passwords until it is locked, wherever one is asked for. */
async function failEverywhere(): Promise<void> {
  const people = [await signedInPerson(), await signedInPerson(), await signedInPerson()]
  const fails = [
    ({ email }: Person) => newBrowser().send('login', 'POST', { email, password: OTHER_PASSWORD }),
    ({ browser }: Person) =>
      browser.send('account', 'PATCH', { currentPassword: OTHER_PASSWORD, newPassword: PASSWORD }),
    ({ browser }: Person) => browser.send('account', 'DELETE', { currentPassword: OTHER_PASSWORD }),
  ]
  for (const [index, fail] of fails.entries()) {
    const person = people[index]!
    await fail(person)
    await failedBefore(person.email, 99)
    await fail(person)
  }
}

/** Every command that writes events. */
async function operate(): Promise<void> {
  const people = await Promise.all(Array.from({ length: 3 }, () => signedInPerson()))
  const [ended, shut, reset] = people.map(({ email }) => email) as [string, string, string]
  inbox.fault = () => ({ kind: 'status', code: 422 })
  await newBrowser().send('reset', 'POST', { email: reset })
  inbox.fault = undefined
  const [{ id: mail }] = await query(
    'SELECT id FROM outbox WHERE recipient = $1 AND failed_at IS NOT NULL',
    reset,
  )
  await query("INSERT INTO events (at, kind) VALUES (now() - interval '2 years', 'login-failed')")
  for (const args of [
    ['end-sessions', ended],
    ['disable', shut],
    ['enable', shut],
    ['resend', mail],
    ['force-reset', reset],
    ['purge'],
  ]) {
    const { code, stderr } = await admin([...args, '--yes', '--as', `test.${args[0]}`])
    expect([code, stderr]).toEqual([0, ''])
  }
}

test('[ASVS 16.1.1] of a trail of everything that can happen, each event was written by whom the docs say, with what they say, and all that they say was seen', async () => {
  const requests = new Map<string, string>()
  sendThrough(async (request, name) => {
    const response = await endpoints[name].fetch(request)
    requests.set(response.headers.get('x-request-id') ?? '', `${request.method} ${name}`)
    return response
  })
  await query('TRUNCATE events')
  for (const operation of operations) {
    const scene = await operation.prepare()
    await scene.send({})
    await scene.expectWellEnded()
  }
  const person = await signedInPerson()
  await person.browser.send('login', 'POST', { email: person.email, password: PASSWORD })
  await failEverywhere()
  await operate()

  vi.stubEnv('MAIL_ALLOW', '@nobody.example')
  vi.resetModules()
  const { default: keepingBack } = await import('../api/auth/reset.ts')
  sendThrough(async (request, name) => {
    const response = await keepingBack.fetch(request)
    requests.set(response.headers.get('x-request-id') ?? '', `${request.method} ${name}`)
    return response
  })
  await newBrowser().send('reset', 'POST', { email: person.email })
  vi.unstubAllEnvs()
  sendThrough((request, name) => endpoints[name].fetch(request))

  const seen = new Map(
    EVENT_KINDS.map((kind) => [kind as string, { by: new Set<string>(), detail: new Set<string>() }]),
  )
  for (const event of await query('SELECT * FROM events')) {
    const { writtenBy, account, session, detail } = documented.get(event.kind)!
    const [, command] = /^operator:test\.([\w-]+):/.exec(event.request_id ?? '') ?? []
    const by = command === undefined ? requests.get(event.request_id) : `admin ${command}`
    const isMail = event.kind === 'mail-given-up' || event.kind === 'mail-held'
    expect(isMail ? event.request_id === null : writtenBy.includes(by ?? ''), `${event.kind} by ${by}`).toBe(
      true,
    )
    const hasAccount = event.user_id === null ? 'no' : 'yes'
    expect(account === 'if any' || account === hasAccount, event.kind).toBe(true)
    expect(event.session_id === null ? 'no' : 'yes', event.kind).toBe(session)
    const mayHaveIp = command === undefined && !isMail && event.kind !== 'account-deleted'
    expect(mayHaveIp || event.ip === null, event.kind).toBe(true)
    const keys = Object.keys(event.detail ?? {})
    expect(detail, event.kind).toEqual(expect.arrayContaining(keys))
    if (by !== undefined) seen.get(event.kind)?.by.add(by)
    for (const key of keys) seen.get(event.kind)?.detail.add(key)
  }
  for (const [kind, { writtenBy, detail }] of documented) {
    expect([...(seen.get(kind)?.by ?? [])].toSorted(), kind).toEqual(writtenBy.toSorted())
    expect([...(seen.get(kind)?.detail ?? [])].toSorted(), kind).toEqual(detail.toSorted())
  }
}, 120_000)
