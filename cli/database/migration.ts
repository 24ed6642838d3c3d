/**
 * `npm run migration -- --name what_it_does`: writes the next migration. Tables come from drizzle/schema.ts by
 * drizzle-kit, functions from drizzle/functions: each one that differs from what the migrations have is added whole.
 *
 * - `--custom` writes one even when nothing changed, to be filled in by hand.
 * - `--check` writes nothing and fails when there is something to write.
 * - `--squash` starts over with a single `0000`. Only until 0.1.0 goes out; it is removed with that release.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isDeepStrictEqual, parseArgs } from 'node:util'
import { generateDrizzleJson } from 'drizzle-kit/api'
import * as schema from '../../drizzle/schema.ts'
import { FUNCTIONS, functionFiles, functionsOf, generatedFunctions, signatureOf } from './engine-functions.ts'
import { MIGRATIONS, readMigrations } from './migrate.ts'

const BREAKPOINT = '--> statement-breakpoint\n'
const KIT = join(import.meta.dirname, '../../node_modules/drizzle-kit/bin.cjs')

/** A sentence for each thing that the next migration would hold. */
export async function pendingChanges(): Promise<string[]> {
  const pending: string[] = []
  for (const [file, text] of Object.entries(generatedFunctions())) {
    const present = await readFile(join(FUNCTIONS, file), 'utf8').catch(() => '')
    if (present !== text) pending.push(`drizzle/functions/${file} is not what lib/limits.ts makes`)
  }
  if (await tablesChanged()) pending.push('drizzle/schema.ts differs from the migrations')
  const { changed, removed } = await functionChanges()
  for (const name of changed) pending.push(`drizzle/functions/${name}.sql differs from the migrations`)
  for (const name of removed) pending.push(`the migrations have a function ${name} that has no file`)
  return pending
}

/** Compares snapshots: drizzle-kit's own comparison asks about renames, which it can't do in CI. */
async function tablesChanged(): Promise<boolean> {
  const newest = (await readMigrations()).length - 1
  const file = join(MIGRATIONS, 'meta', `${String(newest).padStart(4, '0')}_snapshot.json`)
  // What a snapshot is called, and the renames that led to it, are not about the tables.
  const tablesOf = (snapshot: object) => ({ ...snapshot, id: '', prevId: '', _meta: {} })
  const present = JSON.parse(JSON.stringify(generateDrizzleJson(schema)))
  return !isDeepStrictEqual(tablesOf(present), tablesOf(JSON.parse(await readFile(file, 'utf8'))))
}

async function functionChanges() {
  const files = await functionFiles()
  const migrated = functionsOf((await readMigrations()).map(({ statements }) => statements.join(BREAKPOINT)))
  const changed = [...files.keys()].filter((name) => files.get(name) !== migrated.get(name))
  const removed = [...migrated.keys()].filter((name) => !files.has(name))
  return { files, migrated, changed, removed }
}

async function writeGenerated(): Promise<void> {
  for (const [file, text] of Object.entries(generatedFunctions()))
    await writeFile(join(FUNCTIONS, file), text)
}

/** Runs drizzle-kit, which may ask about renames in a terminal. Resolves to the file that it wrote. */
async function generate(name: string, ...options: string[]): Promise<string> {
  const before = await newestMigration()
  const child = spawn(process.execPath, [KIT, 'generate', '--name', name, ...options], {
    cwd: join(import.meta.dirname, '../..'),
    stdio: process.stdin.isTTY && process.stdout.isTTY ? 'inherit' : ['ignore', 'ignore', 'inherit'],
  })
  await once(child, 'exit')
  // Its exit status is 0 even when it gave up.
  const newest = await newestMigration()
  if (newest === undefined || newest === before) throw new Error('drizzle-kit wrote no migration.')
  return join(MIGRATIONS, `${newest}.sql`)
}

async function newestMigration(): Promise<string | undefined> {
  if (!existsSync(MIGRATIONS)) return undefined
  return (await readMigrations()).at(-1)?.name
}

/** A migration is one transaction, and functions may call others that come after them. */
const UNCHECKED = 'SET LOCAL check_function_bodies = off;'

function joined(statements: readonly string[]): string {
  return statements.map((statement) => `${statement.trim()}\n`).join(BREAKPOINT)
}

