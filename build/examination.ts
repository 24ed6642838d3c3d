/** What the functions will meet: each part is looked at from here and found good or not. Nothing is changed, and no value is shown. */
import { lookup } from 'node:dns/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { is, sql } from 'drizzle-orm'
import { getTableConfig, PgTable } from 'drizzle-orm/pg-core'
import { Resend, type Domain } from 'resend'
import * as schema from '../drizzle/schema.ts'
import { run } from '../lib/database.ts'
import { environment, environmentFaults, type Environment } from '../lib/env.ts'
import { isUnavailable } from '../lib/unavailable.ts'
import { sqlStateOf, withClient } from './database-client.ts'
import { LEDGER, migrationUrl, readMigrations } from './migrate.ts'
import {
  nameTwoDatabases,
  recordedProduction,
  REFUSED_IN_PREVIEW,
  TWO_DATABASES,
  variablesLeadingTo,
} from './production-database.ts'

export interface Finding {
  about: 'environment' | 'origin' | 'secrets' | 'database' | 'clock' | 'role' | 'migrations' | 'mail'
  /**
   * `fault`: something set is wrong, and stays so until it is mended. `trouble`: it does not work now, and may by itself. `advice`: it
   * works, and could be better.
   */
  kind: 'good' | 'advice' | 'trouble' | 'fault'
  says: string
  mend?: string
}

const LOOK_UP_TIMEOUT_MS = 5_000
const MAIL_TIMEOUT_MS = 10_000
const DOMAINS_A_PAGE = 100

/** Beyond it somebody would notice; up to it every machine on the internet may differ. */
export const CLOCK_ADVICE_SECONDS = 5
/** What verifiers of tokens commonly allow for. */
export const CLOCK_TROUBLE_SECONDS = 60

/** Everything that can be looked at with what is set; side by side. */
export async function examine(variables: NodeJS.ProcessEnv): Promise<Finding[]> {
  const isComplete = environmentFaults.length === 0
  const isDatabaseNamed = !environmentFaults.some(({ key }) => key === 'DATABASE_URL')
  const found = await Promise.all([
    // As the functions do it, and so with all that they need.
    ...(isComplete ? [lookAtOrigin(environment(), variables), lookAtDatabase()] : []),
    ...(isDatabaseNamed ? [lookAtMigrations(variables), lookAtAddresses(variables)] : []),
    ...(isComplete ? [lookAtMail(environment(), variables)] : []),
  ])
  const ofEnvironment = isComplete
    ? [...lookAtSecrets(environment()), ...lookAtRecipients(environment())]
    : []
  return [...lookAtEnvironment(), ...ofEnvironment, ...found.flat()]
}

function lookAtEnvironment(): Finding[] {
  if (environmentFaults.length === 0) return [good('environment', 'The environment is complete.')]
  return [
    ...environmentFaults.map(({ key, problem }): Finding => fault('environment', `${key}: ${problem}.`)),
    advice('environment', 'What needs the whole environment is looked at once it is complete.'),
  ]
}

async function lookAtOrigin(
  { origin, stage }: Environment,
  variables: NodeJS.ProcessEnv,
): Promise<Finding[]> {
  const findings: Finding[] = []
  if (stage === 'preview' && variables['APP_URL']) {
    findings.push(
      advice(
        'origin',
        "APP_URL is set for a preview, so its links lead there and not to the branch's own host.",
        'Set APP_URL for Production alone, unless the address is this very preview.',
      ),
    )
  }
  const { hostname, protocol } = new URL(origin)
  if (protocol === 'http:') return [...findings, good('origin', 'The app is on this machine.')]
  const found = await Promise.race([
    lookup(hostname).then(
      () => 'found',
      (error: unknown) => (codeOf(error) === 'ENOTFOUND' ? 'unknown' : 'unanswered'),
    ),
    sleep(LOOK_UP_TIMEOUT_MS, 'unanswered', { ref: false }),
  ])
  if (found === 'found')
    return [...findings, good('origin', 'The origin is https, and its host is known to the DNS.')]
  return [
    ...findings,
    advice(
      'origin',
      found === 'unknown'
        ? "The DNS does not know the host of the app's origin, to which every mailed link leads."
        : "The DNS did not say whether it knows the host of the app's origin.",
      'Compare APP_URL with the address that people open; add the domain at Vercel (Settings → Domains).',
    ),
  ]
}

