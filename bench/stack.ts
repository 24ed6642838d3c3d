/** A database of its own for a bench, the gateway in front of it, and the functions' environment. */
import { fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { hash } from '@node-rs/argon2'
import { migrate } from '../cli/database/migrate.ts'
import { startPostgres, type Postgres } from '../dev/postgres.ts'
import type { GatewayOrder, GatewayReady } from './gateway-process.ts'

export const APP_ORIGIN = 'https://app.latchkey.test'
export const PASSWORD = 'correct horse battery staple'

export interface BenchStack {
  postgres: Postgres
  databaseUrl: string
  /** Also this process's own by now, so what is imported from lib after this has it. */
  environment: Record<string, string>
  passwordHash: string
  /** How much later the gateway passes each request on. */
  setLatency(milliseconds: number): Promise<void>
  stop(): Promise<void>
}

const DATABASE = 'latchkey'
/** As lib/crypto/passwords.ts. */
const COST = { memoryCost: 19456, timeCost: 2, parallelism: 1 }

export async function startBenchStack(): Promise<BenchStack> {
  const directory = await mkdtemp(join(tmpdir(), 'latchkey-bench-data-'))
  const postgres = await startPostgres({ directory, port: 0 })
  await postgres.createDatabase(DATABASE)
  const databaseUrl = postgres.databaseUrl(DATABASE)
  await migrate(databaseUrl)

  const gateway = fork(join(import.meta.dirname, 'gateway-process.ts'))
  const [ready]: GatewayReady[] = await once(gateway, 'message')
  if (ready === undefined) throw new Error('the gateway did not start')
  const passwordHash = await hash(PASSWORD, COST)
  const environment = {
    VERCEL_ENV: 'development',
    APP_URL: APP_ORIGIN,
    PRODUCT_NAME: 'Latchkey',
    JWT_SECRET: randomBytes(32).toString('base64'),
    CRON_SECRET: randomBytes(32).toString('base64'),
    DATABASE_URL: databaseUrl,
    NEON_FETCH_ENDPOINT: ready.gatewayUrl,
    RESEND_API_KEY: 're_of_a_deployment',
    RESEND_BASE_URL: ready.emailUrl,
    EMAIL_FROM: 'Latchkey <login@latchkey.test>',
    BENCH_PASSWORD: PASSWORD,
    BENCH_PASSWORD_HASH: passwordHash,
  }
  Object.assign(process.env, environment)
  return {
    postgres,
    databaseUrl,
    environment,
    passwordHash,
    async setLatency(latencyMs) {
      const order: GatewayOrder = { latencyMs }
      gateway.send(order)
      await once(gateway, 'message')
    },
    async stop() {
      gateway.disconnect()
      await postgres.discard()
      await rm(directory, { recursive: true, force: true })
    },
  }
}
