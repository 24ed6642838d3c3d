/** What a command is given, what it returns, and how it describes itself. */
import type { Database, OperatorRequest } from './database.ts'

export interface Call {
  /** What follows the command's name. */
  argument: string | undefined
  options: Record<string, unknown>
  /** Connects on the first call. */
  database(): Promise<Database>
  /** Recorded with the events of this run, in place of an HTTP request. */
  request: OperatorRequest
  /** Asks the operator, unless --yes was given. */
  confirm(question: string): Promise<Confirmed | Failed | UsageError>
}

interface Confirmed {
  kind: 'confirmed'
}

/** `data` is what --json prints, `text` the same for a person. */
interface Done {
  kind: 'done'
  data: object
  text: string
}

/** It can't be done: no such account, wrong state, or the operator said no. */
export interface Failed {
  kind: 'failed'
  message: string
}

/** The command line is wrong. */
export interface UsageError {
  kind: 'usage-error'
  message: string
}

export type Outcome = Done | Failed | UsageError

export interface Option {
  name: string
  /** Names its value; undefined for a switch. */
  value?: string
  required?: true
  summary: string
}

export interface Command {
  name: string
  /** In square brackets when it is optional; undefined when there is none. */
  argument?: string
  summary: string
  options?: readonly Option[]
  /** It changes something, so it asks first. */
  changes?: true
  run(call: Call): Promise<Outcome>
}

/** An option's value. */
export function optionOf(call: Call, name: string): string | undefined {
  const value = call.options[name]
  return typeof value === 'string' ? value : undefined
}

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

export function isId(given: string): boolean {
  return UUID.test(given)
}
