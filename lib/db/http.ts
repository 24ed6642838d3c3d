/**
 * The way to the database: a POST by Node's own HTTP client, over connections that are kept. `fetch` does the same for more than
 * twice the CPU, and its first call is dearer yet, which every cold start pays (docs/performance.md).
 */
import { Agent as HttpAgent, request as requestHttp } from 'node:http'
import { Agent as HttpsAgent, request as requestHttps } from 'node:https'

export const DATABASE_TIMEOUT_MS = 5_000

/** A connection that lay idle for longer may be closed at the other end, and an instance that was frozen has not heard of it. */
const LONGEST_IDLE_MS = 4_000

/** What Neon's driver reads of a `Response`. */
export interface DatabaseResponse {
  ok: boolean
  status: number
  json: () => unknown
  text: () => string
}

/** What Neon's driver calls `fetch` with. */
interface DatabaseRequest {
  headers: Record<string, string>
  body: string
}

/** A redirect is an answer like any other and is not followed. Rejects with `TimeoutError` when the time is up. */
export function callDatabase(url: string, { headers, body }: DatabaseRequest): Promise<DatabaseResponse> {
  const signal = AbortSignal.timeout(DATABASE_TIMEOUT_MS)
  const isHttps = url.startsWith('https:')
  const options = {
    method: 'POST',
    agent: connections(isHttps),
    headers: { ...headers, 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
    signal,
  }
  return new Promise((resolve, reject) => {
    const fail = (error: Error) => reject(signal.aborted ? signal.reason : error)
    const request = (isHttps ? requestHttps : requestHttp)(url, options, (response) => {
      const { statusCode: status = 0 } = response
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (part: string) => (text += part))
      response.on('error', fail)
      response.on('end', () => {
        lastUsedAt = Date.now()
        const ok = status >= 200 && status < 300
        resolve({ ok, status, json: () => JSON.parse(text), text: () => text })
      })
    })
    request.on('error', fail)
    request.end(body)
  })
}

let kept: HttpAgent | undefined
let lastUsedAt = 0

/** What was kept too long is left to its timer. */
function connections(isHttps: boolean): HttpAgent {
  if (kept === undefined || Date.now() - lastUsedAt > LONGEST_IDLE_MS) {
    lastUsedAt = Date.now()
    const options = { keepAlive: true, timeout: LONGEST_IDLE_MS }
    kept = isHttps ? new HttpsAgent(options) : new HttpAgent(options)
  }
  return kept
}
