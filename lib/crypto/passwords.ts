/**
 * Password hashes: argon2id with 19 MiB, two passes, one lane (OWASP's first choice), as a PHC string. A password is used
 * as given except for NFC (NIST SP 800-63B-4, 3.1.1.2): never cut, trimmed or folded.
 */
import { hash, verify } from '@node-rs/argon2'
import { ServiceUnavailable } from '../unavailable.ts'
import { importedPasswordMatches } from './imported-hashes.ts'

const COST = { memoryCost: 19456, timeCost: 2, parallelism: 1 } as const
const CURRENT_HASH_PREFIX = `$argon2id$v=19$m=${COST.memoryCost},t=${COST.timeCost},p=${COST.parallelism}$`

/** Of a random password that was never recorded. */
const UNKNOWN_ACCOUNT_HASH =
  '$argon2id$v=19$m=19456,t=2,p=1$M/Y1OKlrwo2inkzXbmDFcQ$BUmovyeKK+JIeubo2yB4sMK1P3Pg5xcw40asNpiFG9g'

/** PHC string. Throws `busy` if too many hashes are waiting already. */
export function hashPassword(password: string): Promise<string> {
  return inTurn(() => hash(password, COST))
}

/**
 * Compares in constant time with one of our hashes, an argon2 PHC string of any cost, or an imported hash. Without a hash
 * it costs the same and is false, so an unknown address takes as long as a wrong password. Throws `busy` if too many
 * hashes are waiting already.
 */
export function passwordMatches(password: string, passwordHash: string | null): Promise<boolean> {
  return inTurn(async () => {
    if (passwordHash?.startsWith('$argon2') === true) return verify(passwordHash, password)
    const matches = passwordHash === null ? undefined : await importedPasswordMatches(password, passwordHash)
    if (matches !== undefined) return matches
    await verify(UNKNOWN_ACCOUNT_HASH, password)
    return false
  })
}

/** True if a stored hash was made at another cost than today's, or elsewhere. */
export function needsRehash(passwordHash: string): boolean {
  return !passwordHash.startsWith(CURRENT_HASH_PREFIX)
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
      throw new ServiceUnavailable('busy', BUSY_RETRY_AFTER_SECONDS, 'hashes are queueing')
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
