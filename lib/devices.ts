/** The signed-in devices of an account: its live sessions, as their owner sees them. */
import { sql } from 'drizzle-orm'
import type { Client } from './client.ts'
import { run, runRepeatable } from './database.ts'
import { recordWho } from './request-record.ts'
import { endSessions, sessionOf, type Credential } from './sessions.ts'

export interface Device {
  id: string
  createdAt: Date
  lastUsedAt: Date
  endsAt: Date
  userAgent: string | null
  ip: string | null
}

export interface Devices {
  /** The session that asks. */
  currentId: string
  /** The one used last comes first. */
  devices: Device[]
}

interface DeviceRow {
  current_id: string
  id: string
  created_at: string
  last_used_at: string
  ends_at: string
  user_agent: string | null
  ip: string | null
}

/** Undefined when the credential stands for no live session. */
export async function listDevices(credential: Credential): Promise<Devices | undefined> {
  const rows = await runRepeatable<DeviceRow>(sql`
    WITH me AS (${sessionOf(credential)})
    SELECT me.id AS current_id, d.id, d.created_at, d.last_used_at, d.ends_at, d.user_agent, d.ip
    FROM me JOIN sessions d ON d.user_id = me.user_id
    WHERE d.revoked_at IS NULL AND d.expires_at > now()
    ORDER BY d.last_used_at DESC, d.id`)
  const [first] = rows
  if (first === undefined) return undefined
  const devices = rows.map((row) => ({
    id: row.id,
    createdAt: new Date(row.created_at),
    lastUsedAt: new Date(row.last_used_at),
    endsAt: new Date(row.ends_at),
    userAgent: row.user_agent,
    ip: row.ip,
  }))
  return { currentId: first.current_id, devices }
}

/** One by its id, or all but the one that asks. */
export type DeviceChoice = { id: string } | 'others'

export type Ending =
  | { kind: 'ended'; current: boolean }
  /** The credential stands for no live session. */
  | { kind: 'signed-out' }
  | { kind: 'reauthentication-required' }
  /** No live session of this account has that id, whoever else's may. */
  | { kind: 'not-found' }

export async function endDevices(
  credential: Credential,
  choice: DeviceChoice,
  client: Client,
): Promise<Ending> {
  const chosen = choice === 'others' ? sql`id <> (SELECT id FROM me)` : sql`id = ${choice.id}::uuid`
  const [row] = await run<{
    id: string
    user_id: string
    authenticated_recently: boolean
    ended: string[]
  }>(sql`
    WITH me AS (${sessionOf(credential)}),
    ${endSessions(
      sql`user_id = (SELECT user_id FROM me WHERE authenticated_recently) AND ${chosen}`,
      'ended-by-owner',
      client,
    )}
    SELECT id, user_id, authenticated_recently, ARRAY(SELECT id FROM ended) AS ended FROM me`)
  if (row === undefined) return { kind: 'signed-out' }
  recordWho(row.user_id, row.id)
  if (!row.authenticated_recently) return { kind: 'reauthentication-required' }
  if (choice !== 'others' && row.ended.length === 0) return { kind: 'not-found' }
  return { kind: 'ended', current: row.ended.includes(row.id) }
}
