/** Two deployments on this machine: one as Vercel serves this checkout, one that does everything wrong. */
import { readFile } from 'node:fs/promises'
import { createServer as createPlainServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import {
  connect,
  createServer as createTcpServer,
  type AddressInfo,
  type Server,
  type Socket,
} from 'node:net'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { endpoints, type EndpointName } from './browser.ts'

interface Certificate {
  key: string
  cert: string
}

export interface LocalDeployment {
  /** https; plain http answers at the same port. */
  origin: string
  close(): void
}

const TLS_HANDSHAKE = 22

/** Pages, functions and headers of this checkout behind TLS, with what Vercel's edge does. */
export async function startGoodDeployment(certificate: Certificate): Promise<LocalDeployment> {
  const headersFor = await vercelHeaders()
  const secure = createSecureServer(certificate, (request, response) => {
    serve(request, response, headersFor).catch((error: unknown) => response.destroy(error as Error))
  })
  const plain = createPlainServer((request, response) => {
    response.writeHead(308, { location: `https://${request.headers.host}${request.url}` }).end()
  })
  return behindOnePort(secure, plain)
}

/** The same over plain http alone, as on a developer's machine. */
export async function startPlainDeployment(): Promise<LocalDeployment> {
  const headersFor = await vercelHeaders()
  const server = createPlainServer((request, response) => {
    serve(request, response, headersFor).catch((error: unknown) => response.destroy(error as Error))
  })
  await listening(server)
  return {
    origin: `http://localhost:${portOf(server)}`,
    close() {
      server.close()
      server.closeAllConnections()
    },
  }
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  headersFor: (path: string) => { key: string; value: string }[],
): Promise<void> {
  const { method = 'GET', url = '/' } = request
  const { pathname } = new URL(url, 'https://localhost')
  for (const { key, value } of headersFor(pathname)) response.setHeader(key, value)
  const name = /^\/api\/auth\/([a-z]+)$/.exec(pathname)?.[1] ?? ''
  if (method === 'TRACE') return finish(response, 405, '')
  if (Object.hasOwn(endpoints, name)) {
    const body = await buffer(request)
    const headers = Object.entries(request.headers).flatMap(([key, value]) =>
      key.startsWith(':') ? [] : [[key, String(value)] as [string, string]],
    )
    const reply = await endpoints[name as EndpointName].fetch(
      new Request(`https://localhost${url}`, {
        method,
        // The edge's own field: what a client says under its name is gone.
        headers: { ...Object.fromEntries(headers), 'x-real-ip': '203.0.113.77' },
        ...(body.length > 0 && { body: new Uint8Array(body) }),
      }),
    )
    for (const [key, value] of reply.headers) if (key !== 'set-cookie') response.setHeader(key, value)
    response.setHeader('set-cookie', reply.headers.getSetCookie())
    return finish(response, reply.status, await reply.text())
  }
  const file = pathname === '/' ? '/index.html' : `${pathname}.html`
  const page = await readFile(join('public', file), 'utf8').catch(() => undefined)
  response.setHeader(
    'content-type',
    page === undefined ? 'text/plain; charset=utf-8' : 'text/html; charset=utf-8',
  )
  return finish(response, page === undefined ? 404 : 200, page ?? 'The page could not be found')
}

function finish(response: ServerResponse, status: number, body: string): void {
  response.statusCode = status
  if (status === 204) response.end()
  else response.end(body)
}

async function vercelHeaders(): Promise<(path: string) => { key: string; value: string }[]> {
  const config: { headers: { source: string; headers: { key: string; value: string }[] }[] } = JSON.parse(
    await readFile('vercel.json', 'utf8'),
  )
  const rules = config.headers.map(({ source, headers }) => ({ pattern: RegExp(`^${source}$`), headers }))
  return (path) => rules.flatMap(({ pattern, headers }) => (pattern.test(path) ? headers : []))
}

/** Plain http, forged fields, sources: it takes and shows everything. */
export async function startBadDeployment(certificate: Certificate): Promise<LocalDeployment> {
  return behindOnePort(createSecureServer(certificate, respondWrongly), createPlainServer(respondWrongly))
}

function respondWrongly(request: IncomingMessage, response: ServerResponse): void {
  wrongResponse(request, response).catch(() => response.destroy())
}

async function wrongResponse(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { method, url = '' } = request
  const body = (await buffer(request)).toString()
  const wrongCode = url.startsWith('/api/auth/verify') && method === 'PUT'
  const notJson = body !== '' && body !== '{}' && !wrongCode
  const text = url.startsWith('/api/auth/keys')
    ? '{"keys":[{"kid":"the-only-one"}]}'
    : wrongCode || notJson
      ? '{"code":"malformed-json","stack":"Error\\n"}\n    at /var/task/api/auth/login.js'
      : '{"code":"session-ended"}'
  response
    .writeHead(wrongCode || notJson ? 400 : 200, {
      'content-type': 'application/json',
      'strict-transport-security': 'max-age=60; preload',
      'content-security-policy': "default-src *; script-src 'unsafe-inline'",
    })
    .end(text)
}

/** Whoever begins with a TLS handshake gets the one server, everybody else the other. */
async function behindOnePort(secure: Server, plain: Server): Promise<LocalDeployment> {
  await Promise.all([listening(secure), listening(plain)])
  const sockets = new Set<Socket>()
  const front = createTcpServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    socket.once('data', (first: Buffer) => {
      const inner = connect(portOf(first[0] === TLS_HANDSHAKE ? secure : plain), '127.0.0.1')
      sockets.add(inner)
      inner.on('error', () => socket.destroy())
      inner.on('close', () => sockets.delete(inner))
      inner.write(first)
      socket.pipe(inner).pipe(socket)
    })
  })
  await listening(front)
  return {
    origin: `https://localhost:${portOf(front)}`,
    close() {
      for (const server of [front, secure, plain]) server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}

async function listening(server: Server): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  server.listen(0, '127.0.0.1', () => resolve())
  return promise
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port
}
