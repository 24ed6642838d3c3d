/**
 * What runs on Vercel: each function under `api` of a disposable checkout becomes one minified module with everything it needs
 * but native binaries, which stay packages and are traced. What a function loads later, such as the email SDK, lies beside
 * it as a file of its own. `@vercel/node` then finds an entry of the same name that leads there.
 */
import { globSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { rolldown, type OutputChunk, type RolldownOutput } from 'rolldown'
import { leanDriver } from './lean-driver.ts'

/** Packages with a binary; `@vercel/node` traces them into the functions that load them. */
const NATIVE_PACKAGES = ['@node-rs/argon2']
/** Beside `api`, where every file would be a function. */
const BUNDLES = 'bundles'
const ENTRY_CHUNK = 'function'
/** What was built, for whoever looks into it later. */
export const DESCRIPTION = join(BUNDLES, 'functions.json')

/** What one function is made of. */
export interface BuiltFunction {
  /** Such as `api/auth/login`. */
  name: string
  /** Bytes of what is loaded before it can answer, source maps apart. */
  coldStartBytes: number
  /** The npm packages in that, each with its bytes before they are minified; a native one, which lies outside, has 0. */
  packages: Record<string, number>
}

/** Rewrites the entries in place. Never give it a checkout that anybody works in. */
export async function bundleFunctions(checkout: string): Promise<BuiltFunction[]> {
  const entries = globSync('api/**/*.ts', { cwd: checkout }).toSorted()
  if (entries.length === 0) throw new Error('There is no function under api/.')
  await rm(join(checkout, BUNDLES), { recursive: true, force: true })
  // All of them are read before the first is rewritten.
  const functions: BuiltFunction[] = []
  for (const entry of entries) functions.push(await bundle(checkout, entry))
  for (const entry of entries) await writeFile(join(checkout, entry), leadTo(entry))
  await writeFile(join(checkout, DESCRIPTION), `${JSON.stringify(functions, undefined, 2)}\n`)
  return functions
}

async function bundle(checkout: string, entry: string): Promise<BuiltFunction> {
  const name = entry.replace(/\.ts$/, '')
  const build = await rolldown({
    cwd: checkout,
    input: { [ENTRY_CHUNK]: entry },
    platform: 'node',
    tsconfig: false,
    external: NATIVE_PACKAGES,
    plugins: [leanDriver],
    // Reading a property has no effect that anything here counts on.
    treeshake: { propertyReadSideEffects: false },
    transform: { target: 'node24' },
    checks: { pluginTimings: false },
    onLog(level, log) {
      // It would be left as an import that fails when somebody calls the function.
      if (log.code === 'UNRESOLVED_IMPORT') throw new Error(`${entry}: ${log.message}`)
      if (level === 'warn') console.warn(`${entry}: ${log.message}`)
    },
  })
  const output = await build.write({
    dir: join(checkout, BUNDLES, name),
    format: 'esm',
    minify: true,
    // Not named in the bundle, or Node would read it at every cold start: lib/http/stack-trace.ts looks for it when something broke.
    sourcemap: 'hidden',
    // Names and lines are enough for a stack trace.
    sourcemapExcludeSources: true,
    comments: { legal: false },
    entryFileNames: '[name].mjs',
    chunkFileNames: '[name].mjs',
  })
  await build.close()
  return describe(name, output)
}

function describe(name: string, { output }: RolldownOutput): BuiltFunction {
  const chunks = output.filter((file) => file.type === 'chunk')
  const entry = chunks.find((chunk) => chunk.isEntry)
  // Vercel reads what else an entry may export, such as `maxDuration` or `GET`, in its source, which is replaced here; the schemas of
  // bodies, which the contract is made of, are nothing to it.
  const isOurs = (exported: string) => exported === 'default' || /^[A-Z][a-z]/.test(exported)
  if (entry === undefined || !entry.exports.includes('default') || !entry.exports.every(isOurs)) {
    throw new Error(`${name}.ts must export its default alone, but for schemas.`)
  }
  const loaded = loadedWith(entry, chunks)
  return {
    name,
    coldStartBytes: loaded.reduce((bytes, { code }) => bytes + Buffer.byteLength(code), 0),
    packages: packagesIn(loaded),
  }
}

/** A chunk and all that it imports, but for what it imports later. */
function loadedWith(entry: OutputChunk, chunks: OutputChunk[]): OutputChunk[] {
  const loaded = new Set([entry])
  for (const { imports } of loaded) {
    for (const chunk of chunks) if (imports.includes(chunk.fileName)) loaded.add(chunk)
  }
  return [...loaded]
}

function packagesIn(chunks: OutputChunk[]): Record<string, number> {
  const bytes = new Map<string, number>()
  const add = (name: string, more: number) => bytes.set(name, (bytes.get(name) ?? 0) + more)
  for (const { modules, imports } of chunks) {
    for (const [path, { renderedLength }] of Object.entries(modules)) {
      const name = /.*node_modules[\\/]((?:@[^\\/]+[\\/])?[^\\/]+)/.exec(path)?.[1]
      if (name !== undefined && renderedLength > 0) add(name, renderedLength)
    }
    for (const name of imports) if (NATIVE_PACKAGES.includes(name)) add(name, 0)
  }
  return Object.fromEntries([...bytes].toSorted(([one], [other]) => (one < other ? -1 : 1)))
}

/** The map is named so that it is traced: it then lies beside the function, and stack traces can be read. */
function leadTo(entry: string): string {
  const target = `${relative(dirname(entry), join(BUNDLES, entry.replace(/\.ts$/, '')))}/${ENTRY_CHUNK}.mjs`
  return `// @ts-nocheck
export { default } from '${target}'
new URL('${target}.map', import.meta.url)
`
}
