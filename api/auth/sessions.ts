/** /api/auth/sessions: the signed-in devices. GET lists them; DELETE ends one (`?id=`) or all others (`?others=true`). */
import * as z from 'zod/mini'
import type { Device, Devices } from '../../lib/answers.ts'
import { coarseIp } from '../../lib/client.ts'
import { endedSessionCookies } from '../../lib/cookies.ts'
import { credentialOf } from '../../lib/credentials.ts'
import { endDevices, listDevices } from '../../lib/devices.ts'
import { endpoint } from '../../lib/endpoint.ts'
import { json, readQuery } from '../../lib/json.ts'
import { problem } from '../../lib/problems.ts'
import { withCookies } from '../../lib/session-answer.ts'
import { describeUserAgent } from '../../lib/user-agent.ts'

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

export default endpoint({
  GET: async (request) => {
    const credential = await credentialOf(request)
    const list = credential && (await listDevices(credential))
    if (list === undefined) return problem('unauthorized')
    const sessions = list.devices.map(({ id, createdAt, lastUsedAt, endsAt, userAgent, ip }): Device => ({
      id,
      createdAt: createdAt.toISOString(),
      lastUsedAt: lastUsedAt.toISOString(),
      endsAt: endsAt.toISOString(),
      client: describeUserAgent(userAgent),
      ip: coarseIp(ip),
    }))
    return json<Devices>({ current: list.currentId, sessions })
  },

  DELETE: async (request, client) => {
    const { id } = readQuery(request, Choice)
    const credential = await credentialOf(request)
    if (credential === undefined) return problem('unauthorized')
    const ending = await endDevices(credential, id === undefined ? 'others' : { id }, client)
    switch (ending.kind) {
      case 'signed-out':
        return problem('unauthorized')
      case 'reauthentication-required':
        return problem('reauthentication-required')
      case 'not-found':
        return problem('not-found')
      case 'ended':
        return withCookies(new Response(null, { status: 204 }), ending.current ? endedSessionCookies() : [])
    }
  },
})
