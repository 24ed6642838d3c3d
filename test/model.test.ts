/**
 * The session engine against a model: random sequences of what people, thieves and time do, one by one and at once. After
 * each step the answers and all rows must be what the model's rules (model-world.ts) make of it; for what was done at once,
 * what they make of it in some order.
 *
 * `MODEL_RUNS` is the number of sequences. A failure prints the line that replays it; what was done at once may go well on
 * the next try.
 */
import * as fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import { hashPassword } from '../lib/passwords.ts'
import type { Browser, EndpointName } from './browser.ts'
import { newBrowser } from './browser.ts'
import {
  age,
  askForReset,
  browserWith,
  browserWithForged,
  fillUp,
  newNetwork,
  newStage,
  observed,
  observedByGuard,
  readRows,
  registerAnew,
  rowFaults,
  shownBy,
  tick,
  type Actor,
  type ResetLink,
  type Rows,
  type Stage,
} from './model-stage.ts'
import {
  accountOf,
  answerFaults,
  ask,
  boundaries,
  changePassword,
  deleteAccount,
  endDevices,
  explanations,
  familyOf,
  isLive,
  letIn,
  listDevices,
  login,
  logout,
  pressResetLink,
  refresh,
  SLACK_SECONDS,
  tokenText,
  type Done,
  type Observed,
  type Rule,
  type Shown,
  type World,
} from './model-world.ts'
import { gateway, inbox } from './setup-stack.ts'

const RUNS = Number(process.env['MODEL_RUNS'] ?? 300)
const MOST_COMMANDS = 12
/** Ten times what a sequence takes on two idle cores. */
const MILLISECONDS_PER_SEQUENCE = 1000
/** Left for a failure to be made small and told. */
const MILLISECONDS_TO_SHRINK = 60_000

const PASSWORDS = [
  'violet teapots orbit the moon',
  'seven slow herons cross a weir',
  'the ladder hums in copper rain',
] as const
const WRONG_PASSWORD = 'nobody ever chose these words'

function passwordAfter(password: string, steps: number): string {
  const index = PASSWORDS.findIndex((one) => one === password)
  return PASSWORDS[(index + steps) % PASSWORDS.length] ?? PASSWORDS[0]
}

// What is done, as plain values: they are drawn at random, made smaller, and printed.

type Which = 0 | 1 | 2
const ACCOUNT_NAMES = ['Ada', 'Bob'] as const
type AccountIndex = 0 | 1

/** Which token of a family a copy is, counted back from the current one. */
const COPIES = ['current', 'before', 'older', 'first', 'not yet reached'] as const

type Presenter =
  | { as: 'browser'; of: Which }
  | { as: 'copy'; of: Which; copy: (typeof COPIES)[number] }
  | { as: 'bearer'; of: Which }

type Deed =
  | { do: 'refresh' | 'read the account' | 'end the other devices'; by: Presenter }
  | { do: 'refresh forged'; of: Which }
  /** Of none: on a new device. */
  | { do: 'login'; of: Which | undefined; account: AccountIndex; right: boolean }
  | { do: 'logout'; by: Presenter; everywhere: boolean }
  | { do: 'change the password' | 'delete the account'; by: Presenter; right: boolean }
  /** By a link that was just mailed, or by the one before it again. */
  | { do: 'reset'; account: AccountIndex; again: boolean }
  | { do: 'end the device'; by: Presenter; device: Which }

function presenterText(presenter: Presenter): string {
  if (presenter.as === 'browser') return `browser ${presenter.of}`
  if (presenter.as === 'bearer') return `the access token of browser ${presenter.of}`
  return `a copy of browser ${presenter.of}'s token (${presenter.copy})`
}

function deedText(deed: Deed): string {
  const wrongly = 'right' in deed && !deed.right ? ', wrong password' : ''
  switch (deed.do) {
    case 'refresh forged':
      return `refresh by a forgery of browser ${deed.of}'s token`
    case 'login':
      return `login as ${ACCOUNT_NAMES[deed.account]} ${deed.of === undefined ? 'on a new device' : `in browser ${deed.of}`}${wrongly}`
    case 'logout':
      return `logout${deed.everywhere ? ' everywhere' : ''} by ${presenterText(deed.by)}`
    case 'reset':
      return `press ${ACCOUNT_NAMES[deed.account]}'s ${deed.again ? 'last' : 'new'} reset link`
    case 'end the device':
      return `end the device of browser ${deed.device} by ${presenterText(deed.by)}`
    case 'refresh':
    case 'read the account':
    case 'end the other devices':
    case 'change the password':
    case 'delete the account':
      return `${deed.do} by ${presenterText(deed.by)}${wrongly}`
  }
}

