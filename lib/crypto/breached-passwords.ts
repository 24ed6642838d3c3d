/**
 * Passwords that came out in a breach, asked of a range API in the manner of Pwned Passwords: only the first five characters of the
 * password's SHA-1 go out, and the answer is padded, so neither says which password it is. SHA-1 guards nothing here: it is how
 * the list is sorted.
 */
import { createHash } from 'node:crypto'
import { environment } from '../env.ts'
import { log } from '../log.ts'

const BREACH_QUERY_TIMEOUT_MS = 1_000
const PREFIX_LENGTH = 5

/** Why a new password is refused, for the person; empty also when there is no list to ask or it does not answer in a second. */
export async function breachIssues(password: string): Promise<string[]> {
  const { breachedPasswordsUrl } = environment()
  if (breachedPasswordsUrl === undefined) return []
  const digest = createHash('sha1').update(password).digest('hex').toUpperCase()
  try {
    const response = await fetch(`${breachedPasswordsUrl}/${digest.slice(0, PREFIX_LENGTH)}`, {
      headers: { 'add-padding': 'true' },
      redirect: 'error',
      signal: AbortSignal.timeout(BREACH_QUERY_TIMEOUT_MS),
    })
    if (!response.ok) throw new Error(`HTTP ${response.status}`)
    const range = await response.text()
    return isListed(range, digest.slice(PREFIX_LENGTH)) ? [BREACHED] : []
  } catch (error) {
    // Best effort: who registers need not wait for somebody else's server.
    log('warn', 'breached-passwords-unavailable', { reason: error instanceof Error ? error.name : 'unknown' })
    return []
  }
}

const BREACHED =
  'This password came out in a breach of another service, so it is among the first to be guessed. Choose one that you use nowhere else.'

/** Lines are `SUFFIX:COUNT`; padding has the count 0. */
function isListed(range: string, suffix: string): boolean {
  const line = range.split(/\r?\n/).find((entry) => entry.toUpperCase().startsWith(`${suffix}:`))
  return line !== undefined && Number(line.slice(suffix.length + 1)) > 0
}
