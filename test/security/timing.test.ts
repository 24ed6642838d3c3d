/**
 * No oracle: the responses for a known and for an unknown address have the same status, headers and body, and take
 * equally long.
 *
 * Each scenario asks about a subject and about two unknown addresses, in random order, over and over. The two unknown
 * ones don't differ, so the ranks of their times show the noise of this machine.
 * The subject must not stand out from it.
 */
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { maximum } from '../../lib/limits.ts'
import { query } from '../support/database.ts'
import { startHandler, type Handler } from '../support/handler.ts'
import { newAddress, OTHER_PASSWORD, PASSWORD } from '../support/people.ts'
import { insertAccount, insertOneTimeToken, insertRegistration } from '../races/accounts.ts'
import { compareRanks } from './rank-statistics.ts'
import { APP_ORIGIN } from '../support/setup-environment.ts'
import { inbox } from '../support/setup-stack.ts'

/** Fewer say nothing about time: then only the responses are compared. */
const MIN_ROUNDS_TO_TIME = 100
const ROUNDS = Number(process.env['TIMING_PAIRS'] ?? 3)
const WARM_UP_ROUNDS = Math.floor(ROUNDS / 20)

/** Several times what a response takes: one that waited for its email would stand out in every round. */
const EMAIL_DELAY_MS = 150

/**
 * How many standard errors the subject may be off. By chance 4 are one false alarm in 16,000 scenarios; how far the two
 * unknown ones are apart is added, for what the formula doesn't know about this machine.
 */
const STANDARD_ERRORS = 4

/**
 * Counting a try at a code writes one more row where there is a code: about 0.2 ms here, A 0.54. To tell 0.55 from 0.5
 * with 80 % certainty and 5 % error takes about 200 responses for one address even without a network in between, and an
 * address has ten tries a day. So this one known effect is allowed.
 */
const EFFECT_OF_COUNTED_CODE = 0.05

type Body = Record<string, string>

interface Scenario {
  name: string
  target: string
  method: string
  status: number
  body: (email: string) => Body
  /** How far A may be from 0.5 for a known cause. */
  knownEffect?: number
  /** Makes the address that is asked about, once: an address has a limit of its own. */
  subject: () => Promise<string>
}

async function accountWhere(change: string): Promise<string> {
  const { id, email } = await insertAccount(0)
  await query(`UPDATE users SET ${change} WHERE id = $1`, id)
  return email
}

const known = async () => (await insertAccount(0)).email
const pending = async () => (await insertRegistration(newAddress(), PASSWORD)).email

async function locked(): Promise<string> {
  const { email } = await insertAccount(0)
  await query(
    `INSERT INTO login_attempts (key, user_id, failures, next_attempt_at)
     SELECT sha256(convert_to(E'login-account\\n' || id, 'UTF8')), id, $2, now() FROM users WHERE email = $1`,
    email,
    maximum.lockedAt,
  )
  return email
}

const disabled = () => accountWhere('disabled_at = now()')

async function withResetLink(): Promise<string> {
  const account = await insertAccount(0)
  await insertOneTimeToken(account, 'reset')
  return account.email
}

const withPassword = (email: string): Body => ({ email, password: OTHER_PASSWORD })
const addressOnly = (email: string): Body => ({ email })
const login = { target: 'login', method: 'POST', status: 401, body: withPassword }
const verify = { target: 'verify', method: 'POST', status: 202, body: addressOnly }
const reset = { target: 'reset', method: 'POST', status: 202, body: addressOnly }

/** One in a million is right. */
const code = '000000'

const scenarios: Scenario[] = [
  {
    name: 'register: an account',
    target: 'register',
    method: 'POST',
    status: 202,
    body: withPassword,
    subject: known,
  },
  { name: 'login: an account', ...login, subject: known },
  { name: 'login: a pending registration', ...login, subject: pending },
  { name: 'login: a locked account', ...login, subject: locked },
  { name: 'login: a disabled account', ...login, subject: disabled },
  { name: 'verify: an account', ...verify, subject: known },
  { name: 'verify: a pending registration', ...verify, subject: pending },
  { name: 'reset: an account', ...reset, subject: known },
  { name: 'reset: a disabled account', ...reset, subject: disabled },
  {
    name: 'verify with a wrong code: a pending registration',
    target: 'verify',
    method: 'PUT',
    status: 400,
    body: (email) => ({ email, code }),
    knownEffect: EFFECT_OF_COUNTED_CODE,
    subject: pending,
  },
  {
    name: 'reset with a wrong code: an account with a reset link',
    target: 'reset',
    method: 'PUT',
    status: 400,
    body: (email) => ({ email, code, password: OTHER_PASSWORD }),
    knownEffect: EFFECT_OF_COUNTED_CODE,
    subject: withResetLink,
  },
]

