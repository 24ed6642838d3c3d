/** The engine's functions as Postgres has them, held against their files, their types and the order of their locks. */
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { functionFiles, generatedFunctions } from '../../cli/database/engine-functions.ts'
import { migrate } from '../../cli/database/migrate.ts'
import { pendingChanges } from '../../cli/database/migration.ts'
import * as engine from '../../lib/db/engine.ts'
import { query } from '../support/database.ts'

/** The longest body that a reader takes in at once. */
const MOST_LINES = 60

const files = await functionFiles()
const operations = Object.values(engine)

/** Owner only: no operation of the functions. */
const OTHERS = new Set(['read_events'])
const isPublic = ({ name, definer }: { name: string; definer: boolean }) => definer && !OTHERS.has(name)

interface CatalogFunction {
  name: string
  definer: boolean
  owner: string
  settings: string[] | null
  parameters: Record<string, string>
  defaults: number
  source: string
  everyone: boolean
}

async function catalog(): Promise<CatalogFunction[]> {
  return query(`
    SELECT proname AS name, prosecdef AS definer, pg_get_userbyid(proowner) AS owner, proconfig AS settings,
      pronargdefaults AS defaults, prosrc AS source, has_function_privilege('public', p.oid, 'EXECUTE') AS everyone,
      (SELECT coalesce(jsonb_object_agg(name, format_type(type, NULL)), '{}')
       FROM unnest(proargnames[1:pronargs], proargtypes::oid[]) AS parameter (name, type)) AS parameters
    FROM pg_proc p WHERE pronamespace = 'latchkey'::regnamespace ORDER BY proname`)
}

const functions = await catalog()

