/** A route of the app's own: by cookie or by access token, with a look at the session's row. */
import { requireSession } from '../../../latchkey/lib/guards.ts'

async function hello(request: Request): Promise<Response> {
  const guard = await requireSession(request)
  if (guard.kind === 'refused') return guard.response
  return Response.json({ hello: guard.user.email })
}

export { hello as GET, hello as POST }
