/**
 * Requests that nobody foresaw, by the thousand, against real processes over HTTP. Whatever is sent: nothing breaks,
 * every refusal is a problem in the table, no secret comes back or reaches the log, and nobody's account, session or link
 * is touched.
 *
 * `FUZZ_REQUESTS`: how many. `FUZZ_SEED` repeats a run. A failure names the seed and the request, shrunk where it fails
 * again by itself.
 */
import { randomBytes, randomInt } from 'node:crypto'
import { once } from 'node:events'
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import * as fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { signingKeys } from '../../lib/crypto/keys.ts'
import { problems } from '../../lib/http/problems.ts'
import { holdAgainstContract, type ReceivedReply } from '../support/contract.ts'
import { query } from '../support/database.ts'
import { insertPeople, stored, type People } from './fuzz-people.ts'
import { fuzzRequests, PASSWORD_MARK, type FuzzRequest } from './fuzz-requests.ts'
import { startHandler, type Handler } from '../support/handler.ts'
import { PASSWORD } from '../support/people.ts'
import { APP_ORIGIN } from '../support/setup-environment.ts'
import { databaseUrl } from '../support/setup-stack.ts'

const REQUESTS = Number(process.env['FUZZ_REQUESTS'] ?? 2_000)
const SEED = Number(process.env['FUZZ_SEED'] ?? randomInt(2 ** 31))
const HANDLERS = 2
const AT_ONCE = 40
/** So often the tables are looked at: a change is found within so many requests. */
const BATCHES_BETWEEN_LOOKS = 25
const REPLY_TIMEOUT_MS = 20_000
const SHRINK_TIME_MS = 30_000
const DEATH_TIME_MS = 500

const STANDARD_HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy':
    "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; object-src 'none'; sandbox",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
}
const NEVER_SENT = ['access-control-allow-origin', 'location', 'server', 'x-powered-by']
const FUNCTION_PATH =
  /^\/api\/auth\/(?:register|verify|login|refresh|logout|reset|sessions|account|keys|maintenance)$/

interface Answered {
  status: number
  headers: IncomingMessage['headers']
  body: string
}

let people: People
let handlers: Handler[]
let requests: fc.Arbitrary<FuzzRequest>
/** Written by the processes since the last look. */
let lines: string[] = []
/** What may be in no response. */
let secret: RegExp
const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE })
const seenStatuses = new Map<string, number>()
let turn = 0

beforeAll(async () => {
  people = await insertPeople()
  requests = fuzzRequests(people)
  const url = await ownDatabaseRole()
  const environment = { DATABASE_URL: url.href, RESEND_API_KEY: `re_${randomBytes(16).toString('hex')}` }
  secret = oneOf([
    ...(await ownSecrets()),
    url.href,
    url.host,
    url.password,
    environment.RESEND_API_KEY,
    PASSWORD_MARK,
    PASSWORD,
    ...secretsOf(people),
  ])
  const onLine = (line: string) => lines.push(line)
  handlers = await Promise.all(
    Array.from({ length: HANDLERS }, () => startHandler({ onLine, logsRequests: true, environment })),
  )
})

afterAll(async () => {
  agent.destroy()
  await Promise.all(handlers.map((handler) => handler.stop()))
})

// --- Secrets ---

/** The usual role's password is the product's name, which is in many answers. */
async function ownDatabaseRole(): Promise<URL> {
  const [role, password] = [`fuzz_${randomBytes(4).toString('hex')}`, randomBytes(16).toString('hex')]
  await query(`CREATE ROLE ${role} LOGIN SUPERUSER PASSWORD '${password}'`)
  const url = new URL(databaseUrl)
  url.username = role
  url.password = password
  return url
}

async function ownSecrets(): Promise<string[]> {
  const keys = (await signingKeys()).map(({ privateKey }) => privateKey.export({ format: 'jwk' }).d ?? '')
  return [...keys, process.env['JWT_SECRET'] ?? '', process.env['CRON_SECRET'] ?? '']
}

function secretsOf({ unnamed, named }: People): string[] {
  const accounts = [...unnamed.accounts, ...named.accounts]
  return [
    ...accounts.flatMap(({ id, email, accessToken, resetToken, emailChangeToken }) => [
      id,
      email,
      accessToken,
      resetToken,
      emailChangeToken,
    ]),
    ...accounts.flatMap(({ sessions }) => sessions.flatMap(({ id, cookie }) => [id, cookie])),
    ...[...unnamed.registrations, ...named.registrations].flatMap(({ email, token, cookie }) => [
      email,
      token,
      cookie,
    ]),
  ]
}

function oneOf(texts: string[]): RegExp {
  if (texts.some((text) => text.length < 8)) throw new Error('a secret is too short to look for')
  return new RegExp(texts.map((text) => text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)).join('|'))
}

/** As long as the shortest token or signature. Nothing else in a response or the log is a word of that length. */
const TOKEN = /[\w-]{60,}/
const ADDRESS = /[\w.+-]+@[\w-]+\.[\w.-]+/

