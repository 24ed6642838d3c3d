/**
 * What a `postgresql://` address means. Everyone who connects asks here, because drivers read more into an address than
 * `URL` does: with `?host=`, `pg` connects elsewhere, and TLS would have been decided for the wrong host.
 */

export interface DatabaseAddress {
  /** Lower case, without the brackets of an IPv6 address. */
  host: string
  port: number
  user: string
  /** Empty if there is none. */
  password: string
  database: string
}

const DEFAULT_PORT = 5432
/** Would contradict what stands before the question mark. Others are ignored. */
const REFUSED_PARAMETERS = ['host', 'hostaddr', 'port', 'user', 'password', 'dbname', 'service']

/** Undefined unless it has user, host and database, and nothing in its query says otherwise. */
export function parseDatabaseUrl(text: string): DatabaseAddress | undefined {
  if (!URL.canParse(text)) return undefined
  const url = new URL(text)
  if (!/^postgres(?:ql)?:$/.test(url.protocol)) return undefined
  if (REFUSED_PARAMETERS.some((name) => url.searchParams.has(name))) return undefined
  try {
    const host = decodeURIComponent(url.hostname)
      .toLowerCase()
      .replace(/^\[(.*)\]$/, '$1')
    const [user, password] = [decodeURIComponent(url.username), decodeURIComponent(url.password)]
    const database = decodeURIComponent(url.pathname.slice(1))
    // A path would be a Unix socket.
    if ([host, user, database].includes('') || host.includes('/')) return undefined
    return { host, port: Number(url.port || DEFAULT_PORT), user, password, database }
  } catch {
    return undefined
  }
}

/** A name or an address of this machine. An IPv6 address may have brackets. */
export function isLoopback(hostname: string): boolean {
  const name = hostname
    .toLowerCase()
    .replace(/\.$/, '')
    .replace(/^\[(.*)\]$/, '$1')
  return (
    name === 'localhost' ||
    name.endsWith('.localhost') ||
    /^127\.\d+\.\d+\.\d+$/.test(name) ||
    name === '0.0.0.0' ||
    name === '::1' ||
    name === '::'
  )
}
