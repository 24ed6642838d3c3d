/** A running function: what a cold start starts and what a load is put on. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { LOOPBACK } from '../dev/port.ts'
import type { Usage } from './function-process.ts'

export interface Instance {
  port: number
  usage(): Promise<Usage>
  stop(): Promise<void>
}

export interface InstanceOptions {
  runner: string
  file: string
  environment: Record<string, string>
  /** Collects garbage before it tells its usage. */
  collectsGarbage?: boolean
}

const KEPT_CHARACTERS = 2_000

/** Resolves as soon as it listens. What it logs goes nowhere; how it failed to start is told. */
export async function startInstance(options: InstanceOptions): Promise<Instance> {
  const { runner, file, environment, collectsGarbage = false } = options
  const flags = ['--enable-source-maps', ...(collectsGarbage ? ['--expose-gc'] : [])]
  const child = spawn(process.execPath, [...flags, runner, file], {
    env: { PATH: process.env['PATH'], TZ: 'UTC', NODE_ENV: 'production', ...environment },
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
  })
  let lastWords = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    lastWords = (lastWords + chunk.toString()).slice(-KEPT_CHARACTERS)
  })
  const exited = once(child, 'exit')
  const early = exited.then(() => {
    throw new Error(`${file} ended before it listened: ${lastWords}`)
  })
  early.catch(() => undefined)
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a pipe to read from, as asked for
  const port = Number(await Promise.race([firstLine(child.stdio[3] as Readable), early]))
  return {
    port,
    async usage() {
      const response = await fetch(`http://${LOOPBACK}:${port}/usage`)
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the process's word
      return (await response.json()) as Usage
    },
    async stop() {
      child.kill('SIGKILL')
      await exited
    },
  }
}

async function firstLine(output: Readable): Promise<string> {
  const [chunk] = await once(output, 'data')
  return String(chunk)
}
