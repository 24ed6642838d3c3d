/** A route of the app: cookie or access token, checked against the session in the database. */
import { requireSession } from '../../../latchkey/lib/guards.ts'

async function hello(request: Request): Promise<Response> {
  const guard = await requireSession(request)
  if (guard.kind === 'refused') return guard.response
  return Response.json({ hello: guard.user.email })
}

export { hello as GET, hello as POST }
