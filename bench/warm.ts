/**
 * `npm run bench:warm`: requests a second, p50, p99 and CPU of running functions at 1, 16 and 64 connections, with 0, 5 and 20 ms
 * added on the way to the database, beside a bare handler that does one `select 1` through the same gateway. The
 * functions take turns in each round; every refresh rotates a session of its own, every login is another person's.
 */
import { buildFunctions } from './built.ts'
import { keepResults, numberOption, rotated, spread, type Spread } from './figures.ts'
import { startInstance, type Instance } from './instance.ts'
import { putLoad, type BenchRequest } from './load.ts'
import { browserHeaders, gatherPeople, type Person } from './people.ts'
import { startBenchStack } from './stack.ts'

export interface WarmRow {
  name: string
  latencyMs: number
  connections: number
  perSecond: Spread
  /** Against `select-one` in the same round. */
  ofSelectOne: Spread
  p50Ms: Spread
  p99Ms: Spread
  /** Of the function's process, the answers' share of it. */
  cpuMsPerRequest: Spread
  requests: number
  /** Answered 503 with a time to come back: the queue before the password hash is full. */
  turnedAway: number
  errors: number
}

export interface Warm {
  rounds: number
  secondsEach: number
  rows: WarmRow[]
}

interface Candidate {
  name: string
  file: string
  next: () => BenchRequest
  /** Whether added latency is anything to it. */
  asksDatabase: boolean
  connections: readonly number[]
}

interface Run {
  perSecond: number
  p50Ms: number
  p99Ms: number
  cpuMsPerRequest: number
  requests: number
  turnedAway: number
  errors: number
}

const CONNECTIONS = [1, 16, 64]
const LATENCIES_MS = [0, 5, 20]
const BASELINE = 'select-one'
const WARM_UP_SECONDS = 1
const WARM_UP_CONNECTIONS = 16
/** The compiler is done with what is called so often, or nearly. */
const WARM_UP_REQUESTS = 1_500
const LONGEST_WARM_UPS = 8
/** More than a function here answers in a second. */
const MOST_PER_SECOND = 4_000

const rounds = numberOption('rounds', 9)
const seconds = numberOption('seconds', 0.6)
const built = await buildFunctions()
const stack = await startBenchStack()
const people = await gatherPeople(stack)
const instances = new Map<string, Instance>()
try {
  const candidates = await findCandidates()
  for (const { name, file } of candidates) {
    const { environment } = stack
    instances.set(name, await startInstance({ runner: built.runner, file, environment }))
  }
  for (const candidate of candidates) await warmUp(candidate)
  const rows: WarmRow[] = []
  for (const latencyMs of LATENCIES_MS) {
    await stack.setLatency(latencyMs)
    for (const connections of CONNECTIONS) {
      const measured = candidates.filter(
        (one) => (latencyMs === 0 || one.asksDatabase) && one.connections.includes(connections),
      )
      rows.push(...(await measure(measured, latencyMs, connections)))
    }
  }
  const figures: Warm = { rounds, secondsEach: seconds, rows }
  keepResults('warm', figures)
  const errors = rows.reduce((sum, row) => sum + row.errors, 0)
  if (errors > 0) {
    console.error(`${errors} requests failed.`)
    process.exitCode = 1
  }
} finally {
  await Promise.all([...instances.values()].map((instance) => instance.stop()))
  await people.stop()
  await stack.stop()
  await built.discard()
}

