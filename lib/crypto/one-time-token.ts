/**
 * The token in an emailed link: `base64url(id 16 bytes ‖ expiry uint32 ‖ HMAC-SHA-256 32 bytes)`, with a key for each
 * purpose. It is never stored, and can be derived again for an email that must be sent again. A forged or expired one is
 * refused without a database call or a hash.
 */
import { parse, stringify } from 'uuid'
import { signValue, verifyValue, type KeyPurpose } from './keys.ts'

export type OneTimeTokenPurpose = Extract<KeyPurpose, `${string}-email`>

export interface OneTimeToken {
  /** Of the row that it stands for. */
  id: string
  expiresAt: Date
}

export type VerifiedOneTimeToken<Purpose> =
  | ({ kind: 'valid'; purpose: Purpose } & OneTimeToken)
  /** Not ours, or cut off. */
  | { kind: 'invalid' }
  | { kind: 'expired' }

const ID_BYTES = 16
const PAYLOAD_BYTES = ID_BYTES + 4

/** When a link made now expires, in whole seconds as the token holds it. */
export function expiryIn(seconds: number): Date {
  return new Date((Math.floor(Date.now() / 1000) + seconds) * 1000)
}

export function signOneTimeToken(purpose: OneTimeTokenPurpose, token: OneTimeToken): string {
  const payload = Buffer.alloc(PAYLOAD_BYTES)
  payload.set(parse(token.id))
  payload.writeUInt32BE(token.expiresAt.getTime() / 1000, ID_BYTES)
  return signValue(purpose, payload)
}

/** Accepts a token of one of these purposes. */
export function verifyOneTimeToken<Purpose extends OneTimeTokenPurpose>(
  purposes: readonly Purpose[],
  text: string,
): VerifiedOneTimeToken<Purpose> {
  for (const purpose of purposes) {
    const payload = verifyValue(purpose, text, { payloadBytes: PAYLOAD_BYTES })
    if (payload === undefined) continue
    const expiresAt = new Date(payload.readUInt32BE(ID_BYTES) * 1000)
    if (expiresAt.getTime() <= Date.now()) return { kind: 'expired' }
    return { kind: 'valid', purpose, id: stringify(payload.subarray(0, ID_BYTES)), expiresAt }
  }
  return { kind: 'invalid' }
}
