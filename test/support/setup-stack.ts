/**
 * Before each test file's own imports: its own database, copied from the migrated template, behind its own gateway and
 * beside its own inbox. The environment is read once, when the first module asks for it; so it is set here.
 *
 * `TEST_TRANSPORT` is how the functions reach it: `http` through the gateway (the default), `tcp`, or `pgbouncer`.
 */
import { randomBytes } from 'node:crypto'
import { afterAll, inject } from 'vitest'
import { Client } from 'pg'
import { startGateway } from '../../dev/gateway.ts'
import { startInbox } from '../../dev/inbox.ts'
import { TEMPLATE_DATABASE } from './global-postgres.ts'

const databaseName = `test_${randomBytes(6).toString('hex')}`
const adminUrl = inject('postgresUrl')
const admin = new Client({ connectionString: adminUrl })
await admin.connect()
await admin.query(`CREATE DATABASE ${databaseName} TEMPLATE ${TEMPLATE_DATABASE}`)
await admin.end()

export const databaseUrl = new URL(`/${databaseName}`, adminUrl).href
export const gateway = await startGateway({ port: 0 })
export const inbox = await startInbox({ port: 0 })

const transport = process.env['TEST_TRANSPORT'] ?? 'http'
const functionsUrl = new URL(databaseUrl)
if (transport === 'pgbouncer') functionsUrl.port = String(inject('pgbouncerPort'))

Object.assign(process.env, {
  DATABASE_URL: functionsUrl.href,
  NEON_FETCH_ENDPOINT: transport === 'http' ? gateway.url : '',
  RESEND_API_KEY: inbox.apiKey,
  RESEND_BASE_URL: inbox.url,
})

afterAll(async () => {
  await gateway.close()
  await inbox.close()
})
