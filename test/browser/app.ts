/** The app that a test file opens in its browsers: its own server and gateway, on the run's database and inbox. */
import { afterAll, afterEach, beforeAll, inject } from 'vitest'
import type { Browser } from 'playwright-core'
import { Pool } from 'pg'
import { serveArtefact } from '../../dev/artefact.ts'
import { startChild } from '../../dev/child.ts'
import { startGateway, type Gateway } from '../../dev/gateway.ts'
import { freePort } from '../../dev/port.ts'
import { CHECKOUT } from '../../dev/stack.ts'
import { ADDRESS_HEADER, READY_LINE, REQUEST_LINE, type ServedRequest } from './app-server.ts'
import {
  expectSecretsHidden,
  newVisitor,
  startChromium,
  type Visitor,
  type VisitorOptions,
} from './visitors.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** The `.vercel/output` to serve; undefined: the sources. */
    artefactOutput: string | undefined
  }
}

/** Where the app of this test file answers. */
export let origin = ''
/** The door to the database, through which faults come. */
export let gateway: Gateway
/** All that has reached the server, oldest first. */
export const served: ServedRequest[] = []

export const inboxUrl = inject('inboxUrl')
export const stackEnvironment = inject('stackEnvironment')

const SERVER_START_MS = 20_000
const SERVER_STOP_MS = 2_000

let chromium: Browser
let visitors: Visitor[] = []
let stopServer: () => Promise<void> = async () => {}
const pool = new Pool({
  connectionString: stackEnvironment['DATABASE_URL'],
  max: 2,
  options: '-c search_path=latchkey',
})
pool.on('error', () => {})

beforeAll(async () => {
  gateway = await startGateway({ port: 0 })
  origin = `http://localhost:${await freePort()}`
  ;[chromium, stopServer] = await Promise.all([startChromium(), startServer()])
})

afterEach(async () => {
  gateway.fault = undefined
  const left = visitors
  visitors = []
  for (const visitor of left) await expectSecretsHidden(visitor, origin)
  const pageErrors = left.flatMap((visitor) => visitor.pageErrors())
  await Promise.all(left.map((visitor) => visitor.close()))
  if (pageErrors.length > 0) throw new Error(`On the console:\n${pageErrors.join('\n')}`)
})

afterAll(async () => {
  await chromium?.close()
  await stopServer()
  await gateway?.close()
  await pool.end()
})

/** What a deploy would run where this is a run of the built artefact, else the sources. */
async function startServer(): Promise<() => Promise<void>> {
  const output = inject('artefactOutput')
  const environment = { ...stackEnvironment, APP_URL: origin, NEON_FETCH_ENDPOINT: gateway.url }
  if (output === undefined) return startSources(environment)
  const port = Number(new URL(origin).port)
  const artefact = await serveArtefact({
    output,
    port,
    environment,
    addressHeader: ADDRESS_HEADER,
    onRequest: (request) => served.push(request),
  })
  return () => artefact.stop()
}

async function startSources(environment: Record<string, string>): Promise<() => Promise<void>> {
  const ready = Promise.withResolvers<void>()
  const child = startChild({
    file: process.execPath,
    arguments: ['test/browser/app-server.ts'],
    // What vitest sets, NODE_ENV among it, is not for the server.
    environment: {
      PATH: process.env['PATH'],
      ...environment,
    },
    directory: CHECKOUT,
    signalWhenOrphaned: 'SIGKILL',
    onLine(line) {
      if (line === READY_LINE) ready.resolve()
      if (line.startsWith(REQUEST_LINE)) served.push(JSON.parse(line.slice(REQUEST_LINE.length)))
    },
  })
  const late = setTimeout(() => ready.reject(new Error('it did not listen in time')), SERVER_START_MS)
  void child.exited.then((cause) => ready.reject(new Error(`it ended: ${cause}`)))
  try {
    await ready.promise
  } catch (error) {
    throw new Error(`The app's server did not start.\n${child.lastLines()}`, { cause: error })
  } finally {
    clearTimeout(late)
  }
  return () => child.end('SIGTERM', SERVER_STOP_MS)
}

/** A new browser. It is closed when the test ends, and errors on its console fail the test. */
export async function visit(options?: VisitorOptions): Promise<Visitor> {
  const visitor = await newVisitor(chromium, origin, options)
  visitors.push(visitor)
  return visitor
}

// oxlint-disable-next-line typescript/no-explicit-any -- rows of any statement
export async function query(statement: string, ...parameters: unknown[]): Promise<any[]> {
  const { rows } = await pool.query(statement, parameters)
  return rows
}
