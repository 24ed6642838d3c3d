/**
 * What the rotation is for, as properties: whoever copied a refresh token is found, and an owner who only loses
 * responses is never signed out. The steps are drawn at random; each comes after the reuse interval, within which a
 * copy that is used by the owner's own kind of browser can't be told from a second tab.
 */
import * as fc from 'fast-check'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import { requireSession } from '../../lib/guards.ts'
import { newBrowser, type Received, type Browser } from '../support/browser.ts'
import { ageSessions, query } from '../support/database.ts'
import { STRANGERS_USER_AGENT, USER_AGENTS } from './stage.ts'
import { emailKindsTo } from '../support/people.ts'
import { insertAccount, type InsertedAccount } from '../races/accounts.ts'
import { APP_ORIGIN } from '../support/setup-environment.ts'
import { gateway } from '../support/setup-stack.ts'

/** They differ in less than the model's sequences. */
const RUNS = Math.ceil(Math.min(Number(process.env['MODEL_RUNS'] ?? 300) / 5, 500))
const SESSION_COOKIE = '__Host-session'
const LATER_SECONDS = 34
/** Different counters in a row; the next one is reuse. */
const MOST_RECOVERIES = 2
const [OWNERS_USER_AGENT] = USER_AGENTS

beforeAll(() => {
  for (const level of ['info', 'warn', 'error'] as const) {
    vi.spyOn(console, level).mockImplementation(() => {})
  }
})

/** A browser that holds a refresh token of a session, its own or a copied one. */
interface Holder {
  browser: Browser
  userAgent: string
}

interface Scene {
  account: InsertedAccount
  sessionId: string
  owner: Holder
  thief: Holder
}

/** An owner, and a thief who has just copied the owner's token. */
async function newScene(thiefsUserAgent: string): Promise<Scene> {
  const account = await insertAccount(1)
  const [session] = account.sessions
  const holder = (userAgent: string) => {
    const browser = newBrowser()
    browser.cookies.set(SESSION_COOKIE, session?.cookie ?? '')
    return { browser, userAgent }
  }
  return {
    account,
    sessionId: session?.id ?? '',
    owner: holder(OWNERS_USER_AGENT.header),
    thief: holder(thiefsUserAgent),
  }
}

async function refresh({ browser, userAgent }: Holder, lost = false): Promise<Received> {
  const { cookies } = browser
  const before = new Map(cookies)
  const response = await browser.send('refresh', 'POST', {}, { 'user-agent': userAgent })
  if (lost) for (const [name, value] of before) cookies.set(name, value)
  return response
}

async function eventsOf({ sessionId }: Scene): Promise<string[]> {
  const rows = await query(
    `SELECT concat_ws(' ', kind, detail->>'counter') AS text FROM events WHERE session_id = $1 ORDER BY id`,
    sessionId,
  )
  return rows.map(({ text }) => text)
}

async function isRevoked({ sessionId }: Scene): Promise<boolean> {
  const [row] = await query('SELECT revocation_reason FROM sessions WHERE id = $1', sessionId)
  return row.revocation_reason === 'reuse'
}

/** Revoked for both, with one event and one email. */
async function expectFound(scene: Scene): Promise<void> {
  const { owner, thief, account } = scene
  expect(await isRevoked(scene)).toBe(true)
  const events = await eventsOf(scene)
  expect(events.filter((event) => event === 'refresh-token-reused')).toHaveLength(1)
  expect(await emailKindsTo(account.email)).toEqual(['refresh-token-reused'])
  for (const holder of [owner, thief]) expect((await refresh(holder)).body.code).toBe('session-ended')
}

const laterThanInterval = (scene: Scene) => ageSessions(scene.account.email, LATER_SECONDS)

const usersAgent = fc.constantFrom(OWNERS_USER_AGENT.header, STRANGERS_USER_AGENT.header)

