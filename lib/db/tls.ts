/** How a Postgres is reached over TCP: with a verified certificate, except on this machine, where there is none. */
import { isLoopback, parseDatabaseUrl } from '../database-url.ts'

export interface TcpConnection {
  host: string
  port: number
  user: string
  password: string
  database: string
  ssl: false | { rejectUnauthorized: true; ca?: string }
}

/**
 * For `pg`, which gets the parts and never the address: what decides about TLS is what it connects to. `ca` (PEM) is
 * trusted instead of the public authorities. Throws for an address that can't be used, without showing it.
 */
export function connectionTo(databaseUrl: string, ca?: string): TcpConnection {
  const address = parseDatabaseUrl(databaseUrl)
  if (address === undefined) throw new Error('The database address is not one that can be used.')
  return {
    ...address,
    ssl: isLoopback(address.host) ? false : { rejectUnauthorized: true, ...(ca !== undefined && { ca }) },
  }
}
