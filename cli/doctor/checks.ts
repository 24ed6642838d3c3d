/** Checks what the functions depend on. Changes nothing, and shows no value of the environment. */
import { lookup } from 'node:dns/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { call } from '../../lib/db/call.ts'
import { describeConnection, type Results } from '../../lib/db/engine.ts'
import { environment, environmentIssues, type Environment } from '../../lib/env.ts'
import { ServiceUnavailable } from '../../lib/unavailable.ts'
import { sqlStateOf, withClient } from '../database/client.ts'
import { changedSince, LEDGER, migrationUrl, readMigrations } from '../database/migrate.ts'
import {
  nameTwoDatabases,
  recordedProduction,
  REFUSED_IN_PREVIEW,
  TWO_DATABASES,
  variablesLeadingTo,
} from '../database/production.ts'
import { checkEmail, checkRecipients } from './email.ts'
import { error, info, ok, warning, type Finding } from './finding.ts'

const LOOK_UP_TIMEOUT_MS = 5_000

/** Up to this every machine on the internet may differ. */
const CLOCK_INFO_SECONDS = 5
/** What verifiers of tokens commonly allow for. */
const CLOCK_WARNING_SECONDS = 60

const OWN_ROLE = 'Run drizzle/runtime-role.sql again, as the owner (docs/operations.md).'

/** Every check that the environment allows, side by side. */
export async function runChecks(variables: NodeJS.ProcessEnv): Promise<Finding[]> {
  const isComplete = environmentIssues.length === 0
  const isDatabaseNamed = !environmentIssues.some(({ key }) => key === 'DATABASE_URL')
  const found = await Promise.all([
    // As the functions do it, and so with all that they need.
    ...(isComplete ? [checkOrigin(environment(), variables), checkDatabase(environment())] : []),
    ...(isDatabaseNamed ? [checkMigrations(variables), checkAddresses(variables)] : []),
    ...(isComplete ? [checkEmail(environment(), variables)] : []),
  ])
  const ofEnvironment = isComplete ? [...checkSecrets(environment()), ...checkRecipients(environment())] : []
  return [...checkEnvironment(), ...ofEnvironment, ...found.flat()]
}

function checkEnvironment(): Finding[] {
  if (environmentIssues.length === 0) return [ok('environment', 'The environment is complete.')]
  return [
    ...environmentIssues.map(({ key, problem }): Finding => error('environment', `${key}: ${problem}.`)),
    info('environment', 'The other checks need a complete environment.'),
  ]
}

async function checkOrigin({ origin, stage }: Environment, variables: NodeJS.ProcessEnv): Promise<Finding[]> {
  const findings: Finding[] = []
  if (stage === 'preview' && variables['APP_URL']) {
    findings.push(
      info(
        'origin',
        "APP_URL is set for a preview, so its links lead there and not to the branch's own host.",
        'Set APP_URL for Production only, unless it is the address of this preview.',
      ),
    )
  }
  const { hostname, protocol } = new URL(origin)
  if (protocol === 'http:') return [...findings, ok('origin', 'The app is on this machine.')]
  const resolved = await Promise.race([
    lookup(hostname).then(
      () => 'found',
      (thrown: unknown) => (codeOf(thrown) === 'ENOTFOUND' ? 'unknown' : 'unanswered'),
    ),
    sleep(LOOK_UP_TIMEOUT_MS, 'unanswered', { ref: false }),
  ])
  if (resolved === 'found') return [...findings, ok('origin', 'The origin is https, and its host resolves.')]
  return [
    ...findings,
    info(
      'origin',
      resolved === 'unknown'
        ? "The host of the app's origin doesn't resolve. Every link in an email leads there."
        : "DNS didn't answer for the host of the app's origin.",
      'Compare APP_URL with the address that people open; add the domain at Vercel (Settings → Domains).',
    ),
  ]
}

