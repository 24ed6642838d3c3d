/** A requirement of the standards that apply, and how it is met: what docs/security-requirements.md is made of. */

export interface Requirement {
  /** As the standard numbers it: `ASVS 7.4.1`, `63B-4 3.2.2`, `RFC 9700 4.14.2`, `CS Session Management`. A test carries it in brackets. */
  ids: readonly [string, ...string[]]
  /** ASVS 5.0 alone has levels. */
  level?: 'L1' | 'L2' | 'L3'
  /** What it asks for, in a few words. */
  demands: string
  /** What we do. */
  measure: string
  /** Where we do less or otherwise, why, and what stands in for it. A requirement without one has a test for each of its ids. */
  deviation?: string
  /** Only a deployment can show it: `npm run verify:deployment` does. */
  deployment?: true
}

/** A chapter of the page. */
export interface Chapter {
  title: string
  requirements: readonly Requirement[]
}
