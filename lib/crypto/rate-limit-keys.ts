/** The keys of rate-limit buckets. The limits are in lib/limits.ts, GCRA is in the engine. */
import { keyedHash } from './keys.ts'
import type { RateLimit } from '../limits.ts'

/** The bucket of an address, a network or a token. Keyed, so the table identifies none of them. 32 bytes. */
export function rateLimitKey({ name }: RateLimit, subject: string): Uint8Array {
  return keyedHash('rate-limit', Buffer.from(`${name}\n${subject}`))
}

/** The bucket of failed logins of an address without an account, or of a device cookie. 32 bytes. */
export function attemptsKey(holder: 'login-account' | 'login-browser', subject: string): Uint8Array {
  return keyedHash('rate-limit', Buffer.from(`${holder}\n${subject}`))
}
