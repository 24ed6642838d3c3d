/** The audit of dependencies. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { auditVerdict } from '../../cli/build/check-audit.ts'

const HOME = join(import.meta.dirname, '../..')
const read = (path: string) => readFileSync(join(HOME, path), 'utf8')

describe('[ASVS 15.2.1] the audit', () => {
  const report = (severity: string) =>
    JSON.stringify({ auditReportVersion: 2, vulnerabilities: { parcel: { severity, range: '<1.2.3' } } })

  test('is part of every check', () => {
    const { scripts } = JSON.parse(read('package.json'))
    expect(scripts['check:audit']).toBe('node cli/build/check-audit.ts')
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

  test('claims nothing where the registry has no audit or is out of reach', () => {
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
