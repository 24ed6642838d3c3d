/** The deploy button, and the files that docs/adopt.md names. */
import { existsSync, globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parseEnvironment } from '../../lib/env.ts'

const HOME = join(import.meta.dirname, '../..')
const read = (path: string) => readFileSync(join(HOME, path), 'utf8')

test('the button asks for every variable that a deployment needs, and has no value for any', () => {
  const [, address = ''] = /\]\((https:\/\/vercel\.com\/new\/clone\?[^)]+)\)/.exec(read('README.md')) ?? []
  const parameters = new URL(address).searchParams
  const asked = parameters.get('env')?.split(',') ?? []
  const [store] = JSON.parse(parameters.get('products') ?? '[]')
  expect(store).toMatchObject({ integrationSlug: 'neon', productSlug: 'neon', protocol: 'storage' })

  // Vercel says where the app is, Neon where the database is.
  const parsed = parseEnvironment({ VERCEL_ENV: 'production', VERCEL_PROJECT_PRODUCTION_URL: 'a.vercel.app' })
  if (parsed.kind === 'ok') throw new Error('nothing is missing')
  const missing = parsed.issues.map(({ key }) => key).filter((key) => key !== 'DATABASE_URL')
  expect(asked.toSorted()).toEqual(missing.toSorted())
  for (const name of asked) expect(parameters.get('envDescription')).toContain(name)
  expect(parameters.has('envDefaults')).toBe(false)
  expect(parameters.get('envLink')).toMatch(/\.env\.example$/)
})

test('every file that docs/adopt.md names exists, and what it has you copy has what it imports', () => {
  const page = read('docs/adopt.md')
  const links = [...page.matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)].map(([, path = '']) =>
    decodeURIComponent(path),
  )
  expect(links.length).toBeGreaterThan(10)
  expect(links.filter((path) => !existsSync(join(HOME, 'docs', path)))).toEqual([])
  const copied = [...page.matchAll(/"\$LATCHKEY"\/([\w/.-]+)(?:\{([\w,-]+)\}(\.ts))?/g)].flatMap(
    ([, path = '', names, end = '']) => names?.split(',').map((name) => path + name + end) ?? [path],
  )
  expect(copied).toContain('cli/build/lean-driver.ts')
  expect(copied.filter((path) => !existsSync(join(HOME, path)))).toEqual([])

  const programs = copied.filter((path) => path.endsWith('.ts'))
  const imported = programs.flatMap((path) =>
    Array.from(read(path).matchAll(/from '(\.{1,2}\/[\w/-]+\.ts)'/g), ([, target = '']) =>
      join(path, '..', target),
    ),
  )
  expect(imported.length).toBeGreaterThan(10)
  const isCopied = (path: string) => copied.some((one) => path === one || path.startsWith(`${one}/`))
  expect(imported.filter((path) => !isCopied(path))).toEqual([])

  // The pages load what is copied, and what docs/adopt.md rewrites to.
  const pages = globSync('public/{auth,assets,client}/*.{html,js}', { cwd: HOME })
  const loaded = pages.flatMap((path) =>
    Array.from(
      read(path).matchAll(/(?:src=|href=|from )["'](\/(?:assets|client)\/)/g),
      ([, folder]) => folder,
    ),
  )
  expect(new Set(loaded)).toEqual(new Set(['/assets/', '/client/']))
  for (const name of ['auth', 'assets', 'client']) {
    expect(copied.filter((path) => path === `public/${name}`)).toHaveLength(2)
    expect(page).toContain(`"destination": "https://auth.example.vercel.app/${name}/:path*"`)
  }
})