describe('the files and the migrations', () => {
  let client: Client

  beforeAll(async () => {
    const name = `engine_${randomBytes(6).toString('hex')}`
    const adminUrl = inject('postgresUrl')
    const admin = new Client({ connectionString: adminUrl })
    await admin.connect()
    await admin.query(`CREATE DATABASE ${name}`)
    await admin.end()
    const url = new URL(`/${name}`, adminUrl).href
    await migrate(url)
    client = new Client({ connectionString: url })
    await client.connect()
  })
  afterAll(() => client.end())

  test('all migrations together make the functions that the files hold', async () => {
    const definitions = async () => {
      const { rows } = await client.query(
        `SELECT proname, pg_get_functiondef(oid) FROM pg_proc
         WHERE pronamespace = 'latchkey'::regnamespace ORDER BY proname`,
      )
      return rows
    }
    const migrated = await definitions()
    // As a migration does it: functions may call others that come later.
    await client.query('SET check_function_bodies = off')
    for (const text of files.values()) await client.query(text)
    expect(await definitions()).toEqual(migrated)
    expect(migrated.map(({ proname }) => proname)).toEqual([...files.keys()].toSorted())
  })

  test('there is nothing that the generator would write', async () => {
    expect(await pendingChanges()).toEqual([])
  })

  test('limits, lifetimes and maxima are those of lib/limits.ts, and every name that a function asks for exists', async () => {
    const known = new Map<string, Set<string>>()
    for (const [file, text] of Object.entries(generatedFunctions())) {
      expect(await readFile(`drizzle/functions/${file}`, 'utf8')).toBe(text)
      known.set(
        file.slice(0, -4),
        new Set(Array.from(text.matchAll(/WHEN '([\w-]+)'/g), ([, name = '']) => name)),
      )
    }
    const calls: [RegExp, string][] = [
      [/\blifetime\('([^']*)'/g, 'lifetime'],
      [/\bmaximum\('([^']*)'/g, 'maximum'],
      [/\bconsume_rate_limits?\('([^']*)'/g, 'rate_limit'],
      [/\bconsume_rate_limits\('[^']*', \w+, '([^']*)'/g, 'rate_limit'],
    ]
    for (const { name, source } of functions) {
      for (const [pattern, table] of calls) {
        for (const [, asked = ''] of source.matchAll(pattern)) {
          expect(known.get(table)?.has(asked), `${name} asks for ${table}('${asked}')`).toBe(true)
        }
      }
    }
  })

  test(`no function is longer than ${MOST_LINES} lines`, () => {
    const long = [...files].filter(
      ([, text]) => text.split('\n').filter((line) => !line.startsWith('--')).length > MOST_LINES,
    )
    expect(long.map(([name]) => name)).toEqual([])
  })
})

describe('the catalog', () => {
  test('what is public is SECURITY DEFINER with a search path of its own; nothing else is, and nothing has a default', () => {
    for (const { name, defaults, owner } of functions) {
      expect(defaults, name).toBe(0)
      expect(owner, name).toBe('postgres')
    }
    const pinned = functions.filter(({ definer, name }) => definer || name.startsWith('admin_'))
    for (const { name, settings } of pinned) expect(settings, name).toContain('search_path=latchkey, pg_temp')
    expect(pinned.filter(({ definer, name }) => definer && name.startsWith('admin_'))).toEqual([])
    const called = new Set<string>(operations.map(({ name }) => name))
    expect(new Set(functions.filter(isPublic).map(({ name }) => name))).toEqual(called)
  })

  test('nobody but its owner may call a function, until a role is granted it', () => {
    expect(functions.filter(({ everyone }) => everyone).map(({ name }) => name)).toEqual([])
  })

  test.each(operations.map((operation) => [operation.name, operation] as const))(
    '%s has the parameters and the kinds that TypeScript says',
    (name, { parameters, kinds }) => {
      const found = functions.find((one) => one.name === name)
      expect(found?.parameters).toEqual(
        Object.fromEntries(Object.entries(parameters).map(([parameter, type]) => [`p_${parameter}`, type])),
      )
      expect(kindsOf(name)).toEqual(Object.keys(kinds).toSorted())
    },
  )
})

/** What a function answers, itself or by the functions whose result it returns. */
function kindsOf(name: string): string[] {
  const kinds = new Set<string>()
  const visit = (one: string) => {
    const source = functions.find((each) => each.name === one)?.source ?? ''
    // Of what is made for a column or an event, `kind` is no key of the result.
    for (const [, kind = ''] of source.matchAll(/'kind',\s*(?:CASE WHEN [^']*THEN )?'([\w-]+)'/g))
      kinds.add(kind)
    for (const [, kind = ''] of source.matchAll(/'kind',\s*CASE WHEN [^]*? ELSE '([\w-]+)' END/g))
      kinds.add(kind)
    for (const [, helper = ''] of source.matchAll(/RETURN (\w+)\(/g)) visit(helper)
    if (/\bauthenticate\(/.test(source) && /RETURN \w+\.refusal/.test(source)) visit('authenticate')
  }
  visit(name)
  return [...kinds].toSorted()
}

describe('locks', () => {
  /** The one order. What a function touches later comes later here. */
  const ORDER = [
    'rate_limits',
    'login_attempts',
    'users',
    'registrations',
    'one_time_tokens',
    'sessions',
    'outbox',
  ]

  test.each(
    operations
      .map(({ name }): string => name)
      .concat(functions.map(({ name }) => name).filter((name) => name.startsWith('admin_'))),
  )('%s takes its locks in the one order', (name) => {
    // Maintenance skips what is locked, so it waits for nobody.
    if (name === 'remove_expired' || name === 'maintain_event_partitions') return
    const taken = locksOf(name)
    const first = taken.filter((table, index) => taken.indexOf(table) === index)
    expect(first).toEqual(first.toSorted((one, other) => ORDER.indexOf(one) - ORDER.indexOf(other)))
  })

  /** Tables in the order in which a function locks or writes their rows, those of its helpers among them. */
  function locksOf(name: string): string[] {
    const source = (functions.find((one) => one.name === name)?.source ?? '').replaceAll(/--.*$/gm, '')
    const helpers = functions.map((one) => one.name).filter((helper) => helper !== name)
    const pattern = new RegExp(
      String.raw`\b(?:INSERT INTO|UPDATE|DELETE FROM) (\w+)|FROM (\w+)\b(?:(?!;)[^])*?FOR (?:NO KEY UPDATE|UPDATE|KEY SHARE)\b(?! SKIP)|\b(${helpers.join('|')})\(`,
      'g',
    )
    return Array.from(source.matchAll(pattern)).flatMap(([, written, locked, helper]) => {
      if (helper !== undefined) return locksOf(helper)
      const table = written ?? locked ?? ''
      return ORDER.includes(table) ? [table] : []
    })
  }

  test('the order is looked for where it can be broken', () => {
    expect(locksOf('delete_account')).toEqual(
      expect.arrayContaining(['login_attempts', 'users', 'sessions', 'outbox']),
    )
    expect(locksOf('finish_login').indexOf('login_attempts')).toBeLessThan(
      locksOf('finish_login').indexOf('users'),
    )
  })
})
