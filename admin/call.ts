/** What a command is given, what it answers, and how it tells of itself. */
import type { Client } from '../lib/client.ts'
import type { Database } from './database.ts'

export interface Call {
  /** What stands after the command's name. */
  subject: string | undefined
  options: Record<string, unknown>
  /** Opens it at the first call. */
  database(): Promise<Database>
  /** Stands in the events of this run in the place of a request: its id has who ran it. */
  client: Client
  /** Asks, unless --yes was given. Undefined: go on; an outcome: what to answer instead. */
  confirm(question: string): Promise<Outcome | undefined>
}

export type Outcome =
  /** `data` is what --json prints, `text` the same for a person. */
  | { kind: 'answer'; data: object; text: string }
  /** Nobody and nothing of that name, or in no state for it. */
  | { kind: 'not-done'; words: string }
  /** The command line is wrong. */
  | { kind: 'misused'; words: string }

export interface Option {
  name: string
  /** What stands after it; undefined for a switch. */
  takes?: string
  summary: string
}

export interface Command {
  name: string
  /** What stands after its name: in brackets when it may be left out, undefined when there is none. */
  takes?: string
  summary: string
  options?: readonly Option[]
  /** It asks before it changes anything. */
  changes?: true
  run(call: Call): Promise<Outcome>
}

/** An option's text. */
export function text(call: Call, option: string): string | undefined {
  const value = call.options[option]
  return typeof value === 'string' ? value : undefined
}

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

export function isId(given: string): boolean {
  return UUID.test(given)
}
