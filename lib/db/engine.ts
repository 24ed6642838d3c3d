/**
 * The engine's functions (drizzle/functions), as TypeScript calls them: parameters, and the union that each answers.
 * A test compares these with the database's catalog. Moments are epoch seconds.
 */

export type EmailKind =
  | 'confirm-registration'
  | 'already-registered'
  | 'reset-password'
  | 'reset-required'
  | 'password-reset'
  | 'password-locked'
  | 'login-after-failures'
  | 'refresh-token-reused'
  | 'password-changed'
  | 'confirm-email-change'
  | 'email-change-requested'
  | 'email-changed'
  | 'account-deleted'

export interface User {
  id: string
  email: string
  role: string
  /** Goes up with every change of what the account is proved by. */
  securityVersion: number
}

/** What a sign-in was proved by. */
export type SessionMethod = 'password' | 'email'

export interface LiveSession {
  id: string
  /** The current refresh token's place in its family. */
  counter: number
  /** False: the cookies end with the browser. */
  persistent: boolean
  method: SessionMethod
  authenticatedAt: number
  absoluteExpiresAt: number
  /** Until the idle or the absolute expiry, whichever is sooner. */
  secondsLeft: number
  user: User
}

export interface QueuedEmail {
  id: string
  kind: EmailKind
  recipient: string
  tokenId: string | null
  tokenExpiresAt: number | null
}

export interface ListedSession {
  id: string
  method: SessionMethod
  createdAt: number
  lastUsedAt: number
  absoluteExpiresAt: number
  client: string | null
  ip: string | null
  lastClient: string | null
  lastIp: string | null
}

export interface CodeCandidate {
  id: string
  expiresAt: number
}

interface Limited {
  kind: 'limited'
  retryAfterSeconds: number
}

/** The request shows no live session. */
interface SignedOut {
  kind: 'signed-out'
}

/** Its refresh token is a step behind one that was never presented: a refresh settles it. */
interface RefreshRequired {
  kind: 'refresh-required'
}

interface ReauthenticationRequired {
  kind: 'reauthentication-required'
}

interface Accepted {
  kind: 'accepted'
  emails: QueuedEmail[]
}

interface Consumed {
  kind: 'consumed'
}

export type LoginSubject = 'account' | 'locked' | 'registration' | 'unknown'

