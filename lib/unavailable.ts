/** Something of ours that can't serve right now. The endpoint responds with 503; nothing was changed. */
export class ServiceUnavailable extends Error {
  readonly code: 'busy' | 'unavailable'
  readonly retryAfterSeconds: number

  /** `reason` goes to the log only. */
  constructor(code: 'busy' | 'unavailable', retryAfterSeconds: number, reason: string) {
    super(reason)
    this.code = code
    this.retryAfterSeconds = retryAfterSeconds
  }
}
