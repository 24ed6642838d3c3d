/**
 * What every function of the set does before and after its own work: methods, the origin check, the headers of each
 * answer, and the last word when something throws.
 */
import { clientOf, type Client } from './client.ts'
import { configuration, environment, environmentFaults } from './env.ts'
import { log, type LogLevel } from './log.ts'
import { isCrossOrigin } from './origin-check.ts'
import { problem, problemCodeOf } from './problems.ts'
import { inRequest, type RequestRecord } from './request-record.ts'
import { inSources } from './stack-trace.ts'
import { isUnavailable } from './unavailable.ts'

type Handler = (request: Request, client: Client) => Response | Promise<Response>

interface Handlers {
  GET?: Handler
  POST?: Handler
  PUT?: Handler
  PATCH?: Handler
  DELETE?: Handler
}

const STANDARD_HEADERS = {
  'cache-control': 'no-store',
  // `sandbox`: opened as a page of its own, an answer has neither scripts nor this origin.
  'content-security-policy':
    "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; object-src 'none'; sandbox",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
}

/** The default export of a function: the shape that Vercel calls with a web `Request`. */
export function endpoint(handlers: Handlers): {
  fetch: (request: Request) => Promise<Response>
} {
  return {
    async fetch(request) {
      const startedAt = performance.now()
      const client = clientOf(request)
      const record: RequestRecord = { requestId: client.requestId, roundTrips: 0 }
      const cold = isCold
      isCold = false
      if (cold) logColdStart()
      const response = await inRequest(record, () => answer(request, client, handlers))
      for (const [name, value] of Object.entries(STANDARD_HEADERS)) {
        if (!response.headers.has(name)) response.headers.set(name, value)
      }
      response.headers.set('x-request-id', client.requestId)
      log(levelOf(response.status), 'request', {
        ...record,
        method: request.method,
        path: new URL(request.url).pathname,
        status: response.status,
        code: problemCodeOf(response),
        durationMs: Math.round(performance.now() - startedAt),
        cold,
      })
      return response
    },
  }
}

/** True until an instance has its first request. */
let isCold = true

/** Once an instance: what it runs and what it was given, by name. */
function logColdStart(): void {
  const origin = environmentFaults.length === 0 ? environment().origin : undefined
  log('info', 'cold-start', { ...configuration, origin })
}

/** A refusal that an attack would show in stands out; so does what is broken. */
function levelOf(status: number): LogLevel {
  if (status >= 500) return 'error'
  return status === 403 || status === 429 ? 'warn' : 'info'
}

async function answer(request: Request, client: Client, handlers: Handlers): Promise<Response> {
  if (environmentFaults.length > 0) {
    log('error', 'misconfigured', {
      keys: environmentFaults.map((fault) => `${fault.key}: ${fault.problem}`),
    })
    return problem('misconfigured')
  }
  try {
    const handler = handlerFor(request.method, handlers)
    if (handler === undefined) return problem('method-not-allowed', { headers: { allow: allowed(handlers) } })
    if (isCrossOrigin(request)) return problem('cross-origin-request')
    return await handler(request, client)
  } catch (error) {
    return refusal(error)
  }
}

function handlerFor(method: string, handlers: Handlers): Handler | undefined {
  const wanted = method === 'HEAD' ? 'GET' : method
  return new Map<string, Handler>(Object.entries(handlers)).get(wanted)
}

function allowed(handlers: Handlers): string {
  const methods = Object.keys(handlers)
  return (methods.includes('GET') ? [...methods, 'HEAD'] : methods).join(', ')
}

/** Nothing of the error reaches the caller but the request id, by which the log has the rest. */
function refusal(error: unknown): Response {
  if (error instanceof Response) return error
  if (isUnavailable(error)) {
    log('error', error.unavailable, { reason: error.message })
    return problem(error.unavailable, { retryAfterSeconds: error.retryAfterSeconds })
  }
  const details =
    error instanceof Error
      ? { reason: `${error.name}: ${error.message}`, stack: inSources(error.stack ?? '') }
      : {}
  log('error', 'internal-error', details)
  return problem('internal-error')
}
