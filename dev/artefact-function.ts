/**
 * One deployed function in a process of its own, as Vercel's launcher runs it: loads the handler that it is told, once, and
 * gives it web requests. Prints its port; what it prints otherwise is the function's.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { pathToFileURL } from 'node:url'
import { listen, PORT_LINE } from './port.ts'

interface FunctionModule {
  default: { fetch: (request: Request) => Promise<Response> }
}

if (import.meta.main) await serveFunction(process.argv[2] ?? '')

async function serveFunction(handler: string): Promise<void> {
  // The function lives on for what comes after the response.
  const waitUntil = (work: Promise<unknown>) => {
    work.catch((error: unknown) => process.stderr.write(`After the response: ${String(error)}\n`))
  }
  Reflect.set(globalThis, Symbol.for('@vercel/request-context'), { get: () => ({ waitUntil }) })

  const module: FunctionModule = await import(pathToFileURL(handler).href)
  const server = createServer((request, response) => {
    reply(module, request, response).catch((error: unknown) => {
      process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`)
      if (response.headersSent) response.destroy()
      else response.writeHead(500, { 'x-vercel-error': 'FUNCTION_INVOCATION_FAILED' }).end()
    })
  })
  process.stdout.write(`${PORT_LINE}${await listen(server, 0)}\n`)
}

async function reply(
  module: FunctionModule,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { status, headers, body } = await module.default.fetch(webRequest(request))
  response.statusCode = status
  response.setHeaders(headers)
  if (body === null) response.end()
  else await pipeline(Readable.fromWeb(body), response)
}

function webRequest(request: IncomingMessage): Request {
  const { method = 'GET', url = '/' } = request
  const headers = new Headers()
  for (const [name, value] of Object.entries(request.headers)) {
    for (const one of [value ?? []].flat()) headers.append(name, one)
  }
  const origin = `${headers.get('x-forwarded-proto')}://${headers.get('x-forwarded-host')}`
  const hasBody = method !== 'GET' && method !== 'HEAD'
  return new Request(new URL(url, origin), {
    method,
    headers,
    ...(hasBody && { body: Readable.toWeb(request), duplex: 'half' }),
  })
}
