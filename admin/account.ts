/** Finds the account that an operator names. */
import { sql } from 'drizzle-orm'
import { emailKey } from '../lib/email-address.ts'
import { isId, type Call, type Outcome } from './call.ts'
import type { Database } from './database.ts'
import { shown } from './output.ts'

/** In the place of a password's hash. It is none, so no password matches it, and to try costs what every try costs. */
export const NO_PASSWORD = '!'

/** The detail of an event that an operator caused. */
export const BY_OPERATOR = sql`jsonb_build_object('by', 'operator')`

export interface Account {
  id: string
  email: string
  role: string
  createdAt: Date
  emailVerifiedAt: Date
  disabledAt: Date | null
  /** False when an operator took it away: it opens nothing before a reset. */
  hasPassword: boolean
  liveSessions: number
  lastUsedAt: Date | null
}

/** By its address, however that is written, or by its id. */
export async function findAccount(database: Database, subject: string): Promise<Account | undefined> {
  const isNamed = isId(subject) ? sql`id = ${subject}::uuid` : sql`email_key = ${emailKey(subject.trim())}`
  const [account] = await database.read<Account>(sql`
    SELECT id, email, role, created_at AS "createdAt", email_verified_at AS "emailVerifiedAt", disabled_at AS "disabledAt",
      password_hash <> ${NO_PASSWORD} AS "hasPassword",
      (SELECT count(*)::int FROM sessions WHERE user_id = users.id AND revoked_at IS NULL AND expires_at > now()) AS "liveSessions",
      (SELECT max(last_used_at) FROM sessions WHERE user_id = users.id) AS "lastUsedAt"
    FROM users WHERE ${isNamed}`)
  return account
}

type NotDone = Extract<Outcome, { kind: 'not-done' }>

export function nobody(subject: string): NotDone {
  return { kind: 'not-done', words: `No account has the address or id ${shown(subject)}.` }
}

export function named({ email, id }: Account): string {
  return `${shown(email)} (${id})`
}

interface Found {
  kind: 'found'
  account: Account
  database: Database
}

/** The account that a change is about. */
export async function accountOf(call: Call): Promise<Found | Exclude<Outcome, { kind: 'answer' }>> {
  const { subject } = call
  if (subject === undefined) return { kind: 'misused', words: 'Give an address or an id.' }
  const database = await call.database()
  const account = await findAccount(database, subject)
  return account === undefined ? nobody(subject) : { kind: 'found', account, database }
}
