/**
 * Neon's driver comes as one file that esbuild made: the few functions used here, and a whole TCP client that runs as soon
 * as the file is loaded, which is a quarter of a cold start. This tells the bundler that esbuild's helpers in it have
 * no effects of their own, so that it can leave out what nobody asks for. No byte of the code itself changes.
 */
import type { Plugin } from 'rolldown'

/** The helpers as esbuild writes them, whatever their names are in this version. */
const HELPERS = {
  /** Wraps a CommonJS module, which runs when it is first called for. */
  commonJs: /\b(\w+)=\((\w+),(\w+)\)=>\(\)=>\{try\{return \3\|\|\2\(\(\3=\{exports:/,
  /** Makes what a CommonJS module exports look like a module. */
  toModule: /\b(\w+)=\((\w+),\w+,(\w+)\)=>\(\3=\2!=null\?/,
  /** Gives a function the name it had before it was minified. */
  name: /\b(\w+)=\((\w+),(\w+)\)=>\w+\(\2,"name",/,
}
const PURE = '/* @__PURE__ */ '

export const leanDriver: Plugin = {
  name: 'lean-driver',
  transform: {
    filter: { id: /@neondatabase[\\/]serverless[\\/]index\.mjs$/ },
    handler: (code) => ({
      code: withoutEffects(code),
      // It is minified and comes without a map of its own.
      map: { mappings: '' },
    }),
  },
}

function withoutEffects(code: string): string {
  const { commonJs, toModule, name } = {
    commonJs: nameOf('commonJs', code),
    toModule: nameOf('toModule', code),
    name: nameOf('name', code),
  }
  return code
    .replaceAll(new RegExp(`=${commonJs}\\(`, 'g'), `=${PURE}${commonJs}(`)
    .replaceAll(new RegExp(`=${toModule}\\((\\w+\\(\\))\\)`, 'g'), `=${PURE}${toModule}(${PURE}$1)`)
    .replaceAll(new RegExp(`(?<=[;}\\n])${name}\\((?=\\s*\\w+,\\s*"[^"]*"\\s*\\))`, 'g'), `${PURE}${name}(`)
}

function nameOf(helper: keyof typeof HELPERS, code: string): string {
  const name = HELPERS[helper].exec(code)?.[1]
  if (name === undefined) throw new Error(`Neon's driver is built in another way now: no ${helper} in it.`)
  return name
}