function lookAtSecrets({ cronSecret, jwtSecrets }: Environment): Finding[] {
  if (jwtSecrets.includes(cronSecret)) {
    return [
      fault(
        'secrets',
        'CRON_SECRET is one of the secrets in JWT_SECRET: whoever sees the one could make every token.',
        'Make another one for CRON_SECRET: openssl rand -base64 32',
      ),
    ]
  }
  return [good('secrets', 'JWT_SECRET and CRON_SECRET are random, and apart.')]
}

/** As the functions reach it, over HTTP, in their role. */
async function lookAtDatabase(): Promise<Finding[]> {
  try {
    // A database that slept is awake for the second call, which measures the clock.
    const [seen] = await run<{ owns: boolean; closed: string | null }>(roleStatement())
    const before = Date.now()
    const [clock] = await run<{ now: number }>(
      sql`SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now`,
    )
    const after = Date.now()
    return [
      good('database', 'The functions reach the database over HTTP.'),
      lookAtClock(clock?.now ?? Number.NaN, before, after),
      lookAtRole(seen?.owns === true, seen?.closed ?? ''),
    ]
  } catch (error) {
    const reason = error instanceof Error ? error.message : 'unknown'
    if (isUnavailable(error) && /^(?:28|3D)/.test(reason)) {
      return [fault('database', `The functions cannot use the database: ${reason}.`)]
    }
    return [
      trouble(
        'database',
        `The functions do not reach the database over HTTP: ${reason}.`,
        "Compare the host in DATABASE_URL with Neon's dashboard, and look at https://neonstatus.com.",
      ),
    ]
  }
}

/** The statements name no rows, so the role needs no right to run them. */
function roleStatement() {
  const tables = Object.values(schema)
    .filter((value) => is(value, PgTable))
    .map((table) => getTableConfig(table).name)
  return sql`
    SELECT coalesce(bool_or(pg_has_role(current_user, relowner, 'MEMBER')), false) AS owns,
      string_agg(relname, ', ' ORDER BY relname) FILTER (WHERE NOT has_any_column_privilege(current_user, oid, 'SELECT')
        OR relname <> 'production_database' AND NOT has_any_column_privilege(current_user, oid, 'INSERT')) AS closed
    FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace
      AND relname = ANY (string_to_array(${tables.join()}, ','))`
}

/** `databaseNow` was read at some moment between the other two: what that leaves open is in favour of the clocks. */
function lookAtClock(databaseNow: number, before: number, after: number): Finding {
  const ahead = Math.max(before - databaseNow, databaseNow - after, 0)
  const seconds = Math.round(ahead / 1000)
  if (seconds <= CLOCK_ADVICE_SECONDS) return good('clock', "This machine's clock is the database's.")
  const says = `This machine's clock and the database's are ${seconds} s apart. Access tokens and mailed links carry times of the functions' clock, and rows those of the database's.`
  const mend =
    "Set this machine's clock by NTP. Where this is not the machine that the functions run on, theirs may be right."
  if (seconds <= CLOCK_TROUBLE_SECONDS) return advice('clock', says, mend)
  return trouble(
    'clock',
    `${says} By more than ${CLOCK_TROUBLE_SECONDS} s others refuse fresh tokens, and links end early or late.`,
    mend,
  )
}

function lookAtRole(owns: boolean, closed: string): Finding {
  if (closed !== '') {
    return fault(
      'role',
      `The functions' role may not read or not write ${closed}.`,
      'Run drizzle/runtime-role.sql again, as the owner (docs/operations.md).',
    )
  }
  if (owns) {
    return advice(
      'role',
      'The functions run as the owner of the tables, who may change and drop them.',
      'Give them a role of their own, as docs/operations.md says: it takes two statements.',
    )
  }
  return good('role', 'The functions run in a role that may read and write the tables, and owns none.')
}