// How it is done for real.

/** A browser about to send something. */
interface Hand {
  browser: Browser
  /** Undefined for a stranger's browser, whose cookies are of no more interest. */
  actor: Actor | undefined
  shown: Shown
  headers: Record<string, string>
}

function handOf(stage: Stage, by: Presenter): Hand {
  const actor = stage.actors[by.of]
  const { held, access, browser } = actor
  const stranger = newBrowser()
  if (by.as === 'copy' && held !== undefined) {
    const token = { key: held.key, generation: copiedGeneration(stage.world, held.key, by.copy) }
    return {
      browser: browserWith(stage, token),
      actor: undefined,
      shown: { kind: 'refresh-token', token },
      headers: {},
    }
  }
  if (by.as === 'bearer' && access !== undefined) {
    const shown: Shown = { kind: 'access-token', key: access.key }
    return { browser: stranger, actor: undefined, shown, headers: { authorization: `Bearer ${access.text}` } }
  }
  return { browser, actor, shown: shownBy(stage, browser), headers: {} }
}

function newDevice(): Hand {
  return { browser: newBrowser(), actor: undefined, shown: { kind: 'nothing' }, headers: {} }
}

function copiedGeneration(world: World, key: string, copy: (typeof COPIES)[number]): number {
  const current = familyOf(world, key)?.generation ?? 0
  switch (copy) {
    case 'current':
      return current
    case 'before':
      return Math.max(0, current - 1)
    case 'older':
      return Math.max(0, current - 2)
    case 'first':
      return 0
    case 'not yet reached':
      return current + 1
  }
}

/** A deed with its rule, ready to be sent at the same moment as others. */
interface Ready {
  label: string
  rule: Rule
  actor: Actor | undefined
  /** True when it asks and never ends or replaces its own session. */
  keepsSession: boolean
  /** True when a hash comes first, so that the change itself is late. */
  hashes: boolean
  send: () => Promise<Observed>
}

const HASHING: ReadonlySet<Deed['do']> = new Set([
  'login',
  'change the password',
  'delete the account',
  'reset',
])