describe('whoever copied a refresh token', () => {
  const step = fc.oneof<fc.WeightedArbitrary<{ who: 'owner' | 'thief'; lost: boolean }>[]>(
    { weight: 3, arbitrary: fc.record({ who: fc.constant('thief'), lost: fc.constant(false) }) },
    { weight: 3, arbitrary: fc.record({ who: fc.constant('owner'), lost: fc.boolean() }) },
  )

  test(`is found at the third recovery at the latest, whoever refreshes when (${RUNS} schedules)`, async () => {
    const property = fc.asyncProperty(
      usersAgent,
      fc.array(step, { maxLength: 12 }),
      async (userAgent, steps) => {
        const scene = await newScene(userAgent)
        // The thief polls; the owner comes back now and then, and in the end more often.
        const ending = Array.from({ length: 2 * (MOST_RECOVERIES + 2) }, (_, index) => ({
          who: index % 2 === 0 ? ('owner' as const) : ('thief' as const),
          lost: false,
        }))
        for (const { who, lost } of [...steps, ...ending]) {
          await laterThanInterval(scene)
          await refresh(scene[who], lost)
          if (await isRevoked(scene)) break
        }
        await expectFound(scene)
        expect(longestRun(await eventsOf(scene))).toBeLessThanOrEqual(MOST_RECOVERIES)
      },
    )
    await fc.assert(property, { numRuns: RUNS })
  }, 120_000)

  const ways: [string, (owner: Holder) => Promise<unknown>][] = [
    ['a refresh', (owner) => refresh(owner)],
    ['reading the account', ({ browser }) => browser.send('account', 'GET')],
    ['listing the sessions', ({ browser }) => browser.send('sessions', 'GET')],
    ["a guard of the app's own", ({ browser }) => guarded(browser)],
    ['revoking other sessions', ({ browser }) => browser.send('sessions?others=true', 'DELETE')],
    ['a request to change the address', ({ browser }) => changeAddress(browser)],
    ['a wrong current password', ({ browser }) => changePassword(browser)],
  ]

  test.each(ways)(
    'is found at the first try once the owner presented the current token, by %s',
    async (_, present) => {
      const scene = await newScene(STRANGERS_USER_AGENT.header)
      expect((await refresh(scene.owner)).status).toBe(200)
      await present(scene.owner)
      await laterThanInterval(scene)
      expect((await refresh(scene.thief)).body.code).toBe('session-ended')
      expect(await eventsOf(scene)).not.toContain('session-recovered 1')
      await query(
        `DELETE FROM outbox WHERE recipient = $1 AND kind <> 'refresh-token-reused'`,
        scene.account.email,
      )
      await expectFound(scene)
    },
  )

  const refused: [string, (owner: Holder) => Promise<Received>][] = [
    ['deleting the account', ({ browser }) => browser.send('account', 'DELETE')],
    ['signing out everywhere', ({ browser }) => browser.send('logout', 'POST', { everywhere: true })],
    ['revoking other sessions', ({ browser }) => browser.send('sessions?others=true', 'DELETE')],
    ['a request to change the address', ({ browser }) => changeAddress(browser)],
  ]

  test.each(refused)(
    'is found at the first try also when the owner presented the current token to be told to reauthenticate, by %s',
    async (_, present) => {
      const scene = await newScene(STRANGERS_USER_AGENT.header)
      await query(
        `UPDATE sessions SET authenticated_at = now() - interval '10 minutes' WHERE id = $1`,
        scene.sessionId,
      )
      expect((await refresh(scene.owner)).status).toBe(200)
      expect((await present(scene.owner)).body.code).toBe('reauthentication-required')
      await laterThanInterval(scene)
      expect((await refresh(scene.thief)).body.code).toBe('session-ended')
      await expectFound(scene)
    },
  )

  test('gets nothing within the reuse interval with another browser, and its owner keeps the session', async () => {
    const scene = await newScene(STRANGERS_USER_AGENT.header)
    expect((await refresh(scene.owner)).status).toBe(200)
    const { status, body, setCookies } = await refresh(scene.thief)
    expect([status, body.code, setCookies]).toEqual([401, 'refresh-required', []])
    expect(await eventsOf(scene)).toEqual(['refresh-refused'])
    expect((await refresh(scene.owner)).status).toBe(200)
  })
})

