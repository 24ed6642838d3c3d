/** A requirement of the standards that apply, and how it is met. docs/security-requirements.md is made of these. */

export interface Requirement {
  /** As the standard numbers it: `ASVS 7.4.1`, `63B-4 3.2.2`, `RFC 9700 4.14.2`, `CS Session Management`. A test carries it in brackets. */
  ids: readonly [string, ...string[]]
  /** Only ASVS 5.0 has levels. */
  level?: 'L1' | 'L2' | 'L3'
  /** What it asks for, in a few words. */
  demands: string
  /** What we do. */
  measure: string
  /** Where we do less or something else: why, and what stands in for it. A requirement without one has a test for each id. */
  deviation?: string
  /** What is asked for is a document: its path. It needs no test, as whether it says the right thing is for reviewers. */
  documented?: string
  /** Only a deployment can show it: `npm run verify:deployment` does. */
  deployment?: true
  /** Vercel's edge does it, before a request reaches us. It isn't checked here. */
  platform?: true
}

/** A chapter of the page. */
export interface Chapter {
  title: string
  requirements: readonly Requirement[]
}
