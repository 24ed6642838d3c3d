/**
 * `npm run bench:growth`: each statement of the endpoints with 10 thousand users and with a million, who have five sessions and five
 * events each: its time in Postgres, its pages and its plan, in turns. Then whether maintenance keeps up while 200 sessions a second
 * are refreshed.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'pg'
import { migrate } from '../cli/database/migrate.ts'
import { buildFunctions } from './built.ts'
import { deployHere, type Deployment } from './deployment.ts'
import {
  loadAutoExplain,
  scansOf,
  startExplainingGateway,
  type ExplainedStatement,
} from './explaining-gateway.ts'
import { keepResults, numberOption, spread, type Spread } from './figures.ts'
import { startInstance } from './instance.ts'
import { putLoad, send, type BenchRequest, type LoadFigures } from './load.ts'
import { operationsOf, type Operation } from './operations.ts'
import { browserHeaders, gatherPeople, idSql, INSERT_SESSIONS, INSERT_USERS, type People } from './people.ts'
import { startBenchStack } from './stack.ts'

export interface StatementRow {
  operation: string
  /** Its place among the statements of the operation. */
  statement: number
  /** Its first words. */
  words: string
  /** Planning and execution in Postgres. */
  smallMs: Spread
  largeMs: Spread
  /** The planning alone. */
  largePlanningMs: number
  /** Of the medians. */
  growth: number
  smallPages: number
  largePages: number
  scans: string[]
}

export interface MaintenanceFigures {
  refreshesPerSecond: number
  seconds: number
  /** Of the refreshes, without maintenance beside them and with it. */
  aloneP50Ms: number
  aloneP99Ms: number
  besideP50Ms: number
  besideP99Ms: number
  errors: number
  maintenanceRuns: number
  /** Median of one run. */
  maintenanceMs: number
  /** In all, by kind. */
  removed: Record<string, number>
  removedPerSecond: number
}

export interface Growth {
  smallUsers: number
  largeUsers: number
  sessionsEach: number
  eventsEach: number
  rounds: number
  seedSeconds: number
  databaseMb: Record<string, number>
  statements: StatementRow[]
  maintenance: MaintenanceFigures
}

const SESSIONS_EACH = 5
const EVENTS_EACH = 5
const REFRESHES_PER_SECOND = 200
const WORD_CHARACTERS = 60
const UNAVAILABLE = 503
/** An operation so slow is not asked for more often than this. */
const SLOW_MS = 500
const SLOW_ROUNDS = 3
const MAINTENANCE = 'maintenance'
/** Longer than it goes on. */
const MAINTENANCE_MS = 61_000
const UNEXPLAINED = new Set([MAINTENANCE, 'keys'])

const rounds = numberOption('rounds', 21)
const smallUsers = numberOption('small', 10_000)
const largeUsers = numberOption('large', 1_000_000)
const maintenanceSeconds = numberOption('maintenance-seconds', 60)

/** Of each person: one more that lives, one revoked, one gone idle, and one of which three in ten have come to their absolute end. */
const OTHER_SESSIONS = `
  INSERT INTO latchkey.sessions (id, user_id, family_hash, method, persistent, counter, rotated_at, created_at, last_used_at,
    idle_expires_at, absolute_expires_at, authenticated_at, revoked_at, revocation_reason, client, ip, last_client, last_ip)
  SELECT ${idSql('session', 'n')}, ${idSql('user', '(n % $3::bigint)')}, sha256(sha256(convert_to('family ' || n, 'UTF8'))), 'password', true, 3,
    began, began, began, began + interval '7 days', began + interval '30 days', began,
    CASE WHEN nth = 2 THEN now() - interval '5 days' END, CASE WHEN nth = 2 THEN 'logout' END,
    'Linux', '10.1.2.3', 'Linux', '10.1.2.3'
  FROM (
    SELECT n, nth, now() - CASE WHEN nth < 2 THEN interval '2 days' WHEN nth = 2 THEN interval '6 days'
      WHEN nth = 3 OR n % 10 < 7 THEN interval '20 days' ELSE interval '31 days' END AS began
    FROM (SELECT n, n / $3::bigint AS nth FROM generate_series($1::bigint, $2::bigint) n) numbered) dated`

/** Over four months, older ones first; a few that are old enough still have their address. */
const EVENTS = `
  INSERT INTO latchkey.events (created_at, kind, user_id, session_id, request_id, ip)
  SELECT at, 'session-created', ${idSql('user', '(n % $3::bigint)')}, ${idSql('session', 'n')}, 'iad1::bench-' || n,
    CASE WHEN at > now() - interval '90 days' OR n % 4 = 0 THEN '10.1.2.3' END
  FROM (
    SELECT n, now() - interval '120 days' * (1 - n::float8 / ($2::bigint + 1)) AS at
    FROM generate_series($1::bigint, $2::bigint) n) dated`

