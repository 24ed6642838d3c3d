/**
 * `npm run bench:competitors`: what others take for the same, in the same run on the same Postgres: better-auth and the stack of NestJS, drizzle
 * and pg. They are a package of their own, bench/competitors, which `npm ci --prefix bench/competitors` installs.
 */
import { createHmac, randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readFile, symlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Client } from 'pg'
import { rolldown } from 'rolldown'
import { buildFunctions } from './built.ts'
import { keepResults, numberOption, rotated, spread, type Spread } from './figures.ts'
import { startInstance, type Instance } from './instance.ts'
import { putLoad, send, type Received, type BenchRequest } from './load.ts'
import { operationsOf, OTHER_PASSWORD } from './operations.ts'
import { browserHeaders, emailOf, gatherPeople } from './people.ts'
import { APP_ORIGIN, PASSWORD, startBenchStack } from './stack.ts'

export interface PeerColdStart {
  name: string
  kilobytes: number | undefined
  wholeMs: Spread
  /** Against the bare function's of the same round. */
  timesBare: Spread
  cpuMs: Spread
  peakMb: Spread
}

export interface PeerWarm {
  name: string
  operation: string
  perSecond: Spread
  p50Ms: Spread
  cpuMsPerRequest: Spread
  errors: number
}

export interface Competitors {
  coldRounds: number
  warmRounds: number
  coldStarts: PeerColdStart[]
  warm: PeerWarm[]
}

interface Action {
  /** `login`, `session`, `logout`, `reset` */
  operation: string
  /** Of the functions that the contender has. */
  file: string
  next: () => BenchRequest | Promise<BenchRequest>
  onResponse?: (response: Received) => void
}

interface Contender {
  name: string
  environment: Record<string, string>
  coldStarts: { name: string; file: string; kilobytes: number | undefined }[]
  refusedLogin: () => BenchRequest
  actions: Action[]
}

const HERE = join(import.meta.dirname, 'competitors')
const PEOPLE = 20_000
const WARM_UP_SECONDS = 2
/** What frameworks load only when it is there. */
const NOT_BUNDLED = [/^@nestjs\/(microservices|websockets|platform-socket)/, /^class-/, 'bcrypt', 'pg-native']
/** All packages, but for what the compiler itself puts in. */
const PACKAGES = /^(?!@oxc-project)[@a-z]/

if (existsSync(join(HERE, 'node_modules'))) await compare()
else console.log('The competitors are not installed: npm ci --prefix bench/competitors')

