/** `npm run doctor`, run as a person runs it; and what it makes of Resend's answers, as that stage would get them. */
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Client } from 'pg'
import { afterAll, afterEach, describe, expect, inject, test, vi } from 'vitest'
import type { Finding } from '../build/examination.ts'
import { query } from './database.ts'
import { TEMPLATE_DATABASE } from './global-postgres.ts'
import { databaseUrl, gateway, inbox } from './setup-stack.ts'
import { deploymentVariables, leadToStandIns } from './stages.ts'

const PROGRAM = join(import.meta.dirname, '..', 'build', 'doctor.ts')
const admin = new Client({ connectionString: inject('postgresUrl') })
await admin.connect()
afterAll(() => admin.end())
afterEach(() => {
  gateway.fault = undefined
  inbox.fault = undefined
  vi.unstubAllEnvs()
  vi.unstubAllGlobals()
  vi.resetModules()
})

/** A complete environment of this machine; an empty value takes a variable away. */
const local = {
  APP_URL: 'http://localhost:3000',
  JWT_SECRET: randomBytes(32).toString('base64'),
  CRON_SECRET: randomBytes(32).toString('base64'),
  DATABASE_URL: databaseUrl,
  NEON_FETCH_ENDPOINT: gateway.url,
  RESEND_API_KEY: inbox.apiKey,
  RESEND_BASE_URL: inbox.url,
  MAIL_FROM: 'Latchkey <login@latchkey.test>',
}

interface Ended {
  code: number
  stdout: string
  stderr: string
}

async function doctor(changes: Record<string, string> = {}, ...options: string[]): Promise<Ended> {
  const env = { PATH: process.env['PATH'], ...local, ...changes }
  const running = promisify(execFile)(process.execPath, [PROGRAM, ...options], { env })
  const ended: Partial<Ended> = await running.catch((error: unknown) => error as Ended)
  const { code = 0, stdout = '', stderr = '' } = ended
  return { code, stdout, stderr }
}

interface Told {
  code: number
  ok: boolean
  findings: Finding[]
}

async function told(changes: Record<string, string> = {}): Promise<Told> {
  const { code, stdout } = await doctor(changes, '--json')
  return { code, ...(JSON.parse(stdout) as { ok: boolean; findings: Finding[] }) }
}

const bad = ({ findings }: { findings: Finding[] }) =>
  findings.filter(({ kind }) => kind === 'fault' || kind === 'trouble')

async function emptyDatabase(template = ''): Promise<string> {
  const name = `doctor_${randomBytes(6).toString('hex')}`
  await admin.query(`CREATE DATABASE ${name} ${template === '' ? '' : `TEMPLATE ${template}`}`)
  return new URL(`/${name}`, databaseUrl).href
}

