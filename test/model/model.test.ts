/**
 * The session engine against a model: random sequences of what people, thieves and time do, one by one and at once.
 * After each step the responses and all rows must be what the model's rules (model-rules.ts) make of it; for what was
 * done at once, what they make of it in some order.
 *
 * `MODEL_RUNS` is the number of sequences. A failure prints the line that replays it; what was done at once may go well
 * on the next try.
 */
import * as fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import { hashPassword } from '../../lib/crypto/passwords.ts'
import {
  ACCOUNT_NAMES,
  actionText,
  PASSWORDS,
  ready,
  senderOf,
  type Action,
  type Ready,
  type Which,
} from './actions.ts'
import { account, action, concurrent, DAY, pause, repeated, timing, which, type Timing } from './draws.ts'
import {
  decideAlone,
  doneText,
  explanations,
  issuesAlone,
  tokenText,
  type Done,
  type Observed,
  type Rule,
} from './explain.ts'
import { listSessions, read } from './rules.ts'
import { readRows, rowIssues, type Rows } from './rows.ts'
import {
  age,
  fillUp,
  newStage,
  observed,
  observedByGuard,
  register,
  shownBy,
  tick,
  type Stage,
} from './stage.ts'
import { boundaries, isLive, letIn, sessionOf, shownKey, SLACK_SECONDS, type World } from './world.ts'
import { gateway, inbox } from '../support/setup-stack.ts'

const RUNS = Number(process.env['MODEL_RUNS'] ?? 300)
const MOST_COMMANDS = 12
/** Ten times what a sequence takes on two idle cores. */
const MILLISECONDS_PER_SEQUENCE = 1000
/** Left for a failure to be made small and printed. */
const MILLISECONDS_TO_SHRINK = 60_000

/** The second call of what takes two, when the hash is done. */
const SECOND_CALL = /\b(?:finish_login|change_password|reset_password)\b/

function isSecondCall(statement: string, body: string): boolean {
  if (SECOND_CALL.test(statement)) return true
  if (!statement.includes('consume_registration')) return false
  const [, , verified] = JSON.parse(body).params
  return String(verified) === 'true'
}

async function send(readied: readonly Ready[], when: Timing): Promise<Done[]> {
  const change = Promise.withResolvers<void>()
  gateway.fault = ({ statements: [statement = ''], body }) => {
    if (when !== 'at once' && isSecondCall(statement, body)) setTimeout(change.resolve, when)
    return undefined
  }
  const sent = readied.map(async ({ label, rule, hashes, send: sendNow }): Promise<Done> => {
    if (when !== 'at once' && !hashes) await change.promise
    return { label, rule, observed: await sendNow() }
  })
  // A wrong password comes to no second call.
  void Promise.allSettled(sent.filter((_, index) => readied[index]?.hashes)).then(() => change.resolve())
  const done = await Promise.all(sent)
  gateway.fault = undefined
  return done
}

/** Does all of these; throws when no order of them explains what came of it. */
async function perform(stage: Stage, actions: readonly Action[], when: Timing = 'at once'): Promise<void> {
  tick(stage)
  await keepClear(stage)
  const fresh = new Set<string>()
  const readied: Ready[] = []
  for (const one of actions) readied.push(await ready(stage, one, fresh))

  const { world: before } = stage
  const shownBefore = stage.actors.map(({ browser }) => shownBy(stage, browser))
  const done = await send(readied, when)
  stage.world = explain(before, done, await readRows())
  count(before, stage.world)
  for (const actor of stage.actors) {
    const session = sessionOf(stage.world, shownKey(shownBy(stage, actor.browser)) ?? '')
    if (session !== undefined) actor.held = { key: session.key, sessionId: session.id }
  }
  await lookIn(stage, done)

  expectSameForSame(readied, done)
  for (const [index, actor] of stage.actors.entries()) {
    const shown = shownBefore[index]
    if (shown === undefined || readied.some((one) => one.actor === actor && !one.keepsSession)) continue
    const was = letIn(before, shown)
    if (was.kind === 'refused' || !isLiveStill(stage.world, was.session.key)) continue
    if (letIn(stage.world, shownBy(stage, actor.browser)).kind === 'refused') {
      throw new Error(`${doneText(done)}\nbrowser ${index} lost a session that nobody revoked`)
    }
  }
}

