/** public/client/auth.js, which pages load, is what `npm run client` makes of client/auth.ts, and small. */
import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'

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
