/** The local stand-in for Resend: takes the email its SDK sends, and shows it to a person and to tests. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { createEmulator } from 'emulate'
import * as z from 'zod/mini'
import { listen, LOOPBACK } from './port.ts'

export interface Inbox {
  /** For the SDK's `RESEND_BASE_URL`. */
  url: string
  /** The page a person opens. */
  inboxUrl: string
  /** For the SDK's `RESEND_API_KEY`; any other would do. */
  apiKey: string
  /** All email taken so far, newest last. */
  messages(): Promise<Email[]>
  /** Forgets all email, and every idempotency key with it. */
  clear(): void
  /** Asked for each call of the API, in tests, whether something goes wrong with it. */
  fault: ((request: { method: string; path: string }) => InboxFault | undefined) | undefined
  close(): Promise<void>
}

export interface Email {
  id: string
  to: string[]
  subject: string
  text: string | null
  html: string | null
  createdAt: Date
}

export type InboxFault =
  /** The connection is cut and nothing is taken. */
  | { kind: 'refuse' }
  /** The email is taken, then the connection is cut. */
  | { kind: 'lose-answer' }
  /** The email is taken at once and that is said later. */
  | { kind: 'delay'; milliseconds: number }
  /** Nothing is taken; the answer is Resend's error of that status. */
  | { kind: 'status'; code: number }
  /** Nothing is taken and no response comes. */
  | { kind: 'hang' }

const API_KEY = 're_local'

const EmailList = z.object({
  data: z.array(
    z.object({
      id: z.string(),
      to: z.array(z.string()),
      subject: z.string(),
      text: z.nullable(z.string()),
      html: z.nullable(z.string()),
      created_at: z.string(),
    }),
  ),
})

const ERROR_NAMES: Record<number, string> = {
  401: 'missing_api_key',
  403: 'invalid_api_key',
  422: 'validation_error',
  429: 'rate_limit_exceeded',
}

interface Reply {
  status: number
  contentType: string
  body: Uint8Array | string
}

export async function startInbox({ port }: { port: number }): Promise<Inbox> {
  const emulator = await createEmulator({ service: 'resend', port: 0 })
  const innerUrl = `http://${LOOPBACK}:${new URL(emulator.url).port}`
  let calls = 0

  async function forward(request: IncomingMessage, body: Uint8Array): Promise<Reply> {
    const headers = new Headers()
    for (const name of ['content-type', 'idempotency-key']) {
      const value = request.headers[name]
      if (typeof value === 'string') headers.set(name, value)
    }
    // The emulator turns a key away after 5,000 calls in an hour; a test run makes more.
    headers.set('authorization', `Bearer ${API_KEY}_${calls++}`)
    const response = await fetch(innerUrl + request.url, {
      method: request.method ?? 'GET',
      headers,
      ...(body.length > 0 ? { body: new Uint8Array(body) } : {}),
    })
    return {
      status: response.status,
      contentType: response.headers.get('content-type') ?? 'application/octet-stream',
      body: new Uint8Array(await response.arrayBuffer()),
    }
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await buffer(request)
    const fault = inbox.fault?.({ method: request.method ?? '', path: request.url ?? '' })
    const reply = await withFault(fault, () => forward(request, body))
    if (reply === 'never') return
    if (reply === 'cut') {
      response.destroy()
      return
    }
    response.writeHead(reply.status, { 'content-type': reply.contentType }).end(reply.body)
  }

  const server = createServer((request, response) => {
    serve(request, response).catch(() => response.destroy())
  })
  const actualPort = await listen(server, port).catch(async (error: unknown) => {
    await emulator.close()
    throw error
  })

  const url = `http://${LOOPBACK}:${actualPort}`
  const inbox: Inbox = {
    url,
    inboxUrl: `${url}/inbox`,
    apiKey: API_KEY,
    fault: undefined,
    async messages() {
      const response = await fetch(`${innerUrl}/emails`, { headers: { authorization: `Bearer ${calls++}` } })
      const { data } = EmailList.parse(await response.json())
      return data.map(({ created_at: createdAt, ...email }) => ({ ...email, createdAt: new Date(createdAt) }))
    },
    clear: () => emulator.reset(),
    async close() {
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await closed
      await emulator.close()
    },
  }
  return inbox
}

/** `cut` closes the connection without an answer, `never` leaves it open without one. */
async function withFault(
  fault: InboxFault | undefined,
  run: () => Promise<Reply>,
): Promise<Reply | 'cut' | 'never'> {
  if (fault === undefined) return run()
  switch (fault.kind) {
    case 'refuse':
      return 'cut'
    case 'lose-answer':
      await run()
      return 'cut'
    case 'delay': {
      const reply = await run()
      await sleep(fault.milliseconds, undefined, { ref: false })
      return reply
    }
    case 'status':
      return resendError(fault.code)
    case 'hang':
      break
  }
  return 'never'
}

function resendError(statusCode: number): Reply {
  const name = ERROR_NAMES[statusCode] ?? 'application_error'
  const body = JSON.stringify({ statusCode, name, message: 'A fault the test asked for.' })
  return { status: statusCode, contentType: 'application/json', body }
}
