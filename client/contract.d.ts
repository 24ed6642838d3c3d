// Written by `npm run client` from public/openapi.json: change the endpoints' schemas instead.

/** Surrounding spaces are removed. At most 63 ASCII characters before the @, and a domain with a dot. */
export type EmailAddress = string

/** Counted in code points, as NFC. A new one needs 15 (`PASSWORD_MIN_LENGTH`) or is `weak-password`. */
export type Password = string

/** The one-time token of an emailed link, after `#token=`: 70 characters of base64url. */
export type OneTimeToken = string

/** The six digits of the same email. A space in the middle is allowed. */
export type OneTimeCode = string

/** A UUID. */
export type Id = string

/** ISO 8601 in UTC, by the server's clock. */
export type Timestamp = string

export type RegisterRequest = {
  email: EmailAddress
  password: Password
  /** With `false`, the session ends when the browser closes, after 2 hours without use, or after 24 hours. */
  remember?: boolean
}

export type VerificationEmailRequest = {
  email: EmailAddress
}

/** Either `token`, or `email` and `code`, or `cancel`. */
export type VerifyRequest =
  | {
      token: OneTimeToken
      password?: Password
    }
  | {
      email: EmailAddress
      code: OneTimeCode
      password?: Password
    }
  | {
      cancel: OneTimeToken
      password?: Password
    }

export type LoginRequest = {
  email: EmailAddress
  password: Password
  /** With `false`, the session ends when the browser closes, after 2 hours without use, or after 24 hours. */
  remember?: boolean
  /** Accept only the account that is signed in, and replace its session. Ignores `remember`. */
  reauthenticate?: boolean
}

/** An empty object. */
export type RefreshRequest = Record<string, never>

export type LogoutRequest = {
  /** Revoke all sessions of the account. */
  everywhere?: boolean
}

export type ResetEmailRequest = {
  email: EmailAddress
}

/** Either `token`, or `email` and `code`. */
export type ResetRequest =
  | {
      token: OneTimeToken
      password: Password
    }
  | {
      email: EmailAddress
      code: OneTimeCode
      password: Password
    }

/** Either `currentPassword` and `newPassword`, or `email`. */
export type AccountRequest =
  | {
      currentPassword: Password
      newPassword: Password
    }
  | {
      email: EmailAddress
    }

export type User = {
  id: Id
  /** As the user typed it. */
  email: string
  /** Always true: an account exists only once its address is verified. */
  emailVerified: boolean
  /** `user`, unless the operator has set another. */
  role: string
}

/** The refresh token is in the cookie only. */
export type SessionBody = {
  user: User
  /** A JWT (RFC 9068, ES256) with `sid`, `role`, `amr` and `auth_time`. Valid for 15 minutes; keep it in memory. */
  accessToken: string
  expiresAt: Timestamp
  session: {
    id: Id
    absoluteExpiresAt: Timestamp
  }
}

export type Account = {
  user: User
}

/** An active session. `lastUsedAt` is rounded down to 15 minutes. */
export type Session = {
  id: Id
  createdAt: Timestamp
  lastUsedAt: Timestamp
  absoluteExpiresAt: Timestamp
  /** Browser and system that signed in. */
  client: string
  /** Network that signed in, without the last part of the address; null if unknown. */
  ip: string | null
  /** Browser and system that last refreshed it. */
  lastClient: string
  /** Network that last refreshed it; null if unknown. */
  lastIp: string | null
}

/** Most recently used first. `current` is the session of the request. */
export type SessionList = {
  current: Id
  sessions: Session[]
}

/** The same for known and unknown addresses. */
export type CheckEmail = {
  status: 'check-email'
}

/** `signed-in`, with the session, in the browser that registered. */
export type Verified =
  | {
      status: 'verified' | 'canceled'
    }
  | {
      status: 'signed-in'
      user: User
      /** A JWT (RFC 9068, ES256) with `sid`, `role`, `amr` and `auth_time`. Valid for 15 minutes; keep it in memory. */
      accessToken: string
      expiresAt: Timestamp
      session: {
        id: Id
        absoluteExpiresAt: Timestamp
      }
    }

export type PasswordChanged = {
  status: 'password-changed'
}

