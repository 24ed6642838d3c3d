/**
 * The build command as production's and a preview's deploy run it, with nothing but their variables: a DNS that says Neon
 * is this machine, in front of the database the TLS that Neon has, and nobody where Resend should be.
 */
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { connect, createServer, type AddressInfo, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TLSSocket } from 'node:tls'
import { promisify } from 'node:util'
import { Client } from 'pg'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { copySources } from '../../cli/build/output.ts'
import { localhostCertificate } from '../support/certificate.ts'

const CHECKOUT = join(import.meta.dirname, '../..')
const HOST = 'ep-one-1.eu-central-1.aws.neon.tech'
/** Answers yes to a client that asks for TLS (PostgreSQL's protocol, SSLRequest). */
const YES = 'S'

const adminUrl = inject('postgresUrl')
const admin = new Client({ connectionString: adminUrl })
const certificate = localhostCertificate(HOST)
let directory: string
let front: Server
let port: number
let databases = 0

beforeAll(async () => {
  await admin.connect()
  directory = await mkdtemp(join(tmpdir(), 'latchkey-stages-'))
  await writeFile(join(directory, 'authority.pem'), certificate.cert)
  const { hostname, port: postgresPort } = new URL(adminUrl)
  front = createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', () => {
      socket.write(YES)
      const secure = new TLSSocket(socket, { isServer: true, ...certificate })
      const inner = connect(Number(postgresPort), hostname)
      inner.on('error', () => secure.destroy())
      secure.on('error', () => inner.destroy())
      secure.pipe(inner).pipe(secure)
    })
  })
  const { promise, resolve } = Promise.withResolvers<void>()
  front.listen(0, '127.0.0.1', () => resolve())
  await promise
  port = (front.address() as AddressInfo).port
})
afterAll(async () => {
  front.close()
  await admin.end()
  await rm(directory, { recursive: true, force: true })
})

async function database(template = 'template1'): Promise<string> {
  const name = `stages_${randomBytes(6).toString('hex')}`
  await admin.query(`CREATE DATABASE ${name} TEMPLATE ${template}`)
  return name
}

const dns = `import dns from 'node:dns'
const { lookup } = dns
dns.lookup = (host, options, done) => lookup(/\\.neon\\.tech$|resend/.test(host) ? '127.0.0.1' : host, options, done)`

interface Ended {
  code?: number
  stdout: string
  stderr: string
}

async function deploy(stage: string, databaseName: string, more: Record<string, string> = {}) {
  const copy = join(directory, `checkout-${(databases += 1)}`)
  await copySources(copy)
  await symlink(join(CHECKOUT, 'node_modules'), join(copy, 'node_modules'))
  const { username, password } = new URL(adminUrl)
  const env = {
    PATH: process.env['PATH'],
    CI: '1',
    VERCEL_ENV: stage,
    VERCEL_PROJECT_PRODUCTION_URL: 'app.example.com',
    VERCEL_URL: 'app-1.vercel.app',
    JWT_SECRET: randomBytes(32).toString('base64'),
    CRON_SECRET: randomBytes(32).toString('base64'),
    DATABASE_URL: `postgresql://${username}:${password || 'pw'}@${HOST}:${port}/${databaseName}`,
    RESEND_API_KEY: 're_123456789',
    EMAIL_FROM: 'Example <login@mail.example.com>',
    NODE_EXTRA_CA_CERTS: join(directory, 'authority.pem'),
    NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(dns)}`,
    ...more,
  }
  const running = promisify(execFile)(process.execPath, ['cli/deploy/deploy.ts'], { cwd: copy, env })
  const { code = 0, stdout, stderr }: Ended = await running.catch((error: unknown) => error as Ended)
  return { code, printed: stdout + stderr, isBuilt: existsSync(join(copy, 'bundles')), environment: env }
}

test(
  "production's database is refused to a preview before anything is done there, and a branch of it isn't",
  { timeout: 180_000 },
  async () => {
    const own = await database()
    const production = await deploy('production', own)
    expect([production.code, production.isBuilt], production.printed).toEqual([0, true])
    expect(production.printed).toMatch(/^WARNING {2}email: /m)
    expect(production.printed).toMatch(/^Migrated: 0000_latchkey/m)

    const preview = await deploy('preview', own)
    expect([preview.code, preview.isBuilt], preview.printed).toEqual([1, false])
    expect(preview.printed.trim().split('\n').at(-1)).toMatch(/^DATABASE_URL: /)
    expect(preview.printed).not.toMatch(/migrat|up to date/i)
    expect(preview.printed).not.toContain(own)

    const branch = await deploy('preview', await database(own))
    expect([branch.code, branch.isBuilt], branch.printed).toEqual([0, true])
    expect(branch.printed).not.toMatch(/^Migrated: /m)

    // Production goes on as before.
    expect((await deploy('production', own)).code).toBe(0)
  },
)

test(
  'two variables that name two databases stop a deploy before either is touched',
  { timeout: 60_000 },
  async () => {
    const [pooled, direct] = [await database(), await database()]
    const { username, password } = new URL(adminUrl)
    const DATABASE_URL_UNPOOLED = `postgresql://${username}:${password || 'pw'}@${HOST}:${port}/${direct}`
    const { code, isBuilt, printed } = await deploy('production', pooled, { DATABASE_URL_UNPOOLED })
    expect([code, isBuilt], printed).toEqual([1, false])
    expect(printed).toContain('DATABASE_URL and DATABASE_URL_UNPOOLED name two databases')
    for (const name of [pooled, direct]) {
      const client = new Client({ connectionString: new URL(`/${name}`, adminUrl).href })
      await client.connect()
      const { rowCount } = await client.query("SELECT FROM pg_namespace WHERE nspname = 'latchkey'")
      expect(rowCount).toBe(0)
      await client.end()
    }
  },
)