async function ready(stage: Stage, deed: Deed, newLinks: Map<string, ResetLink>): Promise<Ready> {
  const { world } = stage
  const label = deedText(deed)
  const emailOf = (account: AccountIndex) => world.accounts[account]?.email ?? ''

  function sending(
    { browser, actor, headers }: Omit<Hand, 'shown'>,
    rule: Rule,
    ...[endpoint, method, body]: [EndpointName | `${EndpointName}?${string}`, string, unknown?]
  ): Ready {
    // Those of now: what is sent a little later than others must not have learnt from their answers.
    const cookie = [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    return {
      label,
      rule,
      actor,
      keepsSession: deed.do === 'refresh' || method === 'GET',
      hashes: HASHING.has(deed.do),
      async send() {
        const answer = await browser.send(endpoint, method, body, {
          'x-real-ip': newNetwork(),
          cookie,
          ...headers,
        })
        const seen = observed(stage, answer)
        if (actor !== undefined && seen.token !== undefined && typeof answer.body?.accessToken === 'string') {
          actor.access = { key: seen.token.key, text: answer.body.accessToken }
        }
        return seen
      },
    }
  }

  if (deed.do === 'reset') {
    const email = emailOf(deed.account)
    // Two who press at once press the same link: a second one would have voided the first.
    let link = (deed.again ? stage.resetLinks : newLinks).get(email)
    if (link === undefined) {
      link = await askForReset(stage, email)
      newLinks.set(email, link)
      stage.resetLinks.set(email, link)
    }
    const { id, token } = link
    const password = passwordAfter(accountOf(world, email).password, 2)
    return sending(newDevice(), pressResetLink(email, id, password), 'reset', 'PUT', { token, password })
  }
  if (deed.do === 'refresh forged') {
    const { held } = stage.actors[deed.of]
    const browser =
      held === undefined ? newBrowser() : browserWithForged(stage, { key: held.key, generation: 0 })
    const shown: Shown = { kind: held === undefined ? 'nothing' : 'garbage' }
    return sending({ browser, actor: undefined, headers: {} }, refresh(shown), 'refresh', 'POST', {})
  }
  if (deed.do === 'login') {
    const email = emailOf(deed.account)
    const password = deed.right ? accountOf(world, email).password : WRONG_PASSWORD
    const hand = deed.of === undefined ? newDevice() : handOf(stage, { as: 'browser', of: deed.of })
    return sending(hand, login(email, password, hand.shown), 'login', 'POST', { email, password })
  }

  const hand = handOf(stage, deed.by)
  const { shown } = hand
  const token =
    shown.kind === 'refresh-token' ? shown.token.key : shown.kind === 'access-token' ? shown.key : ''
  const owner = familyOf(world, token)?.owner ?? emailOf(0)
  const known = accountOf(world, owner).password
  const currentPassword = 'right' in deed && !deed.right ? WRONG_PASSWORD : known
  switch (deed.do) {
    case 'refresh':
      return sending(hand, refresh(shown), 'refresh', 'POST', {})
    case 'read the account':
      return sending(hand, ask(shown), 'account', 'GET')
    case 'logout':
      return sending(hand, logout(shown, deed.everywhere), 'logout', 'POST', { everywhere: deed.everywhere })
    case 'end the other devices':
      return sending(hand, endDevices(shown, 'others'), 'sessions?others=true', 'DELETE')
    case 'end the device': {
      const sessionId = stage.actors[deed.device].held?.sessionId ?? crypto.randomUUID()
      return sending(hand, endDevices(shown, { sessionId }), `sessions?id=${sessionId}`, 'DELETE')
    }
    case 'change the password': {
      const newPassword = passwordAfter(known, 1)
      const rule = changePassword(shown, currentPassword, newPassword)
      return sending(hand, rule, 'account', 'PATCH', { currentPassword, newPassword })
    }
    case 'delete the account':
      return sending(hand, deleteAccount(shown, currentPassword), 'account', 'DELETE', { currentPassword })
  }
}

/**
 * All at once; or the quick ones so many milliseconds after the first of the slow ones, its hash done, has begun to make its
 * change.
 */
type Timing = 'at once' | number

async function send(readied: readonly Ready[], timing: Timing): Promise<Done[]> {
  const change = Promise.withResolvers<void>()
  // Only what a hash goes before is a transaction of several statements.
  gateway.fault = ({ statements }) => {
    if (statements.length > 1 && timing !== 'at once') setTimeout(change.resolve, timing)
    return undefined
  }
  const sent = readied.map(async ({ label, rule, hashes, send: sendNow }): Promise<Done> => {
    if (timing !== 'at once' && !hashes) await change.promise
    return { label, rule, observed: await sendNow() }
  })
  // A wrong password comes to no change.
  void Promise.allSettled(sent.filter((_, index) => readied[index]?.hashes)).then(() => change.resolve())
  const done = await Promise.all(sent)
  gateway.fault = undefined
  return done
}

/** Does all of these; throws when no order of them explains what came of it. */
async function act(stage: Stage, deeds: readonly Deed[], timing: Timing = 'at once'): Promise<void> {
  tick(stage)
  await keepClear(stage)
  const newLinks = new Map<string, ResetLink>()
  const readied: Ready[] = []
  for (const deed of deeds) readied.push(await ready(stage, deed, newLinks))

  const { world: before } = stage
  const shownBefore = stage.actors.map(({ browser }) => shownBy(stage, browser))
  const done = await send(readied, timing)
  const [rows, look] = await Promise.all([readRows(), lookIn(stage)])
  stage.world = explain(before, done, rows)
  for (const actor of stage.actors) {
    const shown = shownBy(stage, actor.browser)
    const family = shown.kind === 'refresh-token' ? familyOf(stage.world, shown.token.key) : undefined
    if (family !== undefined) actor.held = { key: family.key, sessionId: family.sessionId }
  }

  expectOneSuccessor(done)
  const faults = look === undefined ? '' : loneFaults(stage.world, look.rule, look.observed)
  if (faults !== '') throw new Error(`${doneText(done)}\nafterwards, ${look?.label}: ${faults}`)
  for (const [index, actor] of stage.actors.entries()) {
    const shown = shownBefore[index]
    if (shown === undefined || readied.some((one) => one.actor === actor && !one.keepsSession)) continue
    const family = letIn(before, shown)
    if (family === undefined || !isLiveStill(stage.world, family.key)) continue
    if (letIn(stage.world, shownBy(stage, actor.browser)) === undefined) {
      throw new Error(`${doneText(done)}\nbrowser ${index} lost a session that nobody ended`)
    }
  }
}

function isLiveStill(world: World, key: string): boolean {
  const family = familyOf(world, key)
  return family !== undefined && isLive(world, family)
}

function explain(before: World, done: readonly Done[], rows: Rows): World {
  let closest: string[] | undefined
  for (const world of explanations(before, done)) {
    const faults = rowFaults(world, rows)
    if (faults.length === 0) {
      // What was opened at once has its order from the rows.
      const order = rows.sessions.map(({ key }) => key)
      const families = world.families.toSorted((a, b) => order.indexOf(a.key) - order.indexOf(b.key))
      return { ...world, families }
    }
    if (closest === undefined || faults.length < closest.length) closest = faults
  }
  const [first, ...others] = done
  const reason =
    closest !== undefined
      ? `The answers are right, the rows are not: ${closest.join('; ')}`
      : first !== undefined && others.length === 0
        ? `The answer is wrong: ${loneFaults(before, first.rule, first.observed)}`
        : 'No order explains the answers.'
  throw new Error(`${liveText(before)}\nthen\n${doneText(done)}\n${reason}`)
}

const MOST_LINES = 8

function liveText(world: World): string {
  const lines = world.families
    .filter((family) => isLive(world, family))
    .map(({ key, generation, owner, turnedAt, expiresAt }) => {
      const name = ACCOUNT_NAMES[world.accounts.findIndex(({ email }) => email === owner)]
      const [ago, rest] = [world.now - turnedAt, expiresAt - world.now].map(Math.round)
      return `  ${name}: ${tokenText({ key, generation })}, turned ${ago} s ago, ${rest} s left`
    })
  const left = lines.splice(MOST_LINES).length
  return ['live were', ...lines, ...(left > 0 ? [`  and ${left} more`] : [])].join('\n')
}

/** What is wrong with an answer to what was done alone. */
function loneFaults(before: World, rule: Rule, seen: Observed): string {
  const decide = rule.kind === 'at-once' ? rule.decide : rule.look(before)
  return answerFaults(decide(before, seen).expected, seen).join('; ')
}

function doneText(done: readonly Done[]): string {
  return done
    .map(({ label, observed: { result, cookies, token, maxAge } }) => {
      const given = token === undefined ? '' : `, ${tokenText(token)} for ${maxAge} s`
      return `  ${label}: ${result}, cookies ${cookies}${given}`
    })
    .join('\n')
}

/** Never two children: whatever was given of a family at once is one and the same token. */
function expectOneSuccessor(done: readonly Done[]): void {
  const given = new Map<string, number>()
  for (const { observed: seen } of done) {
    if (seen.token === undefined) continue
    const { key, generation } = seen.token
    if ((given.get(key) ?? generation) !== generation) throw new Error(`two children\n${doneText(done)}`)
    given.set(key, generation)
  }
}

/** Lets a few seconds more go by when a limit is so near that the real time of a step could cross it. */
async function keepClear(stage: Stage): Promise<void> {
  while (boundaries(stage.world).some((at) => Math.abs(at - stage.world.now) <= SLACK_SECONDS)) {
    await age(stage, 2 * SLACK_SECONDS + 1)
  }
}

/** Every browser comes to every way in turn. */
const WAYS = [
  { as: 'browser', look: 'guard' },
  { as: 'browser', look: 'sessions' },
  { as: 'bearer', look: 'account' },
  { as: 'bearer', look: 'sessions' },
] as const

/** After every other step, looks in by one browser's cookie or access token, as an app's function and its pages do. */
async function lookIn(stage: Stage): Promise<Done | undefined> {
  stage.steps += 1
  if (stage.steps % 2 === 0) return undefined
  const turn = (stage.steps - 1) / 2
  const of = (turn % stage.actors.length) as Which
  const { as, look } = WAYS[turn % WAYS.length] ?? WAYS[0]
  const { browser, shown, headers } = handOf(stage, { as, of })
  return {
    label: `${look} by the ${as} of browser ${of}`,
    rule: look === 'sessions' ? listDevices(shown) : ask(shown),
    observed:
      look === 'guard'
        ? await observedByGuard(stage, browser)
        : observed(stage, await browser.send(look, 'GET', undefined, headers)),
  }
}

// What is drawn.

const MINUTE = 60
const DAY = 24 * 60 * MINUTE

const which = fc.constantFrom<Which[]>(0, 1, 2)
const account = fc.constantFrom<AccountIndex[]>(0, 1)
const mostlyRight = fc.oneof({ weight: 5, arbitrary: fc.constant(true) }, fc.constant(false))
const rarely = mostlyRight.map((right) => !right)
const whichOrNew = fc.oneof({ weight: 4, arbitrary: which }, fc.constant(undefined))

/** Seconds, on both sides of the window, the recent password, the idle and the absolute end. */
const pause = fc.oneof(
  { weight: 8, arbitrary: fc.constant(0) },
  { weight: 8, arbitrary: fc.constantFrom(34, 26) },
  { weight: 4, arbitrary: fc.constantFrom(1, 12, 5 * MINUTE - 10, 5 * MINUTE + 10, 60 * MINUTE) },
  { weight: 2, arbitrary: fc.constantFrom(6 * DAY, 7 * DAY - 60, 7 * DAY + 60) },
  { weight: 1, arbitrary: fc.constantFrom(23 * DAY, 30 * DAY) },
)

const byBrowser = which.map((of): Presenter => ({ as: 'browser', of }))
const byCopy = fc
  .tuple(which, fc.constantFrom(...COPIES))
  .map(([of, copy]): Presenter => ({ as: 'copy', of, copy }))
const byBearer = which.map((of): Presenter => ({ as: 'bearer', of }))
const byCookie = fc.oneof({ weight: 2, arbitrary: byBrowser }, byCopy)
const byAny = fc.oneof({ weight: 4, arbitrary: byBrowser }, byCopy, byBearer)

const refreshing = fc.record({ do: fc.constant('refresh' as const), by: byCookie })
const endings: fc.WeightedArbitrary<Deed>[] = [
  { weight: 3, arbitrary: fc.record({ do: fc.constant('logout'), by: byCookie, everywhere: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('end the device'), by: byAny, device: which }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('end the other devices'), by: byAny }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('login'), of: whichOrNew, account, right: mostlyRight }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('change the password'), by: byAny, right: mostlyRight }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('reset'), account, again: rarely }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('delete the account'), by: byAny, right: mostlyRight }),
  },
]
const ending = fc.oneof(...endings)
const deed = fc.oneof(
  { weight: 12, arbitrary: refreshing },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('refresh forged'), of: which }) as fc.Arbitrary<Deed> },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('read the account'), by: byAny }) as fc.Arbitrary<Deed>,
  },
  { weight: 9, arbitrary: ending },
)

