import { redirect } from 'next/navigation'
import { currentSession } from '../current-session.ts'

/** Rendered on the server, for who is signed in alone. */
export default async function Account() {
  const current = await currentSession()
  if (current === undefined) redirect('/')
  return (
    <main>
      <h1>Your account</h1>
      <p>
        Signed in as {current.user.email} until {current.session.endsAt.toISOString()}.
      </p>
    </main>
  )
}
