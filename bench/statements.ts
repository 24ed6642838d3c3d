/**
 * `npm run bench:statements`: CPU of the Postgres backend per statement of the engine, and bytes per call. lib/db/call.ts
 * makes the calls; the gateway notes them and runs none. They then run on one connection, one after the other, as Neon's
 * proxy would run them: extended protocol, unnamed statement, one parse per call. The statements take turns in each
 * round. Needs Linux: the CPU is utime + stime of the backend in /proc.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { Client, type QueryConfig } from 'pg'
import { startGateway } from '../dev/gateway.ts'
import { rateLimits } from '../lib/limits.ts'
import { keepResults, numberOption, rotated, spread, type Spread } from './figures.ts'
import { browserHeaders, gatherPeople, type Person } from './people.ts'
import { APP_ORIGIN, startBenchStack } from './stack.ts'

export interface StatementCost {
  name: string
  cpuMs: Spread
  /** Against `select 1` in the same round. */
  timesSelectOne: Spread
  calls: number
  /** Mean size of the HTTP body to the database. */
  bytesOut: number
}

export interface Statements {
  rounds: number
  /** A batch ends when the backend has used that much. */
  batchCpuMs: number
  /** What /proc counts in. */
  tickMs: number
  rows: StatementCost[]
}

interface Candidate {
  name: string
  /** Puts a block of people into the state that the call expects. */
  prepare?: (people: Person[]) => Promise<unknown>
  call: (person: Person) => Promise<unknown>
  /** The `kind` of every result. */
  kind: string
}

interface NotedCall {
  query: string
  params: unknown[]
}

interface Batch {
  cpuMs: number
  calls: number
  bytesOut: number
}

const SELECT_ONE = 'select 1'
const BLOCK = 200
const WARM_UP_CPU_MS = 50
const AS_TEXT = { getTypeParser: () => (value: unknown) => value }

const rounds = numberOption('rounds', 7)
const batchCpuMs = numberOption('batch-cpu-ms', 400)
const tickMs = 1000 / Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))
const stack = await startBenchStack()
const gateway = await startGateway({ port: 0 })
process.env['NEON_FETCH_ENDPOINT'] = gateway.url
const noted: string[] = []
gateway.fault = ({ body }) => {
  noted.push(body)
  return { kind: 'status', code: 500 }
}
const people = await gatherPeople(stack)
const database = new Client({ connectionString: stack.databaseUrl })
await database.connect()
try {
  const candidates = await findCandidates()
  const backend = await backendPid()
  for (const candidate of candidates) await runBatch(candidate, backend, WARM_UP_CPU_MS)
  const batches = new Map<string, Batch[]>(candidates.map(({ name }) => [name, []]))
  for (let round = 0; round < rounds; round += 1) {
    for (const candidate of rotated(candidates, round)) {
      batches.get(candidate.name)?.push(await runBatch(candidate, backend, batchCpuMs))
    }
    process.stdout.write('.')
  }
  const selectOne = batches.get(SELECT_ONE) ?? []
  const rows = candidates.map(({ name }) => rowOf(name, batches.get(name) ?? [], selectOne))
  print(rows)
  const figures: Statements = { rounds, batchCpuMs, tickMs, rows }
  keepResults('statements', figures)
} finally {
  await database.end()
  await people.stop()
  await gateway.close()
  await stack.stop()
}

async function findCandidates(): Promise<Candidate[]> {
  const { queryOverHttp } = await import('../lib/db/neon.ts')
  const { clientInfo, requestContext } = await import('../lib/http/client-info.ts')
  const { credentialOf } = await import('../lib/auth/credentials.ts')
  const sessions = await import('../lib/auth/sessions.ts')
  const signIn = await import('../lib/auth/sign-in.ts')
  const { call } = await import('../lib/db/call.ts')
  const engine = await import('../lib/db/engine.ts')
  const { rateLimitKey } = await import('../lib/crypto/rate-limit-keys.ts')
  const { requestReset } = await import('../lib/auth/password-reset.ts')
  const { passwordHash } = stack

  const requestOf = ({ cookie }: Person) => new Request(APP_ORIGIN, { headers: browserHeaders(cookie) })
  const client = (person: Person) => clientInfo(requestOf(person))
  async function credential(person: Person) {
    const found = await credentialOf(requestOf(person))
    if (found?.kind !== 'refresh-token') throw new Error('the cookie is not ours')
    return found
  }
  const rotate = async (person: Person) =>
    sessions.rotateSession((await credential(person)).token, client(person))
  const find = async (person: Person) => sessions.findSession(await credential(person))
  const otherAddress = ({ email }: Person) => `new-${email}`
  const attempt = {
    kind: 'counted',
    subject: 'account',
    failures: 1,
    passwordHash,
    securityVersion: 1,
  } as const
  const browser = { registrationId: undefined, device: undefined }
  const login = { attempt, rehash: null, device: undefined, presentedToken: undefined }
  const choices = { reauthenticates: false, persistent: true }

  return [
    { name: SELECT_ONE, kind: '1', call: () => queryOverHttp('SELECT 1 AS result', []) },
    { name: 'rotate_session, a rotation', kind: 'live', call: rotate },
    { name: 'rotate_session, the same token again', kind: 'live', prepare: rotatedJustNow, call: rotate },
    { name: 'find_session', kind: 'signed-in', prepare: confirmed, call: find },
    { name: 'find_session, the first after a rotation', kind: 'signed-in', call: find },
    {
      name: 'list_sessions',
      kind: 'listed',
      prepare: confirmed,
      call: async (person) => sessions.listSessions(await credential(person)),
    },
    {
      name: 'logout',
      kind: 'logged-out',
      call: async (person) => sessions.endSession((await credential(person)).token, false, client(person)),
    },
    {
      name: 'begin_login',
      kind: 'counted',
      call: (person) => signIn.beginLogin(person.email, browser, client(person)),
    },
    {
      name: 'begin_login, an unknown address',
      kind: 'counted',
      call: (person) => signIn.beginLogin(otherAddress(person), browser, client(person)),
    },
    {
      name: 'finish_login',
      kind: 'signed-in',
      prepare: counted,
      call: (person) => signIn.finishLogin({ email: person.email, ...login, ...choices }, client(person)),
    },
    {
      name: 'fail_login',
      kind: 'failed',
      call: (person) => signIn.failLogin(person.email, attempt, client(person)),
    },
    {
      name: 'admit_registration',
      kind: 'admitted',
      call: (person) =>
        call(engine.admitRegistration, {
          source_key: rateLimitKey(rateLimits.registerBySource, client(person).network),
          address_key: rateLimitKey(rateLimits.registerByAddress, otherAddress(person)),
        }),
    },
    {
      name: 'register',
      kind: 'accepted',
      call: (person) =>
        call(engine.register, {
          email: otherAddress(person),
          email_normalized: otherAddress(person),
          password_hash: passwordHash,
          request: requestContext(client(person)),
        }),
    },
    {
      name: 'request_reset',
      kind: 'accepted',
      call: (person) => requestReset(person.email, client(person)),
    },
  ]
}

