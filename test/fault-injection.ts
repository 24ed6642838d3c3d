/**
 * Faults for one request among many that run at the same time. What a run sends is marked, so that the gateway and the
 * inbox know whose it is; everything else about it is what the driver and the SDK made.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import http, { type IncomingMessage, type RequestOptions } from 'node:http'
import { syncBuiltinESMExports } from 'node:module'
import { afterAll } from 'vitest'
import type { Fault, FaultyRequest } from '../dev/gateway.ts'
import type { InboxFault } from '../dev/inbox.ts'
import { gateway, inbox } from './setup-stack.ts'

export type FaultPlan =
  | { kind: 'none' }
  /** The request of that number, 0 being the first, and as many more as `times` says. Mails' marks do not count. */
  | { kind: 'database'; roundTrip: number; times: number; fault: Fault }
  /** The request that marks the first mail after it was handed over. */
  | { kind: 'mark'; fault: Fault }
  /** The call that hands over the first mail. */
  | { kind: 'mail'; fault: InboxFault }

export interface Run {
  /** For the request's `x-vercel-id`: its events carry it. */
  requestId: string
  /** Settles when the fault has struck. */
  struck: Promise<void>
  hasStruck: boolean
  /** How many requests to the database were made, but for those that mark a mail. */
  roundTrips: number
  /** Runs a request under the plan. */
  within<T>(work: () => Promise<T>): Promise<T>
  /** Waits for what comes after the answer. */
  settled(): Promise<void>
}

interface RunState {
  id: number
  plan: FaultPlan
  strike: () => void
  hasStruck: boolean
  roundTrips: number
  afterAnswer: Promise<unknown>[]
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
    afterAnswer: [],
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
      await Promise.all(state.afterAnswer)
    },
  }
}

const realFetch = globalThis.fetch
const realRequest = http.request

/** Mails go out by `fetch`, and the inbox looks at the path. */
const markingFetch: typeof fetch = (input, init) => {
  const run = current.getStore()
  const isMail = typeof input === 'string' && input.startsWith(inbox.url)
  return realFetch(run !== undefined && isMail ? `${input}?run=${run.id}` : input, init)
}

/** Statements go out by Node's client. */
function markingRequest(url: string, options: RequestOptions, onAnswer: (answer: IncomingMessage) => void) {
  const run = current.getStore()
  const mark = run !== undefined && url === gateway.url ? { [MARK]: String(run.id) } : {}
  return realRequest(url, { ...options, headers: { ...options.headers, ...mark } }, onAnswer)
}

/** As on Vercel: what comes after the answer does not hold it up. Outside of a run it comes before. */
function requestContext() {
  const run = current.getStore()
  return run && { waitUntil: (work: Promise<unknown>) => void run.afterAnswer.push(work) }
}

function databaseFault({ headers, statements }: FaultyRequest): Fault | undefined {
  const run = runs.get(String(headers[MARK]))
  if (run === undefined) return undefined
  const { plan } = run
  const isMark = statements[0]?.includes('UPDATE outbox SET sent_at') === true
  const roundTrip = isMark ? undefined : run.roundTrips++
  const isMeant =
    (plan.kind === 'mark' && isMark && !run.hasStruck) ||
    (plan.kind === 'database' &&
      roundTrip !== undefined &&
      roundTrip >= plan.roundTrip &&
      roundTrip < plan.roundTrip + plan.times)
  if (!isMeant) return undefined
  run.hasStruck = true
  run.strike()
  return plan.fault
}

function mailFault(path: string): InboxFault | undefined {
  const run = runs.get(/[?&]run=(\d+)/.exec(path)?.[1] ?? '')
  if (run?.plan.kind !== 'mail' || run.hasStruck) return undefined
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
inbox.fault = ({ path }) => mailFault(path)

afterAll(() => {
  globalThis.fetch = realFetch
  Reflect.set(http, 'request', realRequest)
  syncBuiltinESMExports()
  Reflect.deleteProperty(globalThis, REQUEST_CONTEXT)
})
