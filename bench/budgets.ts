/** What the benches are held against, and why a budget is missed where it is. */
import type { Spread } from './figures.ts'
import type { Results } from './results.ts'

export interface BudgetRow {
  budget: string
  /** Undefined where it was not measured. */
  measured: number | undefined
  isMet: boolean
  /** In one paragraph, for a budget that is missed. */
  reason: string
}

/** Less than garbage collection alone makes of an hour. */
const FLAT_MB_PER_HOUR = 6
const ROTATION = 'refresh, a rotation'
const NO_REASON = 'Not explained yet.'

type Measure = (results: Results) => number | undefined
type Reason = (results: Results) => string

interface Budget {
  budget: string | ((results: Results) => string)
  measure: Measure
  atMost?: number
  atLeast?: number
  reason?: Reason
}

const budgets: readonly Budget[] = [
  {
    budget: 'refresh: at most 0.22 ms of backend CPU',
    measure: (results) => backendMs(results, 'rotate_session, a rotation'),
    atMost: 0.22,
    reason: (results) =>
      `A rotation locks and writes the session and writes its rate limit. \`find_session\`, which writes nothing, takes ${figure(backendMs(results, 'find_session'))} ms and \`select 1\` ${figure(backendMs(results, 'select 1'))} ms; the rest is these two writes and the checks around them.`,
  },
  ...[
    { connections: 1, atLeast: 0.6, noun: 'connection' },
    { connections: 16, atLeast: 0.7, noun: 'connections' },
  ].map(({ connections, atLeast, noun }): Budget => ({
    budget: `refresh: at least ${atLeast} × the requests/s of the \`select 1\` handler, ${connections} ${noun}`,
    measure: (results) => warmRow(results, 'refresh', connections)?.ofSelectOne.median,
    atLeast,
    reason: (results) =>
      `The function, the gateway, Postgres and the load share the machine's cores, so the share is that of all their CPU together. The function's own is ${cpu(results, 'refresh', connections)} ms a request against ${cpu(results, 'select-one', connections)} ms for \`select 1\`, and the backend's ${figure(backendMs(results, 'rotate_session, a rotation'))} ms against ${figure(backendMs(results, 'select 1'))} ms. With 5 ms added to each round trip the share is ${figure(warmRow(results, 'refresh', connections, 5)?.ofSelectOne.median)}.`,
  })),
  {
    budget: 'refresh: at most 1,000 bytes to the database',
    measure: (results) => bytesOut(results, ROTATION),
    atMost: 1000,
  },
  {
    budget: 'login: at most 1,500 bytes to the database',
    measure: (results) => bytesOut(results, 'login'),
    atMost: 1500,
  },
  {
    budget: 'at most 2 round trips before a response, maintenance apart',
    measure: ({ roundTrips }) =>
      largest(
        roundTrips?.rows.filter(({ endpoint }) => endpoint !== 'maintenance'),
        (row) => row.roundTrips,
      ),
    atMost: 2,
  },
  {
    budget: 'module of `login`: at most 140 KB',
    measure: (results) => coldRow(results, 'login')?.kilobytes,
    atMost: 140,
  },
  {
    budget: 'module of `refresh`: at most 130 KB',
    measure: (results) => coldRow(results, 'refresh')?.kilobytes,
    atMost: 130,
  },
  {
    budget: 'cold start of a refused login: at most 1.6 × bare',
    measure: (results) => coldRow(results, 'login')?.timesBare.median,
    atMost: 1.6,
    reason: (results) => {
      const hashMs =
        (warmRow(results, 'hash', 1)?.cpuMsPerRequest.median ?? Number.NaN) -
        (warmRow(results, 'bare', 1)?.cpuMsPerRequest.median ?? Number.NaN)
      return `${coldStartReason(results, 'login')} The password hash takes ${figure(hashMs)} ms and is not negotiable; without it (\`refresh\`) a cold start takes ${figure(coldRow(results, 'refresh')?.timesBare.median)} × bare.`
    },
  },
  {
    budget: 'cold start of a refresh: at most 1.35 × bare',
    measure: (results) => coldRow(results, 'refresh')?.timesBare.median,
    atMost: 1.35,
    reason: (results) =>
      `${coldStartReason(results, 'refresh')} A handler with nothing but the driver and one \`select 1\` takes ${figure(coldRow(results, 'select-one')?.timesBare.median)} × bare.`,
  },
  {
    budget: 'the slowest module: loaded in at most 40 ms',
    measure: (results) => largest(ownRows(results), (row) => row.loadMs.median),
    atMost: 40,
    reason: (results) => {
      const slowest = ownRows(results)?.toSorted((one, other) => other.loadMs.median - one.loadMs.median)[0]
      return `This is \`${slowest?.name}\`, ${slowest?.kilobytes} KB. Loading it takes ${milliseconds(slowest?.loadCpuMs)} of CPU; the rest is waiting for the machine.`
    },
  },
  {
    budget: (results) =>
      `every statement: at most 1.3 × with ${count(results.growth?.largeUsers)} users against ${count(results.growth?.smallUsers)} (the most: ${worst(results)?.operation ?? 'not measured'}, statement ${worst(results)?.statement ?? ''})`,
    measure: (results) => worst(results)?.growth,
    atMost: 1.3,
    reason: (results) => {
      const row = worst(results)
      const over = (results.growth?.statements ?? []).filter(
        ({ operation, growth }) => operation !== 'maintenance' && growth > 1.3,
      )
      return `${over.length} of the statements below grow by more than 1.3. This one looks at ${row?.largePages} pages instead of ${row?.smallPages} and takes ${milliseconds(row?.largeMs)} instead of ${milliseconds(row?.smallMs)}. Its scans are in the table below.`
    },
  },
  {
    budget: 'refresh: at most 1.5 ms of the function’s CPU, 16 connections',
    measure: (results) => warmRow(results, 'refresh', 16)?.cpuMsPerRequest.median,
    atMost: 1.5,
  },
  {
    budget: '`requireUser`: at most 0.4 ms of CPU, 16 connections',
    measure: (results) => warmRow(results, 'require-user', 16)?.cpuMsPerRequest.median,
    atMost: 0.4,
  },
  {
    budget: 'login: at most 3 ms of CPU beyond the hash',
    measure(results) {
      const [login, hash, bare] = ['login', 'hash', 'bare'].map(
        (name) => warmRow(results, name, 1)?.cpuMsPerRequest.median ?? Number.NaN,
      )
      return Number(login) - (Number(hash) - Number(bare))
    },
    atMost: 3,
    reason: (results) =>
      `A small difference of two large figures: ${cpu(results, 'login', 1)} ms for a login and ${cpu(results, 'hash', 1)} ms for the hash alone, which runs on another thread and competes for the same cores.`,
  },
  { budget: 'endurance: no error', measure: ({ endurance }) => endurance?.errors, atMost: 0 },
  {
    budget: `endurance: no heap grows by more than ${FLAT_MB_PER_HOUR} MB an hour`,
    measure: ({ endurance }) => largest(endurance?.rows, (row) => row.heapMbPerHour),
    atMost: FLAT_MB_PER_HOUR,
    reason: ({ endurance }) =>
      `The slope is that of ${figure(endurance && endurance.seconds * 0.75)} s. A shorter run mostly shows caches that fill and code that is compiled.`,
  },
]

