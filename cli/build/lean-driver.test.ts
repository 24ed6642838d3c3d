import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import * as driver from '@neondatabase/serverless'
import { rolldown } from 'rolldown'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { leanDriver } from './lean-driver.ts'

const DATABASE_URL = 'postgresql://app:pw@ep-one-1.eu-central-1.aws.neon.tech/app'

let directory: string
let code: string
let lean: typeof driver

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'latchkey-lean-driver-'))
  await symlink(join(import.meta.dirname, '..', 'node_modules'), join(directory, 'node_modules'))
  const entry = join(directory, 'entry.ts')
  await writeFile(entry, "export { neon, neonConfig, NeonDbError } from '@neondatabase/serverless'\n")
  const build = await rolldown({
    input: entry,
    platform: 'node',
    tsconfig: false,
    plugins: [leanDriver],
    treeshake: { propertyReadSideEffects: false },
  })
  const file = join(directory, 'lean.mjs')
  const { output } = await build.write({ file, format: 'esm' })
  await build.close()
  code = output[0].code
  lean = await import(pathToFileURL(file).href)
})
afterAll(() => rm(directory, { recursive: true, force: true }))

type Received = { status: number; body: object }

/** What the driver sends for every type of parameter, and what it returns or throws. */
async function exchange({ neon, neonConfig }: typeof driver, { status, body }: Received): Promise<object> {
  const sent: unknown[] = []
  neonConfig.fetchFunction = (...given: unknown[]) => {
    sent.push(given)
    return Promise.resolve(Response.json(body, { status }))
  }
  const parameters = [Buffer.from('family'), 7, true, null, 'text', '{"client":"Linux"}']
  const outcome = await neon(DATABASE_URL)
    .query('SELECT $1::bytea', parameters)
    .catch((error: unknown) => ({ ...Object(error), message: String(error) }))
  return { sent, outcome }
}

test('sends and reads what the whole driver does', async () => {
  const body = {
    fields: [
      { name: 'result', dataTypeID: 3802 },
      { name: 'bytes', dataTypeID: 17 },
    ],
    rows: [['{"kind":"live"}', '\\x00ff']],
    command: 'SELECT',
    rowCount: 1,
    rowAsArray: true,
  }
  const whole = await exchange(driver, { status: 200, body })
  expect(await exchange(lean, { status: 200, body })).toEqual(whole)
  expect(whole).toMatchObject({ outcome: [{ result: { kind: 'live' }, bytes: Buffer.from([0, 255]) }] })
})

test('fails as the whole driver does', async () => {
  const response = {
    status: 400,
    body: { message: 'duplicate key', code: '23505', constraint: 'users_pkey' },
  }
  const whole = await exchange(driver, response)
  expect(await exchange(lean, response)).toEqual(whole)
  expect(whole).toMatchObject({ outcome: { code: '23505', constraint: 'users_pkey' } })
})

test('has neither the TCP client nor a Buffer for browsers', () => {
  expect(code).not.toContain('INSPECT_MAX_BYTES')
  expect(code).not.toContain('DataRowMessage')
})

test('refuses a driver that is built differently', async () => {
  const folder = join(directory, '@neondatabase', 'serverless')
  await mkdir(folder, { recursive: true })
  const input = join(folder, 'index.mjs')
  await writeFile(input, 'export const neon = () => undefined\n')
  const build = await rolldown({ input, platform: 'node', tsconfig: false, plugins: [leanDriver] })
  await expect(build.generate()).rejects.toThrow("Neon's driver is built differently")
  await build.close()
})
