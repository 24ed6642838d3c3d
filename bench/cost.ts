/**
 * What a million monthly users cost, and what gives way first: people's habits are assumed, prices are the providers' lists, all
 * else is what was measured.
 */
import type { Results } from './results.ts'

/** How often somebody does it in a month, and which measured figures stand for it. */
interface Habit {
  operation: string
  timesAMonth: number
  /** In `warm`. */
  cpuOf: 'refresh' | 'login' | 'require-session'
}

export const MONTHLY_USERS = 1_000_000

/**
 * A user visits on 20 days for less than half an hour, so a visit is two refreshes; signs in a little more than once a
 * month, because a session lasts 30 days at most. Every twentieth user is new, every thirtieth forgets the password.
 */
export const habits: readonly Habit[] = [
  { operation: 'refresh, a rotation', timesAMonth: 40, cpuOf: 'refresh' },
  { operation: 'account', timesAMonth: 5, cpuOf: 'require-session' },
  { operation: 'login', timesAMonth: 1.2, cpuOf: 'login' },
  { operation: 'login, a wrong password', timesAMonth: 0.3, cpuOf: 'login' },
  { operation: 'logout', timesAMonth: 0.3, cpuOf: 'refresh' },
  { operation: 'register', timesAMonth: 0.05, cpuOf: 'login' },
  { operation: 'verify, the link', timesAMonth: 0.05, cpuOf: 'refresh' },
  { operation: 'reset, a link', timesAMonth: 0.033, cpuOf: 'refresh' },
  { operation: 'reset, the new password', timesAMonth: 0.033, cpuOf: 'login' },
]

/** In US dollars. Vercel Pro in iad1 (vercel.com/docs/functions/usage-and-pricing), Neon Launch (neon.com/pricing), Resend (resend.com/pricing). */
export const prices = {
  vercelCpuHour: 0.128,
  vercelMemoryGbHour: 0.0106,
  vercelMillionInvocations: 0.6,
  neonComputeUnitHour: 0.106,
  neonStorageGbMonth: 0.35,
  neonTransferGb: 0.1,
  neonTransferGbIncluded: 100,
  resendHundredThousandEmails: 90,
  resendThousandMore: 0.9,
} as const

const SECONDS_A_MONTH = 30 * 24 * 60 * 60
const HOURS_A_MONTH = 730
const INSTANCE_GB = 2
/** What a request's CPU and its time in memory are read from, in `warm`. */
export const CPU_CONNECTIONS = 16
export const MEMORY_LATENCY_MS = 5
/** Of a busy hour, against the average. */
export const PEAK = 5
/** Of all invocations; what Vercel keeps warm is its own decision. */
export const COLD_SHARE = 0.01
/** Always on, so that the indexes stay in memory: 1 vCPU, 4 GB. */
const COMPUTE_UNITS = 1
/** How long a session's row is kept: to its absolute end. Events stay; a year of them is counted. */
const SESSION_MONTHS = 1
const EVENT_MONTHS = 12
/** Events of a person in a month: each login opens a session, and each session ends in one way or another. */
const EVENTS_A_MONTH = 1.2 + 0.3 + 0.3 + 0.2
/** How long a run goes on removing (lib/auth/maintenance.ts). */
const REMOVAL_SECONDS = 60
const DAYS_A_MONTH = 30
/** Resend takes so many requests a second from one account unless asked for more (resend.com/docs/api-reference/rate-limit). */
const EMAILS_PER_SECOND = 5

export interface CostLine {
  what: string
  amount: string
  dollars: number
}

export interface Bottleneck {
  what: string
  /** What it can do, and how many monthly users need that much in a busy hour. */
  capacity: string
  monthlyUsers: number
}

export interface Cost {
  invocations: number
  refreshesPerSecond: number
  lines: CostLine[]
  total: number
  bottlenecks: Bottleneck[]
}