async function compare(): Promise<void> {
  const coldRounds = numberOption('cold-rounds', 9)
  const warmRounds = numberOption('warm-rounds', 9)
  const seconds = numberOption('seconds', 1)
  const built = await buildFunctions()
  const stack = await startBenchStack()
  const { runner } = built
  const people = await gatherPeople(stack)
  try {
    const contenders = [await latchkey(), await betterAuth(), await nest()]
    const bare: Contender = {
      name: 'bare',
      environment: stack.environment,
      coldStarts: [{ name: 'bare', file: built.file('api/bench/bare'), kilobytes: undefined }],
      refusedLogin: () => ({ method: 'GET', path: '/', headers: browserHeaders() }),
      actions: [],
    }
    const coldStarts = await startCold([bare, ...contenders])
    const warm = await runWarm(contenders)
    const figures: Competitors = { coldRounds, warmRounds, coldStarts, warm }
    console.table(
      Object.fromEntries(
        coldStarts.map(({ name, wholeMs, timesBare, cpuMs, kilobytes }) => [
          name,
          { KB: kilobytes, 'whole ms': wholeMs.median, '× bare': timesBare.median, 'CPU ms': cpuMs.median },
        ]),
      ),
    )
    console.table(
      warm.map(({ name, operation, perSecond, p50Ms, cpuMsPerRequest, errors }) => ({
        name,
        operation,
        'requests/s': perSecond.median,
        'p50 ms': p50Ms.median,
        'CPU ms': cpuMsPerRequest.median,
        errors,
      })),
    )
    keepResults('competitors', figures)
  } finally {
    await people.stop()
    await stack.stop()
    await built.discard()
  }

  async function startCold(all: Contender[]): Promise<PeerColdStart[]> {
    const candidates = all.flatMap((one) => one.coldStarts.map((start) => ({ ...one, ...start })))
    const runs = new Map(
      candidates.map(({ name }) => [name, [] as { wholeMs: number; cpuMs: number; peakMb: number }[]]),
    )
    for (let round = -1; round < coldRounds; round += 1) {
      for (const { name, file, environment, refusedLogin } of rotated(candidates, Math.max(0, round))) {
        const request = refusedLogin()
        const spawnedAt = performance.now()
        const instance = await startInstance({ runner, file, environment })
        const response = await send(instance.port, request)
        const wholeMs = performance.now() - spawnedAt
        const { cpuMs, peakRssMb: peakMb } = await instance.usage()
        await instance.stop()
        const expected = name === 'bare' ? 200 : 401
        if (response.status !== expected) throw new Error(`${name}: ${response.status} ${response.body}`)
        // The first round fills the machine's caches.
        if (round >= 0) runs.get(name)?.push({ wholeMs, cpuMs, peakMb })
      }
    }
    const bareRuns = runs.get('bare') ?? []
    return candidates.map(({ name, kilobytes }) => {
      const own = runs.get(name) ?? []
      return {
        name,
        kilobytes,
        wholeMs: spread(own.map(({ wholeMs }) => wholeMs)),
        timesBare: spread(
          own.map(({ wholeMs }, round) => wholeMs / (bareRuns[round]?.wholeMs ?? Number.NaN)),
        ),
        cpuMs: spread(own.map(({ cpuMs }) => cpuMs)),
        peakMb: spread(own.map(({ peakMb }) => peakMb)),
      }
    })
  }

  async function runWarm(all: Contender[]): Promise<PeerWarm[]> {
    const instances = new Map<string, Instance>()
    const runs = new Map<
      string,
      { perSecond: number; p50Ms: number; cpuMsPerRequest: number; errors: number }[]
    >()
    const candidates = all.flatMap((one) => one.actions.map((action) => ({ ...one, ...action })))
    for (const { file, environment } of candidates) {
      if (!instances.has(file)) instances.set(file, await startInstance({ runner, file, environment }))
    }
    for (let round = -1; round < warmRounds; round += 1) {
      for (const candidate of rotated(candidates, Math.max(0, round))) {
        const { name, operation, file, next, onResponse } = candidate
        const instance = instances.get(file)
        if (instance === undefined) continue
        await people.ready(PEOPLE / 10)
        const { cpuMs: before } = await instance.usage()
        const figures = await putLoad({
          port: instance.port,
          connections: 1,
          seconds: round < 0 ? WARM_UP_SECONDS : seconds,
          next,
          ...(onResponse && { onResponse }),
        })
        const { cpuMs: after } = await instance.usage()
        if (figures.firstError !== undefined) console.error(`${name}: ${figures.firstError}`)
        const key = `${name}/${operation}`
        const cpuMsPerRequest = (after - before) / figures.requests
        if (round >= 0) runs.set(key, [...(runs.get(key) ?? []), { ...figures, cpuMsPerRequest }])
      }
    }
    await Promise.all(Array.from(instances.values(), (instance) => instance.stop()))
    return candidates.map(({ name, operation }) => {
      const own = runs.get(`${name}/${operation}`) ?? []
      return {
        name,
        operation,
        perSecond: spread(own.map(({ perSecond }) => perSecond)),
        p50Ms: spread(own.map(({ p50Ms }) => p50Ms)),
        cpuMsPerRequest: spread(own.map((one) => one.cpuMsPerRequest)),
        errors: own.reduce((sum, { errors }) => sum + errors, 0),
      }
    })
  }

  async function latchkey(): Promise<Contender> {
    const operations = await operationsOf(people, stack.passwordHash)
    await people.ready(PEOPLE / 10)
    const action = (operation: string, name: string, endpoint: string): Action => {
      const found = operations.find((one) => one.name === name)
      if (found === undefined) throw new Error(`there is no operation ${name}`)
      return { operation, file: built.file(`api/auth/${endpoint}`), next: () => found.prepare() }
    }
    const size = built.functions.find(({ name }) => name === 'api/auth/login')?.coldStartBytes ?? 0
    return {
      name: 'Latchkey',
      environment: stack.environment,
      coldStarts: [
        { name: 'Latchkey', file: built.file('api/auth/login'), kilobytes: Math.round(size / 1000) },
        { name: 'Latchkey, not bundled', file: built.unbundledFile('api/auth/login'), kilobytes: undefined },
      ],
      refusedLogin: () => post('/api/auth/login', { email: people.next().email, password: OTHER_PASSWORD }),
      actions: [
        action('login', 'login', 'login'),
        action('session', 'refresh, a rotation', 'refresh'),
        action('logout', 'logout', 'logout'),
        action('reset', 'reset, the new password', 'reset'),
      ],
    }
  }

  async function betterAuth(): Promise<Contender> {
    const secret = randomBytes(32).toString('base64')
    const environment = {
      ...stack.environment,
      ...(await ownDatabase('better_auth')),
      BETTER_AUTH_SECRET: secret,
    }
    const files = await bundlePeer('better-auth')
    // One signs up; the others have the same password and so may have the same hash.
    const instance = await startInstance({ runner, file: files.unbundled, environment })
    const email = emailOf(0)
    const signUp = { name: 'Somebody', email, password: PASSWORD }
    const response = await send(instance.port, withAddress(post('/api/auth/sign-up/email', signUp)))
    await instance.stop()
    if (response.status !== 200) throw new Error(`better-auth: ${response.status} ${response.body}`)
    await onDatabase(environment.DATABASE_URL, (database) => seedBetterAuth(database))
    let next = 1
    const cookie = (number: number) => {
      const token = `token-${number}`
      const signature = createHmac('sha256', secret).update(token).digest('base64')
      return `__Secure-better-auth.session_token=${encodeURIComponent(`${token}.${signature}`)}`
    }
    const file = files.bundled
    const signIn = (password: string) =>
      withAddress(post('/api/auth/sign-in/email', { email: emailOf(next++), password }))
    return {
      name: 'better-auth',
      environment,
      coldStarts: [
        { name: 'better-auth, bundled', file: files.bundled, kilobytes: files.kilobytes },
        { name: 'better-auth', file: files.unbundled, kilobytes: undefined },
      ],
      refusedLogin: () => signIn(OTHER_PASSWORD),
      actions: [
        { operation: 'login', file, next: () => signIn(PASSWORD) },
        {
          operation: 'session',
          file,
          next: () =>
            withAddress({
              method: 'GET',
              path: '/api/auth/get-session',
              headers: browserHeaders(cookie(next++)),
            }),
        },
        {
          operation: 'logout',
          file,
          next: () => withAddress(post('/api/auth/sign-out', {}, cookie(next++))),
        },
        {
          operation: 'reset',
          file,
          next: () =>
            withAddress(
              post('/api/auth/reset-password', { newPassword: OTHER_PASSWORD, token: `reset-${next++}` }),
            ),
        },
      ],
    }
  }

  async function nest(): Promise<Contender> {
    const secret = randomBytes(32).toString('base64')
    const environment = { ...stack.environment, ...(await ownDatabase('nest')), NEST_JWT_SECRET: secret }
    const files = await bundlePeer('nest')
    await onDatabase(environment.DATABASE_URL, (database) => seedNest(database))
    let next = 1
    let refreshToken = ''
    const file = files.bundled
    const bearer = (path: string, token: string) => {
      const request = post(path, {})
      return { ...request, headers: { ...request.headers, authorization: `Bearer ${token}` } }
    }
    const signIn = (password: string) => post('/auth/login', { email: emailOf(next++), password })
    const keep = ({ body, status }: Received) => {
      if (status === 200) ({ refreshToken } = JSON.parse(body))
    }
    return {
      name: 'NestJS',
      environment,
      coldStarts: [
        { name: 'NestJS, bundled', file: files.bundled, kilobytes: files.kilobytes },
        { name: 'NestJS', file: files.unbundled, kilobytes: undefined },
      ],
      refusedLogin: () => signIn(OTHER_PASSWORD),
      actions: [
        { operation: 'login', file, next: () => signIn(PASSWORD), onResponse: keep },
        { operation: 'session', file, next: () => bearer('/auth/refresh', refreshToken), onResponse: keep },
        {
          operation: 'logout',
          file,
          next: () => bearer('/auth/logout', signedToken(secret, { sub: next++ })),
        },
        {
          operation: 'reset',
          file,
          next: () => post('/auth/reset', { token: `reset-${next++}`, password: OTHER_PASSWORD }),
        },
      ],
    }
  }

  async function ownDatabase(name: string): Promise<{ DATABASE_URL: string }> {
    await stack.postgres.createDatabase(name)
    const databaseUrl = stack.postgres.databaseUrl(name)
    const tables = await readFile(join(HERE, `${name.replace('_', '-')}.sql`), 'utf8')
    await onDatabase(databaseUrl, (database) => database.query(tables))
    return { DATABASE_URL: databaseUrl }
  }

  async function bundlePeer(
    name: string,
  ): Promise<{ bundled: string; unbundled: string; kilobytes: number }> {
    const directory = join(dirname(built.runner), name)
    await mkdir(directory)
    await symlink(join(HERE, 'node_modules'), join(directory, 'node_modules'))
    const sizes: number[] = []
    for (const kind of ['bundled', 'unbundled']) {
      const build = await rolldown({
        input: join(HERE, `${name}.ts`),
        platform: 'node',
        tsconfig: false,
        external: kind === 'bundled' ? NOT_BUNDLED : PACKAGES,
        transform: { target: 'node24', decorator: { legacy: true, emitDecoratorMetadata: true } },
        checks: { pluginTimings: false },
        onLog: () => undefined,
      })
      const { output } = await build.write({
        dir: join(directory, kind),
        format: 'esm',
        minify: kind === 'bundled',
        entryFileNames: 'function.mjs',
        chunkFileNames: '[name]-[hash].mjs',
      })
      await build.close()
      sizes.push(
        output.reduce((sum, file) => sum + (file.type === 'chunk' ? Buffer.byteLength(file.code) : 0), 0),
      )
    }
    return {
      bundled: join(directory, 'bundled', 'function.mjs'),
      unbundled: join(directory, 'unbundled', 'function.mjs'),
      kilobytes: Math.round((sizes[0] ?? 0) / 1000),
    }
  }
}

