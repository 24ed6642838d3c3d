/** `npm run bench:page`: writes docs/performance.md from bench/performance.template.md and what is in bench/results. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { budgetRows } from './budgets.ts'
import {
  COLD_SHARE,
  costOf,
  CPU_CONNECTIONS,
  habits,
  MEMORY_LATENCY_MS,
  MONTHLY_USERS,
  PEAK,
  prices,
  type Cost,
} from './cost.ts'
import type { Spread } from './figures.ts'
import { allResults, type Results } from './results.ts'
import type { WarmRow } from './warm.ts'

const TEMPLATE = join(import.meta.dirname, 'performance.template.md')
const PAGE = join(import.meta.dirname, '../docs/performance.md')
const LINE_LENGTH = 120
const NOT_MEASURED = '_Not measured yet._'

type Fragment = (results: Results, cost: Cost | undefined) => string | undefined

const fragments: Record<string, Fragment> = {
  machine: ({ coldStart, warm, statements, growth, endurance, competitors }) => {
    const all = Object.entries({ coldStart, warm, statements, growth, endurance, competitors })
    const [first] = all.flatMap(([, kept]) => kept?.machine ?? [])
    if (first === undefined) return undefined
    const { cpu, cores, memoryGb, node } = first
    const loads = all.flatMap(([name, kept]) =>
      kept ? [`${words(name)} ${kept.machine.measuredOn}, load ${kept.machine.loadBefore}`] : [],
    )
    return `${cores} cores of ${cpu}, ${memoryGb} GB, Node ${node}. When, and how busy the machine was with other things just before: ${loads.join('; ')}.`
  },
  budgets: (all) =>
    table(
      ['budget', 'measured', ''],
      budgetRows(all).map(({ budget, measured, isMet }) => [
        budget,
        measured === undefined ? 'not measured' : short(measured),
        measured === undefined ? '' : isMet ? 'met' : '**missed**',
      ]),
    ),
  missedBudgets(all) {
    const missed = budgetRows(all).filter(({ measured, isMet }) => measured !== undefined && !isMet)
    if (missed.length === 0) return 'In these runs no budget was missed.'
    return missed
      .map(({ budget, measured = 0, reason }) => `- **${budget}: missed, at ${short(measured)}.** ${reason}`)
      .join('\n')
  },
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
              'rotated away',
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
      ['what', 'round trips', 'statements', 'bytes to the database', 'bytes back', 'after the response'],
      roundTrips.rows.map((row) => [
        row.name,
        ...[row.roundTrips, row.statements, row.bytesOut, row.bytesIn, row.afterResponse].map(String),
      ]),
    ),
  statementRuns: ({ statements }) =>
    statements &&
    `medians of ${statements.rounds} batches in turns, each of at least ${statements.batchCpuMs} ms of CPU; the kernel counts in ticks of ${statements.tickMs} ms`,
  statements: ({ statements }) =>
    statements &&
    table(
      ['statement', 'CPU, ms', '× `select 1`', 'calls', 'bytes to the database'],
      statements.rows.map((row) => [
        row.name,
        range(row.cpuMs),
        median(row.timesSelectOne),
        count(row.calls),
        String(row.bytesOut),
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
  competitorsCold: ({ competitors }) =>
    competitors &&
    table(
      ['', 'KB', 'whole, ms', '× bare', 'CPU, ms', 'peak, MB'],
      competitors.coldStarts.map((row) => [
        row.name,
        row.kilobytes === undefined ? '' : String(row.kilobytes),
        range(row.wholeMs),
        range(row.timesBare),
        range(row.cpuMs),
        median(row.peakMb),
      ]),
    ),
  competitorsWarm: ({ competitors }) =>
    competitors &&
    table(
      ['', 'what', 'requests/s', 'p50, ms', 'CPU, ms a request', 'errors'],
      competitors.warm
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
      ['a user, in a month', 'times', 'CPU as'],
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
  costBasis: () =>
    `CPU is that of the machine above at ${CPU_CONNECTIONS} connections. Memory is held for the time of a request with ${MEMORY_LATENCY_MS} ms added to each round trip, and ${COLD_SHARE * 100} % of all invocations are cold starts.`,
  peak: () => String(PEAK),
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
writeFileSync(PAGE, page.split('\n').map(wrapped).join('\n'))

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

/** Prose that became too long by what was put in. Tables, headings and code stay as they are. */
function wrapped(line: string): string {
  if (line.length <= LINE_LENGTH || /^[|#]/.test(line)) return line
  const indent = line.startsWith('- ') ? '  ' : ''
  const lines: string[] = []
  for (const word of line.split(' ')) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + 1 + word.length <= LINE_LENGTH) {
      lines[lines.length - 1] = `${last} ${word}`
    } else {
      lines.push(last === undefined ? word : indent + word)
    }
  }
  return lines.join('\n')
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
