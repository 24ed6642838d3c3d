/** Removes what is no longer needed. Each table has its own statement, so a large one doesn't hold up the others. */
import { call } from '../db/call.ts'
import { maintainEventPartitions, removeExpired } from '../db/engine.ts'
import type { MaintenanceReport } from '../http/schemas/responses.ts'
import { log } from '../log.ts'

/** With the emails before it well within the 300 s that a function has: what is left goes the next time. */
const REMOVAL_TIME_MS = 60_000

/** What `remove_expired` takes for each, in this order. */
export const REMOVABLE = {
  registrations: 'registrations',
  sessions: 'sessions',
  oneTimeTokens: 'one-time-tokens',
  emails: 'emails',
  rateLimits: 'rate-limits',
  loginAttempts: 'login-attempts',
  /** IP addresses taken out of events. */
  eventIps: 'event-ips',
} as const satisfies Record<Removable, string>

type RemovedCounts = MaintenanceReport['removed']
export type Removable = keyof RemovedCounts

const removables: readonly [Removable, string][] = Object.entries(REMOVABLE).map(([name, what]) => [
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- keys of the object above
  name as Removable,
  what,
])

export interface Removal {
  removed: RemovedCounts
  /** Of what there was more than there was time for, or what could not be removed. */
  left: Removable[]
  /** Partitions of the audit log. */
  partitions: { created: string[]; dropped: string[] }
}

/** Batch by batch, each table in turn, until nothing is left or the time is up. */
export async function removeAllExpired(): Promise<Removal> {
  const removed: RemovedCounts = {
    registrations: 0,
    sessions: 0,
    oneTimeTokens: 0,
    emails: 0,
    rateLimits: 0,
    loginAttempts: 0,
    eventIps: 0,
  }
  const deadline = Date.now() + REMOVAL_TIME_MS
  const failed: Removable[] = []
  let left = removables
  do {
    const full: [Removable, string][] = []
    for (const [name, what] of left) {
      const result = await attempt(name, () => call(removeExpired, { what }))
      if (result === undefined) failed.push(name)
      else removed[name] += result.removed
      if (result?.more === true) full.push([name, what])
    }
    left = full
  } while (left.length > 0 && Date.now() < deadline)
  const partitions = await attempt('events', () => call(maintainEventPartitions, {}))
  const { created = [], dropped = [] } = partitions ?? {}
  return { removed, left: [...failed, ...left.map(([name]) => name)], partitions: { created, dropped } }
}

/** One table doesn't hold up the others. */
async function attempt<Result>(name: string, work: () => Promise<Result>): Promise<Result | undefined> {
  try {
    return await work()
  } catch (error) {
    log('error', 'not-removed', { reason: `${name}: ${error instanceof Error ? error.message : 'unknown'}` })
    return undefined
  }
}
