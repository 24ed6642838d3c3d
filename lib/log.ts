/**
 * The log: one JSON line an entry, made of the fields named here and of nothing else, so no address, token,
 * password or statement can reach it. The one place that writes to the console.
 */
export interface LogFields {
  requestId?: string
  method?: string
  path?: string
  status?: number
  code?: string | undefined
  durationMs?: number
  /** Names of variables, never their values. */
  keys?: readonly string[]
  mailId?: string
  /** What went wrong, in our own words or as an error's name and SQLSTATE. */
  reason?: string
  stack?: string
}

export type LogLevel = 'info' | 'warn' | 'error'

export function log(level: LogLevel, event: string, fields: LogFields = {}): void {
  const { requestId, method, path, status, code, durationMs, keys, mailId, reason, stack } = fields
  const entry = { requestId, method, path, status, code, durationMs, keys, mailId, reason, stack }
  // eslint-disable-next-line no-console -- the only one
  console[level](JSON.stringify({ at: new Date().toISOString(), level, event, ...entry }))
}
