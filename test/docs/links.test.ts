/** What the docs lead to is there: pages, headings, scripts; and every page is led to. */
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { expect, test } from 'vitest'

const pages = globSync(['*.md', 'docs/**/*.md', '.github/**/*.md', 'bench/competitors/*.md'])
/** Without what is quoted: it may hold anything. */
const textOf = (page: string) =>
  readFileSync(page, 'utf8')
    .replaceAll(/^( *)```[^]*?^\1```$/gm, '')
    .replaceAll(/<!--[^]*?-->/g, '')

interface Link {
  page: string
  target: string
}

const links = pages.flatMap((page): Link[] => {
  const text = textOf(page).replaceAll(/`[^`\n]*`/g, '')
  return [...text.matchAll(/\]\(<?([^)\s>]+)>?\)/g)].map(([, target = '']) => ({ page, target }))
})
const ownLinks = links.filter(({ target }) => !/^[a-z]+:/.test(target))

function fileOf({ page, target }: Link): string {
  const [path = ''] = target.split('#')
  return path === '' ? page : normalize(join(dirname(page), decodeURIComponent(path)))
}

/** As GitHub makes them of headings. */
function anchorsOf(page: string): Set<string> {
  const seen = new Map<string, number>()
  const anchors = [...textOf(page).matchAll(/^#{1,6} (.+)$/gm)].map(([, heading = '']) => {
    const anchor = heading
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{M}\p{N}\p{Pc}\- ]/gu, '')
      .replaceAll(' ', '-')
    const before = seen.get(anchor) ?? 0
    seen.set(anchor, before + 1)
    return before === 0 ? anchor : `${anchor}-${before}`
  })
  return new Set(anchors)
}

const said = ({ page, target }: Link) => `${page}: ${target}`

test('every page that a page leads to is there', () => {
  expect(ownLinks.length).toBeGreaterThan(150)
  const missing = ownLinks.filter((link) => !existsSync(fileOf(link)))
  expect(missing.map(said)).toEqual([])
})

test('every heading that a page leads to is there', () => {
  const toHeadings = ownLinks.filter((link) => link.target.includes('#') && fileOf(link).endsWith('.md'))
  expect(toHeadings.length).toBeGreaterThan(40)
  const missing = toHeadings.filter((link) => {
    const file = fileOf(link)
    return existsSync(file) && !anchorsOf(file).has(link.target.split('#')[1] ?? '')
  })
  expect(missing.map(said)).toEqual([])
})

test('every script that a page names is there', () => {
  const { scripts }: { scripts: Record<string, string> } = JSON.parse(readFileSync('package.json', 'utf8'))
  const named = pages.flatMap((page) =>
    [...readFileSync(page, 'utf8').matchAll(/npm run (?:--silent )?([\w:-]+)/g)].map(([, script = '']) => ({
      page,
      script,
    })),
  )
  expect(named.length).toBeGreaterThan(30)
  const missing = named.filter(({ script }) => !Object.hasOwn(scripts, script))
  expect(missing.map(({ page, script }) => `${page}: ${script}`)).toEqual([])
})

test('docs/README.md leads to every page of the docs, and the README to docs/README.md', () => {
  const from = (page: string) => ownLinks.filter((link) => link.page === page).map(fileOf)
  const led = new Set(from('docs/README.md'))
  const docs = globSync('docs/*.md').filter((page) => page !== 'docs/README.md')
  expect(docs.filter((page) => !led.has(page))).toEqual([])
  expect(from('README.md')).toContain('docs/README.md')
})
