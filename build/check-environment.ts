/** `npm run check:environment`, also the first step of a deploy: names every fault of the environment and fails. */
import { environmentFaults } from '../lib/env.ts'

for (const { key, problem } of environmentFaults) console.error(`${key}: ${problem}`)
if (environmentFaults.length > 0) {
  console.error(`\n${environmentFaults.length} to mend. .env.example says what each variable is.`)
  process.exitCode = 1
} else {
  console.log('The environment is complete.')
}
