/** The routes of `.vercel/output/config.json`, as far as `vercel build` writes them for this project. */

interface Route {
  src?: string
  headers?: Record<string, string>
  status?: number
  dest?: string
  continue?: boolean
  handle?: string
}

export interface OutputConfig {
  version: number
  routes: Route[]
  overrides?: Record<string, { path?: string; contentType?: string }>
}

/** What becomes of a request: an answer by the routes alone, or whatever lies at `path`. */
export interface Routed {
  path: string
  headers: Record<string, string>
  /** Undefined where the path decides. */
  status: number | undefined
}

export interface Router {
  /** For a request as it comes in. */
  route(path: string): Routed
  /** For a path where nothing lies. */
  routeMissing(path: string): Routed
}

const KNOWN_KEYS = new Set(['src', 'headers', 'status', 'dest', 'continue', 'handle'])
/** In this order, the one before anything is looked up having no name. */
const PHASES = ['filesystem', 'error']

/** Throws on a route of a kind that it does not know, so that it never serves something else than Vercel would. */
export function readRoutes({ version, routes }: OutputConfig): Router {
  if (version !== 3) throw new Error(`The output has version ${version}, not 3.`)
  const phases = new Map<string, Route[]>([['', []]])
  let phase = ''
  for (const route of routes) {
    const unknown = Object.keys(route).find((key) => !KNOWN_KEYS.has(key))
    if (unknown !== undefined) throw new Error(`A route has ${unknown}, which is not known here.`)
    if (route.handle !== undefined) {
      phase = route.handle
      if (!PHASES.includes(phase)) throw new Error(`A route has the phase ${phase}, which is not known here.`)
      phases.set(phase, [])
    } else {
      phases.get(phase)?.push(route)
    }
  }
  const follow = (name: string, path: string) => followRoutes(phases.get(name) ?? [], path)
  return {
    route: (path) => follow('', path),
    routeMissing(path) {
      const missing = follow('filesystem', path)
      return missing.status === undefined ? missing : { ...follow('error', path), status: missing.status }
    },
  }
}

function followRoutes(routes: Route[], start: string): Routed {
  const headers: Record<string, string> = {}
  let path = start
  for (const route of routes) {
    const match = new RegExp(route.src ?? '').exec(path)
    if (match === null) continue
    const filled = (text: string) => text.replaceAll(/\$(\d)/g, (_, group) => match[Number(group)] ?? '')
    for (const [name, value] of Object.entries(route.headers ?? {}))
      headers[name.toLowerCase()] = filled(value)
    if (route.dest !== undefined) path = filled(route.dest)
    if (route.status !== undefined || !route.continue) return { path, headers, status: route.status }
  }
  return { path, headers, status: undefined }
}
