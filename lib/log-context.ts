/** Fields of a request's log lines that are gathered while it runs. */
import { AsyncLocalStorage } from 'node:async_hooks'

export interface LogContext {
  requestId: string
  /** Calls of the database before the response. */
  roundTrips: number
  userId?: string
  sessionId?: string
}

const contexts = new AsyncLocalStorage<LogContext>()

export function withLogContext<Result>(context: LogContext, work: () => Result): Result {
  return contexts.run(context, work)
}

/** Undefined outside a request: in a command, or in an app's function that uses a guard. */
export function logContext(): LogContext | undefined {
  return contexts.getStore()
}

export function countRoundTrip(): void {
  const context = contexts.getStore()
  if (context !== undefined) context.roundTrips += 1
}

/** Whose request it is, once that is known. */
export function setLogUser(userId: string, sessionId?: string): void {
  const context = contexts.getStore()
  if (context !== undefined) Object.assign(context, { userId, ...(sessionId !== undefined && { sessionId }) })
}
