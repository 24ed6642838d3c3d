/**
 * The one table of problems (RFC 9457). `title` is fixed for a code; `detail` tells the caller what to do.
 * Each `type` is an address on the app's own origin that shows the code's entry.
 */
import type { Problem } from './answers.ts'
import { environment, environmentFaults } from './env.ts'
import type { RateLimit } from './limits.ts'
import { rateLimitHeaders } from './rate-limits.ts'

interface ProblemKind {
  status: number
  title: string
  detail: string
}

export const problems = {
  'malformed-json': {
    status: 400,
    title: 'The body is not JSON',
    detail: 'Send one JSON object, encoded as UTF-8, with no name in it twice.',
  },
  'token-invalid': {
    status: 400,
    title: 'The link is not valid',
    detail: 'The link is incomplete or was not made here. Open it again from the mail, or ask for a new one.',
  },
  'code-invalid': {
    status: 400,
    title: 'The code is not valid',
    detail:
      'It is wrong or too old, or it was tried too often. Look at the newest mail, or ask for a new one.',
  },
  'invalid-credentials': {
    status: 401,
    title: 'Wrong email or password',
    detail: 'Check both and try again, or ask for a new password.',
  },
  'session-ended': {
    status: 401,
    title: 'The session has ended',
    detail: 'Sign in again.',
  },
  'refresh-required': {
    status: 401,
    title: 'The session must be refreshed',
    detail: 'Call refresh, then repeat this. If refresh itself says so, try again in 30 seconds.',
  },
  unauthorized: {
    status: 401,
    title: 'Not signed in',
    detail: 'Sign in, or send a valid access token as a bearer token.',
  },
  'email-unverified': {
    status: 403,
    title: 'The address is not confirmed yet',
    detail: 'Open the link in the mail that was sent at registration, or ask for a new one.',
  },
  'cross-origin-request': {
    status: 403,
    title: 'The request came from another site',
    detail: "Send it from a page on the app's own origin.",
  },
  'different-account': {
    status: 403,
    title: 'This is another account',
    detail: 'Sign in with the account that is signed in here, or sign out first.',
  },
  'password-required': {
    status: 403,
    title: 'The password is needed as well',
    detail: 'This is not the browser that registered: give the password chosen at registration, too.',
  },
  'reauthentication-required': {
    status: 403,
    title: 'Sign in again first',
    detail: 'Sign in again with "reauthenticate": true, then repeat this within 5 minutes.',
  },
  'role-required': {
    status: 403,
    title: 'Your account may not do this',
    detail: 'It needs another role. Ask whoever runs this app.',
  },
  'not-found': {
    status: 404,
    title: 'Not found',
    detail: 'There is nothing of yours by that id.',
  },
  'method-not-allowed': {
    status: 405,
    title: 'Method not allowed',
    detail: 'Use one of the methods that the Allow header names.',
  },
  'token-expired': {
    status: 410,
    title: 'The link has expired',
    detail: 'Ask for a new one.',
  },
  'token-already-used': {
    status: 410,
    title: 'The link was used already',
    detail: 'It was used, or a newer one took its place. Sign in, or ask for a new one.',
  },
  'body-too-large': {
    status: 413,
    title: 'The body is too large',
    detail: 'Send at most 16 KB.',
  },
  'unsupported-media-type': {
    status: 415,
    title: 'The body must be JSON',
    detail: 'Send the header content-type: application/json.',
  },
  'validation-failed': {
    status: 422,
    title: 'Some of the input is not valid',
    detail: 'Correct what errors names, then send it again.',
  },
  'weak-password': {
    status: 422,
    title: 'The password is too weak',
    detail: 'Choose another one; errors says why.',
  },
  'quota-exceeded': {
    status: 429,
    title: 'Too many requests',
    detail: 'Wait for as long as the Retry-After header says, then try again.',
  },
  'internal-error': {
    status: 500,
    title: 'Something broke here',
    detail: 'It was logged under this request id. Try again; if it stays, tell whoever runs this app.',
  },
  busy: {
    status: 503,
    title: 'Too busy at the moment',
    detail: 'Nothing was changed. Try again after as long as the Retry-After header says.',
  },
  unavailable: {
    status: 503,
    title: 'Not available at the moment',
    detail: 'The database did not answer. Try again after as long as the Retry-After header says.',
  },
  misconfigured: {
    status: 503,
    title: 'Not configured',
    detail: 'The log of this deployment names the variables to set.',
  },
} as const satisfies Record<string, ProblemKind>

export type ProblemCode = keyof typeof problems

interface FieldError {
  /** A JSON Pointer (RFC 6901) into the body, as a URI fragment: `#/password`. */
  pointer: string
  detail: string
}

export interface ProblemExtras {
  errors?: FieldError[]
  headers?: Record<string, string>
  retryAfterSeconds?: number
}

const RETRY_AFTER_SECONDS = 5

const codes = new WeakMap<Response, ProblemCode>()

/** For the log; undefined for an answer that is no problem. */
export function problemCodeOf(response: Response): ProblemCode | undefined {
  return codes.get(response)
}

/** Where the type addresses point; public/auth/problems.html has an entry for each code. */
export function problemType(code: ProblemCode): string {
  const origin = environmentFaults.length === 0 ? environment().origin : ''
  return `${origin}/auth/problems#${code}`
}

export function problem(code: ProblemCode, extras: ProblemExtras = {}): Response {
  const { status, title, detail }: ProblemKind = problems[code]
  const headers = new Headers({ 'content-type': 'application/problem+json', ...extras.headers })
  // RFC 9110, section 15.5.2: a 401 names the scheme that would be accepted.
  if (status === 401) headers.set('www-authenticate', 'Bearer')
  if (status === 429 || status === 503) {
    headers.set('retry-after', String(extras.retryAfterSeconds ?? RETRY_AFTER_SECONDS))
  }
  const body: Problem = {
    type: problemType(code),
    title,
    status,
    code,
    detail,
    ...(extras.errors && { errors: extras.errors }),
  }
  const response = new Response(JSON.stringify(body), { status, headers })
  codes.set(response, code)
  return response
}

/** 429. The fields tell of the source's limit, whichever one was reached. */
export function quotaExceeded(bySource: RateLimit, waitSeconds: number): Response {
  return problem('quota-exceeded', {
    retryAfterSeconds: waitSeconds,
    headers: rateLimitHeaders(bySource, waitSeconds),
  })
}

/** 422 with one entry for each reason why a new password will not do. */
export function weakPassword(reasons: readonly string[], pointer = '#/password'): Response {
  return problem('weak-password', { errors: reasons.map((detail) => ({ pointer, detail })) })
}
