/**
 * The operator's connection: Postgres over TCP, which works with any host. Reads are read-only transactions; a change
 * is one call of a function of the engine, which writes its event in the same transaction.
 */
import { DrizzleQueryError, sql } from 'drizzle-orm'
import { drizzle, type NodePgDatabase } from 'drizzle-orm/node-postgres'
import { Client, DatabaseError } from 'pg'
import { failureName } from '../database/client.ts'
import { connectionTo } from '../database/migrate.ts'
import { databaseAddress, nameTwoDatabases } from '../database/production.ts'
import { latchkey } from '../../drizzle/schema.ts'
import type { QueuedEmail } from '../../lib/db/engine.ts'

const LOCK_TIMEOUT_MS = 10_000
const STATEMENT_TIMEOUT_MS = 300_000

/** Its message is for the operator and holds no part of the database's address. */
export class AdminError extends Error {}

/** For work in several steps: adds to a later step's error what was done before it. */
export function afterPart(done: string): (error: unknown) => never {
  return (error) => {
    throw error instanceof AdminError
      ? new AdminError(`${error.message}\n${done}`, { cause: error.cause })
      : error
  }
}

/** Stands where an endpoint passes its request. The id names who ran the command. */
export interface OperatorRequest {
  id: string
}

interface OfAccount {
  user_id: string
  request: OperatorRequest
}

/** The account was deleted in the meantime. */
interface NotFound {
  kind: 'not-found'
}

/** The engine's functions that an operator calls: parameters, without their prefix `p_`, and result. */
export interface OperatorFunctions {
  admin_disable: { given: OfAccount; result: { kind: 'done'; changed: boolean; revoked: number } | NotFound }
  admin_enable: { given: OfAccount; result: { kind: 'done'; changed: boolean } | NotFound }
  admin_force_reset: {
    given: OfAccount
    result: { kind: 'done'; revoked: number; email: QueuedEmail | null } | NotFound
  }
  admin_set_role: {
    given: OfAccount & { role: string }
    result: { kind: 'done'; changed: boolean } | NotFound
  }
  admin_revoke_sessions: {
    given: { user_id: string | null; session_id: string | null; request: OperatorRequest }
    result: { kind: 'done'; revoked: number }
  }
  admin_revoke_everyones_sessions: {
    given: { after: string; opened_before: string; request: OperatorRequest }
    result: { kind: 'done'; revoked: number; last: string | null }
  }
  admin_resend_email: {
    given: { email_id: string; email_normalized: string; request: OperatorRequest }
    result: { kind: 'done'; changed: boolean }
  }
  remove_expired: { given: { what: string }; result: { kind: 'removed'; removed: number; more: boolean } }
  maintain_event_partitions: {
    given: object
    result: { kind: 'maintained'; created: string[]; dropped: string[]; removed: number }
  }
}

/** A transaction of Drizzle. */
export type Reader = Parameters<Parameters<NodePgDatabase['transaction']>[0]>[0]

export interface Database {
  /** Host, port and name, so that the operator sees which database is about to change. */
  name: string
  /** All that `work` reads is of one moment. */
  read<Result>(work: (reader: Reader) => Promise<Result>): Promise<Result>
  call<Name extends keyof OperatorFunctions>(
    name: Name,
    given: OperatorFunctions[Name]['given'],
  ): Promise<OperatorFunctions[Name]['result']>
  close(): Promise<void>
}

type Variables = Record<string, string | undefined>

/** The owner's address first: the functions' role may not read tables. An empty variable counts as unset. */
export function databaseUrl(variables: Variables): string | undefined {
  const [pooled, direct] = [variables['DATABASE_URL'], variables['DATABASE_URL_UNPOOLED']]
  if (nameTwoDatabases(variables)) {
    throw new AdminError(
      'DATABASE_URL and DATABASE_URL_UNPOOLED name different databases. Set the one you mean and unset the other.',
    )
  }
  return direct || pooled || undefined
}

export async function openDatabase(address: string): Promise<Database> {
  if (!/^postgres(?:ql)?:\/\//.test(address) || !URL.canParse(address)) {
    throw new AdminError('The database address is not a postgresql:// URL.')
  }
  const client = new Client(connectionTo(address))
  // A connection that breaks also fails the statement that waits for it.
  client.on('error', () => {})
  await client.connect().catch((error: unknown) => {
    throw new AdminError(`Can't connect to the database: ${failureName(error)}.`, { cause: error })
  })
  const drizzled = drizzle(client)

  async function transaction<Result>(
    config: Parameters<typeof drizzled.transaction>[1],
    work: (reader: Reader) => Promise<Result>,
  ): Promise<Result> {
    try {
      return await drizzled.transaction(async (reader) => {
        await reader.execute(
          sql`SELECT set_config('lock_timeout', ${`${LOCK_TIMEOUT_MS}ms`}, true),
            set_config('statement_timeout', ${`${STATEMENT_TIMEOUT_MS}ms`}, true)`,
        )
        return work(reader)
      }, config)
    } catch (error) {
      if (!(error instanceof DrizzleQueryError)) throw error
      // Drizzle's own message has the statement and its parameters.
      throw new AdminError(messageOf(error.cause), { cause: error.cause })
    }
  }

  return {
    name: databaseAddress(address),
    read: (work) => transaction({ isolationLevel: 'repeatable read', accessMode: 'read only' }, work),
    async call<Name extends keyof OperatorFunctions>(name: Name, given: OperatorFunctions[Name]['given']) {
      const parameters = Object.entries(given).map(
        ([parameter, value]) => sql`${sql.identifier(`p_${parameter}`)} => ${value}`,
      )
      const qualified = sql`${sql.identifier(latchkey.schemaName)}.${sql.identifier(name)}`
      const statement = sql`SELECT ${qualified}(${sql.join(parameters, sql`, `)}) AS result`
      // The engine is written for read committed, whatever the database's default is.
      const { rows } = await transaction({ isolationLevel: 'read committed' }, (reader) =>
        reader.execute<{ result: OperatorFunctions[Name]['result'] }>(statement),
      )
      const [row] = rows
      if (row === undefined) throw new Error(`${name} returned no row`)
      return row.result
    },
    close: () => client.end(),
  }
}

function messageOf(error: unknown): string {
  if (!(error instanceof DatabaseError)) return `Lost the connection to the database: ${failureName(error)}.`
  switch (error.code ?? '') {
    case '42501':
      return `This database role isn't allowed to do that.
Set DATABASE_URL_UNPOOLED to the owner's connection string.`
    case '3F000':
    case '42883':
    case '42P01':
    case '42703':
      return `The database doesn't have the tables and functions of this version.
Check that it is the right one, and run npm run migrate.`
    case '55P03':
    case '40P01':
      return 'Another transaction got in the way, so this step changed nothing. Try again.'
    default:
      return `The database returned an error: ${failureName(error)}.`
  }
}
