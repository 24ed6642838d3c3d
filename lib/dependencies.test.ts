/** Vulnerable dependencies: how soon they must be gone, and the check that says so. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { auditVerdict } from '../build/check-audit.ts'

const HOME = join(import.meta.dirname, '..')
const read = (path: string) => readFileSync(join(HOME, path), 'utf8')

test('[ASVS 15.1.1] SECURITY.md says in how many days a vulnerable dependency is replaced', () => {
  expect(existsSync(join(HOME, 'SECURITY.md'))).toBe(true)
  const policy = read('SECURITY.md').replaceAll(/\s+/g, ' ')
  expect(policy).toContain('within 7 days when it is critical')
  expect(policy).toContain('within 30 days when it is high')
})

describe('[ASVS 15.2.1] the audit', () => {
  const report = (severity: string) =>
    JSON.stringify({ auditReportVersion: 2, vulnerabilities: { parcel: { severity, range: '<1.2.3' } } })

  test('is a part of every check', () => {
    const { scripts } = JSON.parse(read('package.json'))
    expect(scripts['check:audit']).toBe('node build/check-audit.ts')
    expect(scripts.check).toContain('npm run check:audit')
    expect(read('.ci/run')).toMatch(/^npm run check$/m)
  })

  test.each(['high', 'critical'])('fails on a vulnerability that is %s', (severity) => {
    expect(auditVerdict(report(severity))).toEqual({
      kind: 'vulnerable',
      packages: [`${severity}: parcel <1.2.3`],
    })
  })

  test('lets a lesser one and none at all pass', () => {
    for (const output of [
      report('moderate'),
      report('low'),
      '{"auditReportVersion":2,"vulnerabilities":{}}',
    ]) {
      expect(auditVerdict(output)).toEqual({ kind: 'clean' })
    }
  })

  test('claims nothing where the registry has no such service or is out of reach', () => {
    for (const statusCode of [404, 405, 410, 501]) {
      expect(auditVerdict(JSON.stringify({ message: `${statusCode} Nothing here`, statusCode }))).toEqual({
        kind: 'not-offered',
      })
    }
    const unreached = '{"message":"request to http://127.0.0.1:1/ failed, reason: connect ECONNREFUSED"}'
    expect(auditVerdict(unreached)).toEqual({ kind: 'not-reached' })
  })

  test.each([
    ['nothing', ''],
    ['a page', '<html>Bad gateway</html>'],
    ['something else', '{"ok":true}'],
    ['a failure of the service', '{"message":"500 Internal Server Error","statusCode":500}'],
  ])('fails on %s', (_, output) => {
    expect(auditVerdict(output).kind).toBe('failed')
  })
})
