/** The engine's functions as files: those written by hand in drizzle/functions, and those written from lib/limits.ts. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { lifetimeSeconds, maximum, rateLimits } from '../../lib/limits.ts'

export const FUNCTIONS = join(import.meta.dirname, '../../drizzle/functions')

const GENERATED = '-- Written from lib/limits.ts by `npm run migration`. An unknown name raises.\n'

/** The files that lib/limits.ts makes, by their names. */
export function generatedFunctions(): Record<string, string> {
  const cases = (table: Record<string, number>, value: (count: number) => string) =>
    Object.entries(table)
      .map(([name, count]) => `    WHEN '${snakeCase(name)}' THEN RETURN ${value(count)};\n`)
      .join('')
  const limits = Object.values(rateLimits)
    .map(
      ({ name, quota, windowSeconds }) =>
        `    WHEN '${name}' THEN quota := ${quota}; window_length := interval '${windowSeconds} seconds';\n`,
    )
    .join('')
  const plpgsql = (signature: string, body: string) =>
    `${GENERATED}CREATE OR REPLACE FUNCTION latchkey.${signature} LANGUAGE plpgsql IMMUTABLE AS $$\nBEGIN\n  CASE p_name\n${body}  END CASE;\nEND $$;\n`
  return {
    'lifetime.sql': plpgsql(
      'lifetime(p_name text) RETURNS interval',
      cases(lifetimeSeconds, (seconds) => `interval '${seconds} seconds'`),
    ),
    'maximum.sql': plpgsql('maximum(p_name text) RETURNS integer', cases(maximum, String)),
    'rate_limit.sql': plpgsql(
      'rate_limit(p_name text, OUT quota integer, OUT window_length interval)',
      limits,
    ),
  }
}

function snakeCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}

/** A function's definition, by its name; in alphabetical order. */
export type Definitions = Map<string, string>

/** What the files hold now. Throws for a file that isn't one function of its own name. */
export async function functionFiles(directory = FUNCTIONS): Promise<Definitions> {
  const files = (await readdir(directory)).filter((file) => file.endsWith('.sql')).toSorted()
  const definitions: Definitions = new Map()
  for (const file of files) {
    const text = (await readFile(join(directory, file), 'utf8')).trim()
    const [name, ...others] = functionNames(text)
    if (name === undefined || others.length > 0 || `${name}.sql` !== file) {
      throw new Error(`drizzle/functions/${file} must hold the one function latchkey.${file.slice(0, -4)}.`)
    }
    definitions.set(name, text)
  }
  return definitions
}

/** What the migrations, each a text, leave behind. */
export function functionsOf(migrations: readonly string[]): Definitions {
  const definitions: Definitions = new Map()
  for (const statement of migrations.flatMap((text) => text.split('--> statement-breakpoint'))) {
    for (const name of functionNames(statement)) definitions.set(name, statement.trim())
    const dropped = /^\s*DROP FUNCTION latchkey\.(\w+)/m.exec(statement)?.[1]
    if (dropped !== undefined) definitions.delete(dropped)
  }
  return definitions
}

/** Name, parameters and result, of which a change is a new function: `CREATE OR REPLACE` would leave the old one beside it. */
export function signatureOf(definition: string): string {
  const signature = /^CREATE OR REPLACE FUNCTION ([^]*?)\s+LANGUAGE /m.exec(definition)?.[1] ?? ''
  return signature.replaceAll(/\s+/g, ' ')
}

function functionNames(text: string): string[] {
  return Array.from(text.matchAll(/^CREATE OR REPLACE FUNCTION latchkey\.(\w+)\(/gm), ([, name = '']) => name)
}
