/** What holds for every line that is deployed, and no test of a behavior could show. */
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'

const HOME = join(import.meta.dirname, '../..')

function read(path: string): string {
  return readFileSync(join(HOME, path), 'utf8')
}

/** What runs as functions, without comments. */
const sources = globSync(['api/**/*.ts', 'lib/**/*.ts', 'drizzle/*.ts'], { cwd: HOME })
  .filter((path) => !path.endsWith('.test.ts'))
  .map((path) => ({
    path,
    code: read(path)
      .replaceAll(/\/\*[^]*?\*\//g, '')
      .replaceAll(/(?<![:'"])\/\/.*/g, ''),
  }))

/** The engine, without comments. */
const engine = globSync('drizzle/functions/*.sql', { cwd: HOME }).map((path) => ({
  path,
  code: read(path).replaceAll(/--.*/g, ''),
}))

/** `path: what was found`, for each place that has it. */
function found(pattern: RegExp, files = sources): string[] {
  return files
    .flatMap(({ path, code }) => [...code.matchAll(pattern)].map(([text]) => `${path}: ${text}`))
    .toSorted()
}

test('the sources are all there', () => {
  expect(sources.length).toBeGreaterThan(50)
  expect(engine.length).toBeGreaterThan(50)
})

test('[ASVS 16.2.3] only lib/log.ts writes to the console, and nothing writes to the streams beneath it', () => {
  expect(found(/\bconsole\b|\bprocess\.(?:stdout|stderr|emitWarning|report)\b/g)).toEqual([
    'lib/log.ts: console',
  ])
})

test('[ASVS 13.3.2] only lib/env.ts reads the environment, and not the address of the database’s owner', () => {
  expect(found(/\bprocess\.env\b|\bprocess\b(?!\.env)/g)).toEqual(['lib/env.ts: process.env'])
  expect(found(/DATABASE_URL_UNPOOLED/g)).toEqual([])
})

describe('[ASVS 1.2.4] no value becomes a part of a statement:', () => {
  test('the functions have one statement, the call of a function of the engine, and its values are parameters', () => {
    const statements = found(/\b(?:SELECT|INSERT INTO|UPDATE|DELETE FROM|WITH)\s[^\n]*/g).filter(
      (text) => !text.startsWith('drizzle/schema.ts'),
    )
    expect(statements.map((text) => text.split(':')[0])).toEqual(['lib/db/call.ts'])
  })

  test('what the engine puts together, it puts together by format() with %I and %L, and runs nowhere else', () => {
    const dynamic = found(/\bEXECUTE\b(?! FUNCTION)\s+\S+/g, engine)
    expect(dynamic.length).toBeGreaterThan(0)
    for (const text of dynamic) {
      expect(text).toMatch(/^drizzle\/functions\/maintain_event_partitions\.sql: EXECUTE format\('/)
    }
    expect(found(/%(?![IL%])\w/g, engine)).toEqual([])
  })
})

test('one function opens sessions, and every way in ends there', () => {
  expect(found(/\bINSERT INTO sessions\b/g, engine)).toEqual([
    'drizzle/functions/open_session.sql: INSERT INTO sessions',
  ])
  const callers = engine.filter(
    ({ path, code }) => /\bopen_session\(/.test(code) && !path.includes('open_session'),
  )
  expect(callers.map(({ path }) => path.replace('drizzle/functions/', '')).toSorted()).toEqual([
    'change_password.sql',
    'consume_registration.sql',
    'finish_login.sql',
  ])
})

describe('[ASVS 14.3.3] [63B-4 5.1 secrets] the pages', () => {
  // Swagger UI's file comes from its package; test/browser/api-reference.test.ts sees that it keeps nothing.
  const pages = globSync(['public/**/*.js', 'public/**/*.html'], { cwd: HOME }).filter(
    (path) => !path.startsWith('public/docs/swagger-ui'),
  )

  test.each(pages)('%s keeps nothing in the browser', (path) => {
    expect(read(path)).not.toMatch(
      /\b(?:localStorage|sessionStorage|indexedDB|cookieStore|caches|serviceWorker|openDatabase|requestFileSystem|getDirectory)\b/,
    )
    // There is one cookie that a page may read, and none that it writes.
    expect(read(path)).not.toMatch(/document\.cookie\s*=[^=]/)
  })

  test('are all read', () => {
    expect(pages.length).toBeGreaterThan(12)
  })
})
