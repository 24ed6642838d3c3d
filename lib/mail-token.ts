/**
 * The token in a mailed link: `base64url(id 16 bytes ‖ expiry uint32 ‖ HMAC-SHA-256 32 bytes)`, the key being
 * the purpose's own. It is never stored, yet it can be made again for a mail that must be sent again; a forged
 * or an expired one is refused before any database call or hash.
 */
import { parse, stringify } from 'uuid'
import * as z from 'zod/mini'
import { seal, unseal, type SealPurpose } from './keys.ts'

export type MailTokenPurpose = Extract<SealPurpose, `${string}-mail`>

export interface MailToken {
  /** The row that the token stands for. */
  id: string
  expiresAt: Date
}

export type OpenedMailToken<Purpose> =
  | { kind: 'open'; purpose: Purpose; token: MailToken }
  | { kind: 'invalid' }
  | { kind: 'expired' }

/** A token in a body; its shape alone. */
export const MailTokenText = z
  .string({ error: 'Give the token from the link.' })
  .check(z.maxLength(512, { error: 'This is longer than any token.' }))

const ID_BYTES = 16
const PAYLOAD_BYTES = ID_BYTES + 4

/** When a link made now expires, in whole seconds as the token holds it. */
export function expiryIn(seconds: number): Date {
  return new Date((Math.floor(Date.now() / 1000) + seconds) * 1000)
}

export function sealMailToken(purpose: MailTokenPurpose, token: MailToken): string {
  const payload = Buffer.alloc(PAYLOAD_BYTES)
  payload.set(parse(token.id))
  payload.writeUInt32BE(token.expiresAt.getTime() / 1000, ID_BYTES)
  return seal(purpose, payload)
}

/** Opens a token that was sealed for one of these purposes. */
export function openMailToken<Purpose extends MailTokenPurpose>(
  purposes: readonly Purpose[],
  text: string,
): OpenedMailToken<Purpose> {
  for (const purpose of purposes) {
    const payload = unseal(purpose, text, { payloadBytes: PAYLOAD_BYTES })
    if (payload === undefined) continue
    const expiresAt = new Date(payload.readUInt32BE(ID_BYTES) * 1000)
    if (expiresAt.getTime() <= Date.now()) return { kind: 'expired' }
    return { kind: 'open', purpose, token: { id: stringify(payload.subarray(0, ID_BYTES)), expiresAt } }
  }
  return { kind: 'invalid' }
}