function isLiveStill(world: World, key: string): boolean {
  const session = sessionOf(world, key)
  return session !== undefined && isLive(world, session)
}

function explain(before: World, done: readonly Done[], rows: Rows): World {
  let closest: string[] | undefined
  for (const world of explanations(before, done)) {
    const issues = rowIssues(world, rows)
    if (issues.length === 0) {
      // What was opened at once has its order from the rows.
      const order = rows.sessions.map(({ key }) => key)
      const sessions = world.sessions.toSorted((a, b) => order.indexOf(a.key) - order.indexOf(b.key))
      return { ...world, sessions }
    }
    if (closest === undefined || issues.length < closest.length) closest = issues
  }
  const [first, ...others] = done
  const reason =
    closest !== undefined
      ? `The responses are right, the rows are not: ${closest.join('; ')}`
      : first !== undefined && others.length === 0
        ? `The response is wrong: ${issuesAlone(before, first)}`
        : 'No order explains the responses.'
  throw new Error(`${liveText(before)}\nthen\n${doneText(done)}\n${reason}`)
}

const MOST_LINES = 8

function liveText(world: World): string {
  const lines = world.sessions
    .filter((session) => isLive(world, session))
    .map(({ key, counter, confirmed, recoveredInARow, owner, rotatedAt, idleExpiresAt, lastClient }) => {
      const name = ACCOUNT_NAMES[world.accounts.findIndex(({ email }) => email === owner)]
      const [ago, rest] = [world.now - rotatedAt, idleExpiresAt - world.now].map(Math.round)
      const state = `${confirmed ? '' : 'un'}confirmed, ${recoveredInARow} recovered`
      const rotated = `rotated ${ago} s ago by ${lastClient}`
      return `  ${name}: ${tokenText({ key, counter })}, ${state}, ${rotated}, ${rest} s left`
    })
  const left = lines.splice(MOST_LINES).length
  return ['live were', ...lines, ...(left > 0 ? [`  and ${left} more`] : [])].join('\n')
}

/** Whoever presents the same token at once gets one and the same token, or none. */
function expectSameForSame(readied: readonly Ready[], done: readonly Done[]): void {
  const given = new Map<string, number>()
  for (const [index, { observed: seen }] of done.entries()) {
    const shown = readied[index]?.shown
    if (shown?.kind !== 'refresh-token' || seen.token?.key !== shown.token.key) continue
    const { counter } = seen.token
    if ((given.get(tokenText(shown.token)) ?? counter) !== counter) {
      throw new Error(`two successors of one token\n${doneText(done)}`)
    }
    given.set(tokenText(shown.token), counter)
  }
}

/** Lets a few seconds more go by when a limit is so near that the real time of a step could cross it. */
async function keepClear(stage: Stage): Promise<void> {
  while (boundaries(stage.world).some((at) => Math.abs(at - stage.world.now) <= SLACK_SECONDS)) {
    await age(stage, 2 * SLACK_SECONDS + 1)
  }
}

/** Every browser uses every way in from time to time. */
const WAYS = [
  { as: 'browser', look: 'guard' },
  { as: 'browser', look: 'sessions' },
  { as: 'bearer', look: 'account' },
  { as: 'bearer', look: 'sessions' },
] as const
const STEPS_BETWEEN_LOOKS = 3

