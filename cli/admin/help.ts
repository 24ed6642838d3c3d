/** The text of --help, generated from the table of commands. */
import type { Command, Option } from './call.ts'

const EVERY_COMMAND: readonly Option[] = [
  { name: 'json', summary: 'print JSON' },
  { name: 'help', summary: 'print this help' },
]

const EVERY_CHANGE: readonly Option[] = [
  { name: 'yes', summary: "don't ask first" },
  { name: 'as', value: 'name', summary: 'your name in the audit log; by default your login name' },
]

/** All options of a command. */
export function optionsOf(command: Command): Option[] {
  return [...(command.options ?? []), ...(command.changes ? EVERY_CHANGE : []), ...EVERY_COMMAND]
}

export function programHelp(commands: readonly Command[]): string {
  const lines = (changes: boolean) =>
    columns(
      commands
        .filter((command) => (command.changes === true) === changes)
        .map((command) => [invocation(command), command.summary]),
    )
  return `Usage: npm run admin -- <command>

Read only:
${lines(false)}

Change something, after asking:
${lines(true)}

Every command has --json and --help. Those that change something also have
--yes, which skips the question. For scripts:
  npm run --silent admin -- <command> --json

The database is DATABASE_URL_UNPOOLED, or else DATABASE_URL, from the
environment or .env. It must be the owner's connection string; the functions'
role isn't allowed to do this.

Exit codes:
  0  done, or there was nothing to do
  1  not done: no such account, you answered no, or the database failed
  2  wrong usage, or a change without --yes where nobody can be asked`
}

export function commandHelp(command: Command): string {
  const required = (command.options ?? []).filter((option) => option.required)
  const usage = [invocation(command), ...required.map(written), '[options]'].join(' ')
  return `Usage: npm run admin -- ${usage}

${command.summary}${command.changes ? ' Asks first.' : ''}

${columns(optionsOf(command).map((option) => [written(option), option.summary]))}`
}

function invocation({ name, argument }: Command): string {
  return argument === undefined ? name : `${name} ${argument}`
}

function written({ name, value }: Option): string {
  return value === undefined ? `--${name}` : `--${name} <${value}>`
}

function columns(rows: [string, string][]): string {
  const width = Math.max(...rows.map(([left]) => left.length))
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`).join('\n')
}
