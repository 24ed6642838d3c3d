/**
 * A browser, as the endpoints see one: it keeps cookies by their rules and sends a browser's headers. The endpoints are
 * called with a `Request`, without a server in between.
 */
import { randomInt } from 'node:crypto'
import { parseSetCookie } from 'cookie'
import account from '../../api/auth/account.ts'
import keys from '../../api/auth/keys.ts'
import login from '../../api/auth/login.ts'
import logout from '../../api/auth/logout.ts'
import maintenance from '../../api/auth/maintenance.ts'
import refresh from '../../api/auth/refresh.ts'
import register from '../../api/auth/register.ts'
import reset from '../../api/auth/reset.ts'
import sessions from '../../api/auth/sessions.ts'
import verify from '../../api/auth/verify.ts'
import { holdAgainstContract } from './contract.ts'
import { APP_ORIGIN } from './setup-environment.ts'

export const endpoints = {
  register,
  verify,
  login,
  refresh,
  logout,
  reset,
  sessions,
  account,
  keys,
  maintenance,
}
export type EndpointName = keyof typeof endpoints

export interface Received {
  status: number
  headers: Headers
  setCookies: string[]
  /** The parsed JSON. Undefined where there is no body. */
  // oxlint-disable-next-line typescript/no-explicit-any -- read as a client reads it
  body: any
}

export interface Browser {
  cookies: Map<string, string>
  ip: string
  /** Sends JSON, as a page of the app's own origin does. */
  send(endpoint: Target, method: string, body?: unknown, headers?: Record<string, string>): Promise<Received>
}

/** An endpoint, with a query or without. */
type Target = EndpointName | `${EndpointName}?${string}`

export function newBrowser(): Browser {
  const cookies = new Map<string, string>()
  // Each browser has its own, so that no test consumes another one's limits.
  const ip = `10.${randomInt(256)}.${randomInt(256)}.${randomInt(1, 255)}`
  return {
    cookies,
    ip,
    async send(endpoint, method, body, headers = {}) {
      const reply = await sendRaw(endpoint, {
        method,
        headers: {
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          'sec-fetch-site': 'same-origin',
          origin: APP_ORIGIN,
          'user-agent': 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0',
          'x-real-ip': ip,
          ...(cookies.size > 0 && {
            cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; '),
          }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      for (const text of reply.setCookies) {
        const { name, value, maxAge } = parseSetCookie(text)
        if (maxAge === 0) cookies.delete(name)
        else cookies.set(name, value ?? '')
      }
      return reply
    },
  }
}

type Transport = (request: Request, name: EndpointName) => Promise<Response>

let transport: Transport = (request, name) => endpoints[name].fetch(request)

/** From now on requests go to functions that run elsewhere, not to this process's own. */
export function sendThrough(other: Transport): void {
  transport = other
}

/** Sends exactly this, with nothing added. Throws where the contract has no such response. */
export async function sendRaw(target: Target, init: RequestInit): Promise<Received> {
  const name = target.split('?', 1)[0] as EndpointName
  const response = await transport(new Request(`${APP_ORIGIN}/api/auth/${target}`, init), name)
  const text = await response.text()
  const reply = {
    status: response.status,
    headers: response.headers,
    setCookies: response.headers.getSetCookie(),
    body: text === '' ? undefined : JSON.parse(text),
  }
  holdAgainstContract(init.method ?? 'GET', `/api/auth/${name}`, reply)
  return reply
}
