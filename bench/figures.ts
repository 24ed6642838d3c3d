/** What the benches have in common: how a figure is summed up, and where it is kept. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os'
import { join } from 'node:path'

/** One figure over several runs. */
export interface Spread {
  min: number
  median: number
  max: number
  runs: number
}

const RESULTS = join(import.meta.dirname, 'results')

export function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b)
  return {
    min: rounded(sorted[0] ?? Number.NaN),
    median: rounded(quantile(sorted, 0.5)),
    max: rounded(sorted.at(-1) ?? Number.NaN),
    runs: sorted.length,
  }
}

/** Of values in ascending order; between two of them where it falls there. */
export function quantile(sorted: readonly number[], share: number): number {
  const place = (sorted.length - 1) * share
  const below = sorted[Math.floor(place)] ?? Number.NaN
  const above = sorted[Math.ceil(place)] ?? Number.NaN
  return below + (above - below) * (place - Math.floor(place))
}

export function ascending(values: readonly number[]): number[] {
  return values.toSorted((a, b) => a - b)
}

export function rounded(value: number): number {
  return Number(value.toPrecision(4))
}

/** Each round begins with another one, so that what the machine does by turns hits all alike. */
export function rotated<T>(items: readonly T[], round: number): T[] {
  const start = items.length === 0 ? 0 : round % items.length
  return [...items.slice(start), ...items.slice(0, start)]
}

/** The number after `--name` on the command line. */
export function numberOption(name: string, otherwise: number): number {
  const place = process.argv.indexOf(`--${name}`)
  if (place < 0) return otherwise
  const value = Number(process.argv[place + 1])
  if (!Number.isFinite(value)) throw new Error(`--${name} takes a number.`)
  return value
}

interface Machine {
  measuredOn: string
  node: string
  cpu: string
  cores: number
  memoryGb: number
  /** Of the last minute, as the bench began: more than nothing means that it was not alone. */
  loadBefore: number
}

const machine: Machine = {
  measuredOn: new Date().toISOString().slice(0, 10),
  node: process.versions.node,
  cpu: cpus()[0]?.model.trim() ?? 'unknown',
  cores: availableParallelism(),
  memoryGb: Math.round(totalmem() / 2 ** 30),
  loadBefore: rounded(loadavg()[0] ?? 0),
}

export type Kept<Figures> = Figures & { machine: Machine }

/** `bench/results/<name>.json` */
export function keepResults(name: string, figures: object): void {
  mkdirSync(RESULTS, { recursive: true })
  const file = join(RESULTS, `${name}.json`)
  writeFileSync(file, `${JSON.stringify({ machine, ...figures }, undefined, 2)}\n`)
  console.log(`\nKept in bench/results/${name}.json.`)
}

/** Undefined when it was never measured. What a file holds is its bench's word. */
export function keptResults<Figures>(name: string): Kept<Figures> | undefined {
  let text: string
  try {
    text = readFileSync(join(RESULTS, `${name}.json`), 'utf8')
  } catch {
    return undefined
  }
  return JSON.parse(text)
}
