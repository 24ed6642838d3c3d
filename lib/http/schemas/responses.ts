/**
 * What the endpoints respond with. OpenAPI and the client's types are generated from these. The functions import only the
 * types, so a response and its schema can't part ways, and none of this is in a bundle.
 */
import * as z from 'zod/mini'
import { problems, type ProblemCode } from '../problems.ts'

export const Id = z.uuid()
export const Timestamp = z.iso.datetime()
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
  expiresAt: Timestamp,
  session: z.strictObject({ id: Id, absoluteExpiresAt: Timestamp }),
})
export type SessionBody = z.output<typeof SessionBody>

export const Account = z.strictObject({ user: User })
export type Account = z.output<typeof Account>

export const Session = z.strictObject({
  id: Id,
  createdAt: Timestamp,
  lastUsedAt: Timestamp,
  absoluteExpiresAt: Timestamp,
  /** Where it was opened: browser and system, and the network's part of the IP address. */
  client: z.string(),
  ip: z.nullable(z.string()),
  /** The same where it was last refreshed. */
  lastClient: z.string(),
  lastIp: z.nullable(z.string()),
})
export type Session = z.output<typeof Session>

export const SessionList = z.strictObject({ current: Id, sessions: z.array(Session) })
export type SessionList = z.output<typeof SessionList>

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
})

export const MaintenanceReport = z.strictObject({
  emails: z.strictObject({
    sent: Count,
    failed: Count,
    held: Count,
    waiting: Count,
    oldestWaitingSeconds: z.nullable(Count),
  }),
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
