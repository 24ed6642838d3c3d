import { createServer, type Server } from 'node:net'

export const LOOPBACK = '127.0.0.1'

/** Resolves to the port the server really has, once it listens; port 0 means a free one. */
export function listen(server: Server, port: number, host: string = LOOPBACK): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ port, host, ipv6Only: true }, () => {
      server.off('error', reject)
      const address = server.address()
      resolve(typeof address === 'object' && address !== null ? address.port : port)
    })
  })
}

/** A port nobody listens on just now. */
export async function freePort(): Promise<number> {
  const probe = createServer()
  const port = await listen(probe, 0)
  await new Promise((resolve) => probe.close(resolve))
  return port
}

const STOP_THE_OTHER = 'Stop the other `npm run dev`, or whatever else listens there, and start again.'

/** Throws, in words for a person, when something listens on the port that `owner` is about to take. */
export async function requireFreePort(port: number, owner: string, fix = STOP_THE_OTHER): Promise<void> {
  // What a browser means by localhost may be either.
  for (const host of [LOOPBACK, '::1']) {
    const probe = createServer()
    try {
      await listen(probe, port, host)
    } catch (error) {
      if (isTaken(error))
        throw new Error(`Port ${port}, which ${owner} needs, is taken. ${fix}`, { cause: error })
    }
    await new Promise((resolve) => probe.close(resolve))
  }
}

/** A machine without IPv6 fails in another way, and that is no hindrance. */
function isTaken(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EADDRINUSE'
}

/** What a function's own process prints before its port. */
export const PORT_LINE = 'listening on port '
