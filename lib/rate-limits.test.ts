/** docs/limits.md says of each limit what the code does. */
import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { KNOWN_BROWSER_LIFETIME_SECONDS } from './known-browser.ts'
import { failureWaits, limits, rateLimitHeaders } from './rate-limits.ts'

const page = await readFile('docs/limits.md', 'utf8')

/** The cells of the page's tables, by the first one. */
const rows = new Map(
  page
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .map((line) => line.split('|').map((cell) => cell.trim()))
    .map(([, head = '', ...cells]) => [head, cells.slice(0, -1)]),
)

const UNIT_SECONDS: Record<string, number> = { minute: 60, hour: 3600, day: 24 * 3600 }

function seconds(text = ''): number {
  const [, count, unit = ''] = /^(\d+) (\w+?)s?$/.exec(text) ?? []
  return Number(count) * (UNIT_SECONDS[unit] ?? Number.NaN)
}

test('[ASVS 6.1.1] [ASVS 2.1.3] every limit is in the docs, with its number and its window, and no other one is', () => {
  const documented = [...rows].flatMap(([head, cells]) =>
    head.startsWith('`') ? [[head, cells] as const] : [],
  )
  expect(documented.map(([head, cells]) => [head, Number(cells[2]), seconds(cells[3])])).toEqual(
    Object.values(limits).map(({ name, quota, windowSeconds }) => [`\`${name}\``, quota, windowSeconds]),
  )
})

test('[ASVS 6.1.1] what failures in a row cost is in the docs', () => {
  const { waitsFrom, firstWaitSeconds, longestWaitSeconds, lockedAt } = failureWaits
  expect([...rows.keys()]).toContain(`1 to ${waitsFrom - 1}`)
  expect(rows.get(`${waitsFrom}`)?.[0]).toContain(`waits ${firstWaitSeconds} seconds`)
  expect(rows.get(`${waitsFrom + 1} on`)?.[0]).toContain(`${longestWaitSeconds} seconds at most`)
  expect([...rows.keys()]).toContain(`${lockedAt}`)
  expect(page).toContain(`${KNOWN_BROWSER_LIFETIME_SECONDS / (24 * 3600)} days`)
})

test('[RateLimit 3] [RateLimit 4] the fields are structured fields: a name with quota and window, a name with rest and seconds', () => {
  expect(rateLimitHeaders({ name: 'login', quota: 10, windowSeconds: 60 }, 30)).toEqual({
    'ratelimit-policy': '"login";q=10;w=60',
    ratelimit: '"login";r=0;t=30',
  })
})
