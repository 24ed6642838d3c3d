/**
 * What a migration may do while the previous release's functions keep serving. Everything else waits for a release of
 * its own and says so: `-- contract: 1.2.0`, the release since which nothing needs what it takes away.
 */

/** Written before anything was released. */
export const BEFORE_THE_FIRST_RELEASE = ['0000_latchkey']

const NAME = String.raw`"latchkey"\."(\w+)"`
/** A value that differs from row to row is computed for each of them, while the table is locked. */
const VOLATILE = /\b(?:gen_random_uuid|uuidv\d|random|clock_timestamp|nextval)\s*\(|\bGENERATED\b|\bSERIAL\b/i

/** What would break functions that don't know it, or hold them up; empty when they may run beside it. */
export function faultsOf(migration: string): string[] {
  const made = new Set<string>()
  return statementsOf(migration).flatMap((statement) => {
    const table = matched(`^CREATE TABLE (?:IF NOT EXISTS )?${NAME}`, statement)
    if (table !== undefined) {
      made.add(table)
      return []
    }
    const fault = faultOf(statement, made)
    return fault === undefined ? [] : [`${statement.slice(0, 80)}: ${fault}`]
  })
}

/**
 * A function that is replaced whole keeps its signature (cli/database/migration.ts); tests hold its result. A role may get
 * more, but only PUBLIC, as which nothing connects, may lose what it has.
 */
const HARMLESS = [
  /^CREATE OR REPLACE FUNCTION latchkey\.\w+\(/i,
  /^SET LOCAL check_function_bodies = off$/i,
  /^SELECT latchkey\.maintain_event_partitions\(\)$/i,
  /^GRANT [^;]* (?:ON|IN) (?:SCHEMA |FUNCTION |TABLE )?"?latchkey"?(?:\.\S+(?: ?\([^)]*\))?)? TO "?latchkey_\w+"?$/i,
  /^REVOKE [^;]* (?:ON|IN) (?:SCHEMA |FUNCTION |TABLE )?"?latchkey"?(?:\.\S+(?: ?\([^)]*\))?)? FROM PUBLIC$/i,
]

function faultOf(statement: string, made: ReadonlySet<string>): string | undefined {
  if (HARMLESS.some((pattern) => pattern.test(statement))) return undefined
  const altered = matched(`^ALTER TABLE (?:ONLY )?${NAME}`, statement)
  const indexed = matched(`^CREATE (?:UNIQUE )?INDEX .*? ON ${NAME}`, statement)
  const table = altered ?? indexed ?? matched(`^INSERT INTO ${NAME}`, statement)
  // No function knows a table that is created here.
  if (table !== undefined && made.has(table)) return undefined
  if (altered !== undefined) return faultOfChange(statement)
  if (indexed === undefined) return 'takes away, changes or is not known to be harmless'
  if (/^CREATE UNIQUE/i.test(statement)) return 'refuses rows that functions may write'
  if (!/^CREATE INDEX IF NOT EXISTS /i.test(statement)) {
    return 'has no IF NOT EXISTS, by which a big table may have got it before, without a lock'
  }
  return undefined
}

function faultOfChange(statement: string): string | undefined {
  if (/^ALTER TABLE \S+ ALTER COLUMN "\w+" DROP NOT NULL$/i.test(statement)) return undefined
  const column = matched(String.raw`^ALTER TABLE \S+ ADD COLUMN (?:IF NOT EXISTS )?"\w+" (.*)$`, statement)
  if (column === undefined || /, ?(?:ADD|DROP|ALTER|RENAME|VALIDATE)\b/i.test(column)) {
    return 'changes what functions read or may write, or does several things at once'
  }
  if (/\b(?:UNIQUE|PRIMARY KEY|REFERENCES|CHECK)\b/i.test(column))
    return 'refuses rows that functions may write'
  if (VOLATILE.test(column)) return 'writes every row while the table is locked'
  if (/\bNOT NULL\b/i.test(column) && !/\bDEFAULT\b/i.test(column)) {
    return 'refuses rows of functions that do not know the column: give it a DEFAULT'
  }
  return undefined
}

/** The release named on a line `-- contract: 1.2.0`; undefined for a migration that only expands. */
export function contractOf(migration: string): string | undefined {
  return /^-- contract: (\d+\.\d+\.\d+)$/m.exec(migration)?.[1]
}

/** Comments, bodies between dollars, and strings: whatever begins first holds the others. */
const TOKENS = /--.*$|\/\*[^]*?\*\/|\$(\w*)\$[^]*?\$\1\$|'(?:[^']|'')*'/gm

function statementsOf(migration: string): string[] {
  const withoutBody = (token: string) => {
    if (token.startsWith("'")) return token
    return token.startsWith('$') ? '$$' : ''
  }
  return migration
    .split('--> statement-breakpoint')
    .flatMap((text) => text.replaceAll(TOKENS, withoutBody).split(';'))
    .map((statement) => statement.replaceAll(/\s+/g, ' ').trim())
    .filter((statement) => statement !== '')
}

function matched(pattern: string, statement: string): string | undefined {
  return new RegExp(pattern, 'i').exec(statement)?.[1]
}
