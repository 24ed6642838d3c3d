/** Removes at once what maintenance removes day by day. */
import { REMOVABLE } from '../../lib/auth/maintenance.ts'
import { lifetimeSeconds } from '../../lib/limits.ts'
import type { Call, Command, Outcome } from './call.ts'
import { afterPart } from './database.ts'
import { list } from './output.ts'

const DAY = 24 * 60 * 60
const KEEP_IP_DAYS = lifetimeSeconds.keepEventIp / DAY
const KEEP_EVENTS_DAYS = lifetimeSeconds.keepEvents / DAY

async function purge(call: Call): Promise<Outcome> {
  const database = await call.database()
  const response = await call.confirm(
    `Remove everything that maintenance removes?
  - expired registrations, sessions, one-time tokens, rate limits, failed logins
  - old emails
  - IP addresses in events older than ${KEEP_IP_DAYS} days
  - months of events older than ${KEEP_EVENTS_DAYS} days
This can't be undone.`,
  )
  if (response.kind !== 'confirmed') return response
  const removed: Record<string, number> = {}
  const withRemoved = (error: unknown) => afterPart(`Before that:\n${removedText(removed)}`)(error)
  for (const [name, what] of Object.entries(REMOVABLE)) {
    removed[name] = 0
    for (let more = true; more;) {
      const batch = await database.call('remove_expired', { what }).catch(withRemoved)
      removed[name] += batch.removed
      ;({ more } = batch)
    }
  }
  const partitions = await database.call('maintain_event_partitions', {}).catch(withRemoved)
  removed['events'] = partitions.removed
  const { dropped } = partitions
  const months = dropped.length === 0 ? '' : `\nDropped ${dropped.join(', ')}.`
  return {
    kind: 'done',
    data: { removed, droppedPartitions: dropped },
    text: `${removedText(removed)}${months}`,
  }
}

function removedText(removed: Readonly<Record<string, number>>): string {
  const names = Object.entries(removed)
  if (names.length === 0) return 'Nothing was removed.'
  return `Removed:\n${list(names.map(([name, count]) => [NAMES[name] ?? name, count]))}`
}

const NAMES: Readonly<Record<string, string>> = {
  oneTimeTokens: 'one-time tokens',
  rateLimits: 'rate limits',
  loginAttempts: 'failed logins',
  eventIps: 'IP addresses in events',
}

export const purgeCommands: Command[] = [
  {
    name: 'purge',
    summary: 'Remove expired data and old events now.',
    changes: true,
    run: purge,
  },
]
