/** `npm run check:environment`, also the first step of a deploy: names every fault of the environment. */
import { environmentIssues } from '../../lib/env.ts'

/** Prints what it found; false when there is something to mend. */
export function checkEnvironment(): boolean {
  for (const { key, problem } of environmentIssues) console.error(`${key}: ${problem}`)
  if (environmentIssues.length > 0) {
    console.error(`\n${environmentIssues.length} to mend. .env.example says what each variable is.`)
    return false
  }
  console.log('The environment is complete.')
  return true
}

if (import.meta.main && !checkEnvironment()) process.exitCode = 1
