/**
 * `npm run bench:hash`: what the two ways to argon2id on Node 24 take, at the cost that lib/crypto/passwords.ts uses. Each is
 * loaded and timed in processes of its own, taken in turns, so that one's memory does not count for the other.
 */
import { execFileSync } from 'node:child_process'
import { argon2, randomBytes } from 'node:crypto'
import { promisify } from 'node:util'

const PROCESSES = 9
const HASHES = 15
const PASSWORD = 'correct horse battery staple'

const ways: Record<string, () => Promise<() => Promise<unknown>>> = {
  async '@node-rs/argon2'() {
    const { hash } = await import('@node-rs/argon2')
    return () => hash(PASSWORD, { memoryCost: 19456, timeCost: 2, parallelism: 1 })
  },
  async 'node:crypto'() {
    const derive = promisify(argon2)
    return () =>
      derive('argon2id', {
        message: PASSWORD,
        nonce: randomBytes(16),
        memory: 19456,
        passes: 2,
        parallelism: 1,
        tagLength: 32,
      })
  },
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}

async function measure(name: string): Promise<void> {
  const started = performance.now()
  const hash = await ways[name]?.()
  const loaded = performance.now()
  await hash?.()
  const first = performance.now()
  const times: number[] = []
  for (let round = 0; round < HASHES; round += 1) {
    const begun = performance.now()
    await hash?.()
    times.push(performance.now() - begun)
  }
  const rssMb = process.memoryUsage().rss / 1e6
  console.log(JSON.stringify({ load: loaded - started, first: first - loaded, hash: median(times), rssMb }))
}

function compare(): void {
  const results = new Map<string, { load: number; first: number; hash: number; rssMb: number }[]>()
  for (let round = 0; round < PROCESSES; round += 1) {
    for (const name of Object.keys(ways)) {
      const output = execFileSync(process.execPath, [import.meta.filename, name], { encoding: 'utf8' })
      results.set(name, [...(results.get(name) ?? []), JSON.parse(output)])
    }
  }
  console.table(
    Object.fromEntries(
      [...results].map(([name, runs]) => [
        name,
        {
          'load ms': median(runs.map((run) => run.load)).toFixed(1),
          'first hash ms': median(runs.map((run) => run.first)).toFixed(1),
          'hash ms': median(runs.map((run) => run.hash)).toFixed(1),
          'process MB': median(runs.map((run) => run.rssMb)).toFixed(0),
        },
      ]),
    ),
  )
}

const [name] = process.argv.slice(2)
if (name === undefined) compare()
else await measure(name)
