/** `npm run doctor`, run as a person runs it; and what it makes of Resend's answers, as a deployment gets them. */
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Client } from 'pg'
import { afterAll, afterEach, describe, expect, inject, test, vi } from 'vitest'
import type { Finding } from '../../cli/doctor/finding.ts'
import { query } from '../support/database.ts'
import { TEMPLATE_DATABASE } from '../support/global-postgres.ts'
import { databaseUrl, gateway, inbox } from '../support/setup-stack.ts'
import { deploymentVariables, leadToStandIns } from '../support/stages.ts'

const PROGRAM = join(import.meta.dirname, '../../cli/doctor/main.ts')
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
  EMAIL_FROM: 'Latchkey <login@latchkey.test>',
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

interface Report {
  code: number
  ok: boolean
  findings: Finding[]
}

async function report(changes: Record<string, string> = {}): Promise<Report> {
  const { code, stdout } = await doctor(changes, '--json')
  return { code, ...(JSON.parse(stdout) as { ok: boolean; findings: Finding[] }) }
}

const bad = ({ findings }: { findings: Finding[] }) =>
  findings.filter(({ level }) => level === 'error' || level === 'warning')

async function emptyDatabase(template = ''): Promise<string> {
  const name = `doctor_${randomBytes(6).toString('hex')}`
  await admin.query(`CREATE DATABASE ${name} ${template === '' ? '' : `TEMPLATE ${template}`}`)
  return new URL(`/${name}`, databaseUrl).href
}

async function onDatabase(url: string, statement: string): Promise<void> {
  const client = new Client({ connectionString: url })
  await client.connect()
  await client.query(statement)
  await client.end()
}

