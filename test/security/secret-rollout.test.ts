/**
 * JWT_SECRET is exchanged while people use the app, deployment by deployment, each beside the one before for a while: in
 * processes of their own, with a service elsewhere that keeps the public keys for as long as they say they may be kept.
 */
import { randomBytes } from 'node:crypto'
import { createLocalJWKSet, jwtVerify, type JSONWebKeySet } from 'jose'
import { afterEach, expect, test } from 'vitest'
import { newBrowser, type Browser } from '../support/browser.ts'
import { ageSessions, query } from '../support/database.ts'
import { serveThrough, startInstance, type Fleet, type Instance } from '../support/instances.ts'
import {
  newAddress,
  newestEmailTo,
  OTHER_PASSWORD,
  PASSWORD,
  signedInPerson,
  tokenIn,
  type Person,
} from '../support/people.ts'
import { APP_ORIGIN } from '../support/setup-environment.ts'

const FIVE_MINUTES = 5 * 60
const MEMBERS = 3
const ROUNDS = 2
const LOAD_TEST_MS = 120_000

const fleet: Fleet = { serving: [] }
const started = new Set<Instance>()
serveThrough(fleet)

afterEach(async () => {
  for (const instance of started) await instance.stop()
  started.clear()
})

const newSecret = () => randomBytes(32).toString('base64')

async function deployed(...secrets: string[]): Promise<Instance> {
  const instance = await startInstance({ JWT_SECRET: secrets.join(',') })
  started.add(instance)
  return instance
}

// --- A service elsewhere ---

interface Verifier {
  keys: JSONWebKeySet
  fetchedAt: number
  maxAgeSeconds: number
}

/** What goes by without anybody waiting for it. */
let clockSeconds = 0

async function ask(instance: Instance): Promise<Verifier> {
  const response = await instance.response(new Request(`${APP_ORIGIN}/api/auth/keys`))
  const maxAge = /max-age=(\d+)/.exec(response.headers.get('cache-control') ?? '')?.[1]
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as a service reads it
  const keys = (await response.json()) as JSONWebKeySet
  return { keys, fetchedAt: clockSeconds, maxAgeSeconds: Number(maxAge) }
}

/** Asks for the keys when the ones it has are too old, and never because it does not know one. */
async function accepts(verifier: Verifier, token: string): Promise<boolean> {
  if (clockSeconds - verifier.fetchedAt >= verifier.maxAgeSeconds) {
    const instance = fleet.serving[0]
    if (instance === undefined) throw new Error('no instance serves')
    Object.assign(verifier, await ask(instance))
  }
  return jwtVerify(token, createLocalJWKSet(verifier.keys), {
    algorithms: ['ES256'],
    typ: 'at+jwt',
    issuer: APP_ORIGIN,
    audience: APP_ORIGIN,
  }).then(
    () => true,
    () => false,
  )
}

// --- People ---

interface Population {
  /** Everybody does everything that they can do just now, several times; what was handed out before is used. */
  live(phase: string): Promise<void>
  surprises: string[]
}

interface Handed {
  email: string
  browser: Browser
  token: string
}

async function newPopulation(verifiers: Verifier[]): Promise<Population> {
  const surprises: string[] = []
  const members = await Promise.all(Array.from({ length: MEMBERS }, () => signedInPerson()))
  let registered: Handed[] = []
  let forgetful: Handed[] = []
  let accessTokens: string[] = []

  async function expectAccepted(phase: string, token: string): Promise<void> {
    for (const [index, verifier] of verifiers.entries()) {
      if (!(await accepts(verifier, token))) surprises.push(`${phase}: service ${index} refused a token`)
    }
  }

  async function step(
    phase: string,
    browser: Browser,
    wanted: number,
    ...request: Parameters<Browser['send']>
  ) {
    const { status, body } = await browser.send(...request)
    if (status !== wanted) surprises.push(`${phase}: ${request[1]} ${request[0]}: ${status} ${body?.code}`)
    return body
  }

  /** Two tabs refresh at once, a turn being due; then one of them may sign in again. */
  async function stay(phase: string, { email, browser }: Person, signsIn: boolean): Promise<string> {
    await ageSessions(email, 60)
    const [, refreshed] = await Promise.all(
      [0, 1].map(() => step(phase, browser, 200, 'refresh', 'POST', {})),
    )
    const authorization = `Bearer ${refreshed?.accessToken}`
    await step(phase, newBrowser(), 200, 'account', 'GET', undefined, { authorization })
    if (!signsIn) return refreshed?.accessToken ?? ''
    const signedIn = await step(phase, browser, 200, 'login', 'POST', { email, password: PASSWORD })
    return signedIn?.accessToken ?? ''
  }

  async function arrive(phase: string): Promise<Handed> {
    const [email, browser] = [newAddress(), newBrowser()]
    await step(phase, browser, 202, 'register', 'POST', { email, password: PASSWORD })
    return { email, browser, token: tokenIn(await newestEmailTo(email)) }
  }

  async function confirm(phase: string, { email, browser, token }: Handed): Promise<Handed> {
    await step(phase, browser, 200, 'verify', 'PUT', { token })
    await step(phase, browser, 200, 'login', 'POST', { email, password: PASSWORD })
    await step(phase, newBrowser(), 202, 'reset', 'POST', { email })
    return { email, browser, token: tokenIn(await newestEmailTo(email)) }
  }

  return {
    surprises,
    async live(phase) {
      const olderTokens = accessTokens
      accessTokens = []
      for (let round = 0; round < ROUNDS; round += 1) {
        const [fresh, next, nextForgetful] = await Promise.all([
          Promise.all(members.map((member, index) => stay(phase, member, index === 0))),
          Promise.all([arrive(phase), arrive(phase)]),
          Promise.all(registered.map((each) => confirm(phase, each))),
          ...forgetful.map(({ browser, token }) =>
            step(phase, browser, 200, 'reset', 'PUT', { token, password: OTHER_PASSWORD }),
          ),
        ])
        accessTokens.push(...fresh)
        registered = next
        forgetful = nextForgetful
      }
      for (const token of [...olderTokens, ...accessTokens]) await expectAccepted(phase, token)
    },
  }
}

