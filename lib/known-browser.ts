/**
 * Known browsers: a browser that has signed in to an account keeps a sealed cookie that says so, and nothing else. Its attempts
 * at the password have a bucket of their own, so a stranger who guesses does not lock out the owner.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto'
import { emailKey } from './email-address.ts'
import { keyedHash, keyedHashes } from './keys.ts'

const ID_BYTES = 16
const MAC_BYTES = 32

/** How long a browser stays known after its last login. */
export const KNOWN_BROWSER_LIFETIME_SECONDS = 180 * 24 * 60 * 60

/** `id ‖ HMAC-SHA-256(id, address)` in base64url: tells nobody whose it is, and serves that address alone. */
export function sealKnownBrowser(id: Buffer, email: string): string {
  return Buffer.concat([id, keyedHash('known-browser', payload(id, email))]).toString('base64url')
}

export function newKnownBrowser(): Buffer {
  return randomBytes(ID_BYTES)
}

/** The browser's id; undefined for no cookie, for another address's and for one that this deployment did not seal. */
export function openKnownBrowser(text: string | undefined, email: string): Buffer | undefined {
  const sealed = Buffer.from(text ?? '', 'base64url')
  if (sealed.length !== ID_BYTES + MAC_BYTES) return undefined
  const id = sealed.subarray(0, ID_BYTES)
  const given = sealed.subarray(ID_BYTES)
  const known = keyedHashes('known-browser', payload(id, email)).some((mac) => timingSafeEqual(mac, given))
  return known ? id : undefined
}

function payload(id: Buffer, email: string): Buffer {
  return Buffer.concat([id, Buffer.from(emailKey(email))])
}
