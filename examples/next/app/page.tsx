'use client'
import { useState } from 'react'
import { login, logout } from '../latchkey/client/auth.ts'
import { useSession } from './use-session.ts'

export default function Home() {
  const state = useSession()
  const [problem, setProblem] = useState('')

  async function signIn(form: FormData) {
    const result = await login({
      email: String(form.get('email')),
      password: String(form.get('password')),
      remember: form.has('remember'),
    })
    setProblem(result.ok ? '' : result.problem.detail)
  }

  async function signOut() {
    const result = await logout()
    setProblem(result.ok ? '' : result.problem.detail)
  }

  if (state.kind === 'unknown') return <main>…</main>
  return (
    <main>
      {state.kind === 'signed-in' ? (
        <>
          <p>
            Signed in as {state.user.email}. <a href="/account">Your account</a>
          </p>
          <button type="button" onClick={signOut}>
            Sign out
          </button>
        </>
      ) : (
        <form action={signIn}>
          <label>
            Email <input name="email" type="email" autoComplete="username" required />
          </label>
          <label>
            Password <input name="password" type="password" autoComplete="current-password" required />
          </label>
          <label>
            <input name="remember" type="checkbox" defaultChecked /> Remember me
          </label>
          <button type="submit">Sign in</button>
        </form>
      )}
      <p role="alert">{problem}</p>
    </main>
  )
}
