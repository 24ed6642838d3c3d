/**
 * Every rate limit, lifetime and maximum, in one place. The engine has the same values as functions, written from this
 * table by `npm run migration` (drizzle/functions/{rate_limit,lifetime,maximum}.sql), so a request can't pass its own.
 */

export interface RateLimit {
  name: string
  /** Requests in one window, all of which may come at once. */
  quota: number
  windowSeconds: number
}

const MINUTE = 60
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** GCRA buckets. One of the source and one of the address are independent, so no botnet and no busy network passes both. */
export const rateLimits = {
  registerBySource: { name: 'register-source', quota: 30, windowSeconds: HOUR },
  registerByAddress: { name: 'register-address', quota: 5, windowSeconds: HOUR },
  loginBySource: { name: 'login-source', quota: 100, windowSeconds: 10 * MINUTE },
  emailBySource: { name: 'email-source', quota: 30, windowSeconds: HOUR },
  emailByAddress: { name: 'email-address', quota: 5, windowSeconds: HOUR },
  codeBySource: { name: 'code-source', quota: 30, windowSeconds: HOUR },
  codeByAddress: { name: 'code-address', quota: 10, windowSeconds: DAY },
  /**
   * A link's token can be presented this often, consumed or not. In its 8 hours a link allows 40 guesses at a password
   * at most: these don't count towards the account's lockout.
   */
  linkByToken: { name: 'link-token', quota: 30, windowSeconds: DAY },
  refreshBySession: { name: 'refresh-session', quota: 60, windowSeconds: MINUTE },
  passwordCheckByAccount: { name: 'password-check-account', quota: 20, windowSeconds: 15 * MINUTE },
  emailChangeByAccount: { name: 'email-change-account', quota: 10, windowSeconds: DAY },
} as const satisfies Record<string, RateLimit>

/** In seconds. */
export const lifetimeSeconds = {
  accessToken: 15 * MINUTE,
  /** The predecessor of a refresh token is accepted for this long after a rotation. */
  reuseInterval: 30,
  sessionIdle: 7 * DAY,
  sessionAbsolute: 30 * DAY,
  /** Of a session that ends with the browser (`remember: false`). */
  shortSessionIdle: 2 * HOUR,
  shortSessionAbsolute: DAY,
  /** `lastUsedAt` is shown in steps of this length. */
  lastUsedStep: 15 * MINUTE,
  /** Changes of an account need an authentication no older than this. */
  stepUp: 5 * MINUTE,
  registration: 7 * DAY,
  registrationLink: 8 * HOUR,
  resetLink: 30 * MINUTE,
  emailChangeLink: 8 * HOUR,
  deviceCookie: 180 * DAY,
  /** Failed logins: the first wait, and the longest one. Each is twice the one before. */
  firstBackOff: 30,
  longestBackOff: HOUR,
  /** Email: how long maintenance leaves a new one to the function that queued it, then the back-off between tries. */
  emailFirstTry: MINUTE,
  emailFirstBackOff: MINUTE,
  emailLongestBackOff: 3 * HOUR,
  emailGiveUp: DAY,
  /** How long a consumed token and a sent email are kept, to be able to tell what happened. */
  keepConsumed: 30 * DAY,
  /** Failed logins, of accounts and of unknown addresses alike: a difference would show which is which. */
  keepLoginAttempts: 30 * DAY,
  keepEventIp: 90 * DAY,
  /** A year and its report. */
  keepEvents: 400 * DAY,
} as const

export const maximum = {
  sessionsPerAccount: 50,
  /** Different counters of a session recovered in a row; one more is reuse. */
  recoveriesInARow: 2,
  /** Pending registrations of one address that a code is compared with. */
  codeCandidates: 5,
  codeAttempts: 5,
  /** The failure from which on the next attempt has to wait. */
  backOffFrom: 10,
  /** A sign-in from a browser without a device cookie after more failures than this is emailed about. */
  suspiciousFrom: 5,
  /** The failure that locks the password until it is reset (NIST SP 800-63B-4, 3.2.2). */
  lockedAt: 100,
  /** Rows that maintenance removes of one table in one statement, so that none runs into the time limit of a call. */
  removedAtOnce: 10_000,
  /** Emails that maintenance claims at once. */
  emailsClaimed: 20,
  /** Waiting emails that one which went well takes along. */
  emailsTakenAlong: 3,
  /** Months for which `events` has a partition in advance. */
  eventMonthsAhead: 3,
} as const
