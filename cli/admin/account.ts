/** Finds the account that an operator names. */
import { and, eq, gt, isNull, max, sql } from 'drizzle-orm'
import { sessions, users } from '../../drizzle/schema.ts'
import { normalizeEmail } from '../../lib/email-address.ts'
import { isId, type Call, type Failed, type UsageError } from './call.ts'
import type { Database, Reader } from './database.ts'
import { shown } from './output.ts'

export interface Account {
  id: string
  email: string
  role: string
  createdAt: Date
  emailVerifiedAt: Date
  disabledAt: Date | null
  hasPassword: boolean
  liveSessions: number
  lastUsedAt: Date | null
}

export const isLive = and(isNull(sessions.revokedAt), gt(sessions.idleExpiresAt, sql`now()`))

/** By its address, in any case, or by its id. */
export async function findAccount(reader: Reader, subject: string): Promise<Account | undefined> {
  const [account] = await reader
    .select({
      id: users.id,
      email: users.email,
      role: users.role,
      createdAt: users.createdAt,
      emailVerifiedAt: users.emailVerifiedAt,
      disabledAt: users.disabledAt,
      hasPassword: sql<boolean>`${users.passwordHash} IS NOT NULL`,
    })
    .from(users)
    .where(isId(subject) ? eq(users.id, subject) : eq(users.emailNormalized, normalizeEmail(subject.trim())))
  if (account === undefined) return undefined
  const [usage] = await reader
    .select({
      liveSessions: sql<number>`(count(*) FILTER (WHERE ${isLive}))::int`,
      lastUsedAt: max(sessions.lastUsedAt),
    })
    .from(sessions)
    .where(eq(sessions.userId, account.id))
  return { ...account, liveSessions: usage?.liveSessions ?? 0, lastUsedAt: usage?.lastUsedAt ?? null }
}

export function noAccount(subject: string): Failed {
  return { kind: 'failed', message: `No account with the address or id ${shown(subject)}.` }
}

/** Deleted after it was found, for instance while the operator was being asked. */
export function deletedMeanwhile(account: Account): Failed {
  return { kind: 'failed', message: `${described(account)} has been deleted in the meantime.` }
}

export function described({ email, id }: Account): string {
  return `${shown(email)} (${id})`
}

interface Found {
  kind: 'found'
  account: Account
  database: Database
}

/** The account that the command's argument names. */
export async function accountOf(call: Call): Promise<Found | Failed | UsageError> {
  const { argument } = call
  if (argument === undefined)
    return { kind: 'usage-error', message: 'Give an email address or an account id.' }
  const database = await call.database()
  const account = await database.read((reader) => findAccount(reader, argument))
  return account === undefined ? noAccount(argument) : { kind: 'found', account, database }
}