function repeated<T>(one: T, times: number): T[] {
  return Array.from({ length: times }, () => one)
}

const atOnce = fc.oneof(
  // One token again and again: many tabs, or retries.
  fc.tuple(refreshing, fc.integer({ min: 2, max: 6 })).map(([one, times]) => repeated<Deed>(one, times)),
  // The same wish twice: an impatient press, or two devices.
  ending.map((one) => repeated(one, 2)),
  // Tokens of one family, and something that ends or replaces it.
  fc
    .tuple(
      which,
      fc.array(fc.constantFrom('current' as const, 'before' as const), { minLength: 1, maxLength: 3 }),
      ending,
    )
    .map(([of, copies, last]): Deed[] => [
      { do: 'refresh', by: { as: 'browser', of } },
      ...copies.map((copy): Deed => ({ do: 'refresh', by: { as: 'copy', of, copy } })),
      last,
    ]),
  fc.array(deed, { minLength: 2, maxLength: 3 }),
  // Two devices of one account, of which one ends the other's session or makes the other's password worthless.
  fc
    .tuple(
      fc.constantFrom<Which[]>(0, 1),
      fc.constantFrom<Deed['do'][]>('login', 'logout', 'end the other devices'),
      fc.constantFrom<Deed['do'][]>('reset', 'change the password', 'delete the account'),
    )
    .map(([of, first, second]): Deed[] => {
      const by: Presenter = { as: 'browser', of }
      const other: Presenter = { as: 'browser', of: of === 0 ? 1 : 0 }
      return [
        first === 'login'
          ? { do: first, of, account: 0, right: true }
          : first === 'logout'
            ? { do: first, by, everywhere: true }
            : { do: 'end the other devices', by },
        second === 'reset'
          ? { do: second, account: 0, again: false }
          : second === 'change the password'
            ? { do: second, by: other, right: true }
            : { do: 'delete the account', by: other, right: true },
      ]
    }),
)

