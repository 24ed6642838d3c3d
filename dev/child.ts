import { spawn } from 'node:child_process'
import { Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { finished } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'

/** A running command and everything it started. */
export interface Child {
  /** Settles when the command has ended, with what it ended by. */
  exited: Promise<string>
  /** The latest lines of its output, for an error message. */
  lastLines(): string
  /** Signals the whole process group. */
  signal(name: NodeJS.Signals): void
  /** Signals the group, and kills what is left of it after `graceMilliseconds`. */
  end(name: NodeJS.Signals, graceMilliseconds: number): Promise<void>
}

export interface Command {
  file: string
  arguments: string[]
  environment: NodeJS.ProcessEnv
  directory: string
  user?: { uid: number; gid: number } | undefined
  /** What the group gets should this process die without ending it. */
  signalWhenOrphaned: NodeJS.Signals
  onLine?: (line: string) => void
}

const KEPT_LINES = 40
const READ_REST_MS = 2_000

// The pipe on descriptor 3 closes when this process dies in whatever way, SIGKILL included; the watcher then
// ends the group, so that nothing is left behind holding its port.
const WATCHED = '(cat <&3 >/dev/null 2>&1; kill -s "$0" -- "-$$") >/dev/null 2>&1 & exec "$@" 3<&-'

/** Starts a command in a process group of its own, which a terminal's Ctrl-C does not reach. */
export function startChild(command: Command): Child {
  const signalName = command.signalWhenOrphaned.replace('SIG', '')
  const child = spawn('/bin/sh', ['-c', WATCHED, signalName, command.file, ...command.arguments], {
    cwd: command.directory,
    env: command.environment,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    ...command.user,
  })
  const [, stdout, stderr, leash] = child.stdio
  if (leash instanceof Socket) leash.unref()

  const outputs = [stdout, stderr].filter((output) => output !== null)
  const lines: string[] = []
  for (const output of outputs) {
    createInterface({ input: output }).on('line', (line) => {
      lines.push(line)
      if (lines.length > KEPT_LINES) lines.shift()
      command.onLine?.(line)
    })
  }

  let isOver = false
  const exited = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message))
    child.once('exit', (code, cause) => {
      // What it started in its group ends with it; then its last words are read.
      signal('SIGKILL')
      isOver = true
      const read = Promise.allSettled(outputs.map((output) => finished(output)))
      void Promise.race([read, sleep(READ_REST_MS, undefined, { ref: false })]).then(() =>
        resolve(cause ?? `exit code ${code}`),
      )
    })
  })

  function signal(name: NodeJS.Signals): void {
    // Its number may be another's by then.
    if (child.pid === undefined || isOver) return
    try {
      process.kill(-child.pid, name)
    } catch {
      // The group has ended already.
    }
  }

  async function end(name: NodeJS.Signals, graceMilliseconds: number): Promise<void> {
    signal(name)
    const impatient = setTimeout(() => signal('SIGKILL'), graceMilliseconds)
    await exited
    clearTimeout(impatient)
  }

  return { exited, signal, end, lastLines: () => lines.join('\n') }
}