/** As maintenance finds them: nine in ten are over. */
const RATE_LIMITS = `
  INSERT INTO latchkey.rate_limits (key, theoretical_arrival_at)
  SELECT sha256(convert_to('bucket ' || n, 'UTF8')), now() + CASE WHEN n % 10 = 0 THEN interval '1 hour' ELSE interval '-1 hour' END
  FROM generate_series($1::bigint, $2::bigint) n`

interface Scale {
  users: number
  databaseUrl: string
  people: People
  /** For the explained statements: one connection. */
  database: Client
  operations: Operation[]
  timings: Map<string, ExplainedStatement[]>
  scans: Map<string, string[]>
}

const stack = await startBenchStack()
const explaining = await startExplainingGateway()
// Before anything of lib is imported, which reads it once. The functions with processes of their own keep the other gateway.
process.env['NEON_FETCH_ENDPOINT'] = explaining.url
const built = await buildFunctions()
try {
  const seedStartedAt = performance.now()
  const small = await seededScale('small', smallUsers)
  const large = await seededScale('large', largeUsers)
  const seedSeconds = (performance.now() - seedStartedAt) / 1000
  console.log(`Seeded in ${seedSeconds.toFixed(0)} s.`)

  const statements = await explainStatements(small, large)
  const maintenance = await maintainUnderLoad(large)
  const figures: Growth = {
    smallUsers,
    largeUsers,
    sessionsEach: SESSIONS_EACH,
    eventsEach: EVENTS_EACH,
    rounds,
    seedSeconds: Math.round(seedSeconds),
    databaseMb: await tableSizes(large.database),
    statements,
    maintenance,
  }
  print(figures)
  keepResults('growth', figures)
  for (const { people, database } of [small, large]) {
    await people.stop()
    await database.end()
  }
} finally {
  await explaining.close()
  await stack.stop()
  await built.discard()
}

async function seededScale(name: string, users: number): Promise<Scale> {
  await stack.postgres.createDatabase(name)
  const databaseUrl = stack.postgres.databaseUrl(name)
  await migrate(databaseUrl)
  await seed(databaseUrl, users)
  const people = await gatherPeople({ databaseUrl, passwordHash: stack.passwordHash, existing: users })
  const operations = await operationsOf(people, stack.passwordHash)
  const database = await connect(databaseUrl)
  await loadAutoExplain(database)
  return { users, databaseUrl, people, database, operations, timings: new Map(), scans: new Map() }
}

/** With the indexes away meanwhile: filling them at the end takes a third of the time. */
async function seed(databaseUrl: string, users: number): Promise<void> {
  const database = await connect(databaseUrl)
  await database.query(`SET maintenance_work_mem = '512MB'`)
  await database.query('SET synchronous_commit = off')
  const constraints = await namedDefinitions(
    database,
    `SELECT conrelid::regclass || ' ADD CONSTRAINT ' || quote_ident(conname) || ' ' || pg_get_constraintdef(oid) AS made,
       conrelid::regclass || ' DROP CONSTRAINT ' || quote_ident(conname) AS dropped
     FROM pg_constraint WHERE contype IN ('p', 'u', 'f') AND conrelid::regclass::text IN ('latchkey.users', 'latchkey.sessions', 'latchkey.one_time_tokens')
     ORDER BY contype = 'f' DESC`,
  )
  for (const { dropped } of constraints) await database.query(`ALTER TABLE ${dropped}`)
  const indexes = await namedDefinitions(
    database,
    `SELECT indexdef AS made, 'latchkey.' || quote_ident(indexname) AS dropped FROM pg_indexes
     WHERE schemaname = 'latchkey' AND tablename IN ('users', 'sessions')`,
  )
  for (const { dropped } of indexes) await database.query(`DROP INDEX ${dropped}`)

  await database.query(INSERT_USERS, [0, users - 1, stack.passwordHash])
  await database.query(INSERT_SESSIONS, [0, users - 1])
  await database.query(OTHER_SESSIONS, [users, users * SESSIONS_EACH - 1, users])
  await database.query(EVENTS, [0, users * EVENTS_EACH - 1, users])
  await database.query(RATE_LIMITS, [0, Math.ceil(users / 3) - 1])

  for (const { made } of constraints.toReversed()) await database.query(`ALTER TABLE ${made}`)
  for (const { made } of indexes) await database.query(made)
  await database.query('VACUUM ANALYZE')
  await database.query('CHECKPOINT')
  await database.end()
}

