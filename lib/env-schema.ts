/** What each variable must be, in one table. The messages say what to do and never hold a value. */
import { X509Certificate } from 'node:crypto'
import * as z from 'zod/mini'
import { isLoopback, parseDatabaseUrl } from './database-url.ts'
import { EmailAddress } from './email-address.ts'

/** The codes alone: their texts are in lib/languages and reach only the functions that send email. */
export const EMAIL_LANGUAGES = ['en', 'de', 'fr', 'es'] as const

export type EmailLanguage = (typeof EMAIL_LANGUAGES)[number]

export type Stage = 'production' | 'preview' | 'development'

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

export function splitList(list: string): string[] {
  return list.split(',').map((entry) => entry.trim())
}

/** An address, or `@` and a domain for everybody there. An asterisk would stand for itself, which nobody means. */
function isRecipient(entry: string): boolean {
  if (entry.includes('*')) return false
  return EmailAddress.safeParse(entry.startsWith('@') ? `anybody${entry}` : entry).success
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