describe('npm run doctor', () => {
  test('where all is well each part is ok, it exits with 0 and shows no value', async () => {
    const { code, ok, findings } = await report()
    expect([code, ok, bad({ findings })]).toEqual([0, true, []])
    expect(new Set(findings.map(({ about }) => about))).toEqual(
      new Set(['environment', 'secrets', 'origin', 'database', 'clock', 'role', 'migrations', 'email']),
    )
    // The tests' role owns everything.
    expect(findings.filter(({ level }) => level === 'info').map(({ about }) => about)).toEqual(['role'])

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

  test("each error of the environment is named, and what doesn't need it is checked", async () => {
    const { code, findings } = await report({ JWT_SECRET: 'short', EMAIL_FROM: '' })
    expect(code).toBe(1)
    expect(
      findings.filter(({ level }) => level === 'error').map(({ message }) => message.split(':')[0]),
    ).toEqual(['JWT_SECRET', 'EMAIL_FROM'])
    expect(findings).toContainEqual({ about: 'migrations', level: 'ok', message: 'All are applied.' })
    expect(JSON.stringify(findings)).not.toContain('short"')
  })

  test("a migration that is not applied is an error, one that this checkout doesn't know is information", async () => {
    const url = await emptyDatabase()
    const empty = await report({ DATABASE_URL: url })
    expect(empty.code).toBe(1)
    expect(empty.findings).toContainEqual({
      about: 'migrations',
      level: 'error',
      message: expect.stringContaining('0000_latchkey'),
      fix: expect.stringContaining('npm run migrate'),
    })

    const newer = await emptyDatabase(TEMPLATE_DATABASE)
    await onDatabase(newer, "INSERT INTO latchkey.migrations (name, hash) VALUES ('9999_newer', '')")
    const { code, findings } = await report({ DATABASE_URL: newer })
    expect([code, findings.filter(({ about }) => about === 'migrations')]).toEqual([
      0,
      [
        {
          about: 'migrations',
          level: 'info',
          message: expect.any(String),
          fix: expect.any(String),
        },
      ],
    ])
  })

  test('a migration whose file was changed after it was applied is an error', async () => {
    const changed = await emptyDatabase(TEMPLATE_DATABASE)
    await onDatabase(changed, "UPDATE latchkey.migrations SET hash = 'of another file'")
    const { code, findings } = await report({ DATABASE_URL: changed })
    expect([code, findings.filter(({ about }) => about === 'migrations').map(({ level }) => level)]).toEqual([
      1,
      ['error'],
    ])
  })

  test('a database that refuses the role is an error over HTTP and TCP, one that is away is a warning', async () => {
    const refused = new URL(databaseUrl)
    refused.username = 'nobody_known'
    expect(
      bad(await report({ DATABASE_URL: refused.href })).map(({ about, level }) => [about, level]),
    ).toEqual([
      ['database', 'error'],
      ['migrations', 'error'],
    ])
    const away = await report({
      DATABASE_URL: 'postgresql://someone:nothing@127.0.0.1:1/app',
      NEON_FETCH_ENDPOINT: 'http://127.0.0.1:1/sql',
    })
    expect([away.code, bad(away).map(({ about, level }) => [about, level])]).toEqual([
      1,
      [
        ['database', 'warning'],
        ['migrations', 'warning'],
      ],
    ])
    expect(JSON.stringify(away)).not.toMatch(/someone|nothing@/)
  })

  test('two addresses of two databases are an error: one is migrated and the functions use the other', async () => {
    const { code, findings } = await report({ DATABASE_URL_UNPOOLED: await emptyDatabase(TEMPLATE_DATABASE) })
    expect(code).toBe(1)
    expect(bad({ findings })).toEqual([
      expect.objectContaining({
        about: 'database',
        message: expect.stringContaining('DATABASE_URL_UNPOOLED'),
      }),
    ])
  })

  test('the role of the functions is ok, and an error as soon as it may not call a function', async () => {
    const role = `doctor_${randomBytes(4).toString('hex')}`
    await query(`CREATE ROLE ${role} LOGIN`)
    await query(`GRANT USAGE ON SCHEMA latchkey TO ${role}`)
    await query(`GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA latchkey TO ${role}`)
    const url = new URL(databaseUrl)
    url.username = role
    const changes = { DATABASE_URL: url.href, DATABASE_URL_UNPOOLED: databaseUrl }
    const good = await report(changes)
    expect([good.code, good.findings.find(({ about }) => about === 'role')?.level]).toEqual([0, 'ok'])

    await query(`REVOKE EXECUTE ON FUNCTION begin_login, rotate_session FROM ${role}`)
    const closed = await report(changes)
    expect([closed.code, bad(closed)]).toEqual([
      1,
      [
        {
          about: 'role',
          level: 'error',
          message: expect.stringContaining('begin_login, rotate_session'),
          fix: expect.stringContaining('runtime-role.sql'),
        },
      ],
    ])
    await query(`DROP OWNED BY ${role}`)
    await query(`DROP ROLE ${role}`)
  })

  test.each(['serializable', 'repeatable read'])(
    'a default isolation level of %s is an error, and settings of the role put it right',
    async (isolation) => {
      const url = await emptyDatabase(TEMPLATE_DATABASE)
      const name = new URL(url).pathname.slice(1)
      await admin.query(`ALTER DATABASE ${name} SET default_transaction_isolation = '${isolation}'`)
      const { code, findings } = await report({ DATABASE_URL: url })
      expect([code, bad({ findings })]).toEqual([
        1,
        [
          {
            about: 'database',
            level: 'error',
            message: expect.stringContaining(isolation.toUpperCase()),
            fix: expect.stringContaining('default_transaction_isolation'),
          },
        ],
      ])

      const role = `doctor_${randomBytes(4).toString('hex')}`
      await admin.query(`CREATE ROLE ${role} LOGIN`)
      await admin.query(`ALTER ROLE ${role} SET default_transaction_isolation = 'read committed'`)
      await onDatabase(url, `GRANT USAGE ON SCHEMA latchkey TO ${role}`)
      await onDatabase(url, `GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA latchkey TO ${role}`)
      const pinned = Object.assign(new URL(url), { username: role }).href
      expect(bad(await report({ DATABASE_URL: pinned, DATABASE_URL_UNPOOLED: url }))).toEqual([])
      await onDatabase(url, `DROP OWNED BY ${role}`)
      await admin.query(`DROP ROLE ${role}`)
    },
  )

  test("a clock that differs from the database's is reported, with by how much", async () => {
    for (const [seconds, level] of [
      [3, 'ok'],
      [20, 'info'],
      [-20, 'info'],
      [90, 'warning'],
    ] as const) {
      // As a machine has it whose clock is off: only Date is, and nothing waits for it.
      const shifted = `const now = Date.now; Date.now = () => now() + ${seconds * 1000}`
      const preload = `data:text/javascript,${encodeURIComponent(shifted)}`
      const { findings, code } = await report({ NODE_OPTIONS: `--import=${preload}` })
      const clock = findings.find(({ about }) => about === 'clock')
      expect([seconds, clock?.level, code]).toEqual([seconds, level, level === 'warning' ? 1 : 0])
      expect(clock?.message.includes(`${Math.abs(seconds)} s`)).toBe(level !== 'ok')
    }
  })

  test('one secret for two purposes is an error', async () => {
    const { findings } = await report({ JWT_SECRET: `${local.JWT_SECRET},${local.CRON_SECRET}` })
    expect(bad({ findings }).map(({ about }) => about)).toEqual(['secrets'])
  })

  test('an unknown option exits with 2, --help with 0', async () => {
    const wrong = await doctor({}, '--fix')
    expect([wrong.code, wrong.stdout]).toEqual([2, ''])
    expect(wrong.stderr).toContain("'--fix'")
    const { code, stdout } = await doctor({}, '--help')
    expect([code, stdout.split('\n')[0]]).toEqual([0, 'npm run doctor [-- --json]'])
  })
})

/** Checked in this process, as a deployment of that stage would be: its addresses lead to the stand-ins. */
async function checked(
  about: Finding['about'],
  changes: Record<string, string>,
  resend?: { status: number; body: object }[],
): Promise<Finding[]> {
  const variables = { ...deploymentVariables, DATABASE_URL_UNPOOLED: databaseUrl, ...changes }
  for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, value)
  leadToStandIns()
  const led = globalThis.fetch
  if (resend !== undefined) {
    const responses = [...resend]
    vi.stubGlobal('fetch', (input: string | URL | Request, init?: RequestInit) => {
      const url = new URL(input instanceof Request ? input.url : input)
      if (url.pathname !== '/domains') return led(input, init)
      const { status, body } = responses.shift() ?? { status: 500, body: {} }
      return Promise.resolve(Response.json(body, { status }))
    })
  }
  vi.resetModules()
  const { runChecks } = await import('../../cli/doctor/checks.ts')
  const findings = await runChecks(process.env)
  return findings.filter((finding) => finding.about === about)
}

const production = {
  VERCEL_ENV: 'production',
  APP_URL: 'https://app.example.com',
  EMAIL_FROM: 'login@mail.example.com',
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

test('[ASVS 13.2.2] to connect as the owner is a warning in production, and information elsewhere', async () => {
  expect(await checked('role', production, [])).toMatchObject([{ level: 'warning' }])
  expect(await checked('role', { ...production, VERCEL_ENV: 'preview' }, [])).toMatchObject([
    { level: 'info' },
  ])
})

describe('what Resend answers about key and sender', () => {
  const levels = async (responses: { status: number; body: object }[], changes = {}) =>
    (await checked('email', { ...production, ...changes }, responses)).map(({ level }) => level)

  test('EMAIL_ALLOW in production is pointed out', async () => {
    const kept = { ...production, EMAIL_ALLOW: '@example.org' }
    const findings = await checked('email', kept, [refusal(401, 'restricted_api_key')])
    expect(findings.map(({ level }) => level).toSorted()).toEqual(['info', 'ok'])
    expect(await levels([refusal(401, 'restricted_api_key')], { ...kept, VERCEL_ENV: 'preview' })).toEqual([
      'ok',
    ])
  })

  test('a key that may only send is ok, with where to look up the domain', async () => {
    const [finding] = await checked('email', production, [refusal(401, 'restricted_api_key')])
    expect(finding?.level).toBe('ok')
    expect(finding?.message).toContain('https://resend.com/domains')
  })

  test.each([
    [400, 'validation_error'],
    [401, 'validation_error'],
    [401, 'missing_api_key'],
    [403, 'invalid_api_key'],
  ])('a key that is refused is an error: %i %s', async (status, name) => {
    const [finding] = await checked('email', production, [refusal(status, name)])
    expect(finding).toMatchObject({
      level: 'error',
      message: expect.stringContaining(`${status} ${name}`),
    })
  })

  test.each([
    [429, 'rate_limit_exceeded'],
    [500, 'application_error'],
  ])('a response that says nothing about the key is a warning: %i', async (status, name) => {
    expect(await levels([refusal(status, name)])).toEqual(['warning'])
  })

  test('a verified domain is ok, on the second page, too; full access and tracking are pointed out', async () => {
    const first = {
      status: 200,
      body: { object: 'list', has_more: true, data: [domain('example.com', 'failed')] },
    }
    expect(await levels([first, list(domain('Mail.Example.com', 'verified'))])).toEqual(['ok', 'info'])
    expect(await levels([list(domain('mail.example.com', 'verified', { click_tracking: true }))])).toEqual([
      'ok',
      'info',
      'warning',
    ])
  })

  test('a domain that is not verified, may not send or is not there is an error', async () => {
    const may = { capabilities: { sending: 'disabled', receiving: 'enabled' } }
    for (const response of [
      list(domain('mail.example.com', 'pending')),
      list(domain('mail.example.com', 'verified', may)),
      list(domain('example.com', 'verified')),
      list(),
    ])
      expect((await levels([response])).toSorted()).toEqual(['error', 'info'])
  })

  test("Resend's own domain is an error in production", async () => {
    expect(await levels([], { EMAIL_FROM: 'onboarding@resend.dev' })).toEqual(['error'])
    expect(await levels([], { VERCEL_ENV: 'preview', EMAIL_FROM: 'onboarding@resend.dev' })).toEqual(['info'])
  })
})

describe("production's database", () => {
  const OWN = 'ep-one-1.eu-central-1.aws.neon.tech/neondb'
  test('has one address, with the pooler in front or without', async () => {
    const { databaseAddress } = await import('../../cli/database/production.ts')
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
      await import('../../cli/database/production.ts')
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

  test('is an error in a preview, and information where somebody works on it', async () => {
    const { recordProduction } = await import('../../cli/database/production.ts')
    await recordProduction(databaseUrl)
    try {
      const preview = await checked('database', { ...production, VERCEL_ENV: 'preview' })
      expect(preview).toContainEqual({
        about: 'database',
        level: 'error',
        message: expect.stringMatching(/^DATABASE_URL_UNPOOLED: /),
      })
      const { code, findings } = await report()
      expect(code).toBe(0)
      expect(findings).toContainEqual(
        expect.objectContaining({
          level: 'info',
          message: expect.stringContaining('production'),
        }),
      )
    } finally {
      await query('DELETE FROM production_database')
    }
  })
})

test('a deploy goes on with a warning, and stops at an error', async () => {
  const written: string[] = []
  for (const level of ['warn', 'error'] as const) {
    vi.spyOn(console, level).mockImplementation((line: string) => void written.push(line))
  }
  const surroundings = async (changes: Record<string, string>) => {
    for (const [name, value] of Object.entries({ VERCEL_ENV: '', ...local, ...changes }))
      vi.stubEnv(name, value)
    vi.resetModules()
    const { checkSurroundings } = await import('../../cli/doctor/main.ts')
    written.length = 0
    return checkSurroundings()
  }
  inbox.fault = () => ({ kind: 'refuse' })
  expect(await surroundings({})).toBe(true)
  expect(written.join('\n')).toMatch(/^WARNING {2}email: /m)
  inbox.fault = undefined
  expect(await surroundings({ CRON_SECRET: local.JWT_SECRET })).toBe(false)
  expect(written.join('\n')).toMatch(/^ERROR {4}secrets: /m)
  vi.restoreAllMocks()
})
