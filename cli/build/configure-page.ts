/** `npm run configure-page`: writes docs/configure.md and .env.example, from cli/build/variables.ts and from what lib/env.ts says itself. */
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseEnvironment } from '../../lib/env.ts'
import type { Stage } from '../../lib/env-schema.ts'
import { SECTIONS, variables, type Variable } from './variables.ts'

export const CONFIGURE_PAGE_PATH = join(import.meta.dirname, '../../docs/configure.md')
export const ENV_EXAMPLE_PATH = join(import.meta.dirname, '../../.env.example')

const STAGES: readonly Stage[] = ['production', 'preview', 'development']
const LINE_LENGTH = 120

/** A deployment without a fault, as Vercel and the person who deploys set it. */
function complete(stage: Stage): Record<string, string> {
  const secret = () => randomBytes(32).toString('base64')
  return {
    VERCEL_ENV: stage,
    VERCEL_PROJECT_PRODUCTION_URL: 'app.example.com',
    VERCEL_URL: 'app-1.vercel.app',
    JWT_SECRET: secret(),
    CRON_SECRET: secret(),
    DATABASE_URL: exampleOf('DATABASE_URL'),
    RESEND_API_KEY: 're_123456789',
    EMAIL_FROM: exampleOf('EMAIL_FROM'),
  }
}

function exampleOf(name: string): string {
  return variables.find((variable) => variable.name === name)?.example ?? ''
}

/** What that deployment says of the variable when it has this value. */
export function issueOf(name: string, value: string, stage: Stage = 'production'): string | undefined {
  const parsed = parseEnvironment({ ...complete(stage), [name]: value })
  if (parsed.kind === 'ok') return undefined
  return parsed.issues.find(({ key }) => key === name)?.problem
}

/** Where a deployment does without it no longer. */
function neededIn({ name }: Variable): Stage[] {
  return STAGES.filter((stage) => issueOf(name, '', stage) !== undefined)
}

function issuesOf({ name, wrong }: Variable): string[] {
  // Outside Vercel, where nothing else says where the app is.
  const bare = parseEnvironment({})
  const missing = bare.kind === 'ok' ? [] : bare.issues.filter(({ key }) => key === name)
  return [...missing.map(({ problem }) => problem), ...wrong.flatMap((value) => issueOf(name, value) ?? [])]
}

function entry(variable: Variable): string {
  const { name, what, format, unset, example, secret } = variable
  const needed = neededIn(variable)
  const issues = issuesOf(variable)
  const lines = [
    needed.length > 0 ? `Needed in ${inWords(needed)}.` : 'Optional.',
    ...(unset === undefined ? [] : [`When unset: ${unset}.`]),
    `Format: ${format}.`,
    secret && !example.includes('://') && !example.includes('…')
      ? `Make one with \`${example}\`.`
      : `Example: \`${example}\`.`,
    ...(secret
      ? ['Secret: mark it _Sensitive_ at Vercel, with other values for Preview than for Production.']
      : []),
    ...(issues.length === 0
      ? []
      : ['When it is wrong:', ...issues.map((issue) => `  - \`${name}: ${issue}\``)]),
  ]
  const list = lines.map((line) => (line.startsWith('  -') ? line : `- ${line}`))
  return [`### \`${name}\``, '', linked(what), '', ...list, ''].join('\n')
}

function inWords(stages: Stage[]): string {
  return stages.length === STAGES.length ? 'every deployment, and in local development' : stages.join(' and ')
}

/** Pages of docs/ and addresses, as links from a page beside them. */
function linked(text: string): string {
  return text.replaceAll(/docs\/(\w+\.md)/g, '[$1]($1)').replaceAll(/https:\/\/[\w./-]*\w/g, '<$&>')
}

function overview(): string {
  const rows = variables
    .filter(({ foreign }) => foreign !== true)
    .map((variable) => [
      `[\`${variable.name}\`](#${variable.name.toLowerCase()})`,
      neededIn(variable).length > 0 ? 'yes' : 'no',
      variable.secret ? 'yes' : 'no',
      variable.unset ?? '',
    ])
  const all = [['Variable', 'Needed', 'Secret', 'When unset'], ...rows]
  const widths = [0, 1, 2, 3].map((column) => Math.max(...all.map((row) => row[column]?.length ?? 0)))
  const line = (row: string[]) =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`
  return [line(all[0] ?? []), rule, ...rows.map(line)].join('\n')
}

export const configurePage = `# Configuration

Every variable that a deployment reads, what it is for, and what is said when it is wrong. Made by \`npm run configure-page\` of \`cli/build/variables.ts\` and of what \`lib/env.ts\` answers; a
test holds it against both.

Set them at Vercel (Settings → Environment Variables), each for Production and Preview apart; a change takes effect with the next deploy. Locally they stand in \`.env\`, for which
[.env.example](../.env.example) is the beginning; \`npm run dev\` needs none. An empty variable is a missing one.

The deploy's build looks at all of them and fails before anything is changed, with every fault at once, by name and never by value. \`npm run check:environment\` does the same anywhere, and
\`npm run doctor\` also looks at what they lead to. A function that finds a fault all the same answers \`503 misconfigured\` and logs it.

${overview()}

${SECTIONS.map(
  (section) =>
    `## ${section}\n\n${variables
      .filter((variable) => variable.section === section)
      .map(entry)
      .join('\n')}`,
).join('\n')}
## Set by Vercel

Turn on _Automatically expose System Environment Variables_ (Settings → Environment Variables; it is on in new projects).

- \`VERCEL_ENV\` tells production, preview and development apart. Where it is missing, an \`APP_URL\` that begins with \`http://localhost\` makes it development, and everything else is production.
- \`VERCEL_PROJECT_PRODUCTION_URL\`, \`VERCEL_BRANCH_URL\` and \`VERCEL_URL\` say where the app is when \`APP_URL\` does not ([how](email.md#where-the-links-lead)).
- \`VERCEL_GIT_COMMIT_SHA\` is the version in the log.
- \`CI\` is set where something is built and thrown away; without it \`npm run build:deploy\` refuses to run.
`

function comment(text: string): string {
  const lines: string[] = []
  for (const word of text.replaceAll('`', '').split(' ')) {
    const last = lines.at(-1)
    if (last === undefined || `${last} ${word}`.length > LINE_LENGTH) lines.push(`# ${word}`)
    else lines[lines.length - 1] = `${last} ${word}`
  }
  return lines.join('\n')
}

function setting({ name, what, unset, example, local, secret }: Variable): string {
  const words = [
    what,
    ...(unset === undefined ? [] : [`When unset: ${unset}.`]),
    ...(secret && local === '' ? [`Make one with: ${example}`] : []),
  ]
  return `${comment(words.join(' '))}\n${local === undefined ? `#${name}=${example}` : `${name}=${local}`}\n`
}

export const envExample = `# Every variable of Latchkey; docs/configure.md says more of each. The values here are those of the local stack: \`npm run stack\`
# starts it and prints how to start your own \`vercel dev\` beside it; only the two secrets are yours to make. \`npm run dev\` needs no
# .env at all. Made by \`npm run configure-page\`.
${SECTIONS.flatMap((section) => {
  const settings = variables.filter((variable) => variable.section === section && variable.foreign !== true)
  if (settings.length === 0) return []
  return [`\n${`# ── ${section} `.padEnd(LINE_LENGTH, '─')}\n${settings.map(setting).join('')}`]
}).join('')}`

if (import.meta.main) {
  writeFileSync(CONFIGURE_PAGE_PATH, configurePage)
  writeFileSync(ENV_EXAMPLE_PATH, envExample)
}
