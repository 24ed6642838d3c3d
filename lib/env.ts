/**
 * The environment, parsed once at cold start. Every fault is reported at once, by key and by what to do,
 * never by value. The deploy runs the same check.
 */
import { X509Certificate } from 'node:crypto'
import * as z from 'zod/mini'
import { isLoopback, parseDatabaseUrl } from './database-url.ts'
import { EmailAddress, normalizeEmail } from './email-address.ts'

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

/** The codes alone: their texts are in lib/languages and reach only the functions that send email. */
export const EMAIL_LANGUAGES = ['en', 'de', 'fr', 'es'] as const

export type EmailLanguage = (typeof EMAIL_LANGUAGES)[number]

export type Stage = 'production' | 'preview' | 'development'

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

/** The names in it are all there are, but for `APP_URL` and what Vercel sets. */
export function schemaFor(stage: Stage) {
  const local = stage === 'development'
  return z.object({
    JWT_SECRET: variable('missing; make one with: openssl rand -base64 32').check(
      z.refine((list) => splitList(list).every(isRandomSecret), {
        error: 'too short or not random; each secret must be 32 random bytes: openssl rand -base64 32',
      }),
    ),
    DATABASE_URL: variable("missing; copy the pooled connection string from your database's dashboard").check(
      z.refine((url) => Boolean(parseDatabaseUrl(url)?.password), {
        error:
          'not a postgresql:// address with user, password, host and database, each of them before the question mark',
      }),
      z.refine((url) => local || !isLoopback(parseDatabaseUrl(url)?.host ?? ''), {
        error: 'names this machine; a deployment needs a database it can reach',
      }),
    ),
    DATABASE_POOL_MAX: z.optional(
      z.string().check(
        z.refine((text) => /^\d{1,3}$/.test(text) && Number(text) >= 1 && Number(text) <= 100, {
          error: 'must be a whole number from 1 to 100 (10 when unset)',
        }),
      ),
    ),
    DATABASE_CA: z.optional(
      z.string().check(
        z.refine(isCertificate, {
          error:
            'not a certificate; paste the PEM text with its line breaks, from -----BEGIN CERTIFICATE----- on',
        }),
      ),
    ),
    NEON_FETCH_ENDPOINT: z.optional(
      z.string().check(
        z.refine((url) => local && isLoopbackUrl(url), {
          error: 'is for local development only, and then a loopback address; remove it',
        }),
      ),
    ),
    RESEND_API_KEY: variable('missing; make one at https://resend.com/api-keys').check(
      z.refine((key) => key.startsWith('re_'), { error: "not a Resend key; Resend's keys begin with re_" }),
      z.refine((key) => local || !/^re_(?:local|x+)$/i.test(key), {
        error: 'an example; make one at https://resend.com/api-keys',
      }),
    ),
    RESEND_DEBUG: z.optional(
      z.string().check(
        z.refine((debug) => local || debug !== 'true', {
          error: 'makes the SDK log what it was sent, addresses too; remove it',
        }),
      ),
    ),
    NODE_TLS_REJECT_UNAUTHORIZED: z.optional(
      z.string().check(
        z.refine((reject) => local || reject !== '0', {
          error: 'lets anybody stand in for the database and the email provider; remove it',
        }),
      ),
    ),
    RESEND_BASE_URL: z.optional(
      z.string().check(
        z.refine((url) => local && isLoopbackUrl(url), {
          error: 'is for local development only, and then a loopback address; remove it',
        }),
      ),
    ),
    EMAIL_FROM: variable('missing; the sender, such as: Example <login@mail.example.com>').check(
      z.refine((from) => /^(?:[^<>\r\n"]{1,100} <[^\s<>@]+@[^\s<>@]+>|[^\s<>@]+@[^\s<>@]+)$/.test(from), {
        error: 'not a sender; write it like: Example <login@mail.example.com>',
      }),
    ),
    EMAIL_ALLOW: z.optional(
      z.string().check(
        z.refine((list) => splitList(list).every(isRecipient), {
          error: 'not a list of addresses and @domains, like: me@example.com,@example.org',
        }),
      ),
    ),
    SUPPORT_ADDRESS: z.optional(
      z.string().check(
        z.refine((address) => EmailAddress.safeParse(address).success, {
          error: 'not an email address; write the address alone, like: help@example.com',
        }),
      ),
    ),
    EMAIL_LANGUAGE: z.optional(
      z.enum(EMAIL_LANGUAGES, {
        error: `not a language of the emails; set one of: ${EMAIL_LANGUAGES.join(', ')}`,
      }),
    ),
    VERIFY_PATH: z.optional(pagePath('/auth/verify')),
    RESET_PATH: z.optional(pagePath('/auth/reset')),
    CRON_SECRET: variable('missing; make one with: openssl rand -base64 32').check(
      z.refine(isRandomSecret, {
        error: 'too short or not random; make one with: openssl rand -base64 32',
      }),
    ),
    PRODUCT_NAME: z.optional(
      z.string().check(
        z.refine((name) => /^[^\p{Cc}\p{Zl}\p{Zp}<>]{1,60}$/u.test(name), {
          error: 'must be 1 to 60 characters without < or >',
        }),
      ),
    ),
    PASSWORD_MIN_LENGTH: z.optional(
      z.string().check(
        z.refine((text) => /^\d{1,2}$/.test(text) && Number(text) >= 8 && Number(text) <= 64, {
          error: 'must be a whole number from 8 to 64 (15 when unset)',
        }),
      ),
    ),
    BREACHED_PASSWORDS_URL: z.optional(
      z.string().check(
        z.refine((url) => isPlainHttps(url) || (local && isLoopbackUrl(url)), {
          error: 'must be an https address alone, such as https://api.pwnedpasswords.com/range',
        }),
      ),
    ),
  })
}

/** A path that stays on the app's own origin, whatever it is put behind, and leaves the fragment to the token. */
function pagePath(whenUnset: string) {
  return z.string().check(
    z.refine((path) => /^\/(?:[\w.~-]+\/)*[\w.~-]*$/.test(path) && !path.includes('..'), {
      error: `must be a path on the app's own origin: one / first, then letters, digits and - . _ ~ between single slashes, without .. (${whenUnset} when unset)`,
    }),
  )
}

function variable(missing: string) {
  return z.string({ error: missing })
}

function splitList(list: string): string[] {
  return list.split(',').map((entry) => entry.trim())
}

/** An address, or `@` and a domain for everybody there. An asterisk would stand for itself, which nobody means. */
function isRecipient(entry: string): boolean {
  if (entry.includes('*')) return false
  return EmailAddress.safeParse(entry.startsWith('@') ? `anybody${entry}` : entry).success
}

/** A preview writes to nobody unless it is told to whom. */
function allowedRecipients(list: string | undefined, stage: Stage): string[] | undefined {
  if (list !== undefined) return splitList(list).map(normalizeEmail)
  return stage === 'preview' ? [] : undefined
}

/**
 * Base64, base64url or hexadecimal of at least 32 bytes that does not look like words or a pattern.
 * 43 random base64 characters show 31 different ones on average; a sentence that long shows about 17.
 */
function isRandomSecret(secret: string): boolean {
  const different = new Set(secret).size
  if (/^[0-9a-f]{64,}$/i.test(secret)) return different >= 10
  return /^[A-Za-z0-9+/_-]{43,}={0,2}$/.test(secret) && different >= 22
}

/** One or more in PEM. Node would ignore one that it can't read, such as one whose line breaks were lost. */
function isCertificate(text: string): boolean {
  const certificates = text.match(/-----BEGIN CERTIFICATE-----\n[^-]+-----END CERTIFICATE-----/g) ?? []
  const rest = certificates.reduce((left, one) => left.replace(one, ''), text)
  if (certificates.length === 0 || /-----/.test(rest)) return false
  try {
    return certificates.every((one) => new X509Certificate(one).raw.length > 0)
  } catch {
    return false
  }
}

function isPlainHttps(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, username, password, search, hash } = new URL(text)
  return protocol === 'https:' && `${username}${password}${search}${hash}` === ''
}

function isLoopbackUrl(text: string): boolean {
  return URL.canParse(text) && isLoopback(new URL(text).hostname)
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
