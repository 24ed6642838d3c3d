/** Several handler processes, and a client that spreads its calls over them. */
import { randomInt, randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseSetCookie } from 'cookie'
import { startHandler } from '../support/handler.ts'
import { holdAgainstContract } from '../support/contract.ts'
import { APP_ORIGIN } from '../support/setup-environment.ts'

export interface RaceReply {
  status: number
  /** `code` of a problem. */
  code: string | undefined
  // oxlint-disable-next-line typescript/no-explicit-any -- read as a client reads it
  body: any
  /** The session cookie that came with it: undefined when it was left alone, empty when it was cleared. */
  session: string | undefined
}

export interface Call {
  target: string
  method: string
  body?: object
  /** The session cookie's value. */
  session?: string | undefined
  /** The registration cookie's value. */
  registration?: string
  /** Firefox on Linux where there is none. */
  userAgent?: string
  /** Sets out when the others are half way: they wait, or they have been answered. */
  setsOutLater?: true
}

export interface Processes {
  /** Throws for a response of 5xx, with the reason that was logged: none of the calls here may get one. */
  call(call: Call): Promise<RaceReply>
  stop(): Promise<void>
}

const LOG_DELAY_MS = 50
const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0'

export async function startProcesses(
  count: number,
  environment: Record<string, string> = {},
): Promise<Processes> {
  const reasons = new Map<string, string>()
  const onLine = (line: string) => {
    const { requestId, reason } = logEntry(line)
    if (requestId !== undefined && reason !== undefined) reasons.set(requestId, reason)
  }
  const started = await Promise.all(
    Array.from({ length: count }, () => startHandler({ onLine, environment })),
  )
  let next = 0

  return {
    async call({ target, method, body, session, registration, userAgent = FIREFOX }) {
      const requestId = randomUUID()
      const port = started[next++ % count]?.port
      const cookies = [
        ...(session === undefined ? [] : [`__Host-session=${session}`]),
        ...(registration === undefined ? [] : [`__Host-registration=${registration}`]),
      ]
      const response = await fetch(`http://127.0.0.1:${port}/api/auth/${target}`, {
        method,
        headers: {
          'sec-fetch-site': 'same-origin',
          origin: APP_ORIGIN,
          'x-vercel-id': requestId,
          'user-agent': userAgent,
          // Another source each time: what is raced here is not the rate limit.
          'x-real-ip': `10.${randomInt(256)}.${randomInt(256)}.${randomInt(1, 255)}`,
          ...(cookies.length > 0 && { cookie: cookies.join('; ') }),
          ...(body && { 'content-type': 'application/json' }),
        },
        ...(body && { body: JSON.stringify(body) }),
      })
      const text = await response.text()
      const reply = text === '' ? undefined : JSON.parse(text)
      const { status, headers } = response
      holdAgainstContract(method, `/api/auth/${target}`, { status, headers, body: reply })
      if (response.status >= 500) {
        await sleep(LOG_DELAY_MS)
        const reason = reasons.get(requestId) ?? 'nothing logged'
        throw new Error(`${method} ${target}: ${response.status} ${reply?.code}, ${reason}`)
      }
      const set = response.headers.getSetCookie().map((cookie) => parseSetCookie(cookie))
      return {
        status: response.status,
        code: reply?.code,
        body: reply,
        session: set.find(({ name }) => name === '__Host-session')?.value,
      }
    },
    async stop() {
      await Promise.all(started.map((handler) => handler.stop()))
    },
  }
}

function logEntry(line: string): { requestId?: string; reason?: string } {
  try {
    return JSON.parse(line)
  } catch {
    return {}
  }
}