/** What each function answers, by its name. */
export interface Results {
  admit_registration: { kind: 'admitted' } | Limited
  register: Accepted & { registrationId: string }
  request_verification_email: Accepted | Limited
  try_registration_code:
    | { kind: 'candidates'; candidates: (CodeCandidate & { passwordHash: string | null })[] }
    | Limited
  consume_registration:
    | { kind: 'account-created'; userId: string }
    | { kind: 'signed-in'; session: LiveSession }
    | { kind: 'unverified'; passwordHash: string | null }
    | Consumed
    | Limited
  begin_login:
    | {
        kind: 'counted'
        subject: LoginSubject
        failures: number
        userId: string | null
        securityVersion: number | null
        passwordHash: string | null
      }
    | Limited
  finish_login:
    | { kind: 'signed-in'; session: LiveSession; emails: QueuedEmail[] }
    /** What was checked is no longer so. */
    | { kind: 'changed' }
    | SignedOut
    | RefreshRequired
    | { kind: 'different-account' }
  fail_login: { kind: 'failed'; emails: QueuedEmail[] }
  rotate_session:
    | { kind: 'live'; session: LiveSession }
    | { kind: 'ended'; definite: boolean; sessionId: string | null; userId: string | null }
    | { kind: 'refresh-required'; sessionId: string; userId: string }
    | { kind: 'reused'; sessionId: string; userId: string; emails: QueuedEmail[] }
    | Limited
  find_session: { kind: 'signed-in'; session: LiveSession; steppedUp: boolean } | SignedOut | RefreshRequired
  list_sessions:
    | { kind: 'listed'; sessionId: string; userId: string; sessions: ListedSession[] }
    | SignedOut
    | RefreshRequired
  revoke_own_sessions:
    | { kind: 'revoked'; current: boolean; sessionId: string; userId: string }
    | { kind: 'not-found' }
    | ReauthenticationRequired
    | SignedOut
    | RefreshRequired
  logout:
    | { kind: 'logged-out'; sessionId: string | null; userId: string | null }
    /** All sessions were to end, and this one may not do that. It has ended. */
    | (SignedOut & { sessionId: string | null; userId: string | null })
    | { kind: 'reused'; sessionId: string; userId: string; emails: QueuedEmail[] }
    | ReauthenticationRequired
    | RefreshRequired
  request_reset: Accepted | Limited
  try_reset_code: { kind: 'candidates'; candidates: CodeCandidate[] } | Limited
  reset_password: { kind: 'reset'; user: User; emails: QueuedEmail[] } | Consumed | Limited
  begin_password_check:
    | {
        kind: 'counted'
        subject: 'account' | 'locked'
        failures: number
        sessionId: string
        userId: string
        email: string
        securityVersion: number
        passwordHash: string | null
      }
    | ReauthenticationRequired
    | SignedOut
    | RefreshRequired
    | Limited
  change_password: { kind: 'changed'; session: LiveSession; emails: QueuedEmail[] } | SignedOut
  request_email_change:
    | (Accepted & { userId: string; sessionId: string })
    | ReauthenticationRequired
    | SignedOut
    | RefreshRequired
    | Limited
  confirm_email_change:
    /** `persistent` is the session's that confirmed; null where it was the password. */
    | { kind: 'confirmed'; user: User; persistent: boolean | null; emails: QueuedEmail[] }
    | { kind: 'unverified'; passwordHash: string | null; securityVersion: number }
    | Consumed
    | Limited
  cancel_email_change: { kind: 'canceled'; userId: string } | Consumed
  delete_account:
    | { kind: 'deleted'; userId: string; emails: QueuedEmail[] }
    | ReauthenticationRequired
    | SignedOut
    | RefreshRequired
  claim_emails: { kind: 'claimed'; emails: QueuedEmail[] }
  record_delivery: { kind: 'recorded'; failed: boolean; due: QueuedEmail[] }
  waiting_emails: { kind: 'waiting'; waiting: number; oldestWaitingSeconds: number | null }
  remove_expired: { kind: 'removed'; removed: number; more: boolean }
  maintain_event_partitions: { kind: 'maintained'; created: string[]; dropped: string[]; removed: number }
  describe_connection: {
    kind: 'described'
    now: number
    role: string
    isOwner: boolean
    isolation: string
    /** Public functions that the role may not call. */
    notCallable: string[]
  }
}

/** The Postgres types of parameters, and what they are in TypeScript. */
export interface Arguments {
  bytea: Uint8Array
  bigint: number
  integer: number
  boolean: boolean
  text: string
  uuid: string
  jsonb: object
}

export type SqlType = keyof Arguments

export interface AnyOperation {
  name: keyof Results
  /** Without the prefix `p_` that they have in Postgres. */
  parameters: Readonly<Record<string, SqlType>>
  /** Every `kind` of result. */
  kinds: Readonly<Record<string, true>>
}

/** A function of the engine. A plain object, so that a bundle has only those that it calls. */
export interface Operation<Name extends keyof Results> extends AnyOperation {
  name: Name
  kinds: Readonly<Record<Results[Name]['kind'], true>>
}

/** What a request shows to be let in. All three are NULL for none. */
const credential = { family_hash: 'bytea', counter: 'bigint', session_id: 'uuid' } as const

export const admitRegistration = {
  name: 'admit_registration',
  parameters: { source_key: 'bytea', address_key: 'bytea' },
  kinds: { admitted: true, limited: true },
} as const satisfies Operation<'admit_registration'>