export function costOf(results: Results): Cost | undefined {
  const { warm, growth, roundTrips, coldStart } = results
  if (!warm || !growth || !roundTrips || !coldStart) return undefined

  const cpuMs = (name: string) =>
    warm.rows.find((row) => row.name === name && row.connections === CPU_CONNECTIONS && row.latencyMs === 0)
      ?.cpuMsPerRequest.median ?? 0
  const wallMs = (name: string) =>
    warm.rows.find((row) => row.name === name && row.connections === 1 && row.latencyMs === MEMORY_LATENCY_MS)
      ?.p50Ms.median ?? 0
  const databaseMs = (operation: string) =>
    growth.statements
      .filter((row) => row.operation === operation)
      .reduce((sum, row) => sum + row.largeMs.median, 0)
  const trip = (operation: string) => roundTrips.rows.find((row) => row.name === operation)
  const inAll = (of: (habit: Habit) => number) =>
    habits.reduce((sum, habit) => sum + habit.timesAMonth * MONTHLY_USERS * of(habit), 0)

  const invocations = inAll(() => 1)
  const coldCpuMs = coldStart.rows.find(({ name }) => name === 'refresh')?.cpuMs.median ?? 0
  const cpuHours = (inAll(({ cpuOf }) => cpuMs(cpuOf)) + invocations * COLD_SHARE * coldCpuMs) / 3_600_000
  const memoryGbHours = (inAll(({ cpuOf }) => wallMs(cpuOf)) / 3_600_000) * INSTANCE_GB
  const databaseCpuHours = inAll(({ operation }) => databaseMs(operation)) / 3_600_000
  const transferGb = inAll(({ operation }) => trip(operation)?.bytesIn ?? 0) / 1e9
  const emails = inAll(({ operation }) => trip(operation)?.afterResponse ?? 0)
  const storageGb = storedGb(results)
  const transferPaid = Math.max(0, transferGb - prices.neonTransferGbIncluded)

  const lines: CostLine[] = [
    {
      what: 'Vercel, active CPU',
      amount: `${cpuHours.toFixed(0)} hours`,
      dollars: cpuHours * prices.vercelCpuHour,
    },
    {
      what: `Vercel, memory (${INSTANCE_GB} GB an instance)`,
      amount: `${memoryGbHours.toFixed(0)} GB hours`,
      dollars: memoryGbHours * prices.vercelMemoryGbHour,
    },
    {
      what: 'Vercel, invocations',
      amount: `${(invocations / 1e6).toFixed(1)} million`,
      dollars: (invocations / 1e6) * prices.vercelMillionInvocations,
    },
    {
      what: `Neon, compute (${COMPUTE_UNITS} unit all the time; statements use ${databaseCpuHours.toFixed(0)} CPU hours of it)`,
      amount: `${HOURS_A_MONTH * COMPUTE_UNITS} unit hours`,
      dollars: HOURS_A_MONTH * COMPUTE_UNITS * prices.neonComputeUnitHour,
    },
    {
      what: 'Neon, storage with a year of events',
      amount: `${storageGb.toFixed(1)} GB`,
      dollars: storageGb * prices.neonStorageGbMonth,
    },
    {
      what: 'Neon, transfer of responses',
      amount: `${transferGb.toFixed(0)} GB, ${prices.neonTransferGbIncluded} of them included`,
      dollars: transferPaid * prices.neonTransferGb,
    },
    {
      what: 'Resend, emails',
      amount: `${(emails / 1000).toFixed(0)} thousand`,
      dollars: emailDollars(emails),
    },
  ]
  const refreshesPerSecond = (MONTHLY_USERS * 40) / SECONDS_A_MONTH
  return {
    invocations,
    refreshesPerSecond,
    lines,
    total: lines.reduce((sum, { dollars }) => sum + dollars, 0),
    bottlenecks: bottlenecksOf({ cpuMs, databaseCpuHours, emails, growth }),
  }
}

function emailDollars(emails: number): number {
  const more = Math.max(0, emails - 100_000)
  return prices.resendHundredThousandEmails + Math.ceil(more / 1000) * prices.resendThousandMore
}

function storedGb({ growth }: Results): number {
  if (!growth) return 0
  const { databaseMb, largeUsers, sessionsEach, eventsEach } = growth
  const bytesEach = (table: string, rows: number) => ((databaseMb[table] ?? 0) * 1e6) / rows
  const sessionBytes = bytesEach('sessions', largeUsers * sessionsEach)
  const eventBytes = bytesEach('events', largeUsers * eventsEach)
  const userBytes = bytesEach('users', largeUsers)
  const loginsAMonth = 1.2
  const each =
    userBytes + loginsAMonth * SESSION_MONTHS * sessionBytes + EVENTS_A_MONTH * EVENT_MONTHS * eventBytes
  return (each * MONTHLY_USERS) / 1e9
}

interface Loads {
  cpuMs: (name: string) => number
  databaseCpuHours: number
  emails: number
  growth: NonNullable<Results['growth']>
}

/** From the one that is reached first. */
function bottlenecksOf({ cpuMs, databaseCpuHours, emails, growth }: Loads): Bottleneck[] {
  const peakShare = (amountAMonth: number) => (amountAMonth / SECONDS_A_MONTH) * PEAK
  const refreshes = peakShare(40 * MONTHLY_USERS)
  const refreshCapacity = 1000 / cpuMs('refresh')
  const loginCapacity = 1000 / cpuMs('login')
  const databaseCpus = peakShare(databaseCpuHours * 3600)
  const dailySessions = (1.2 * MONTHLY_USERS) / DAYS_A_MONTH
  // Each of them loses its IP address one day.
  const dailyEvents = (EVENTS_A_MONTH / DAYS_A_MONTH) * MONTHLY_USERS
  // Each session that is refreshed in a day leaves a bucket; so does each source and address of a login.
  const dailyBuckets = (20 / DAYS_A_MONTH + (1.5 * 1) / DAYS_A_MONTH) * MONTHLY_USERS
  const removedARun = growth.maintenance.removedPerSecond * REMOVAL_SECONDS
  return [
    {
      what: 'Maintenance once a day',
      capacity: `${removedARun.toLocaleString('en')} rows in the ${REMOVAL_SECONDS} s that a run takes at most`,
      monthlyUsers: (removedARun / (dailySessions + dailyBuckets + dailyEvents)) * MONTHLY_USERS,
    },
    {
      what: 'Emails, before Resend is asked for a higher rate',
      capacity: `${EMAILS_PER_SECOND} a second; later ones wait in the outbox`,
      monthlyUsers: (EMAILS_PER_SECOND / peakShare(emails)) * MONTHLY_USERS,
    },
    {
      what: 'One database CPU',
      capacity: `statements of a million users in a busy hour: ${(databaseCpus * 100).toFixed(0)} % of it`,
      monthlyUsers: MONTHLY_USERS / databaseCpus,
    },
    {
      what: 'One instance of login',
      capacity: `${loginCapacity.toFixed(0)} logins a second; Vercel starts more`,
      monthlyUsers: (loginCapacity / peakShare(1.5 * MONTHLY_USERS)) * MONTHLY_USERS,
    },
    {
      what: 'One instance of refresh',
      capacity: `${refreshCapacity.toFixed(0)} refreshes a second; Vercel starts more`,
      monthlyUsers: (refreshCapacity / refreshes) * MONTHLY_USERS,
    },
  ].toSorted((one, other) => one.monthlyUsers - other.monthlyUsers)
}
