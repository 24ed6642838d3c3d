/** Whether a new password is good enough (NIST SP 800-63B-4, 3.1.1.2). */
import { createHash } from 'node:crypto'
import { COMMON_PASSWORD_DIGESTS } from '../crypto/common-passwords.ts'
import { environment } from '../env.ts'

/**
 * Why a new password is refused, in sentences for the user; empty if it is fine. `ownAddress` is the account's address
 * where that is known.
 */
export function passwordIssues(password: string, ownAddress?: string): string[] {
  const { passwordMinLength } = environment()
  const issues: string[] = []
  if (codePoints(password) < passwordMinLength) {
    issues.push(`Use at least ${passwordMinLength} characters. A few random words make a good password.`)
  }
  if (isCommon(password)) issues.push('Many people use this password, so attackers try it first.')
  else if (isRepetition(password)) issues.push('This repeats one short pattern, which is easy to guess.')
  if (isMadeOf(password, contextWords(ownAddress))) {
    issues.push('This is based on your email address or the name of this app, which is easy to guess.')
  }
  return issues
}

function codePoints(text: string): number {
  return [...text].length
}

let commonDigests: Set<number> | undefined

function isCommon(password: string): boolean {
  if (commonDigests === undefined) {
    const digests = Buffer.from(COMMON_PASSWORD_DIGESTS, 'base64')
    commonDigests = new Set(
      Array.from({ length: digests.length / 4 }, (_, index) => digests.readUInt32BE(index * 4)),
    )
  }
  return commonDigests.has(createHash('sha256').update(password.toLowerCase()).digest().readUInt32BE())
}

/** One to five characters over and over. */
function isRepetition(password: string): boolean {
  return /^(.{1,5}?)\1+$/su.test(password)
}

function contextWords(ownAddress = ''): string[] {
  const { origin, productName } = environment()
  const texts = [productName, new URL(origin).hostname, ownAddress]
  return texts.flatMap((text) => [text, ...text.split(/[^\p{L}\p{N}]+/u)]).filter((word) => word.length >= 3)
}

/** True when fewer than four letters or digits remain once the words are taken out. */
function isMadeOf(password: string, words: string[]): boolean {
  const lower = password.toLowerCase()
  const rest = words
    .toSorted((a, b) => b.length - a.length)
    .reduce((text, word) => text.replaceAll(word.toLowerCase(), ''), lower)
  return rest !== lower && rest.replaceAll(/[^\p{L}\p{N}]/gu, '').length < 4
}
