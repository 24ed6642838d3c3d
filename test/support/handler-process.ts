/**
 * One instance of the deployed functions: a process of its own that serves them over HTTP and shares nothing with the
 * others but the database. Prints its port; ends with the process that started it. `/settled` responds when nothing is
 * left to do after the responses given so far.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { listen } from '../../dev/port.ts'
import account from '../../api/auth/account.ts'
import keys from '../../api/auth/keys.ts'
import login from '../../api/auth/login.ts'
import logout from '../../api/auth/logout.ts'
import maintenance from '../../api/auth/maintenance.ts'
import refresh from '../../api/auth/refresh.ts'
import register from '../../api/auth/register.ts'
import reset from '../../api/auth/reset.ts'
import sessions from '../../api/auth/sessions.ts'
import verify from '../../api/auth/verify.ts'

const PATH = '/api/auth/'
/** Vercel takes 32 KB; here the functions see whatever is sent, and not Node's 431. */
const MAX_HEADER_BYTES = 256 * 1024
const endpoints = new Map(
  Object.entries({
    account,
    keys,
    login,
    logout,
    maintenance,
    refresh,
    register,
    reset,
    sessions,
    verify,
  }),
)

// As on Vercel: the function lives on for what comes after the response.
const afterResponses = new Set<Promise<unknown>>()
const waitUntil = (work: Promise<unknown>) => {
  const settled = work.finally(() => afterResponses.delete(settled))
  afterResponses.add(settled)
}
Reflect.set(globalThis, Symbol.for('@vercel/request-context'), { get: () => ({ waitUntil }) })

// The line of each request would drown the errors, which are what most parents read.
if (process.env['HANDLER_LOG'] !== 'all') console.info = () => undefined

process.stdin.on('end', () => process.exit()).resume()
const server = createServer({ maxHeaderSize: MAX_HEADER_BYTES }, (request, response) => {
  respond(request, response).catch(() => response.destroy())
})
process.stdout.write(`${await listen(server, 0)}\n`)

async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const handled = await handle(request)
  response.statusCode = handled.status
  response.setHeaders(handled.headers)
  response.end(await handled.bytes())
}

async function handle(request: IncomingMessage): Promise<Response> {
  const url = new URL(request.url ?? '', process.env['APP_URL'])
  if (url.pathname === '/settled') {
    await Promise.all(afterResponses)
    return new Response(null, { status: 204 })
  }
  const endpoint = endpoints.get(url.pathname.slice(PATH.length))
  if (!url.pathname.startsWith(PATH) || endpoint === undefined) return new Response(null, { status: 404 })
  const headers = new Headers()
  for (const [name, value] of Object.entries(request.headers)) {
    if (typeof value === 'string') headers.set(name, value)
  }
  const bytes = await buffer(request)
  const method = request.method ?? 'GET'
  // What no `Request` can be (Fetch standard, section 2.2.1): no platform can hand that over.
  if (method === 'TRACE' || method === 'CONNECT') return new Response(null, { status: 501 })
  const hasBody = bytes.length > 0 && method !== 'GET' && method !== 'HEAD'
  return endpoint.fetch(
    new Request(url, { method, headers, ...(hasBody && { body: new Uint8Array(bytes) }) }),
  )
}