describe('npm run doctor', () => {
  test('where all is well it says so of each part, ends with 0 and shows no value', async () => {
    const { code, ok, findings } = await told()
    expect([code, ok, bad({ findings })]).toEqual([0, true, []])
    expect(new Set(findings.map(({ about }) => about))).toEqual(
      new Set(['environment', 'secrets', 'origin', 'database', 'clock', 'role', 'migrations', 'mail']),
    )
    // The tests' role owns everything, which is advice and no fault.
    expect(findings.filter(({ kind }) => kind === 'advice').map(({ about }) => about)).toEqual(['role'])

    const { stdout } = await doctor()
    expect(stdout.split('\n').filter((line) => line.startsWith('ok '))).toHaveLength(findings.length - 1)
    for (const value of [
      local.JWT_SECRET,
      local.CRON_SECRET,
      databaseUrl,
      new URL(databaseUrl).pathname.slice(1),
    ]) {
      expect(stdout).not.toContain(value)
    }
  })

  test('each fault of the environment is named, and what can be looked at without it is', async () => {
    const { code, findings } = await told({ JWT_SECRET: 'short', MAIL_FROM: '' })
    expect(code).toBe(1)
    expect(findings.filter(({ kind }) => kind === 'fault').map(({ says }) => says.split(':')[0])).toEqual([
      'JWT_SECRET',
      'MAIL_FROM',
    ])
    expect(findings).toContainEqual({ about: 'migrations', kind: 'good', says: 'All are applied.' })
    expect(JSON.stringify(findings)).not.toContain('short"')
  })

  test('a migration that is not applied is a fault, one that this checkout does not know is advice', async () => {
    const url = await emptyDatabase()
    const empty = await told({ DATABASE_URL: url })
    expect(empty.code).toBe(1)
    expect(empty.findings).toContainEqual({
      about: 'migrations',
      kind: 'fault',
      says: expect.stringMatching(/^Not applied yet: 0000_lifecycle, .*0003_production_database, .*\.$/),
      mend: 'Apply them: npm run migrate',
    })

    const newer = await emptyDatabase(TEMPLATE_DATABASE)
    const client = new Client({ connectionString: newer })
    await client.connect()
    await client.query(
      "INSERT INTO drizzle.__drizzle_migrations (hash, created_at) VALUES ('', 99999999999999)",
    )
    await client.end()
    const { code, findings } = await told({ DATABASE_URL: newer })
    expect([code, findings.filter(({ about }) => about === 'migrations')]).toEqual([
      0,
      [
        {
          about: 'migrations',
          kind: 'advice',
          says: 'The database has 1 that this checkout does not know: something newer was deployed.',
          mend: expect.stringContaining('After a rollback'),
        },
      ],
    ])
  })

  test('a database that refuses the role is a fault by both ways, one that does not answer is trouble', async () => {
    const refused = new URL(databaseUrl)
    refused.username = 'nobody_known'
    expect(bad(await told({ DATABASE_URL: refused.href })).map(({ about, kind }) => [about, kind])).toEqual([
      ['database', 'fault'],
      ['migrations', 'fault'],
    ])
    const away = await told({
      DATABASE_URL: 'postgresql://someone:nothing@127.0.0.1:1/app',
      NEON_FETCH_ENDPOINT: 'http://127.0.0.1:1/sql',
    })
    expect([away.code, bad(away).map(({ about, kind }) => [about, kind])]).toEqual([
      1,
      [
        ['database', 'trouble'],
        ['migrations', 'trouble'],
      ],
    ])
    expect(JSON.stringify(away)).not.toMatch(/someone|nothing@/)
  })

  test('two addresses of two databases are a fault: one is migrated and the functions use the other', async () => {
    const { code, findings } = await told({ DATABASE_URL_UNPOOLED: await emptyDatabase(TEMPLATE_DATABASE) })
    expect(code).toBe(1)
    expect(bad({ findings }).map(({ says }) => says)).toEqual([
      'DATABASE_URL and DATABASE_URL_UNPOOLED name two databases: one is migrated and the functions use the other.',
    ])
  })

  test('the role of the functions is good, and a fault as soon as a table is closed to it', async () => {
    const role = `doctor_${randomBytes(4).toString('hex')}`
    await query(`CREATE ROLE ${role} LOGIN`)
    const tables = await query(
      "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace",
    )
    for (const { relname } of tables) await query(`GRANT SELECT, INSERT ON ${relname} TO ${role}`)
    const url = new URL(databaseUrl)
    url.username = role
    const changes = { DATABASE_URL: url.href, DATABASE_URL_UNPOOLED: databaseUrl }
    const good = await told(changes)
    expect([good.code, good.findings.find(({ about }) => about === 'role')?.kind]).toEqual([0, 'good'])

    await query(`REVOKE ALL ON production_database, events FROM ${role}`)
    await query(`REVOKE INSERT ON users FROM ${role}`)
    const closed = await told(changes)
    expect([closed.code, bad(closed)]).toEqual([
      1,
      [
        {
          about: 'role',
          kind: 'fault',
          says: "The functions' role may not read or not write events, production_database, users.",
          mend: expect.stringContaining('runtime-role.sql'),
        },
      ],
    ])
    await query(`DROP OWNED BY ${role}`)
    await query(`DROP ROLE ${role}`)
  })

  test("a clock that is not the database's is told of, by how much it is off", async () => {
    for (const [seconds, kind] of [
      [3, 'good'],
      [20, 'advice'],
      [-20, 'advice'],
      [90, 'trouble'],
    ] as const) {
      // As a machine has it whose clock is off: only Date is, and nothing waits for it.
      const shifted = `const now = Date.now; Date.now = () => now() + ${seconds * 1000}`
      const preload = `data:text/javascript,${encodeURIComponent(shifted)}`
      const { findings, code } = await told({ NODE_OPTIONS: `--import=${preload}` })
      const clock = findings.find(({ about }) => about === 'clock')
      expect([seconds, clock?.kind, code]).toEqual([seconds, kind, kind === 'trouble' ? 1 : 0])
      expect(clock?.says).toContain(kind === 'good' ? "is the database's" : `${Math.abs(seconds)} s apart`)
    }
  })

  test('one secret for two purposes is a fault', async () => {
    const { findings } = await told({ JWT_SECRET: `${local.JWT_SECRET},${local.CRON_SECRET}` })
    expect(bad({ findings }).map(({ about }) => about)).toEqual(['secrets'])
  })

  test('an option that it does not know ends with 2, --help with 0', async () => {
    const wrong = await doctor({}, '--fix')
    expect([wrong.code, wrong.stdout]).toEqual([2, ''])
    expect(wrong.stderr).toContain("'--fix'")
    const { code, stdout } = await doctor({}, '--help')
    expect([code, stdout.split('\n')[0]]).toEqual([0, 'npm run doctor [-- --json]'])
  })
})

