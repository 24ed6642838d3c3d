/**
 * `npm run bench:endurance -- --seconds 600`: people of all kinds at once, each endpoint in a process of its own. Every answer that is
 * not the one expected is an error; each process's heap after a collection tells whether it grows.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { ascending, keepResults, numberOption, quantile, rounded } from './figures.ts'
import { buildFunctions } from './built.ts'
import { startInstance, type Instance } from './instance.ts'
import { send } from './load.ts'
import { operationsOf, type Operation } from './operations.ts'
import { gatherPeople } from './people.ts'
import { startBenchStack } from './stack.ts'

export interface EnduranceRow {
  endpoint: string
  requests: number
  errors: number
  p50Ms: number
  p99Ms: number
  heapFirstMb: number
  heapLastMb: number
  /** Of the line through the heap's sizes after the first quarter. */
  heapMbPerHour: number
  rssLastMb: number
}

export interface Endurance {
  seconds: number
  connections: number
  requests: number
  errors: number
  firstErrors: string[]
  rows: EnduranceRow[]
}

/** How often each thing is done for every time the rarest one is. */
const WEIGHTS: Record<string, number> = {
  'refresh, a rotation': 40,
  account: 10,
  'sessions, the list': 5,
  login: 6,
  'login, a wrong password': 2,
  'login, an unknown address': 1,
  logout: 3,
  register: 2,
  'verify, the link': 2,
  keys: 3,
}
const CONNECTIONS = 6
const PAUSE_MS = 20
const SAMPLE_MS = 5_000
const PEOPLE_AHEAD = 5_000
const KEPT_ERRORS = 5

interface Tally {
  instance: Instance
  times: number[]
  errors: number
  /** Seconds since the start, and the heap then. */
  samples: { at: number; heapMb: number; rssMb: number }[]
}

const seconds = numberOption('seconds', 600)
const built = await buildFunctions()
const stack = await startBenchStack()
const people = await gatherPeople(stack)
const tallies = new Map<string, Tally>()
const firstErrors: string[] = []
try {
  const operations = await operationsOf(people, stack.passwordHash)
  for (const endpoint of new Set(operations.map((one) => one.endpoint))) {
    const file = built.file(`api/auth/${endpoint}`)
    const { environment } = stack
    const instance = await startInstance({ runner: built.runner, file, environment, collectsGarbage: true })
    tallies.set(endpoint, { instance, times: [], errors: 0, samples: [] })
  }
  await endure(operations)
  const figures = summedUp()
  print(figures)
  keepResults('endurance', figures)
  if (figures.errors > 0) process.exitCode = 1
} finally {
  await Promise.all(Array.from(tallies.values(), ({ instance }) => instance.stop()))
  await people.stop()
  await stack.stop()
  await built.discard()
}

async function endure(operations: Operation[]): Promise<void> {
  const mix = operations.flatMap((one) => Array<Operation>(WEIGHTS[one.name] ?? 1).fill(one))
  const startedAt = performance.now()
  const secondsGone = () => (performance.now() - startedAt) / 1000
  let turn = 0

  async function person(): Promise<void> {
    while (secondsGone() < seconds) {
      // A step that shares no divisor with the mix goes through all of it, in no order that anybody would notice.
      const operation = mix[(turn++ * 37) % mix.length]
      if (operation !== undefined) await perform(operation)
      await sleep(PAUSE_MS)
    }
  }
  async function provide(): Promise<void> {
    while (secondsGone() < seconds) {
      await people.ready(PEOPLE_AHEAD)
      await sleep(1_000)
    }
  }
  async function sample(): Promise<void> {
    while (secondsGone() < seconds) {
      for (const { instance, samples } of tallies.values()) {
        const { heapMb, rssMb } = await instance.usage()
        samples.push({ at: secondsGone(), heapMb, rssMb })
      }
      await sleep(SAMPLE_MS)
    }
  }
  await people.ready(PEOPLE_AHEAD)
  await Promise.all([...Array.from({ length: CONNECTIONS }, person), provide(), sample()])
}

async function perform({ name, endpoint, status, prepare }: Operation): Promise<void> {
  const tally = tallies.get(endpoint)
  if (tally === undefined) return
  const request = await prepare()
  const sentAt = performance.now()
  const responded = await send(tally.instance.port, request).then(
    (response) => ({ status: response.status, words: response.body }),
    (error: unknown) => ({ status: 0, words: String(error) }),
  )
  tally.times.push(performance.now() - sentAt)
  if (responded.status === status) return
  tally.errors += 1
  if (firstErrors.length < KEPT_ERRORS) {
    firstErrors.push(`${name}: ${responded.status} ${responded.words.slice(0, 200)}`)
  }
}

function summedUp(): Endurance {
  const rows = Array.from(tallies, ([endpoint, { times, errors, samples }]): EnduranceRow => {
    const sorted = ascending(times)
    const steady = samples.filter(({ at }) => at > seconds / 4)
    return {
      endpoint,
      requests: times.length,
      errors,
      p50Ms: rounded(quantile(sorted, 0.5)),
      p99Ms: rounded(quantile(sorted, 0.99)),
      heapFirstMb: rounded(steady[0]?.heapMb ?? Number.NaN),
      heapLastMb: rounded(steady.at(-1)?.heapMb ?? Number.NaN),
      heapMbPerHour: rounded(slope(steady.map(({ at, heapMb }) => [at / 3600, heapMb]))),
      rssLastMb: rounded(steady.at(-1)?.rssMb ?? Number.NaN),
    }
  })
  const sum = (of: (row: EnduranceRow) => number) => rows.reduce((total, row) => total + of(row), 0)
  return {
    seconds,
    connections: CONNECTIONS,
    requests: sum(({ requests }) => requests),
    errors: sum(({ errors }) => errors),
    firstErrors,
    rows,
  }
}

/** Of the line that fits best. */
function slope(points: [number, number][]): number {
  const mean = (of: (point: [number, number]) => number) =>
    points.reduce((total, point) => total + of(point), 0) / points.length
  const [x, y] = [mean(([at]) => at), mean(([, value]) => value)]
  const spreadOfX = mean(([at]) => (at - x) ** 2)
  return mean(([at, value]) => (at - x) * (value - y)) / spreadOfX
}

function print({ rows, requests, errors }: Endurance): void {
  console.table(Object.fromEntries(rows.map(({ endpoint, ...row }) => [endpoint, row])))
  console.log(`${requests} requests, ${errors} errors.`, ...firstErrors)
}
