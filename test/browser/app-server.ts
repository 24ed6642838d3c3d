/**
 * The app for the browser tests: pages, functions and headers as `vercel.json` has them, in one process that keeps
 * running. `vercel dev` starts each function again and so takes seconds a request.
 *
 * `node test/browser/app-server.ts`, with the functions' variables; it listens where `APP_URL` says.
 */
import { readdir, readFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { extname, join, normalize } from 'node:path'
import { buffer } from 'node:stream/consumers'

const CHECKOUT = join(import.meta.dirname, '../..')
const PUBLIC = join(CHECKOUT, 'public')
const FUNCTIONS = join(CHECKOUT, 'api', 'auth')

/** The address that a browser of the tests is taken to have, so that none uses up another one's share. */
export const ADDRESS_HEADER = 'x-test-address'
/** Begins each line of the output that tells of a request. */
export const REQUEST_LINE = 'request '
export const READY_LINE = 'listening'

/** A request as it reached the server, but for its body. */
export interface ServedRequest {
  method: string
  url: string
  headers: Record<string, string | string[] | undefined>
}

interface VercelConfig {
  headers: { source: string; headers: { key: string; value: string }[] }[]
}

type EndpointModule = { default: { fetch: (request: Request) => Promise<Response> } }

const CONTENT_TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'application/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.json': 'application/json; charset=utf-8',
}

if (import.meta.main) await serveApp(process.env['APP_URL'] ?? '')

async function serveApp(origin: string): Promise<void> {
  // As on Vercel, mail goes out once the answer has left.
  Reflect.set(globalThis, Symbol.for('@vercel/request-context'), {
    get: () => ({ waitUntil: (work: Promise<unknown>) => void work }),
  })
  const endpoints = await loadEndpoints()
  const headersFor = await readHeaders()

  const server = createServer((request, response) => {
    serve(request, response).catch((error: unknown) => {
      process.stderr.write(`${String(error)}\n`)
      response.destroy()
    })
  })
  server.listen(Number(new URL(origin).port), 'localhost', () => print(READY_LINE))

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '/', headers } = request
    const seen: ServedRequest = { method, url, headers }
    print(REQUEST_LINE + JSON.stringify(seen))
    const { pathname } = new URL(url, origin)
    for (const { key, value } of headersFor(pathname)) response.setHeader(key, value)

    const endpoint = endpoints.get(pathname)
    if (endpoint !== undefined) return callEndpoint(endpoint, request, response)
    await sendPage(pathname, response)
  }

  async function callEndpoint(
    endpoint: EndpointModule,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const headers = new Headers()
    for (const [name, value] of Object.entries(request.headers)) {
      if (value !== undefined) headers.set(name, String(value))
    }
    // The platform's own field: whatever a client sends under its name is gone.
    headers.set('x-real-ip', headers.get(ADDRESS_HEADER) ?? request.socket.remoteAddress ?? '')
    const body = await buffer(request)
    const reply = await endpoint.default.fetch(
      new Request(origin + request.url, {
        method: request.method ?? 'GET',
        headers,
        ...(body.length > 0 && { body: new Uint8Array(body) }),
      }),
    )
    for (const [name, value] of reply.headers) response.appendHeader(name, value)
    response.writeHead(reply.status).end(new Uint8Array(await reply.arrayBuffer()))
  }
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}

async function loadEndpoints(): Promise<Map<string, EndpointModule>> {
  const files = await readdir(FUNCTIONS)
  const loaded = files.map(async (file): Promise<[string, EndpointModule]> => {
    const module: EndpointModule = await import(join(FUNCTIONS, file))
    return [`/api/auth/${file.replace(/\.ts$/, '')}`, module]
  })
  return new Map(await Promise.all(loaded))
}

async function readHeaders(): Promise<(pathname: string) => { key: string; value: string }[]> {
  const config: VercelConfig = JSON.parse(await readFile(join(CHECKOUT, 'vercel.json'), 'utf8'))
  const rules = config.headers.map(({ source, headers }) => ({ pattern: RegExp(`^${source}$`), headers }))
  return (pathname) => rules.flatMap(({ pattern, headers }) => (pattern.test(pathname) ? headers : []))
}

/** `cleanUrls` and no trailing slash, as Vercel serves an output directory. */
async function sendPage(pathname: string, response: ServerResponse): Promise<void> {
  const clean = pathname.replace(/(\/index)?\.html$/, '').replace(/(.)\/$/, '$1') || '/'
  if (clean !== pathname) {
    response.writeHead(308, { location: clean }).end()
    return
  }
  const name = pathname === '/' ? '/index.html' : extname(pathname) === '' ? `${pathname}.html` : pathname
  const body = await readFile(join(PUBLIC, normalize(name))).catch(() => undefined)
  if (body === undefined) {
    response
      .writeHead(404, { 'content-type': 'text/plain; charset=utf-8' })
      .end('The page could not be found')
    return
  }
  const contentType = CONTENT_TYPES[extname(name)] ?? 'application/octet-stream'
  response.writeHead(200, {
    'content-type': contentType,
    'cache-control': 'public, max-age=0, must-revalidate',
  })
  response.end(body)
}
