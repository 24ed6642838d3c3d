/** A part of ours that cannot serve right now. Thrown, and answered as 503 by the endpoint wrapper alone. */

export type UnavailableCode = 'busy' | 'unavailable'

interface Unavailable extends Error {
  unavailable: UnavailableCode
  retryAfterSeconds: number
}

/** `reason` goes to the log. */
export function unavailable(code: UnavailableCode, retryAfterSeconds: number, reason: string): Unavailable {
  return Object.assign(new Error(reason), { unavailable: code, retryAfterSeconds })
}

export function isUnavailable(error: unknown): error is Unavailable {
  return error instanceof Error && 'unavailable' in error
}
