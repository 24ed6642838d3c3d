/**
 * Password hashes that other systems made, as an import left them in `password_hash` (docs/migrate.md). Each is checked until its owner's
 * first login, which puts one of ours in its place. New ones are never made here.
 */
import { scrypt, timingSafeEqual } from 'node:crypto'

/** better-auth's own: salt and key in hexadecimal, and the salt is used as it is written. */
const SCRYPT = /^([0-9a-f]{32}):([0-9a-f]{128})$/
const SCRYPT_COST = { N: 16_384, r: 16, p: 1, maxmem: 64 * 1024 * 1024 }

/** Up to a cost of 15, which takes some seconds; 10 is what everybody uses. */
const BCRYPT = /^\$2[aby]\$(?:0[4-9]|1[0-5])\$[./A-Za-z0-9]{53}$/

/** Compares in constant time; undefined for a hash of neither form. At most two run at once: see `inTurn`. */
export async function importedPasswordMatches(
  password: string,
  passwordHash: string,
): Promise<boolean | undefined> {
  const [, salt, key] = SCRYPT.exec(passwordHash) ?? []
  if (salt !== undefined && key !== undefined) {
    const expected = Buffer.from(key, 'hex')
    const derived = await scryptKey(password.normalize('NFKC'), salt, expected.length)
    return timingSafeEqual(derived, expected)
  }
  if (!BCRYPT.test(passwordHash)) return undefined
  // 19 KB that only a login with such a hash loads.
  const { compare } = await import('bcryptjs')
  return compare(password, passwordHash)
}

function scryptKey(password: string, salt: string, bytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    scrypt(password, salt, bytes, SCRYPT_COST, (error, key) =>
      error === null ? resolve(key) : reject(error),
    )
  })
}
