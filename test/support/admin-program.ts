/** Runs `npm run admin`, on the test file's database. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { runProgram } from '../../cli/admin/program.ts'
import { databaseUrl } from './setup-stack.ts'

const PROGRAM = join(import.meta.dirname, '../../cli/admin/main.ts')

/** Compiling is most of what a short process does. */
const NODE_COMPILE_CACHE = join(tmpdir(), 'latchkey-admin-compiled')

export interface Run {
  code: number
  stdout: string
  stderr: string
}

/** In this process, without a terminal. */
export async function admin(args: string[], environment: Record<string, string> = {}): Promise<Run> {
  const [stdout, stderr]: [string[], string[]] = [[], []]
  const code = await runProgram(args, {
    environment: { DATABASE_URL: databaseUrl, ...environment },
    print: (line) => void stdout.push(`${line}\n`),
    printError: (line) => void stderr.push(`${line}\n`),
    ask: async () => 'no-terminal',
  })
  return { code, stdout: stdout.join(''), stderr: stderr.join('') }
}

/** What a script gets: the parsed output of `--json`. */
// oxlint-disable-next-line typescript/no-explicit-any -- read as a script reads it
export async function adminJson(...args: string[]): Promise<any> {
  const { code, stdout, stderr } = await admin([...args, '--json'])
  if (code !== 0) throw new Error(`exit code ${code}: ${stderr}`)
  return JSON.parse(stdout)
}

/** As a process without a terminal, and with nothing of this one's environment but PATH. */
export function adminProcess(args: string[]): Promise<Run> {
  return runProcess(process.execPath, [PROGRAM, ...args])
}

/** On a terminal, typing what `answer` returns once the question is there. Both streams arrive as stdout. */
export function adminAtTerminal(args: string[], response: () => string | Promise<string>): Promise<Run> {
  const command = [process.execPath, PROGRAM, ...args].map((word) => `'${word}'`).join(' ')
  return runProcess('script', ['-qec', command, '/dev/null'], response)
}

async function runProcess(
  file: string,
  args: string[],
  response?: () => string | Promise<string>,
): Promise<Run> {
  const child = spawn(file, args, {
    env: { PATH: process.env['PATH'], NODE_COMPILE_CACHE, DATABASE_URL: databaseUrl },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  const output = Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')])
  if (response === undefined) child.stdin.end()
  else {
    // Not before the question: until then the terminal itself would handle a Ctrl-C.
    const typed = once(child.stdout, 'data').then(response)
    typed.then((keys) => child.stdin.write(keys)).catch(() => child.kill())
  }
  const [stdout, stderr, [code]] = await output
  return { code: Number(code), stdout, stderr }
}
