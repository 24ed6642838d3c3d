/**
 * The environment, parsed once at cold start. Every fault is reported at once, by key and by what to do,
 * never by value. The deploy runs the same check.
 */
import { isLoopback } from './database-url.ts'
import { normalizeEmail } from './email-address.ts'
import { schemaFor, splitList, type EmailLanguage, type Stage } from './env-schema.ts'

export interface Environment {
  stage: Stage
  /** Where people reach the app: scheme, host and port, no trailing slash. Links, `iss` and `aud` come from it. */
  origin: string
  /** What the origin check accepts: `origin` and, in a preview, this deployment's generated hosts. */
  ownOrigins: readonly string[]
  /** Key material; the first one signs, all verify. */
  jwtSecrets: readonly string[]
  databaseUrl: string
  /** Connections of one instance, where the database is reached over TCP. */
  databasePoolMax: number
  /** PEM. Who signed the database's certificate, where that is nobody public. */
  databaseCa: string | undefined
  /** Stands in for Neon's HTTP address in local development only. */
  neonFetchEndpoint: string | undefined
  resendApiKey: string
  emailFrom: string
  emailLanguage: EmailLanguage
  /** Whom emails may go to: comparison forms of addresses, or `@` and a domain; undefined: everybody. */
  emailAllow: readonly string[] | undefined
  /** Who answers people's questions; named in every email. */
  supportAddress: string | undefined
  /** The pages on `origin` that emailed links open. */
  verifyPath: string
  resetPath: string
  cronSecret: string
  productName: string
  passwordMinLength: number
  /** A range API of breached passwords, without a slash at its end; undefined: none is asked. */
  breachedPasswordsUrl: string | undefined
}

/** What is wrong with one variable, in words that never hold its value. */
export interface Issue {
  key: string
  problem: string
}

/** `set` are the names of the variables that are there. */
export type ParsedEnvironment =
  | { kind: 'ok'; set: string[]; environment: Environment }
  | { kind: 'misconfigured'; set: string[]; issues: Issue[] }

type Variables = Record<string, string | undefined>

export function parseEnvironment(variables: Variables): ParsedEnvironment {
  // An empty variable, as `.env` files and dashboards make them, is a missing one.
  const given = Object.fromEntries(Object.entries(variables).filter(([, value]) => value?.trim()))

  const stage = stageOf(given)
  const origin = appOrigin(given)
  const schema = schemaFor(stage)
  const set = ['APP_URL', ...Object.keys(schema.shape)].filter((key) => key in given)
  const parsed = schema.safeParse(given)
  const issues: Issue[] = [
    ...(origin.kind === 'issue' ? [origin.issue] : []),
    ...(parsed.error?.issues ?? []).map((issue) => ({ key: String(issue.path[0]), problem: issue.message })),
  ]
  if (origin.kind === 'issue' || !parsed.success) return { kind: 'misconfigured', set, issues }

  return {
    kind: 'ok',
    set,
    environment: {
      stage,
      origin: origin.origin,
      ownOrigins: ownOrigins(origin.origin, given),
      jwtSecrets: splitList(parsed.data.JWT_SECRET),
      databaseUrl: parsed.data.DATABASE_URL,
      databasePoolMax: Number(parsed.data.DATABASE_POOL_MAX ?? 10),
      databaseCa: parsed.data.DATABASE_CA,
      neonFetchEndpoint: parsed.data.NEON_FETCH_ENDPOINT,
      resendApiKey: parsed.data.RESEND_API_KEY,
      emailFrom: parsed.data.EMAIL_FROM,
      emailLanguage: parsed.data.EMAIL_LANGUAGE ?? 'en',
      emailAllow: allowedRecipients(parsed.data.EMAIL_ALLOW, stage),
      supportAddress: parsed.data.SUPPORT_ADDRESS?.trim(),
      verifyPath: parsed.data.VERIFY_PATH ?? '/auth/verify',
      resetPath: parsed.data.RESET_PATH ?? '/auth/reset',
      cronSecret: parsed.data.CRON_SECRET,
      productName: parsed.data.PRODUCT_NAME ?? new URL(origin.origin).hostname,
      passwordMinLength: Number(parsed.data.PASSWORD_MIN_LENGTH ?? 15),
      breachedPasswordsUrl: parsed.data.BREACHED_PASSWORDS_URL?.replace(/\/$/, ''),
    },
  }
}