describe('an owner whose responses are lost', () => {
  /** A rotation: how often its response is lost within the reuse interval, and after it. */
  const losses = fc.record({
    lostAtOnce: fc.nat({ max: 3 }),
    lostLater: fc.nat({ max: 3 }),
    /** Between the function and the database, which the function then asks again. */
    lostInside: fc.boolean(),
    reads: fc.boolean(),
  })

  test(`is never signed out, and only what was lost for long is recorded (${RUNS} lives)`, async () => {
    const property = fc.asyncProperty(fc.array(losses, { minLength: 1, maxLength: 8 }), async (rotations) => {
      const scene = await newScene(STRANGERS_USER_AGENT.header)
      const recovered: string[] = []
      let inARow = 0
      for (const [index, { lostAtOnce, lostLater, lostInside, reads }] of rotations.entries()) {
        await laterThanInterval(scene)
        // A third one in a row can't be told from a thief's, see below.
        const late = inARow < MOST_RECOVERIES ? lostLater : 0
        const lost = [...Array<number>(lostAtOnce).fill(0), ...Array<number>(late).fill(LATER_SECONDS)]
        if (lostInside) loseNextResponse()
        for (const seconds of lost) {
          expect((await refresh(scene.owner, true)).status).toBe(200)
          if (seconds > 0) await laterThanInterval(scene)
        }
        expect((await refresh(scene.owner)).status).toBe(200)
        inARow = late > 0 ? inARow + 1 : 0
        if (late > 0) recovered.push(`session-recovered ${index + 1}`)
        const read = reads ? await scene.owner.browser.send('account', 'GET') : undefined
        expect(read?.status ?? 200).toBe(200)
      }
      expect(await eventsOf(scene)).toEqual(recovered)
      expect(await emailKindsTo(scene.account.email)).toEqual([])
    })
    await fc.assert(property, { numRuns: RUNS })
  }, 120_000)

  test('is signed out at the third rotation in a row whose response was lost until the interval was over', async () => {
    const scene = await newScene(STRANGERS_USER_AGENT.header)
    const codes: unknown[] = []
    for (let rotation = 1; rotation <= MOST_RECOVERIES + 1; rotation += 1) {
      await laterThanInterval(scene)
      expect((await refresh(scene.owner, true)).status).toBe(200)
      await laterThanInterval(scene)
      codes.push((await refresh(scene.owner)).body.code)
    }
    expect(codes).toEqual([undefined, undefined, 'session-ended'])
    expect(await eventsOf(scene)).toEqual([
      'session-recovered 1',
      'session-recovered 2',
      'refresh-token-reused',
    ])
  })

  test('is told to refresh by whatever reads meanwhile, and by a refresh has the session again', async () => {
    const scene = await newScene(STRANGERS_USER_AGENT.header)
    const { owner } = scene
    expect((await refresh(owner, true)).status).toBe(200)
    await laterThanInterval(scene)
    const codes = [
      (await owner.browser.send('account', 'GET')).body.code,
      (await owner.browser.send('sessions', 'GET')).body.code,
      (await guarded(owner.browser)).code,
      (await owner.browser.send('sessions?others=true', 'DELETE')).body.code,
      (await changeAddress(owner.browser)).body.code,
      (await changePassword(owner.browser)).body.code,
      (await owner.browser.send('account', 'DELETE')).body.code,
    ]
    expect(new Set(codes)).toEqual(new Set(['refresh-required']))
    expect(await isRevoked(scene)).toBe(false)
    expect((await refresh(owner)).status).toBe(200)
    expect((await owner.browser.send('account', 'GET')).status).toBe(200)
  })

  test('stays signed in when several tabs come back at once, however late one of their requests arrives', async () => {
    const scene = await newScene(STRANGERS_USER_AGENT.header)
    const { owner } = scene
    expect((await refresh(owner, true)).status).toBe(200)
    await laterThanInterval(scene)
    const slow: Holder = { ...owner, browser: newBrowser() }
    for (const [name, value] of owner.browser.cookies) slow.browser.cookies.set(name, value)
    // One tab after the other, with the cookie of the one before; the slow one set out first.
    expect((await refresh(owner)).status).toBe(200)
    expect((await refresh(owner)).status).toBe(200)
    expect((await refresh(slow)).status).toBe(200)
    expect(slow.browser.cookies.get(SESSION_COOKIE)).toBe(owner.browser.cookies.get(SESSION_COOKIE))
    expect(await eventsOf(scene)).toEqual(['session-recovered 1'])
  })
})

/** The database answers the next call, and the answer is lost on its way. */
function loseNextResponse(): void {
  gateway.fault = () => {
    gateway.fault = undefined
    return { kind: 'lose-answer' }
  }
}

function changeAddress(browser: Browser): Promise<Received> {
  return browser.send('account', 'PATCH', { email: 'somebody.else@example.org' })
}

function changePassword(browser: Browser): Promise<Received> {
  const body = {
    currentPassword: 'nobody ever chose these words',
    newPassword: 'violet teapots orbit the moon',
  }
  return browser.send('account', 'PATCH', body)
}

async function guarded(browser: Browser): Promise<{ code: unknown }> {
  const cookie = [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
  const guard = await requireSession(new Request(`${APP_ORIGIN}/api/hello`, { headers: { cookie } }))
  const body: unknown = guard.kind === 'refused' ? await guard.response.json() : {}
  return { code: Object(body).code }
}

/** How many counters were recovered one after the other, at most. */
function longestRun(events: readonly string[]): number {
  const counters = events
    .map((event) => /^session-recovered (\d+)$/.exec(event)?.[1])
    .filter((text) => text !== undefined)
    .map(Number)
  let longest = 0
  let run = 0
  for (const [index, counter] of counters.entries()) {
    run = counters[index - 1] === counter - 1 ? run + 1 : 1
    longest = Math.max(longest, run)
  }
  return longest
}
