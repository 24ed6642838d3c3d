/** The functions, with modules of their own that read the environment as it is at this moment. */
import { randomInt } from 'node:crypto'
import { parseSetCookie } from 'cookie'
import { vi } from 'vitest'
import type { EndpointName } from './browser.ts'
import { holdAgainstContract } from './contract.ts'

export type Cookies = Map<string, string>

/** Calls them as a browser does, with cookies that the responses change. Each call comes from a new address. */
export async function functionsOfNow(origin: string) {
  vi.resetModules()
  const functions = {
    register: await import('../../api/auth/register.ts'),
    verify: await import('../../api/auth/verify.ts'),
    login: await import('../../api/auth/login.ts'),
    refresh: await import('../../api/auth/refresh.ts'),
    reset: await import('../../api/auth/reset.ts'),
    account: await import('../../api/auth/account.ts'),
    keys: await import('../../api/auth/keys.ts'),
    maintenance: await import('../../api/auth/maintenance.ts'),
  } satisfies Partial<Record<EndpointName, unknown>>

  return async (
    cookies: Cookies,
    name: keyof typeof functions,
    method: string,
    sent?: object,
    more: Record<string, string> = {},
  ) => {
    const ip = `10.${randomInt(256)}.${randomInt(256)}.${randomInt(1, 255)}`
    const headers = new Headers({ 'x-real-ip': ip, ...more })
    if (cookies.size > 0) headers.set('cookie', Array.from(cookies, (pair) => pair.join('=')).join('; '))
    if (sent !== undefined) headers.set('content-type', 'application/json')
    const request = new Request(`${origin}/api/auth/${name}`, {
      method,
      headers,
      ...(sent !== undefined && { body: JSON.stringify(sent) }),
    })
    const response = await functions[name].default.fetch(request)
    for (const text of response.headers.getSetCookie()) {
      const { name: cookie, value = '', maxAge } = parseSetCookie(text)
      if (maxAge === 0) cookies.delete(cookie)
      else cookies.set(cookie, value)
    }
    // oxlint-disable-next-line typescript/no-explicit-any -- read as a client reads it
    const body: any = await response.json()
    const { status, headers: received } = response
    holdAgainstContract(method, `/api/auth/${name}`, { status, headers: received, body })
    return { status, body }
  }
}