function checkSecrets({ cronSecret, jwtSecrets }: Environment): Finding[] {
  if (jwtSecrets.includes(cronSecret)) {
    return [
      error(
        'secrets',
        'CRON_SECRET is one of the secrets in JWT_SECRET: anyone who sees it could sign any token.',
        'Make another one for CRON_SECRET: openssl rand -base64 32',
      ),
    ]
  }
  return [ok('secrets', 'JWT_SECRET and CRON_SECRET are random and different.')]
}

/** As the functions reach it, in their role. */
async function checkDatabase({ stage }: Environment): Promise<Finding[]> {
  try {
    // A database that slept is awake for the second call, which measures the clock.
    const connection = await call(describeConnection, {})
    const before = Date.now()
    const { now } = await call(describeConnection, {})
    const after = Date.now()
    return [
      ok('database', 'The functions reach the database.'),
      checkIsolation(connection),
      checkClock(now * 1000, before, after),
      checkRole(connection, stage),
    ]
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message : 'unknown'
    if (/SQLSTATE 42501/.test(reason)) {
      return [error('role', "The functions' role may not call the engine's functions.", OWN_ROLE)]
    }
    if (thrown instanceof ServiceUnavailable && /^(?:28|3D|refused)/.test(reason)) {
      return [error('database', `The functions can't use the database: ${reason}.`)]
    }
    return [
      warning(
        'database',
        `The functions don't reach the database: ${reason}.`,
        "Compare the host in DATABASE_URL with your database's dashboard; Neon's status: https://neonstatus.com.",
      ),
    ]
  }
}

type Connection = Results['describe_connection']

/** The engine is written for READ COMMITTED: at any other level requests that meet would fail. */
function checkIsolation({ isolation }: Connection): Finding {
  if (isolation === 'read committed') return ok('database', 'Transactions are READ COMMITTED.')
  return error(
    'database',
    `The functions' transactions are ${isolation.toUpperCase()} by default; the engine needs READ COMMITTED.`,
    "As the owner: ALTER ROLE (the functions' role) SET default_transaction_isolation = 'read committed'",
  )
}

/** `databaseNow` was read at some moment between the other two: the clocks get the benefit of the doubt. */
function checkClock(databaseNow: number, before: number, after: number): Finding {
  const ahead = Math.max(before - databaseNow, databaseNow - after, 0)
  const seconds = Math.round(ahead / 1000)
  if (seconds <= CLOCK_INFO_SECONDS) return ok('clock', "This machine's clock agrees with the database's.")
  const message =
    `This machine's clock and the database's are ${seconds} s apart. Access tokens and emailed links carry ` +
    "times of the functions' clock, rows those of the database's."
  const fix = "Set this machine's clock by NTP. If the functions run elsewhere, theirs may be right."
  if (seconds <= CLOCK_WARNING_SECONDS) return info('clock', message, fix)
  const consequence = `Beyond ${CLOCK_WARNING_SECONDS} s others refuse new tokens, and links expire early or late.`
  return warning('clock', `${message} ${consequence}`, fix)
}

function checkRole({ isOwner, notCallable }: Connection, stage: Environment['stage']): Finding {
  if (notCallable.length > 0) {
    return error('role', `The functions' role may not call ${notCallable.join(', ')}.`, OWN_ROLE)
  }
  if (isOwner) {
    const message = 'The functions connect as the owner of the tables, who may change and drop them.'
    const fix = 'Give them a role of their own, as docs/operations.md says: it takes two statements.'
    return stage === 'production' ? warning('role', message, fix) : info('role', message, fix)
  }
  return ok('role', "The functions' role may call the engine's functions, and owns no table.")
}

