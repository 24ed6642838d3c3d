import { headers } from 'next/headers'
import { cache } from 'react'
import { requireSession, type SignedIn } from '../latchkey/lib/guards.ts'

/**
 * Who is signed in, for server components; undefined for nobody. Asked once a request, however many components ask. A page's
 * request turns no token and sets no cookie: the client does that.
 */
export const currentSession = cache(async (): Promise<SignedIn | undefined> => {
  const guard = await requireSession(
    new Request('http://localhost/', { headers: new Headers(await headers()) }),
  )
  if (guard.kind === 'signed-in') return guard
  // The database is away: that is no reason to say that nobody is signed in.
  if (guard.response.status >= 500) throw new Error(`no session can be looked up: ${guard.response.status}`)
  return undefined
})
