/** What Vercel, Neon and Resend are in production, on this machine: all that the functions need around them. */
import { randomBytes } from 'node:crypto'
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import { migrate } from '../cli/database/migrate.ts'
import { startGateway, type Gateway } from './gateway.ts'
import { startInbox, type Inbox } from './inbox.ts'
import { requireFreePort } from './port.ts'
import { startPostgres, type Postgres } from './postgres.ts'

export const CHECKOUT = join(import.meta.dirname, '..')

export interface StackOptions {
  /** Where the database and the secrets are kept between runs. */
  directory: string
  ports: StackPorts
  /** Starts from an empty database. */
  fresh?: boolean
  /** The app's origin. */
  appUrl: string
}

/** 0 picks a free one. */
export interface StackPorts {
  postgres: number
  gateway: number
  inbox: number
}

export interface Stack {
  /** Every variable the functions need. */
  environment: Record<string, string>
  databaseUrl: string
  inboxUrl: string
  secretsFile: string
  postgres: Postgres
  gateway: Gateway
  inbox: Inbox
  stop(): Promise<void>
  /** Stops and deletes the database. */
  discard(): Promise<void>
}

const DATABASE = 'latchkey'
const SECRET_BYTES = 32

/** Names of the variables whose values are secrets. */
export const SECRETS = ['JWT_SECRET', 'CRON_SECRET'] as const

export async function startStack({ directory, ports, fresh = false, appUrl }: StackOptions): Promise<Stack> {
  await requireFreePort(ports.postgres, 'Postgres')
  await requireFreePort(ports.gateway, 'the database gateway')
  await requireFreePort(ports.inbox, 'the email inbox')
  await mkdir(directory, { recursive: true })
  // Root runs Postgres as `nobody`, who has to get through to its data; the secrets have a mode of their own.
  if (process.getuid?.() === 0) await chmod(directory, 0o711)
  const secretsFile = join(directory, 'secrets.env')
  const secrets = await keepSecrets(secretsFile)

  const postgres = await startPostgres({
    directory: join(directory, 'database'),
    port: ports.postgres,
    fresh,
  })
  const running: (() => Promise<void>)[] = [() => postgres.stop()]
  const stopAll = async () => {
    for (const stop of running.toReversed()) await stop()
  }
  try {
    await postgres.createDatabase(DATABASE)
    const databaseUrl = postgres.databaseUrl(DATABASE)
    await migrate(databaseUrl)

    const gateway = await startGateway({ port: ports.gateway })
    running.push(() => gateway.close())
    const inbox = await startInbox({ port: ports.inbox })
    running.push(() => inbox.close())

    const environment = {
      APP_URL: appUrl,
      PRODUCT_NAME: 'Latchkey',
      DATABASE_URL: databaseUrl,
      DATABASE_URL_UNPOOLED: databaseUrl,
      NEON_FETCH_ENDPOINT: gateway.url,
      RESEND_API_KEY: inbox.apiKey,
      RESEND_BASE_URL: inbox.url,
      EMAIL_FROM: 'Latchkey <login@latchkey.test>',
      ...secrets,
    }
    const discard = async () => {
      await stopAll()
      await postgres.discard()
    }
    const { inboxUrl } = inbox
    return {
      environment,
      databaseUrl,
      inboxUrl,
      secretsFile,
      postgres,
      gateway,
      inbox,
      stop: stopAll,
      discard,
    }
  } catch (error) {
    await stopAll()
    throw error
  }
}

/** Made once, so that sessions outlive a restart. */
async function keepSecrets(file: string): Promise<Record<string, string>> {
  const kept = parseEnv(await readFile(file, 'utf8').catch(() => ''))
  const entries = SECRETS.map((name) => [name, kept[name] || randomBytes(SECRET_BYTES).toString('base64')])
  await writeFile(file, entries.map(([name, value]) => `${name}=${value}\n`).join(''), { mode: 0o600 })
  return Object.fromEntries(entries)
}
