/**
 * The log: one JSON line an entry, made of the fields named here and of nothing else, so no address, token,
 * password or statement can reach it. The one place that writes to the console.
 */
import { logContext } from './log-context.ts'

export interface LogFields {
  requestId?: string
  method?: string
  path?: string
  status?: number
  code?: string | undefined
  durationMs?: number
  /** Calls of the database before the response. */
  roundTrips?: number
  /** The first request of an instance. */
  cold?: boolean
  userId?: string
  sessionId?: string
  /** Of the deployment: its commit and the app's own origin. */
  version?: string
  origin?: string | undefined
  /** Names of variables, never their values. */
  keys?: readonly string[]
  emailId?: string
  /** What went wrong, in our own words or as an error's name and SQLSTATE. */
  reason?: string
  stack?: string
}

export type LogLevel = 'info' | 'warn' | 'error'

export type LogEvent =
  | 'breached-passwords-unavailable'
  | 'busy'
  | 'cold-start'
  | 'email-held'
  | 'email-not-recorded'
  | 'email-not-sent'
  | 'internal-error'
  | 'misconfigured'
  | 'not-removed'
  | 'refresh-token-reused'
  | 'request'
  | 'unavailable'

export function log(level: LogLevel, event: LogEvent, fields: LogFields = {}): void {
  const { method, path, status, code, durationMs, roundTrips, cold, userId, sessionId } = fields
  const { version, origin, keys, emailId, reason, stack } = fields
  const requestId = fields.requestId ?? logContext()?.requestId
  const request = { requestId, method, path, status, code, durationMs, roundTrips, cold, userId, sessionId }
  const entry = { ...request, version, origin, keys, emailId, reason, stack }
  // eslint-disable-next-line no-console -- the only one
  console[level](JSON.stringify({ at: new Date().toISOString(), level, event, ...entry }))
}
