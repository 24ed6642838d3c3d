/**
 * Known browsers: a browser that has signed in to an account keeps a sealed cookie that says so, and nothing else. Its attempts
 * at the password have a bucket of their own, so a stranger who guesses does not lock out the owner.
 */
import { randomBytes } from 'node:crypto'
import { emailKey } from './email-address.ts'
import { seal, unseal } from './keys.ts'

const ID_BYTES = 16

/** How long a browser stays known after its last login. */
export const KNOWN_BROWSER_LIFETIME_SECONDS = 180 * 24 * 60 * 60

/** Tells nobody whose it is, and serves that address alone, which it is sealed with. */
export function sealKnownBrowser(id: Buffer, email: string): string {
  return seal('known-browser', id, Buffer.from(emailKey(email)))
}

export function newKnownBrowser(): Buffer {
  return randomBytes(ID_BYTES)
}

/** The browser's id; undefined for no cookie, for another address's and for one that this deployment did not seal. */
export function openKnownBrowser(text: string | undefined, email: string): Buffer | undefined {
  return unseal('known-browser', text ?? '', {
    payloadBytes: ID_BYTES,
    context: Buffer.from(emailKey(email)),
  })
}
