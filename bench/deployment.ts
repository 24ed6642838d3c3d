/** The endpoints in this process, with the environment that it has by now: for what is measured behind them. */
import type { Received, BenchRequest } from './load.ts'
import { APP_ORIGIN } from './stack.ts'

type WebFunction = { fetch: (request: Request) => Promise<Response> }

export interface Deployment {
  send(request: BenchRequest): Promise<Received>
  /** Resolves when what was to be done after the answers is done. */
  settled(): Promise<void>
}

export async function deployHere(): Promise<Deployment> {
  const afterResponses = new Set<Promise<unknown>>()
  const waitUntil = (work: Promise<unknown>) => {
    const settled = work.catch(() => undefined).finally(() => afterResponses.delete(settled))
    afterResponses.add(settled)
  }
  Reflect.set(globalThis, Symbol.for('@vercel/request-context'), { get: () => ({ waitUntil }) })
  // A line for each request is of no use here.
  console.info = () => undefined
  console.warn = () => undefined
  const endpoints = new Map<string, WebFunction>([
    ['account', (await import('../api/auth/account.ts')).default],
    ['keys', (await import('../api/auth/keys.ts')).default],
    ['login', (await import('../api/auth/login.ts')).default],
    ['logout', (await import('../api/auth/logout.ts')).default],
    ['maintenance', (await import('../api/auth/maintenance.ts')).default],
    ['refresh', (await import('../api/auth/refresh.ts')).default],
    ['register', (await import('../api/auth/register.ts')).default],
    ['reset', (await import('../api/auth/reset.ts')).default],
    ['sessions', (await import('../api/auth/sessions.ts')).default],
    ['verify', (await import('../api/auth/verify.ts')).default],
  ])
  return {
    async send({ method, path, headers, body }) {
      const url = new URL(path, APP_ORIGIN)
      const endpoint = endpoints.get(url.pathname.replace('/api/auth/', ''))
      if (endpoint === undefined) throw new Error(`there is no endpoint ${url.pathname}`)
      const response = await endpoint.fetch(
        new Request(url, { method, headers, ...(body !== undefined && { body }) }),
      )
      return {
        status: response.status,
        setCookies: response.headers.getSetCookie(),
        retryAfterSeconds: undefined,
        body: await response.text(),
      }
    },
    async settled() {
      while (afterResponses.size > 0) await Promise.all(afterResponses)
    },
  }
}
