import { expect, test } from 'vitest'
import { rateLimits } from '../limits.ts'
import { attemptsKey, rateLimitKey } from './rate-limit-keys.ts'

test('[RateLimit 8.2] the key of a bucket is 32 bytes that name neither the limit nor the subject, and another one for each of both', () => {
  const address = 'somebody@example.org'
  const keys = [
    ...Object.values(rateLimits).map((limit) => rateLimitKey(limit, address)),
    rateLimitKey(rateLimits.loginBySource, 'somebody-else@example.org'),
    attemptsKey('login-account', address),
    attemptsKey('login-browser', address),
  ].map((key) => Buffer.from(key))
  for (const key of keys) {
    expect(key).toHaveLength(32)
    expect(key.toString('latin1')).not.toContain('somebody')
  }
  expect(new Set(keys.map((key) => key.toString('hex'))).size).toBe(keys.length)
})
