/**
 * The refresh token: `base64url(family 32 bytes ‖ counter uint32 ‖ HMAC-SHA-256 32 bytes)`. Its successor is derived, not
 * drawn: a repeated request gets the same token, and nobody can make one without the server's key. Garbage is refused
 * without a database call.
 */
import { createHash, randomBytes } from 'node:crypto'
import { signValue, verifyValue } from './keys.ts'

export interface RefreshToken {
  family: Uint8Array
  counter: number
}

const FAMILY_BYTES = 32
const PAYLOAD_BYTES = FAMILY_BYTES + 4

export function newFamily(): Uint8Array {
  return randomBytes(FAMILY_BYTES)
}

export function signRefreshToken({ family, counter }: RefreshToken): string {
  const payload = Buffer.alloc(PAYLOAD_BYTES)
  payload.set(family)
  payload.writeUInt32BE(counter, FAMILY_BYTES)
  return signValue('refresh-token', payload)
}

/** What a session cookie holds; undefined for none and for anything that this deployment didn't sign. */
export function verifyRefreshToken(text: string | undefined): RefreshToken | undefined {
  const payload =
    text === undefined ? undefined : verifyValue('refresh-token', text, { payloadBytes: PAYLOAD_BYTES })
  if (payload === undefined) return undefined
  return { family: payload.subarray(0, FAMILY_BYTES), counter: payload.readUInt32BE(FAMILY_BYTES) }
}

/** What the row stores of a family: SHA-256, so a copy of the table opens no session. */
export function hashFamily(family: Uint8Array): Uint8Array {
  return createHash('sha256').update(family).digest()
}
