/**
 * `npm run requirements -- results.json …`: checks the requirements against the tests' results. Each id has a test that carries
 * it and passed, a check of `verify:deployment`, a document where that is what is asked for, a deviation, or a platform that
 * does it; and no test
 * carries an unknown id. Then docs/security-requirements.md is up to date; `--write` writes it.
 */
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { relative } from 'node:path'
import { parseArgs } from 'node:util'
import { deploymentChecks } from '../../cli/deploy/deployment-checks.ts'
import { chapters } from './chapters.ts'
import type { Requirement } from './requirement.ts'

const PAGE = 'docs/security-requirements.md'

/** What a test's name has in brackets when it proves something: the standard, then a number or a title. */
const TAG = /\[((?:ASVS|63B-4|RFC|8725bis|6265bis|BBA|RateLimit|CS) [^\]]+)\]/g

interface Results {
  testResults: { name: string; assertionResults: { fullName: string; status: string }[] }[]
}

interface Evidence {
  file: string
  test: string
}

const { values, positionals } = parseArgs({ allowPositionals: true, options: { write: { type: 'boolean' } } })

const proofs = new Map<string, Evidence[]>()
const errors: string[] = []
for (const path of positionals) {
  const { testResults }: Results = JSON.parse(await readFile(path, 'utf8'))
  for (const { name, assertionResults } of testResults) {
    for (const { fullName, status } of assertionResults) {
      for (const [, id = ''] of fullName.matchAll(TAG)) {
        const proof = {
          file: relative('.', name),
          test: fullName.replaceAll(TAG, '').replaceAll(/ +/g, ' ').trim(),
        }
        if (status === 'passed') proofs.set(id, [...(proofs.get(id) ?? []), proof])
        else errors.push(`${id}: "${fullName}" has not passed but ${status}`)
      }
    }
  }
}

const requirements = chapters.flatMap((chapter) => chapter.requirements)
const known = new Set(requirements.flatMap(({ ids }) => ids))
const deployed = new Set(deploymentChecks.flatMap(({ ids }) => ids))
for (const id of proofs.keys())
  if (!known.has(id)) errors.push(`${id}: a test carries it, no requirement does`)
for (const id of deployed)
  if (!known.has(id)) errors.push(`${id}: a deployment check carries it, no requirement does`)
for (const { ids, deviation, deployment, documented, platform } of requirements) {
  if (documented !== undefined && !existsSync(documented))
    errors.push(`${ids.join()}: there is no ${documented}`)
  for (const id of ids) {
    if (deployment === true && !deployed.has(id)) errors.push(`${id}: no deployment check carries it`)
    const isShownElsewhere = deployment === true || platform === true
    const needsTest = !isShownElsewhere && deviation === undefined && documented === undefined
    if (needsTest && !proofs.has(id)) errors.push(`${id}: no test carries it`)
  }
}

const count = (test: (requirement: Requirement) => boolean) => requirements.filter(test).length

const page = asPage()
if (values.write === true) await writeFile(PAGE, page)
else if (page !== (await readFile(PAGE, 'utf8').catch(() => '')))
  errors.push(`${PAGE} is not up to date: run this with --write`)

for (const error of errors) console.error(error)
console.log(
  `${requirements.length} requirements: ${count(({ deviation }) => deviation === undefined)} met, ${count(({ deviation }) => deviation !== undefined)} with a deviation, ${errors.length} errors`,
)
process.exitCode = errors.length === 0 ? 0 : 1

function asPage(): string {
  return `# Security requirements

Each requirement of OWASP ASVS 5.0, NIST SP 800-63B-4, the RFCs and the OWASP cheat sheets that applies to this project, what it does about it, and the
tests that show it. ASVS rows have their level.

${table([
  ['', 'met', 'with a deviation'],
  ...(['L1', 'L2', 'L3', undefined] as const).map((level) => [
    level === undefined ? 'NIST, RFCs, cheat sheets' : `ASVS ${level}`,
    String(count((one) => one.level === level && one.deviation === undefined)),
    String(count((one) => one.level === level && one.deviation !== undefined)),
  ]),
])}
"At a deployment" means \`npm run verify:deployment -- https://…\`, as only a deployment can show it. "By the platform" means Vercel's edge, which isn't checked here. \`npm run requirements\` makes this page
from the tests' results; a row without a passed test fails the build, unless what it asks for is a document.

${chapters
  .map(
    ({ title, requirements: rows }) =>
      `## ${title}\n\n${table([['Id', 'Demands', 'What we do', 'Shown by'], ...rows.map(cells)])}`,
  )
  .join('\n')}`
}

function cells(requirement: Requirement): string[] {
  const { ids, level, demands, measure, deviation, deployment, documented, platform } = requirement
  const shown = ids
    .flatMap((id) => proofs.get(id) ?? [])
    .toSorted((one, other) => `${one.file} ${one.test}`.localeCompare(`${other.file} ${other.test}`, 'en'))
  const files = Map.groupBy(shown, ({ file }) => file)
  const tests = Array.from(files, ([file, inFile]) => {
    const names = [...new Set(inFile.map(({ test }) => test))]
    const more = names.length > 2 ? ` and ${names.length - 2} more` : ''
    return `[${file}](../${file}): ${names.slice(0, 2).join('; ')}${more}`
  })
  const document = documented === undefined ? [] : [`[${documented}](../${documented})`]
  const elsewhere = deployment === true ? ['at a deployment'] : platform === true ? ['by the platform'] : []
  const parts = [...tests, ...document, ...elsewhere]
  const what = deviation === undefined ? measure : `${measure} **Deviation:** ${deviation}`
  return [
    `${ids.join(', ')}${level === undefined ? '' : ` ${level}`}`,
    demands,
    what,
    parts.join('<br>') || '—',
  ].map(escaped)
}

function escaped(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ')
}

function table([head = [], ...rows]: string[][]): string {
  return [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |\n`).join('')
}
