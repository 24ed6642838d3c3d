/** Instances of several deployments that answer side by side: each a process with an environment of its own. */
import { startHandler, type HandlerOptions } from './handler.ts'
import { sendThrough } from './browser.ts'

export interface Instance {
  response(request: Request): Promise<Response>
  /** What it wrote since it began: its log, an object a line. */
  entries: LogEntry[]
  stop(): Promise<void>
}

export type LogEntry = Record<string, unknown> & { event: string }

/** The environment is on top of this process's own. */
export async function startInstance(environment: Record<string, string> = {}): Promise<Instance> {
  const entries: LogEntry[] = []
  const options: HandlerOptions = {
    environment,
    logsRequests: true,
    onLine: (line) => {
      if (line.startsWith('{')) entries.push(JSON.parse(line))
    },
  }
  const handler = await startHandler(options)
  const home = `http://127.0.0.1:${handler.port}`
  const underWay = new Set<Promise<unknown>>()
  async function respond(request: Request): Promise<Response> {
    const { pathname, search } = new URL(request.url)
    const response = await fetch(new Request(home + pathname + search, request))
    // Its email is there, too.
    await fetch(`${home}/settled`)
    return response
  }
  return {
    entries,
    response(request) {
      const responding = respond(request).finally(() => underWay.delete(responding))
      underWay.add(responding)
      return responding
    },
    async stop() {
      await Promise.allSettled(underWay)
      await handler.stop()
    },
  }
}

export interface Fleet {
  /** Those that answer at this moment, one after the other. */
  serving: Instance[]
}

/** From now on the tests' browsers reach whichever instance has its turn. */
export function serveThrough(fleet: Fleet): void {
  let next = 0
  sendThrough((request) => {
    const instance = fleet.serving[next++ % fleet.serving.length]
    if (instance === undefined) throw new Error('no instance serves')
    return instance.response(request)
  })
}
