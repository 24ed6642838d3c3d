/**
 * Faults for one request among many that run at the same time. What a run sends is marked, so that the gateway and the
 * inbox know whose it is; everything else is as the driver and the SDK made it.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import http, { type IncomingMessage, type RequestOptions } from 'node:http'
import { syncBuiltinESMExports } from 'node:module'
import { afterAll } from 'vitest'
import type { Fault, FaultyRequest } from '../../dev/gateway.ts'
import type { InboxFault } from '../../dev/inbox.ts'
import { gateway, inbox } from '../support/setup-stack.ts'

export type FaultPlan =
  | { kind: 'none' }
  /** The request of that number, from 0, and as many in all as `times` says. Recorded deliveries don't count. */
  | { kind: 'database'; roundTrip: number; times: number; fault: Fault }
  /** The request that records the first delivery. */
  | { kind: 'delivery'; fault: Fault }
  /** The call that hands over the first email. */
  | { kind: 'email'; fault: InboxFault }

export interface Run {
  /** For the request's `x-vercel-id`: its events carry it. */
  requestId: string
  /** Settles when the fault has struck. */
  struck: Promise<void>
  hasStruck: boolean
  /** Requests to the database, without those that record a delivery. */
  roundTrips: number
  /** Runs a request under the plan. */
  within<T>(work: () => Promise<T>): Promise<T>
  /** Waits for what comes after the response. */
  settled(): Promise<void>
}

interface RunState {
  id: number
  plan: FaultPlan
  strike: () => void
  hasStruck: boolean
  roundTrips: number
  afterResponse: Promise<unknown>[]
}

/** The header that tells the gateway whose request it is. */
const MARK = 'x-run'

const runs = new Map<string, RunState>()
const current = new AsyncLocalStorage<RunState>()

export function newRun(plan: FaultPlan): Run {
  const { promise: struck, resolve: strike } = Promise.withResolvers<void>()
  const state: RunState = {
    id: runs.size + 1,
    plan,
    strike,
    hasStruck: false,
    roundTrips: 0,
    afterResponse: [],
  }
  runs.set(String(state.id), state)
  return {
    requestId: `run-${state.id}`,
    struck,
    get hasStruck() {
      return state.hasStruck
    },
    get roundTrips() {
      return state.roundTrips
    },
    within: (work) => current.run(state, work),
    async settled() {
      await Promise.all(state.afterResponse)
    },
  }
}

const realFetch = globalThis.fetch
const realRequest = http.request

/** Emails go out by `fetch`, and the inbox looks at the path. */
const markingFetch: typeof fetch = (input, init) => {
  const run = current.getStore()
  const isEmail = typeof input === 'string' && input.startsWith(inbox.url)
  return realFetch(run !== undefined && isEmail ? `${input}?run=${run.id}` : input, init)
}

/** Statements go out by Node's client. */
function markingRequest(
  url: string,
  options: RequestOptions,
  onResponse: (response: IncomingMessage) => void,
) {
  const run = current.getStore()
  const mark = run !== undefined && url === gateway.url ? { [MARK]: String(run.id) } : {}
  return realRequest(url, { ...options, headers: { ...options.headers, ...mark } }, onResponse)
}

/** As on Vercel: what comes after the response doesn't hold it up. Outside of a run it comes before. */
function requestContext() {
  const run = current.getStore()
  return run && { waitUntil: (work: Promise<unknown>) => void run.afterResponse.push(work) }
}

function databaseFault({ headers, statements }: FaultyRequest): Fault | undefined {
  const run = runs.get(String(headers[MARK]))
  if (run === undefined) return undefined
  const { plan } = run
  const isDelivery = statements[0]?.includes('latchkey.record_delivery(') === true
  const roundTrip = isDelivery ? undefined : run.roundTrips++
  const isMeant =
    (plan.kind === 'delivery' && isDelivery && !run.hasStruck) ||
    (plan.kind === 'database' &&
      roundTrip !== undefined &&
      roundTrip >= plan.roundTrip &&
      roundTrip < plan.roundTrip + plan.times)
  if (!isMeant) return undefined
  run.hasStruck = true
  run.strike()
  return plan.fault
}

function emailFault(path: string): InboxFault | undefined {
  const run = runs.get(/[?&]run=(\d+)/.exec(path)?.[1] ?? '')
  if (run?.plan.kind !== 'email' || run.hasStruck) return undefined
  run.hasStruck = true
  run.strike()
  return run.plan.fault
}

const REQUEST_CONTEXT = Symbol.for('@vercel/request-context')

globalThis.fetch = markingFetch
Reflect.set(http, 'request', markingRequest)
syncBuiltinESMExports()
Reflect.set(globalThis, REQUEST_CONTEXT, { get: requestContext })
gateway.fault = databaseFault
inbox.fault = ({ path }) => emailFault(path)

afterAll(() => {
  globalThis.fetch = realFetch
  Reflect.set(http, 'request', realRequest)
  syncBuiltinESMExports()
  Reflect.deleteProperty(globalThis, REQUEST_CONTEXT)
})
