/** The one answer to a request for a mail, so that no endpoint can tell a known address from an unknown one. */
import type { CheckEmail } from './answers.ts'
import { afterAnswer } from './after-answer.ts'
import { json } from './json.ts'
import type { MailRequest } from './mail-requests.ts'
import { deliver } from './outbox.ts'
import { quotaExceeded } from './problems.ts'
import { limits } from './rate-limits.ts'

/** 202, with the mail on its way where one is owed; 429 when the source asks too often. */
export async function checkEmail(request: MailRequest): Promise<Response> {
  if (request.kind === 'limited') return quotaExceeded(limits.mailBySource, request.waitSeconds)
  const { mail } = request
  if (mail !== undefined) await afterAnswer(() => deliver(mail))
  return json<CheckEmail>({ status: 'check-email' }, 202)
}
