// Written by `npm run client` from public/openapi.json: change the endpoints' schemas instead.

/** An address as a person types it; spaces around it are dropped. At most 63 characters before the @, which are ASCII, and a domain with a dot. */
export type EmailAddress = string

/** Counted in code points of its NFC form. Where one is chosen it has at least 15 (`PASSWORD_MIN_LENGTH`), or the answer is `weak-password`. */
export type Password = string

/** The token from a mailed link, which stands behind `#token=` there: 70 characters of base64url. It is good once. */
export type MailToken = string

/** The six digits of the same mail, for another device; a space in their middle is fine. */
export type MailCode = string

/** A UUID. */
export type Id = string

/** ISO 8601 in UTC, by the server's clock. */
export type Moment = string

export type Registration = {
  email: EmailAddress
  password: Password
}

export type VerificationRequest = {
  email: EmailAddress
}

/** Either `token`, or `email` and `code`, or `stop`. */
export type Verification =
  | {
      token: MailToken
      password?: Password
    }
  | {
      email: EmailAddress
      code: MailCode
      password?: Password
    }
  | {
      stop: MailToken
      password?: Password
    }

export type Credentials = {
  email: EmailAddress
  password: Password
}

/** An object without members. */
export type Nothing = Record<string, never>

export type LogoutWish = {
  everywhere?: boolean
}

export type ResetRequest = {
  email: EmailAddress
}

/** Either `token`, or `email` and `code`. */
export type PasswordReset =
  | {
      token: MailToken
      password: Password
    }
  | {
      email: EmailAddress
      code: MailCode
      password: Password
    }

/** Either `newPassword` or `email`. */
export type AccountChange =
  | {
      currentPassword: Password
      newPassword: Password
    }
  | {
      currentPassword: Password
      email: EmailAddress
    }

export type AccountDeletion = {
  currentPassword: Password
}

export type User = {
  id: Id
  /** As its owner typed it. */
  email: string
  /** Always true: no account exists before its address is proven. */
  emailVerified: boolean
  /** `user`, until whoever runs the app sets another. */
  role: string
}

/** A session, as login and refresh hand it out. The refresh token is in the cookie alone. */
export type SessionBody = {
  user: User
  /** A JWT (RFC 9068, ES256) that is good for 15 minutes. Keep it in memory alone. */
  accessToken: string
  expiresAt: Moment
  session: {
    id: Id
    endsAt: Moment
  }
}

export type Account = {
  user: User
}

/** A session of the account that has not ended. */
export type Device = {
  id: Id
  createdAt: Moment
  lastUsedAt: Moment
  endsAt: Moment
  /** The browser and system in words. */
  client: string
  /** Its network, the last part left out; null when unknown. */
  ip: string | null
}

/** The one used last comes first. */
export type Devices = {
  current: Id
  sessions: Device[]
}

/** The same whether the address is known or not. */
export type CheckEmail = {
  status: 'check-email'
}

