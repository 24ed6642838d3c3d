/** The keys of rate-limit buckets, and what a 429 says of them. The limits are in lib/limits.ts, GCRA in the engine. */
import { keyedHash } from './keys.ts'
import type { RateLimit } from './limits.ts'

/** The bucket of an address, a network or a token. Keyed, so that the table names none of them. 32 bytes. */
export function rateLimitKey({ name }: RateLimit, subject: string): Uint8Array {
  return keyedHash('rate-limit', Buffer.from(`${name}\n${subject}`))
}

/** The bucket of failed logins of an address without an account, or of a device cookie. 32 bytes. */
export function attemptsKey(holder: 'login-account' | 'login-browser', subject: string): Uint8Array {
  return keyedHash('rate-limit', Buffer.from(`${holder}\n${subject}`))
}

/**
 * The header fields of a 429 (draft-ietf-httpapi-ratelimit-headers-10). They name the source's limit whichever one was
 * reached, so they say nothing about an account.
 */
export function rateLimitHeaders(
  { name, quota, windowSeconds }: RateLimit,
  seconds: number,
): Record<string, string> {
  return {
    'ratelimit-policy': `"${name}";q=${quota};w=${windowSeconds}`,
    ratelimit: `"${name}";r=0;t=${seconds}`,
  }
}
