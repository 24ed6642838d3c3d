/** What the operator sees. Values come from strangers' browsers, too: none of them may write to the terminal as it likes. */

type Cell = string | number | boolean | Date | null | undefined

/** Control characters, and those that turn the direction of writing or hide: they could repaint a terminal. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu

/** Times are UTC and to the second. */
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

/** A name and its value a line. */
export function list(entries: readonly (readonly [string, Cell])[]): string {
  const width = Math.max(...entries.map(([name]) => name.length))
  return entries.map(([name, value]) => `${name.padEnd(width)}  ${shown(value)}`).join('\n')
}

/** JSON for a program, in which nothing can write to a terminal either. */
export function json(value: unknown): string {
  return JSON.stringify(value, undefined, 2).replaceAll(/[\u007f-\uffff]/g, (character) =>
    UNPRINTABLE_ALONE.test(character)
      ? `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
      : character,
  )
}

const UNPRINTABLE_ALONE = /^[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]$/u

export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
