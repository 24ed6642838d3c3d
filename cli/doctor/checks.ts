/** Checks what the functions depend on. Changes nothing, and shows no value of the environment. */
import { lookup } from 'node:dns/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { Resend, type Domain } from 'resend'
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

export interface Finding {
  about: 'environment' | 'origin' | 'secrets' | 'database' | 'clock' | 'role' | 'migrations' | 'email'
  /**
   * `error`: something set is wrong, and stays so until it is fixed. `warning`: something doesn't work or isn't safe
   * now. `info`: it works, and could be better.
   */
  level: 'ok' | 'info' | 'warning' | 'error'
  message: string
  fix?: string
}

const LOOK_UP_TIMEOUT_MS = 5_000
const EMAIL_TIMEOUT_MS = 10_000
const DOMAINS_A_PAGE = 100

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

/** Right in a preview; in production it keeps customers' emails back for good. */
function checkRecipients({ emailAllow, stage }: Environment): Finding[] {
  if (stage !== 'production' || emailAllow === undefined) return []
  const message = 'EMAIL_ALLOW is set in production: emails to anyone else are never sent.'
  return [info('email', message, 'Remove it from Production, unless it is intended.')]
}

async function checkEmail(
  { resendApiKey, emailFrom, stage }: Environment,
  variables: NodeJS.ProcessEnv,
): Promise<Finding[]> {
  const domain = senderDomain(emailFrom)
  const hasStandIn = stage === 'development' && Boolean(variables['RESEND_BASE_URL'])
  if (!hasStandIn && domain === 'resend.dev') {
    const message = 'EMAIL_FROM is at resend.dev, from which Resend delivers only to the owner of its account.'
    const fix = 'Verify a domain at https://resend.com/domains and send from there.'
    return [stage === 'production' ? error('email', message, fix) : info('email', message, fix)]
  }
  const listed = await listDomains(resendApiKey)
  if (hasStandIn && listed.kind !== 'unanswered') {
    const message = 'Emails go to a stand-in for Resend, so key and sender are not checked.'
    return [ok('email', message)]
  }
  switch (listed.kind) {
    case 'sending-only':
      return [
        ok(
          'email',
          "Resend knows the key. It may only send, which is right; so whether the sender's domain is verified " +
            "can't be checked from here: https://resend.com/domains shows it.",
        ),
      ]
    case 'refused':
      return [
        error(
          'email',
          `Resend refuses the key in RESEND_API_KEY: ${listed.reason}.`,
          'Make one with sending access at https://resend.com/api-keys.',
        ),
      ]
    case 'unanswered':
      return [
        warning(
          'email',
          `Resend didn't answer: ${listed.reason}.`,
          'Look at https://resend-status.com, and try again.',
        ),
      ]
    case 'domains':
      return checkSender(
        listed.domains.find(({ name }) => name.toLowerCase() === domain),
        stage,
      )
  }
}

function checkSender(domain: Domain | undefined, stage: Environment['stage']): Finding[] {
  const findings = [
    info(
      'email',
      'RESEND_API_KEY has full access to the account at Resend.',
      'A key with sending access is enough: https://resend.com/api-keys.',
    ),
  ]
  const issue =
    domain === undefined
      ? 'is not among the domains of this account at Resend'
      : domain.status !== 'verified'
        ? `is not verified at Resend (${domain.status})`
        : domain.capabilities?.sending === 'disabled'
          ? 'may not send at Resend'
          : undefined
  if (issue !== undefined) {
    const message = `The domain of the sender in EMAIL_FROM ${issue}, so no email is sent.`
    const fix = 'Add it at https://resend.com/domains and set the DNS records that are shown there.'
    return [...findings, stage === 'development' ? info('email', message, fix) : error('email', message, fix)]
  }
  if (domain?.open_tracking === true || domain?.click_tracking === true) {
    findings.push(
      warning(
        'email',
        'Resend tracks who opens emails or clicks their links.',
        "Turn tracking off in the domain's settings at Resend: it rewrites the links and sees their tokens.",
      ),
    )
  }
  return [ok('email', "Resend knows the key, and the sender's domain is verified."), ...findings]
}

type ListedDomains =
  | { kind: 'domains'; domains: Domain[] }
  | { kind: 'sending-only' }
  | { kind: 'refused'; reason: string }
  | { kind: 'unanswered'; reason: string }

/**
 * A key that may only send is refused the list with an error of its own, which proves it
 * (https://resend.com/docs/api-reference/errors).
 */
async function listDomains(apiKey: string): Promise<ListedDomains> {
  const resend = new Resend(apiKey)
  const options = { signal: AbortSignal.timeout(EMAIL_TIMEOUT_MS), redirect: 'error' }
  const domains: Domain[] = []
  for (;;) {
    const last = domains.at(-1)
    const page = last === undefined ? {} : { after: last.id }
    const { data, error: refusal } = await resend.domains.list({ limit: DOMAINS_A_PAGE, ...page }, options)
    if (refusal !== null) {
      if (refusal.name === 'restricted_api_key') return { kind: 'sending-only' }
      const { statusCode } = refusal
      const reason = `${statusCode ?? 'no response'} ${refusal.name}`
      const isClientError = statusCode !== null && statusCode >= 400 && statusCode < 500
      // An unknown key is 400, 401 or 403, by different names; nothing else in the request could be wrong.
      const isRefused = isClientError && statusCode !== 408 && statusCode !== 429
      return { kind: isRefused ? 'refused' : 'unanswered', reason }
    }
    domains.push(...data.data)
    if (!data.has_more || data.data.length === 0) return { kind: 'domains', domains }
  }
}

/** Of `Example <login@mail.example.com>`, or of the address alone. */
function senderDomain(emailFrom: string): string {
  return emailFrom.replace(/>$/, '').split('@').at(-1)?.toLowerCase() ?? ''
}

function codeOf(thrown: unknown): unknown {
  return thrown instanceof Error && 'code' in thrown ? thrown.code : undefined
}

type About = Finding['about']

function ok(about: About, message: string): Finding {
  return { about, level: 'ok', message }
}

function info(about: About, message: string, fix?: string): Finding {
  return { about, level: 'info', message, ...(fix !== undefined && { fix }) }
}

function warning(about: About, message: string, fix: string): Finding {
  return { about, level: 'warning', message, fix }
}

function error(about: About, message: string, fix?: string): Finding {
  return { about, level: 'error', message, ...(fix !== undefined && { fix }) }
}
