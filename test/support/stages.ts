/** The functions as a deployment of some stage runs them. Neon and Resend are led to the stand-ins where their real addresses would be. */
import { createServer, request as send } from 'node:http'
import { neonConfig } from '@neondatabase/serverless'
import { afterAll, vi } from 'vitest'
import { listen } from '../../dev/port.ts'
import { functionsOfNow } from './own-functions.ts'
import { databaseUrl, gateway, inbox } from './setup-stack.ts'

/** Hosts that only a deployment would have: a preview refuses loopback addresses and stand-ins. */
const DEPLOYED_DATABASE_URL = `postgresql://app:pw@ep-one-1-pooler.eu-central-1.aws.neon.tech/neondb`

/** What a deployment has that the tests' own environment has not. An empty value takes a variable away. */
export const deploymentVariables = {
  DATABASE_URL: DEPLOYED_DATABASE_URL,
  NEON_FETCH_ENDPOINT: '',
  RESEND_BASE_URL: '',
  RESEND_API_KEY: 're_123456789',
  EMAIL_ALLOW: '',
}

const realFetch = globalThis.fetch
let target = databaseUrl

/** Where Neon's address is led to: the gateway takes loopback databases alone, so the address that is asked for is another one here. */
const relay = createServer((request, response) => {
  const headers = { ...request.headers, 'neon-connection-string': target }
  const onwards = send(gateway.url, { method: 'POST', headers }, (reply) => {
    response.writeHead(reply.statusCode ?? 500, reply.headers)
    reply.pipe(response)
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

/** Modules of its own, with this environment; the database is everyone's. */
export async function deploymentOf(environment: Record<string, string | undefined>) {
  for (const [name, value] of Object.entries({ ...deploymentVariables, ...environment }))
    vi.stubEnv(name, value)
  return functionsOfNow(environment['APP_URL'] ?? '')
}
