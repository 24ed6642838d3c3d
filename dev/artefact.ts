/**
 * Serves what `npm run build` left in `.vercel/output` as Vercel would: its routes, its pages, and each function in a
 * process of its own that sees nothing but its own files. For tests and measurements of what is really deployed.
 */
import { randomBytes } from 'node:crypto'
import { globSync } from 'node:fs'
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { extname, join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { readRoutes, type OutputConfig, type Routed } from './artefact-routes.ts'
import { startChild } from './child.ts'
import { listen, LOOPBACK, PORT_LINE } from './port.ts'

export interface ArtefactOptions {
  /** `.vercel/output` */
  output: string
  /** 0 picks a free one. */
  port: number
  /** All that the functions get. */
  environment: Record<string, string>
  /** A header by which a test says what address its client has; otherwise it is the connection's. */
  addressHeader?: string
  onRequest?: (request: ServedRequest) => void
  /** For each line that a function prints. */
  onLine?: (line: string) => void
}

/** A request as it came in, but for its body. */
export interface ServedRequest {
  method: string
  url: string
  headers: Record<string, string | string[] | undefined>
}

export interface Artefact {
  origin: string
  /** Ends the function's process, as Vercel does with an idle one: its next request is a cold start. */
  endFunction(path: string): Promise<void>
  stop(): Promise<void>
}

const CONTENT_TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'application/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
}
const MAX_BODY_BYTES = 4_500_000
const START_MS = 20_000
const STOP_GRACE_MS = 2_000
const HOP_BY_HOP = new Set(['connection', 'keep-alive', 'transfer-encoding', 'upgrade', 'te', 'trailer'])

export async function serveArtefact(options: ArtefactOptions): Promise<Artefact> {
  const { output, addressHeader, onRequest, onLine } = options
  const config: OutputConfig = JSON.parse(await readFile(join(output, 'config.json'), 'utf8'))
  const router = readRoutes(config)
  const pages = findPages(output, config)
  const functions = await findFunctions(options)

  const server = createServer((request, response) => {
    serve(request, response).catch(() => response.destroy())
  })
  const port = await listen(server, options.port)
  const origin = `http://localhost:${port}`

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = 'GET', url = '/', headers } = request
    onRequest?.({ method, url, headers })
    const { pathname, search } = new URL(url, origin)
    const id = `dev1::${randomBytes(4).toString('hex')}-${Date.now()}-${randomBytes(6).toString('hex')}`
    response.setHeader('server', 'Vercel').setHeader('x-vercel-id', id)

    const first = router.route(pathname)
    setHeaders(response, first)
    if (first.status !== undefined) {
      const location = first.headers['location']
      if (location !== undefined) response.setHeader('location', location + search)
      response.writeHead(first.status).end()
      return
    }
    const found = functions.get(first.path)
    if (found !== undefined) return callFunction(found, request, response, id)
    if (await sendPage(first.path, request, response, 200)) return

    const missing = router.routeMissing(first.path)
    setHeaders(response, missing)
    if (await sendPage(missing.path, request, response, 404)) return
    response.setHeader('content-type', 'text/plain; charset=utf-8').setHeader('x-vercel-error', 'NOT_FOUND')
    response.writeHead(404).end(`The page could not be found\n\nNOT_FOUND\n\n${id}\n`)
  }

  async function callFunction(
    called: DeployedFunction,
    request: IncomingMessage,
    response: ServerResponse,
    id: string,
  ): Promise<void> {
    const body = await buffer(request)
    if (body.length > MAX_BODY_BYTES) {
      response.writeHead(413, { 'x-vercel-error': 'FUNCTION_PAYLOAD_TOO_LARGE' }).end()
      return
    }
    const running = await called.start().catch((error: unknown) => {
      onLine?.(error instanceof Error ? error.message : String(error))
    })
    if (running === undefined) {
      response.writeHead(500, { 'x-vercel-error': 'FUNCTION_INVOCATION_FAILED' }).end()
      return
    }
    const own = addressHeader === undefined ? undefined : request.headers[addressHeader]
    const reply = await send(
      running.address,
      request,
      body,
      platformHeaders(String(own ?? request.socket.remoteAddress), request.headers.host ?? '', id),
    )
    // What the function says of a header wins over what the routes say.
    for (const [name, value] of Object.entries(reply.headers)) {
      if (value !== undefined && !HOP_BY_HOP.has(name)) response.setHeader(name, value)
    }
    response.writeHead(reply.statusCode ?? 500)
    await pipeline(reply, response)
  }

  async function sendPage(
    path: string,
    request: IncomingMessage,
    response: ServerResponse,
    status: number,
  ): Promise<boolean> {
    const page = pages.get(path)
    if (page === undefined) return false
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.writeHead(405, { 'x-vercel-error': 'INVALID_REQUEST_METHOD' }).end()
      return true
    }
    response.setHeader('content-type', page.contentType)
    response.setHeader('cache-control', 'public, max-age=0, must-revalidate')
    response.writeHead(status).end(await readFile(page.file))
    return true
  }

  return {
    origin,
    endFunction: async (path) => functions.get(path)?.end(),
    async stop() {
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await Promise.all([closed, ...Array.from(functions.values(), (one) => one.end())])
    },
  }
}