/** A JWK (RFC 7517) for ES256. */
export type PublicKey = {
  kty: 'EC'
  crv: 'P-256'
  x: string
  y: string
  kid: string
  alg: 'ES256'
  use: 'sig'
}

/** A JWK Set. The first key signs. */
export type PublicKeys = {
  keys: PublicKey[]
}

/** What was done, as counts. */
export type MaintenanceReport = {
  emails: {
    sent: number
    failed: number
    held: number
    waiting: number
    oldestWaitingSeconds: number | null
  }
  removed: {
    registrations: number
    sessions: number
    oneTimeTokens: number
    emails: number
    rateLimits: number
    loginAttempts: number
    eventIps: number
  }
  left: (
    | 'registrations'
    | 'sessions'
    | 'oneTimeTokens'
    | 'emails'
    | 'rateLimits'
    | 'loginAttempts'
    | 'eventIps'
  )[]
  partitions: {
    created: string[]
    dropped: string[]
  }
}

export type FieldError = {
  /** A JSON Pointer (RFC 6901) into the body, as a URI fragment: `#/password`. */
  pointer: string
  /** What is wrong, for the user. */
  detail: string
}

/** RFC 9457. */
export type Problem = {
  /** Links to the documentation of the code. */
  type: string
  title: string
  status: number
  /** For programs. */
  code:
    | 'malformed-json'
    | 'token-invalid'
    | 'code-invalid'
    | 'invalid-credentials'
    | 'session-ended'
    | 'refresh-required'
    | 'unauthorized'
    | 'email-unverified'
    | 'cross-origin-request'
    | 'different-account'
    | 'password-required'
    | 'reauthentication-required'
    | 'role-required'
    | 'not-found'
    | 'method-not-allowed'
    | 'token-expired'
    | 'token-already-used'
    | 'body-too-large'
    | 'unsupported-media-type'
    | 'validation-failed'
    | 'weak-password'
    | 'quota-exceeded'
    | 'internal-error'
    | 'busy'
    | 'unavailable'
    | 'misconfigured'
  /** What to do, for the user. */
  detail: string
  /** With `validation-failed` and `weak-password`: one entry for each error. */
  errors?: FieldError[]
}

