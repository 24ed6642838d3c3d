/**
 * The functions as a deploy bundles them, and the bare ones beside them, bundled by the same program: in a folder of their
 * own with no package but the native ones. Also as they would be without a bundler, one file for each source.
 */
import { globSync } from 'node:fs'
import { cp, mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { rolldown } from 'rolldown'
import { transform } from 'rolldown/utils'
import { bundleFunctions, type BuiltFunction } from '../cli/build/functions.ts'

const CHECKOUT = join(import.meta.dirname, '..')
const NATIVE_SCOPE = join('node_modules', '@node-rs')

export interface BuiltFunctions {
  /** Of the process that runs one of them. */
  runner: string
  functions: BuiltFunction[]
  /** The file that Vercel would call; a name is such as `api/auth/login`. */
  file(name: string): string
  unbundledFile(name: string): string
  discard(): Promise<void>
}

export async function buildFunctions(): Promise<BuiltFunctions> {
  const directory = await mkdtemp(join(tmpdir(), 'latchkey-bench-'))
  const bundled = join(directory, 'bundled')
  const unbundled = join(directory, 'unbundled')
  for (const copy of [bundled, unbundled]) await copySources(copy)

  await cp(join(CHECKOUT, NATIVE_SCOPE), join(directory, 'native'), { recursive: true, dereference: true })
  await symlink(join(CHECKOUT, 'node_modules'), join(bundled, 'node_modules'))
  const functions = await bundleFunctions(bundled)
  // From here on nothing is found but what is deployed.
  await rm(join(bundled, 'node_modules'))
  await mkdir(join(bundled, 'node_modules'))
  await rename(join(directory, 'native'), join(bundled, NATIVE_SCOPE))
  for (const { name } of functions) await rename(join(bundled, `${name}.ts`), join(bundled, `${name}.js`))

  await symlink(join(CHECKOUT, 'node_modules'), join(unbundled, 'node_modules'))
  for (const file of globSync(['api/**/*.ts', 'lib/**/*.ts'], { cwd: unbundled })) {
    await stripTypes(join(unbundled, file))
  }
  return {
    runner: await bundleRunner(directory),
    functions,
    file: (name) => join(bundled, `${name}.js`),
    unbundledFile: (name) => join(unbundled, `${name}.js`),
    discard: () => rm(directory, { recursive: true, force: true }),
  }
}

async function copySources(copy: string): Promise<void> {
  await mkdir(copy)
  for (const name of ['api', 'lib', 'package.json']) {
    await cp(join(CHECKOUT, name), join(copy, name), { recursive: true })
  }
  await cp(join(import.meta.dirname, 'functions'), join(copy, 'api', 'bench'), { recursive: true })
}

/** File by file, as `@vercel/node` compiles what is not bundled. */
async function stripTypes(file: string): Promise<void> {
  const { code } = await transform(file, await readFile(file, 'utf8'))
  await writeFile(
    file.replace(/\.ts$/, '.js'),
    code.replaceAll(/((?:from |import\()")(\..*?)\.ts"/g, '$1$2.js"'),
  )
  await rm(file)
}

async function bundleRunner(directory: string): Promise<string> {
  const runner = join(directory, 'function-process.mjs')
  const build = await rolldown({
    input: join(import.meta.dirname, 'function-process.ts'),
    platform: 'node',
    tsconfig: false,
    checks: { pluginTimings: false },
  })
  await build.write({ dir: dirname(runner), format: 'esm', entryFileNames: 'function-process.mjs' })
  await build.close()
  return runner
}
