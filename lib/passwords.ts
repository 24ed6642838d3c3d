/**
 * Passwords: the policy and the hash. argon2id at 19 MiB, two passes, one lane (OWASP's first choice), stored
 * as a PHC string. A password is used as given but for NFC (NIST SP 800-63B-4, 3.1.1.2): never cut, trimmed or
 * folded.
 */
import { createHash } from 'node:crypto'
import { hash, verify } from '@node-rs/argon2'
import * as z from 'zod/mini'
import { COMMON_PASSWORD_DIGESTS } from './common-passwords.ts'
import { environment } from './env.ts'
import { importedPasswordMatches } from './imported-hashes.ts'
import { unavailable } from './unavailable.ts'

const COST = { memoryCost: 19456, timeCost: 2, parallelism: 1 } as const
const CURRENT_HASH_PREFIX = `$argon2id$v=19$m=${COST.memoryCost},t=${COST.timeCost},p=${COST.parallelism}$`

export const PASSWORD_MAX_LENGTH = 128

/**
 * What any password field accepts. The length counts code points; NUL and broken surrogates are refused because
 * two different passwords could otherwise hash alike.
 */
export const Password = z.string({ error: 'Give a password.' }).check(
  z.refine((text) => text.isWellFormed() && !text.includes('\0'), {
    error: 'This has a character that no keyboard makes.',
  }),
  z.refine((text) => codePoints(text.normalize('NFC')) <= PASSWORD_MAX_LENGTH, {
    error: `Use at most ${PASSWORD_MAX_LENGTH} characters.`,
  }),
  z.overwrite((text) => text.normalize('NFC')),
)

/** Hash of a random password that nobody knows: an unknown address costs the same as a wrong password. */
export const UNKNOWN_ACCOUNT_HASH =
  '$argon2id$v=19$m=19456,t=2,p=1$M/Y1OKlrwo2inkzXbmDFcQ$BUmovyeKK+JIeubo2yB4sMK1P3Pg5xcw40asNpiFG9g'

/** PHC string. Throws `busy` when too many hashes wait already. */
export function hashPassword(password: string): Promise<string> {
  return inTurn(() => hash(password, COST))
}

/**
 * Compares in constant time, with a hash of ours, an argon2 PHC string of any cost or one that was imported. Throws `busy` when too many
 * hashes wait already.
 */
export function passwordMatches(password: string, passwordHash: string): Promise<boolean> {
  return inTurn(async () => {
    if (passwordHash.startsWith('$argon2')) return verify(passwordHash, password)
    const matches = await importedPasswordMatches(password, passwordHash)
    if (matches !== undefined) return matches
    // Nothing here can check such a hash: it costs what every other costs, and its owner gets a new one by a reset.
    await verify(UNKNOWN_ACCOUNT_HASH, password)
    return false
  })
}

/** True when a stored hash was made at another cost than today's, or elsewhere. */
export function needsRehash(passwordHash: string): boolean {
  return !passwordHash.startsWith(CURRENT_HASH_PREFIX)
}

/**
 * Why a new password is refused, as sentences for the person; empty when it is fine.
 * `ownAddress` is the account's address where it is known.
 */
export function passwordFaults(password: string, ownAddress?: string): string[] {
  const { passwordMinLength } = environment()
  const faults: string[] = []
  if (codePoints(password) < passwordMinLength) {
    faults.push(`Use at least ${passwordMinLength} characters; a few words make a good password.`)
  }
  if (isCommon(password))
    faults.push('Many people use this password, so it is among the first to be guessed.')
  else if (isRepetition(password)) faults.push('This repeats one short piece, which is easy to guess.')
  if (isMadeOf(password, contextWords(ownAddress))) {
    faults.push('This is made of your address or the name of this app, which is easy to guess.')
  }
  return faults
}

function codePoints(text: string): number {
  return [...text].length
}

let commonDigests: Set<number> | undefined

function isCommon(password: string): boolean {
  if (commonDigests === undefined) {
    const digests = Buffer.from(COMMON_PASSWORD_DIGESTS, 'base64')
    commonDigests = new Set(
      Array.from({ length: digests.length / 4 }, (_, index) => digests.readUInt32BE(index * 4)),
    )
  }
  return commonDigests.has(createHash('sha256').update(password.toLowerCase()).digest().readUInt32BE())
}

/** One to five characters over and over. */
function isRepetition(password: string): boolean {
  return /^(.{1,5}?)\1+$/su.test(password)
}

function contextWords(ownAddress = ''): string[] {
  const { origin, productName } = environment()
  const texts = [productName, new URL(origin).hostname, ownAddress]
  return texts.flatMap((text) => [text, ...text.split(/[^\p{L}\p{N}]+/u)]).filter((word) => word.length >= 3)
}

/** True when fewer than four letters or digits remain once the words are taken out. */
function isMadeOf(password: string, words: string[]): boolean {
  const lower = password.toLowerCase()
  const rest = words
    .toSorted((a, b) => b.length - a.length)
    .reduce((text, word) => text.replaceAll(word.toLowerCase(), ''), lower)
  return rest !== lower && rest.replaceAll(/[^\p{L}\p{N}]/gu, '').length < 4
}

// A hash takes 19 MiB and a core for some 15 ms: two at once are what an instance can carry.
const MAX_HASHES_AT_ONCE = 2
const MAX_HASHES_WAITING = 20
const BUSY_RETRY_AFTER_SECONDS = 2

let running = 0
const waiting: (() => void)[] = []

async function inTurn<T>(work: () => Promise<T>): Promise<T> {
  if (running >= MAX_HASHES_AT_ONCE) {
    if (waiting.length >= MAX_HASHES_WAITING)
      throw unavailable('busy', BUSY_RETRY_AFTER_SECONDS, 'hashes are queueing')
    await new Promise<void>((resolve) => waiting.push(resolve))
  } else {
    running += 1
  }
  try {
    return await work()
  } finally {
    const next = waiting.shift()
    if (next === undefined) running -= 1
    else next() // hands its place on, so `running` stays
  }
}
