/** The words of --help, made of the table of commands. */
import type { Command, Option } from './call.ts'

const COMMON: readonly Option[] = [
  { name: 'json', summary: 'answers in JSON' },
  { name: 'help', summary: 'says this' },
]

const OF_CHANGES: readonly Option[] = [
  { name: 'yes', summary: 'does not ask first' },
  { name: 'as', takes: 'name', summary: 'who does it, for the trail; your login name when not given' },
]

/** All the options of a command. */
export function optionsOf(command: Command): Option[] {
  return [...(command.options ?? []), ...(command.changes ? OF_CHANGES : []), ...COMMON]
}

export function programHelp(commands: readonly Command[]): string {
  const lines = (changes: boolean) =>
    columns(
      commands
        .filter((command) => (command.changes === true) === changes)
        .map((command) => [invocation(command), command.summary]),
    )
  return `Usage: npm run admin -- <command>

Looks:
${lines(false)}

Changes, after a question:
${lines(true)}

Every command: --json answers in JSON, --help says more. Those that change something: --yes does not ask first.
For a program: npm run --silent admin -- <command> --json

The database is the one of DATABASE_URL_UNPOOLED, else of DATABASE_URL, in the environment or in .env. It takes the owner's
connection string: the role of the functions may not do all of this.

Exit code: 0 done, or there was nothing to do; 1 not done: nobody of that name, the answer was no, the database refused or did
not answer; 2 the command line was not understood, or a change lacks --yes where there is nobody to ask.`
}

export function commandHelp(command: Command): string {
  return `Usage: npm run admin -- ${invocation(command)}${(command.options ?? []).map((option) => ` [${written(option)}]`).join('')}

${command.summary}${command.changes ? ' Asks first.' : ''}

${columns(optionsOf(command).map((option) => [written(option), option.summary]))}`
}

function invocation({ name, takes }: Command): string {
  return takes === undefined ? name : `${name} ${takes}`
}

function written({ name, takes }: Option): string {
  return takes === undefined ? `--${name}` : `--${name} <${takes}>`
}

function columns(rows: [string, string][]): string {
  const width = Math.max(...rows.map(([left]) => left.length))
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`).join('\n')
}
