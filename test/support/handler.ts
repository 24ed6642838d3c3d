/** Starts test/support/handler-process.ts with a gateway of its own, so that several do not wait for one another's connections. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { startGateway, type Gateway } from '../../dev/gateway.ts'

export interface Handler {
  port: number
  gateway: Gateway
  /** Rejects when it ends before it is stopped. */
  ended: Promise<never>
  stop(): Promise<void>
}

export interface HandlerOptions {
  /** Called for each line that it writes to either stream. */
  onLine?: (line: string) => void
  /** Without it the line of each request is left out. */
  logsRequests?: true
  /** On top of this process's own. */
  environment?: Record<string, string>
}

const FILE = fileURLToPath(new URL('./handler-process.ts', import.meta.url))
const KEPT_LINES = 40

export async function startHandler(options: HandlerOptions = {}): Promise<Handler> {
  const { onLine, logsRequests, environment } = options
  const gateway = await startGateway({ port: 0 })
  const child = spawn(process.execPath, [FILE], {
    env: {
      ...process.env,
      NEON_FETCH_ENDPOINT: gateway.url,
      ...(logsRequests && { HANDLER_LOG: 'all' }),
      ...environment,
    },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  const lines: string[] = []
  const keep = (line: string) => {
    lines.push(line)
    if (lines.length > KEPT_LINES) lines.shift()
    onLine?.(line)
  }
  createInterface({ input: child.stderr }).on('line', keep)
  const output = createInterface({ input: child.stdout })
  const exited = once(child, 'exit')
  const ended = exited.then(() => {
    throw new Error(`a handler process ended by itself:\n${lines.join('\n')}`)
  })
  ended.catch(() => undefined)
  const [port] = await Promise.race([once(output, 'line'), ended])
  output.on('line', keep)
  return {
    port: Number(port),
    gateway,
    ended,
    async stop() {
      child.stdin.end()
      await exited
      await gateway.close()
    },
  }
}
