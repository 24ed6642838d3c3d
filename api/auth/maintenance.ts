/** GET /api/auth/maintenance, called by Vercel's cron: delivers waiting mail and removes what has expired. */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { MaintenanceReport } from '../../lib/answers.ts'
import { endpoint } from '../../lib/endpoint.ts'
import { environment } from '../../lib/env.ts'
import { json } from '../../lib/json.ts'
import { removeExpired } from '../../lib/maintenance.ts'
import { deliverWaitingMail, waitingMail } from '../../lib/outbox.ts'
import { problem } from '../../lib/problems.ts'

export default endpoint({
  GET: async (request) => {
    if (!isCron(request)) return problem('unauthorized')
    const { sent, givenUp, held } = await deliverWaitingMail()
    const mail = { sent, givenUp, held, ...(await waitingMail()) }
    return json<MaintenanceReport>({ mail, ...(await removeExpired()) })
  },
})

function isCron(request: Request): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(
    digest(request.headers.get('authorization') ?? ''),
    digest(`Bearer ${environment().cronSecret}`),
  )
}