export const register = {
  name: 'register',
  parameters: { email: 'text', email_normalized: 'text', password_hash: 'text', request: 'jsonb' },
  kinds: { accepted: true },
} as const satisfies Operation<'register'>

export const requestVerificationEmail = {
  name: 'request_verification_email',
  parameters: {
    email_normalized: 'text',
    registration_id: 'uuid',
    source_key: 'bytea',
    address_key: 'bytea',
    request: 'jsonb',
  },
  kinds: { accepted: true, limited: true },
} as const satisfies Operation<'request_verification_email'>

export const tryRegistrationCode = {
  name: 'try_registration_code',
  parameters: { email_normalized: 'text', source_key: 'bytea', address_key: 'bytea' },
  kinds: { candidates: true, limited: true },
} as const satisfies Operation<'try_registration_code'>

export const consumeRegistration = {
  name: 'consume_registration',
  parameters: {
    registration_id: 'uuid',
    token_key: 'bytea',
    verified: 'boolean',
    family_hash: 'bytea',
    presented_family_hash: 'bytea',
    persistent: 'boolean',
    request: 'jsonb',
  },
  kinds: { 'account-created': true, 'signed-in': true, unverified: true, consumed: true, limited: true },
} as const satisfies Operation<'consume_registration'>

export const beginLogin = {
  name: 'begin_login',
  parameters: {
    email_normalized: 'text',
    source_key: 'bytea',
    address_key: 'bytea',
    device_key: 'bytea',
    device_version: 'integer',
    registration_id: 'uuid',
  },
  kinds: { counted: true, limited: true },
} as const satisfies Operation<'begin_login'>

export const finishLogin = {
  name: 'finish_login',
  parameters: {
    email_normalized: 'text',
    security_version: 'integer',
    checked_hash: 'text',
    rehash: 'text',
    device_key: 'bytea',
    family_hash: 'bytea',
    presented_family_hash: 'bytea',
    presented_counter: 'bigint',
    reauthenticates: 'boolean',
    persistent: 'boolean',
    request: 'jsonb',
  },
  kinds: {
    'refresh-required': true,
    'signed-in': true,
    changed: true,
    'signed-out': true,
    'different-account': true,
  },
} as const satisfies Operation<'finish_login'>

export const failLogin = {
  name: 'fail_login',
  parameters: { email_normalized: 'text', subject: 'text', failures: 'integer', request: 'jsonb' },
  kinds: { failed: true },
} as const satisfies Operation<'fail_login'>

export const rotateSession = {
  name: 'rotate_session',
  parameters: { family_hash: 'bytea', presented: 'bigint', request: 'jsonb' },
  kinds: { live: true, ended: true, 'refresh-required': true, reused: true, limited: true },
} as const satisfies Operation<'rotate_session'>

export const findSession = {
  name: 'find_session',
  parameters: credential,
  kinds: { 'signed-in': true, 'signed-out': true, 'refresh-required': true },
} as const satisfies Operation<'find_session'>

export const listSessions = {
  name: 'list_sessions',
  parameters: credential,
  kinds: { listed: true, 'signed-out': true, 'refresh-required': true },
} as const satisfies Operation<'list_sessions'>

export const revokeOwnSessions = {
  name: 'revoke_own_sessions',
  parameters: { ...credential, chosen_id: 'uuid', request: 'jsonb' },
  kinds: {
    revoked: true,
    'not-found': true,
    'reauthentication-required': true,
    'signed-out': true,
    'refresh-required': true,
  },
} as const satisfies Operation<'revoke_own_sessions'>

export const logout = {
  name: 'logout',
  parameters: { family_hash: 'bytea', counter: 'bigint', everywhere: 'boolean', request: 'jsonb' },
  kinds: {
    'refresh-required': true,
    'logged-out': true,
    'signed-out': true,
    reused: true,
    'reauthentication-required': true,
  },
} as const satisfies Operation<'logout'>

