/** The trail: every change of an account or a session writes its event in the same statement. */
import { sql, type SQL } from 'drizzle-orm'
import type { Client } from './client.ts'

/** docs/events.md says of each what it tells. */
export const EVENT_KINDS = [
  'registration-requested',
  'registration-mail-requested',
  'account-created',
  'login-failed',
  'password-locked',
  'session-opened',
  'session-ended',
  'session-stolen',
  'reset-requested',
  'password-reset',
  'password-changed',
  'email-change-requested',
  'email-change-stopped',
  'email-changed',
  'account-deleted',
  'account-disabled',
  'account-enabled',
  'mail-given-up',
  'mail-held',
  'mail-requeued',
  'events-purged',
] as const

export type EventKind = (typeof EVENT_KINDS)[number]

export interface EventColumns {
  userId?: SQL
  sessionId?: SQL
  detail?: SQL
}

/** `INSERT INTO events … SELECT … {from}`: one event for each row that `from` (a `FROM` clause) yields. */
export function insertEvent(kind: EventKind, client: Client, columns: EventColumns, from: SQL): SQL {
  const { userId = sql`NULL::uuid`, sessionId = sql`NULL::uuid`, detail = sql`NULL::jsonb` } = columns
  return sql`INSERT INTO events (kind, user_id, session_id, request_id, ip, detail)
    SELECT ${kind}, ${userId}, ${sessionId}, ${client.requestId}, ${client.ip}, ${detail} ${from}`
}
