/** What becomes of a server that can't be used over TCP: in the log's words, and whether the call is made again. */
import { once } from 'node:events'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { createSecureContext, TLSSocket } from 'node:tls'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type * as DatabaseUrl from '../../lib/database-url.ts'
import type { ConnectionError } from '../../lib/db/errors.ts'
import { localhostCertificate } from '../support/certificate.ts'

const SSL_REQUEST_BYTES = 8
const servers: Server[] = []
let connections = 0

beforeEach(() => {
  connections = 0
  vi.resetModules()
})
afterEach(() => {
  vi.unstubAllEnvs()
  vi.doUnmock('../../lib/database-url.ts')
  vi.restoreAllMocks()
  for (const server of servers.splice(0)) server.close()
})

async function serve(response: (socket: Socket) => void): Promise<number> {
  const server = createServer((socket) => {
    connections += 1
    socket.on('error', () => undefined)
    response(socket)
  })
  servers.push(server.listen(0, '127.0.0.1'))
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

/** The engine called over TCP at that port. `elsewhere`: as if localhost weren't this machine, so TLS is required. */
async function failure(port: number, { elsewhere = false, ca = '' } = {}): Promise<ConnectionError> {
  vi.stubEnv('DATABASE_URL', `postgres://u:pw@localhost:${port}/db`)
  vi.stubEnv('NEON_FETCH_ENDPOINT', '')
  vi.stubEnv('DATABASE_CA', ca)
  if (elsewhere) {
    vi.doMock('../../lib/database-url.ts', async (original) => {
      const real = await original<typeof DatabaseUrl>()
      return { ...real, isLoopback: (name: string) => name !== 'localhost' && real.isLoopback(name) }
    })
  }
  const { queryOverTcp } = await import('../../lib/db/tcp.ts')
  return queryOverTcp('SELECT 1', []).then(
    () => Promise.reject(new Error('it was answered')),
    (error: unknown) => error as ConnectionError,
  )
}

/** Answers `S` to the request for TLS, and goes on with that certificate. */
function withCertificate({ key, cert }: { key: string; cert: string }): (socket: Socket) => void {
  return (socket) => {
    socket.once('data', (request) => {
      if (request.byteLength !== SSL_REQUEST_BYTES) return socket.destroy()
      socket.write('S')
      const secure = new TLSSocket(socket, {
        isServer: true,
        secureContext: createSecureContext({ key, cert }),
      })
      secure.on('error', () => undefined)
      // Reached only with a certificate that was trusted.
      secure.once('data', () => secure.destroy())
      return undefined
    })
  }
}

test('a server that hangs up is a lost call', async () => {
  const port = await serve((socket) => void socket.once('data', () => socket.destroy()))
  const { message, isLost } = await failure(port)
  expect([message, isLost]).toEqual(['ECONNRESET', true])
})

test('nobody there is a lost call', async () => {
  const port = await serve(() => undefined)
  servers.splice(0).forEach((server) => server.close())
  const { message, isLost } = await failure(port)
  expect([message, isLost]).toEqual(['ECONNREFUSED', true])
})

test('a FATAL of any SQLSTATE is reported as one', async () => {
  const fields = 'SFATAL\0VFATAL\0CXX000\0MTenant or user not found\0\0'
  const length = Buffer.alloc(4)
  length.writeUInt32BE(fields.length + 4)
  const port = await serve((socket) =>
    socket.once('data', () => socket.end(Buffer.concat([Buffer.from('E'), length, Buffer.from(fields)]))),
  )
  expect(await failure(port)).toMatchObject({ sqlState: 'XX000', isFatal: true })
})

test('a server without TLS is refused, and says what to do', async () => {
  const port = await serve((socket) => void socket.once('data', () => socket.write('N')))
  const { message, isLost } = await failure(port, { elsewhere: true })
  expect([message, isLost]).toEqual([expect.stringMatching(/^refused: .*TLS/), false])
})

test('[ASVS 12.3.2] a certificate that nobody trusts is refused, once, and DATABASE_CA makes it good', async () => {
  const certificate = localhostCertificate()
  const port = await serve(withCertificate(certificate))
  const refused = await failure(port, { elsewhere: true })
  expect([refused.message, refused.isLost, connections]).toEqual([
    expect.stringMatching(/^DEPTH_ZERO_SELF_SIGNED_CERT: .*DATABASE_CA/),
    false,
    1,
  ])
  vi.resetModules()
  expect((await failure(port, { elsewhere: true, ca: certificate.cert })).message).toBe('ECONNRESET')
})

test('[ASVS 12.3.2] a certificate for another name is refused', async () => {
  const certificate = localhostCertificate('db.example.com')
  const port = await serve(withCertificate(certificate))
  const { message, isLost } = await failure(port, { elsewhere: true, ca: certificate.cert })
  expect([message, isLost]).toEqual([expect.stringMatching(/^ERR_TLS_CERT_ALTNAME_INVALID: /), false])
})
