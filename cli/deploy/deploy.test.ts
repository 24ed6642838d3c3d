import { randomBytes } from 'node:crypto'
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { copySources } from '../build/output.ts'

const CHECKOUT = join(import.meta.dirname, '../..')
const SECRET = randomBytes(32).toString('base64')

let directory: string
let copy: string

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'latchkey-deploy-'))
  copy = join(directory, 'checkout')
  await copySources(copy)
  await symlink(join(CHECKOUT, 'node_modules'), join(copy, 'node_modules'))
})
afterEach(() => rm(directory, { recursive: true, force: true }))

async function deploy(environment: Record<string, string>): Promise<{ code: number; printed: string }> {
  const running = promisify(execFile)(process.execPath, ['cli/deploy/deploy.ts'], {
    cwd: copy,
    env: { PATH: process.env['PATH'], ...environment },
  })
  const { code = 0, stdout, stderr }: Ended = await running.catch((error: unknown) => error as Ended)
  return { code, printed: stdout + stderr }
}

interface Ended {
  code?: number
  stdout: string
  stderr: string
}

async function expectUntouched(): Promise<void> {
  const login = 'api/auth/login.ts'
  expect(await readFile(join(copy, login), 'utf8')).toBe(await readFile(join(CHECKOUT, login), 'utf8'))
  expect(existsSync(join(copy, 'bundles'))).toBe(false)
  expect(existsSync(join(copy, '.npmrc'))).toBe(false)
}

test('an environment with faults fails the deploy before anything is done, and each is named', async () => {
  const environment = {
    CI: '1',
    VERCEL_ENV: 'production',
    APP_URL: 'http://localhost:3000',
    JWT_SECRET: 'short',
  }
  const { code, printed } = await deploy(environment)
  expect(code).toBe(1)
  for (const name of [
    'APP_URL',
    'JWT_SECRET',
    'CRON_SECRET',
    'DATABASE_URL',
    'RESEND_API_KEY',
    'EMAIL_FROM',
  ]) {
    expect(printed).toMatch(new RegExp(`^${name}: `, 'm'))
  }
  expect(printed).not.toContain('short\n')
  expect(printed).not.toContain('migrat')
  await expectUntouched()
})

test('a database that cannot be migrated fails the deploy before any function is built', async () => {
  const { code, printed } = await deploy({
    CI: '1',
    APP_URL: 'http://localhost:3000',
    JWT_SECRET: SECRET,
    CRON_SECRET: SECRET,
    DATABASE_URL: 'postgres://someone:nothing@127.0.0.1:1/app',
    RESEND_API_KEY: 're_tests',
    EMAIL_FROM: 'Latchkey <login@latchkey.test>',
  })
  expect([code, printed.trim().split('\n').at(-1)]).toEqual([
    1,
    'The database could not be reached: ECONNREFUSED.',
  ])
  await expectUntouched()
})

test('where somebody works the build command refuses to run: it would rewrite the sources', async () => {
  const { code, printed } = await deploy({})
  expect([code, printed.trim()]).toEqual([1, expect.stringContaining('Here it is: npm run build')])
  await expectUntouched()
})
