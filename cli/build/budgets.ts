/**
 * `npm run check:budgets`, after `npm run build`: holds what was built against cli/build/budgets.json. A function that grew is
 * either fixed or gets a larger budget in the change that makes it grow, where somebody sees it.
 */
import { globSync, statSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { BuiltFunction } from './functions.ts'
import { BUILT_FUNCTIONS } from './output.ts'

const CHECKOUT = join(import.meta.dirname, '../..')
const BUDGETS = join(import.meta.dirname, 'budgets.json')

/** The most that a function may have. */
export interface Budget {
  coldStartBytes: number
  /** Of all its files but the source maps. */
  totalBytes: number
  files: number
  /** The packages that a cold start may load, each with its bytes before they are minified. */
  packages: Record<string, number>
}

export type Budgets = Record<string, Budget>

/** A function as it lies in `.vercel/output`. */
export interface DeployedFunction extends BuiltFunction {
  totalBytes: number
  files: number
}

/** What is over its budget, one sentence each. */
export function overBudget(functions: DeployedFunction[], budgets: Budgets): string[] {
  const built = new Set(functions.map(({ name }) => name))
  const gone = Object.keys(budgets).filter((name) => !built.has(name))
  return [
    ...functions.flatMap((one) => {
      const budget = budgets[one.name]
      return budget === undefined ? [`${one.name}: it has no budget.`] : overOne(one, budget)
    }),
    ...gone.map((name) => `${name}: it has a budget and was not built.`),
  ]
}

function overOne(one: DeployedFunction, budget: Budget): string[] {
  const limits = [
    ['bytes of a cold start', one.coldStartBytes, budget.coldStartBytes],
    ['bytes in all', one.totalBytes, budget.totalBytes],
    ['files', one.files, budget.files],
    ...Object.entries(one.packages).map(([name, bytes]) => [
      `bytes of ${name} in a cold start`,
      bytes,
      budget.packages[name] ?? 'none',
    ]),
  ] as const
  const unused = Object.keys(budget.packages).filter((name) => !(name in one.packages))
  return [
    ...limits
      .filter(([, actual, limit]) => limit === 'none' || Number(actual) > Number(limit))
      .map(([what, actual, limit]) => `${one.name}: ${actual} ${what}, allowed: ${limit}.`),
    ...unused.map((name) => `${one.name}: ${name} has a budget and is not loaded.`),
  ]
}

export async function readBudgets(): Promise<Budgets> {
  return JSON.parse(await readFile(BUDGETS, 'utf8'))
}

/** What `npm run build` left in `<checkout>/.vercel`. */
export async function readDeployed(checkout = CHECKOUT): Promise<DeployedFunction[]> {
  const functions: BuiltFunction[] = JSON.parse(await readFile(join(checkout, BUILT_FUNCTIONS), 'utf8'))
  return functions.map((one) => ({
    ...one,
    ...sizeOf(join(checkout, '.vercel/output/functions', `${one.name}.func`)),
  }))
}

function sizeOf(directory: string): { totalBytes: number; files: number } {
  const files = globSync('**/*', { cwd: directory, withFileTypes: true }).filter((entry) => entry.isFile())
  const shipped = files.filter(({ name }) => !name.endsWith('.map'))
  const totalBytes = shipped.reduce(
    (sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size,
    0,
  )
  return { totalBytes, files: files.length }
}

if (import.meta.main) {
  const functions = await readDeployed().catch(() => undefined)
  if (functions === undefined) {
    console.error('There is nothing to check. First: npm run build')
    process.exitCode = 1
  } else {
    const issues = overBudget(functions, await readBudgets())
    for (const issue of issues) console.error(issue)
    if (issues.length > 0) console.error('\nMend it, or say in cli/build/budgets.json that it may be so.')
    else console.log(`${functions.length} functions are within their budgets.`)
    process.exitCode = issues.length > 0 ? 1 : 0
  }
}
