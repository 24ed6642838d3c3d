/** What the database holds after a step, held against the model's world. */
import { query } from '../support/database.ts'
import { isNear } from './explain.ts'
import { isLive, MOST_SESSIONS, sessionOf, type World } from './world.ts'

interface SessionRow {
  id: string
  key: string
  email: string
  method: string
  persistent: boolean
  counter: number
  confirmed: boolean
  recovered_counter: number | null
  recovered_in_a_row: number
  last_client: string | null
  revocation_reason: string | null
  live: boolean
  seconds_since_rotation: number
  seconds_since_authentication: number
  seconds_to_idle_expiry: number
  seconds_to_absolute_expiry: number
}

/** All that the database holds of a sequence. */
export interface Rows {
  sessions: SessionRow[]
  accounts: string[]
  events: string[]
  emails: string[]
  unsent: number
}

/** Reads the rows; and empties the buckets, whose limits other tests are about. */
export async function readRows(): Promise<Rows> {
  const [row] = await query(
    `
    WITH limits AS (DELETE FROM rate_limits), attempts AS (DELETE FROM login_attempts)
    SELECT
      (SELECT coalesce(json_agg(s ORDER BY s.created_at, s.id), '[]') FROM (
        SELECT s.id, encode(family_hash, 'hex') AS key, email, method, persistent, counter, confirmed,
          recovered_counter, recovered_in_a_row, last_client, revocation_reason, s.created_at,
          revoked_at IS NULL AND idle_expires_at > now() AS live,
          extract(epoch FROM now() - rotated_at) AS seconds_since_rotation,
          extract(epoch FROM now() - authenticated_at) AS seconds_since_authentication,
          extract(epoch FROM idle_expires_at - now()) AS seconds_to_idle_expiry,
          extract(epoch FROM absolute_expires_at - now()) AS seconds_to_absolute_expiry
        FROM sessions s JOIN users ON users.id = user_id) s) AS sessions,
      (SELECT coalesce(json_agg(email), '[]') FROM users) AS accounts,
      (SELECT coalesce(json_agg(concat_ws(' ', kind, session_id, detail->>'reason', detail->>'counter')), '[]')
        FROM events WHERE kind = ANY ($1)) AS events,
      (SELECT coalesce(json_agg(kind || ' ' || recipient), '[]') FROM outbox JOIN users ON email = recipient
        WHERE kind = ANY ($2)) AS emails,
      (SELECT count(*)::int FROM outbox WHERE sent_at IS NULL) AS unsent`,
    ['session-created', 'session-revoked', 'session-recovered', 'refresh-refused', 'refresh-token-reused'],
    ['refresh-token-reused', 'password-changed', 'password-reset'],
  )
  return row
}

/** How the rows differ from the world, and what no world would excuse; empty when all is well. */
export function rowIssues(world: World, rows: Rows): string[] {
  const issues: string[] = []
  const compareLists = (what: string, wanted: readonly string[], got: readonly string[]) => {
    const missing = without(wanted, got)
    const extra = without(got, wanted)
    if (missing.length > 0) issues.push(`${what} missing: ${missing.join(', ')}`)
    if (extra.length > 0) issues.push(`${what} too many: ${extra.join(', ')}`)
  }
  const existing = world.accounts.filter(({ exists }) => exists)
  compareLists(
    'accounts',
    existing.map(({ email }) => email),
    rows.accounts,
  )
  compareLists(
    'sessions',
    world.sessions.map(({ key }) => key),
    rows.sessions.map(({ key }) => key),
  )
  compareLists('events', world.events, rows.events)
  compareLists('emails', world.emails, rows.emails)
  if (rows.unsent > 0) issues.push(`${rows.unsent} emails not sent`)
  for (const row of rows.sessions) issues.push(...sessionIssues(world, row))
  for (const email of rows.accounts) {
    const live = rows.sessions.filter((row) => row.live && row.email === email).length
    if (live > MOST_SESSIONS) issues.push(`${live} live sessions of one account`)
  }
  return issues
}

function sessionIssues(world: World, row: SessionRow): string[] {
  const session = sessionOf(world, row.key)
  if (session === undefined) return []
  const name = `session ${row.key.slice(0, 6)}`
  const issues: string[] = []
  const values: [string, unknown, unknown][] = [
    ['id', session.id, row.id],
    ['owner', session.owner, row.email],
    ['method', session.method, row.method],
    ['persistent', session.persistent, row.persistent],
    ['counter', session.counter, row.counter],
    ['confirmed', session.confirmed, row.confirmed],
    ['recovered counter', session.recoveredCounter ?? null, row.recovered_counter],
    ['recovered in a row', session.recoveredInARow, row.recovered_in_a_row],
    ['last client', session.lastClient, row.last_client],
    ['revocation reason', session.revoked?.reason ?? null, row.revocation_reason],
    ['live', isLive(world, session), row.live],
  ]
  for (const [what, wanted, got] of values) {
    if (wanted !== got) issues.push(`${name}, ${what}: ${String(got)} instead of ${String(wanted)}`)
  }
  const seconds: [string, number, number][] = [
    ['seconds since its rotation', world.now - session.rotatedAt, row.seconds_since_rotation],
    [
      'seconds since its authentication',
      world.now - session.authenticatedAt,
      row.seconds_since_authentication,
    ],
    ['seconds to its idle expiry', session.idleExpiresAt - world.now, row.seconds_to_idle_expiry],
    ['seconds to its absolute expiry', session.absoluteExpiresAt - world.now, row.seconds_to_absolute_expiry],
  ]
  for (const [what, wanted, got] of seconds) {
    if (!isNear(wanted, got)) issues.push(`${name}, ${what}: ${got} instead of ${wanted}`)
  }
  if (row.seconds_to_idle_expiry > row.seconds_to_absolute_expiry) {
    issues.push(`${name} would outlive its absolute expiry`)
  }
  return issues
}

/** What is in the first list more often than in the second. */
function without(list: readonly string[], others: readonly string[]): string[] {
  const rest = [...others]
  return list.filter((one) => {
    const index = rest.indexOf(one)
    if (index === -1) return true
    rest.splice(index, 1)
    return false
  })
}
