/** The checks of a deployment pass where all is well and say clearly what is not. */
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setDefaultCACertificates } from 'node:tls'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { deploymentChecks } from '../../cli/deploy/deployment-checks.ts'
import { localhostCertificate } from '../support/certificate.ts'
import { query } from '../support/database.ts'
import {
  startBadDeployment,
  startGoodDeployment,
  startPlainDeployment,
  type LocalDeployment,
} from '../support/deployments.ts'
import { inbox } from '../support/setup-stack.ts'

/** What each check says of the deployment that does everything wrong. */
const COMPLAINTS: Record<string, RegExp> = {
  'ASVS 3.4.1': /GET \/auth\/problems \(200\): Strict-Transport-Security is max-age=60/,
  'ASVS 3.4.3': /\/auth\/problems: no default-src 'none' in default-src \*/,
  'ASVS 3.4.4': /it answers 200/,
  'ASVS 3.5.4': /both sign with the key the-only-one: give previews a JWT_SECRET of their own/,
  'ASVS 3.7.4': /it says preload with a max-age of 60 s/,
  'ASVS 4.1.2': /the function answered it, with 200/,
  'ASVS 4.1.3': /a forged person answers 200/,
  'ASVS 12.2.1': /http:\/\/…\/ answers 200 to nowhere/,
  'ASVS 13.4.1': /\/\.git\/HEAD answers 200/,
  'ASVS 13.4.2': /a response of 400 shows its insides/,
  'ASVS 13.4.5': /\/metrics answers 200/,
  'ASVS 13.4.7': /\/\.env answers 200/,
}

let directory = ''
let good: LocalDeployment
let bad: LocalDeployment
let plain: LocalDeployment

beforeAll(async () => {
  const certificate = localhostCertificate()
  directory = await mkdtemp(join(tmpdir(), 'latchkey-verify-'))
  await writeFile(join(directory, 'ca.pem'), certificate.cert)
  setDefaultCACertificates([certificate.cert])
  good = await startGoodDeployment(certificate)
  bad = await startBadDeployment(certificate)
  plain = await startPlainDeployment()
})
afterAll(async () => {
  for (const deployment of [good, bad, plain]) deployment.close()
  await rm(directory, { recursive: true, force: true })
})

test('each check has a deployment that it complains of', () => {
  expect(deploymentChecks.map(({ ids }) => ids[0]).toSorted()).toEqual(Object.keys(COMPLAINTS).toSorted())
})

test.each(deploymentChecks)('$name: is seen to be met', async ({ run }) => {
  const reason = await run({ origin: good.origin, previewOrigin: bad.origin })
  expect(reason ?? '').toMatch(/^$|does not ask to be preloaded/)
})

test.each(deploymentChecks)('$name: is seen to be missed', async ({ ids, run }) => {
  const elsewhere = bad.origin.replace('localhost', '127.0.0.1')
  await expect(run({ origin: bad.origin, previewOrigin: elsewhere })).rejects.toThrow(COMPLAINTS[ids[0]])
})

test('a certificate that nobody vouches for fails every check', async () => {
  const stranger = await startGoodDeployment(localhostCertificate())
  for (const { run } of deploymentChecks.filter(({ ids }) => ['ASVS 13.4.1', 'ASVS 3.4.1'].includes(ids[0])))
    await expect(run({ origin: stranger.origin })).rejects.toThrow(/self.signed|unable to verify/i)
  stranger.close()
})

test('nothing is left of them: no account, no registration, no session, no email', async () => {
  for (const table of ['users', 'registrations', 'sessions', 'one_time_tokens', 'outbox'])
    expect(await query(`SELECT * FROM ${table}`), table).toEqual([])
  expect(await inbox.messages()).toEqual([])
})

interface Output {
  status: number
  lines: string[]
}

function verify(...addresses: string[]): Promise<Output> {
  const { promise, resolve } = Promise.withResolvers<Output>()
  const environment = { PATH: process.env['PATH'], NODE_EXTRA_CA_CERTS: join(directory, 'ca.pem') }
  const child = execFile(
    process.execPath,
    ['cli/deploy/verify-deployment.ts', ...addresses],
    { env: environment },
    (_, stdout, stderr) =>
      resolve({ status: child.exitCode ?? -1, lines: `${stdout}${stderr}`.trim().split('\n') }),
  )
  return promise
}

test('npm run verify:deployment prints a line for each check and fails when one does', async () => {
  const passing = await verify(good.origin, bad.origin)
  expect(passing.lines.at(-1)).toBe(`${deploymentChecks.length - 1} ok, 0 failed, 1 skipped`)
  expect(passing.status).toBe(0)
  for (const { ids, name } of deploymentChecks)
    expect(passing.lines.join('\n')).toContain(`${ids.join(', ')}: ${name}`)

  const failing = await verify(bad.origin)
  expect(failing.lines.at(-1)).toBe(`0 ok, ${deploymentChecks.length - 1} failed, 1 skipped`)
  expect(failing.lines).toContain('         /.git/HEAD answers 200')
  expect(failing.status).toBe(1)
})

test('against plain http://localhost it says what it left out', async () => {
  const { status, lines } = await verify(plain.origin)
  const skipped = lines.filter((line) => line.startsWith('skipped'))
  expect(skipped).toHaveLength(deploymentChecks.filter(({ atEdge }) => atEdge).length + 1)
  expect(skipped.join('\n')).toContain('ASVS 12.2.1: plain http')
  expect([lines.at(-1), status]).toEqual([expect.stringMatching(/^\d+ ok, 0 failed/), 0])
})

test('an address that is none is refused', async () => {
  for (const addresses of [[], ['http://app.example.com'], ['app.example.com']])
    expect((await verify(...addresses)).status).toBe(2)
})
