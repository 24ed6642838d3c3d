/**
 * `npm run build`: what a deploy makes, made here. A copy of the checkout, with the packages that a deploy installs and a
 * database of its own, goes through `vercel build`, build command and all; `.vercel/output` is left here, the rest is
 * thrown away. Needs no account and no network, and never touches the sources.
 */
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { basename, delimiter, dirname, join } from 'node:path'
import { startGateway, type Gateway } from '../../dev/gateway.ts'
import { startInbox, type Inbox } from '../../dev/inbox.ts'
import { startPostgres } from '../../dev/postgres.ts'
import { DESCRIPTION } from './functions.ts'

const CHECKOUT = join(import.meta.dirname, '../..')
const OUTPUT = join('.vercel', 'output')
/** Beside it, as the output is Vercel's. */
export const BUILT_FUNCTIONS = join('.vercel', 'functions.json')
const NOT_DEPLOYED = new Set(['node_modules', '.git', '.vercel', '.latchkey', 'coverage', 'examples'])
const require = createRequire(import.meta.url)

/** Leaves the artefact in `<into>/.vercel/output` and resolves to that path. */
export async function buildOutput(into = CHECKOUT): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'latchkey-build-'))
  try {
    const copy = join(directory, 'checkout')
    await copySources(copy)
    await copyPackages(copy)
    await withDatabase(join(directory, 'postgres'), (databaseUrl) =>
      vercelBuild({ copy, databaseUrl, packages: 'copied' }),
    )
    return await moveOutput(copy, into)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** All that git would bring to Vercel, and what is new here. */
export async function copySources(copy: string): Promise<void> {
  await mkdir(copy)
  for (const name of await readdir(CHECKOUT)) {
    const isSecret = name.startsWith('.env') && name !== '.env.example'
    if (NOT_DEPLOYED.has(name) || isSecret) continue
    await cp(join(CHECKOUT, name), join(copy, name), {
      recursive: true,
      filter: (source) => basename(source) !== 'node_modules',
    })
  }
}

interface Lock {
  packages: Record<string, { dev?: boolean; devOptional?: boolean }>
}

/** What `npm ci --omit=dev` would install, as far as it is installed here. */
async function copyPackages(copy: string): Promise<void> {
  const lock: Lock = JSON.parse(await readFile(join(CHECKOUT, 'package-lock.json'), 'utf8'))
  for (const [path, { dev, devOptional }] of Object.entries(lock.packages)) {
    if (path === '' || dev || devOptional) continue
    await cp(join(CHECKOUT, path), join(copy, path), {
      recursive: true,
      // A package within is a package of its own.
      filter: (source) => basename(source) !== 'node_modules',
    }).catch((error: unknown) => {
      // Made for another platform.
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
    })
  }
}

async function withDatabase(
  directory: string,
  work: (databaseUrl: string) => Promise<unknown>,
): Promise<void> {
  const postgres = await startPostgres({ directory, port: 0 })
  try {
    await work(postgres.url)
  } finally {
    await postgres.discard()
  }
}

/** Only to pass the checks: nothing of it comes into the output. */
function environmentOf(databaseUrl: string, gateway: Gateway, inbox: Inbox): Record<string, string> {
  return {
    APP_URL: 'http://localhost:3000',
    NEON_FETCH_ENDPOINT: gateway.url,
    RESEND_BASE_URL: inbox.url,
    JWT_SECRET: randomBytes(32).toString('base64'),
    CRON_SECRET: randomBytes(32).toString('base64'),
    DATABASE_URL: databaseUrl,
    RESEND_API_KEY: 're_of_a_deployment',
    EMAIL_FROM: 'Latchkey <login@latchkey.test>',
  }
}

interface VercelBuild {
  /** Rewritten on the way. */
  copy: string
  databaseUrl: string
  /** Whether the copy has its packages already, or installs them as a deploy does. */
  packages: 'copied' | 'to install'
}

/** Resolves to what it printed. */
export async function vercelBuild(build: VercelBuild): Promise<string> {
  const gateway = await startGateway({ port: 0 })
  const inbox = await startInbox({ port: 0 })
  try {
    return await runVercelBuild(build, environmentOf(build.databaseUrl, gateway, inbox))
  } finally {
    await inbox.close()
    await gateway.close()
  }
}

async function runVercelBuild(
  { copy, packages }: VercelBuild,
  environment: Record<string, string>,
): Promise<string> {
  if (packages === 'copied') {
    const config: object = JSON.parse(await readFile(join(copy, 'vercel.json'), 'utf8'))
    await writeFile(join(copy, 'vercel.json'), JSON.stringify({ ...config, installCommand: '' }))
  }
  // Any project will do: nothing is asked of Vercel.
  const project = { projectId: 'prj_local', orgId: 'team_local', settings: { framework: null } }
  await mkdir(join(copy, '.vercel'))
  await writeFile(join(copy, '.vercel', 'project.json'), JSON.stringify(project))

  // Without a place of its own it would use the person's Vercel account and settings.
  const options = ['--yes', '--global-config', join(copy, '..', 'vercel-cli')]
  const child = spawn(process.execPath, [require.resolve('vercel/dist/vc.js'), 'build', ...options], {
    cwd: copy,
    env: {
      PATH: `${dirname(process.execPath)}${delimiter}${process.env['PATH']}`,
      HOME: process.env['HOME'],
      CI: '1',
      VERCEL_TELEMETRY_DISABLED: '1',
      npm_config_prefer_offline: 'true',
      // The builder of the functions would install them once more.
      ...(packages === 'copied' && { VERCEL_INSTALL_COMPLETED: '1' }),
      ...environment,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let printed = ''
  for (const output of [child.stdout, child.stderr]) {
    output.on('data', (chunk: Buffer) => {
      printed += chunk.toString()
      process.stdout.write(chunk)
    })
  }
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`vercel build ended with exit code ${code}.\n${printed}`)
  return printed
}

async function moveOutput(copy: string, into: string): Promise<string> {
  const output = join(into, OUTPUT)
  const fresh = `${output}.new`
  await rm(fresh, { recursive: true, force: true })
  await cp(join(copy, OUTPUT), fresh, { recursive: true, verbatimSymlinks: true })
  await rm(output, { recursive: true, force: true })
  await rename(fresh, output)
  await cp(join(copy, DESCRIPTION), join(into, BUILT_FUNCTIONS))
  return output
}

if (import.meta.main) console.log(`Built ${await buildOutput()}`)
