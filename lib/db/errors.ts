/** What can go wrong on the way to the engine, as both transports report it. */

/** Postgres refused the statement or the connection. Keeps nothing that could hold a value. */
export class QueryError extends Error {
  readonly sqlState: string

  constructor({
    code,
    table,
    constraint,
  }: {
    code: string
    table?: string | undefined
    constraint?: string | undefined
  }) {
    super(`statement failed: SQLSTATE ${code} ${table ?? ''} ${constraint ?? ''}`.trimEnd())
    this.sqlState = code
  }
}

/** No answer, or one from in front of Postgres. `message` is ours, or a code of Node's such as ECONNREFUSED. */
export class ConnectionError extends Error {
  /** True when a call that was lost may be sent again at once: it isn't the server that refuses, nor was its time up. */
  readonly isLost: boolean

  constructor(reason: string, isLost: boolean) {
    super(reason)
    this.isLost = isLost
  }
}

/** Node's own word for a failure, such as ECONNREFUSED, ENOTFOUND or CERT_HAS_EXPIRED, where it has one. */
export function failureCode(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name
}
