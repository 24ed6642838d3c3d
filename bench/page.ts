/** `npm run bench:page`: writes docs/performance.md from bench/performance.template.md and what is in bench/results. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { costOf, habits, MONTHLY_USERS, PEAK, prices, type Cost } from './cost.ts'
import type { Spread } from './figures.ts'
import { allResults, type Results } from './results.ts'
import type { WarmRow } from './warm.ts'

const TEMPLATE = join(import.meta.dirname, 'performance.template.md')
const PAGE = join(import.meta.dirname, '../docs/performance.md')
const NOT_MEASURED = '_Not measured yet._'
/** Less than a garbage collector's moods make of an hour. */
const FLAT_MB_PER_HOUR = 6

type Fragment = (results: Results, cost: Cost | undefined) => string | undefined

const fragments: Record<string, Fragment> = {
  machine: ({ coldStart, warm, growth, endurance, peers }) => {
    const all = Object.entries({ coldStart, warm, growth, endurance, peers })
    const [first] = all.flatMap(([, kept]) => kept?.machine ?? [])
    if (first === undefined) return undefined
    const { cpu, cores, memoryGb, node } = first
    const loads = all.flatMap(([name, kept]) =>
      kept ? [`${words(name)} ${kept.machine.measuredOn}, load ${kept.machine.loadBefore}`] : [],
    )
    return `${cores} cores of ${cpu}, ${memoryGb} GB, Node ${node}. When, and how busy the machine was with other things just before: ${loads.join('; ')}.`
  },
  targets: (results) => table(['target', 'measured', ''], targetsOf(results)),
  coldStart: ({ coldStart }) =>
    coldStart &&
    table(
      [
        'function',
        'its first request',
        'KB',
        'whole, ms',
        '× bare',
        'CPU, ms',
        'load, ms',
        'load, CPU ms',
        'peak, MB',
      ],
      coldStart.rows.map((row) => [
        row.name,
        row.firstRequest,
        row.kilobytes === undefined ? '' : String(row.kilobytes),
        range(row.wholeMs),
        range(row.timesBare),
        range(row.cpuMs),
        range(row.loadMs),
        median(row.loadCpuMs),
        median(row.peakMb),
      ]),
    ),
  coldStartRounds: ({ coldStart }) => coldStart && String(coldStart.rounds),
  warm: ({ warm }) =>
    warm &&
    groups(warm.rows)
      .map(
        ([title, rows]) =>
          `### ${title}\n\n${table(
            [
              'function',
              'requests/s',
              '× `select 1`',
              'p50, ms',
              'p99, ms',
              'CPU, ms a request',
              'turned away',
              'errors',
            ],
            rows.map((row) => [
              row.name,
              range(row.perSecond),
              median(row.ofSelectOne),
              range(row.p50Ms),
              range(row.p99Ms),
              range(row.cpuMsPerRequest),
              String(row.turnedAway),
              String(row.errors),
            ]),
          )}`,
      )
      .join('\n\n'),
  warmRuns: ({ warm }) => warm && `${warm.rounds} runs of ${warm.secondsEach} s each`,
  roundTrips: ({ roundTrips }) =>
    roundTrips &&
    table(
      ['what', 'round trips', 'statements', 'bytes to the database', 'bytes back', 'after the answer'],
      roundTrips.rows.map((row) => [
        row.name,
        ...[row.roundTrips, row.statements, row.bytesOut, row.bytesIn, row.afterAnswer].map(String),
      ]),
    ),
  growthSizes: ({ growth }) =>
    growth &&
    `${count(growth.smallUsers)} users against ${count(growth.largeUsers)}, ${growth.sessionsEach} sessions and ${growth.eventsEach} events each (${Object.entries(
      growth.databaseMb,
    )
      .map(([name, mb]) => `${name} ${mb} MB`)
      .join(', ')}), medians of ${growth.rounds}`,
  growth: ({ growth }) =>
    growth &&
    table(
      ['statement', 'small, ms', 'large, ms', 'of it planning', 'growth', 'pages', 'scans'],
      growth.statements.map((row) => [
        `${row.operation} (${row.statement})`,
        range(row.smallMs),
        range(row.largeMs),
        short(row.largePlanningMs),
        `${row.growth} ×`,
        `${row.smallPages} → ${row.largePages}`,
        row.scans.join(', '),
      ]),
    ),
  maintenance: ({ growth }) => {
    if (!growth) return undefined
    const one = growth.maintenance
    const removed = Object.entries(one.removed)
      .filter(([, rows]) => rows > 0)
      .map(([kind, rows]) => `${count(rows)} ${words(kind)}`)
    return `In ${one.seconds} s with ${one.refreshesPerSecond} refreshes a second, ${one.maintenanceRuns} runs of maintenance removed ${removed.join(', ') || 'nothing'}: ${count(one.removedPerSecond)} rows a second, a run in ${one.maintenanceMs.toFixed(0)} ms. A refresh took ${one.besideP50Ms.toFixed(1)} ms (p99 ${one.besideP99Ms.toFixed(0)} ms) meanwhile and ${one.aloneP50Ms.toFixed(1)} ms (p99 ${one.aloneP99Ms.toFixed(0)} ms) before; ${one.errors} failed.`
  },
  endurance: ({ endurance }) =>
    endurance &&
    `${count(endurance.requests)} requests in ${endurance.seconds} s from ${endurance.connections} people at once; ${endurance.errors} errors.\n\n${table(
      [
        'endpoint',
        'requests',
        'errors',
        'p50, ms',
        'p99, ms',
        'heap at a quarter, MB',
        'heap at the end, MB',
        'slope, MB an hour',
        'process, MB',
      ],
      endurance.rows.map((row) => [
        row.endpoint,
        ...[
          row.requests,
          row.errors,
          row.p50Ms,
          row.p99Ms,
          row.heapFirstMb,
          row.heapLastMb,
          row.heapMbPerHour,
          row.rssLastMb,
        ].map(String),
      ]),
    )}`,
  peersCold: ({ peers }) =>
    peers &&
    table(
      ['', 'KB', 'whole, ms', '× bare', 'CPU, ms', 'peak, MB'],
      peers.coldStarts.map((row) => [
        row.name,
        row.kilobytes === undefined ? '' : String(row.kilobytes),
        range(row.wholeMs),
        range(row.timesBare),
        range(row.cpuMs),
        median(row.peakMb),
      ]),
    ),
  peersWarm: ({ peers }) =>
    peers &&
    table(
      ['', 'what', 'requests/s', 'p50, ms', 'CPU, ms a request', 'errors'],
      peers.warm
        .toSorted((one, other) => (one.operation < other.operation ? -1 : 1))
        .map((row) => [
          row.name,
          row.operation,
          range(row.perSecond),
          range(row.p50Ms),
          range(row.cpuMsPerRequest),
          String(row.errors),
        ]),
    ),
  habits: () =>
    table(
      ['somebody, in a month', 'times', 'CPU as'],
      habits.map(({ operation, timesAMonth, cpuOf }) => [operation, String(timesAMonth), cpuOf]),
    ),
  prices: () =>
    table(
      ['price', 'US dollars'],
      Object.entries(prices).map(([name, value]) => [words(name), String(value)]),
    ),
  cost: (_, cost) =>
    cost &&
    `${table(
      ['', 'a month', 'US dollars'],
      [
        ...cost.lines.map(({ what, amount, dollars }) => [what, amount, dollars.toFixed(2)]),
        ['**all of it**', `${count(MONTHLY_USERS)} users`, `**${cost.total.toFixed(0)}**`],
      ],
    )}\n\nThat is ${((cost.total / MONTHLY_USERS) * 1000).toFixed(2)} dollars for a thousand users, at ${cost.refreshesPerSecond.toFixed(0)} refreshes a second on average and ${(cost.refreshesPerSecond * PEAK).toFixed(0)} in a busy hour.`,
  bottlenecks: (_, cost) =>
    cost &&
    table(
      ['what', 'what it can do', 'enough for, monthly users'],
      cost.bottlenecks.map(({ what, capacity, monthlyUsers }) => [
        what,
        capacity,
        count(Number(monthlyUsers.toPrecision(2))),
      ]),
    ),
}

