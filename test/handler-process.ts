/**
 * One instance of the deployed functions: a process of its own that serves them over HTTP and shares nothing with the
 * others but the database. Prints its port; ends with the process that started it.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { listen } from '../dev/port.ts'
import account from '../api/auth/account.ts'
import login from '../api/auth/login.ts'
import logout from '../api/auth/logout.ts'
import refresh from '../api/auth/refresh.ts'
import register from '../api/auth/register.ts'
import reset from '../api/auth/reset.ts'
import sessions from '../api/auth/sessions.ts'
import verify from '../api/auth/verify.ts'

const PATH = '/api/auth/'
const endpoints = new Map(
  Object.entries({ account, login, logout, refresh, register, reset, sessions, verify }),
)

// As on Vercel: the function lives on for what comes after the answer.
const waitUntil = (work: Promise<unknown>) => void work
Reflect.set(globalThis, Symbol.for('@vercel/request-context'), { get: () => ({ waitUntil }) })

// The line of each request would drown the errors, which are what the parent reads.
console.info = () => undefined

process.stdin.on('end', () => process.exit()).resume()
const server = createServer((request, response) => {
  answer(request, response).catch(() => response.destroy())
})
process.stdout.write(`${await listen(server, 0)}\n`)

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const answered = await handle(request)
  response.statusCode = answered.status
  response.setHeaders(answered.headers)
  response.end(await answered.bytes())
}

async function handle(request: IncomingMessage): Promise<Response> {
  const url = new URL(request.url ?? '', process.env['APP_URL'])
  const endpoint = endpoints.get(url.pathname.slice(PATH.length))
  if (!url.pathname.startsWith(PATH) || endpoint === undefined) return new Response(null, { status: 404 })
  const headers = new Headers()
  for (const [name, value] of Object.entries(request.headers)) {
    if (typeof value === 'string') headers.set(name, value)
  }
  const body = await buffer(request)
  const method = request.method ?? 'GET'
  return endpoint.fetch(
    new Request(url, { method, headers, ...(body.length > 0 && { body: new Uint8Array(body) }) }),
  )
}
