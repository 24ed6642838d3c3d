/**
 * Which database is production's. Production's deploy writes the address into the database itself; a copy, such as a Neon branch, has
 * that row and another address. So a preview can be told from one that was given production's own database.
 */
import { DatabaseError } from 'pg'
import { withClient } from './database-client.ts'
import { migrationUrl } from './migrate.ts'

/** Those that a database is reached by: the functions', and the migrations'. */
const ADDRESS_VARIABLES = ['DATABASE_URL', 'DATABASE_URL_UNPOOLED'] as const

const DEFAULT_PORT = '5432'
const UNDEFINED_TABLE = '42P01'

/** What names a database, and nothing that opens it. The pooler in front of a Neon endpoint is the same database. */
export function databaseAddress(databaseUrl: string): string {
  const url = new URL(databaseUrl)
  const [first = '', ...others] = url.hostname.toLowerCase().split('.')
  const host = [first.replace(/-pooler$/, ''), ...others].join('.')
  const port = url.port === '' || url.port === DEFAULT_PORT ? '' : `:${url.port}`
  return `${host}${port}${url.pathname}`
}

export const TWO_DATABASES =
  'DATABASE_URL and DATABASE_URL_UNPOOLED name two databases: one is migrated and the functions use the other'

/** True when the functions would not find what the migrations made. */
export function nameTwoDatabases(variables: NodeJS.ProcessEnv): boolean {
  const addresses = ADDRESS_VARIABLES.map((name) => variables[name])
    .filter((url) => url !== undefined && URL.canParse(url))
    .map((url) => databaseAddress(String(url)))
  return new Set(addresses).size > 1
}

/** Run by production's deploy, as the owner, when the tables are there. */
export async function recordProduction(databaseUrl: string): Promise<void> {
  await withClient(databaseUrl, (client) =>
    client.query(
      `WITH former AS (DELETE FROM production_database WHERE address <> $1)
       INSERT INTO production_database (address) VALUES ($1) ON CONFLICT (address) DO NOTHING`,
      [databaseAddress(databaseUrl)],
    ),
  )
}

/** The address that production's deploy wrote; undefined where none has. */
export async function recordedProduction(databaseUrl: string): Promise<string | undefined> {
  return withClient(databaseUrl, async (client) => {
    try {
      const { rows } = await client.query<{ address: string }>('SELECT address FROM production_database')
      return rows[0]?.address
    } catch (error) {
      // Nothing has been migrated yet.
      if (error instanceof DatabaseError && error.code === UNDEFINED_TABLE) return undefined
      throw error
    }
  })
}

/** The names of the variables that lead to that very database. */
export function variablesLeadingTo(address: string | undefined, variables: NodeJS.ProcessEnv): string[] {
  return ADDRESS_VARIABLES.filter((name) => {
    const url = variables[name]
    return url && URL.canParse(url) && databaseAddress(url) === address
  })
}

export const REFUSED_IN_PREVIEW =
  "names production's own database, and this is a preview: give previews another one, such as a Neon branch each, and deploy again"

/** Prints what is wrong; false when this is a preview with production's database. Before anything is changed there. */
export async function checkProductionDatabase(variables: NodeJS.ProcessEnv): Promise<boolean> {
  const production = await recordedProduction(migrationUrl(variables)).catch((error: unknown) => {
    throw new Error(`The database could not be looked at: ${error instanceof Error ? error.message : ''}.`, {
      cause: error,
    })
  })
  const names = variablesLeadingTo(production, variables)
  for (const name of names) console.error(`${name}: ${REFUSED_IN_PREVIEW}`)
  return names.length === 0
}
