/** A function of the app's, guarded by the session's row. */
import { requireSession } from '../../lib/guards.ts'

export default {
  async fetch(request: Request): Promise<Response> {
    const guard = await requireSession(request)
    return guard.kind === 'refused' ? guard.response : Response.json({ id: guard.user.id })
  },
}
