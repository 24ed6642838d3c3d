/**
 * Rate limits: GCRA in Postgres, one row a bucket, taken inside the statement that needs it. A bucket of the source
 * and one of the address are independent, so neither a botnet nor one busy network gets past both.
 */
import { sql, type SQL } from 'drizzle-orm'
import { keyedHash } from './keys.ts'

export interface Limit {
  name: string
  /** Requests in one window, all of which may come at once. */
  quota: number
  windowSeconds: number
}

/** The one table of limits. */
export const limits = {
  registerBySource: { name: 'register-source', quota: 30, windowSeconds: 3600 },
  registerByAddress: { name: 'register-address', quota: 5, windowSeconds: 3600 },
  loginBySource: { name: 'login-source', quota: 100, windowSeconds: 600 },
  mailBySource: { name: 'mail-source', quota: 30, windowSeconds: 3600 },
  mailByAddress: { name: 'mail-address', quota: 5, windowSeconds: 3600 },
  codeBySource: { name: 'code-source', quota: 30, windowSeconds: 3600 },
  codeByAddress: { name: 'code-address', quota: 10, windowSeconds: 24 * 60 * 60 },
  /**
   * A link's token is worth so many requests, spent or not. In its 8 hours a link makes 40 guesses at a password at most: these are
   * not counted with the account's, which end at a hundred.
   */
  linkByToken: { name: 'link-token', quota: 30, windowSeconds: 24 * 60 * 60 },
  refreshBySession: { name: 'refresh-session', quota: 60, windowSeconds: 60 },
  passwordCheckByAccount: { name: 'password-check-account', quota: 20, windowSeconds: 900 },
  emailChangeByAccount: { name: 'email-change-account', quota: 10, windowSeconds: 24 * 60 * 60 },
} as const satisfies Record<string, Limit>

/** What wrong passwords in a row cost (lib/password-attempts.ts). Each wait is twice the one before. */
export const failureWaits = {
  /** The failure after which the first wait begins. */
  waitsFrom: 5,
  firstWaitSeconds: 30,
  longestWaitSeconds: 3600,
  /** The failure that locks. */
  lockedAt: 100,
} as const

/** The bucket of a subject that the request names: an address or a network. Keyed, so that the table tells neither. */
export function bucketOf({ name }: { name: string }, subject: string): SQL {
  return sql`${keyedHash('rate-limit', Buffer.from(`${name}\n${subject}`))}::bytea`
}

/** The bucket of a row that the statement itself finds. */
export function bucketOfRow({ name }: { name: string }, id: SQL): SQL {
  return sql`sha256(convert_to(${`${name}\n`} || ${id}::text, 'UTF8'))`
}

/**
 * Takes one from a bucket, when `condition` holds: a statement that yields one row when there was one to take and
 * none when the bucket is empty. An empty bucket is not written to, so a flood costs no writes.
 */
export function take(limit: Limit, bucket: SQL, condition: SQL): SQL {
  return sql`INSERT INTO rate_limits AS bucket (key, theoretical_arrival_at)
    SELECT ${bucket}, now() + ${emission(limit)} WHERE ${condition}
    ON CONFLICT (key) DO UPDATE
      SET theoretical_arrival_at = greatest(bucket.theoretical_arrival_at, now()) + ${emission(limit)}
      WHERE bucket.theoretical_arrival_at <= now() + ${tolerance(limit)}
    RETURNING 1`
}

/** How far apart requests are in the long run, and how far ahead of that a burst may be. */
function emission({ windowSeconds, quota }: Limit): SQL {
  return sql`make_interval(secs => ${windowSeconds / quota}::float8)`
}

function tolerance({ windowSeconds, quota }: Limit): SQL {
  return sql`make_interval(secs => ${windowSeconds - windowSeconds / quota}::float8)`
}

/** Whole seconds until a bucket has one to take again, at least 1. */
export function waitSeconds(limit: Limit, bucket: SQL): SQL {
  return sql`(SELECT greatest(1, ceil(extract(epoch FROM max(theoretical_arrival_at) - now() - ${tolerance(limit)})))::int
    FROM rate_limits WHERE key = ${bucket})`
}

export interface Buckets {
  /** Common table expressions `source` and `address`: a row in both means that the request may go on. */
  taken: SQL
  /** Select list: `source_wait_seconds` and `address_wait_seconds`, null where there was one to take. */
  waits: SQL
}

export interface BucketWaits {
  source_wait_seconds: number | null
  address_wait_seconds: number | null
}

/** `taken` is a common table expression of that name, `wait` the select list's `wait_seconds`: null where there was one to take. */
export function takeBucket(limit: Limit, subject: string): { taken: SQL; wait: SQL } {
  const bucket = bucketOf(limit, subject)
  return {
    taken: sql`taken AS (${take(limit, bucket, sql`true`)})`,
    wait: sql`CASE WHEN NOT EXISTS (SELECT FROM taken) THEN ${waitSeconds(limit, bucket)} END AS wait_seconds`,
  }
}

/** A refused source takes nothing from the address, so a stranger cannot use up somebody else's share alone. */
export function takeBuckets(bySource: Limit, network: string, byAddress: Limit, emailKey: string): Buckets {
  const source = bucketOf(bySource, network)
  const address = bucketOf(byAddress, emailKey)
  return {
    taken: sql`
      source AS (${take(bySource, source, sql`true`)}),
      address AS (${take(byAddress, address, sql`EXISTS (SELECT FROM source)`)})`,
    waits: sql`
      CASE WHEN NOT EXISTS (SELECT FROM source) THEN ${waitSeconds(bySource, source)} END AS source_wait_seconds,
      CASE WHEN EXISTS (SELECT FROM source) AND NOT EXISTS (SELECT FROM address)
        THEN ${waitSeconds(byAddress, address)} END AS address_wait_seconds`,
  }
}

/**
 * The header fields of a 429 (draft-ietf-httpapi-ratelimit-headers-10). They speak of the source's bucket alone,
 * whichever one is empty, so they tell nothing of an account.
 */
export function rateLimitHeaders(
  { name, quota, windowSeconds }: Limit,
  seconds: number,
): Record<string, string> {
  return {
    'ratelimit-policy': `"${name}";q=${quota};w=${windowSeconds}`,
    ratelimit: `"${name}";r=0;t=${seconds}`,
  }
}
