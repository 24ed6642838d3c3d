/**
 * Races across real processes: parallel requests over HTTP to several instances, as on Vercel. Each round begins with
 * its own account. `RACE_ROUNDS` says how many rounds of each race; `npm run test:races` runs many.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Pool, type PoolClient } from 'pg'
import { afterAll, beforeAll, expect, vi } from 'vitest'
import type { InsertedAccount, InsertedRegistration } from './accounts.ts'
import { startProcesses, type Call, type Processes, type RaceReply } from './processes.ts'
import { databaseUrl, inbox } from '../support/setup-stack.ts'

const ROUNDS = Number(process.env['RACE_ROUNDS'] ?? 10)
const PROCESSES = 4
const RACES_AT_ONCE = 4
/** Some ten times what a round takes on two cores that have nothing else to do. */
const ROUND_DEADLINE_MS = 5_000
const MAX_VIOLATIONS_SHOWN = 5

let processes: Processes | undefined
const pool = new Pool({
  connectionString: databaseUrl,
  max: RACES_AT_ONCE,
  options: '-c search_path=latchkey',
})

vi.setConfig({ maxConcurrency: RACES_AT_ONCE, testTimeout: 60_000 + ROUNDS * ROUND_DEADLINE_MS })
beforeAll(async () => {
  // The emails are not the point, and taking them would slow the rest down.
  inbox.fault = () => ({ kind: 'status', code: 500 })
  processes = await startProcesses(PROCESSES)
})
afterAll(async () => {
  await stopAll()
  await pool.end()
})

async function stopAll(): Promise<void> {
  await processes?.stop()
  processes = undefined
}

/** One request, to the instance whose turn it is. */
export function call(one: Call): Promise<RaceReply> {
  if (processes === undefined) throw new Error('the processes are stopped')
  return processes.call(one)
}

/** A test's body that runs every round and shows each violation. Any response of 5xx is one. */
export function rounds(round: (meet: Meeting) => Promise<void>): () => Promise<void> {
  return async () => {
    const violations: string[] = []
    for (let number = 1; number <= ROUNDS && violations.length < MAX_VIOLATIONS_SHOWN; number += 1) {
      try {
        await round(meeting(number))
      } catch (error) {
        violations.push(`round ${number}: ${error instanceof Error ? error.message : String(error)}`)
      }
    }
    expect(violations).toEqual([])
  }
}

/** Long enough for a backend to end. */
const BACKEND_ENDS_MS = 1_000

/**
 * How many deadlocks Postgres has ended since the database was made. A call that is in one is made again, so no
 * response shows it. The processes are stopped first: a backend that ends hands in what it has counted.
 */
export async function countDeadlocks(): Promise<number> {
  await stopAll()
  await sleep(BACKEND_ENDS_MS)
  const { rows } = await pool.query(
    'SELECT deadlocks::int AS deadlocks FROM pg_stat_database WHERE datname = current_database()',
  )
  return rows[0].deadlocks
}

// --- How the calls meet ---

/** About what a hash takes, so that a call with one meets a call without one. */
const HASH_MS = 40
const REQUEST_MS = 12

/** The rows that all calls wait for, then run at once; the calls of some meetings just come as they come. */
const HELD_ROWS = [
  undefined,
  'SELECT FROM sessions WHERE user_id = $1 FOR UPDATE',
  'SELECT FROM users WHERE id = $1 FOR UPDATE',
  'SELECT FROM one_time_tokens WHERE user_id = $1 FOR UPDATE',
  // The last rows that a deletion comes to, so that others meet it half way.
  'SELECT FROM outbox WHERE recipient = (SELECT email FROM users WHERE id = $1) FOR UPDATE',
]
const HELD_REGISTRATIONS = 'SELECT FROM registrations WHERE email_normalized = $1 FOR UPDATE'
const LONGEST_HOLD_MS = 500
const LOOK_EVERY_MS = 20

/** Sends calls so that they run at the same time; the responses are in the order of the calls. */
export type Meeting = (
  subject: InsertedAccount | InsertedRegistration | undefined,
  calls: Call[],
) => Promise<RaceReply[]>

function meeting(roundNumber: number): Meeting {
  return async (subject, calls) => {
    const hashing = calls.some(({ body }) => body && JSON.stringify(body).includes('assword'))
    const send = async (one: Call) => {
      await sleep(Math.random() * (hashing ? HASH_MS : REQUEST_MS))
      return call(one)
    }
    if (subject === undefined) return all(calls.map(send))
    if (!('id' in subject)) {
      const held = roundNumber % 2 === 0
      return held
        ? holding({ rows: HELD_REGISTRATIONS, of: subject.email }, calls, send)
        : all(calls.map(send))
    }
    const rows = HELD_ROWS[roundNumber % HELD_ROWS.length]
    return rows === undefined ? all(calls.map(send)) : holding({ rows, of: subject.id }, calls, send)
  }
}

interface Held {
  rows: string
  of: string
}

/** Holds rows until every call waits for one of them or has been answered. */
async function holding(
  { rows, of }: Held,
  calls: Call[],
  send: (call: Call) => Promise<RaceReply>,
): Promise<RaceReply[]> {
  const holder = await pool.connect()
  try {
    await holder.query('BEGIN')
    await holder.query(rows, [of])
    let replied = 0
    const count = () => void (replied += 1)
    const start = (one: Call) => {
      const reply = send(one)
      reply.then(count, count)
      return reply
    }
    const allStopped = async (started: number) => {
      const until = Date.now() + LONGEST_HOLD_MS
      while (Date.now() < until && replied + (await waitingFor(holder)) < started) await sleep(LOOK_EVERY_MS)
    }

    const sooner = calls.filter((one) => !one.setsOutLater)
    const replies = new Map(sooner.map((one) => [one, start(one)]))
    await allStopped(sooner.length)
    for (const one of calls) if (!replies.has(one)) replies.set(one, start(one))
    if (sooner.length < calls.length) await allStopped(calls.length)
    await holder.query('COMMIT')
    return await all(calls.flatMap((one) => replies.get(one) ?? []))
  } finally {
    holder.release()
  }
}

/** How many wait for this transaction, or for one that does. */
async function waitingFor(holder: PoolClient): Promise<number> {
  const { rows } = await holder.query(
    `WITH RECURSIVE waiting AS (SELECT pid, pg_blocking_pids(pid) AS blockers FROM pg_stat_activity
       WHERE wait_event_type = 'Lock' AND datname = current_database()),
     behind AS (SELECT pid FROM waiting WHERE pg_backend_pid() = ANY (blockers)
       UNION SELECT waiting.pid FROM waiting JOIN behind ON behind.pid = ANY (waiting.blockers))
     SELECT count(*)::int AS count FROM behind`,
  )
  return rows[0]?.count ?? 0
}

/** Waits for all of them, so that no round runs into the next one. */
async function all(calls: Promise<RaceReply>[]): Promise<RaceReply[]> {
  await Promise.allSettled(calls)
  return Promise.all(calls)
}
