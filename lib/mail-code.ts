/**
 * The six digits beside a mailed link, for whoever reads the mail on another device: derived from what the link's token
 * is sealed over, so they are never stored, and a new mail has new ones.
 */
import { timingSafeEqual } from 'node:crypto'
import * as z from 'zod/mini'
import { keyedHashes } from './keys.ts'
import type { MailToken, MailTokenPurpose } from './mail-token.ts'

/** The purposes whose mails carry a code. */
export type MailCodePurpose = Extract<MailTokenPurpose, 'registration-mail' | 'reset-mail'>

const DIGITS = 6

/** Six digits as a body has them; a space in the middle, as the mail shows it, is fine. */
export const MailCode = z.string({ error: 'Give the code from the mail.' }).check(
  z.regex(/^\d{3} ?\d{3}$/, { error: 'The code has six digits.' }),
  z.overwrite((code) => code.replace(' ', '')),
)

/** The code that a mail shows. */
export function mailCode(purpose: MailCodePurpose, token: MailToken): string {
  const [code] = codes(purpose, token)
  if (code === undefined) throw new Error('no secret to derive a code from')
  return code
}

/** Compares in constant time, with the code of every secret: a rotation spoils no mail that is on its way. */
export function isMailCode(purpose: MailCodePurpose, token: MailToken, given: string): boolean {
  return codes(purpose, token).some((code) => timingSafeEqual(Buffer.from(code), Buffer.from(given)))
}

/** 48 bits of a keyed hash: each code is as likely as any other to within 4 in a thousand million. */
function codes(purpose: MailCodePurpose, { id, expiresAt }: MailToken): string[] {
  const payload = Buffer.from(`${purpose}\n${id}\n${expiresAt.getTime()}`)
  return keyedHashes('mail-code', payload).map((hash) =>
    String(hash.readUIntBE(0, 6) % 10 ** DIGITS).padStart(DIGITS, '0'),
  )
}