/** Now and then looks in by one browser's cookie or access token, as an app's function and its pages do. */
async function lookIn(stage: Stage, after: readonly Done[]): Promise<void> {
  stage.steps += 1
  if (stage.steps % STEPS_BETWEEN_LOOKS !== 0) return
  const round = stage.steps / STEPS_BETWEEN_LOOKS
  const of = (round % stage.actors.length) as Which
  const { as, look } = WAYS[round % WAYS.length] ?? WAYS[0]
  const { browser, shown, headers } = senderOf(stage, { as, of })
  const rule: Rule = look === 'sessions' ? listSessions(shown) : read(shown)
  const seen: Observed =
    look === 'guard'
      ? await observedByGuard(stage, browser)
      : observed(stage, await browser.send(look, 'GET', undefined, headers))
  const issues = issuesAlone(stage.world, { label: '', rule, observed: seen })
  if (issues !== '') {
    throw new Error(`${doneText(after)}\nafterwards, ${look} by the ${as} of browser ${of}: ${issues}`)
  }
  stage.world = decideAlone(stage.world, rule, seen).world
}

// --- How often the rare things happened: a model that never comes to them proves nothing of them ---

const occurred = new Map<string, number>()

function count(before: World, after: World): void {
  for (const event of after.events.slice(before.events.length)) {
    const [kind = '', , reason = ''] = event.split(' ')
    const name = kind === 'session-revoked' ? `${kind}: ${reason}` : kind
    occurred.set(name, (occurred.get(name) ?? 0) + 1)
  }
}

// --- The sequences ---

type Command = fc.AsyncCommand<object, Stage>

function command(text: string, run: (stage: Stage) => Promise<void>): Command {
  // Each on its own line, so that a failure reads as a list.
  return { check: () => true, run: (_, stage) => run(stage), toString: () => `\n  - ${text}` }
}

const pauseText = (seconds: number) => (seconds === 0 ? '' : `${seconds} s later: `)

const step = fc.tuple(pause, action).map(([seconds, one]) =>
  command(pauseText(seconds) + actionText(one), async (stage) => {
    await age(stage, seconds)
    await perform(stage, [one])
  }),
)
const timingText = (when: Timing) => (when === 'at once' ? when : `colliding after ${when} ms`)
const burst = fc.tuple(pause, concurrent, timing).map(([seconds, actions, when]) =>
  command(
    `${pauseText(seconds)}${timingText(when)} { ${actions.map(actionText).join(' | ')} }`,
    async (stage) => {
      await age(stage, seconds)
      await perform(stage, actions, when)
    },
  ),
)
const livingThrough = fc.tuple(which, fc.integer({ min: 1, max: 5 })).map(([of, rounds]) =>
  command(`${rounds} times: 6 days later: refresh by browser ${of}`, async (stage) => {
    for (let round = 0; round < rounds; round += 1) {
      await age(stage, 6 * DAY)
      await perform(stage, [{ do: 'refresh', by: { as: 'browser', of }, lost: false }])
    }
  }),
)
const losingResponses = fc.tuple(which, fc.integer({ min: 2, max: 4 })).map(([of, rounds]) =>
  command(
    `${rounds} times: 34 s later: refresh by browser ${of}, response lost; 34 s later again`,
    async (stage) => {
      for (let round = 0; round < rounds; round += 1) {
        for (const lost of [true, false]) {
          await age(stage, 34)
          await perform(stage, [{ do: 'refresh', by: { as: 'browser', of }, lost }])
        }
      }
    },
  ),
)
const fillingUp = fc.tuple(account, fc.integer({ min: 1, max: 2 })).map(([index, times]) =>
  command(`fill up ${ACCOUNT_NAMES[index]}'s sessions, then ${times} more logins at once`, async (stage) => {
    await fillUp(stage, stage.world.accounts[index]?.email ?? '')
    const one: Action = { do: 'login', of: undefined, account: index, right: true, remember: true }
    await perform(stage, repeated(one, times))
  }),
)
const registering = account.map((index) =>
  command(`register ${ACCOUNT_NAMES[index]}'s address, and open the link`, async (stage) => {
    const link = await register(stage, stage.world.accounts[index]?.email ?? '', PASSWORDS[2])
    const opening: Action = { do: 'verify', of: undefined, account: index, remember: true, again: true }
    await perform(stage, link === undefined ? [] : [opening])
  }),
)

