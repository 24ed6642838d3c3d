'use client'
import { useRouter } from 'next/navigation'
import { useCallback, useEffect, useState } from 'react'
import { refresh } from '../latchkey/client/auth.ts'

/** Refreshes the session in the browser, then has the server render the page again. */
export function RefreshSession() {
  const router = useRouter()
  const [problem, setProblem] = useState('')

  const tryToRefresh = useCallback(async () => {
    setProblem('')
    const result = await refresh()
    if (result.ok || result.problem.code === 'session-ended') router.refresh()
    else setProblem(result.problem.detail)
  }, [router])

  useEffect(() => void tryToRefresh(), [tryToRefresh])

  if (problem === '') return <main>…</main>
  return (
    <main>
      <p role="alert">{problem}</p>
      <button type="button" onClick={tryToRefresh}>
        Try again
      </button>
    </main>
  )
}