/** Throws where there is none: an empty one would equal every other. */
function requiredSignature(name: string, definition = ''): string {
  const signature = signatureOf(definition)
  if (signature === '') throw new Error(`The signature of ${name} can't be read.`)
  return signature
}

async function writeMigration(name: string, custom: boolean): Promise<string | undefined> {
  await writeGenerated()
  const { files, migrated, changed, removed } = await functionChanges()
  for (const one of changed) {
    const before = migrated.get(one)
    if (before !== undefined && requiredSignature(one, before) !== requiredSignature(one, files.get(one))) {
      throw new Error(
        `The signature of ${one} changed. Deployments that run now call the old one: ` +
          `add the new one as ${one}_2, and let the old one call it.`,
      )
    }
  }
  const drops = removed.map(
    (one) => `DROP FUNCTION ${requiredSignature(one, migrated.get(one)).split(' RETURNS')[0]};`,
  )
  const definitions = [...drops, ...changed.map((one) => files.get(one) ?? '')]
  const hasTables = await tablesChanged()
  if (!hasTables && !custom && definitions.length === 0) return undefined

  const file = await generate(name, ...(hasTables ? [] : ['--custom']))
  if (definitions.length > 0) {
    const tables = hasTables ? [await readFile(file, 'utf8')] : []
    await writeFile(file, joined([...tables, UNCHECKED, ...definitions]))
  }
  if (drops.length > 0) {
    console.log(
      'It drops functions. Deployments that still call them would fail: its first line must name the release ' +
        `since which nothing does, as "-- contract: 1.2.0" (test/engine/expand-only.ts).`,
    )
  }
  return file
}

/** The migrations that were there come back when this fails. */
async function squash(): Promise<string> {
  await writeGenerated()
  const definitions = [...(await functionFiles()).values()]
  const former = `${MIGRATIONS}.former`
  await rm(former, { recursive: true, force: true })
  if (existsSync(MIGRATIONS)) await rename(MIGRATIONS, former)
  try {
    const file = await writeFirst(definitions)
    await rm(former, { recursive: true, force: true })
    return file
  } catch (error) {
    await rm(MIGRATIONS, { recursive: true, force: true })
    if (existsSync(former)) await rename(former, MIGRATIONS)
    throw error
  }
}

/** Rows that are updated again and again: with room in their page, an update leaves the indexes alone (HOT). */
const UPDATED_IN_PLACE = ['sessions', 'rate_limits', 'login_attempts']

/** Adds what drizzle-kit can't say: `events` is partitioned, and the ledger is there before the first migration. */
async function writeFirst(definitions: readonly string[]): Promise<string> {
  const file = await generate('latchkey')
  const tables = (await readFile(file, 'utf8'))
    .replace('CREATE SCHEMA "latchkey";', 'CREATE SCHEMA IF NOT EXISTS "latchkey";')
    .replace('CREATE TABLE "latchkey"."migrations"', 'CREATE TABLE IF NOT EXISTS "latchkey"."migrations"')
    .replace(/(CREATE TABLE "latchkey"\."events" \([^;]*\));/, '$1 PARTITION BY RANGE ("created_at");')
  const statements = [
    tables,
    'CREATE TABLE "latchkey"."events_default" PARTITION OF "latchkey"."events" DEFAULT;',
    ...UPDATED_IN_PLACE.map((table) => `ALTER TABLE "latchkey"."${table}" SET (fillfactor = 70);`),
    UNCHECKED,
    ...definitions,
    'SELECT latchkey.maintain_event_partitions();',
  ]
  await writeFile(file, joined(statements))
  return file
}

if (import.meta.main) {
  try {
    const { values, positionals } = parseArgs({
      options: {
        name: { type: 'string' },
        custom: { type: 'boolean', default: false },
        check: { type: 'boolean', default: false },
        squash: { type: 'boolean', default: false },
      },
      allowPositionals: true,
    })
    if (values.check) {
      const pending = await pendingChanges()
      for (const change of pending) console.error(`${change}: run npm run migration.`)
      process.exitCode = pending.length > 0 ? 1 : 0
    } else {
      const name = values.name ?? positionals[0] ?? 'changes'
      const file = values.squash ? await squash() : await writeMigration(name, values.custom)
      console.log(file === undefined ? 'There is nothing to migrate.' : `Wrote ${file}.`)
    }
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error))
    process.exitCode = 1
  }
}
