/** Deploys without a gap: a release takes nothing away from the functions that still serve. */
import { globSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { expect, test } from 'vitest'
import { MIGRATIONS } from '../../cli/database/migrate.ts'
import { BEFORE_THE_FIRST_RELEASE, contractOf, faultsOf } from './expand-only.ts'

const names = globSync('*.sql', { cwd: MIGRATIONS })
  .map((file) => basename(file, '.sql'))
  .toSorted()
const textOf = (name: string) => readFileSync(join(MIGRATIONS, `${name}.sql`), 'utf8')
const released = [...readFileSync('CHANGELOG.md', 'utf8').matchAll(/^## (\d+\.\d+\.\d+)/gm)].map(
  ([, version]) => version,
)

test('the migrations from before the first release are there, and are the oldest', () => {
  expect(names.slice(0, BEFORE_THE_FIRST_RELEASE.length)).toEqual(BEFORE_THE_FIRST_RELEASE)
})

test('every later migration keeps what the previous release needs, or names the release since which nothing does', () => {
  const since = names.filter((name) => !BEFORE_THE_FIRST_RELEASE.includes(name))
  const faults = since.flatMap((name) => {
    const contract = contractOf(textOf(name))
    if (contract === undefined) return faultsOf(textOf(name)).map((fault) => `${name}: ${fault}`)
    return released.includes(contract) ? [] : [`${name}: CHANGELOG.md has no release ${contract} yet`]
  })
  expect(faults).toEqual([])
})

test.each([
  'ALTER TABLE "latchkey"."users" ADD COLUMN "note" text;',
  'ALTER TABLE "latchkey"."users" ADD COLUMN IF NOT EXISTS "note" text;',
  'ALTER TABLE "latchkey"."users" ADD COLUMN "count" integer DEFAULT 0 NOT NULL;',
  'ALTER TABLE "latchkey"."users" ADD COLUMN "seen_at" timestamp with time zone DEFAULT now() NOT NULL;',
  'ALTER TABLE "latchkey"."events" ALTER COLUMN "kind" DROP NOT NULL;',
  'CREATE INDEX IF NOT EXISTS "users_role" ON "latchkey"."users" USING btree ("role");',
  'CREATE TABLE "latchkey"."notes" ("id" uuid NOT NULL);--> statement-breakpoint\nCREATE UNIQUE INDEX "notes_id" ON "latchkey"."notes" USING btree ("id");',
  'CREATE TABLE "latchkey"."notes" ("id" uuid);ALTER TABLE "latchkey"."notes" ADD CONSTRAINT "fk" FOREIGN KEY ("id") REFERENCES "latchkey"."users"("id");INSERT INTO "latchkey"."notes" VALUES (NULL);',
  'CREATE OR REPLACE FUNCTION latchkey.limited(p_retry_after integer) RETURNS jsonb LANGUAGE sql AS $$ SELECT NULL; $$;',
  "CREATE OR REPLACE FUNCTION latchkey.drops() RETURNS void LANGUAGE sql AS $body$ -- it's $$\nDROP TABLE events; $body$;",
  'SET LOCAL check_function_bodies = off;',
  'SELECT latchkey.maintain_event_partitions();',
  'GRANT EXECUTE ON FUNCTION latchkey.read_events(text, integer) TO latchkey_app;',
  'GRANT USAGE ON SCHEMA latchkey TO latchkey_functions;',
  'REVOKE ALL ON ALL FUNCTIONS IN SCHEMA latchkey FROM PUBLIC;',
  'REVOKE ALL ON SCHEMA latchkey FROM PUBLIC;',
  '-- DROP TABLE "latchkey"."users"\nALTER TABLE "latchkey"."users" ADD COLUMN "note" text;',
])('may be deployed beside functions that do not know it: %s', (sql) => {
  expect(faultsOf(sql)).toEqual([])
})

test.each([
  'DROP TABLE "latchkey"."users";',
  'DROP INDEX "events_at";',
  'TRUNCATE "latchkey"."events";',
  'ALTER TABLE "latchkey"."users" DROP COLUMN "role";',
  'ALTER TABLE "latchkey"."users" RENAME COLUMN "role" TO "kind";',
  'ALTER TABLE "latchkey"."users" RENAME TO "people";',
  'ALTER TABLE "latchkey"."users" ALTER COLUMN "role" SET DATA TYPE integer;',
  'ALTER TABLE "latchkey"."users" ALTER COLUMN "role" TYPE integer;',
  'ALTER TABLE "latchkey"."users" ALTER COLUMN "disabled_at" SET NOT NULL;',
  'ALTER TABLE "latchkey"."users" ALTER COLUMN "role" DROP DEFAULT;',
  'ALTER TABLE "latchkey"."users" ADD COLUMN "note" text NOT NULL;',
  'ALTER TABLE "latchkey"."users" ADD COLUMN "note" text UNIQUE;',
  'ALTER TABLE "latchkey"."users" ADD COLUMN "id2" uuid DEFAULT gen_random_uuid() NOT NULL;',
  'ALTER TABLE "latchkey"."users" ADD COLUMN "l" text GENERATED ALWAYS AS (lower("email")) STORED;',
  'ALTER TABLE "latchkey"."users" ADD COLUMN "a" text, DROP COLUMN "role";',
  'ALTER TABLE "latchkey"."users" ADD CONSTRAINT "c" CHECK ("role" <> \'\');',
  'ALTER TABLE "latchkey"."events" ADD CONSTRAINT "fk" FOREIGN KEY ("user_id") REFERENCES "latchkey"."users"("id");',
  'CREATE UNIQUE INDEX IF NOT EXISTS "u" ON "latchkey"."users" USING btree ("role");',
  'CREATE INDEX "users_role" ON "latchkey"."users" USING btree ("role");',
  'DROP FUNCTION latchkey.limited(integer);',
  'ALTER TABLE "public"."users" ADD COLUMN "note" text;',
  'UPDATE "latchkey"."users" SET "role" = \'user\';',
  'DELETE FROM "latchkey"."events";',
  'CREATE OR REPLACE FUNCTION latchkey.x() RETURNS int RETURN 1;\nDROP TABLE "latchkey"."users";',
  'CREATE OR REPLACE FUNCTION latchkey.x() RETURNS void AS $$ $$ LANGUAGE sql;DROP TABLE "latchkey"."users";',
  'CREATE OR REPLACE FUNCTION app.limited() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$;',
  'SELECT latchkey.admin_enable(NULL, NULL);',
  'REVOKE EXECUTE ON FUNCTION latchkey.register(text) FROM latchkey_functions;',
  'REVOKE SELECT ON "users" FROM "latchkey_functions";',
  'REVOKE ALL ON ALL FUNCTIONS IN SCHEMA latchkey FROM PUBLIC, latchkey_functions;',
  'REVOKE ALL ON ALL FUNCTIONS IN SCHEMA public FROM PUBLIC;',
  'GRANT SELECT ON app.users TO latchkey_app;',
  'GRANT SELECT ON latchkey.users TO PUBLIC;',
  'CREATE TABLE "latchkey"."notes" ("id" uuid);DROP TABLE "latchkey"."users";',
  "DO $$ BEGIN EXECUTE 'DROP TABLE users'; END $$;",
])('is no part of a release that expands: %s', (sql) => {
  expect(faultsOf(sql)).not.toEqual([])
})

test('a migration that takes something away says so on a line of its own', () => {
  const drop = 'ALTER TABLE "latchkey"."users" DROP COLUMN "role";'
  expect(contractOf(`-- contract: 1.2.0\n${drop}`)).toBe('1.2.0')
  for (const line of ['-- contract:', '-- contract: soon', '-- contracts 1.2.0', '--contract: 1.2.0']) {
    expect(contractOf(`${line}\n${drop}`), line).toBeUndefined()
  }
})
