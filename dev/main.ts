/** `npm run dev`: the whole of Latchkey on this machine. `npm run stack`: all of it but the app. */
import { existsSync, readFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { parseArgs, parseEnv } from 'node:util'
import { completeApiReference } from '../cli/build/api-reference.ts'
import { startApp, writeLocalConfig } from './app.ts'
import { requireFreePort } from './port.ts'
import { CHECKOUT, SECRETS, startStack, type Stack, type StackPorts } from './stack.ts'

const HELP = `npm run dev     starts Latchkey on this machine: database, email inbox, migrations and the app
npm run stack   starts all of it but the app, for a vercel dev of your own

  --port N              where the app listens (default 3000)
  --reset               starts from an empty database
  --without-vercel      what npm run stack does
  --directory PATH      where data and secrets are kept (default .latchkey)
  --stack-ports N,N,N   where Postgres, its gateway and the inbox listen (default 54329,54330,54331)
  --help                this

Options go behind two dashes: npm run dev -- --port 3001`

const MAINTENANCE_EVERY_MS = 60_000
/** One Ctrl-C may arrive twice, from the terminal and from npm. */
const SAME_SIGNAL_MS = 1_000
const PARENT_CHECK_MS = 500

const CHOOSE_ANOTHER_PORT = 'Stop what listens there, or choose another: npm run dev -- --port 3001'

/** Ends what runs, the latest last. What is still starting is bound to this process and ends with it. */
const running: (() => Promise<void>)[] = []
let stoppingSince: number | undefined

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal)
stopWithNpm()
try {
  await main(readOptions())
} catch (error) {
  await stop(1, error instanceof Error ? error.message : String(error))
}

interface Options {
  port: number
  directory: string
  stackPorts: StackPorts
  reset: boolean
  withoutVercel: boolean
}

async function main({ port, directory, stackPorts, reset, withoutVercel }: Options): Promise<void> {
  // `vercel dev` sets this for what it starts.
  if (process.env['__VERCEL_DEV_RUNNING'] !== undefined) {
    throw new Error('vercel dev took the build command for a framework: start it as npm run stack tells.')
  }
  const startedAt = performance.now()
  const appUrl = `http://localhost:${port}`
  if (!withoutVercel) await requireFreePort(port, 'the app', CHOOSE_ANOTHER_PORT)
  const own = readDotEnv()

  console.log(`Starting the database and the email inbox${withoutVercel ? '' : ', then the app'} …`)
  const stack = await startStack({ directory, ports: stackPorts, fresh: reset, appUrl })
  running.push(() => stack.stop())
  void stack.postgres.ended.then((cause) => stop(1, `Postgres ended by itself (${cause}).`))

  await completeApiReference(CHECKOUT)

  if (withoutVercel) {
    console.log(describeStack(stack, await writeLocalConfig(CHECKOUT, directory)))
    return
  }
  const environment = environmentBeside(own, stack.environment)
  const app = await startApp({ checkout: CHECKOUT, directory, port, environment })
  running.push(() => app.stop())
  void app.ended.then((cause) => stop(1, `vercel dev ended by itself (${cause}).`))

  console.log(describeApp(stack, own, (performance.now() - startedAt) / 1000))
  callMaintenance(appUrl, own['CRON_SECRET'] ?? stack.environment['CRON_SECRET'] ?? '')
}

function readOptions(): Options {
  const { values } = parseArguments()
  if (values.help) {
    console.log(HELP)
    process.exit(0)
  }
  const port = parsePort(values.port, '--port')
  const [postgres, gateway, inbox, ...more] = values['stack-ports'].split(',')
  if (postgres === undefined || gateway === undefined || inbox === undefined || more.length > 0) {
    throw new Error('--stack-ports takes three numbers, with commas between them.')
  }
  const stackPorts = {
    postgres: parsePort(postgres, '--stack-ports'),
    gateway: parsePort(gateway, '--stack-ports'),
    inbox: parsePort(inbox, '--stack-ports'),
  }
  const directory = resolve(values.directory)
  return { port, directory, stackPorts, reset: values.reset, withoutVercel: values['without-vercel'] }
}

function parsePort(text: string, option: string): number {
  const port = Number(text)
  const isPort = Number.isInteger(port) && port >= 1 && port <= 65_535
  if (!isPort) throw new Error(`${option} takes numbers from 1 to 65535, not ${text}.`)
  return port
}

