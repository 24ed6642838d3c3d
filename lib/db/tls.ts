/** How a Postgres is reached by TCP: the server's certificate is always verified, but on this machine, where there is none. */

/** What of an address decides about TLS at `pg`, which takes `sslmode=no-verify` and even no word of it at all. */
const TLS_PARAMETERS = ['ssl', 'sslmode', 'sslrootcert', 'uselibpqcompat']
const LOOPBACK_NAMES = new Set(['localhost', '127.0.0.1', '[::1]'])

export interface TcpConnection {
  connectionString: string
  ssl: false | { rejectUnauthorized: true; ca?: string }
}

/** `ca` is a certificate authority (PEM) to trust in place of the public ones, such as a managed database's own. */
export function connectionTo(databaseUrl: string, ca?: string): TcpConnection {
  const url = new URL(databaseUrl)
  for (const name of TLS_PARAMETERS) url.searchParams.delete(name)
  const isLoopback = LOOPBACK_NAMES.has(url.hostname)
  return {
    connectionString: url.href,
    ssl: isLoopback ? false : { rejectUnauthorized: true, ...(ca !== undefined && { ca }) },
  }
}
