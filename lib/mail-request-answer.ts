/** The one answer to a request for a mail, so that no endpoint can tell a known address from an unknown one. */
import type { CheckEmail } from './answers.ts'
import { json } from './json.ts'
import { deliverAfterResponse } from './outbox.ts'
import { quotaExceeded } from './problems.ts'
import type { Results } from './db/engine.ts'
import { rateLimits } from './limits.ts'

/** 202, with the mail on its way where one is owed; 429 when the source asks too often. */
export async function checkEmail(request: Results['request_reset']): Promise<Response> {
  if (request.kind === 'limited') return quotaExceeded(rateLimits.emailBySource, request.retryAfterSeconds)
  await deliverAfterResponse(request.emails)
  return json<CheckEmail>({ status: 'check-email' }, 202)
}
