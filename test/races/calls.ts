/** What is sent in the races, and what must be so afterwards. */
import { expect } from 'vitest'
import { query } from '../support/database.ts'
import { OTHER_PASSWORD, PASSWORD } from '../support/people.ts'
import type { InsertedAccount } from './accounts.ts'
import { call } from './harness.ts'
import type { Call, RaceReply } from './processes.ts'

export const SAFARI =
  'Mozilla/5.0 (Macintosh; Intel Mac OS X 15_0) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 Safari/605.1.15'

export const refresh = (session: string): Call => ({ target: 'refresh', method: 'POST', body: {}, session })
export const readAccount = (session: string): Call => ({ target: 'account', method: 'GET', session })
export const listSessions = (session: string): Call => ({ target: 'sessions', method: 'GET', session })
export const logout = (session: string, everywhere = false): Call => ({
  target: 'logout',
  method: 'POST',
  body: { everywhere },
  session,
})
export const revokeOne = (session: string, id: string): Call => ({
  target: `sessions?id=${id}`,
  method: 'DELETE',
  session,
})
export const revokeOthers = (session: string): Call => ({
  target: 'sessions?others=true',
  method: 'DELETE',
  session,
})
export const login = (email: string, password: string, session?: string): Call => ({
  target: 'login',
  method: 'POST',
  body: { email, password },
  session,
})
export const reauthenticate = (email: string, session: string): Call => ({
  target: 'login',
  method: 'POST',
  body: { email, password: PASSWORD, reauthenticate: true },
  session,
})
export const reset = (token: string, password: string): Call => ({
  target: 'reset',
  method: 'PUT',
  body: { token, password },
})
export const resetByCode = (email: string, code: string): Call => ({
  target: 'reset',
  method: 'PUT',
  body: { email, code, password: OTHER_PASSWORD },
})
export const requestReset = (email: string): Call => ({ target: 'reset', method: 'POST', body: { email } })
/** With the registration's cookie: in the browser that registered. */
export const verify = (token: string, registration?: string): Call => ({
  target: 'verify',
  method: 'PUT',
  body: { token },
  ...(registration !== undefined && { registration }),
})
export const confirmEmail = (token: string, session: string): Call => ({ ...verify(token), session })
export const cancelEmail = (cancel: string): Call => ({ target: 'verify', method: 'PUT', body: { cancel } })
export const changePassword = (session: string, newPassword: string): Call => ({
  target: 'account',
  method: 'PATCH',
  body: { currentPassword: PASSWORD, newPassword },
  session,
})
export const changeEmail = (session: string, email: string): Call => ({
  target: 'account',
  method: 'PATCH',
  body: { email },
  session,
})
export const deleteAccount = (session: string): Call => ({ target: 'account', method: 'DELETE', session })

export const times = (count: number, one: Call): Call[] => Array.from({ length: count }, () => ({ ...one }))
export const newPasswords = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => `a new good password ${index}`)

// --- What is left afterwards ---

export const sortedStatuses = (responses: RaceReply[]) => responses.map(({ status }) => status).toSorted()

export async function liveSessions(account: InsertedAccount): Promise<string[]> {
  const rows = await query(
    'SELECT id FROM sessions WHERE user_id = $1 AND revoked_at IS NULL AND idle_expires_at > now()',
    account.id,
  )
  return rows.map(({ id }) => id)
}

/** The kinds of the events of a session, the oldest first. */
export async function eventKinds(sessionId: string): Promise<string[]> {
  const rows = await query('SELECT kind FROM events WHERE session_id = $1 ORDER BY id', sessionId)
  return rows.map(({ kind }) => kind)
}

/** Every token that anybody was given is refused. */
export async function expectEnded(tokens: (string | undefined)[]): Promise<void> {
  for (const token of new Set(tokens.filter((text) => text !== undefined && text !== ''))) {
    const { status, code } = await call(refresh(token ?? ''))
    expect([status, code]).toEqual([401, 'session-ended'])
  }
}

export async function expectLive(token: string | undefined): Promise<void> {
  expect((await call(refresh(token ?? ''))).status).toBe(200)
}

export async function expectPassword(email: string, password: string): Promise<void> {
  expect((await call(login(email, password))).status).toBe(200)
}

/** A refresh either got its token or heard that the session has ended; it never cleared a cookie by losing. */
export function expectGotOrEnded(responses: RaceReply[]): void {
  for (const { status, code, session } of responses) {
    const cookie = session === undefined ? 'kept' : session === '' ? 'cleared' : 'new'
    expect(['200 undefined, cookie new', '401 session-ended, cookie kept']).toContain(
      `${status} ${code}, cookie ${cookie}`,
    )
  }
}

/** No race between an owner's own requests may look like reuse. */
export async function expectNoReuse(account: InsertedAccount): Promise<void> {
  const reused = "SELECT id FROM sessions WHERE user_id = $1 AND revocation_reason = 'reuse'"
  expect(await query(reused, account.id)).toEqual([])
}

export async function expectGone(account: InsertedAccount): Promise<void> {
  const left = await query(
    `SELECT 1 FROM users WHERE id = $1 UNION ALL SELECT 1 FROM sessions WHERE user_id = $1
     UNION ALL SELECT 1 FROM one_time_tokens WHERE user_id = $1`,
    account.id,
  )
  expect(left).toEqual([])
}
