import { redirect } from 'next/navigation'
import { currentSession } from '../current-session.ts'
import { RefreshSession } from '../refresh-session.tsx'

/** Rendered on the server, for signed-in users only. */
export default async function Account() {
  const current = await currentSession()
  if (current.kind === 'signed-out') redirect('/')
  if (current.kind === 'refresh-required') return <RefreshSession />
  return (
    <main>
      <h1>Your account</h1>
      <p>
        Signed in as {current.user.email} until {current.session.absoluteExpiresAt.toISOString()}.
      </p>
    </main>
  )
}
