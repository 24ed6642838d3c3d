/**
 * What the endpoints answer, as zod schemas. Only the build and the tests load them: the code takes their types alone, so an answer and
 * its schema cannot part ways unnoticed, and nothing of this reaches a function.
 */
import * as z from 'zod/mini'
import type { RemovedCounts } from './auth/maintenance.ts'
import type { DeliveryReport, WaitingEmails } from './outbox.ts'
import { problems, type ProblemCode } from './problems.ts'

export const Id = z.uuid()
export const Moment = z.iso.datetime()
export const AccessToken = z.jwt()

export const User = z.strictObject({
  id: Id,
  email: z.string(),
  emailVerified: z.boolean(),
  role: z.string(),
})
export type User = z.output<typeof User>

export const SessionBody = z.strictObject({
  user: User,
  accessToken: AccessToken,
  expiresAt: Moment,
  session: z.strictObject({ id: Id, endsAt: Moment }),
})
export type SessionBody = z.output<typeof SessionBody>

export const Account = z.strictObject({ user: User })
export type Account = z.output<typeof Account>

export const Device = z.strictObject({
  id: Id,
  createdAt: Moment,
  lastUsedAt: Moment,
  endsAt: Moment,
  /** Where it was opened: browser and system, and the network's part of the IP address. */
  client: z.string(),
  ip: z.nullable(z.string()),
  /** The same where it was last refreshed. */
  lastClient: z.string(),
  lastIp: z.nullable(z.string()),
})
export type Device = z.output<typeof Device>

export const Devices = z.strictObject({ current: Id, sessions: z.array(Device) })
export type Devices = z.output<typeof Devices>

export const CheckEmail = z.strictObject({ status: z.literal('check-email') })
export type CheckEmail = z.output<typeof CheckEmail>

/** `signed-in`: in the browser that registered. */
export const Verified = z.union([
  z.strictObject({ status: z.enum(['verified', 'canceled']) }),
  z.strictObject({ status: z.literal('signed-in'), ...SessionBody.shape }),
])
export type Verified = z.output<typeof Verified>

export const PasswordChanged = z.strictObject({ status: z.literal('password-changed') })
export type PasswordChanged = z.output<typeof PasswordChanged>

export const PublicKey = z.strictObject({
  kty: z.literal('EC'),
  crv: z.literal('P-256'),
  x: z.string(),
  y: z.string(),
  kid: z.string(),
  alg: z.literal('ES256'),
  use: z.literal('sig'),
})
export type PublicKey = z.output<typeof PublicKey>

export const PublicKeys = z.strictObject({ keys: z.array(PublicKey) })
export type PublicKeys = z.output<typeof PublicKeys>

const Count = z.int().check(z.nonnegative())

const Removed = z.strictObject({
  registrations: Count,
  sessions: Count,
  oneTimeTokens: Count,
  emails: Count,
  rateLimits: Count,
  loginAttempts: Count,
  eventIps: Count,
} satisfies Record<keyof RemovedCounts, typeof Count>)

export const MaintenanceReport = z.strictObject({
  emails: z.strictObject({
    sent: Count,
    failed: Count,
    held: Count,
    waiting: Count,
    oldestWaitingSeconds: z.nullable(Count),
  } satisfies Record<keyof Omit<DeliveryReport, 'waiting'> | keyof WaitingEmails, z.ZodMiniType>),
  removed: Removed,
  left: z.array(z.keyof(Removed)),
  /** Of the audit log, a month each. */
  partitions: z.strictObject({ created: z.array(z.string()), dropped: z.array(z.string()) }),
})
export type MaintenanceReport = z.output<typeof MaintenanceReport>

export const FieldError = z.strictObject({ pointer: z.string(), detail: z.string() })

export const problemCodes = Object.keys(problems).filter((code): code is ProblemCode => code in problems)

export const Problem = z.strictObject({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  code: z.enum(problemCodes),
  detail: z.string(),
  errors: z.optional(z.array(FieldError)),
})
export type Problem = z.output<typeof Problem>
