/** Stack traces from bundles. test/built/serving.test.ts has the real bundles. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterEach, expect, test } from 'vitest'
import { inSources } from './stack-trace.ts'

const home = mkdtempSync(join(tmpdir(), 'latchkey-stack-'))

afterEach(() => rmSync(home, { recursive: true, force: true }))

test('a place with a map becomes the place of the source, and one without stays', () => {
  // Line 1, column 1 of the bundle is line 3, column 5 of the source (Source Map v3: AAEI).
  const map = { version: 3, sources: ['../lib/one.ts'], names: [], mappings: 'AAEI' }
  writeFileSync(join(home, 'function.mjs.map'), JSON.stringify(map))
  writeFileSync(join(home, 'spoilt.mjs.map'), '{')
  const bundle = pathToFileURL(join(home, 'function.mjs')).href
  const spoilt = pathToFileURL(join(home, 'spoilt.mjs')).href
  const stack = `Error: x\n    at a (${bundle}:1:1)\n    at ${spoilt}:1:1\n    at b (node:net:1:2)\n    at file:///nowhere/c.mjs:1:9`
  expect(inSources(stack)).toBe(
    stack.replace(`${bundle}:1:1`, `${new URL('../lib/one.ts', bundle).href}:3:5`),
  )
})
