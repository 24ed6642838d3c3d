/** One Postgres for the run, with a migrated template from which each test file copies its own database. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { migrate } from '../../cli/database/migrate.ts'
import { freePort } from '../../dev/port.ts'
import { startPostgres } from '../../dev/postgres.ts'

export const TEMPLATE_DATABASE = 'template_latchkey'

declare module 'vitest' {
  interface ProvidedContext {
    postgresUrl: string
  }
}

export interface RunningDatabase {
  url: string
  stop: () => Promise<void>
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { stop } = await startDatabase(project)
  return stop
}

export async function startDatabase(project: TestProject): Promise<RunningDatabase> {
  const directory = await mkdtemp(join(tmpdir(), 'latchkey-test-'))
  const postgres = await startPostgres({ directory, port: await freePort() })
  await postgres.createDatabase(TEMPLATE_DATABASE)
  // test/engine/mutants.ts has others.
  const { TEST_MIGRATIONS } = process.env
  await migrate(postgres.databaseUrl(TEMPLATE_DATABASE), TEST_MIGRATIONS)
  project.provide('postgresUrl', postgres.url)
  const stop = async () => {
    await postgres.discard()
    await rm(directory, { recursive: true, force: true })
  }
  return { url: postgres.url, stop }
}
