/**
 * Neon's driver is one file built by esbuild: the few functions used here, a whole TCP client that runs as soon as the file
 * is loaded, and a copy of `Buffer` for browsers. This marks esbuild's helpers as free of side effects and drops the copy,
 * so that the bundler leaves out what nothing uses.
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
const BUILT_DIFFERENTLY = "Neon's driver is built differently in this version:"
const PURE = '/* @__PURE__ */ '
/** Node has its own `Buffer`; without this branch nothing refers to the copy, 28 KB minified. */
const BUFFER_COPY = /(?<=globalThis\.\s*Buffer:)\w+\(\)\.Buffer\b/

export const leanDriver: Plugin = {
  name: 'lean-driver',
  transform: {
    filter: { id: /@neondatabase[\\/]serverless[\\/]index\.mjs$/ },
    handler: (code) => ({
      code: withoutEffects(withoutBufferCopy(code)),
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

function withoutBufferCopy(code: string): string {
  if (!BUFFER_COPY.test(code)) throw new Error(`${BUILT_DIFFERENTLY} no fallback for Buffer in it.`)
  return code.replace(BUFFER_COPY, 'undefined')
}

function nameOf(helper: keyof typeof HELPERS, code: string): string {
  const name = HELPERS[helper].exec(code)?.[1]
  if (name === undefined) throw new Error(`${BUILT_DIFFERENTLY} no ${helper} in it.`)
  return name
}
