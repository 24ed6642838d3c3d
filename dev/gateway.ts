/**
 * Neon's SQL over HTTP in front of a local Postgres, so that the code under development talks to it through the
 * same driver as in production.
 */
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { Client, DatabaseError, Pool, type PoolClient, type QueryConfig } from 'pg'
import { listen, LOOPBACK } from './port.ts'

export interface Gateway {
  /** For the driver's `fetchEndpoint`. */
  url: string
  /** Every request seen, in order of arrival, at most the latest 10,000. Set its length to 0 to start again. */
  requests: GatewayRequest[]
  /** Asked for each request, in tests, whether something goes wrong with it. */
  fault: ((request: FaultyRequest) => Fault | undefined) | undefined
  close(): Promise<void>
}

export interface GatewayRequest {
  database: string
  statements: string[]
  /** Body bytes. */
  bytesIn: number
  /** Body bytes; 0 until it is answered, and when it never is. */
  bytesOut: number
}

export interface FaultyRequest {
  /** Its place in `requests`. */
  index: number
  database: string
  statements: string[]
  /** As they came. */
  headers: IncomingHttpHeaders
  body: string
}

export type Fault =
  /** The connection is cut at once. */
  | { kind: 'refuse' }
  /** The request is lost: nothing runs and the connection is cut. */
  | { kind: 'lose-request' }
  /** The statement runs and commits, then the connection is cut. */
  | { kind: 'lose-answer' }
  /** The statement runs at once and is answered that much later. */
  | { kind: 'delay'; milliseconds: number }
  /** The statement runs that much later. */
  | { kind: 'delay-request'; milliseconds: number }
  /** Nothing runs; the answer is 200 with a body that is not JSON. */
  | { kind: 'garbage' }
  /** Nothing runs; the answer has that status. */
  | { kind: 'status'; code: number }
  /** Nothing runs: Neon's proxy refuses in front of Postgres, with 400 for what the caller can fix and 500 for the rest. */
  | { kind: 'proxy-refusal'; status: 400 | 500; message: string }
  /** Nothing runs and no response comes. */
  | { kind: 'hang' }

interface Statement {
  query: string
  params?: unknown[]
}

type Work =
  | { kind: 'single'; statement: Statement }
  /** All in one transaction. */
  | { kind: 'batch'; statements: Statement[] }

interface Reply {
  status: number
  body: string
}

const KEPT_REQUESTS = 10_000
const CONNECTIONS_PER_DATABASE = 20
const KEEP_ALIVE_MS = 60_000

export async function startGateway({ port }: { port: number }): Promise<Gateway> {
  const known = new Map<string, Connections>()

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { headers } = request
    const body = await text(request)
    const refusal = refuse(request)
    if (refusal) return send(response, refusal)

    const target = parseTarget(header(headers, 'neon-connection-string'))
    if (typeof target === 'string') return send(response, failure(400, target))
    const work = parseWork(body)
    if (typeof work === 'string') return send(response, failure(400, work))

    const { database } = target
    const statements = (work.kind === 'single' ? [work.statement] : work.statements).map(({ query }) => query)
    const seen = { database, statements, bytesIn: Buffer.byteLength(body), bytesOut: 0 }
    if (gateway.requests.length >= KEPT_REQUESTS) gateway.requests.shift()
    const index = gateway.requests.push(seen) - 1

    const fault = gateway.fault?.({ index, database, statements, headers, body })
    const reply = await withFault(fault, () => execute(connectionsTo(known, target), work, headers, response))
    if (reply === 'never') return
    if (reply === 'cut') {
      response.destroy()
      return
    }
    seen.bytesOut = Buffer.byteLength(reply.body)
    send(response, reply)
  }

  const server = createServer((request, response) => {
    // What fails here is a caller who went away in the middle of the request.
    serve(request, response).catch(() => response.destroy())
  })
  server.keepAliveTimeout = KEEP_ALIVE_MS
  const actualPort = await listen(server, port)

  const gateway: Gateway = {
    url: `http://${LOOPBACK}:${actualPort}/sql`,
    requests: [],
    fault: undefined,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await Promise.all([closed, ...Array.from(known.values(), closeConnections)])
    },
  }
  return gateway
}

