/**
 * The operator's way to the database: Postgres by TCP, so it works with any. Each piece of work is one transaction, and what
 * only looks is in one that can change nothing.
 */
import type { SQL } from 'drizzle-orm'
import { CasingCache } from 'drizzle-orm/casing'
import { Client, DatabaseError, escapeIdentifier, escapeLiteral } from 'pg'
import { failureName } from '../build/database-client.ts'
import { connectionTo } from '../build/migrate.ts'
import { databaseAddress, nameTwoDatabases } from '../build/production-database.ts'

/** A row that somebody else holds, and a statement that never ends, are given up: the operator hears of it. */
const LOCK_TIMEOUT_MS = 10_000
const STATEMENT_TIMEOUT_MS = 300_000

/** Words for the operator that hold no part of the address. */
export class DatabaseFault extends Error {}

/** For work in parts: what was done before one failed. */
export function afterPart(done: string): (error: unknown) => never {
  return (error) => {
    throw error instanceof DatabaseFault
      ? new DatabaseFault(`${error.message} ${done}`, { cause: error.cause })
      : error
  }
}

export interface Database {
  /** Host, port and name, for the operator to see what is about to be changed. */
  name: string
  /** Looks, in a transaction that is read only. */
  read<Row extends object>(statement: SQL): Promise<Row[]>
  /** Changes: statements in one transaction, each seeing what was committed when it began. The last one's rows. */
  change<Row extends object>(...statements: [...SQL[], SQL]): Promise<Row[]>
  close(): Promise<void>
}

const dialect = {
  casing: new CasingCache(),
  escapeName: escapeIdentifier,
  escapeString: escapeLiteral,
  escapeParam: (index: number) => `$${index + 1}`,
}

type Variables = Record<string, string | undefined>

/**
 * The owner's address where there is one: the functions' role may neither read the trail nor disable an account. Undefined when
 * none is set. An empty variable is a missing one.
 */
export function databaseUrl(variables: Variables): string | undefined {
  const [pooled, direct] = [variables['DATABASE_URL'], variables['DATABASE_URL_UNPOOLED']]
  if (nameTwoDatabases(variables)) {
    throw new DatabaseFault(
      'DATABASE_URL and DATABASE_URL_UNPOOLED name different databases. Set the one you mean, and the other one to nothing.',
    )
  }
  return direct || pooled || undefined
}

export async function openDatabase(address: string): Promise<Database> {
  if (!/^postgres(?:ql)?:\/\//.test(address) || !URL.canParse(address)) {
    throw new DatabaseFault('The database address is not a postgresql:// address.')
  }
  const client = new Client(connectionTo(address))
  // A connection that breaks also fails the statement that waits for it.
  client.on('error', () => {})
  await client.connect().catch((error: unknown) => {
    throw new DatabaseFault(`The database could not be reached: ${failureName(error)}.`, { cause: error })
  })

  async function transaction<Row extends object>(begin: string, statements: SQL[]): Promise<Row[]> {
    try {
      await client.query(begin)
      await client.query(`SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}`)
      await client.query(`SET LOCAL statement_timeout = ${STATEMENT_TIMEOUT_MS}`)
      let rows: Row[] = []
      for (const statement of statements) {
        const { sql: text, params } = statement.toQuery(dialect)
        rows = (await client.query<Row>(text, params)).rows
      }
      await client.query('COMMIT')
      return rows
    } catch (error) {
      await client.query('ROLLBACK').catch(() => undefined)
      throw new DatabaseFault(wordsOf(error), { cause: error })
    }
  }

  return {
    name: databaseAddress(address),
    read: (statement) => transaction('BEGIN READ ONLY', [statement]),
    change: (...statements) => transaction('BEGIN', statements),
    close: () => client.end(),
  }
}

function wordsOf(error: unknown): string {
  if (!(error instanceof DatabaseError)) return `The database did not answer: ${failureName(error)}.`
  switch (error.code ?? '') {
    case '42501':
      return "This role may not do that. Set DATABASE_URL_UNPOOLED to the owner's connection string; the functions' role is not enough."
    case '42P01':
    case '42703':
      return 'The database has not the tables of this version: run npm run migrate, and see that it is the right database.'
    case '55P03':
      return `Somebody else held the rows for ${LOCK_TIMEOUT_MS / 1000} s. This step was not done: try again.`
    default:
      return `The database refused: ${failureName(error)}.`
  }
}
