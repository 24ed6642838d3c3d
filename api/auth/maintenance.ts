/** GET /api/auth/maintenance, called by Vercel's cron: delivers waiting emails and removes what has expired. */
import { createHash, timingSafeEqual } from 'node:crypto'
import { removeAllExpired } from '../../lib/auth/maintenance.ts'
import { countWaiting, deliverWaiting } from '../../lib/email/outbox.ts'
import { environment } from '../../lib/env.ts'
import { endpoint } from '../../lib/http/endpoint.ts'
import { json } from '../../lib/http/json.ts'
import { HttpError } from '../../lib/http/problems.ts'
import type { MaintenanceReport } from '../../lib/http/schemas/responses.ts'

export default endpoint({
  GET: async (request) => {
    if (!isCron(request)) throw new HttpError('unauthorized')
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
