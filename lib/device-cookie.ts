/**
 * Device cookies (OWASP): a browser that has signed in to an account keeps a signed cookie that says so, and nothing else.
 * Its attempts at the password have a bucket of their own, so a stranger who guesses doesn't lock out the owner. A change of
 * what the account is proved by makes the cookies of all other browsers worthless: one of them may be a copy.
 */
import { randomBytes } from 'node:crypto'
import { deviceCookie, readCookie } from './cookies.ts'
import type { User } from './db/engine.ts'
import { normalizeEmail } from './email-address.ts'
import { seal, unseal } from './keys.ts'
import { lifetimeSeconds } from './limits.ts'

const ID_BYTES = 16
const VERSION_BYTES = 4

export interface Device {
  /** Names nobody. */
  id: Buffer
  /** The account's when the cookie was set. */
  securityVersion: number
}

/** Undefined for no cookie, for another address's and for one that this deployment didn't sign. */
export function openDeviceCookie(text: string | undefined, email: string): Device | undefined {
  const payload = unseal('device-cookie', text ?? '', {
    payloadBytes: ID_BYTES + VERSION_BYTES,
    context: Buffer.from(normalizeEmail(email)),
  })
  return payload && { id: payload.subarray(0, ID_BYTES), securityVersion: payload.readInt32BE(ID_BYTES) }
}

/** The cookie of a browser that is signed in, new or renewed. `persistent`: it outlives the browser. */
export function renewedDeviceCookie(
  request: Request,
  { email, securityVersion }: Pick<User, 'email' | 'securityVersion'>,
  persistent: boolean,
): string {
  const id = openDeviceCookie(readCookie(request, 'device'), email)?.id ?? randomBytes(ID_BYTES)
  const version = Buffer.alloc(VERSION_BYTES)
  version.writeInt32BE(securityVersion)
  const signed = seal('device-cookie', Buffer.concat([id, version]), Buffer.from(normalizeEmail(email)))
  return deviceCookie(signed, persistent ? lifetimeSeconds.deviceCookie : undefined)
}
