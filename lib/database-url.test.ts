import { Client } from 'pg'
import { expect, test } from 'vitest'
import { isLoopback, parseDatabaseUrl } from './database-url.ts'
import { connectionTo } from './db/tls.ts'

test('the parts are decoded, the host in lower case', () => {
  expect(parseDatabaseUrl('postgres://a%40b:p%40w@DB.Example.com:6432/my%20app?sslmode=disable')).toEqual({
    host: 'db.example.com',
    port: 6432,
    user: 'a@b',
    password: 'p@w',
    database: 'my app',
  })
})

// Whatever an address says, pg must connect where TLS was decided for.
test.each([
  'postgres://u:pw@localhost/db',
  'postgres://u:pw@LOCALHOST/db',
  'postgres://u:pw@%6Cocalhost/db',
  'postgres://u:pw@127.0.0.1/db?ssl=true&sslmode=no-verify',
  'postgres://u:pw@[::1]:5433/db',
  'postgres://u:pw@db.example.com/db?sslmode=disable',
  'postgres://u:pw@db.example.com/db?uselibpqcompat=true&sslmode=prefer&application_name=x',
  'postgres://u:pw@127.0.0.1.example.com/db',
  'postgres://u:pw@localhost.example.com/db',
])('%s: in plain text only on this machine', (url) => {
  const { host, ssl } = new Client(connectionTo(url))
  expect(ssl).toEqual(isLoopback(host) ? false : { rejectUnauthorized: true })
  expect(isLoopback(host)).toBe(/^(?:localhost|127\.0\.0\.1|::1)$/.test(host))
})

test.each([
  'postgres://u:pw@localhost/db?host=elsewhere.example.com',
  'postgres://u:pw@localhost/db?hostaddr=203.0.113.7',
  'postgres://u:pw@elsewhere.example.com/db?host=localhost',
  'postgres://u:pw@localhost/db?port=1',
  'postgres://u:pw@localhost/db?user=root',
  'postgres://u:pw@%2Ftmp/db',
  'postgres:///db?host=/tmp',
  '/tmp db',
  'mysql://u:pw@localhost/db',
])('%s is refused, and the message has nothing of it', (url) => {
  expect(parseDatabaseUrl(url)).toBeUndefined()
  expect(() => connectionTo(url)).toThrow(/^The database address is not one that can be used\.$/)
})
