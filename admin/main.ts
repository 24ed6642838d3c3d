/**
 * `npm run admin -- …`: what whoever runs the app does by hand, on any database that DATABASE_URL_UNPOOLED or DATABASE_URL
 * names. It asks before it changes anything, and each change writes its event in its own transaction.
 */
import { randomUUID } from 'node:crypto'
import { userInfo } from 'node:os'
import { parseArgs, type ParseArgsConfig } from 'node:util'
import type { Command, Outcome } from './call.ts'
import { commands } from './commands.ts'
import { DatabaseFault, databaseUrl, openDatabase, type Database } from './database.ts'
import { commandHelp, programHelp } from './help.ts'
import { json } from './output.ts'
import { ask } from './question.ts'

const [DONE, NOT_DONE, MISUSED] = [0, 1, 2]

/** Resolves to the exit code. */
async function runProgram(words: string[]): Promise<number> {
  const [name, ...rest] = words
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    if (name === undefined) {
      console.error(programHelp(commands))
      return MISUSED
    }
    console.log(programHelp(commands))
    return DONE
  }
  const command = commands.find((each) => each.name === name)
  if (command === undefined) return misused(`There is no command ${JSON.stringify(name)}.`, undefined)
  const given = parse(command, rest)
  if (given.kind === 'wrong') return misused(given.words, command)
  const { values, positionals } = given
  if (values['help'] === true) {
    console.log(commandHelp(command))
    return DONE
  }
  if (positionals.length > (command.takes === undefined ? 0 : 1)) {
    return misused(`There is one word too many: ${JSON.stringify(positionals.at(-1))}.`, command)
  }
  return runCommand(command, values, positionals[0])
}

type Values = Record<string, unknown>

type Given = { kind: 'given'; values: Values; positionals: string[] } | { kind: 'wrong'; words: string }

function parse(command: Command, args: string[]): Given {
  const options: ParseArgsConfig['options'] = {
    json: { type: 'boolean' },
    help: { type: 'boolean', short: 'h' },
  }
  for (const { name, takes } of command.options ?? []) {
    options[name] = { type: takes === undefined ? 'boolean' : 'string' }
  }
  if (command.changes) Object.assign(options, { yes: { type: 'boolean' }, as: { type: 'string' } })
  try {
    const { values, positionals } = parseArgs({ args, options, allowPositionals: true })
    return { kind: 'given', values, positionals }
  } catch (error) {
    // The first sentence says which option it is; the rest is advice about dashes.
    const words = error instanceof Error ? error.message.split(/[.\n]/, 1)[0] : undefined
    return { kind: 'wrong', words: `${words ?? 'That was not understood'}.` }
  }
}

async function runCommand(command: Command, values: Values, subject: string | undefined): Promise<number> {
  const { as } = values
  let open: Database | undefined
  try {
    const outcome = await command.run({
      subject,
      options: values,
      client: {
        requestId: `operator:${nameOf(typeof as === 'string' ? as : loginName())}:${randomUUID()}`,
        ip: null,
        network: 'unknown',
        userAgent: null,
      },
      async database() {
        const address = databaseUrl(process.env)
        if (address === undefined) {
          throw new DatabaseFault("DATABASE_URL is missing: set it to the database's connection string.")
        }
        open ??= await openDatabase(address)
        return open
      },
      confirm: (question) => confirm(question, values['yes'] === true, open?.name),
    })
    return print(outcome, command, values['json'] === true)
  } catch (error) {
    if (!(error instanceof DatabaseFault)) throw error
    console.error(error.message)
    return NOT_DONE
  } finally {
    await open?.close()
  }
}

async function confirm(
  question: string,
  yes: boolean,
  database: string | undefined,
): Promise<Outcome | undefined> {
  if (yes) return undefined
  const answer = await ask(`In the database ${database}:\n${question}`)
  if (answer === true) return undefined
  if (answer === false) return { kind: 'not-done', words: 'Nothing was changed.' }
  return {
    kind: 'misused',
    words: `This changes something, and there is nobody to ask: give --yes to do it.\n${question}`,
  }
}

function print(outcome: Outcome, command: Command, asJson: boolean): number {
  if (outcome.kind === 'misused') return misused(outcome.words, command)
  if (outcome.kind === 'not-done') {
    console.error(outcome.words)
    return NOT_DONE
  }
  console.log(asJson ? json(outcome.data) : outcome.text)
  return DONE
}

function misused(words: string, command: Command | undefined): number {
  console.error(
    `${words}\nTo read on: npm run admin -- ${command === undefined ? '' : `${command.name} `}--help`,
  )
  return MISUSED
}

/** Who runs this, as the machine knows them; where it knows nobody, as in a container, that. */
function loginName(): string {
  try {
    return userInfo().username
  } catch {
    return 'unknown'
  }
}

/** As a request's id may be written. */
function nameOf(text: string): string {
  return text.replaceAll(/[^\w.-]/g, '-').slice(0, 64)
}

if (import.meta.main) process.exitCode = await runProgram(process.argv.slice(2))
