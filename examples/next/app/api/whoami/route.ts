/** Another one: access token only, without a round trip. */
import { requireUser } from '../../../latchkey/lib/guards.ts'

export async function GET(request: Request): Promise<Response> {
  const guard = await requireUser(request)
  if (guard.kind === 'refused') return guard.response
  return Response.json({ id: guard.user.id, role: guard.user.role })
}