export function budgetRows(results: Results): BudgetRow[] {
  return budgets.map(({ budget, measure, atMost, atLeast, reason }) => {
    const value = measure(results)
    const measured = value === undefined || Number.isNaN(value) ? undefined : value
    return {
      budget: typeof budget === 'string' ? budget : budget(results),
      measured,
      isMet:
        measured !== undefined &&
        measured <= (atMost ?? Number.POSITIVE_INFINITY) &&
        measured >= (atLeast ?? Number.NEGATIVE_INFINITY),
      reason: reason?.(results) ?? NO_REASON,
    }
  })
}

// --- Looking figures up ---

function backendMs({ statements }: Results, name: string): number | undefined {
  return statements?.rows.find((row) => row.name === name)?.cpuMs.median
}

function warmRow({ warm }: Results, name: string, connections: number, latencyMs = 0) {
  return warm?.rows.find(
    (row) => row.name === name && row.connections === connections && row.latencyMs === latencyMs,
  )
}

function bytesOut({ roundTrips }: Results, operation: string): number | undefined {
  return roundTrips?.rows.find(({ name }) => name === operation)?.bytesOut
}

function coldRow({ coldStart }: Results, name: string) {
  return coldStart?.rows.find((row) => row.name === name)
}

/** Bundled functions of ours. */
function ownRows({ coldStart }: Results) {
  return coldStart?.rows.filter(
    ({ name, kilobytes }) => kilobytes !== undefined && name !== 'bare' && name !== 'select-one',
  )
}

function worst({ growth }: Results) {
  return growth?.statements
    .filter(({ operation }) => operation !== 'maintenance')
    .toSorted((one, other) => other.growth - one.growth)[0]
}

function largest<Row>(rows: readonly Row[] | undefined, of: (row: Row) => number): number | undefined {
  return rows && Math.max(...rows.map(of))
}

function coldStartReason(results: Results, name: string): string {
  const own = coldRow(results, name)
  const bare = coldRow(results, 'bare')
  const beyondMs = (own?.wholeMs.median ?? Number.NaN) - (bare?.wholeMs.median ?? Number.NaN)
  return `Of the ${figure(beyondMs)} ms beyond the bare function, ${figure(own?.loadMs.median)} ms load the module; the rest is what happens for the first time: the connection, code that isn't compiled yet.`
}

// --- Words ---

function figure(value: number | undefined): string {
  return value === undefined || Number.isNaN(value) ? '?' : String(Number(value.toPrecision(3)))
}

function milliseconds(value: Spread | undefined): string {
  return `${figure(value?.median)} ms`
}

function cpu(results: Results, name: string, connections: number): string {
  return figure(warmRow(results, name, connections)?.cpuMsPerRequest.median)
}

function count(value: number | undefined): string {
  return value?.toLocaleString('en') ?? '?'
}
