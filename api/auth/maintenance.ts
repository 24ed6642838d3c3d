/** GET /api/auth/maintenance, called by Vercel's cron: delivers waiting email and removes what has expired. */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { MaintenanceReport } from '../../lib/answers.ts'
import { removeAllExpired } from '../../lib/auth/maintenance.ts'
import { endpoint } from '../../lib/endpoint.ts'
import { environment } from '../../lib/env.ts'
import { json } from '../../lib/json.ts'
import { countWaiting, deliverWaiting } from '../../lib/outbox.ts'
import { problem } from '../../lib/problems.ts'

export default endpoint({
  GET: async (request) => {
    if (!isCron(request)) return problem('unauthorized')
    const { sent, failed, held } = await deliverWaiting()
    const emails = { sent, failed, held, ...(await countWaiting()) }
    return json<MaintenanceReport>({ emails, ...(await removeAllExpired()) })
  },
})

function isCron(request: Request): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(
    digest(request.headers.get('authorization') ?? ''),
    digest(`Bearer ${environment().cronSecret}`),
  )
}
