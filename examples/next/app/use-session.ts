'use client'
import { useSyncExternalStore } from 'react'
import { session, type SessionState } from '../latchkey/client/auth.ts'

const unknown: SessionState = { kind: 'unknown' }

export function useSession(): SessionState {
  return useSyncExternalStore(session.subscribe, session.getSnapshot, () => unknown)
}
