/**
 * `vercel.json`'s build command. In turns, and none after one that failed: the environment is checked, the database is
 * migrated, what the functions will meet is looked at, they are built, the API reference is completed. It rewrites the checkout that it runs in, which is thrown away after a deploy.
 */
import { appendFile } from 'node:fs/promises'
import { join } from 'node:path'
import { completeApiReference } from '../build/api-reference.ts'
import { checkEnvironment } from './check-environment.ts'
import { bundleFunctions } from '../build/functions.ts'
import { checkSurroundings } from '../doctor/main.ts'
import { migrateDeployment } from '../database/migrate-deployment.ts'

const CHECKOUT = join(import.meta.dirname, '../..')
const KILOBYTE = 1000

try {
  process.exitCode = (await prepareDeploy()) ? 0 : 1
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error))
  process.exitCode = 1
}

async function prepareDeploy(): Promise<boolean> {
  // Vercel sets it, as every CI does; where somebody works it is not set.
  if (!process.env['CI']) {
    console.error('This rewrites api/ and is for a checkout that is thrown away. Here it is: npm run build')
    return false
  }
  if (!checkEnvironment()) return false
  if (!(await migrateDeployment())) return false
  if (!(await checkSurroundings())) return false
  for (const { name, coldStartBytes } of await bundleFunctions(CHECKOUT)) {
    console.log(`Built ${name}: ${Math.round(coldStartBytes / KILOBYTE)} KB.`)
  }
  await completeApiReference(CHECKOUT)
  // The builder of the functions runs a plain `npm install` next, which would bring the local stack after all.
  await appendFile(join(CHECKOUT, '.npmrc'), '\nomit=dev\n')
  return true
}
