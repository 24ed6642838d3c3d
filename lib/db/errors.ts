/** What can go wrong on the way to the engine, as both transports report it. */

interface QueryErrorFields {
  code: string
  table?: string | undefined
  constraint?: string | undefined
  severity?: string | undefined
}

/** Postgres refused the statement or the connection. Keeps nothing that could hold a value. */
export class QueryError extends Error {
  readonly sqlState: string
  /** The connection ended with it, so it is never about our statement. A pooler may give it any code. */
  readonly isFatal: boolean

  constructor({ code, table, constraint, severity }: QueryErrorFields) {
    super(`statement failed: SQLSTATE ${code} ${table ?? ''} ${constraint ?? ''}`.trimEnd())
    this.sqlState = code
    this.isFatal = severity === 'FATAL' || severity === 'PANIC'
  }
}

/** No response, or one from in front of Postgres. `message` is ours, or a code of Node's such as ECONNREFUSED. */
export class ConnectionError extends Error {
  /** True if the call may be made again at once: nobody refused it, and its time wasn't up. */
  readonly isLost: boolean

  constructor(reason: string, isLost: boolean) {
    super(reason)
    this.isLost = isLost
  }
}

const CERTIFICATE_PROBLEM =
  /CERT|SELF_SIGNED|UNABLE_TO_(?:VERIFY|GET)|HOSTNAME_MISMATCH|INVALID_(?:CA|PURPOSE)/

/** From what a socket, TLS or a timer reported. */
export function connectionError(error: unknown): ConnectionError {
  const code = failureCode(error)
  if (code === 'TimeoutError') return new ConnectionError(code, false)
  if (!CERTIFICATE_PROBLEM.test(code)) return new ConnectionError(code, true)
  const fix = "the database's certificate isn't trusted; if a private authority signed it, set DATABASE_CA"
  return new ConnectionError(`${code}: ${fix}`, false)
}

/** Node's own word for a failure, such as ECONNREFUSED, ENOTFOUND or CERT_HAS_EXPIRED, if it has one. */
function failureCode(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name
}
