/** The functions as a deployment of some stage runs them. Neon and Resend are led to the stand-ins where their real addresses would be. */
import { createServer, request as send } from 'node:http'
import { neonConfig } from '@neondatabase/serverless'
import { parseSetCookie } from 'cookie'
import { afterAll, vi } from 'vitest'
import { listen } from '../dev/port.ts'
import type { EndpointName } from './browser.ts'
import { databaseUrl, gateway, inbox } from './setup-stack.ts'

/** Hosts that only a deployment would have: a preview refuses loopback addresses and stand-ins. */
const DEPLOYED_DATABASE_URL = `postgresql://app:pw@ep-one-1-pooler.eu-central-1.aws.neon.tech/neondb`

/** What a deployment has that the tests' own environment has not. An empty value takes a variable away. */
export const deploymentVariables = {
  DATABASE_URL: DEPLOYED_DATABASE_URL,
  NEON_FETCH_ENDPOINT: '',
  RESEND_BASE_URL: '',
  RESEND_API_KEY: 're_123456789',
  MAIL_ALLOW: '',
}

const realFetch = globalThis.fetch
let target = databaseUrl

/** Where Neon's address is led to: the gateway takes loopback databases alone, so the address that is asked for is another one here. */
const relay = createServer((request, response) => {
  const headers = { ...request.headers, 'neon-connection-string': target }
  const onwards = send(gateway.url, { method: 'POST', headers }, (answer) => {
    response.writeHead(answer.statusCode ?? 500, answer.headers)
    answer.pipe(response)
  })
  onwards.on('error', () => response.destroy())
  request.pipe(onwards)
})
const relayPort = await listen(relay, 0)
const endpointOfNeon = neonConfig.fetchEndpoint

afterAll(() => {
  neonConfig.fetchEndpoint = endpointOfNeon
  relay.close()
  relay.closeAllConnections()
})

/** Resend's is put back by `vi.unstubAllGlobals`. */
export function leadToStandIns(to = databaseUrl): void {
  target = to
  neonConfig.fetchEndpoint = () => `http://127.0.0.1:${relayPort}/sql`
  vi.stubGlobal('fetch', (input: string | URL | Request, init?: RequestInit) => {
    const url = new URL(input instanceof Request ? input.url : input)
    return url.hostname === 'api.resend.com'
      ? realFetch(inbox.url + url.pathname, init)
      : realFetch(input, init)
  })
}

export type Cookies = Map<string, string>

/** Modules of its own, with this environment; the database is everyone's. */
export async function deploymentOf(environment: Record<string, string | undefined>) {
  for (const [name, value] of Object.entries({ ...deploymentVariables, ...environment }))
    vi.stubEnv(name, value)
  vi.resetModules()
  const functions = {
    register: await import('../api/auth/register.ts'),
    verify: await import('../api/auth/verify.ts'),
    login: await import('../api/auth/login.ts'),
    refresh: await import('../api/auth/refresh.ts'),
    reset: await import('../api/auth/reset.ts'),
    account: await import('../api/auth/account.ts'),
    keys: await import('../api/auth/keys.ts'),
    maintenance: await import('../api/auth/maintenance.ts'),
  } satisfies Partial<Record<EndpointName, unknown>>
  const origin = environment['APP_URL'] ?? ''

  return async (
    cookies: Cookies,
    name: keyof typeof functions,
    method: string,
    body?: object,
    more: Record<string, string> = {},
    // oxlint-disable-next-line typescript/no-explicit-any -- whatever the answer is
  ): Promise<{ status: number; body: any }> => {
    const headers = new Headers({ 'x-real-ip': '203.0.113.5', ...more })
    if (cookies.size > 0) headers.set('cookie', Array.from(cookies, (pair) => pair.join('=')).join('; '))
    if (body !== undefined) headers.set('content-type', 'application/json')
    const answer = await functions[name].default.fetch(
      new Request(`${origin}/api/auth/${name}`, {
        method,
        headers,
        ...(body !== undefined && { body: JSON.stringify(body) }),
      }),
    )
    for (const line of answer.headers.getSetCookie()) {
      const { name: cookie, value = '', maxAge } = parseSetCookie(line)
      if (maxAge === 0) cookies.delete(cookie)
      else cookies.set(cookie, value)
    }
    const text = await answer.text()
    return { status: answer.status, body: text === '' ? undefined : JSON.parse(text) }
  }
}
