/**
 * Which database is production's. Production's deploy writes the address into the database itself; a copy, such as a
 * Neon branch, has that row but another address. So a preview that was given production's own database is noticed.
 */
import { DatabaseError } from 'pg'
import { withClient } from './client.ts'
import { migrationUrl } from './migrate.ts'

/** The functions' address, and the migrations'. */
const ADDRESS_VARIABLES = ['DATABASE_URL', 'DATABASE_URL_UNPOOLED'] as const

const DEFAULT_PORT = '5432'
/** Undefined table, undefined schema: nothing was migrated yet. */
const NOT_MIGRATED = ['42P01', '3F000']

/** Names a database without its credentials. The pooler in front of a Neon endpoint is the same database. */
export function databaseAddress(databaseUrl: string): string {
  const url = new URL(databaseUrl)
  const [first = '', ...others] = url.hostname.toLowerCase().split('.')
  const host = [first.replace(/-pooler$/, ''), ...others].join('.')
  const port = url.port === '' || url.port === DEFAULT_PORT ? '' : `:${url.port}`
  return `${host}${port}${url.pathname}`
}

export const TWO_DATABASES =
  'DATABASE_URL and DATABASE_URL_UNPOOLED name two databases: one is migrated and the functions use the other'

/** True when the functions would use another database than the one that is migrated. */
export function nameTwoDatabases(variables: NodeJS.ProcessEnv): boolean {
  const addresses = ADDRESS_VARIABLES.map((name) => variables[name])
    .filter((url) => url !== undefined && URL.canParse(url))
    .map((url) => databaseAddress(String(url)))
  return new Set(addresses).size > 1
}

/** Run by production's deploy, as the owner, after the migrations. */
export async function recordProduction(databaseUrl: string): Promise<void> {
  await withClient(databaseUrl, (client) =>
    client.query(
      `WITH former AS (DELETE FROM latchkey.production_database WHERE address <> $1)
       INSERT INTO latchkey.production_database (address) VALUES ($1) ON CONFLICT (address) DO NOTHING`,
      [databaseAddress(databaseUrl)],
    ),
  )
}

/** The address that production's deploy wrote; undefined if none has. */
export async function recordedProduction(databaseUrl: string): Promise<string | undefined> {
  return withClient(databaseUrl, async (client) => {
    try {
      const { rows } = await client.query<{ address: string }>(
        'SELECT address FROM latchkey.production_database',
      )
      return rows[0]?.address
    } catch (error) {
      if (error instanceof DatabaseError && NOT_MIGRATED.includes(error.code ?? '')) return undefined
      throw error
    }
  })
}

/** The variables that name this database. */
export function variablesLeadingTo(address: string | undefined, variables: NodeJS.ProcessEnv): string[] {
  return ADDRESS_VARIABLES.filter((name) => {
    const url = variables[name]
    return url && URL.canParse(url) && databaseAddress(url) === address
  })
}

export const REFUSED_IN_PREVIEW =
  "names production's own database, and this is a preview: " +
  'give previews another one, such as a Neon branch each, and deploy again'

/** Prints the issues; false for a preview with production's database. Run before anything is changed there. */
export async function checkProductionDatabase(variables: NodeJS.ProcessEnv): Promise<boolean> {
  const production = await recordedProduction(migrationUrl(variables)).catch((error: unknown) => {
    const reason = error instanceof Error ? error.message : ''
    throw new Error(`The database could not be looked at: ${reason}.`, { cause: error })
  })
  const names = variablesLeadingTo(production, variables)
  for (const name of names) console.error(`${name}: ${REFUSED_IN_PREVIEW}`)
  return names.length === 0
}
