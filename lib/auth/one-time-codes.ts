/** One-time codes are derived, not stored: the engine counts a try and names the candidates; they are compared here. */
import { isOneTimeCode, type OneTimeCodePurpose } from '../crypto/one-time-code.ts'
import type { CodeCandidate } from '../db/engine.ts'

export function matchingCode<Candidate extends CodeCandidate>(
  purpose: OneTimeCodePurpose,
  candidates: readonly Candidate[],
  code: string,
): Candidate | undefined {
  return candidates.find(({ id, expiresAt }) =>
    isOneTimeCode(purpose, { id, expiresAt: new Date(expiresAt * 1000) }, code),
  )
}
