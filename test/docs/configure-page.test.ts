/** docs/configure.md and .env.example are made of one table, and the table names what the schema knows. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import {
  CONFIGURE_PAGE_PATH,
  configurePage,
  ENV_EXAMPLE_PATH,
  envExample,
  issueOf,
} from '../../cli/build/configure-page.ts'
import { variables } from '../../cli/build/variables.ts'
import { schemaFor } from '../../lib/env-schema.ts'

const page = readFileSync(CONFIGURE_PAGE_PATH, 'utf8')

test('page and example are what `npm run configure-page` makes of the code', () => {
  expect(page).toBe(configurePage)
  expect(readFileSync(ENV_EXAMPLE_PATH, 'utf8')).toBe(envExample)
})

test('the table has every variable of the schema, what the origin comes from and what migrates, and no other', () => {
  const known = ['APP_URL', 'DATABASE_URL_UNPOOLED', ...Object.keys(schemaFor('production').shape)]
  expect(variables.map(({ name }) => name).toSorted()).toEqual(known.toSorted())
})

test.each(variables.map((variable) => [variable.name, variable] as const))(
  '%s: its example is accepted, what is called wrong is refused, and what is optional may be missing',
  (name, { example, wrong, unset, secret, local = '' }) => {
    // Of a secret the example is how to make one; of a certificate it is how one looks.
    const isShape = (secret && !example.includes('://')) || example.includes('…')
    const given = isShape ? [] : [example]
    const isLocal = wrong.includes(example)
    for (const value of given) {
      expect(issueOf(name, value, isLocal ? 'development' : 'production')).toBeUndefined()
    }
    for (const value of [local].filter((text) => text !== '')) {
      expect(issueOf(name, value, 'development')).toBeUndefined()
    }
    for (const value of wrong) expect(issueOf(name, value), value).toBeDefined()
    expect(issueOf(name, '') === undefined).toBe(unset !== undefined)
  },
)

test('the page has every text that lib/env.ts may say of a fault', () => {
  const source = `${readFileSync('lib/env.ts', 'utf8')}${readFileSync('lib/env-schema.ts', 'utf8')}`
  const texts = Array.from(
    source.matchAll(/(?:error: |variable\(|badOrigin\()(?:'([^']+)'|"([^"]+)"|`([^`$]+))/g),
    ([, single, double, template]) => single ?? double ?? template ?? '',
  )
  expect(texts.length).toBeGreaterThan(20)
  for (const text of texts) expect(page).toContain(text)
})