async function findCandidates(): Promise<Candidate[]> {
  const { signAccessToken } = await import('../lib/crypto/access-token.ts')
  await people.ready(1)
  const somebody = people.next()
  const { accessToken } = await signAccessToken({
    userId: somebody.id,
    sessionId: somebody.sessionId,
    role: 'user',
    amr: ['pwd'],
    authenticatedAt: Date.now() / 1000,
  })
  const bearer = { authorization: `Bearer ${accessToken}` }
  const get = (cookie?: string): BenchRequest => ({
    method: 'GET',
    path: '/',
    headers: browserHeaders(cookie),
  })
  const post = (path: string, body: object, cookie?: string): BenchRequest => ({
    method: 'POST',
    path,
    headers: browserHeaders(cookie),
    body: JSON.stringify(body),
  })
  const credentials = ({ email, password }: Person) => ({ email, password })
  const bench = (name: string) => ({ name, file: built.file(`api/bench/${name}`), connections: CONNECTIONS })
  const own = (name: string) => ({ name, file: built.file(`api/auth/${name}`), connections: CONNECTIONS })
  return [
    { ...bench('bare'), asksDatabase: false, next: () => get() },
    { ...bench('hash'), asksDatabase: false, connections: [1], next: () => get() },
    { ...bench(BASELINE), asksDatabase: true, next: () => get() },
    {
      ...bench('require-user'),
      asksDatabase: false,
      next: () => ({ method: 'GET', path: '/', headers: { ...browserHeaders(), ...bearer } }),
    },
    { ...bench('require-session'), asksDatabase: true, next: () => get(people.next().cookie) },
    {
      ...own('refresh'),
      asksDatabase: true,
      next: () => post('/api/auth/refresh', {}, people.next().cookie),
    },
    {
      ...own('login'),
      asksDatabase: true,
      next: () => post('/api/auth/login', credentials(people.next())),
    },
  ]
}

async function measure(candidates: Candidate[], latencyMs: number, connections: number): Promise<WarmRow[]> {
  const runs = new Map<string, Run[]>(candidates.map(({ name }) => [name, []]))
  for (let round = 0; round < rounds; round += 1) {
    for (const candidate of rotated(candidates, round)) {
      runs.get(candidate.name)?.push(await run(candidate, connections, seconds))
    }
  }
  const baseline = runs.get(BASELINE) ?? []
  const rows = candidates.map(({ name }) =>
    rowOf(name, latencyMs, connections, runs.get(name) ?? [], baseline),
  )
  console.log(`\n${connections} connections, ${latencyMs} ms added`)
  console.table(
    Object.fromEntries(
      rows.map((row) => [
        row.name,
        {
          'requests/s': row.perSecond.median,
          '× select 1': row.ofSelectOne.median,
          'p50 ms': row.p50Ms.median,
          'p99 ms': row.p99Ms.median,
          'CPU ms': row.cpuMsPerRequest.median,
          'rotated away': row.turnedAway,
          errors: row.errors,
        },
      ]),
    ),
  )
  return rows
}

async function warmUp(candidate: Candidate): Promise<void> {
  let requests = 0
  for (let turn = 0; turn < LONGEST_WARM_UPS && requests < WARM_UP_REQUESTS; turn += 1) {
    requests += (await run(candidate, WARM_UP_CONNECTIONS, WARM_UP_SECONDS)).requests
  }
}

async function run({ name, next }: Candidate, connections: number, duration: number): Promise<Run> {
  const instance = instances.get(name)
  if (instance === undefined) throw new Error(`${name} does not run`)
  await people.ready(MOST_PER_SECOND * duration)
  const { cpuMs: before } = await instance.usage()
  const figures = await putLoad({ port: instance.port, connections, seconds: duration, next })
  const { cpuMs: after } = await instance.usage()
  if (figures.firstError !== undefined) console.error(`${name}: ${figures.firstError}`)
  return { ...figures, cpuMsPerRequest: (after - before) / figures.requests }
}

function rowOf(name: string, latencyMs: number, connections: number, runs: Run[], baseline: Run[]): WarmRow {
  const sum = (of: (one: Run) => number) => runs.reduce((total, one) => total + of(one), 0)
  return {
    name,
    latencyMs,
    connections,
    perSecond: spread(runs.map((one) => one.perSecond)),
    ofSelectOne: spread(runs.map((one, round) => one.perSecond / (baseline[round]?.perSecond ?? Number.NaN))),
    p50Ms: spread(runs.map((one) => one.p50Ms)),
    p99Ms: spread(runs.map((one) => one.p99Ms)),
    cpuMsPerRequest: spread(runs.map((one) => one.cpuMsPerRequest)),
    requests: sum((one) => one.requests),
    turnedAway: sum((one) => one.turnedAway),
    errors: sum((one) => one.errors),
  }
}
