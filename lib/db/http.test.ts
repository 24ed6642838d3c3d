/** How the database is called: which connections are used again, and what a call that fails leaves. */
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { afterEach, expect, test, vi } from 'vitest'
import { callDatabase, DATABASE_TIMEOUT_MS } from './http.ts'

const CALL = { headers: { 'Neon-Array-Mode': 'true' }, body: '{"query":"SELECT \'é\'"}' }
const servers: Server[] = []

afterEach(() => {
  vi.useRealTimers()
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    server.close()
  }
})

async function serve(reply: RequestListener): Promise<{ url: string; sockets: Set<Socket> }> {
  const sockets = new Set<Socket>()
  const server = createServer((request, response) => {
    sockets.add(request.socket)
    reply(request, response)
  })
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/sql`, sockets }
}

const respondOne: RequestListener = (request, response) => {
  request.resume().on('end', () => response.end('{"rows":[["ü"]]}'))
}

test('a call is a POST of JSON whose length is that of its bytes, and its answer is read whole', async () => {
  let seen = ''
  const { url } = await serve((request, response) => {
    request.setEncoding('utf8').on('data', (part: string) => (seen += part))
    request.on('end', () => {
      const { method, headers } = request
      seen = `${method} ${headers['content-type']} ${headers['content-length']} ${String(headers['neon-array-mode'])} ${seen}`
      response.writeHead(400).write('{"message":"')
      setImmediate(() => response.end('ü"}'))
    })
  })
  const reply = await callDatabase(url, CALL)
  expect(seen).toBe(`POST application/json 23 true ${CALL.body}`)
  expect([reply.ok, reply.status, reply.json(), reply.text()]).toEqual([
    false,
    400,
    { message: 'ü' },
    '{"message":"ü"}',
  ])
})

test('calls one after another share a connection; one that lay idle for longer than four seconds is not used again', async () => {
  const { url, sockets } = await serve(respondOne)
  await callDatabase(url, CALL)
  await callDatabase(url, CALL)
  expect(sockets.size).toBe(1)
  // As after a freeze: the clock has gone on and no timer has fired.
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 4_001 })
  await callDatabase(url, CALL)
  expect(sockets.size).toBe(2)
  await callDatabase(url, CALL)
  expect(sockets.size).toBe(2)
})

test('calls at the same time have a connection each', async () => {
  const { url, sockets } = await serve(respondOne)
  await Promise.all(Array.from({ length: 5 }, () => callDatabase(url, CALL)))
  expect(sockets.size).toBe(5)
})

test.each([
  ['before the response', ''],
  ['in the middle of it', '{"rows":[['],
])('a connection that is cut %s rejects', async (_, part) => {
  const { url } = await serve((request, response) => {
    request.resume().on('end', () => {
      if (part === '') return response.destroy()
      response.writeHead(200, { 'content-length': 100 }).write(part)
      return setImmediate(() => response.destroy())
    })
  })
  await expect(callDatabase(url, CALL)).rejects.toMatchObject({ code: 'ECONNRESET' })
})

test.each(['no response', 'half an answer'])('%s in time rejects with TimeoutError', async (what) => {
  const { url } = await serve((request, response) => {
    if (what === 'half an answer') request.resume().on('end', () => response.write('{'))
  })
  const timeout = vi.spyOn(AbortSignal, 'timeout')
  timeout.mockImplementationOnce((milliseconds) => {
    expect(milliseconds).toBe(DATABASE_TIMEOUT_MS)
    const controller = new AbortController()
    setTimeout(() => controller.abort(new DOMException('too long', 'TimeoutError')), 50)
    return controller.signal
  })
  await expect(callDatabase(url, CALL)).rejects.toMatchObject({ name: 'TimeoutError' })
  timeout.mockRestore()
})
