/** Says to the tests where the built artefact is, and that it is made of the sources as they are now. */
import { existsSync, globSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { CHECKOUT } from '../../dev/stack.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** `.vercel/output`; given only in a run of the artefact's tests. */
    artefactOutput: string | undefined
  }
}

const SOURCES = ['{api,lib,build,public}/**/*', 'drizzle/**/*', 'vercel.json', 'package-lock.json']

export default function setup(project: TestProject): void {
  const output = join(CHECKOUT, '.vercel', 'output')
  const built = join(output, 'config.json')
  const madeAt = existsSync(built) ? statSync(built).mtimeMs : 0
  const newer = SOURCES.flatMap((pattern) => globSync(pattern, { cwd: CHECKOUT }))
    .filter((file) => !file.endsWith('.test.ts'))
    .find((file) => {
      const entry = statSync(join(CHECKOUT, file))
      return entry.isFile() && entry.mtimeMs > madeAt
    })
  if (newer !== undefined) throw new Error(`${newer} is newer than what was built. First: npm run build`)
  project.provide('artefactOutput', output)
}
