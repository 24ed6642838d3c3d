/** One-time codes are derived, not stored: the engine counts a try and names the candidates, the comparison is here. */
import type { CodeCandidate } from '../db/engine.ts'
import { isMailCode, type MailCodePurpose } from '../mail-code.ts'

export type CodeAttempt<Match> =
  | { kind: 'limited'; retryAfterSeconds: number }
  | { kind: 'wrong' }
  | { kind: 'right'; match: Match }

export function matchingCode<Candidate extends CodeCandidate>(
  purpose: MailCodePurpose,
  candidates: readonly Candidate[],
  code: string,
): CodeAttempt<Candidate> {
  const match = candidates.find(({ id, expiresAt }) =>
    isMailCode(purpose, { id, expiresAt: new Date(expiresAt * 1000) }, code),
  )
  return match === undefined ? { kind: 'wrong' } : { kind: 'right', match }
}
