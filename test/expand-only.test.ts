/** Deploys without a gap: what is released takes nothing away from the functions that still answer. */
import { globSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { expect, test } from 'vitest'
import { MIGRATIONS } from '../build/migrate.ts'
import { BEFORE_THE_FIRST_RELEASE, contractOf, faultsOf } from './expand-only.ts'

const names = globSync('*.sql', { cwd: MIGRATIONS })
  .map((file) => basename(file, '.sql'))
  .toSorted()
const textOf = (name: string) => readFileSync(join(MIGRATIONS, `${name}.sql`), 'utf8')
const released = [...readFileSync('CHANGELOG.md', 'utf8').matchAll(/^## (\d+\.\d+\.\d+)/gm)].map(
  ([, version]) => version,
)

test('those from before the first release are there, and are the oldest', () => {
  expect(names.slice(0, BEFORE_THE_FIRST_RELEASE.length)).toEqual(BEFORE_THE_FIRST_RELEASE)
})

test('every migration since then keeps what the functions of the release before need, or names the release from which on nothing needs it', () => {
  const since = names.filter((name) => !BEFORE_THE_FIRST_RELEASE.includes(name))
  const faults = since.flatMap((name) => {
    const contract = contractOf(textOf(name))
    if (contract === undefined) return faultsOf(textOf(name)).map((fault) => `${name}: ${fault}`)
    return released.includes(contract) ? [] : [`${name}: CHANGELOG.md has no release ${contract} yet`]
  })
  expect(faults).toEqual([])
})

test.each([
  'ALTER TABLE "users" ADD COLUMN "note" text;',
  'ALTER TABLE "public"."users" ADD COLUMN "note" text;',
  'ALTER TABLE "users" ADD COLUMN "count" integer DEFAULT 0 NOT NULL;',
  'ALTER TABLE "users" ADD COLUMN "seen_at" timestamp with time zone DEFAULT now() NOT NULL;',
  'ALTER TABLE "events" ALTER COLUMN "kind" DROP NOT NULL;',
  'CREATE INDEX IF NOT EXISTS "users_role" ON "users" USING btree ("role");',
  'CREATE TABLE "notes" ("id" uuid NOT NULL);--> statement-breakpoint\nCREATE UNIQUE INDEX "notes_id" ON "notes" USING btree ("id");',
  'CREATE TABLE "notes" ("id" uuid);ALTER TABLE "notes" ADD CONSTRAINT "fk" FOREIGN KEY ("id") REFERENCES "public"."users"("id");INSERT INTO "notes" VALUES (NULL);',
  '-- DROP TABLE "users"\nALTER TABLE "users" ADD COLUMN "note" text;',
])('may be deployed beside functions that do not know it: %s', (sql) => {
  expect(faultsOf(sql)).toEqual([])
})

test.each([
  'DROP TABLE "users";',
  'DROP INDEX "events_at";',
  'TRUNCATE "events";',
  'ALTER TABLE "users" DROP COLUMN "role";',
  'ALTER TABLE "users" RENAME COLUMN "role" TO "kind";',
  'ALTER TABLE "users" RENAME TO "people";',
  'ALTER TABLE "users" ALTER COLUMN "role" SET DATA TYPE integer;',
  'ALTER TABLE "users" ALTER COLUMN "role" TYPE integer;',
  'ALTER TABLE "users" ALTER COLUMN "disabled_at" SET NOT NULL;',
  'ALTER TABLE "users" ALTER COLUMN "role" DROP DEFAULT;',
  'ALTER TABLE "users" ADD COLUMN "note" text NOT NULL;',
  'ALTER TABLE "users" ADD COLUMN "note" text UNIQUE;',
  'ALTER TABLE "users" ADD COLUMN "id2" uuid DEFAULT gen_random_uuid() NOT NULL;',
  'ALTER TABLE "users" ADD COLUMN "l" text GENERATED ALWAYS AS (lower("email")) STORED;',
  'ALTER TABLE "users" ADD COLUMN "a" text, DROP COLUMN "role";',
  'ALTER TABLE "users" ADD CONSTRAINT "c" CHECK ("role" <> \'\');',
  'ALTER TABLE "events" ADD CONSTRAINT "fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id");',
  'CREATE UNIQUE INDEX IF NOT EXISTS "u" ON "users" USING btree ("role");',
  'CREATE INDEX "users_role" ON "users" USING btree ("role");',
  'UPDATE "users" SET "role" = \'user\';',
  'DELETE FROM "events";',
  'REVOKE SELECT ON "users" FROM "latchkey_functions";',
  'CREATE TABLE "notes" ("id" uuid);DROP TABLE "users";',
  "DO $$ BEGIN EXECUTE 'DROP TABLE users'; END $$;",
])('is no part of a release that expands: %s', (sql) => {
  expect(faultsOf(sql)).not.toEqual([])
})

test('what contracts says so in a line of its own', () => {
  const drop = 'ALTER TABLE "users" DROP COLUMN "role";'
  expect(contractOf(`-- contract: 1.2.0\n${drop}`)).toBe('1.2.0')
  for (const line of ['-- contract:', '-- contract: soon', '-- contracts 1.2.0', '--contract: 1.2.0']) {
    expect(contractOf(`${line}\n${drop}`), line).toBeUndefined()
  }
})