/** `cut` closes the connection without an answer, `never` leaves it open without one. */
async function withFault(
  fault: Fault | undefined,
  run: () => Promise<Reply>,
): Promise<Reply | 'cut' | 'never'> {
  if (fault === undefined) return run()
  switch (fault.kind) {
    case 'refuse':
    case 'lose-request':
      return 'cut'
    case 'lose-answer':
      await run()
      return 'cut'
    case 'delay': {
      const reply = await run()
      await sleep(fault.milliseconds, undefined, { ref: false })
      return reply
    }
    case 'delay-request':
      await sleep(fault.milliseconds, undefined, { ref: false })
      return run()
    case 'garbage':
      return { status: 200, body: '<html>Bad gateway</html>' }
    case 'status':
      return failure(fault.code, 'A fault the test asked for.')
    case 'proxy-refusal':
      return failure(fault.status, fault.message)
    case 'hang':
      break
  }
  return 'never'
}

function send(response: ServerResponse, reply: Reply): void {
  response.writeHead(reply.status, { 'content-type': 'application/json' }).end(reply.body)
}

/** The shape Neon's proxy gives an error that Postgres did not raise: all the fields, code and severity empty. */
function failure(status: number, message: string): Reply {
  const fields = ERROR_FIELDS.map((field) => [field, field === 'code' || field === 'severity' ? '' : null])
  return { status, body: JSON.stringify({ message, ...Object.fromEntries(fields) }) }
}

// --- What was asked for ---

function header(headers: IncomingHttpHeaders, name: string): string {
  const value = headers[name]
  return typeof value === 'string' ? value : ''
}

function refuse({ method, url, headers }: IncomingMessage): Reply | undefined {
  // This is a superuser's door to the machine, and any page in a browser can send requests to a loopback port.
  if (headers.origin !== undefined) return failure(403, 'Pages in a browser have no access.')
  if (url !== '/sql') return failure(404, 'The only address here is /sql.')
  if (method !== 'POST') return failure(405, 'The only method here is POST.')
  return undefined
}

interface Target {
  host: string
  port: number
  user: string
  password: string
  database: string
}

/** Returns what is wrong, in words, when it cannot be used. */
function parseTarget(connectionString: string): Target | string {
  // The parser knows the parts of a URL only for the schemes of the web.
  const url = URL.parse(connectionString.replace(/^postgres(ql)?:/, 'http:'))
  if (!url || !connectionString.startsWith('postgres'))
    return 'Neon-Connection-String holds no connection string.'
  if (!isLoopback(url.hostname)) return `This gateway serves loopback addresses alone, not ${url.hostname}.`
  return {
    host: url.hostname === 'localhost' ? LOOPBACK : url.hostname.replace(/[[\]]/g, ''),
    port: Number(url.port || 5432),
    user: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
    database: decodeURIComponent(url.pathname.slice(1)),
  }
}

function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname)
}

/** Returns what is wrong, in words, when it cannot be read. */
function parseWork(body: string): Work | string {
  try {
    const given: unknown = JSON.parse(body)
    if (isStatement(given)) return { kind: 'single', statement: given }
    if (isObject(given) && Array.isArray(given['queries']) && given['queries'].every(isStatement)) {
      return { kind: 'batch', statements: given['queries'] }
    }
    return 'The body is neither {query, params} nor {queries}.'
  } catch {
    return 'The body is not readable JSON.'
  }
}

