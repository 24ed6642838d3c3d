/** What a request leaves for its line in the log, gathered on its way; no function hands it on. */
import { AsyncLocalStorage } from 'node:async_hooks'

export interface RequestRecord {
  requestId: string
  /** Calls of the database before the answer. */
  roundTrips: number
  userId?: string
  sessionId?: string
}

const records = new AsyncLocalStorage<RequestRecord>()

export function inRequest<Result>(record: RequestRecord, work: () => Result): Result {
  return records.run(record, work)
}

/** Undefined outside a request: in a command, or in a function of the app that uses a guard. */
export function currentRequest(): RequestRecord | undefined {
  return records.getStore()
}

export function countRoundTrip(): void {
  const record = records.getStore()
  if (record !== undefined) record.roundTrips += 1
}

/** Whose request it is, as soon as that is known. */
export function recordWho(userId: string, sessionId?: string): void {
  const record = records.getStore()
  if (record !== undefined) Object.assign(record, { userId, ...(sessionId !== undefined && { sessionId }) })
}