const sequences = fc.commands(
  [
    fc.oneof(
      { weight: 24, arbitrary: step },
      { weight: 11, arbitrary: burst },
      { weight: 2, arbitrary: livingThrough },
      { weight: 2, arbitrary: losingResponses },
      { weight: 1, arbitrary: fillingUp },
      { weight: 1, arbitrary: registering },
    ),
  ],
  {
    maxCommands: MOST_COMMANDS,
    size: 'max',
    ...(process.env['MODEL_REPLAY'] !== undefined && { replayPath: process.env['MODEL_REPLAY'] }),
  },
)

const RARE = [
  'session-recovered',
  'refresh-refused',
  'refresh-token-reused',
  ...['logout', 'superseded', 'session-limit', 'reset', 'password-change', 'revoked-by-user'].map(
    (reason) => `session-revoked: ${reason}`,
  ),
]

test(
  `${RUNS} sequences: responses and rows are what the rules make of them`,
  async () => {
    // A line for each request, tens of thousands of them, would cost more than the requests.
    for (const level of ['info', 'warn', 'error'] as const) {
      vi.spyOn(console, level).mockImplementation(() => {})
    }
    const passwordHashes = new Map<string, string>()
    for (const password of PASSWORDS) passwordHashes.set(password, await hashPassword(password))
    const property = fc.asyncProperty(sequences, async (commands) => {
      // Neither the inbox nor the gateway needs to remember what is over.
      inbox.clear()
      gateway.requests.length = 0
      const stage = await newStage(passwordHashes)
      await fc.asyncModelRun(() => ({ model: {}, real: stage }), commands)
      // Whoever did nothing wrong and was not signed out can still refresh.
      await perform(
        stage,
        ([0, 1, 2] as const).map((of) => ({ do: 'refresh', by: { as: 'browser', of }, lost: false })),
      )
    })
    const { MODEL_SEED: seed, MODEL_PATH: path } = process.env
    const details = await fc.check(property, {
      numRuns: RUNS,
      ...(seed !== undefined && { seed: Number(seed) }),
      ...(path !== undefined && { path }),
      interruptAfterTimeLimit: MILLISECONDS_TO_SHRINK + RUNS * MILLISECONDS_PER_SEQUENCE,
      markInterruptAsFailure: true,
    })
    expect(details.failed, details.failed ? report(details) : '').toBe(false)
    const isLong = seed === undefined && RUNS >= 100
    expect(isLong ? RARE.filter((name) => !occurred.has(name)) : [], 'what never happened').toEqual([])
    console.log(`${RUNS} sequences: ${JSON.stringify(Object.fromEntries([...occurred].toSorted()))}`)
  },
  2 * MILLISECONDS_TO_SHRINK + RUNS * MILLISECONDS_PER_SEQUENCE,
)

function report(details: fc.RunDetails<[Iterable<Command>]>): string {
  const { counterexample, counterexamplePath, errorInstance, numRuns, numShrinks, seed } = details
  if (counterexample === null) return `${numRuns} of ${RUNS} sequences were run when the time was over`
  const text = fc.stringify(counterexample[0])
  const replayPath = /replayPath="([^"]*)"/.exec(text)?.[1] ?? ''
  const replay = `MODEL_SEED=${seed} MODEL_PATH=${counterexamplePath} MODEL_REPLAY=${replayPath}`
  return [
    `sequence ${numRuns} failed, made smaller ${numShrinks} times:`,
    text.replace(/\/\*replayPath.*\*\//, '').trimEnd(),
    errorInstance instanceof Error ? errorInstance.message : String(errorInstance),
    `again: ${replay} npx vitest run --project endpoints test/model.test`,
  ].join('\n')
}
