/**
 * One function in a process of its own, and what it takes: `/usage` tells. Writes its port to descriptor 3. Bundled before
 * it is run, so that its own loading is as short as a runtime's.
 */
import { readFileSync, writeSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { pathToFileURL } from 'node:url'
import { listen } from '../dev/port.ts'

type WebFunction = { fetch: (request: Request) => Response | Promise<Response> }
/** As Express applications are. */
type NodeFunction = (request: IncomingMessage, response: ServerResponse) => unknown

export interface Usage {
  loadMs: number
  loadCpuMs: number
  /** Of the whole process since it was spawned. */
  cpuMs: number
  peakRssMb: number
  rssMb: number
  heapMb: number
}

const PORT_DESCRIPTOR = 3
const ORPHAN_CHECK_MS = 1_000
const ORIGIN = process.env['APP_URL'] ?? 'http://localhost'

// As on Vercel: the function lives on for what comes after the response.
const waitUntil = (work: Promise<unknown>) => {
  work.catch((error: unknown) => process.stderr.write(`After the response: ${String(error)}\n`))
}
Reflect.set(globalThis, Symbol.for('@vercel/request-context'), { get: () => ({ waitUntil }) })

const parent = process.ppid
setInterval(() => {
  if (process.ppid !== parent) process.exit()
}, ORPHAN_CHECK_MS).unref()

const startedAt = performance.now()
const startedCpu = process.cpuUsage()
const { default: called }: { default: WebFunction | NodeFunction } = await import(
  pathToFileURL(process.argv[2] ?? '').href
)
const loadMs = performance.now() - startedAt
const loadCpuMs = milliseconds(process.cpuUsage(startedCpu))

const server = createServer((request, response) => {
  reply(request, response).catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`)
    response.writeHead(500).end()
  })
})
server.keepAliveTimeout = 60_000
writeSync(PORT_DESCRIPTOR, `${await listen(server, 0)}\n`)

async function reply(request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.url === '/usage') {
    response.end(JSON.stringify(usage()))
    return
  }
  if (typeof called === 'function') {
    await called(request, response)
    return
  }
  const replied = await called.fetch(await webRequest(request))
  response.statusCode = replied.status
  response.setHeaders(replied.headers)
  response.end(await replied.bytes())
}

async function webRequest(request: IncomingMessage): Promise<Request> {
  const { method = 'GET', url = '/' } = request
  const headers = new Headers()
  for (const [name, value] of Object.entries(request.headers)) {
    if (typeof value === 'string') headers.set(name, value)
  }
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  const hasBody = chunks.length > 0 && method !== 'GET' && method !== 'HEAD'
  return new Request(ORIGIN + url, { method, headers, ...(hasBody && { body: Buffer.concat(chunks) }) })
}

function usage(): Usage {
  globalThis.gc?.()
  const { rss, heapUsed } = process.memoryUsage()
  return {
    loadMs,
    loadCpuMs,
    cpuMs: milliseconds(process.cpuUsage()),
    peakRssMb: peakRssKb() / 1024,
    rssMb: rss / 2 ** 20,
    heapMb: heapUsed / 2 ** 20,
  }
}

function milliseconds({ user, system }: NodeJS.CpuUsage): number {
  return (user + system) / 1000
}

/** Where there is no such file, the process's own figure, which begins with its parent's. */
function peakRssKb(): number {
  try {
    const [, kilobytes] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? []
    if (kilobytes !== undefined) return Number(kilobytes)
  } catch {
    // Not Linux.
  }
  return process.resourceUsage().maxRSS
}