function isStatement(value: unknown): value is Statement {
  if (!isObject(value)) return false
  const { query, params } = value
  return typeof query === 'string' && (params === undefined || Array.isArray(params))
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

// --- Postgres ---

interface Connections {
  target: Target
  pool: Pool
  /** Ends what runs just now. */
  running: Set<() => Promise<void>>
}

function connectionsTo(known: Map<string, Connections>, target: Target): Connections {
  const key = JSON.stringify(target)
  const open = known.get(key)
  if (open) return open

  const pool = new Pool({ ...target, max: CONNECTIONS_PER_DATABASE })
  // An idle connection that breaks is replaced at the next request; unheard, its error would end the process.
  pool.on('error', () => undefined)
  const connections = { target, pool, running: new Set<() => Promise<void>>() }
  known.set(key, connections)
  return connections
}

async function closeConnections({ pool, running }: Connections): Promise<void> {
  await Promise.all(Array.from(running, (cancel) => cancel()))
  await pool.end()
}

async function execute(
  { target, pool, running }: Connections,
  work: Work,
  headers: IncomingHttpHeaders,
  response: ServerResponse,
): Promise<Reply> {
  let client: PoolClient
  try {
    client = await pool.connect()
  } catch (error) {
    return connectionReply(error, target)
  }

  // A connection whose statement was cancelled is not used again: the cancellation may come late, and would hit
  // the next one's statement.
  let discard = false
  const cancel = async () => {
    discard = true
    await cancelStatement(target, client)
  }
  // Neon, too, cancels the statement of a caller who no longer waits.
  const onClose = () => void cancel()
  // A connection that breaks in use reports that through its statement.
  const ignore = () => undefined
  running.add(cancel)
  response.once('close', onClose)
  client.on('error', ignore)
  try {
    return { status: 200, body: JSON.stringify(await perform(client, work, headers)) }
  } catch (error) {
    if (isConnectionLost(error)) discard = true
    return errorReply(error, 400)
  } finally {
    running.delete(cancel)
    response.off('close', onClose)
    client.off('error', ignore)
    client.release(discard)
  }
}

async function cancelStatement(target: Target, client: PoolClient): Promise<void> {
  if (!('processID' in client)) return
  const messenger = new Client(target)
  try {
    await messenger.connect()
    await messenger.query('SELECT pg_cancel_backend($1)', [client.processID])
    await messenger.end()
  } catch {
    // Where Postgres cannot be reached, nothing runs either.
  }
}

async function perform(client: PoolClient, work: Work, headers: IncomingHttpHeaders): Promise<object> {
  if (work.kind === 'single') return runStatement(client, work.statement, headers)
  return { results: await runBatch(client, work.statements, headers) }
}

async function runBatch(
  client: PoolClient,
  statements: Statement[],
  headers: IncomingHttpHeaders,
): Promise<object[]> {
  await client.query(beginStatement(headers))
  try {
    const results: object[] = []
    for (const statement of statements) results.push(await runStatement(client, statement, headers))
    await client.query('COMMIT')
    return results
  } catch (error) {
    // On a connection that is gone the transaction is rolled back already.
    await client.query('ROLLBACK').catch(() => undefined)
    throw error
  }
}

const ISOLATION_LEVELS: Record<string, string> = {
  ReadUncommitted: 'READ UNCOMMITTED',
  ReadCommitted: 'READ COMMITTED',
  RepeatableRead: 'REPEATABLE READ',
  Serializable: 'SERIALIZABLE',
}

function beginStatement(headers: IncomingHttpHeaders): string {
  const level = header(headers, 'neon-batch-isolation-level')
  const words = ['BEGIN']
  if (level) words.push('ISOLATION LEVEL', ISOLATION_LEVELS[level] ?? 'UNKNOWN')
  if (header(headers, 'neon-batch-read-only') === 'true') words.push('READ ONLY')
  if (header(headers, 'neon-batch-deferrable') === 'true') words.push('DEFERRABLE')
  return words.join(' ')
}

/** Values as Postgres wrote them: the driver at the other end reads them. */
const AS_TEXT = { getTypeParser: () => (value: unknown) => value }

async function runStatement(
  client: PoolClient,
  { query, params = [] }: Statement,
  headers: IncomingHttpHeaders,
): Promise<object> {
  const isRaw = header(headers, 'neon-raw-text-output') === 'true'
  const isArray = header(headers, 'neon-array-mode') === 'true'
  const { fields, rows, command, rowCount } = await client.query({
    text: query,
    values: params,
    // Like Neon one statement a query, also when it has no parameters.
    queryMode: 'extended',
    ...(isArray ? { rowMode: 'array' } : {}),
    ...(isRaw ? { types: AS_TEXT } : {}),
  } as QueryConfig)
  return { fields, rows, command, rowCount, rowAsArray: isArray }
}

const ERROR_FIELDS = [
  'code',
  'severity',
  'detail',
  'hint',
  'position',
  'internalPosition',
  'internalQuery',
  'where',
  'schema',
  'table',
  'column',
  'dataType',
  'constraint',
  'file',
  'line',
  'routine',
] as const

function errorReply(error: unknown, status: number): Reply {
  if (!(error instanceof DatabaseError))
    return failure(status, status === 400 ? 'connection closed' : messageOf(error))
  const fields = ERROR_FIELDS.map((field) => [field, error[field] ?? null])
  return { status, body: JSON.stringify({ message: error.message, ...Object.fromEntries(fields) }) }
}

function messageOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(messageOf).join('; ')
  return error instanceof Error ? error.message : String(error)
}

/** Neon's proxy checks role and password itself, so what Postgres would say of them never comes through. */
function connectionReply(error: unknown, { user }: Target): Reply {
  const code = error instanceof DatabaseError ? (error.code ?? '') : ''
  if (code.startsWith('28')) return failure(400, `password authentication failed for user '${user}'`)
  return errorReply(error, code.startsWith('3D') ? 400 : 500)
}

/** The connection broke, or the server ended it as it went down. */
function isConnectionLost(error: unknown): boolean {
  return !(error instanceof DatabaseError) || /^57P0[1-3]/.test(error.code ?? '')
}
