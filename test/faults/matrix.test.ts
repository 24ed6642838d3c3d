/** Every fault in every round trip of every operation. docs/faults.md is what came of it. */
import { readFile, writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { Fault } from '../../dev/gateway.ts'
import type { InboxFault } from '../../dev/inbox.ts'
import { keyedHash } from '../../lib/crypto/keys.ts'
import { rateLimits } from '../../lib/limits.ts'
import type { Received } from '../support/browser.ts'
import { query } from '../support/database.ts'
import { newRun, type FaultPlan } from './injection.ts'
import { maintenance, operations, runMaintenance, type Operation, type Scene } from './operations.ts'
import { EMAIL_PLACE, faultsPage, type Observation } from './table.ts'
import { inbox } from '../support/setup-stack.ts'

const PAGE = new URL('../../docs/faults.md', import.meta.url)

/** lib/db/http.ts gives up after 5 s, lib/email/send.ts after 10 s. */
const LATE_MS = 5_400
const LATE_EMAIL_MS = 10_400
/** From giving up until what came too late has run. */
const LATE_RUN_MS = 1_000

const databaseFaults: Record<string, Fault> = {
  refused: { kind: 'refuse' },
  'request lost': { kind: 'lose-request' },
  garbage: { kind: 'garbage' },
  'HTTP 502': { kind: 'status', code: 502 },
  'response lost': { kind: 'lose-answer' },
  'response late': { kind: 'delay', milliseconds: LATE_MS },
  'request late': { kind: 'delay-request', milliseconds: LATE_MS },
}
const emailFaults: Record<string, InboxFault> = {
  refused: { kind: 'refuse' },
  'response lost': { kind: 'lose-answer' },
  'response late': { kind: 'delay', milliseconds: LATE_EMAIL_MS },
  'no response': { kind: 'hang' },
  'HTTP 429': { kind: 'status', code: 429 },
  'HTTP 500': { kind: 'status', code: 500 },
  'HTTP 422': { kind: 'status', code: 422 },
}

// --- One run ---

interface Cell {
  operation: Operation
  place: string
  fault: string
  plan: FaultPlan
}

/** What an operation does when nothing goes wrong. */
interface Undisturbed {
  state: State
  cookies: string[]
}

async function runUndisturbed(operation: Operation): Promise<Undisturbed> {
  const scene = await operation.prepare()
  const names = new Map<string, string>()
  await readState(scene, names, '')
  const run = newRun({ kind: 'none' })
  const response = await run.within(() => scene.send({ 'x-vercel-id': run.requestId }))
  await run.settled()
  expect.soft(wordsOf(response), operation.name).toBe(operation.response)
  const { roundTrips, moreLikeTheLast = 0 } = operation
  expect.soft(run.roundTrips, operation.name).toBe(roundTrips.length + moreLikeTheLast)
  expect.soft((await outboxOf(scene)).length, operation.name).toBe(operation.emails ?? 0)
  const state = await readState(scene, names, run.requestId)
  await scene.expectWellEnded()
  return { state, cookies: cookieNames(response) }
}

interface Begun {
  /** Settles when nothing more comes of the request. */
  over: Promise<unknown>
  finish: () => Promise<Observation>
}

/** Sends the request and resolves when the fault has struck. */
async function begin({ operation, place, fault, plan }: Cell, undisturbed: Undisturbed): Promise<Begun> {
  const scene = await operation.prepare()
  const names = new Map<string, string>()
  const before = await readState(scene, names, '')
  const run = newRun(plan)
  const responding = run.within(() => scene.send({ 'x-vercel-id': run.requestId }))
  const settled = responding.then(() => run.settled())
  await Promise.race([run.struck, settled])
  const over = settled.then(() =>
    sleep(plan.kind !== 'none' && plan.fault.kind === 'delay-request' ? LATE_RUN_MS : 0),
  )

  async function finish(): Promise<Observation> {
    await over
    expect(run.hasStruck, 'the fault has struck').toBe(true)
    const response = await responding
    expectHonest(response, operation, undisturbed)
    const after = await readState(scene, names, run.requestId)
    const state = (await scene.stateName?.()) ?? nameState(before, after, undisturbed.state)
    const email = nameEmail(await outboxOf(scene))
    const isDone = wordsOf(response) === operation.response
    expect(state, 'the state after a success').toBe(isDone && operation.changes ? 'done' : state)

    const again = isDone ? undefined : wordsOf(await scene.send({}))
    const expected = state === 'done' ? operation.responseWhenDone : operation.response
    expect(again, 'the same again').toBe(isDone ? undefined : expected)
    await scene.expectWellEnded()
    return { operation, place, fault, response: wordsOf(response), state, email, again }
  }

  return {
    over,
    finish: () =>
      finish().catch((error: unknown) => {
        const message = error instanceof Error ? error.message : String(error)
        throw new Error(`${operation.name}, ${place}, ${fault}: ${message}`, { cause: error })
      }),
  }
}

/** The usual response with its usual cookies, or 503 with none and without a word about the cause. */
function expectHonest(response: Received, operation: Operation, undisturbed: Undisturbed): void {
  if (wordsOf(response) === operation.response) {
    expect(cookieNames(response)).toEqual(undisturbed.cookies)
    return
  }
  expect(wordsOf(response)).toBe('503 unavailable')
  expect(response.headers.get('retry-after')).toBe('5')
  expect(response.setCookies).toEqual([])
  expect(JSON.stringify(response.body)).not.toMatch(/postgres|neon|sql|127\.0|fetch|gateway|timeout/i)
}

function wordsOf({ status, body }: Received): string {
  return [status, ...(body?.code === undefined ? [] : [body.code])].join(' ')
}

/** With the word for a cleared one. */
function cookieNames({ setCookies }: Received): string[] {
  return setCookies.map((text) => `${text.split('=', 1)[0]}${/Max-Age=0;/.test(text) ? ' cleared' : ''}`)
}

const SEATS = 8
let busySeats = 0
const queue: (() => void)[] = []

/**
 * Runs that many at once: more would wait for their hashes and be refused. What is to be finished comes before what is
 * to begin, as a client would come back soon.
 */
async function seated<T>(step: 'begin' | 'finish', work: () => Promise<T>): Promise<T> {
  const wait = (resolve: () => void) => (step === 'finish' ? queue.unshift(resolve) : queue.push(resolve))
  if (busySeats >= SEATS) await new Promise<void>(wait)
  else busySeats += 1
  try {
    return await work()
  } finally {
    const next = queue.shift()
    if (next === undefined) busySeats -= 1
    else next()
  }
}

// --- The state in the database ---

interface State {
  /** Everything that the operations are about. */
  facts: string
  /** What only counts attempts. */
  counters: string
}

/** Maintenance, which runs meanwhile, removes a bucket that is full again. */
const lastingLimits = Object.values(rateLimits).filter(
  ({ windowSeconds, quota }) => windowSeconds / quota > 60,
)

/** Ids, addresses and hashes are replaced by names in the order in which they are met, so that runs compare. */
async function readState(scene: Scene, names: Map<string, string>, requestId: string): Promise<State> {
  const { emails, ip } = scene
  const buckets = [ip, ...emails].flatMap((subject) =>
    [...lastingLimits, { name: 'login-account' }].map(({ name }) =>
      keyedHash('rate-limit', Buffer.from(`${name}\n${subject}`)),
    ),
  )
  const [row] = await query(
    `WITH person AS (SELECT * FROM users WHERE email_normalized = ANY ($1)),
     session AS (SELECT s.* FROM sessions s JOIN person ON person.id = s.user_id)
     SELECT
       (SELECT jsonb_agg(jsonb_build_array(email, password_hash, disabled_at) ORDER BY id) FROM person) AS users,
       (SELECT jsonb_agg(jsonb_build_array(counter, method, recovered_in_a_row, revocation_reason) ORDER BY id)
        FROM session) AS sessions,
       (SELECT jsonb_agg(jsonb_build_array(email, password_hash, consumed_at IS NOT NULL) ORDER BY id)
        FROM registrations WHERE email_normalized = ANY ($1)) AS registrations,
       (SELECT jsonb_agg(jsonb_build_array(t.purpose, t.new_email, t.consumed_at IS NOT NULL) ORDER BY t.id)
        FROM one_time_tokens t JOIN person ON person.id = t.user_id) AS tokens,
       (SELECT jsonb_agg(jsonb_build_array(kind, recipient, token_id IS NOT NULL) ORDER BY kind, recipient)
        FROM outbox WHERE recipient = ANY ($1)) AS emails,
       (SELECT jsonb_agg(kind ORDER BY kind) FROM events WHERE request_id = $2) AS events,
       (SELECT sum(failures)::int FROM login_attempts
        WHERE user_id IN (SELECT id FROM person) OR key = ANY ($3)) AS failures,
       (SELECT sum(code_attempts)::int FROM registrations WHERE email_normalized = ANY ($1)) AS registration_codes,
       (SELECT sum(code_attempts)::int FROM one_time_tokens t JOIN person ON person.id = t.user_id) AS token_codes,
       (SELECT count(*)::int FROM rate_limits WHERE key = ANY ($3)) AS buckets`,
    emails,
    requestId,
    buckets,
  )
  const { failures, registration_codes, token_codes, buckets: bucketCount, ...facts } = row
  const counters = [failures, registration_codes, token_codes, bucketCount]
  return { facts: named(JSON.stringify(facts), names), counters: JSON.stringify(counters) }
}

function named(text: string, names: Map<string, string>): string {
  return text.replaceAll(/[0-9a-f]{12}@example\.org|\$argon2id[^"]*/g, (found) => {
    const name = names.get(found) ?? `${found.startsWith('$') ? 'hash' : 'address'} ${names.size}`
    names.set(found, name)
    return name
  })
}

function nameState(before: State, after: State, done: State): Observation['state'] {
  if (after.facts === before.facts) return after.counters === before.counters ? 'nothing' : 'counted'
  expect(after).toEqual(done)
  return 'done'
}

async function outboxOf({ emails }: Scene) {
  return query('SELECT sent_at, failed_at FROM outbox WHERE recipient = ANY ($1)', emails)
}

function nameEmail(emails: { sent_at: Date | null; failed_at: Date | null }[]): Observation['email'] {
  if (emails.length === 0) return 'none'
  if (emails.some((email) => email.failed_at !== null)) return 'given up'
  return emails.every((email) => email.sent_at !== null) ? 'sent' : 'waiting'
}

// --- All of them ---

function cellsOf(operation: Operation): Cell[] {
  const { roundTrips, isRetried, emails } = operation
  const places: [string, (fault: Fault) => FaultPlan][] = roundTrips.flatMap((name, roundTrip) =>
    (isRetried ? [1, 2] : [1]).map((times): [string, (fault: Fault) => FaultPlan] => [
      times === 1 ? name : `${name}, and its retry`,
      (fault) => ({ kind: 'database', roundTrip, times, fault }),
    ]),
  )
  if (emails) places.push(['record the delivery', (fault) => ({ kind: 'delivery', fault })])
  return [
    ...places.flatMap(([place, planOf]) =>
      Object.entries(databaseFaults).map(([name, fault]) => ({
        operation,
        place,
        fault: name,
        plan: planOf(fault),
      })),
    ),
    ...Object.entries(emails ? emailFaults : {}).map(([name, fault]): Cell => ({
      operation,
      place: EMAIL_PLACE,
      fault: name,
      plan: { kind: 'email', fault },
    })),
  ]
}

const SLOW = new Set(['hang', 'delay', 'delay-request'])
const isSlow = ({ plan }: Cell) => plan.kind !== 'none' && SLOW.has(plan.fault.kind)

/** While one waits for what comes late, others take its seat. The slow ones set out first. */
async function observeAll(): Promise<PromiseSettledResult<Observation>[]> {
  const undisturbed = new Map<Operation, Undisturbed>()
  for (const operation of operations) undisturbed.set(operation, await runUndisturbed(operation))
  const cells = operations.flatMap(cellsOf)
  return Promise.allSettled(
    [...cells.filter(isSlow), ...cells.filter((cell) => !isSlow(cell))].map(async (cell) => {
      const reference = undisturbed.get(cell.operation)
      if (reference === undefined) throw new Error('there is nothing to compare with')
      const begun = await seated('begin', () => begin(cell, reference))
      await begun.over
      return seated('finish', () => begun.finish())
    }),
  )
}

/**
 * Maintenance claims whatever is due, so its runs come one by one, when the others are over. The slow ones have claimed
 * their email before the others begin; but a claim that comes late leaves its email to anyone, and runs by itself.
 */
function maintenanceCells() {
  const cells = cellsOf(maintenance)
  const isByItself = ({ place, fault }: Cell) =>
    place === maintenance.roundTrips[0] && fault === 'request late'
  return {
    first: cells.filter((cell) => isSlow(cell) && !isByItself(cell)),
    last: [...cells.filter((cell) => !isSlow(cell)), ...cells.filter(isByItself)],
  }
}

const CLAIM_MS = 50

async function everything(): Promise<PromiseSettledResult<Observation>[]> {
  // What is put off is put off for long, so that no run takes along another one's email, however slow this machine is.
  await query(`
    CREATE FUNCTION put_off() RETURNS trigger LANGUAGE plpgsql AS
      $$BEGIN NEW.next_attempt_at := NEW.next_attempt_at + interval '1 day'; RETURN NEW; END$$;
    CREATE TRIGGER put_off BEFORE INSERT OR UPDATE ON outbox FOR EACH ROW
      WHEN (NEW.next_attempt_at > now()) EXECUTE FUNCTION put_off()`)

  const undisturbed = await runUndisturbed(maintenance)
  const begun: Begun[] = []
  for (const cell of maintenanceCells().first) {
    begun.push(await begin(cell, undisturbed))
    await sleep(CLAIM_MS)
  }
  const results = await observeAll()
  for (const { finish } of begun) results.push(...(await Promise.allSettled([finish()])))
  for (const cell of maintenanceCells().last) {
    const { finish } = await begin(cell, undisturbed)
    results.push(...(await Promise.allSettled([finish()])))
  }
  return results
}

test(
  'a fault in any round trip of any operation does what docs/faults.md has',
  { timeout: 120_000 },
  async () => {
    const results = await everything()
    expect(
      results.flatMap((result) => (result.status === 'rejected' ? [String(result.reason)] : [])),
    ).toEqual([])
    const observations = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))

    // In the order in which they are listed, not in which they ended.
    const cells = [...operations, maintenance].flatMap(cellsOf)
    const position = (one: Observation | Cell) => `${one.operation.name}, ${one.place}, ${one.fault}`
    const order = new Map(cells.map((cell, index) => [position(cell), index]))
    const placeOf = (observation: Observation) => order.get(position(observation)) ?? -1
    const page = faultsPage(observations.toSorted((one, other) => placeOf(one) - placeOf(other)))
    if (process.env['UPDATE_DOCS'] === '1') await writeFile(PAGE, page)
    expect(page).toBe(await readFile(PAGE, 'utf8'))
  },
)

test('every queued email was delivered once, and what was refused for good never', async () => {
  await query('UPDATE outbox SET next_attempt_at = now() WHERE sent_at IS NULL AND failed_at IS NULL')
  expect((await runMaintenance()).body.emails).toMatchObject({ waiting: 0, failed: 0 })
  const rows = await query('SELECT recipient, provider_id, failed_at IS NULL AS is_expected FROM outbox')
  expect(rows.length).toBeGreaterThan(100)
  const expected = rows.filter((row) => row.is_expected)
  const delivered = (await inbox.messages()).map(({ id, to }) => `${id} ${to.join()}`)
  expect(delivered.toSorted()).toEqual(
    expected.map((row) => `${row.provider_id} ${row.recipient}`).toSorted(),
  )
})