async function connect(databaseUrl: string): Promise<Client> {
  const database = new Client({ connectionString: databaseUrl })
  // Its end with the server's is no fault.
  database.on('error', () => undefined)
  await database.connect()
  return database
}

async function namedDefinitions(
  database: Client,
  query: string,
): Promise<{ made: string; dropped: string }[]> {
  const { rows } = await database.query<{ made: string; dropped: string }>(query)
  return rows
}

async function explainStatements(small: Scale, large: Scale): Promise<StatementRow[]> {
  const deployment = await deployHere()
  const names = small.operations.map(({ name }) => name).filter((name) => !UNEXPLAINED.has(name))
  // The first round is for the plans and is not counted.
  for (let round = -1; round < rounds; round += 1) {
    for (const [place, name] of names.entries()) {
      if (round >= SLOW_ROUNDS && isSlow(large, `${place}`)) continue
      for (const scale of round % 2 === 0 ? [small, large] : [large, small]) {
        explaining.withPlans = round < 0
        const seen = await explainOperation(deployment, scale, name)
        if (round < 0) keepScans(scale, `${place}`, seen)
        else keepTimings(scale, `${place}`, seen)
      }
    }
  }
  // Once for the plans and once for the time, as each run removes a batch.
  const { now } = Date
  for (const scale of [small, large]) {
    // It goes on for a minute, which is over each time it looks at the clock: after one batch of each table.
    let looks = 0
    Date.now = () => now() + MAINTENANCE_MS * looks++
    explaining.withPlans = true
    keepScans(scale, `${names.length}`, await explainOperation(deployment, scale, MAINTENANCE))
    looks = 0
    explaining.withPlans = false
    keepTimings(scale, `${names.length}`, await explainOperation(deployment, scale, MAINTENANCE))
    Date.now = now
  }
  names.push(MAINTENANCE)
  return names.flatMap((name, place) => rowsOf(name, `${place}`, small, large))
}

async function explainOperation(
  deployment: Deployment,
  { operations, database }: Scale,
  name: string,
): Promise<ExplainedStatement[]> {
  const operation = operations.find((one) => one.name === name)
  if (operation === undefined) throw new Error(`there is no operation ${name}`)
  explaining.database = database
  const request = await operation.prepare()
  explaining.seen.length = 0
  const response = await deployment.send(request)
  await explaining.idle()
  // One that took too long is a figure like any other.
  if (response.status !== operation.status && response.status !== UNAVAILABLE)
    throw new Error(`${name}: ${response.status} ${response.body}`)
  const seen = [...explaining.seen]
  await deployment.settled()
  return seen
}

function isSlow({ timings }: Scale, operation: string): boolean {
  return Array.from(timings).some(
    ([key, all]) => key.startsWith(`${operation}/`) && all.some(({ executionMs }) => executionMs > SLOW_MS),
  )
}

function keepTimings({ timings }: Scale, operation: string, seen: ExplainedStatement[]): void {
  for (const [statement, explained] of seen.entries()) {
    const key = `${operation}/${statement}`
    timings.set(key, [...(timings.get(key) ?? []), explained])
  }
}

function keepScans({ scans }: Scale, operation: string, seen: ExplainedStatement[]): void {
  for (const [statement, { plans }] of seen.entries()) scans.set(`${operation}/${statement}`, scansOf(plans))
}

function rowsOf(operation: string, place: string, small: Scale, large: Scale): StatementRow[] {
  const rows: StatementRow[] = []
  for (let statement = 0; ; statement += 1) {
    const key = `${place}/${statement}`
    const [ofSmall, ofLarge] = [small.timings.get(key), large.timings.get(key)]
    if (ofSmall === undefined || ofLarge === undefined) return rows
    const milliseconds = (all: ExplainedStatement[]) =>
      spread(all.map(({ planningMs, executionMs }) => planningMs + executionMs))
    const pages = (all: ExplainedStatement[]) => spread(all.map((one) => one.pages)).median
    const [smallMs, largeMs] = [milliseconds(ofSmall), milliseconds(ofLarge)]
    const last = ofLarge.at(-1)
    rows.push({
      operation,
      statement: statement + 1,
      words: (last?.query ?? '').replaceAll(/\s+/g, ' ').trim().slice(0, WORD_CHARACTERS),
      smallMs,
      largeMs,
      largePlanningMs: spread(ofLarge.map(({ planningMs }) => planningMs)).median,
      growth: Number((largeMs.median / smallMs.median).toFixed(2)),
      smallPages: pages(ofSmall),
      largePages: pages(ofLarge),
      scans: large.scans.get(key) ?? [],
    })
  }
}

