/**
 * The device cookie's value, signed (OWASP, "Slow Down Online Guessing Attacks with Device Cookies"). A browser that has
 * signed in to an account has a bucket of its own for wrong passwords, so a stranger who guesses can't lock out the owner.
 */
import { randomBytes } from 'node:crypto'
import { normalizeEmail } from '../email-address.ts'
import { signValue, verifyValue } from './keys.ts'

const ID_BYTES = 16
const VERSION_BYTES = 4

export interface DeviceCookie {
  /** Random; identifies nobody. */
  id: Buffer
  /** The account's when the cookie was set. An older one counts for nothing: the cookie may have been copied. */
  securityVersion: number
}

export function newDeviceId(): Buffer {
  return randomBytes(ID_BYTES)
}

export function signDeviceCookie({ id, securityVersion }: DeviceCookie, email: string): string {
  const version = Buffer.alloc(VERSION_BYTES)
  version.writeInt32BE(securityVersion)
  return signValue('device-cookie', Buffer.concat([id, version]), Buffer.from(normalizeEmail(email)))
}

/** Undefined for no cookie, for another account's, and for one that this deployment didn't sign. */
export function verifyDeviceCookie(text: string | undefined, email: string): DeviceCookie | undefined {
  const payload = verifyValue('device-cookie', text ?? '', {
    payloadBytes: ID_BYTES + VERSION_BYTES,
    context: Buffer.from(normalizeEmail(email)),
  })
  return payload && { id: payload.subarray(0, ID_BYTES), securityVersion: payload.readInt32BE(ID_BYTES) }
}
