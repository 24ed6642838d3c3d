/** No secret is in the repository. */
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'

const HOME = join(import.meta.dirname, '../..')
const paths = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
  cwd: HOME,
  encoding: 'utf8',
})
  .split('\0')
  .filter((path) => path !== '')

/** What looks like a secret, and what of it is none. */
const PATTERNS: [what: string, pattern: RegExp, harmless: readonly string[]][] = [
  ['a private key', /-----BEGIN [A-Z ]*PRIVATE KEY/g, []],
  [
    "Resend's key",
    /\bre_\w{5,}/g,
    ['re_local', 're_for_tests', 're_tests', 're_123456789', 're_xxxxxxxxx', 're_of_a_deployment'],
  ],
  [
    'the password in an address of a database',
    /(?<=postgres(?:ql)?:\/\/[^\s:@/'"`]{1,60}:)[^\s@'"`/]+(?=@)/g,
    ['latchkey', 'postgres', 'nothing', 'pw', 'p%40w', 'b', '${PASSWORD}'],
  ],
  [
    "a provider's token",
    /\b(?:AKIA[0-9A-Z]{16}|gh[oprsu]_\w{20,}|github_pat_\w{20,}|npm_\w{30,}|npg_\w{6,}|napi_\w{20,}|sk_live_\w{6,}|xox[abprs]-[\w-]{10,})/g,
    [],
  ],
  ['a signed token', /\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{16,}/g, []],
  ['an authorisation of a registry', /_authToken\s*=|_password\s*=/g, []],
]

/** Made from other things than secrets: checksums of packages and of common passwords. */
const DIGESTS = /(?:^|\/)package-lock\.json$|^lib\/crypto\/common-passwords\.ts$/

/** The hash of a password that nobody knows: it stands in where there is no account. */
const HARMLESS_RANDOM = ['BUmovyeKK+JIeubo2yB4sMK1P3Pg5xcw40asNpiFG9g']

/** 32 random bytes or more, as base64 or hexadecimal: long, without a word in it, of all kinds of characters. */
function randomTexts(text: string): string[] {
  const candidates =
    text.match(/(?<![\w+/-])(?:[0-9a-fA-F]{64,}|[A-Za-z0-9+/_-]{43,}={0,2})(?![\w+/-])/g) ?? []
  return candidates.filter((candidate) => {
    const different = new Set(candidate).size
    if (/^[0-9a-f]+$/i.test(candidate)) return different >= 10
    const changes = candidate.match(/[a-z](?=[A-Z0-9])|[A-Z](?=[a-z0-9])|[0-9](?=[A-Za-z])/g)?.length ?? 0
    return different >= 22 && changes >= candidate.length / 5
  })
}

function secretsIn(path: string, text: string): string[] {
  const known = PATTERNS.flatMap(([what, pattern, harmless]) =>
    (text.match(pattern) ?? [])
      .filter((match) => !harmless.includes(match))
      .map((match) => `${what}: ${match}`),
  )
  const random = DIGESTS.test(path)
    ? []
    : randomTexts(text).filter((match) => !HARMLESS_RANDOM.includes(match))
  return [...known, ...random]
}

describe('[ASVS 13.3.1] no secret is in the repository', () => {
  test('the files were found', () => {
    expect(paths).toEqual(expect.arrayContaining(['.env.example', 'lib/env.ts', 'docs/operations.md']))
    expect(paths.length).toBeGreaterThan(150)
  })

  test('none of them is a place for secrets', () => {
    const places = /(?:^|\/)(?:\.env(?!\.example$)|\.npmrc$|\.netrc$|id_\w+$|.*\.(?:pem|key|p12|pfx|jks)$)/
    expect(paths.filter((path) => places.test(path))).toEqual([])
  })

  test('none of them has one', () => {
    const secrets = paths.flatMap((path) =>
      secretsIn(path, readFileSync(join(HOME, path), 'utf8')).map((secret) => `${path}: ${secret}`),
    )
    expect(secrets).toEqual([])
  })

  // Each put together or drawn here, so that this file does not hold what it looks for.
  test.each([
    ['-----BEGIN EC ', 'PRIVATE KEY-----'],
    ['RESEND_API_KEY=re_', 'AbCdEfGh_0123456789'],
    ['postgresql://owner:', 'S3cret@ep-x.aws.neon.tech/db'],
    ['npg_', 'a1B2c3D4e5F6'],
  ])('it would be seen: %s…', (head, tail) => {
    expect(secretsIn('lib/x.ts', `first line\n${head}${tail}\nlast line`)).toHaveLength(1)
  })

  test.each(['base64', 'base64url', 'hex'] as const)('32 random bytes would be seen: %s', (encoding) => {
    for (let round = 0; round < 200; round += 1) {
      const secret = randomBytes(32).toString(encoding)
      expect(secretsIn('lib/x.ts', `const a = '${secret}'`), secret).toHaveLength(1)
      expect(secretsIn('.env.example', `JWT_SECRET=${secret}\n`), secret).toHaveLength(1)
    }
  })
})