// --- Sending ---

async function send(request: FuzzRequest, requestId: string): Promise<Answered> {
  const { method, path, headers, body, chunked } = request
  const all: [string, string][] = [['host', 'app.latchkey.test'], ...headers]
  if (!headers.some(([name]) => name === 'x-vercel-id')) all.push(['x-vercel-id', requestId])
  if (chunked) all.push(['transfer-encoding', 'chunked'])
  else if (body !== undefined) all.push(['content-length', String(body.length)])
  const sent = httpRequest({
    host: '127.0.0.1',
    port: handlers[turn++ % HANDLERS]?.port,
    path: `/api/auth/${path}`,
    method,
    headers: all.flat(),
    agent,
    timeout: REPLY_TIMEOUT_MS,
  })
  sent.once('timeout', () => sent.destroy(new Error('no response came')))
  sent.end(body)
  const [response]: IncomingMessage[] = await once(sent, 'response')
  if (response === undefined) throw new Error('no response came')
  const bytes = await buffer(response)
  return { status: response.statusCode ?? 0, headers: response.headers, body: bytes.toString() }
}

// --- What holds of every response ---

async function check(request: FuzzRequest): Promise<void> {
  const requestId = `fuzz-${turn}`
  const reply = await send(request, requestId)
  const { pathname } = new URL(`/api/auth/${request.path}`, APP_ORIGIN)
  // Another path is no function of ours.
  if (!FUNCTION_PATH.test(pathname)) {
    expect([400, 404, 405]).toContain(reply.status)
    return
  }
  // No `Request` can have that method, so no function ever sees it.
  if (request.method === 'TRACE') return

  count(`${reply.status}`)
  expectStandardHeaders(reply, pathname)
  if (!request.headers.some(([header]) => header === 'x-vercel-id')) {
    expect(reply.headers['x-request-id']).toBe(requestId)
  }
  if (request.statuses) expect(request.statuses, request.kind).toContain(reply.status)
  holdAgainstContract(request.method, pathname, received(reply))
  if (reply.status >= 400) expectProblem(reply, request.method)
  else expectSuccess(reply, request.method)
  expectNoSecrets(reply)
}

/** In the form that the contract is held against. */
function received({ status, headers, body }: Answered): ReceivedReply {
  const fields = Object.entries(headers).map(([name, value]): [string, string] => [name, String(value)])
  return { status, headers: new Headers(fields), body: body === '' ? undefined : JSON.parse(body) }
}

function count(key: string): void {
  seenStatuses.set(key, (seenStatuses.get(key) ?? 0) + 1)
}

function expectStandardHeaders({ status, headers }: Answered, pathname: string): void {
  for (const [header, value] of Object.entries(STANDARD_HEADERS)) {
    const isCached = header === 'cache-control' && pathname.endsWith('/keys') && status === 200
    expect(headers[header], header).toBe(isCached ? 'public, max-age=300' : value)
  }
  expect(headers['x-request-id']).toMatch(/^[\w:.-]{1,128}$/)
  for (const header of NEVER_SENT) expect(headers[header], header).toBeUndefined()
}

