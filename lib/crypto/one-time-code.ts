/**
 * The six digits beside an emailed link, for users who read the email on another device. Derived from what the link's
 * token is signed over, so they are never stored, and another email has other digits.
 */
import { timingSafeEqual } from 'node:crypto'
import { keyedHashes } from './keys.ts'
import type { OneTimeToken, OneTimeTokenPurpose } from './one-time-token.ts'

/** Whose emails have a code. */
export type OneTimeCodePurpose = Extract<OneTimeTokenPurpose, 'registration-email' | 'reset-email'>

const DIGITS = 6

/** As the email shows it. */
export function oneTimeCode(purpose: OneTimeCodePurpose, token: OneTimeToken): string {
  const [code] = codes(purpose, token)
  if (code === undefined) throw new Error('no secret to derive a code from')
  return code
}

/** Compares in constant time, with the code under every secret: a rotation invalidates no email that is under way. */
export function isOneTimeCode(purpose: OneTimeCodePurpose, token: OneTimeToken, given: string): boolean {
  return codes(purpose, token).some((code) => timingSafeEqual(Buffer.from(code), Buffer.from(given)))
}

/** From 48 bits of a keyed hash: every code is equally likely to within 4 in 10⁹. */
function codes(purpose: OneTimeCodePurpose, { id, expiresAt }: OneTimeToken): string[] {
  const payload = Buffer.from(`${purpose}\n${id}\n${expiresAt.getTime()}`)
  return keyedHashes('one-time-code', payload).map((hash) =>
    String(hash.readUIntBE(0, 6) % 10 ** DIGITS).padStart(DIGITS, '0'),
  )
}