/** Examined in this process, as a deployment of that stage would be: its addresses lead to the stand-ins. */
async function examined(
  about: Finding['about'],
  changes: Record<string, string>,
  resend?: { status: number; body: object }[],
): Promise<Finding[]> {
  const variables = { ...deploymentVariables, DATABASE_URL_UNPOOLED: databaseUrl, ...changes }
  for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, value)
  leadToStandIns()
  const led = globalThis.fetch
  if (resend !== undefined) {
    const answers = [...resend]
    vi.stubGlobal('fetch', (input: string | URL | Request, init?: RequestInit) => {
      const url = new URL(input instanceof Request ? input.url : input)
      if (url.pathname !== '/domains') return led(input, init)
      const { status, body } = answers.shift() ?? { status: 500, body: {} }
      return Promise.resolve(Response.json(body, { status }))
    })
  }
  vi.resetModules()
  const { examine } = await import('../build/examination.ts')
  const findings = await examine(process.env)
  return findings.filter((finding) => finding.about === about)
}

const production = {
  VERCEL_ENV: 'production',
  APP_URL: 'https://app.example.com',
  MAIL_FROM: 'login@mail.example.com',
}
const refusal = (status: number, name: string) => ({
  status,
  body: { statusCode: status, name, message: 'No.' },
})
const list = (...domains: object[]) => ({
  status: 200,
  body: { object: 'list', has_more: false, data: domains },
})
const domain = (name: string, status: string, more = {}) => ({
  id: name,
  name,
  status,
  created_at: '',
  region: 'eu-west-1',
  ...more,
})

describe('what Resend answers about key and sender', () => {
  const kinds = async (answers: { status: number; body: object }[], changes = {}) =>
    (await examined('mail', { ...production, ...changes }, answers)).map(({ kind }) => kind)

  test('MAIL_ALLOW in production is advised against', async () => {
    const kept = { ...production, MAIL_ALLOW: '@example.org' }
    const findings = await examined('mail', kept, [refusal(401, 'restricted_api_key')])
    expect(findings.map(({ kind }) => kind).toSorted()).toEqual(['advice', 'good'])
    expect(await kinds([refusal(401, 'restricted_api_key')], { ...kept, VERCEL_ENV: 'preview' })).toEqual([
      'good',
    ])
  })

  test('a key that may only send is good, and it is said that the domain cannot be seen', async () => {
    const [finding] = await examined('mail', production, [refusal(401, 'restricted_api_key')])
    expect(finding?.kind).toBe('good')
    expect(finding?.says).toContain("whether the sender's domain is verified cannot be seen")
  })

  test.each([
    [400, 'validation_error'],
    [401, 'validation_error'],
    [401, 'missing_api_key'],
    [403, 'invalid_api_key'],
  ])('a key that is refused is a fault: %i %s', async (status, name) => {
    const [finding] = await examined('mail', production, [refusal(status, name)])
    expect(finding).toMatchObject({
      kind: 'fault',
      says: `Resend refuses the key in RESEND_API_KEY: ${status} ${name}.`,
    })
  })

  test.each([
    [429, 'rate_limit_exceeded'],
    [500, 'application_error'],
  ])('an answer that says nothing of the key is trouble alone: %i', async (status, name) => {
    expect(await kinds([refusal(status, name)])).toEqual(['trouble'])
  })

  test('a verified domain is good, also on the second page; a key that may do everything is advised against', async () => {
    const first = {
      status: 200,
      body: { object: 'list', has_more: true, data: [domain('example.com', 'failed')] },
    }
    expect(await kinds([first, list(domain('Mail.Example.com', 'verified'))])).toEqual(['good', 'advice'])
    expect(await kinds([list(domain('mail.example.com', 'verified', { click_tracking: true }))])).toEqual([
      'good',
      'advice',
      'advice',
    ])
  })

  test('a domain that is not verified, may not send or is not there is a fault', async () => {
    const may = { capabilities: { sending: 'disabled', receiving: 'enabled' } }
    for (const answer of [
      list(domain('mail.example.com', 'pending')),
      list(domain('mail.example.com', 'verified', may)),
      list(domain('example.com', 'verified')),
      list(),
    ])
      expect((await kinds([answer])).toSorted()).toEqual(['advice', 'fault'])
  })

  test("Resend's own domain is a fault in production", async () => {
    expect(await kinds([], { MAIL_FROM: 'onboarding@resend.dev' })).toEqual(['fault'])
    expect(await kinds([], { VERCEL_ENV: 'preview', MAIL_FROM: 'onboarding@resend.dev' })).toEqual(['advice'])
  })
})