/** As the migrations reach it, over TCP. */
async function lookAtMigrations(variables: NodeJS.ProcessEnv): Promise<Finding[]> {
  try {
    const known = await readMigrations()
    const applied = await withClient(migrationUrl(variables), async (client) => {
      const { rows } = await client.query<{ ledger: string | null }>(
        'SELECT to_regclass($1)::text AS ledger',
        [LEDGER],
      )
      if (rows[0]?.ledger === null) return []
      const { rows: entries } = await client.query<{ created_at: string }>(`SELECT created_at FROM ${LEDGER}`)
      return entries.map((row) => Number(row.created_at))
    })
    const pending = known.filter(({ when }) => !applied.includes(when)).map(({ name }) => name)
    const unknown = applied.filter((when) => !known.some((migration) => migration.when === when))
    const findings: Finding[] = []
    if (pending.length > 0) {
      findings.push(
        fault('migrations', `Not applied yet: ${pending.join(', ')}.`, 'Apply them: npm run migrate'),
      )
    }
    if (unknown.length > 0) {
      findings.push(
        advice(
          'migrations',
          `The database has ${unknown.length} that this checkout does not know: something newer was deployed.`,
          'After a rollback that is as it should be, since migrations only add. Otherwise update this checkout.',
        ),
      )
    }
    return findings.length > 0 ? findings : [good('migrations', 'All are applied.')]
  } catch (error) {
    return [migrationsUnseen(error)]
  }
}

function migrationsUnseen(error: unknown): Finding {
  const code = sqlStateOf(error) ?? ''
  if (code === '42501') {
    return advice(
      'migrations',
      "This role may not see what was applied: it is the functions' own.",
      "Set DATABASE_URL_UNPOOLED to the owner's address.",
    )
  }
  const reason = error instanceof Error ? error.message : 'unknown'
  if (/^(?:28|3D)/.test(code)) {
    return fault(
      'migrations',
      `The database refuses the role, the password or the database's name in DATABASE_URL_UNPOOLED, or in DATABASE_URL where that is not set: ${reason}.`,
      "Copy the direct connection string from Neon's dashboard.",
    )
  }
  return trouble(
    'migrations',
    `The database is not reached over TCP: ${reason}.`,
    'Compare the host in DATABASE_URL_UNPOOLED with the Neon dashboard; port 5432 must be open from here.',
  )
}

async function lookAtAddresses(variables: NodeJS.ProcessEnv): Promise<Finding[]> {
  const { DATABASE_URL_UNPOOLED: direct } = variables
  if (direct && !URL.canParse(direct)) {
    const mend = "Copy the direct connection string from Neon's dashboard."
    return [fault('database', 'DATABASE_URL_UNPOOLED is not an address.', mend)]
  }
  const findings = nameTwoDatabases(variables)
    ? [fault('database', `${TWO_DATABASES}.`, 'Copy both from the same branch of Neon.')]
    : []
  // Where it cannot be reached, another finding says so.
  const production = await recordedProduction(migrationUrl(variables)).catch(() => undefined)
  const names = variablesLeadingTo(production, variables)
  const stage = environmentFaults.length === 0 ? environment().stage : undefined
  if (stage === 'preview') {
    findings.push(...names.map((name) => fault('database', `${name}: ${REFUSED_IN_PREVIEW}.`)))
  }
  if (stage === 'development' && names.length > 0) {
    findings.push(
      advice(
        'database',
        "This is production's own database, and this is no deployment.",
        'Work on a branch of it, or on the local stack: npm run dev',
      ),
    )
  }
  if (stage === 'production' && production !== undefined && names.length === 0) {
    findings.push(
      advice(
        'database',
        "The database names another one as production's: it is a copy, or has moved.",
        "If it is production's now, deploy: a deploy of production writes it down.",
      ),
    )
  }
  return findings
}

/** What is right in a preview keeps customers' mails back for good in production. */
function lookAtRecipients({ mailAllow, stage }: Environment): Finding[] {
  if (stage !== 'production' || mailAllow === undefined) return []
  const says = 'MAIL_ALLOW is set in production: nobody else is written to, now or later.'
  return [advice('mail', says, 'Remove it from Production, unless it is meant.')]
}

