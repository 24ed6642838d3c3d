/** `npm run bench`: one bench after the other; `--competitors` includes the competitors. Not endurance: `npm run bench:endurance`. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

const benches = [
  'round-trips',
  'statements',
  'cold-start',
  'warm',
  'growth',
  ...(process.argv.includes('--competitors') ? ['competitors'] : []),
  'page',
]

for (const name of benches) {
  console.log(`\n--- ${name} ---`)
  const startedAt = performance.now()
  const { status } = spawnSync(process.execPath, [join(import.meta.dirname, `${name}.ts`)], {
    stdio: 'inherit',
  })
  console.log(`${name} took ${((performance.now() - startedAt) / 1000).toFixed(0)} s.`)
  if (status !== 0) process.exitCode = 1
}
