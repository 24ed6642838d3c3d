/** From the command line to an exit code. */
import { randomUUID } from 'node:crypto'
import { userInfo } from 'node:os'
import { parseArgs, type ParseArgsConfig } from 'node:util'
import type { Call, Command, Outcome } from './call.ts'
import { commands } from './commands.ts'
import { AdminError, databaseUrl, openDatabase, type Database } from './database.ts'
import { commandHelp, programHelp } from './help.ts'
import { json } from './output.ts'
import type { Received } from './question.ts'

const EXIT = { done: 0, failed: 1, usageError: 2 } as const

/** What the program runs in. */
export interface Surroundings {
  environment: Record<string, string | undefined>
  print: (text: string) => void
  printError: (text: string) => void
  ask: (question: string) => Promise<Received>
}

/** Resolves to the exit code. */
export async function runProgram(args: string[], surroundings: Surroundings): Promise<number> {
  const { print, printError } = surroundings
  const usageError = (message: string, command?: Command) => {
    printError(`${message}\nSee npm run admin -- ${command === undefined ? '' : `${command.name} `}--help`)
    return EXIT.usageError
  }
  const [name, ...rest] = args
  if (name === undefined) {
    printError(programHelp(commands))
    return EXIT.usageError
  }
  if (name === '--help' || name === '-h' || name === 'help') {
    print(programHelp(commands))
    return EXIT.done
  }
  const command = commands.find((each) => each.name === name)
  if (command === undefined) return usageError(`Unknown command ${JSON.stringify(name)}.`)
  const parsed = parse(command, rest)
  if (parsed.kind === 'usage-error') return usageError(parsed.message, command)
  if (parsed.options['help'] === true) {
    print(commandHelp(command))
    return EXIT.done
  }
  const outcome = await runCommand(command, parsed, surroundings)
  switch (outcome.kind) {
    case 'usage-error':
      return usageError(outcome.message, command)
    case 'failed':
      printError(outcome.message)
      return EXIT.failed
    case 'done':
      print(parsed.options['json'] === true ? json(outcome.data) : outcome.text)
      return EXIT.done
  }
}

interface Parsed {
  kind: 'parsed'
  options: Record<string, unknown>
  argument: string | undefined
}

function parse(command: Command, args: string[]): Parsed | { kind: 'usage-error'; message: string } {
  const known: ParseArgsConfig['options'] = {
    json: { type: 'boolean' },
    help: { type: 'boolean', short: 'h' },
  }
  for (const { name, value } of command.options ?? []) {
    known[name] = { type: value === undefined ? 'boolean' : 'string' }
  }
  if (command.changes) Object.assign(known, { yes: { type: 'boolean' }, as: { type: 'string' } })
  try {
    const { values, positionals } = parseArgs({ args, options: known, allowPositionals: true })
    if (positionals.length > (command.argument === undefined ? 0 : 1)) {
      return { kind: 'usage-error', message: `Unexpected argument ${JSON.stringify(positionals.at(-1))}.` }
    }
    return { kind: 'parsed', options: values, argument: positionals[0] }
  } catch (error) {
    // The first sentence names the option; the rest is advice about dashes.
    const message = error instanceof Error ? error.message.split(/[.\n]/, 1)[0] : undefined
    return { kind: 'usage-error', message: `${message ?? 'Invalid arguments'}.` }
  }
}

async function runCommand(command: Command, parsed: Parsed, surroundings: Surroundings): Promise<Outcome> {
  const { options, argument } = parsed
  const { as, yes } = options
  let open: Database | undefined
  try {
    return await command.run({
      argument,
      options,
      request: { id: `operator:${idPart(typeof as === 'string' ? as : loginName())}:${randomUUID()}` },
      async database() {
        const address = databaseUrl(surroundings.environment)
        if (address === undefined) {
          throw new AdminError("DATABASE_URL is not set. Set it to the owner's connection string.")
        }
        open ??= await openDatabase(address)
        return open
      },
      confirm: (question) =>
        yes === true
          ? Promise.resolve({ kind: 'confirmed' })
          : confirm(question, open?.name ?? 'none', surroundings),
    })
  } catch (error) {
    if (!(error instanceof AdminError)) throw error
    return { kind: 'failed', message: error.message }
  } finally {
    await open?.close()
  }
}

async function confirm(
  question: string,
  database: string,
  { ask }: Surroundings,
): ReturnType<Call['confirm']> {
  switch (await ask(`Database ${database}\n${question}\n`)) {
    case 'yes':
      return { kind: 'confirmed' }
    case 'no':
      return { kind: 'failed', message: 'Nothing was changed.' }
    case 'no-terminal':
      return {
        kind: 'usage-error',
        message: `${question}\n\nNothing was changed: there is no terminal to ask on. Pass --yes to do it.`,
      }
  }
}

/** Who runs this, as the machine knows them. A container may not know its user. */
function loginName(): string {
  try {
    return userInfo().username
  } catch {
    return 'unknown'
  }
}

/** Only characters that a request id may have. */
function idPart(text: string): string {
  return text.replaceAll(/[^\w.-]/g, '-').slice(0, 64)
}
