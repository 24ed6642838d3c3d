/** `npm run check:environment`, also the first step of a deploy: names every fault of the environment. */
import { environmentFaults } from '../lib/env.ts'

/** Prints what it found; false when there is something to mend. */
export function checkEnvironment(): boolean {
  for (const { key, problem } of environmentFaults) console.error(`${key}: ${problem}`)
  if (environmentFaults.length > 0) {
    console.error(`\n${environmentFaults.length} to mend. .env.example says what each variable is.`)
    return false
  }
  console.log('The environment is complete.')
  return true
}

if (import.meta.main && !checkEnvironment()) process.exitCode = 1
