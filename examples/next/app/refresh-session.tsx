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
    if (result.ok || result.problem.code === 'session-ended') return router.refresh()
    const { code, detail } = result.problem
    // Another browser has just refreshed this session.
    setProblem(code === 'refresh-required' ? 'Try again in 30 seconds.' : detail)
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
