/** /api/auth/sessions: GET lists the account's; DELETE revokes one (`?id=`) or all others (`?others=true`). */
import * as z from 'zod/mini'
import type { Device, Devices } from '../../lib/answers.ts'
import { credentialOf } from '../../lib/auth/credential.ts'
import { listSessions, revokeSessions } from '../../lib/auth/sessions.ts'
import { coarseIp } from '../../lib/client.ts'
import { endedSessionCookies } from '../../lib/cookies.ts'
import { endpoint } from '../../lib/endpoint.ts'
import { json, readQuery } from '../../lib/json.ts'
import { problem } from '../../lib/problems.ts'
import { timestamp, withCookies } from '../../lib/session-answer.ts'

export const Choice = z
  .strictObject({
    id: z.optional(z.uuid({ error: 'This is not the id of a session.' })),
    others: z.optional(z.literal('true', { error: 'Give true.' })),
  })
  .check(
    z.refine(({ id, others }) => (id === undefined) !== (others === undefined), {
      error: 'Give either id, with the id of a session, or others=true.',
    }),
  )

const UNKNOWN_CLIENT = 'Unknown device'

export default endpoint({
  GET: async (request) => {
    const credential = await credentialOf(request)
    if (credential === undefined) return problem('unauthorized')
    const list = await listSessions(credential)
    if (list.kind === 'signed-out') return problem('unauthorized')
    if (list.kind === 'refresh-required') return problem('refresh-required')
    const sessions = list.sessions.map((session): Device => ({
      id: session.id,
      createdAt: timestamp(session.createdAt),
      lastUsedAt: timestamp(session.lastUsedAt),
      endsAt: timestamp(session.absoluteExpiresAt),
      client: session.client ?? UNKNOWN_CLIENT,
      ip: coarseIp(session.ip),
      lastClient: session.lastClient ?? UNKNOWN_CLIENT,
      lastIp: coarseIp(session.lastIp),
    }))
    return json<Devices>({ current: list.sessionId, sessions })
  },

  DELETE: async (request, client) => {
    const { id } = readQuery(request, Choice)
    const credential = await credentialOf(request)
    if (credential === undefined) return problem('unauthorized')
    const result = await revokeSessions(credential, id === undefined ? 'others' : { id }, client)
    if (result.kind === 'signed-out') return problem('unauthorized')
    if (result.kind !== 'revoked') return problem(result.kind)
    return withCookies(new Response(null, { status: 204 }), result.current ? endedSessionCookies() : [])
  },
})
