/** What holds for every line that is deployed, and no single test of a behaviour could show. */
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'

const HOME = join(import.meta.dirname, '..')

function read(path: string): string {
  return readFileSync(join(HOME, path), 'utf8')
}

/** What runs as functions, without its comments. */
const sources = globSync(['api/**/*.ts', 'lib/**/*.ts', 'drizzle/*.ts'], { cwd: HOME })
  .filter((path) => !path.endsWith('.test.ts'))
  .map((path) => ({
    path,
    code: read(path)
      .replaceAll(/\/\*[^]*?\*\//g, '')
      .replaceAll(/(?<![:'"])\/\/.*/g, ''),
  }))

/** `path: what was found`, for each place that has it. */
function found(pattern: RegExp): string[] {
  return sources
    .flatMap(({ path, code }) => [...code.matchAll(pattern)].map(([text]) => `${path}: ${text}`))
    .toSorted()
}

test('the sources are all there', () => {
  expect(sources.length).toBeGreaterThan(50)
})

test('[ASVS 16.2.3] lib/log.ts alone writes to the console, and nothing to the streams beneath it', () => {
  expect(found(/\bconsole\b|\bprocess\.(?:stdout|stderr|emitWarning|report)\b/g)).toEqual([
    'lib/log.ts: console',
  ])
})

test('[ASVS 13.3.2] lib/env.ts alone reads the environment, and not the address of the owner of the database', () => {
  expect(found(/\bprocess\.env\b|\bprocess\b(?!\.env)/g)).toEqual(['lib/env.ts: process.env'])
  expect(found(/DATABASE_URL_UNPOOLED/g)).toEqual([])
})

test('[ASVS 1.2.4] a statement is written in full: what is put into it becomes a parameter', () => {
  expect(found(/\.raw\(\s*(?:'[^'\n]*',?\s*\)|[^]{30})/g)).toEqual([
    "lib/outbox.ts: .raw('id, kind, recipient, token_id, token_expires_at')",
    expect.stringMatching(/^lib\/sessions\.ts: \.raw\(\s*'id, ends_at, extract\([^']*',\s*\)$/),
  ])
  // Its own names of tables, written where it is called.
  expect(found(/\bsql\.identifier\(\w+\)/g)).toEqual([
    'lib/maintenance.ts: sql.identifier(key)',
    'lib/maintenance.ts: sql.identifier(key)',
    'lib/maintenance.ts: sql.identifier(table)',
    'lib/maintenance.ts: sql.identifier(table)',
  ])
  expect(found(/\bremove\((?!\s*'\w+',\s*'\w+',|table: string)/g)).toEqual([])
  expect(found(/\b(?:unsafe|StringChunk|queryChunks|sql\.append|sql\.join|new SQL)\b/g)).toEqual([])
  // No text is put together and then run: every statement begins as a template of `sql`.
  expect(found(/\b(?:run|runRepeatable|runTogether)(?:<[^(]*>)?\(\s*[`'"]/g)).toEqual([])
})

test('nothing is drawn but from node:crypto and uuid', () => {
  expect(found(/\bMath\.random\b/g)).toEqual([])
  expect(found(/\bpseudoRandomBytes\b/g)).toEqual([])
})

test('[ASVS 11.4.1] every hash is SHA-256, but for the SHA-1 by which the list of breached passwords is sorted', () => {
  expect(found(/createHash\([^)]*\)/g).map((text) => text.split(': '))).toEqual([
    ['api/auth/maintenance.ts', "createHash('sha256')"],
    ['lib/breached-passwords.ts', "createHash('sha1')"],
    ['lib/passwords.ts', "createHash('sha256')"],
    ['lib/refresh-token.ts', "createHash('sha256')"],
  ])
  expect(new Set(found(/(?:createHmac|hkdfSync)\('[^']*'/g).map((text) => text.split("'")[1]))).toEqual(
    new Set(['sha256']),
  )
  expect(found(/\bmd[245]\b|\bripemd/gi)).toEqual([])
})

describe('[ASVS 14.3.3] the pages', () => {
  // Swagger UI's file comes from its package; browser/api-reference.test.ts sees that it keeps nothing.
  const pages = globSync(['public/**/*.js', 'public/**/*.html'], { cwd: HOME }).filter(
    (path) => !path.startsWith('public/docs/swagger-ui'),
  )

  test.each(pages)('%s keeps nothing in the browser', (path) => {
    expect(read(path)).not.toMatch(
      /\b(?:localStorage|sessionStorage|indexedDB|cookieStore|caches|serviceWorker|openDatabase|requestFileSystem|getDirectory)\b/,
    )
    // The one cookie that a page may read, and none that it writes.
    expect(read(path)).not.toMatch(/document\.cookie\s*=[^=]/)
  })

  test('all of them were read', () => {
    expect(pages.length).toBeGreaterThan(12)
  })
})