async function onDatabase(databaseUrl: string, work: (database: Client) => Promise<unknown>): Promise<void> {
  const database = new Client({ connectionString: databaseUrl })
  await database.connect()
  await work(database)
  await database.end()
}

async function seedBetterAuth(database: Client): Promise<void> {
  await database.query(
    `INSERT INTO "user" SELECT 'user-' || n, 'Somebody', 'person-' || n || '@bench.example.org', true, NULL, now(), now()
     FROM generate_series(1, ${PEOPLE}) n`,
  )
  await database.query(
    `INSERT INTO account (id, account_id, provider_id, user_id, password, created_at, updated_at)
     SELECT 'account-' || n, 'user-' || n, 'credential', 'user-' || n, (SELECT password FROM account LIMIT 1), now(), now()
     FROM generate_series(1, ${PEOPLE}) n`,
  )
  await database.query(
    `INSERT INTO session (id, expires_at, token, created_at, updated_at, user_id)
     SELECT 'session-' || n, now() + interval '7 days', 'token-' || n, now(), now(), 'user-' || n FROM generate_series(1, ${PEOPLE}) n`,
  )
  await database.query(
    `INSERT INTO verification SELECT 'reset-' || n, 'reset-password:reset-' || n, 'user-' || n, now() + interval '1 hour', now(), now()
     FROM generate_series(1, ${PEOPLE}) n`,
  )
  await database.query('VACUUM ANALYZE')
}