export type Verified = {
  status: 'verified' | 'stopped'
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

/** A JWK Set; the first key is the one that signs. */
export type PublicKeys = {
  keys: PublicKey[]
}

/** What was done, in numbers. */
export type MaintenanceReport = {
  mail: {
    sent: number
    givenUp: number
    held: number
    waiting: number
    oldestWaitingSeconds: number | null
  }
  removed: {
    registrations: number
    sessions: number
    mailTokens: number
    mails: number
    rateLimits: number
    passwordAttempts: number
    eventIps: number
  }
  left:
    | 'registrations'
    | 'sessions'
    | 'mailTokens'
    | 'mails'
    | 'rateLimits'
    | 'passwordAttempts'
    | 'eventIps'[]
}

export type FieldError = {
  /** A JSON Pointer (RFC 6901) into the body, as a URI fragment: `#/password`. */
  pointer: string
  /** What is wrong there, for the person. */
  detail: string
}

/** A refusal (RFC 9457). */
export type Problem = {
  /** The address of the code's entry in the list of problems. */
  type: string
  title: string
  status: number
  /** What a program should look at. */
  code:
    | 'malformed-json'
    | 'token-invalid'
    | 'code-invalid'
    | 'invalid-credentials'
    | 'session-ended'
    | 'unauthorized'
    | 'email-unverified'
    | 'origin-refused'
    | 'password-required'
    | 'reauthentication-required'
    | 'role-required'
    | 'not-found'
    | 'method-not-allowed'
    | 'token-expired'
    | 'token-spent'
    | 'body-too-large'
    | 'unsupported-media-type'
    | 'validation-failed'
    | 'weak-password'
    | 'quota-exceeded'
    | 'internal-error'
    | 'busy'
    | 'unavailable'
    | 'misconfigured'
  /** What to do, for the person. */
  detail: string
  /** With `validation-failed` and `weak-password`: one entry for each fault. */
  errors?: FieldError[]
}

/** What can be asked: how, with what body, and what comes back. */
export interface Operations {
  /** Register */
  register: {
    method: 'POST'
    path: 'register'
    body: Registration
    answer: CheckEmail
    code:
      | 'malformed-json'
      | 'origin-refused'
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
  /** Ask for a new link */
  requestVerification: {
    method: 'POST'
    path: 'verify'
    body: VerificationRequest
    answer: CheckEmail
    code:
      | 'malformed-json'
      | 'origin-refused'
      | 'body-too-large'
      | 'unsupported-media-type'
      | 'validation-failed'
      | 'quota-exceeded'
      | 'internal-error'
      | 'unavailable'
      | 'misconfigured'
  }
  /** Confirm an address */
  verify: {
    method: 'PUT'
    path: 'verify'
    body: Verification
    answer: Verified
    code:
      | 'malformed-json'
      | 'token-invalid'
      | 'code-invalid'
      | 'invalid-credentials'
      | 'origin-refused'
      | 'password-required'
      | 'token-expired'
      | 'token-spent'
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
    body: Credentials
    answer: SessionBody
    code:
      | 'malformed-json'
      | 'invalid-credentials'
      | 'email-unverified'
      | 'origin-refused'
      | 'body-too-large'
      | 'unsupported-media-type'
      | 'validation-failed'
      | 'quota-exceeded'
      | 'internal-error'
      | 'busy'
      | 'unavailable'
      | 'misconfigured'
  }
  /** Renew the access token */
  refresh: {
    method: 'POST'
    path: 'refresh'
    body: Nothing
    answer: SessionBody
    code:
      | 'malformed-json'
      | 'session-ended'
      | 'origin-refused'
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
    body: LogoutWish
    answer: undefined
    code:
      | 'malformed-json'
      | 'origin-refused'
      | 'body-too-large'
      | 'unsupported-media-type'
      | 'validation-failed'
      | 'internal-error'
      | 'unavailable'
      | 'misconfigured'
  }
  /** Ask for a reset */
  requestReset: {
    method: 'POST'
    path: 'reset'
    body: ResetRequest
    answer: CheckEmail
    code:
      | 'malformed-json'
      | 'origin-refused'
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
    body: PasswordReset
    answer: PasswordChanged
    code:
      | 'malformed-json'
      | 'token-invalid'
      | 'code-invalid'
      | 'origin-refused'
      | 'token-expired'
      | 'token-spent'
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
  /** List the signed-in devices */
  listDevices: {
    method: 'GET'
    path: 'sessions'
    body: undefined
    answer: Devices
    code: 'unauthorized' | 'internal-error' | 'unavailable' | 'misconfigured'
  }
  /** End one session, or all others */
  endDevice: {
    method: 'DELETE'
    path: `sessions?id=${string}` | `sessions?others=true`
    body: undefined
    answer: undefined
    code:
      | 'unauthorized'
      | 'origin-refused'
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
    answer: Account
    code: 'unauthorized' | 'internal-error' | 'unavailable' | 'misconfigured'
  }
  /** Change the password or the address */
  changeAccount: {
    method: 'PATCH'
    path: 'account'
    body: AccountChange
    answer: SessionBody | CheckEmail
    code:
      | 'malformed-json'
      | 'invalid-credentials'
      | 'unauthorized'
      | 'origin-refused'
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
    body: AccountDeletion
    answer: undefined
    code:
      | 'malformed-json'
      | 'invalid-credentials'
      | 'unauthorized'
      | 'origin-refused'
      | 'body-too-large'
      | 'unsupported-media-type'
      | 'validation-failed'
      | 'quota-exceeded'
      | 'internal-error'
      | 'busy'
      | 'unavailable'
      | 'misconfigured'
  }
  /** Read the public keys */
  readKeys: {
    method: 'GET'
    path: 'keys'
    body: undefined
    answer: PublicKeys
    code: 'internal-error' | 'misconfigured'
  }
  /** Deliver waiting mail, remove what has expired */
  maintain: {
    method: 'GET'
    path: 'maintenance'
    body: undefined
    answer: MaintenanceReport
    code: 'unauthorized' | 'internal-error' | 'unavailable' | 'misconfigured'
  }
}
