/** Runs `npm run admin` as an operator does: a process with the database's address in its environment. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { databaseUrl } from './setup-stack.ts'

const PROGRAM = join(import.meta.dirname, '../admin/main.ts')

/** Compiling is most of what a short process does. */
const NODE_COMPILE_CACHE = join(tmpdir(), 'latchkey-admin-compiled')

export interface Run {
  code: number
  stdout: string
  stderr: string
}

/** Without a terminal. Nothing of this process's environment reaches it but the path. */
export function admin(args: string[], environment: Record<string, string> = {}): Promise<Run> {
  return runProcess(process.execPath, [PROGRAM, ...args], environment)
}

/** At a terminal of its own, with what `answer` types once it is asked. Both streams come as one. */
export function adminAtTerminal(args: string[], answer: () => string | Promise<string>): Promise<Run> {
  const command = [process.execPath, PROGRAM, ...args].map((word) => `'${word}'`).join(' ')
  return runProcess('script', ['-qec', command, '/dev/null'], {}, answer)
}

// oxlint-disable-next-line typescript/no-explicit-any -- read as a program reads it
export async function adminJson(...args: string[]): Promise<any> {
  const { code, stdout, stderr } = await admin([...args, '--json'])
  if (code !== 0) throw new Error(`exit code ${code}: ${stderr}`)
  return JSON.parse(stdout)
}

async function runProcess(
  file: string,
  args: string[],
  environment: Record<string, string>,
  answer?: () => string | Promise<string>,
): Promise<Run> {
  const child = spawn(file, args, {
    env: { PATH: process.env['PATH'], NODE_COMPILE_CACHE, DATABASE_URL: databaseUrl, ...environment },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  const output = Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')])
  if (answer === undefined) child.stdin.end()
  else {
    // Not before the question: until then the terminal itself would take a Ctrl-C.
    const typed = once(child.stdout, 'data').then(answer)
    typed.then((words) => child.stdin.write(words)).catch(() => child.kill())
  }
  const [stdout, stderr, [code]] = await output
  return { code: Number(code), stdout, stderr }
}
