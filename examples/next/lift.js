/** Copies Latchkey into this project, as docs/adopt.md has you do once by hand: what is copied is then yours. */
import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'

const LATCHKEY = join(import.meta.dirname, '..', '..')
const HERE = join(import.meta.dirname, 'latchkey')
const PROGRAMS = [
  'check-environment',
  'database-client',
  'migrate',
  'migrate-deployment',
  'production-database',
].map((name) => `build/${name}.ts`)
const PARTS = ['api/auth', 'lib', 'client', 'drizzle', ...PROGRAMS]

rmSync(HERE, { recursive: true, force: true })
for (const part of PARTS) {
  const filter = (path) => !/\.test\.ts$|tsconfig\.json$/.test(path)
  cpSync(join(LATCHKEY, part), join(HERE, part), { recursive: true, filter })
}
