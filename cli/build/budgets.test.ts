import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { overBudget, readBudgets, type Budgets, type DeployedFunction } from './budgets.ts'
import { bundleFunctions } from './functions.ts'

const CHECKOUT = join(import.meta.dirname, '../..')
const LOGOUT = 'api/auth/logout'

let directory: string
let budgets: Budgets

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'latchkey-budgets-'))
  await cp(join(CHECKOUT, 'lib'), join(directory, 'lib'), { recursive: true })
  await symlink(join(CHECKOUT, 'node_modules'), join(directory, 'node_modules'))
  await mkdir(join(directory, 'api', 'auth'), { recursive: true })
  const all = await readBudgets()
  budgets = { [LOGOUT]: all[LOGOUT]! }
})
afterAll(() => rm(directory, { recursive: true, force: true }))

/** The logout function with more in front of it, as it would come out of a build. */
async function buildWith(more: string): Promise<DeployedFunction[]> {
  const source = await readFile(join(CHECKOUT, `${LOGOUT}.ts`), 'utf8')
  await writeFile(join(directory, `${LOGOUT}.ts`), `${more}\n${source}`)
  const built = await bundleFunctions(directory)
  return built.map((one) => ({ ...one, totalBytes: one.coldStartBytes, files: 1 }))
}

test('a function as it is is within its budget', async () => {
  expect(overBudget(await buildWith(''), budgets)).toEqual([])
})

test('a function that imports the email SDK is over its budget', async () => {
  const issues = overBudget(await buildWith("import { Resend } from 'resend'\nnew Resend('re_x')"), budgets)
  expect(issues).toContainEqual(
    expect.stringMatching(/^api\/auth\/logout: \d+ bytes of a cold start, allowed: \d+\.$/),
  )
  expect(issues).toContainEqual(
    expect.stringMatching(/^api\/auth\/logout: \d+ bytes of resend in a cold start, allowed: none\.$/),
  )
})

test.each([
  ['its column types', "import * as all from 'drizzle-orm/pg-core'\nconsole.info(all)"],
  ['its session', "import { drizzle } from 'drizzle-orm/neon-http'\ndrizzle('postgres://a:b@c/d')"],
])('a function that imports all of drizzle is over its budget: %s', async (_, more) => {
  const issues = overBudget(await buildWith(more), budgets)
  expect(issues).toContainEqual(
    expect.stringMatching(/^api\/auth\/logout: \d+ bytes of drizzle-orm in a cold start, allowed: none\.$/),
  )
})

test('a function that imports the password hash is over its budget, though the binary lies outside', async () => {
  const issues = overBudget(
    await buildWith("import { hash } from '@node-rs/argon2'\nawait hash('x')"),
    budgets,
  )
  expect(issues).toEqual(['api/auth/logout: 0 bytes of @node-rs/argon2 in a cold start, allowed: none.'])
})

test('a function without a budget, and a budget without a function, are both told', async () => {
  const [built] = await buildWith('')
  expect(overBudget([{ ...built!, name: 'api/new' }], budgets)).toEqual([
    'api/new: it has no budget.',
    'api/auth/logout: it has a budget and was not built.',
  ])
})

test('more files and more bytes beside the cold start are told, too', async () => {
  const [built] = await buildWith('')
  expect(overBudget([{ ...built!, files: 99, totalBytes: 9_999_999 }], budgets)).toEqual([
    `api/auth/logout: 9999999 bytes in all, allowed: ${budgets[LOGOUT]!.totalBytes}.`,
    `api/auth/logout: 99 files, allowed: ${budgets[LOGOUT]!.files}.`,
  ])
})

test('what more than its default a function exports fails the build, as Vercel would not see it', async () => {
  await expect(buildWith('export const maxDuration = 60')).rejects.toThrow('must export its default alone')
})

test('an import that leads nowhere fails the build', async () => {
  await expect(buildWith("import x from 'no-such-package'\nx()")).rejects.toThrow('no-such-package')
})