async function lookAtMail(
  { resendApiKey, mailFrom, stage }: Environment,
  variables: NodeJS.ProcessEnv,
): Promise<Finding[]> {
  const domain = senderDomain(mailFrom)
  const hasStandIn = stage === 'development' && Boolean(variables['RESEND_BASE_URL'])
  if (!hasStandIn && domain === 'resend.dev') {
    const says = 'MAIL_FROM is at resend.dev, from where Resend writes to the owner of its account alone.'
    const mend = 'Verify a domain at https://resend.com/domains and send from there.'
    return [stage === 'production' ? fault('mail', says, mend) : advice('mail', says, mend)]
  }
  const listed = await listDomains(resendApiKey)
  if (hasStandIn && listed.kind !== 'unanswered') {
    return [
      good(
        'mail',
        'Mails go to a stand-in for Resend, which answers; what Resend says of key and sender is not known.',
      ),
    ]
  }
  switch (listed.kind) {
    case 'sending-only':
      return [
        good(
          'mail',
          "Resend knows the key. It may send and no more, which is right, so whether the sender's domain is verified cannot be seen: https://resend.com/domains shows it.",
        ),
      ]
    case 'refused':
      return [
        fault(
          'mail',
          `Resend refuses the key in RESEND_API_KEY: ${listed.reason}.`,
          'Make one with sending access at https://resend.com/api-keys.',
        ),
      ]
    case 'unanswered':
      return [
        trouble(
          'mail',
          `Resend gave no answer to go by: ${listed.reason}.`,
          'Look at https://resend-status.com, and try again.',
        ),
      ]
    case 'domains':
      return lookAtSender(
        listed.domains.find(({ name }) => name.toLowerCase() === domain),
        stage,
      )
  }
}

function lookAtSender(domain: Domain | undefined, stage: Environment['stage']): Finding[] {
  const findings = [
    advice(
      'mail',
      'RESEND_API_KEY may do everything with the account at Resend.',
      'A key with sending access is enough: https://resend.com/api-keys.',
    ),
  ]
  const problem =
    domain === undefined
      ? 'is not among the domains of this account at Resend'
      : domain.status !== 'verified'
        ? `is not verified at Resend (${domain.status})`
        : domain.capabilities?.sending === 'disabled'
          ? 'may not send at Resend'
          : undefined
  if (problem !== undefined) {
    const says = `The domain of the sender in MAIL_FROM ${problem}, so no mail goes.`
    const mend = 'Add it at https://resend.com/domains and set the DNS records that are shown there.'
    return [...findings, stage === 'development' ? advice('mail', says, mend) : fault('mail', says, mend)]
  }
  if (domain?.open_tracking === true || domain?.click_tracking === true) {
    findings.push(
      advice(
        'mail',
        'Resend counts who opens mails or presses their links.',
        "Turn tracking off in the domain's settings at Resend: it rewrites the links and sees their tokens.",
      ),
    )
  }
  return [good('mail', "Resend knows the key, and the sender's domain is verified."), ...findings]
}

type ListedDomains =
  | { kind: 'domains'; domains: Domain[] }
  | { kind: 'sending-only' }
  | { kind: 'refused'; reason: string }
  | { kind: 'unanswered'; reason: string }

/** A key that may only send is refused the list with an error of its own, which proves it (https://resend.com/docs/api-reference/errors). */
async function listDomains(apiKey: string): Promise<ListedDomains> {
  const resend = new Resend(apiKey)
  const options = { signal: AbortSignal.timeout(MAIL_TIMEOUT_MS), redirect: 'error' }
  const domains: Domain[] = []
  for (;;) {
    const last = domains.at(-1)
    const page = last === undefined ? {} : { after: last.id }
    const { data, error } = await resend.domains.list({ limit: DOMAINS_A_PAGE, ...page }, options)
    if (error !== null) {
      if (error.name === 'restricted_api_key') return { kind: 'sending-only' }
      const { statusCode } = error
      const reason = `${statusCode ?? 'no answer'} ${error.name}`
      const isAnswer = statusCode !== null && statusCode >= 400 && statusCode < 500
      // An unknown key is 400, 401 or 403, by different names; there is nothing else in the request that could be wrong.
      return { kind: isAnswer && statusCode !== 408 && statusCode !== 429 ? 'refused' : 'unanswered', reason }
    }
    domains.push(...data.data)
    if (!data.has_more || data.data.length === 0) return { kind: 'domains', domains }
  }
}

/** Of `Example <login@mail.example.com>`, or of the address alone. */
function senderDomain(mailFrom: string): string {
  return mailFrom.replace(/>$/, '').split('@').at(-1)?.toLowerCase() ?? ''
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}

type About = Finding['about']

function good(about: About, says: string): Finding {
  return { about, kind: 'good', says }
}

function advice(about: About, says: string, mend?: string): Finding {
  return { about, kind: 'advice', says, ...(mend !== undefined && { mend }) }
}

function trouble(about: About, says: string, mend: string): Finding {
  return { about, kind: 'trouble', says, mend }
}

function fault(about: About, says: string, mend?: string): Finding {
  return { about, kind: 'fault', says, ...(mend !== undefined && { mend }) }
}
