/**
 * `npm run bench:cold-start`: from the spawn of a function's process to the end of its first answer, beside a bare function in the
 * same runner; what loading its module takes, and its memory. The functions take turns in each round.
 */
import { keepResults, numberOption, rotated, spread, type Spread } from './figures.ts'
import { buildFunctions } from './built.ts'
import { startInstance } from './instance.ts'
import { send, type BenchRequest } from './load.ts'
import { operationsOf } from './operations.ts'
import { browserHeaders, gatherPeople } from './people.ts'
import { startBenchStack } from './stack.ts'

export interface ColdStartRow {
  name: string
  /** What the first request asks for. */
  firstRequest: string
  /** Of what is loaded before the first answer; undefined where nothing was bundled. */
  kilobytes: number | undefined
  /** Spawn to the end of the first answer. */
  wholeMs: Spread
  /** The same, against the bare function's of the same round. */
  timesBare: Spread
  /** CPU of the process until then. */
  cpuMs: Spread
  cpuTimesBare: Spread
  loadMs: Spread
  loadCpuMs: Spread
  peakMb: Spread
}

export interface ColdStarts {
  rounds: number
  rows: ColdStartRow[]
}

interface Candidate {
  name: string
  firstRequest: string
  file: string
  kilobytes: number | undefined
  status: number
  prepare: () => BenchRequest | Promise<BenchRequest>
}

interface Start {
  wholeMs: number
  cpuMs: number
  loadMs: number
  loadCpuMs: number
  peakMb: number
}

const BARE = 'bare'
/** The first requests, one for each function; `login` is refused. */
const FIRST_REQUESTS = [
  'account',
  'keys',
  'login, an unknown address',
  'logout',
  'maintenance',
  'refresh, a rotation',
  'register',
  'reset, a link',
  'sessions, the list',
  'verify, a new link',
]
const UNBUNDLED = new Set(['login', 'refresh'])

const rounds = numberOption('rounds', 15)
const built = await buildFunctions()
const stack = await startBenchStack()
const people = await gatherPeople(stack)
try {
  const candidates = await findCandidates()
  await people.ready(candidates.length * (rounds + 1))
  const starts = new Map<string, Start[]>(candidates.map(({ name }) => [name, []]))
  // The first round fills the machine's caches.
  for (const candidate of candidates) await coldStart(candidate)
  for (let round = 0; round < rounds; round += 1) {
    for (const candidate of rotated(candidates, round)) {
      starts.get(candidate.name)?.push(await coldStart(candidate))
    }
    process.stdout.write('.')
  }
  const bare = starts.get(BARE) ?? []
  const rows = candidates.map((candidate) => rowOf(candidate, starts.get(candidate.name) ?? [], bare))
  print(rows)
  const figures: ColdStarts = { rounds, rows }
  keepResults('cold-start', figures)
} finally {
  await people.stop()
  await stack.stop()
  await built.discard()
}

async function findCandidates(): Promise<Candidate[]> {
  const operations = await operationsOf(people, stack.passwordHash)
  const sizes = new Map(built.functions.map(({ name, coldStartBytes }) => [name, coldStartBytes / 1000]))
  const plain = ['bare', 'select-one'].map((name): Candidate => {
    const path = `api/bench/${name}`
    const prepare = () => ({ method: 'GET', path: '/', headers: browserHeaders() })
    const firstRequest = name === BARE ? 'nothing' : 'one `select 1`'
    return { name, firstRequest, file: built.file(path), kilobytes: sizes.get(path), status: 200, prepare }
  })
  const own = operations
    .filter(({ name }) => FIRST_REQUESTS.includes(name))
    .flatMap(({ name: firstRequest, endpoint: name, status, prepare }): Candidate[] => {
      const path = `api/auth/${name}`
      const bundled = {
        name,
        firstRequest,
        file: built.file(path),
        kilobytes: sizes.get(path),
        status,
        prepare,
      }
      if (!UNBUNDLED.has(name)) return [bundled]
      const file = built.unbundledFile(path)
      return [bundled, { ...bundled, name: `${name}, not bundled`, file, kilobytes: undefined }]
    })
  return [...plain, ...own]
}

async function coldStart({ name, file, status, prepare }: Candidate): Promise<Start> {
  const request = await prepare()
  const spawnedAt = performance.now()
  const instance = await startInstance({ runner: built.runner, file, environment: stack.environment })
  try {
    const response = await send(instance.port, request)
    const wholeMs = performance.now() - spawnedAt
    if (response.status !== status) throw new Error(`${name}: ${response.status} ${response.body}`)
    const { cpuMs, loadMs, loadCpuMs, peakRssMb } = await instance.usage()
    return { wholeMs, cpuMs, loadMs, loadCpuMs, peakMb: peakRssMb }
  } finally {
    await instance.stop()
  }
}

function rowOf({ name, firstRequest, kilobytes }: Candidate, starts: Start[], bare: Start[]): ColdStartRow {
  return {
    name,
    firstRequest,
    kilobytes: kilobytes === undefined ? undefined : Math.round(kilobytes),
    wholeMs: spread(starts.map(({ wholeMs }) => wholeMs)),
    timesBare: spread(starts.map(({ wholeMs }, round) => wholeMs / (bare[round]?.wholeMs ?? Number.NaN))),
    cpuTimesBare: spread(starts.map(({ cpuMs }, round) => cpuMs / (bare[round]?.cpuMs ?? Number.NaN))),
    cpuMs: spread(starts.map(({ cpuMs }) => cpuMs)),
    loadMs: spread(starts.map(({ loadMs }) => loadMs)),
    loadCpuMs: spread(starts.map(({ loadCpuMs }) => loadCpuMs)),
    peakMb: spread(starts.map(({ peakMb }) => peakMb)),
  }
}

function print(rows: ColdStartRow[]): void {
  console.log()
  console.table(
    Object.fromEntries(
      rows.map((row) => [
        row.name,
        {
          KB: row.kilobytes ?? '',
          'whole ms': row.wholeMs.median,
          min: row.wholeMs.min,
          max: row.wholeMs.max,
          '× bare': row.timesBare.median,
          'CPU ms': row.cpuMs.median,
          'CPU × bare': row.cpuTimesBare.median,
          'load ms': row.loadMs.median,
          'load CPU ms': row.loadCpuMs.median,
          'peak MB': row.peakMb.median,
        },
      ]),
    ),
  )
}