function parseArguments() {
  try {
    return parseArgs({
      options: {
        port: { type: 'string', default: '3000' },
        reset: { type: 'boolean', default: false },
        directory: { type: 'string', default: join(CHECKOUT, '.latchkey') },
        'stack-ports': { type: 'string', default: '54329,54330,54331' },
        'without-vercel': { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    })
  } catch (error) {
    const [problem] = error instanceof Error ? error.message.split('. ') : []
    throw new Error(`${problem}. The options are:\n\n${HELP}`, { cause: error })
  }
}

// --- Stopping ---

function onSignal(): void {
  if (stoppingSince === undefined) {
    console.log('\nStopping …')
    void stop(0)
  } else if (performance.now() - stoppingSince > SAME_SIGNAL_MS) {
    process.exit(130)
  }
}

/**
 * npm runs a script in a shell, and a signal to npm ends the shell alone. Whoever starts `npm run dev` from a program
 * and ends it that way would leave this behind.
 */
function stopWithNpm(): void {
  if (process.env['npm_lifecycle_event'] === undefined) return
  const shell = process.ppid
  setInterval(() => {
    if (process.ppid !== shell) void stop(0)
  }, PARENT_CHECK_MS).unref()
}

async function stop(code: number, message?: string): Promise<void> {
  if (stoppingSince !== undefined) return
  stoppingSince = performance.now()
  if (message !== undefined) console.error(message)
  for (const end of running.toReversed()) await end()
  process.exit(code)
}

// --- The person's own .env ---

type DotEnv = Record<string, string | undefined>

/** What `.env` sets: `vercel dev` lets it win over everything else. */
function readDotEnv(): DotEnv {
  const file = join(CHECKOUT, '.env')
  return existsSync(file) ? parseEnv(readFileSync(file, 'utf8')) : {}
}

/** The stack's variables, which win over the shell's, as far as they go with what `.env` sets. */
function environmentBeside(own: DotEnv, local: Record<string, string>): Record<string, string> {
  const empty = Object.keys(local).filter((key) => own[key]?.trim() === '')
  if (empty.length > 0) {
    const names = empty.join(' and ')
    throw new Error(
      `.env leaves ${names} empty. Fill in a value, or remove the line to use the local stack's.`,
    )
  }
  // The gateway serves this machine alone; to a database elsewhere the driver finds the way by itself.
  const database = own['DATABASE_URL'] ?? ''
  if (database === '' || /@(localhost|127\.0\.0\.1)[:/]/.test(database)) return local
  const { NEON_FETCH_ENDPOINT: _gateway, ...others } = local
  return others
}

// --- What is printed ---

function describeApp(stack: Stack, own: DotEnv, seconds: number): string {
  const appUrl = stack.environment['APP_URL']
  const notes: string[] = []
  const fromFile = Object.keys(stack.environment).filter(
    (key) => (own[key] ?? stack.environment[key]) !== stack.environment[key],
  )
  if (fromFile.length > 0) notes.push(`From .env, not from the local stack: ${fromFile.join(', ')}.`)
  if ((own['APP_URL'] ?? appUrl) !== appUrl) {
    notes.push(
      `APP_URL in .env is ${own['APP_URL']}: emails lead there, and what ${appUrl} sends is refused.`,
    )
  }
  notes.push('Ctrl-C stops it. The database is kept; npm run dev -- --reset empties it.')
  return `
Latchkey answers after ${seconds.toFixed(1)} s.

  App        ${appUrl}/
  API        ${appUrl}/docs
  Inbox      ${stack.inboxUrl}
  Database   ${stack.databaseUrl}

${notes.map((note) => `  ${note}\n`).join('')}`
}

function describeStack(stack: Stack, vercelConfig: string): string {
  const secrets: readonly string[] = SECRETS
  const lines = Object.entries(stack.environment)
    .filter(([key]) => !secrets.includes(key))
    .map(([key, value]) => `  ${key}=${value}`)
  return `
The database, its gateway and the email inbox run.

  Inbox      ${stack.inboxUrl}
  Database   ${stack.databaseUrl}

The functions need these variables, and ${SECRETS.join(' and ')} from ${relative(process.cwd(), stack.secretsFile)}:

${lines.join('\n')}

For a vercel dev of your own:

  cp .env.example .env        then fill in ${SECRETS.join(' and ')}, each by: openssl rand -base64 32
  npx vercel dev --local --local-config ${relative(process.cwd(), vercelConfig)}

  Ctrl-C stops it. The database is kept; npm run stack -- --reset empties it.
`
}

// --- Vercel's cron ---

/** Delivers email that waits and removes what has expired. */
function callMaintenance(appUrl: string, secret: string): void {
  const headers = { authorization: `Bearer ${secret}` }
  setInterval(() => {
    fetch(`${appUrl}/api/auth/maintenance`, { headers }).catch(() => undefined)
  }, MAINTENANCE_EVERY_MS)
}
