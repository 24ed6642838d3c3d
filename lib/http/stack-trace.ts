/**
 * Stack traces in the words of the sources. A bundle does not name its source map, because Node would read it at every cold start;
 * it lies beside the bundle and is read when something broke.
 */
import { readFileSync } from 'node:fs'
import { SourceMap } from 'node:module'
import { fileURLToPath } from 'node:url'

/** The same stack with places of the sources. Those of a file without a map stay as they are. */
export function inSources(stack: string): string {
  return stack.replaceAll(/(file:\S+?\.mjs):(\d+):(\d+)/g, (place, file: string, line, column) => {
    const origin = mapOf(file)?.findOrigin(Number(line), Number(column))
    if (origin === undefined || !('fileName' in origin)) return place
    const { href } = new URL(origin.fileName, file)
    return `${href}:${origin.lineNumber}:${origin.columnNumber}`
  })
}

function mapOf(file: string): SourceMap | undefined {
  try {
    return new SourceMap(JSON.parse(readFileSync(`${fileURLToPath(file)}.map`, 'utf8')))
  } catch {
    return undefined
  }
}
