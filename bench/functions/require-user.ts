/** A function of the app's, guarded by the access token. */
import { requireUser } from '../../lib/guards.ts'

export default {
  async fetch(request: Request): Promise<Response> {
    const guard = await requireUser(request)
    return guard.kind === 'refused' ? guard.response : Response.json({ id: guard.user.id })
  },
}