describe("production's database", () => {
  const OWN = 'ep-one-1.eu-central-1.aws.neon.tech/neondb'
  test('has one address, with the pooler in front or without', async () => {
    const { databaseAddress } = await import('../build/production-database.ts')
    for (const url of [
      'postgresql://app:pw@ep-one-1-pooler.eu-central-1.aws.neon.tech/neondb?sslmode=require',
      'postgres://owner:pw@EP-one-1.eu-central-1.aws.neon.tech:5432/neondb',
    ])
      expect(databaseAddress(url)).toBe(OWN)
    expect(databaseAddress('postgresql://a:b@db.example.com:6543/app')).toBe('db.example.com:6543/app')
    expect(databaseAddress('postgresql://a:b@ep-two-2.eu-central-1.aws.neon.tech/neondb')).not.toBe(OWN)
  })

  test('is written down by its deploy, alone, and refused to a preview by either variable; a copy is not', async () => {
    const { checkProductionDatabase, recordedProduction, recordProduction } =
      await import('../build/production-database.ts')
    const url = await emptyDatabase(TEMPLATE_DATABASE)
    expect(await recordedProduction(url)).toBeUndefined()
    await recordProduction(url)
    await recordProduction(url)
    const copy = await emptyDatabase(new URL(url).pathname.slice(1))
    expect(await recordedProduction(copy)).toBe(await recordedProduction(url))

    const written: string[] = []
    vi.spyOn(console, 'error').mockImplementation((line: string) => void written.push(line))
    const check = (DATABASE_URL: string, DATABASE_URL_UNPOOLED = '') =>
      checkProductionDatabase({ DATABASE_URL, DATABASE_URL_UNPOOLED })
    expect(await check(copy, copy)).toBe(true)
    expect(await check(copy)).toBe(true)
    expect(await check(await emptyDatabase())).toBe(true)
    expect(written).toEqual([])
    expect(await check(url)).toBe(false)
    expect(await check(copy, url)).toBe(false)
    expect(await check(url, copy)).toBe(false)
    vi.mocked(console.error).mockRestore()
    expect(written.map((line) => line.split(':')[0])).toEqual([
      'DATABASE_URL',
      'DATABASE_URL_UNPOOLED',
      'DATABASE_URL',
    ])
    for (const line of written)
      expect(line).toContain("production's own database, and this is a preview: give previews another one")
    expect(written.join()).not.toContain(new URL(url).pathname)

    // Production has moved there.
    await recordProduction(copy)
    expect(await check(copy)).toBe(false)
  })

  test('is told of by the doctor: a fault in a preview, advice where somebody works on it', async () => {
    const { recordProduction } = await import('../build/production-database.ts')
    await recordProduction(databaseUrl)
    try {
      const preview = await examined('database', { ...production, VERCEL_ENV: 'preview' })
      expect(preview).toContainEqual({
        about: 'database',
        kind: 'fault',
        says: expect.stringMatching(/^DATABASE_URL_UNPOOLED: names production's own database/),
      })
      const { code, findings } = await told()
      expect(code).toBe(0)
      expect(findings).toContainEqual(
        expect.objectContaining({
          kind: 'advice',
          says: expect.stringContaining("production's own database"),
        }),
      )
    } finally {
      await query('DELETE FROM production_database')
    }
  })
})

test('a deploy goes on when something is away, and not when a setting is wrong', async () => {
  const written: string[] = []
  for (const level of ['warn', 'error'] as const) {
    vi.spyOn(console, level).mockImplementation((line: string) => void written.push(line))
  }
  const surroundings = async (changes: Record<string, string>) => {
    for (const [name, value] of Object.entries({ VERCEL_ENV: '', ...local, ...changes }))
      vi.stubEnv(name, value)
    vi.resetModules()
    const { checkSurroundings } = await import('../build/doctor.ts')
    written.length = 0
    return checkSurroundings()
  }
  inbox.fault = () => ({ kind: 'refuse' })
  expect(await surroundings({})).toBe(true)
  expect(written.join('\n')).toMatch(/^TROUBLE {2}mail: Resend gave no answer/m)
  inbox.fault = undefined
  expect(await surroundings({ CRON_SECRET: local.JWT_SECRET })).toBe(false)
  expect(written.join('\n')).toMatch(/^FAULT {4}secrets: /m)
  vi.restoreAllMocks()
})
