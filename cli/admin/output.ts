/** What the operator sees. Some values come from strangers, so none may control the terminal. */

type Cell = string | number | boolean | Date | null | undefined

export const COLUMNS = 80

/** Control characters, and those that hide text or change its direction. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu

/** Times are UTC, to the second. */
export function shown(value: Cell): string {
  if (value === null || value === undefined || value === '') return '–'
  if (value instanceof Date) return `${value.toISOString().slice(0, 19).replace('T', ' ')}Z`
  return String(value).replaceAll(UNPRINTABLE, '·')
}

/** Columns under their headings. */
export function table(headings: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const cells = [headings.map(String), ...rows.map((row) => row.map(shown))]
  const widths = headings.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)))
  return cells
    .map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  '))
    .map((line) => line.trimEnd())
    .join('\n')
}

/** One name and its value per line. */
export function list(entries: readonly (readonly [string, Cell])[]): string {
  const width = Math.max(...entries.map(([name]) => name.length))
  return entries.map(([name, value]) => `${name.padEnd(width)}  ${shown(value)}`).join('\n')
}

export function indented(text: string): string {
  return text.replaceAll(/^/gm, '    ')
}

/** Those that have a value, as many on an indented line as fit. */
export function packed(entries: readonly (readonly [string, Cell])[]): string[] {
  const lines: string[] = []
  for (const [name, value] of entries) {
    if (value === null || value === undefined) continue
    const entry = `${shown(name)} ${shown(value)}`
    const longer = `${lines.at(-1) ?? ''}  ${entry}`
    if (lines.length > 0 && longer.length <= COLUMNS) lines[lines.length - 1] = longer
    else lines.push(`    ${entry}`)
  }
  return lines
}

/** JSON for a program. Nothing in it can control a terminal either. */
export function json(value: unknown): string {
  return JSON.stringify(value, undefined, 2).replaceAll(/[\u007f-\uffff]/g, (character) =>
    UNPRINTABLE_ONLY.test(character)
      ? `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
      : character,
  )
}

const UNPRINTABLE_ONLY = /^[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]$/u

export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

/** Like all lists of this program, the newest entries up to a limit. */
export function mayBeMore(count: number, limit: number): string {
  return count < limit ? '' : `\n\nOnly the newest ${limit} are shown; there may be more.`
}
