/**
 * The client: its types are what `npm run client` makes of the contract, public/client/auth.js, which pages load, is what it makes of
 * client/auth.ts, and that is small.
 */
import { execFile } from 'node:child_process'
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { CLIENT_CONTRACT_PATH, clientContract } from '../../cli/build/client-contract.ts'

const SHIPPED = 'public/client'
const MAX_GZIPPED_BYTES = 4096

test('the shipped client is the newest one', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'latchkey-client-'))
  try {
    await promisify(execFile)('tsc', ['-p', 'client', '--outDir', directory])
    const files = await readdir(directory)
    expect(await readdir(SHIPPED)).toEqual(files)
    for (const file of files) {
      expect(await readFile(join(SHIPPED, file), 'utf8')).toBe(await readFile(join(directory, file), 'utf8'))
    }
  } finally {
    await rm(directory, { recursive: true })
  }
})

test('it takes 4 KB at most on its way, and imports nothing', async () => {
  const source = await readFile(join(SHIPPED, 'auth.js'), 'utf8')
  expect(gzipSync(source).length).toBeLessThanOrEqual(MAX_GZIPPED_BYTES)
  expect(source).not.toMatch(/\bimport\b/)
})

test('its types are the newest ones, and it compiles with them', async () => {
  const types = await readFile(CLIENT_CONTRACT_PATH, 'utf8')
  expect(types).toBe(await clientContract())
  expect(await faultsWith(types)).toBe('')
})

test.each([
  [
    'a body of a request has one member more',
    'type LoginRequest = {',
    'type LoginRequest = {\n  second: string',
  ],
  ['a member of an answer has another name', '  accessToken: string', '  token: string'],
  ['a response is another one', 'response: SessionBody | CheckEmail', 'response: CheckEmail'],
  ['a code is no more', "'session-ended'", "'ended'"],
  ['a path is another one', "path: 'logout'", "path: 'sign-out'"],
  ['a name in a query is another one', 'sessions?others=true', 'sessions?all=true'],
  ['a method is another one', "method: 'PATCH'", "method: 'PUT'"],
  ['an operation needs a body', 'body: undefined', 'body: RefreshRequest'],
])('it does not compile when, by the contract, %s', async (_, before, after) => {
  const types = await readFile(CLIENT_CONTRACT_PATH, 'utf8')
  expect(types).toContain(before)
  expect(await faultsWith(types.replaceAll(before, after))).toMatch(/^\S*client\/auth\.ts\(.*error TS/)
})

/** What the compiler says of the client with these types. */
async function faultsWith(types: string): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'latchkey-client-'))
  try {
    for (const name of ['client', 'tsconfig.json', 'package.json']) {
      await cp(name, join(directory, name), { recursive: true })
    }
    await writeFile(join(directory, 'client', 'contract.d.ts'), types)
    const options = ['-p', join(directory, 'client'), '--noEmit', '--types', '']
    const { stdout } = await promisify(execFile)('tsc', options).catch((error: { stdout: string }) => error)
    return stdout
  } finally {
    await rm(directory, { recursive: true })
  }
}
