/** The app itself: the functions and pages of this checkout under Vercel's own `vercel dev`. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { delimiter, dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { startChild } from './child.ts'
import { LOOPBACK } from './port.ts'

export interface AppOptions {
  checkout: string
  /** For what is made on the way: the configuration, and the Vercel CLI's own files. */
  directory: string
  port: number
  environment: Record<string, string>
}

export interface App {
  /** Settles when it has ended, in whatever way, with what it ended by. */
  ended: Promise<string>
  stop(): Promise<void>
}

const require = createRequire(import.meta.url)

const READY_DEADLINE_MS = 90_000
const STOP_GRACE_MS = 5_000
/** The log line of what stands in for Vercel's cron, which would come every minute. */
const CRON_LINE = /"path":"\/api\/auth\/maintenance","status":200/

/** Resolves when the app answers. From then on its output goes to the console. */
export async function startApp({ checkout, directory, port, environment }: AppOptions): Promise<App> {
  const config = await writeLocalConfig(checkout, directory)
  const listen = ['--listen', `${LOOPBACK}:${port}`]
  // Without a place of its own it would use the person's Vercel account and settings.
  const configs = ['--local-config', config, '--global-config', join(directory, 'vercel-cli')]
  let isReady = false
  const child = startChild({
    file: process.execPath,
    arguments: [require.resolve('vercel/dist/vc.js'), 'dev', '--local', '--yes', ...listen, ...configs],
    environment: {
      ...process.env,
      PATH: `${dirname(process.execPath)}${delimiter}${process.env['PATH']}`,
      VERCEL_TELEMETRY_DISABLED: '1',
      ...environment,
    },
    directory: checkout,
    signalWhenOrphaned: 'SIGKILL',
    onLine: (line) => {
      if (isReady && !CRON_LINE.test(line)) console.log(line)
    },
  })

  const ended = child.exited.then(() => 'ended')
  const deadline = Date.now() + READY_DEADLINE_MS
  while (!(await responses(port))) {
    if ((await Promise.race([ended, sleep(100, 'running')])) === 'running' && Date.now() < deadline) continue
    await child.end('SIGTERM', STOP_GRACE_MS)
    throw new Error(`vercel dev did not start. The end of its output:\n${child.lastLines()}`)
  }
  isReady = true
  return { ended: child.exited, stop: () => child.end('SIGTERM', STOP_GRACE_MS) }
}

/** A function's answer, which takes longer than a page's: Vercel compiles it first. */
async function responses(port: number): Promise<boolean> {
  try {
    await fetch(`http://localhost:${port}/api/auth/keys`, { signal: AbortSignal.timeout(READY_DEADLINE_MS) })
    return true
  } catch {
    return false
  }
}

/** What of `vercel.json` concerns the deployment alone. */
const DEPLOYMENT_ONLY = new Set(['buildCommand', 'installCommand', 'devCommand', 'outputDirectory', 'crons'])

/**
 * `vercel dev` takes a build command, or a script of that name, as a sign of a framework and runs this project's `dev`
 * script to serve it, which is what has started it. An empty one says that the pages are served as they are.
 */
const NO_FRAMEWORK = { buildCommand: '' }

export async function writeLocalConfig(checkout: string, directory: string): Promise<string> {
  const config: object = JSON.parse(
    await readFile(join(checkout, 'vercel.json'), 'utf8'),
    (key, value: unknown) => (DEPLOYMENT_ONLY.has(key) ? undefined : value),
  )
  await mkdir(directory, { recursive: true })
  const path = join(directory, 'vercel.json')
  await writeFile(path, `${JSON.stringify({ ...config, ...NO_FRAMEWORK }, undefined, 2)}\n`)
  return path
}