type Command = fc.AsyncCommand<object, Stage>

function command(text: string, run: (stage: Stage) => Promise<void>): Command {
  // Each on its own line, so that a failure reads as a list.
  return { check: () => true, run: (_, stage) => run(stage), toString: () => `\n  - ${text}` }
}

const pauseText = (seconds: number) => (seconds === 0 ? '' : `${seconds} s later: `)

const step = fc.tuple(pause, deed).map(([seconds, one]) =>
  command(pauseText(seconds) + deedText(one), async (stage) => {
    await age(stage, seconds)
    await act(stage, [one])
  }),
)
const timing = fc.constantFrom<Timing[]>('at once', 0, 1, 2, 3)
const timingText = (when: Timing) => (when === 'at once' ? when : `colliding after ${when} ms`)
const burst = fc.tuple(pause, atOnce, timing).map(([seconds, deeds, when]) =>
  command(
    `${pauseText(seconds)}${timingText(when)} { ${deeds.map(deedText).join(' | ')} }`,
    async (stage) => {
      await age(stage, seconds)
      await act(stage, deeds, when)
    },
  ),
)
const livingThrough = fc.tuple(which, fc.integer({ min: 1, max: 5 })).map(([of, rounds]) =>
  command(`${rounds} times: 6 days later: refresh by browser ${of}`, async (stage) => {
    for (let round = 0; round < rounds; round += 1) {
      await age(stage, 6 * DAY)
      await act(stage, [{ do: 'refresh', by: { as: 'browser', of } }])
    }
  }),
)
const fillingUp = fc.tuple(account, fc.integer({ min: 1, max: 2 })).map(([index, times]) =>
  command(`fill up ${ACCOUNT_NAMES[index]}'s sessions, then ${times} more logins at once`, async (stage) => {
    await fillUp(stage, stage.world.accounts[index]?.email ?? '')
    await act(stage, repeated({ do: 'login', of: undefined, account: index, right: true }, times))
  }),
)
const registering = account.map((index) =>
  command(`register ${ACCOUNT_NAMES[index]}'s address`, (stage) =>
    registerAnew(stage, stage.world.accounts[index]?.email ?? '', PASSWORDS[2]),
  ),
)

const sequences = fc.commands(
  [
    fc.oneof(
      { weight: 24, arbitrary: step },
      { weight: 11, arbitrary: burst },
      { weight: 2, arbitrary: livingThrough },
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

test(
  `${RUNS} sequences: answers and rows are what the rules make of them`,
  async () => {
    // A line for each request, tens of thousands of them, would cost more than the requests.
    vi.spyOn(console, 'info').mockImplementation(() => {})
    const passwordHash = await hashPassword(PASSWORDS[0])
    const property = fc.asyncProperty(sequences, async (commands) => {
      // Neither the inbox nor the gateway needs to remember what is over.
      inbox.clear()
      gateway.requests.length = 0
      const stage = await newStage(PASSWORDS[0], passwordHash)
      await fc.asyncModelRun(() => ({ model: {}, real: stage }), commands)
      // Whoever did nothing wrong and was not signed out can still refresh.
      await act(
        stage,
        ([0, 1, 2] as const).map((of) => ({ do: 'refresh', by: { as: 'browser', of } })),
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
    `again: ${replay} npx vitest run --project endpoints test/model`,
  ].join('\n')
}
