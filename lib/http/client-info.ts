/** Who sends a request, as far as the platform vouches for it. */
import { randomUUID } from 'node:crypto'
import { isIP } from 'node:net'
import { describeUserAgent } from './user-agent.ts'

export interface ClientInfo {
  requestId: string
  /** As Vercel saw it; null where no platform stands in front. */
  ip: string | null
  /** What a source is counted by: the IPv4 address, or the /64 that an IPv6 subscriber is given. */
  network: string
  /** At most 256 characters. */
  userAgent: string | null
}

const MAX_USER_AGENT_LENGTH = 256

export function clientInfo(request: Request): ClientInfo {
  const ip = clientIp(request)
  return {
    requestId: requestIdOf(request),
    ip,
    network: ip === null ? 'unknown' : networkOf(ip),
    userAgent: request.headers.get('user-agent')?.slice(0, MAX_USER_AGENT_LENGTH) ?? null,
  }
}

/** Vercel overwrites `x-real-ip`; `x-forwarded-for` is not read, because a client can add to it elsewhere. */
function clientIp(request: Request): string | null {
  const ip = request.headers.get('x-real-ip')?.trim() ?? ''
  return isIP(ip) === 0 ? null : ip
}

/** What the engine records of a request with an event or a session. */
export interface RequestContext {
  id: string
  ip: string | null
  /** Browser and system, such as `Firefox on Linux`. */
  client: string
}

export function requestContext({ requestId, ip, userAgent }: ClientInfo): RequestContext {
  return { id: requestId, ip, client: describeUserAgent(userAgent) }
}

function requestIdOf(request: Request): string {
  const id = request.headers.get('x-vercel-id') ?? ''
  return /^[\w:.-]{1,128}$/.test(id) ? id : randomUUID()
}

export function networkOf(ip: string): string {
  if (isIP(ip) === 4) return ip
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(ip)?.[1]
  if (mapped !== undefined) return mapped
  const [head = '', tail] = ip.split('%', 1).join('').split('::')
  const before = head === '' ? [] : head.split(':')
  const after = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? 0 : 8 - before.length - after.length
  const groups = [...before, ...Array<string>(Math.max(0, zeros)).fill('0'), ...after]
  return `${groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`
}

/** An address as its owner may see it again: enough to tell home from abroad, not enough to find a door. */
export function coarseIp(ip: string | null): string | null {
  if (ip === null || isIP(ip) === 0) return null
  const network = networkOf(ip)
  if (isIP(network) === 4) return network.replace(/\d+$/, 'x')
  return `${network.split(':').slice(0, 3).join(':')}::`
}
