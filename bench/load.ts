/**
 * Puts a load on a function: so many connections, each with its next request as soon as it has an answer. Plain `node:http`,
 * because each request has a cookie, an address or a body of its own.
 */
import { Agent, request as httpRequest } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { LOOPBACK } from '../dev/port.ts'
import { ascending, quantile } from './figures.ts'

export interface BenchRequest {
  method: string
  /** Path and query. */
  path: string
  headers: Record<string, string>
  body?: string
}

export interface Received {
  status: number
  setCookies: string[]
  retryAfterSeconds: number | undefined
  body: string
}

export function send(
  port: number,
  { method, path, headers, body }: BenchRequest,
  agent?: Agent,
): Promise<Received> {
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest(
      {
        host: LOOPBACK,
        port,
        method,
        path,
        headers: body === undefined ? headers : { ...headers, 'content-length': Buffer.byteLength(body) },
        ...(agent && { agent }),
      },
      (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.once('error', reject)
        response.once('end', () => {
          const retryAfter = response.headers['retry-after']
          resolve({
            status: response.statusCode ?? 0,
            setCookies: response.headers['set-cookie'] ?? [],
            retryAfterSeconds: retryAfter === undefined ? undefined : Number(retryAfter),
            body: Buffer.concat(chunks).toString(),
          })
        })
      },
    )
    outgoing.once('error', reject).end(body)
  })
}

export interface Load {
  port: number
  connections: number
  seconds: number
  next: () => BenchRequest | Promise<BenchRequest>
  /** Told of each response. */
  onResponse?: (response: Received) => void
}

export interface LoadFigures {
  /** Answered well. */
  requests: number
  perSecond: number
  p50Ms: number
  p99Ms: number
  /** Answered 503 with a time to come back, which the connection then waits. */
  turnedAway: number
  /** Anything else that is not 2xx, the first of them in words. */
  errors: number
  firstError: string | undefined
}

export async function putLoad({ port, connections, seconds, next, onResponse }: Load): Promise<LoadFigures> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections })
  const times: number[] = []
  let turnedAway = 0
  let errors = 0
  let firstError: string | undefined
  const startedAt = performance.now()
  const absoluteExpiresAt = startedAt + seconds * 1000
  let lastAt = startedAt

  async function connection(): Promise<void> {
    while (performance.now() < absoluteExpiresAt) {
      const request = await next()
      const sentAt = performance.now()
      const response = await send(port, request, agent).catch(failed)
      const answeredAt = performance.now()
      onResponse?.(response)
      if (response.status >= 200 && response.status < 300) {
        times.push(answeredAt - sentAt)
        lastAt = Math.max(lastAt, answeredAt)
      } else if (response.status === 503 && response.retryAfterSeconds !== undefined) {
        turnedAway += 1
        await sleep(Math.min(response.retryAfterSeconds * 1000, Math.max(0, absoluteExpiresAt - answeredAt)))
      } else {
        errors += 1
        firstError ??= `${request.method} ${request.path}: ${response.status} ${response.body.slice(0, 200)}`
      }
    }
  }
  await Promise.all(Array.from({ length: connections }, connection))
  agent.destroy()

  const sorted = ascending(times)
  return {
    requests: times.length,
    // What was under way at the end is counted, and so is its time.
    perSecond: times.length / ((lastAt - startedAt) / 1000),
    p50Ms: quantile(sorted, 0.5),
    p99Ms: quantile(sorted, 0.99),
    turnedAway,
    errors,
    firstError,
  }
}

function failed(error: unknown): Received {
  const body = error instanceof Error ? error.message : String(error)
  return { status: 0, setCookies: [], retryAfterSeconds: undefined, body }
}
