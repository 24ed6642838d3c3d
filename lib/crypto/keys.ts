/**
 * Every key, derived from `JWT_SECRET` by HKDF-SHA-256 (RFC 5869) with a label for each purpose. The first secret signs;
 * all of them verify, so a secret can be rotated without signing anyone out.
 */
import {
  createECDH,
  createHmac,
  createPrivateKey,
  hkdfSync,
  timingSafeEqual,
  type KeyObject,
} from 'node:crypto'
import { calculateJwkThumbprint } from 'jose'
import { environment } from '../env.ts'

/** What a key is for. The label is part of the key: changing one invalidates every token of that kind. */
export type KeyPurpose =
  | 'refresh-token'
  | 'registration-email'
  | 'reset-email'
  | 'email-change-email'
  | 'email-change-cancel-email'
  | 'one-time-code'
  | 'registration-cookie'
  | 'device-cookie'
  | 'rate-limit'

/** A JWK (RFC 7517) for ES256. */
export type PublicKey = {
  kty: 'EC'
  crv: 'P-256'
  x: string
  y: string
  kid: string
  alg: 'ES256'
  use: 'sig'
}

export interface SigningKey {
  kid: string
  privateKey: KeyObject
  publicJwk: PublicKey
}

const MAC_BYTES = 32
const P256_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n

/** A preview has other keys than production, even with the same secret: its database may be a copy of production's. */
function derive(secret: string, label: string, bytes: number): Buffer {
  const place = environment().stage === 'preview' ? 'latchkey preview' : 'latchkey'
  return Buffer.from(hkdfSync('sha256', secret, '', `${place} ${label}`, bytes))
}

const macKeys = new Map<KeyPurpose, Buffer[]>()

function macKeysFor(purpose: KeyPurpose): Buffer[] {
  let keys = macKeys.get(purpose)
  if (keys === undefined) {
    keys = environment().jwtSecrets.map((secret) => derive(secret, purpose, MAC_BYTES))
    macKeys.set(purpose, keys)
  }
  return keys
}

const NO_CONTEXT = new Uint8Array()

/** `payload ‖ HMAC-SHA-256(payload ‖ context)` in base64url. The context isn't in it: the verifier must know it. */
export function signValue(purpose: KeyPurpose, payload: Uint8Array, context = NO_CONTEXT): string {
  const mac = keyedHash(purpose, Buffer.concat([payload, context]))
  return Buffer.concat([payload, mac]).toString('base64url')
}

interface Expected {
  payloadBytes: number
  /** That it was signed with. */
  context?: Uint8Array
}

/** The payload of a signed value; undefined if it isn't ours, not as expected or for another purpose. */
export function verifyValue(purpose: KeyPurpose, text: string, expected: Expected): Buffer | undefined {
  const { payloadBytes, context = NO_CONTEXT } = expected
  const signed = Buffer.from(text, 'base64url')
  // The decoder skips what it doesn't know: only the spelling that we wrote is accepted.
  if (signed.length !== payloadBytes + MAC_BYTES || signed.toString('base64url') !== text) return undefined
  const payload = signed.subarray(0, payloadBytes)
  const given = signed.subarray(payloadBytes)
  const macs = keyedHashes(purpose, Buffer.concat([payload, context]))
  const known = macs.some((mac) => timingSafeEqual(mac, given))
  return known ? payload : undefined
}

/** HMAC-SHA-256 under the first secret, 32 bytes. */
export function keyedHash(purpose: KeyPurpose, payload: Uint8Array): Buffer {
  const [current] = keyedHashes(purpose, payload)
  if (current === undefined) throw new Error('no secret to derive a key from')
  return current
}

/** The same under every secret, the first one's first. */
export function keyedHashes(purpose: KeyPurpose, payload: Uint8Array): Buffer[] {
  return macKeysFor(purpose).map((key) => createHmac('sha256', key).update(payload).digest())
}

let derivedSigningKeys: Promise<SigningKey[]> | undefined

/** The ES256 key pairs, one for each secret, the signing one first. */
export function signingKeys(): Promise<SigningKey[]> {
  derivedSigningKeys ??= Promise.all(environment().jwtSecrets.map(signingKey))
  return derivedSigningKeys
}

/**
 * A P-256 pair from a secret. 64 extra bits make the reduction's bias negligible
 * (FIPS 186-5, A.2.1); `kid` is the thumbprint of RFC 7638.
 */
async function signingKey(secret: string): Promise<SigningKey> {
  const seed = BigInt(`0x${derive(secret, 'access-token ES256', 40).toString('hex')}`)
  const scalar = (seed % (P256_ORDER - 1n)) + 1n
  const d = Buffer.from(scalar.toString(16).padStart(64, '0'), 'hex')
  const ecdh = createECDH('prime256v1')
  ecdh.setPrivateKey(d)
  const point = ecdh.getPublicKey()
  const curve = {
    kty: 'EC' as const,
    crv: 'P-256' as const,
    x: point.subarray(1, 33).toString('base64url'),
    y: point.subarray(33, 65).toString('base64url'),
  }
  const kid = await calculateJwkThumbprint(curve)
  return {
    kid,
    privateKey: createPrivateKey({ key: { ...curve, d: d.toString('base64url') }, format: 'jwk' }),
    publicJwk: { ...curve, kid, alg: 'ES256', use: 'sig' },
  }
}