export const requestReset = {
  name: 'request_reset',
  parameters: { email_normalized: 'text', source_key: 'bytea', address_key: 'bytea', request: 'jsonb' },
  kinds: { accepted: true, limited: true },
} as const satisfies Operation<'request_reset'>

export const tryResetCode = {
  name: 'try_reset_code',
  parameters: { email_normalized: 'text', source_key: 'bytea', address_key: 'bytea' },
  kinds: { candidates: true, limited: true },
} as const satisfies Operation<'try_reset_code'>

export const resetPassword = {
  name: 'reset_password',
  parameters: { token_id: 'uuid', token_key: 'bytea', password_hash: 'text', request: 'jsonb' },
  kinds: { reset: true, consumed: true, limited: true },
} as const satisfies Operation<'reset_password'>

export const beginPasswordCheck = {
  name: 'begin_password_check',
  parameters: credential,
  kinds: {
    counted: true,
    'reauthentication-required': true,
    'signed-out': true,
    'refresh-required': true,
    limited: true,
  },
} as const satisfies Operation<'begin_password_check'>

export const changePassword = {
  name: 'change_password',
  parameters: {
    ...credential,
    security_version: 'integer',
    password_hash: 'text',
    new_family_hash: 'bytea',
    request: 'jsonb',
  },
  kinds: { changed: true, 'signed-out': true },
} as const satisfies Operation<'change_password'>

export const requestEmailChange = {
  name: 'request_email_change',
  parameters: {
    ...credential,
    new_email: 'text',
    new_email_normalized: 'text',
    address_key: 'bytea',
    request: 'jsonb',
  },
  kinds: {
    accepted: true,
    'reauthentication-required': true,
    'signed-out': true,
    'refresh-required': true,
    limited: true,
  },
} as const satisfies Operation<'request_email_change'>

export const confirmEmailChange = {
  name: 'confirm_email_change',
  parameters: {
    token_id: 'uuid',
    token_key: 'bytea',
    security_version: 'integer',
    ...credential,
    request: 'jsonb',
  },
  kinds: { confirmed: true, unverified: true, consumed: true, limited: true },
} as const satisfies Operation<'confirm_email_change'>

export const cancelEmailChange = {
  name: 'cancel_email_change',
  parameters: { token_id: 'uuid', request: 'jsonb' },
  kinds: { canceled: true, consumed: true },
} as const satisfies Operation<'cancel_email_change'>

export const deleteAccount = {
  name: 'delete_account',
  parameters: { ...credential, request: 'jsonb' },
  kinds: {
    deleted: true,
    'reauthentication-required': true,
    'signed-out': true,
    'refresh-required': true,
  },
} as const satisfies Operation<'delete_account'>

export const claimEmails = {
  name: 'claim_emails',
  parameters: { is_production: 'boolean' },
  kinds: { claimed: true },
} as const satisfies Operation<'claim_emails'>

export const recordDelivery = {
  name: 'record_delivery',
  parameters: {
    email_id: 'uuid',
    outcome: 'text',
    provider_id: 'text',
    reason: 'text',
    is_production: 'boolean',
  },
  kinds: { recorded: true },
} as const satisfies Operation<'record_delivery'>

export const waitingEmails = {
  name: 'waiting_emails',
  parameters: {},
  kinds: { waiting: true },
} as const satisfies Operation<'waiting_emails'>

export const removeExpired = {
  name: 'remove_expired',
  parameters: { what: 'text' },
  kinds: { removed: true },
} as const satisfies Operation<'remove_expired'>

export const maintainEventPartitions = {
  name: 'maintain_event_partitions',
  parameters: {},
  kinds: { maintained: true },
} as const satisfies Operation<'maintain_event_partitions'>

export const describeConnection = {
  name: 'describe_connection',
  parameters: {},
  kinds: { described: true },
} as const satisfies Operation<'describe_connection'>
