/** Several handler processes, and a client that spreads its calls over them. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { randomInt, randomUUID } from 'node:crypto'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseSetCookie } from 'cookie'
import { startGateway, type Gateway } from '../dev/gateway.ts'
import { APP_ORIGIN } from './setup-environment.ts'

export interface RaceAnswer {
  status: number
  /** `code` of a problem. */
  code: string | undefined
  // oxlint-disable-next-line typescript/no-explicit-any -- read as a client reads it
  body: any
  /** The session cookie that came with it: undefined when it was left alone, empty when it was cleared. */
  session: string | undefined
}

export interface Call {
  target: string
  method: string
  body?: object
  /** The session cookie's value. */
  session?: string | undefined
  /** The registration cookie's value. */
  registration?: string
  /** Sets out when the others are half way: they wait, or they have been answered. */
  setsOutLater?: true
}

export interface Processes {
  /** Throws for an answer of 5xx, with the reason that was logged: none of the calls here may get one. */
  call(call: Call): Promise<RaceAnswer>
  stop(): Promise<void>
}

interface HandlerProcess {
  child: ChildProcess
  gateway: Gateway
  port: number
}

const LOG_DELAY_MS = 50
const KEPT_LINES = 40
const FILE = fileURLToPath(new URL('./handler-process.ts', import.meta.url))

export async function startProcesses(count: number): Promise<Processes> {
  const reasons = new Map<string, string>()
  const started = await Promise.all(Array.from({ length: count }, () => startProcess(reasons)))
  let next = 0

  return {
    async call({ target, method, body, session, registration }) {
      const requestId = randomUUID()
      const port = started[next++ % count]?.port
      const cookies = [
        ...(session === undefined ? [] : [`__Host-session=${session}`]),
        ...(registration === undefined ? [] : [`__Host-registration=${registration}`]),
      ]
      const response = await fetch(`http://127.0.0.1:${port}/api/auth/${target}`, {
        method,
        headers: {
          'sec-fetch-site': 'same-origin',
          origin: APP_ORIGIN,
          'x-vercel-id': requestId,
          // Another source each time: what is raced here is not the rate limit.
          'x-real-ip': `10.${randomInt(256)}.${randomInt(256)}.${randomInt(1, 255)}`,
          ...(cookies.length > 0 && { cookie: cookies.join('; ') }),
          ...(body && { 'content-type': 'application/json' }),
        },
        ...(body && { body: JSON.stringify(body) }),
      })
      const text = await response.text()
      const answer = text === '' ? undefined : JSON.parse(text)
      if (response.status >= 500) {
        await sleep(LOG_DELAY_MS)
        const reason = reasons.get(requestId) ?? 'nothing logged'
        throw new Error(`${method} ${target}: ${response.status} ${answer?.code}, ${reason}`)
      }
      const set = response.headers.getSetCookie().map((cookie) => parseSetCookie(cookie))
      return {
        status: response.status,
        code: answer?.code,
        body: answer,
        session: set.find(({ name }) => name === '__Host-session')?.value,
      }
    },
    async stop() {
      await Promise.all(started.map(end))
    },
  }
}

async function startProcess(reasons: Map<string, string>): Promise<HandlerProcess> {
  // Each its own, so that they do not wait for one another's connections.
  const gateway = await startGateway({ port: 0 })
  const child = spawn(process.execPath, [FILE], {
    env: { ...process.env, NEON_FETCH_ENDPOINT: gateway.url },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  const lines: string[] = []
  createInterface({ input: child.stderr }).on('line', (line) => {
    lines.push(line)
    if (lines.length > KEPT_LINES) lines.shift()
    const { requestId, reason } = logEntry(line)
    if (requestId !== undefined && reason !== undefined) reasons.set(requestId, reason)
  })
  const ended = once(child, 'exit').then(() => {
    throw new Error(`a handler process ended by itself:\n${lines.join('\n')}`)
  })
  ended.catch(() => undefined)
  const [line] = await Promise.race([once(createInterface({ input: child.stdout }), 'line'), ended])
  return { child, gateway, port: Number(line) }
}

function logEntry(line: string): { requestId?: string; reason?: string } {
  try {
    return JSON.parse(line)
  } catch {
    return {}
  }
}

async function end({ child, gateway }: HandlerProcess): Promise<void> {
  const exited = once(child, 'exit')
  child.stdin?.end()
  await exited
  await gateway.close()
}