/** Their token is within the reuse interval. */
function rotatedJustNow(block: Person[]): Promise<unknown> {
  return people.database.query('UPDATE latchkey.sessions SET rotated_at = now() WHERE id = ANY($1)', [
    block.map(({ sessionId }) => sessionId),
  ])
}

/** Their token was presented before, so nothing is written. */
function confirmed(block: Person[]): Promise<unknown> {
  return people.database.query('UPDATE latchkey.sessions SET confirmed = true WHERE id = ANY($1)', [
    block.map(({ sessionId }) => sessionId),
  ])
}

/** As `begin_login` leaves them, at the version that the attempt was checked against. */
async function counted(block: Person[]): Promise<unknown> {
  const ids = block.map(({ id }) => id)
  await people.database.query('UPDATE latchkey.users SET security_version = 1 WHERE id = ANY($1)', [ids])
  return people.database.query(
    `SELECT latchkey.begin_login(email_normalized, sha256(uuid_send(id)), NULL, NULL, NULL, NULL)
     FROM latchkey.users WHERE id = ANY($1)`,
    [ids],
  )
}

async function runBatch(candidate: Candidate, backend: number, enoughMs: number): Promise<Batch> {
  const { name, prepare, kind } = candidate
  const batch: Batch = { cpuMs: 0, calls: 0, bytesOut: 0 }
  const before = backendCpuMs(backend)
  while (batch.cpuMs < enoughMs) {
    await people.ready(BLOCK)
    const block = Array.from({ length: BLOCK }, () => people.next())
    await prepare?.(block)
    const bodies = await callsOf(candidate, block)
    const calls = bodies.map((body): NotedCall => JSON.parse(body))
    for (const { query, params } of calls) {
      const responded = await run(query, params)
      if (responded !== kind) throw new Error(`${name}: ${responded}`)
    }
    batch.cpuMs = backendCpuMs(backend) - before
    batch.calls += bodies.length
    for (const body of bodies) batch.bytesOut += Buffer.byteLength(body)
  }
  return batch
}

/** The HTTP bodies of a call for each of them. */
async function callsOf({ name, call }: Candidate, block: Person[]): Promise<string[]> {
  noted.length = 0
  // Each fails, as the gateway answers 500.
  for (const person of block) await call(person).catch(() => undefined)
  if (noted.length !== block.length)
    throw new Error(`${name}: ${noted.length} calls of ${block.length} people`)
  return [...noted]
}

/** The result's `kind`, or the result where it has none. */
async function run(text: string, values: unknown[]): Promise<string> {
  const config = { text, values, queryMode: 'extended', types: AS_TEXT } as QueryConfig
  const { rows } = await database.query<{ result: string }>(config)
  const result: unknown = JSON.parse(rows[0]?.result ?? 'null')
  return typeof result === 'object' && result !== null && 'kind' in result
    ? String(result.kind)
    : String(result)
}

async function backendPid(): Promise<number> {
  const { rows } = await database.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
  return rows[0]?.pid ?? 0
}

/** proc_pid_stat(5): utime and stime are the fields 14 and 15; the second is a name in parentheses. */
function backendCpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) * tickMs
}

function rowOf(name: string, batches: Batch[], selectOne: Batch[]): StatementCost {
  const sum = (of: (batch: Batch) => number) => batches.reduce((total, batch) => total + of(batch), 0)
  const perCall = ({ cpuMs, calls } = { cpuMs: Number.NaN, calls: 1 }) => cpuMs / calls
  const calls = sum((batch) => batch.calls)
  return {
    name,
    cpuMs: spread(batches.map((batch) => perCall(batch))),
    timesSelectOne: spread(batches.map((batch, round) => perCall(batch) / perCall(selectOne[round]))),
    calls,
    bytesOut: Math.round(sum(({ bytesOut }) => bytesOut) / calls),
  }
}

function print(rows: StatementCost[]): void {
  console.log()
  console.table(
    Object.fromEntries(
      rows.map(({ name, cpuMs, timesSelectOne, calls, bytesOut }) => [
        name,
        {
          'CPU ms': cpuMs.median,
          min: cpuMs.min,
          max: cpuMs.max,
          '× select 1': timesSelectOne.median,
          calls,
          'bytes out': bytesOut,
        },
      ]),
    ),
  )
}
