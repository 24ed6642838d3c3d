/**
 * What a migration may do while the functions of the release before go on answering. Everything else waits for a release
 * of its own and says so: `-- contract: 1.2.0`, the release from which on nothing needs any more what it takes away.
 */

/** Nothing had been released when these were made. */
export const BEFORE_THE_FIRST_RELEASE = ['0000_lifecycle', '0001_password_attempts', '0002_event_ips']

const NAME = String.raw`(?:"public"\.)?"(\w+)"`
/** What differs from row to row is worked out for each of them, while the table is locked. */
const VOLATILE = /\b(?:gen_random_uuid|uuidv\d|random|clock_timestamp|nextval)\s*\(|\bGENERATED\b|\bSERIAL\b/i

/** What would fail functions that know nothing of it, or hold them up: empty when they may run beside it. */
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

function faultOf(statement: string, made: ReadonlySet<string>): string | undefined {
  const altered = matched(`^ALTER TABLE (?:ONLY )?${NAME}`, statement)
  const indexed = matched(`^CREATE (?:UNIQUE )?INDEX .*? ON ${NAME}`, statement)
  const table = altered ?? indexed ?? matched(`^INSERT INTO ${NAME}`, statement)
  // Nobody knows a table that is made here.
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

/** The release named in `-- contract: 1.2.0`, once and on a line of its own; undefined for a migration that expands. */
export function contractOf(migration: string): string | undefined {
  return /^-- contract: (\d+\.\d+\.\d+)$/m.exec(migration)?.[1]
}

function statementsOf(migration: string): string[] {
  return migration
    .replaceAll(/--> statement-breakpoint/g, '')
    .replaceAll(/--.*$/gm, '')
    .replaceAll(/\/\*[^]*?\*\//g, '')
    .split(';')
    .map((statement) => statement.replaceAll(/\s+/g, ' ').trim())
    .filter((statement) => statement !== '')
}

function matched(pattern: string, statement: string): string | undefined {
  return new RegExp(pattern, 'i').exec(statement)?.[1]
}
