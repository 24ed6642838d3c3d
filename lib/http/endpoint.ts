/** What every function does around its own work: methods, the CSRF check, headers, errors, the log. */
import { configuration, environment, environmentIssues } from '../env.ts'
import { log, type LogLevel } from '../log.ts'
import { withLogContext, type LogContext } from '../log-context.ts'
import { ServiceUnavailable } from '../unavailable.ts'
import { clientInfo, type ClientInfo } from './client-info.ts'
import { isCrossOrigin } from './csrf.ts'
import { HttpError, problemResponse, type ProblemCode } from './problems.ts'
import { inSources } from './stack-trace.ts'

type Handler = (request: Request, client: ClientInfo) => Response | Promise<Response>

interface Handlers {
  GET?: Handler
  POST?: Handler
  PUT?: Handler
  PATCH?: Handler
  DELETE?: Handler
}

const STANDARD_HEADERS = {
  'cache-control': 'no-store',
  // `sandbox`: a response opened as a page has neither scripts nor this origin.
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
      const client = clientInfo(request)
      const context: LogContext = { requestId: client.requestId, roundTrips: 0 }
      const cold = isCold
      isCold = false
      if (cold) logColdStart()
      const { response, code } = await withLogContext(context, () => respond(request, client, handlers))
      for (const [name, value] of Object.entries(STANDARD_HEADERS)) {
        if (!response.headers.has(name)) response.headers.set(name, value)
      }
      response.headers.set('x-request-id', client.requestId)
      log(levelOf(response.status), 'request', {
        ...context,
        method: request.method,
        path: new URL(request.url).pathname,
        status: response.status,
        code,
        durationMs: Math.round(performance.now() - startedAt),
        cold,
      })
      return response
    },
  }
}

let isCold = true

/** Once per instance: the deployment, and the names of the variables that are set. */
function logColdStart(): void {
  const origin = environmentIssues.length === 0 ? environment().origin : undefined
  log('info', 'cold-start', { ...configuration, origin })
}

/** 403 and 429 are where an attack shows. */
function levelOf(status: number): LogLevel {
  if (status >= 500) return 'error'
  return status === 403 || status === 429 ? 'warn' : 'info'
}

interface Responded {
  response: Response
  /** Of a problem. */
  code?: ProblemCode
}

async function respond(request: Request, client: ClientInfo, handlers: Handlers): Promise<Responded> {
  try {
    if (environmentIssues.length > 0) throw misconfigured()
    const handler = handlerFor(request.method, handlers)
    if (handler === undefined) {
      throw new HttpError('method-not-allowed', { headers: { allow: allowed(handlers) } })
    }
    if (isCrossOrigin(request)) throw new HttpError('cross-origin-request')
    return { response: await handler(request, client) }
  } catch (error) {
    const refusal = error instanceof HttpError ? error : logged(error)
    return { response: problemResponse(refusal), code: refusal.code }
  }
}

function misconfigured(): HttpError {
  log('error', 'misconfigured', {
    keys: environmentIssues.map((issue) => `${issue.key}: ${issue.problem}`),
  })
  return new HttpError('misconfigured')
}

function handlerFor(method: string, handlers: Handlers): Handler | undefined {
  const wanted = method === 'HEAD' ? 'GET' : method
  return new Map<string, Handler>(Object.entries(handlers)).get(wanted)
}

function allowed(handlers: Handlers): string {
  const methods = Object.keys(handlers)
  return (methods.includes('GET') ? [...methods, 'HEAD'] : methods).join(', ')
}

/** The caller learns nothing of an unexpected error but the request id, which finds it in the log. */
function logged(error: unknown): HttpError {
  if (error instanceof ServiceUnavailable) {
    log('error', error.code, { reason: error.message })
    return new HttpError(error.code, { retryAfterSeconds: error.retryAfterSeconds })
  }
  const details =
    error instanceof Error
      ? { reason: `${error.name}: ${error.message}`, stack: inSources(error.stack ?? '') }
      : {}
  log('error', 'internal-error', details)
  return new HttpError('internal-error')
}
