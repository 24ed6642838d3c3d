import { headers } from 'next/headers'
import { cache } from 'react'
import { requireSession, type SignedIn } from '../latchkey/lib/guards.ts'

export type CurrentSession =
  | SignedIn
  | { kind: 'signed-out' }
  /** Render `RefreshSession`: the cookie is one step behind, and only the browser can refresh. */
  | { kind: 'refresh-required' }

/** The session, for server components. Reads it once per request; never refreshes it and never sets a cookie. */
export const currentSession = cache(async (): Promise<CurrentSession> => {
  const guard = await requireSession(
    new Request('http://localhost/', { headers: new Headers(await headers()) }),
  )
  if (guard.kind === 'signed-in') return guard
  const { code } = (await guard.response.json()) as { code: string }
  if (code === 'refresh-required') return { kind: 'refresh-required' }
  if (code === 'unauthorized') return { kind: 'signed-out' }
  // For example, the database is away: that doesn't mean that nobody is signed in.
  throw new Error(`The session can't be read: ${code}`)
})
