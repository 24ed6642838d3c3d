/** Whether a secret is right is for `timingSafeEqual` to decide, and for nothing before it. */
import type * as Crypto from 'node:crypto'
import { randomBytes } from 'node:crypto'
import { v7 as newId } from 'uuid'
import { beforeEach, expect, test, vi } from 'vitest'
import maintenance from '../../api/auth/maintenance.ts'
import { newDeviceId, signDeviceCookie, verifyDeviceCookie } from '../../lib/crypto/device-cookie.ts'
import { isOneTimeCode, oneTimeCode } from '../../lib/crypto/one-time-code.ts'
import { expiryIn, verifyOneTimeToken, signOneTimeToken } from '../../lib/crypto/one-time-token.ts'
import { verifyRefreshToken, signRefreshToken } from '../../lib/crypto/refresh-token.ts'
import { verifyRegistrationCookie, signRegistrationCookie } from '../../lib/crypto/registration-cookie.ts'

const decision = vi.hoisted(() => ({ verdict: undefined as boolean | undefined, lengths: [] as number[][] }))

vi.mock('node:crypto', async (original) => {
  const crypto = await original<typeof Crypto>()
  const timingSafeEqual: typeof Crypto.timingSafeEqual = (one, other) => {
    decision.lengths.push([one.byteLength, other.byteLength])
    return decision.verdict ?? crypto.timingSafeEqual(one, other)
  }
  return { ...crypto, timingSafeEqual }
})

beforeEach(() => {
  decision.verdict = undefined
  decision.lengths = []
})

/** The same with its last byte another one. */
function forged(signed: string): string {
  const bytes = Buffer.from(signed, 'base64url')
  bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 1, bytes.length - 1)
  return bytes.toString('base64url')
}

const oneTimeToken = { id: newId(), expiresAt: expiryIn(60) }
const ask = async (authorization: string) =>
  (await maintenance.fetch(new Request('https://app.latchkey.test/', { headers: { authorization } }))).status

const kinds: [kind: string, right: string, isAccepted: (text: string) => boolean | Promise<boolean>][] = [
  [
    'the refresh token',
    signRefreshToken({ family: randomBytes(32), counter: 1 }),
    (text) => verifyRefreshToken(text) !== undefined,
  ],
  [
    'the one-time token',
    signOneTimeToken('reset-email', oneTimeToken),
    (text) => verifyOneTimeToken(['reset-email'], text).kind === 'valid',
  ],
  [
    'the registration cookie',
    signRegistrationCookie({ registrationId: newId(), persistent: true }),
    (text) => verifyRegistrationCookie(text) !== undefined,
  ],
  [
    'the device cookie',
    signDeviceCookie({ id: newDeviceId(), securityVersion: 1 }, 'a@example.org'),
    (text) => verifyDeviceCookie(text, 'a@example.org') !== undefined,
  ],
  [
    'the six digits',
    oneTimeCode('reset-email', oneTimeToken),
    (text) => isOneTimeCode('reset-email', oneTimeToken, text),
  ],
  // Where it is let in, there is no database here: 503.
  [
    'the secret of the cron',
    process.env['CRON_SECRET'] ?? '',
    async (text) => (await ask(`Bearer ${text}`)) === 503,
  ],
]

const digitsOtherThan = (code: string) => String((Number(code) + 1) % 1_000_000).padStart(6, '0')

test.each(kinds)('[ASVS 11.2.4] %s is compared in constant time', async (kind, right, isAccepted) => {
  const wrong = kind === 'the six digits' ? digitsOtherThan(right) : forged(right)
  expect([await isAccepted(right), await isAccepted(wrong)]).toEqual([true, false])
  expect(decision.lengths.length).toBeGreaterThanOrEqual(2)
  for (const [one, other] of decision.lengths) expect(one).toBe(other)

  decision.verdict = false
  expect(await isAccepted(right)).toBe(false)
  decision.verdict = true
  expect(await isAccepted(wrong)).toBe(true)
})