async function maintainUnderLoad({ databaseUrl, people }: Scale): Promise<MaintenanceFigures> {
  const environment = { ...stack.environment, DATABASE_URL: databaseUrl }
  const start = (name: string) =>
    startInstance({ runner: built.runner, file: built.file(`api/auth/${name}`), environment })
  const refresh = await start('refresh')
  const maintenance = await start('maintenance')
  try {
    const load = () => pacedRefreshes(refresh.port, people)
    await load()
    const alone = await load()
    const [beside, runs] = await Promise.all([load(), maintainFor(maintenance.port)])
    const removed: Record<string, number> = {}
    for (const run of runs) {
      for (const [kind, count] of Object.entries(run.removed)) removed[kind] = (removed[kind] ?? 0) + count
    }
    const spentMs = runs.reduce((total, { milliseconds }) => total + milliseconds, 0)
    const sum = Object.values(removed).reduce((total, count) => total + count, 0)
    return {
      refreshesPerSecond: Math.round(beside.perSecond),
      seconds: maintenanceSeconds,
      aloneP50Ms: alone.p50Ms,
      aloneP99Ms: alone.p99Ms,
      besideP50Ms: beside.p50Ms,
      besideP99Ms: beside.p99Ms,
      errors: alone.errors + beside.errors,
      maintenanceRuns: runs.length,
      maintenanceMs: spread(runs.map(({ milliseconds }) => milliseconds)).median,
      removed,
      removedPerSecond: Math.round((sum * 1000) / spentMs),
    }
  } finally {
    await refresh.stop()
    await maintenance.stop()
  }
}

/** 200 a second, whether the answers come in time or not. */
async function pacedRefreshes(port: number, people: People): Promise<LoadFigures> {
  const startedAt = performance.now()
  let sent = 0
  return putLoad({
    port,
    connections: 32,
    seconds: maintenanceSeconds,
    async next(): Promise<BenchRequest> {
      const dueAt = startedAt + (sent++ * 1000) / REFRESHES_PER_SECOND
      await sleep(Math.max(0, dueAt - performance.now()))
      const headers = browserHeaders(people.next().cookie)
      return { method: 'POST', path: '/api/auth/refresh', headers, body: '{}' }
    },
  })
}

interface MaintenanceRun {
  milliseconds: number
  removed: Record<string, number>
}

async function maintainFor(port: number): Promise<MaintenanceRun[]> {
  const runs: MaintenanceRun[] = []
  const absoluteExpiresAt = performance.now() + maintenanceSeconds * 1000
  while (performance.now() < absoluteExpiresAt) {
    const startedAt = performance.now()
    const headers = { authorization: `Bearer ${process.env['CRON_SECRET']}` }
    const response = await send(port, { method: 'GET', path: '/api/auth/maintenance', headers })
    if (response.status !== 200) throw new Error(`maintenance: ${response.status} ${response.body}`)
    const { removed }: { removed: Record<string, number> } = JSON.parse(response.body)
    runs.push({ milliseconds: performance.now() - startedAt, removed })
  }
  return runs
}

async function tableSizes(database: Client): Promise<Record<string, number>> {
  const { rows } = await database.query<{ name: string; mb: number }>(
    `SELECT table_name AS name, sum(pg_total_relation_size(oid))::float8 / 1e6 AS mb
     FROM pg_class, LATERAL (SELECT relname FROM pg_class root WHERE root.oid = coalesce(pg_partition_root(pg_class.oid), pg_class.oid)) t (table_name)
     WHERE relkind = 'r' AND relnamespace = 'latchkey'::regnamespace GROUP BY 1 ORDER BY 2 DESC LIMIT 4`,
  )
  return Object.fromEntries(rows.map(({ name, mb }) => [name, Math.round(mb)]))
}

function print({ statements, maintenance, databaseMb }: Growth): void {
  console.table(
    statements.map((row) => ({
      operation: `${row.operation} (${row.statement})`,
      'small ms': row.smallMs.median,
      'large ms': row.largeMs.median,
      'planning ms': row.largePlanningMs,
      growth: row.growth,
      pages: `${row.smallPages} → ${row.largePages}`,
      'seq scans': row.scans.filter((scan) => scan.endsWith('Seq Scan')).join(),
    })),
  )
  console.log(maintenance, databaseMb)
}