/** As the migrations reach it, over TCP. */
async function checkMigrations(variables: NodeJS.ProcessEnv): Promise<Finding[]> {
  try {
    const known = await readMigrations()
    const applied = await withClient(migrationUrl(variables), async (client) => {
      const { rows } = await client.query<{ ledger: string | null }>(
        'SELECT to_regclass($1)::text AS ledger',
        [LEDGER],
      )
      if (rows[0]?.ledger === null) return new Map<string, string>()
      const { rows: entries } = await client.query<{ name: string; hash: string }>(
        `SELECT name, hash FROM ${LEDGER}`,
      )
      return new Map(entries.map((row) => [row.name, row.hash]))
    })
    const pending = known.map(({ name }) => name).filter((name) => !applied.has(name))
    const unknown = [...applied.keys()].filter((name) => !known.some((migration) => migration.name === name))
    const changed = known.filter(({ name, hash }) => applied.has(name) && applied.get(name) !== hash)
    const findings = changed.map(({ name }) => error('migrations', `${changedSince(name)}.`))
    if (pending.length > 0) {
      const message = `Not applied yet: ${pending.join(', ')}.`
      findings.push(error('migrations', message, 'Apply them: npm run migrate'))
    }
    if (unknown.length > 0) {
      findings.push(
        info(
          'migrations',
          `The database has ${unknown.length} that this checkout doesn't know: something newer was deployed.`,
          'After a rollback that is fine, since migrations only add. Otherwise update this checkout.',
        ),
      )
    }
    return findings.length > 0 ? findings : [ok('migrations', 'All are applied.')]
  } catch (thrown) {
    return [migrationsUnreadable(thrown)]
  }
}

function migrationsUnreadable(thrown: unknown): Finding {
  const code = sqlStateOf(thrown) ?? ''
  if (code === '42501') {
    return info(
      'migrations',
      "This is the functions' own role, which may not read what was applied.",
      "Set DATABASE_URL_UNPOOLED to the owner's connection string.",
    )
  }
  const reason = thrown instanceof Error ? thrown.message : 'unknown'
  if (/^(?:28|3D)/.test(code)) {
    return error(
      'migrations',
      'The database refuses the role, the password or the name of the database in DATABASE_URL_UNPOOLED, ' +
        `or in DATABASE_URL where that isn't set: ${reason}.`,
      "Copy the direct connection string from your database's dashboard.",
    )
  }
  return warning(
    'migrations',
    `The database can't be reached over TCP: ${reason}.`,
    "Compare the host in DATABASE_URL_UNPOOLED with your database's dashboard; its port must be open from here.",
  )
}

async function checkAddresses(variables: NodeJS.ProcessEnv): Promise<Finding[]> {
  const { DATABASE_URL_UNPOOLED: direct } = variables
  if (direct && !URL.canParse(direct)) {
    const fix = "Copy the direct connection string from your database's dashboard."
    return [error('database', 'DATABASE_URL_UNPOOLED is not an address.', fix)]
  }
  const findings = nameTwoDatabases(variables)
    ? [error('database', `${TWO_DATABASES}.`, 'Copy both from the same branch of Neon.')]
    : []
  // Where it can't be reached, another finding says so.
  const production = await recordedProduction(migrationUrl(variables)).catch(() => undefined)
  const names = variablesLeadingTo(production, variables)
  const stage = environmentIssues.length === 0 ? environment().stage : undefined
  if (stage === 'preview') {
    findings.push(...names.map((name) => error('database', `${name}: ${REFUSED_IN_PREVIEW}.`)))
  }
  if (stage === 'development' && names.length > 0) {
    findings.push(
      info(
        'database',
        "This is production's own database, and this is no deployment.",
        'Work on a branch of it, or on the local stack: npm run dev',
      ),
    )
  }
  if (stage === 'production' && production !== undefined && names.length === 0) {
    findings.push(
      info(
        'database',
        "The database names another one as production's: it is a copy, or has moved.",
        "If it is production's now, deploy: a production deploy records it.",
      ),
    )
  }
  return findings
}

function codeOf(thrown: unknown): unknown {
  return thrown instanceof Error && 'code' in thrown ? thrown.code : undefined
}