/** Every operation: its request, its successful response, and the codes of its problems. */
export interface Operations {
  /** Register */
  register: {
    method: 'POST'
    path: 'register'
    body: RegisterRequest
    response: CheckEmail
    code:
      | 'malformed-json'
      | 'cross-origin-request'
      | 'body-too-large'
      | 'unsupported-media-type'
      | 'validation-failed'
      | 'weak-password'
      | 'quota-exceeded'
      | 'internal-error'
      | 'busy'
      | 'unavailable'
      | 'misconfigured'
  }
  /** Request a new verification email */
  requestVerification: {
    method: 'POST'
    path: 'verify'
    body: VerificationEmailRequest
    response: CheckEmail
    code:
      | 'malformed-json'
      | 'cross-origin-request'
      | 'body-too-large'
      | 'unsupported-media-type'
      | 'validation-failed'
      | 'quota-exceeded'
      | 'internal-error'
      | 'unavailable'
      | 'misconfigured'
  }
  /** Verify an address */
  verify: {
    method: 'PUT'
    path: 'verify'
    body: VerifyRequest
    response: Verified
    code:
      | 'malformed-json'
      | 'token-invalid'
      | 'code-invalid'
      | 'invalid-credentials'
      | 'cross-origin-request'
      | 'password-required'
      | 'token-expired'
      | 'token-already-used'
      | 'body-too-large'
      | 'unsupported-media-type'
      | 'validation-failed'
      | 'quota-exceeded'
      | 'internal-error'
      | 'busy'
      | 'unavailable'
      | 'misconfigured'
  }
  /** Sign in */
  login: {
    method: 'POST'
    path: 'login'
    body: LoginRequest
    response: SessionBody
    code:
      | 'malformed-json'
      | 'invalid-credentials'
      | 'refresh-required'
      | 'unauthorized'
      | 'email-unverified'
      | 'cross-origin-request'
      | 'different-account'
      | 'body-too-large'
      | 'unsupported-media-type'
      | 'validation-failed'
      | 'quota-exceeded'
      | 'internal-error'
      | 'busy'
      | 'unavailable'
      | 'misconfigured'
  }
  /** Refresh the session */
  refresh: {
    method: 'POST'
    path: 'refresh'
    body: RefreshRequest
    response: SessionBody
    code:
      | 'malformed-json'
      | 'session-ended'
      | 'refresh-required'
      | 'cross-origin-request'
      | 'body-too-large'
      | 'unsupported-media-type'
      | 'validation-failed'
      | 'quota-exceeded'
      | 'internal-error'
      | 'unavailable'
      | 'misconfigured'
  }
  /** Sign out */
  logout: {
    method: 'POST'
    path: 'logout'
    body: LogoutRequest
    response: undefined
    code:
      | 'malformed-json'
      | 'session-ended'
      | 'refresh-required'
      | 'cross-origin-request'
      | 'reauthentication-required'
      | 'body-too-large'
      | 'unsupported-media-type'
      | 'validation-failed'
      | 'internal-error'
      | 'unavailable'
      | 'misconfigured'
  }
  /** Request a password reset */
  requestReset: {
    method: 'POST'
    path: 'reset'
    body: ResetEmailRequest
    response: CheckEmail
    code:
      | 'malformed-json'
      | 'cross-origin-request'
      | 'body-too-large'
      | 'unsupported-media-type'
      | 'validation-failed'
      | 'quota-exceeded'
      | 'internal-error'
      | 'unavailable'
      | 'misconfigured'
  }
  /** Set a new password */
  reset: {
    method: 'PUT'
    path: 'reset'
    body: ResetRequest
    response: PasswordChanged
    code:
      | 'malformed-json'
      | 'token-invalid'
      | 'code-invalid'
      | 'cross-origin-request'
      | 'token-expired'
      | 'token-already-used'
      | 'body-too-large'
      | 'unsupported-media-type'
      | 'validation-failed'
      | 'weak-password'
      | 'quota-exceeded'
      | 'internal-error'
      | 'busy'
      | 'unavailable'
      | 'misconfigured'
  }
  /** List the sessions */
  listSessions: {
    method: 'GET'
    path: 'sessions'
    body: undefined
    response: SessionList
    code: 'refresh-required' | 'unauthorized' | 'internal-error' | 'unavailable' | 'misconfigured'
  }
  /** Revoke one session, or all others */
  revokeSession: {
    method: 'DELETE'
    path: `sessions?id=${string}` | `sessions?others=true`
    body: undefined
    response: undefined
    code:
      | 'refresh-required'
      | 'unauthorized'
      | 'cross-origin-request'
      | 'reauthentication-required'
      | 'not-found'
      | 'validation-failed'
      | 'internal-error'
      | 'unavailable'
      | 'misconfigured'
  }
  /** Read the account */
  readAccount: {
    method: 'GET'
    path: 'account'
    body: undefined
    response: Account
    code: 'refresh-required' | 'unauthorized' | 'internal-error' | 'unavailable' | 'misconfigured'
  }
  /** Change the password or the address */
  changeAccount: {
    method: 'PATCH'
    path: 'account'
    body: AccountRequest
    response: SessionBody | CheckEmail
    code:
      | 'malformed-json'
      | 'invalid-credentials'
      | 'refresh-required'
      | 'unauthorized'
      | 'cross-origin-request'
      | 'reauthentication-required'
      | 'body-too-large'
      | 'unsupported-media-type'
      | 'validation-failed'
      | 'weak-password'
      | 'quota-exceeded'
      | 'internal-error'
      | 'busy'
      | 'unavailable'
      | 'misconfigured'
  }
  /** Delete the account */
  deleteAccount: {
    method: 'DELETE'
    path: 'account'
    body: undefined
    response: undefined
    code:
      | 'refresh-required'
      | 'unauthorized'
      | 'cross-origin-request'
      | 'reauthentication-required'
      | 'internal-error'
      | 'unavailable'
      | 'misconfigured'
  }
  /** Read the public keys */
  readKeys: {
    method: 'GET'
    path: 'keys'
    body: undefined
    response: PublicKeys
    code: 'internal-error' | 'misconfigured'
  }
  /** Run maintenance */
  maintain: {
    method: 'GET'
    path: 'maintenance'
    body: undefined
    response: MaintenanceReport
    code: 'unauthorized' | 'internal-error' | 'unavailable' | 'misconfigured'
  }
}
