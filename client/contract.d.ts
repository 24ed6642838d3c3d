/** What goes over the wire, as the client's callers see it. */

export interface User {
  id: string
  email: string
  emailVerified: boolean
  role: string
}

export interface SessionBody {
  user: User
  accessToken: string
  /** ISO 8601, by the server's clock. */
  expiresAt: string
  session: { id: string; endsAt: string }
}

export interface Device {
  id: string
  createdAt: string
  lastUsedAt: string
  endsAt: string
  client: string
  ip: string | null
}

export interface Devices {
  /** The id of the session that asked. */
  current: string
  sessions: Device[]
}

/** A link's token or the mail's six digits; the password as well, in another browser than the one that registered. */
export type Verification =
  | (({ token: string } | { email: string; code: string }) & { password?: string | undefined })
  | { stop: string }
export type PasswordReset = ({ token: string } | { email: string; code: string }) & { password: string }

/** Any endpoint may answer with one of these. */
type CommonCode =
  | 'validation-failed'
  | 'quota-exceeded'
  | 'origin-refused'
  | 'busy'
  | 'unavailable'
  | 'misconfigured'
  | 'internal-error'

export interface Codes {
  register: CommonCode | 'weak-password'
  requestMail: CommonCode
  verify:
    | CommonCode
    | 'token-invalid'
    | 'token-expired'
    | 'token-spent'
    | 'code-invalid'
    | 'password-required'
    | 'invalid-credentials'
  login: CommonCode | 'invalid-credentials' | 'email-unverified'
  refresh: CommonCode | 'session-ended'
  logout: CommonCode
  reset: CommonCode | 'token-invalid' | 'token-expired' | 'token-spent' | 'code-invalid' | 'weak-password'
  sessions: CommonCode | 'unauthorized'
  endSession: CommonCode | 'unauthorized' | 'reauthentication-required' | 'not-found'
  account: CommonCode | 'unauthorized' | 'invalid-credentials' | 'weak-password'
}