export type Origin = { kind: 'origin'; origin: string } | { kind: 'issue'; issue: Issue }

/**
 * The app's own origin. `APP_URL` wins; without it a production deployment takes its production domain,
 * a preview its branch's host and then its own, and a local run `http://localhost:3000`.
 */
export function appOrigin(variables: Variables): Origin {
  const stage = stageOf(variables)
  const appUrl = variables['APP_URL']
  if (appUrl) return originFrom(appUrl, stage)

  const host =
    stage === 'production'
      ? variables['VERCEL_PROJECT_PRODUCTION_URL']
      : stage === 'preview'
        ? (variables['VERCEL_BRANCH_URL'] ?? variables['VERCEL_URL'])
        : undefined
  if (host) return originFrom(`https://${host}`, stage)
  if (stage === 'development') return { kind: 'origin', origin: 'http://localhost:3000' }
  return originIssue('missing; set it to the address people open, such as https://app.example.com')
}

function originFrom(address: string, stage: Stage): Origin {
  if (!URL.canParse(address)) return originIssue('not an address; write it like https://app.example.com')
  const url = new URL(address)
  if (url.pathname !== '/' || url.search || url.hash || url.username) {
    return originIssue('must be an origin alone: scheme and host, no path, query or user')
  }
  if (stage !== 'development' && isLoopback(url.hostname)) {
    return originIssue(`names this machine, which nobody can reach from a ${stage} deployment's emails`)
  }
  const plainLocal = stage === 'development' && url.protocol === 'http:' && url.hostname === 'localhost'
  if (url.protocol !== 'https:' && !plainLocal) {
    return originIssue('must be https (http only for http://localhost in local development)')
  }
  return { kind: 'origin', origin: url.origin }
}

function originIssue(problem: string): Origin {
  return { kind: 'issue', issue: { key: 'APP_URL', problem } }
}

function ownOrigins(origin: string, variables: Variables): string[] {
  if (stageOf(variables) !== 'preview') return [origin]
  const hosts = [variables['VERCEL_BRANCH_URL'], variables['VERCEL_URL']].filter((host) => host !== undefined)
  return [...new Set([origin, ...hosts.map((host) => `https://${host}`)])]
}

/** Outside Vercel only an app that says it is on localhost counts as development; anything else is production. */
function stageOf(variables: Variables): Stage {
  const stage = variables['VERCEL_ENV']
  if (stage === 'production' || stage === 'preview' || stage === 'development') return stage
  return variables['APP_URL']?.startsWith('http://localhost') ? 'development' : 'production'
}

/** A preview writes to nobody unless it is told to whom. */
function allowedRecipients(list: string | undefined, stage: Stage): string[] | undefined {
  if (list !== undefined) return splitList(list).map(normalizeEmail)
  return stage === 'preview' ? [] : undefined
}

const variables: Variables = process.env
const atColdStart = parseEnvironment(variables)

/** What an instance says of itself when it begins: the names of the variables that are set, and the deployment's commit. */
export const configuration = {
  keys: atColdStart.set,
  version: variables['VERCEL_GIT_COMMIT_SHA'] ?? 'unknown',
}

/** The faults this instance started with; empty when it may serve. */
export const environmentIssues: readonly Issue[] = atColdStart.kind === 'ok' ? [] : atColdStart.issues

/** The parsed environment. Throws when it is at fault, so nothing can run half configured. */
export function environment(): Environment {
  if (atColdStart.kind === 'ok') return atColdStart.environment
  throw new Error(`misconfigured: ${atColdStart.issues.map((issue) => issue.key).join(', ')}`)
}