/** A deployment takes over from those that serve: for a while both answer, then it alone. */
async function roll(
  population: Population,
  verifiers: Verifier[],
  name: string,
  next: Instance,
): Promise<void> {
  const before = fleet.serving
  fleet.serving = [...before, next]
  // The last ones that the older ones tell their keys to.
  verifiers.push(...(await Promise.all(fleet.serving.map(ask))))
  await population.live(`beside ${name}`)
  fleet.serving = [next]
  verifiers.push(await ask(next))
  await population.live(name)
}

test(
  'a secret is exchanged under load, a, then a,b, then b,a, then b: nobody is signed out, every link works, and no service refuses a token',
  async () => {
    const [a, b] = [newSecret(), newSecret()]
    fleet.serving = [await deployed(a)]
    const verifiers = await Promise.all(fleet.serving.map(ask))
    const population = await newPopulation(verifiers)
    await population.live('a')

    await roll(population, verifiers, 'a,b', await deployed(a, b))
    clockSeconds += FIVE_MINUTES
    await roll(population, verifiers, 'b,a', await deployed(b, a))
    // 30 days: what the old secret made has expired or was sealed again.
    await roll(population, verifiers, 'b', await deployed(b))

    expect(population.surprises).toEqual([])
    expect(await query("SELECT FROM events WHERE kind = 'refresh-token-reused'")).toEqual([])
    expect(verifiers.length).toBeGreaterThan(6)
  },
  LOAD_TEST_MS,
)

test('without a,b first it would not do: the functions of before sign people out, and services refuse the new tokens', async () => {
  const [a, b] = [newSecret(), newSecret()]
  const [before, next] = [await deployed(a), await deployed(b, a)]
  fleet.serving = [before]
  const verifier = await ask(before)
  const person = await signedInPerson()

  fleet.serving = [next]
  const { body } = await person.browser.send('refresh', 'POST', {})
  expect(await accepts(verifier, body.accessToken)).toBe(false)
  fleet.serving = [before]
  expect((await person.browser.send('refresh', 'POST', {})).body.code).toBe('session-ended')
  expect(person.browser.cookies.has('__Host-session')).toBe(false)
})

test('a rollback during an exchange: from b,a to a,b nobody notices; to a, whoever came by since is signed out for good', async () => {
  const [a, b] = [newSecret(), newSecret()]
  const first = await deployed(a)
  fleet.serving = [first]
  const [seen, unseen] = [await signedInPerson(), await signedInPerson()]

  fleet.serving = [await deployed(b, a)]
  expect((await seen.browser.send('refresh', 'POST', {})).status).toBe(200)
  const late = await signedInPerson()

  fleet.serving = [await deployed(a, b)]
  for (const { browser } of [seen, unseen, late]) {
    expect((await browser.send('refresh', 'POST', {})).status).toBe(200)
  }

  fleet.serving = [await deployed(b, a)]
  expect((await seen.browser.send('refresh', 'POST', {})).status).toBe(200)
  fleet.serving = [first]
  const response = await seen.browser.send('refresh', 'POST', {})
  expect([response.status, response.body.code]).toEqual([401, 'session-ended'])
  expect(seen.browser.cookies.has('__Host-session')).toBe(false)
  expect((await unseen.browser.send('refresh', 'POST', {})).status).toBe(200)

  // Going forward again gives nothing back: the cookie is gone. Only who kept away has lost nothing.
  fleet.serving = [await deployed(b, a)]
  expect((await seen.browser.send('refresh', 'POST', {})).status).toBe(401)
  expect((await unseen.browser.send('refresh', 'POST', {})).status).toBe(200)
  const { email } = seen
  expect((await seen.browser.send('login', 'POST', { email, password: PASSWORD })).status).toBe(200)
})

test('a rollback after an exchange: from b to a,b nobody notices, but from there the way forward is b,a, not b', async () => {
  const [a, b] = [newSecret(), newSecret()]
  fleet.serving = [await deployed(b)]
  const [careful, hasty] = [await signedInPerson(), await signedInPerson()]
  const refresh = async ({ browser }: Person) => (await browser.send('refresh', 'POST', {})).status

  fleet.serving = [await deployed(a, b)]
  expect([await refresh(careful), await refresh(hasty)]).toEqual([200, 200])
  fleet.serving = [await deployed(b)]
  expect(await refresh(hasty)).toBe(401)
  fleet.serving = [await deployed(b, a)]
  expect(await refresh(careful)).toBe(200)
  fleet.serving = [await deployed(b)]
  expect(await refresh(careful)).toBe(200)
})

test('a deployment that still has a leaked secret takes what was made with it: such a one is deleted, not rolled back to', async () => {
  const [leaked, fresh] = [newSecret(), newSecret()]
  const [older, newer] = [await deployed(leaked), await deployed(fresh)]
  fleet.serving = [older]
  const person = await signedInPerson()
  const { accessToken } = (await person.browser.send('refresh', 'POST', {})).body
  const present = (instance: Instance) =>
    instance.response(
      new Request(`${APP_ORIGIN}/api/auth/account`, { headers: { authorization: `Bearer ${accessToken}` } }),
    )
  expect((await present(newer)).status).toBe(401)
  expect((await present(older)).status).toBe(200)
})