function setHeaders(response: ServerResponse, { headers }: Routed): void {
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
}

/** What Vercel sets, whatever a client sent under these names. */
function platformHeaders(address: string, host: string, id: string): Record<string, string> {
  return {
    'x-real-ip': address,
    'x-forwarded-for': address,
    'x-vercel-forwarded-for': address,
    'x-forwarded-proto': 'http',
    'x-forwarded-host': host,
    'x-vercel-deployment-url': host,
    'x-vercel-id': id,
  }
}

function send(
  address: URL,
  { method, url, headers }: IncomingMessage,
  body: Buffer,
  platform: Record<string, string>,
): Promise<IncomingMessage> {
  const target = new URL(url ?? '/', address)
  return new Promise((resolve, reject) => {
    const forwarded = Object.entries(headers).filter(([name]) => !HOP_BY_HOP.has(name))
    const outgoing = httpRequest(target, {
      method,
      headers: { ...Object.fromEntries(forwarded), ...platform },
    })
    outgoing.once('response', resolve).once('error', reject).end(body)
  })
}

// --- Pages ---

interface PageFile {
  file: string
  contentType: string
}

function findPages(output: string, { overrides = {} }: OutputConfig): Map<string, PageFile> {
  const root = join(output, 'static')
  const files = globSync('**/*', { cwd: root, withFileTypes: true }).filter((entry) => entry.isFile())
  return new Map(
    files.map(({ parentPath, name }) => {
      const file = join(parentPath, name)
      const relative = file.slice(root.length + 1)
      const { path = relative, contentType } = overrides[relative] ?? {}
      const type = contentType ?? CONTENT_TYPES[extname(name)] ?? 'application/octet-stream'
      return [`/${path === 'index' ? '' : path}`, { file, contentType: type }]
    }),
  )
}

// --- Functions ---

interface DeployedFunction {
  /** Starts it where it does not run. */
  start(): Promise<{ address: URL }>
  end(): Promise<void>
}

interface FunctionConfig {
  handler: string
  launcherType: string
  environment?: Record<string, string>
  shouldAddSourcemapSupport?: boolean
  filePathMap?: Record<string, string>
}

const FUNCTION_SUFFIX = '.func'
const LAUNCHER = join(import.meta.dirname, 'artefact-function.ts')

async function findFunctions(options: ArtefactOptions): Promise<Map<string, DeployedFunction>> {
  const root = join(options.output, 'functions')
  const functions = new Map<string, DeployedFunction>()
  for (const name of globSync(`**/*${FUNCTION_SUFFIX}`, { cwd: root })) {
    const directory = join(root, name)
    const config: FunctionConfig = JSON.parse(await readFile(join(directory, '.vc-config.json'), 'utf8'))
    if (config.launcherType !== 'Nodejs' || config.filePathMap !== undefined) {
      throw new Error(`${name} is of a kind that is not known here.`)
    }
    functions.set(`/${name.slice(0, -FUNCTION_SUFFIX.length)}`, deployedFunction(directory, config, options))
  }
  return functions
}

function deployedFunction(
  directory: string,
  config: FunctionConfig,
  { environment, onLine }: ArtefactOptions,
): DeployedFunction {
  type Running = { address: URL; exited: Promise<unknown>; end: () => Promise<void> }
  let running: Promise<Running> | undefined

  function start(): Promise<Running> {
    if (running !== undefined) return running
    const started = launch()
    const clear = () => {
      if (running === started) running = undefined
    }
    started.then(({ exited }) => exited).then(clear, clear)
    running = started
    return started
  }

  async function launch(): Promise<Running> {
    // Away from this checkout, whose packages it would find without having been given them.
    const home = await mkdtemp(join(tmpdir(), 'latchkey-function-'))
    await cp(directory, home, { recursive: true, verbatimSymlinks: true })
    const port = Promise.withResolvers<number>()
    const child = startChild({
      file: process.execPath,
      arguments: [
        ...(config.shouldAddSourcemapSupport ? ['--enable-source-maps'] : []),
        LAUNCHER,
        join(home, config.handler),
      ],
      environment: { PATH: process.env['PATH'], TZ: 'UTC', ...environment, ...config.environment },
      directory: home,
      signalWhenOrphaned: 'SIGKILL',
      onLine(line) {
        if (line.startsWith(PORT_LINE)) port.resolve(Number(line.slice(PORT_LINE.length)))
        else onLine?.(line)
      },
    })
    const end = async () => {
      await child.end('SIGTERM', STOP_GRACE_MS)
      await rm(home, { recursive: true, force: true })
    }
    const late = setTimeout(() => port.reject(new Error('it did not listen in time')), START_MS)
    void child.exited.then((cause) => port.reject(new Error(`it ended: ${cause}`)))
    try {
      return { address: new URL(`http://${LOOPBACK}:${await port.promise}`), exited: child.exited, end }
    } catch (error) {
      await end()
      throw new Error(`${config.handler} did not start.\n${child.lastLines()}`, { cause: error })
    } finally {
      clearTimeout(late)
    }
  }

  return {
    start,
    async end() {
      const ending = running
      running = undefined
      await (await ending)?.end()
    },
  }
}
