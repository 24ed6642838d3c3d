/** Copies Latchkey into this project. By hand you do it once (docs/adopt.md): the copy is yours. */
import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'

const LATCHKEY = join(import.meta.dirname, '../..')
const HERE = join(import.meta.dirname, 'latchkey')
const PROGRAMS = [
  'cli/deploy/check-environment.ts',
  'cli/database/client.ts',
  'cli/database/migrate.ts',
  'cli/database/migrate-deployment.ts',
  'cli/database/production.ts',
]
const PARTS = ['api/auth', 'lib', 'client', 'drizzle', ...PROGRAMS]
/** The pages that emailed links open. */
const PAGES = ['public/auth', 'public/assets', 'public/client']

const filter = (path) => !/\.test\.ts$|tsconfig\.json$/.test(path)
rmSync(HERE, { recursive: true, force: true })
for (const part of PARTS) cpSync(join(LATCHKEY, part), join(HERE, part), { recursive: true, filter })
for (const pages of PAGES) {
  cpSync(join(LATCHKEY, pages), join(import.meta.dirname, pages), { recursive: true })
}