const results = allResults()
const cost = costOf(results)
const page = readFileSync(TEMPLATE, 'utf8').replaceAll(/\{\{(\w+)\}\}/g, (_, name: string) => {
  const fragment = fragments[name]
  if (fragment === undefined) throw new Error(`There is no fragment ${name}.`)
  return fragment(results, cost) ?? NOT_MEASURED
})
writeFileSync(PAGE, page)

// --- Targets ---

function targetsOf(all: Results): string[][] {
  const { coldStart, warm, growth, endurance, peers } = all
  const rows: string[][] = []
  const add = (target: string, measured: number | undefined, limit: number, isFloor = false) => {
    if (measured === undefined || Number.isNaN(measured)) {
      rows.push([target, 'not measured', ''])
      return
    }
    const isMet = isFloor ? measured >= limit : measured <= limit
    rows.push([target, String(Number(measured.toPrecision(3))), isMet ? 'met' : '**missed**'])
  }
  const own = coldStart?.rows.filter(({ name, kilobytes }) => kilobytes !== undefined && !isBench(name))
  const highest = (of: (row: NonNullable<typeof own>[number]) => number) =>
    own === undefined ? undefined : Math.max(...own.map(of))
  const login = own?.find(({ name }) => name === 'login')
  add(
    'a bundled function at most 300 KB',
    highest((row) => row.kilobytes ?? 0),
    300,
  )
  add(
    'its module loaded in at most 40 ms, the slowest one',
    highest((row) => row.loadMs.median),
    40,
  )
  add('cold start with a refused login at most 1.45 × a bare one', login?.timesBare.median, 1.45)
  const bestPeer = peers?.coldStarts
    .filter(({ name }) => name !== 'bare' && !name.startsWith('Latchkey'))
    .map(({ timesBare }) => timesBare.median)
  const ownBesidePeers = peers?.coldStarts.find(({ name }) => name === 'Latchkey')?.timesBare.median
  if (bestPeer !== undefined) {
    add(`the same below the best peer’s, ${Math.min(...bestPeer)} ×`, ownBesidePeers, Math.min(...bestPeer))
  }
  const row = (name: string, connections: number): WarmRow | undefined =>
    warm?.rows.find((one) => one.name === name && one.connections === connections && one.latencyMs === 0)
  for (const connections of [1, 16, 64]) {
    add(
      `refresh at least 0.7 × the \`select 1\` handler’s requests/s, ${connections} connections`,
      row('refresh', connections)?.ofSelectOne.median,
      0.7,
      true,
    )
  }
  add('refresh at most 1.5 ms CPU, 16 connections', row('refresh', 16)?.cpuMsPerRequest.median, 1.5)
  add(
    '`requireUser` at most 0.4 ms CPU, 16 connections',
    row('require-user', 16)?.cpuMsPerRequest.median,
    0.4,
  )
  const [hash, bare, loginAtOne] = ['hash', 'bare', 'login'].map(
    (name) => row(name, 1)?.cpuMsPerRequest.median ?? Number.NaN,
  )
  add('login at most 3 ms CPU beyond the hash', Number(loginAtOne) - (Number(hash) - Number(bare)), 3)
  const statements = growth?.statements.filter(({ operation }) => operation !== 'maintenance')
  const worst = statements?.toSorted((one, other) => other.growth - one.growth)[0]
  add(
    `each statement at most 1.5 × with a million users; the most: ${worst?.operation ?? ''} (${worst?.statement ?? ''})`,
    worst?.growth,
    1.5,
  )
  add('endurance: no error', endurance?.errors, 0)
  add(
    'endurance: the steepest heap, MB an hour at most',
    endurance && Math.max(...endurance.rows.map(({ heapMbPerHour }) => heapMbPerHour)),
    FLAT_MB_PER_HOUR,
  )
  return rows
}

function isBench(name: string): boolean {
  return name === 'bare' || name === 'select-one'
}

// --- Words ---

function table(head: string[], rows: string[][]): string {
  const line = (cells: string[]) => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

function groups(rows: WarmRow[]): [string, WarmRow[]][] {
  const found = new Map<string, WarmRow[]>()
  for (const row of rows) {
    const added = row.latencyMs === 0 ? 'nothing added' : `${row.latencyMs} ms added to each round trip`
    const title = `${row.connections === 1 ? '1 connection' : `${row.connections} connections`}, ${added}`
    found.set(title, [...(found.get(title) ?? []), row])
  }
  return [...found]
}

/** Median, and the range in brackets. */
function range({ min, median: middle, max }: Spread): string {
  return `${short(middle)} (${short(min)}–${short(max)})`
}

function median(one: Spread): string {
  return short(one.median)
}

function short(value: number): string {
  return String(Number(value.toPrecision(3)))
}

function count(value: number): string {
  return value.toLocaleString('en')
}

/** `coldStart` → `cold start` */
function words(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
}