let handler: Handler
/** One connection, as an attacker who measures would keep it. */
const agent = new Agent({ keepAlive: true, maxSockets: 1 })

beforeAll(async () => {
  handler = await startHandler()
  inbox.fault = () => ({ kind: 'delay', milliseconds: EMAIL_DELAY_MS })
})

afterAll(async () => {
  agent.destroy()
  await handler.stop()
})

interface TimedResponse {
  elapsedMs: number
  /** Status, headers and body, with what is random replaced by its length. */
  shape: string
}

async function ask({ target, method, body }: Scenario, email: string): Promise<TimedResponse> {
  const bytes = Buffer.from(JSON.stringify(body(email)))
  const headers = {
    'content-type': 'application/json',
    'content-length': bytes.length,
    'sec-fetch-site': 'same-origin',
    origin: APP_ORIGIN,
    'x-real-ip': `10.${randomInt(256)}.${randomInt(256)}.${randomInt(1, 255)}`,
  }
  const path = `/api/auth/${target}`
  const sent = httpRequest({ host: '127.0.0.1', port: handler.port, path, method, headers, agent })
  const startedAt = performance.now()
  sent.end(bytes)
  const [response]: IncomingMessage[] = await once(sent, 'response')
  const elapsedMs = performance.now() - startedAt
  if (response === undefined) throw new Error('no response')
  const { statusCode, rawHeaders } = response
  const shape = [statusCode, ...rawHeaders.map(withoutChance), await text(response)].join('\n')
  return { elapsedMs, shape }
}

function withoutChance(header: string): string {
  return header
    .replace(/^\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT$/, '(date)')
    .replaceAll(/[\w-]{36,}/g, (random) => `(${random.length} characters)`)
}

/** Waits until the emails are delivered and recorded, so that no response waits behind another one's email. */
async function settled(): Promise<void> {
  await fetch(`http://127.0.0.1:${handler.port}/settled`)
}

const GROUPS = ['subject', 'unknown', 'other unknown'] as const
type Group = (typeof GROUPS)[number]

function shuffled<Item>(items: readonly Item[]): Item[] {
  return items
    .map((item) => ({ item, place: randomInt(2 ** 32) }))
    .toSorted((a, b) => a.place - b.place)
    .map(({ item }) => item)
}

interface Measured {
  times: Record<Group, number[]>
  shapes: Record<Group, Set<string>>
}

async function measure(scenario: Scenario): Promise<Measured> {
  const rounds = ROUNDS + WARM_UP_ROUNDS
  const subjects: string[] = []
  for (let round = 0; round < rounds; round += 1) subjects.push(await scenario.subject())
  // As a database that has had its accounts for a while.
  await query('VACUUM (ANALYZE)')

  const times: Measured['times'] = { subject: [], unknown: [], 'other unknown': [] }
  const shapes: Measured['shapes'] = { subject: new Set(), unknown: new Set(), 'other unknown': new Set() }
  for (const [round, subject] of subjects.entries()) {
    for (const group of shuffled(GROUPS)) {
      const { elapsedMs, shape } = await ask(scenario, group === 'subject' ? subject : newAddress())
      shapes[group].add(shape)
      if (round >= WARM_UP_ROUNDS) times[group].push(elapsedMs)
      await settled()
    }
  }
  return { times, shapes }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}

describe('[ASVS 6.3.8] what a response gives away about an address', () => {
  test.each(scenarios)(
    '$name and an unknown address: the same response, equally soon',
    { timeout: 30_000 + ROUNDS * 3_000 },
    async (scenario) => {
      const { times, shapes } = await measure(scenario)
      const [shape = '', ...others] = new Set(GROUPS.flatMap((group) => [...shapes[group]]))
      expect(shape.split('\n', 1)).toEqual([String(scenario.status)])
      expect(others).toEqual([])
      if (ROUNDS < MIN_ROUNDS_TO_TIME) return

      const unknown = [...times.unknown, ...times['other unknown']]
      const subject = compareRanks(times.subject, unknown)
      const noise = compareRanks(times.unknown, times['other unknown'])
      const { knownEffect = 0 } = scenario
      const bound = knownEffect + Math.abs(noise.effect - 0.5) + STANDARD_ERRORS * subject.standardError
      const figures = [
        `${ROUNDS} rounds, U ${subject.u}, A ${subject.effect.toFixed(3)} ± ${subject.standardError.toFixed(3)}`,
        `unknown against unknown ${noise.effect.toFixed(3)} ± ${noise.standardError.toFixed(3)}`,
        `bound ${bound.toFixed(3)}`,
        `medians ${median(times.subject).toFixed(2)} and ${median(unknown).toFixed(2)} ms`,
      ]
      console.log(`${scenario.name}: ${figures.join('; ')}`)
      expect(Math.abs(subject.effect - 0.5), figures.join('; ')).toBeLessThan(bound)
    },
  )
})