function expectProblem({ status, headers, body }: Answered, method: string): void {
  expect(headers['content-type']).toBe('application/problem+json')
  expect('www-authenticate' in headers).toBe(status === 401)
  expect('allow' in headers).toBe(status === 405)
  expect('retry-after' in headers).toBe(status === 429 || status === 503)
  if ('retry-after' in headers) expect(headers['retry-after']).toMatch(/^[1-9]\d*$/)
  if (method === 'HEAD') {
    expect(body).toBe('')
    return
  }
  const { errors, ...problem } = JSON.parse(body)
  const { code } = problem
  expect(Object.keys(problems)).toContain(code)
  expect(problem).toEqual({
    ...problems[code as keyof typeof problems],
    type: `${APP_ORIGIN}/auth/problems#${code}`,
    code,
  })
  expect(problem.status).toBe(status)
  if (status >= 500) expect(['busy', 'unavailable']).toContain(code)
  count(code)
  expect(errors !== undefined).toBe(status === 422)
  for (const error of errors ?? []) {
    expect(error).toEqual({ pointer: expect.stringMatching(/^#(?:\/[^/ ]*)*$/), detail: expect.any(String) })
  }
}

function expectSuccess({ status, headers, body }: Answered, method: string): void {
  expect([200, 202, 204]).toContain(status)
  if (status === 204) {
    expect([headers['content-type'], body]).toEqual([undefined, ''])
    return
  }
  expect(headers['content-type']).toBe('application/json; charset=utf-8')
  if (method !== 'HEAD') expect(JSON.parse(body)).toBeTypeOf('object')
}

/** A token may be in its cookie, and an access token in the body of the session it belongs to. */
function expectNoSecrets({ status, headers, body }: Answered): void {
  const { 'set-cookie': cookies = [], ...others } = headers
  const attributes = cookies.map((cookie) =>
    cookie.replace(/^(__Host-(?:session|registration|device))=[\w-]*/, '$1='),
  )
  const isSession = status === 200 && body.includes('"accessToken"')
  const text = isSession ? body.replace(/"accessToken":"[\w.-]+"/, '') : body
  for (const part of [...Object.values(others).flat(), ...attributes, text]) {
    expectNone(part, secret, TOKEN)
  }
}

function expectNone(text: string | undefined, ...patterns: RegExp[]): void {
  for (const pattern of patterns) expect(pattern.exec(text ?? '')?.[0], text).toBeUndefined()
}

function expectCleanLog(): void {
  for (const [index, line] of lines.entries()) {
    // Ids are no secrets: nothing opens by one.
    expectNone(line.replaceAll(/"(?:user|session)Id":"[0-9a-f-]{36}"/g, ''), secret, TOKEN, ADDRESS)
    // What is no entry is the end of a process, over some lines.
    expect(() => JSON.parse(line), lines.slice(index, index + 10).join('\n')).not.toThrow()
  }
  for (const event of lines.map((line) => JSON.parse(line).event)) count(`log: ${event}`)
  lines = []
}

// --- The run ---

function described({ kind, method, path, headers, body, chunked }: FuzzRequest): string {
  const text =
    body === undefined
      ? 'no body'
      : `${body.length} bytes ${JSON.stringify(body.toString('latin1').slice(0, 2000))}`
  return `${kind}: ${method} ${path}\n${JSON.stringify(headers)}\n${chunked ? 'chunked, ' : ''}${text}`
}

/** Fails with the request, and with a smaller one where that fails as well. */
async function fail(request: FuzzRequest, error: unknown, seed: number, place: number): Promise<never> {
  const cause = error instanceof Error ? error.message : String(error)
  // A process that died says more than the requests that it left without an answer.
  const deaths = handlers.map(({ ended }) => ended.catch(String))
  const death = await Promise.race([...deaths, sleep(DEATH_TIME_MS)])
  const again = await fc.check(fc.asyncProperty(requests, check), {
    seed,
    path: String(place),
    numRuns: 1,
    interruptAfterTimeLimit: SHRINK_TIME_MS,
  })
  const [smaller] = again.counterexample ?? []
  throw new Error(
    [
      `FUZZ_SEED=${SEED}, in its batch ${seed} number ${place}: ${cause}`,
      ...(typeof death === 'string' ? [death] : []),
      described(request),
      smaller ? `smaller:\n${described(smaller)}` : 'By itself it does not fail again.',
    ].join('\n'),
    { cause: error },
  )
}

async function runBatch(seed: number, size: number): Promise<void> {
  const batch = fc.sample(requests, { seed, numRuns: size })
  const outcomes = await Promise.allSettled(batch.map(check))
  for (const [place, outcome] of outcomes.entries()) {
    const request = batch[place]
    if (outcome.status === 'rejected' && request) await fail(request, outcome.reason, seed, place)
  }
}

async function expectUnchanged(before: Record<string, string>, seed: number): Promise<void> {
  const where = `FUZZ_SEED=${SEED}, changed in the batch ${seed} or up to ${BATCHES_BETWEEN_LOOKS} before it`
  expect(await stored(people), where).toEqual(before)
}

test(
  '[ASVS 2.2.1] [ASVS 2.2.2] [ASVS 8.2.2] [ASVS 15.3.5] [ASVS 16.2.5] [ASVS 16.5.1] whatever is sent, nothing breaks, leaks or changes',
  { timeout: 60_000 + REQUESTS * 20 },
  async () => {
    const before = await stored(people)
    const startedAt = performance.now()
    for (let batch = 0; batch * AT_ONCE < REQUESTS; batch += 1) {
      const seed = SEED + batch
      await runBatch(seed, Math.min(AT_ONCE, REQUESTS - batch * AT_ONCE))
      expectCleanLog()
      if (batch % BATCHES_BETWEEN_LOOKS === 0) await expectUnchanged(before, seed)
    }
    const seconds = (performance.now() - startedAt) / 1000
    for (const { port } of handlers) await fetch(`http://127.0.0.1:${port}/settled`)
    expectCleanLog()
    await expectUnchanged(before, SEED + Math.ceil(REQUESTS / AT_ONCE))

    const counts = [...seenStatuses]
      .toSorted(([, a], [, b]) => b - a)
      .map(([key, times]) => `${key} ${times}`)
    console.log(`${REQUESTS} requests in ${seconds.toFixed(0)} s, FUZZ_SEED=${SEED}: ${counts.join(', ')}`)
    // The requests get as far as they are meant to.
    const statuses = ['200', '202', '204', '400', '401', '403', '404', '405', '413', '415', '422']
    expect(statuses.filter((status) => !seenStatuses.has(status))).toEqual([])
  },
)
