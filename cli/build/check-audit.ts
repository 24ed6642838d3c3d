/**
 * `npm run check:audit`: fails when the registry knows of a high or critical vulnerability in what is deployed. SECURITY.md says how soon
 * each must be gone. A registry that offers no such service, or is out of reach, says nothing of the dependencies, and neither does this.
 */
import { execFile } from 'node:child_process'
import * as z from 'zod/mini'

const Report = z.object({
  vulnerabilities: z.record(z.string(), z.object({ severity: z.string(), range: z.optional(z.string()) })),
})
const Failure = z.object({ message: z.string(), statusCode: z.optional(z.number()) })

const REFUSED_SEVERITIES = new Set(['high', 'critical'])
/** The service is not there: not found, no such method, gone, not implemented. */
const NOT_OFFERED = new Set([404, 405, 410, 501])

export type AuditVerdict =
  | { kind: 'clean' }
  | { kind: 'vulnerable'; packages: string[] }
  | { kind: 'not-offered' }
  | { kind: 'not-reached' }
  /** An answer that nobody expected. */
  | { kind: 'failed'; reason: string }

/** What `npm audit --json` printed. */
export function auditVerdict(output: string): AuditVerdict {
  let response: unknown
  try {
    response = JSON.parse(output)
  } catch {
    return { kind: 'failed', reason: 'npm audit printed no JSON' }
  }
  const report = z.safeParse(Report, response)
  if (report.success) {
    const packages = Object.entries(report.data.vulnerabilities)
      .filter(([, { severity }]) => REFUSED_SEVERITIES.has(severity))
      .map(([name, { severity, range = '' }]) => `${severity}: ${name} ${range}`.trim())
    return packages.length === 0 ? { kind: 'clean' } : { kind: 'vulnerable', packages }
  }
  const failure = z.safeParse(Failure, response)
  if (!failure.success) return { kind: 'failed', reason: 'npm audit answered something else than a report' }
  const { statusCode, message } = failure.data
  if (statusCode === undefined) return { kind: 'not-reached' }
  return NOT_OFFERED.has(statusCode) ? { kind: 'not-offered' } : { kind: 'failed', reason: message }
}

function npmAudit(): Promise<string> {
  // It exits with a code of its own for what it found: what it printed tells more.
  return new Promise((resolve) => {
    const options = ['--omit=dev', '--audit-level=high', '--json', '--fetch-retries=0']
    execFile('npm', ['audit', ...options], (_, output) => resolve(output))
  })
}

if (import.meta.main) {
  const verdict = auditVerdict(await npmAudit())
  switch (verdict.kind) {
    case 'clean':
      console.log('No dependency has a known vulnerability that is high or critical.')
      break
    case 'not-offered':
      console.log('This registry offers no audit: nothing is known of the dependencies.')
      break
    case 'not-reached':
      console.log('The registry is out of reach: nothing is known of the dependencies.')
      break
    case 'vulnerable':
      console.error(`${verdict.packages.join('\n')}\n\nSECURITY.md says how soon these must be gone.`)
      process.exitCode = 1
      break
    case 'failed':
      console.error(`The audit did not come about: ${verdict.reason}`)
      process.exitCode = 1
  }
}