async function seedNest(database: Client): Promise<void> {
  const { hash }: { hash: (password: string, cost: number) => Promise<string> } = await import(
    join(HERE, 'node_modules/bcrypt/bcrypt.js')
  ).then((module) => module.default)
  await database.query(
    `INSERT INTO users (email, password, reset_token, reset_expires_at)
     SELECT 'person-' || n || '@bench.example.org', $1, 'reset-' || n, now() + interval '1 hour' FROM generate_series(1, ${PEOPLE}) n`,
    [await hash(PASSWORD, 10)],
  )
  await database.query('VACUUM ANALYZE')
}

function post(path: string, body: object, cookie?: string): BenchRequest {
  return { method: 'POST', path, headers: browserHeaders(cookie), body: JSON.stringify(body) }
}

/** Where better-auth looks for the address that it counts requests by. */
function withAddress(request: BenchRequest): BenchRequest {
  const { headers } = request
  return {
    ...request,
    headers: { ...headers, 'x-forwarded-for': headers['x-real-ip'] ?? '', host: new URL(APP_ORIGIN).host },
  }
}

/** HS256, as @nestjs/jwt signs. */
function signedToken(secret: string, claims: object): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const now = Math.floor(Date.now() / 1000)
  const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ ...claims, iat: now, exp: now + 900 })}`
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`
}
