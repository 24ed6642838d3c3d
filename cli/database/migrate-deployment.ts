/**
 * The migrations as a step of a deploy, for a build of one's own, too. Two databases, and a preview with production's own, are refused before
 * anything is done there, and production writes down which database is its own.
 */
import { environment } from '../../lib/env.ts'
import { migrateFromEnvironment, migrationUrl } from './migrate.ts'
import { checkProductionDatabase, nameTwoDatabases, recordProduction, TWO_DATABASES } from './production.ts'

/** False when it was refused, which is printed. */
export async function migrateDeployment(): Promise<boolean> {
  if (nameTwoDatabases(process.env)) {
    console.error(`${TWO_DATABASES}. Copy both from the same branch of Neon.`)
    return false
  }
  const { stage } = environment()
  if (stage === 'preview' && !(await checkProductionDatabase(process.env))) return false
  await migrateFromEnvironment()
  if (stage === 'production') await recordProduction(migrationUrl(process.env))
  return true
}

if (import.meta.main) {
  try {
    process.exitCode = (await migrateDeployment()) ? 0 : 1
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error))
    process.exitCode = 1
  }
}
