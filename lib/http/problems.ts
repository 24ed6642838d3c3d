/**
 * The one table of problems (RFC 9457), and the one way to refuse a request. `title` is fixed for a code; `detail` says
 * what to do. Each `type` is a page on the app's own origin that explains the code.
 */
import { environment, environmentIssues } from '../env.ts'
import { rateLimits } from '../limits.ts'

interface ProblemKind {
  status: number
  title: string
  detail: string
}

export const problems = {
  'malformed-json': {
    status: 400,
    title: 'The body is not valid JSON',
    detail: 'Send one JSON object in UTF-8, without duplicate members.',
  },
  'token-invalid': {
    status: 400,
    title: 'The link is not valid',
    detail:
      'The link is incomplete or comes from somewhere else. Open it from the email again, or request a new one.',
  },
  'code-invalid': {
    status: 400,
    title: 'The code is not valid',
    detail:
      'The code is wrong, has expired, or was tried too often. Check the latest email, or request a new one.',
  },
  'invalid-credentials': {
    status: 401,
    title: 'Wrong email or password',
    detail: 'Check both and try again, or reset your password.',
  },
  'session-ended': {
    status: 401,
    title: 'The session has ended',
    detail: 'Sign in again.',
  },
  'refresh-required': {
    status: 401,
    title: 'The session needs a refresh',
    detail:
      'Call refresh, then repeat the request. If refresh itself responds with this, try again in 30 seconds.',
  },
  unauthorized: {
    status: 401,
    title: 'Not signed in',
    detail: 'Sign in, or send a valid access token as a bearer token.',
  },
  'email-unverified': {
    status: 403,
    title: 'The address is not confirmed yet',
    detail: 'Open the link in the email that you got when you signed up, or request a new one.',
  },
  'cross-origin-request': {
    status: 403,
    title: 'The request came from another site',
    detail: "Send it from a page on the app's own origin.",
  },
  'different-account': {
    status: 403,
    title: 'This is a different account',
    detail: 'Use the account that is signed in here, or sign out first.',
  },
  'password-required': {
    status: 403,
    title: 'The password is required, too',
    detail: 'This is not the browser that you signed up with, so enter the password that you chose, too.',
  },
  'reauthentication-required': {
    status: 403,
    title: 'Sign in again first',
    detail: 'Sign in again with "reauthenticate": true, then repeat the request within 5 minutes.',
  },
  'role-required': {
    status: 403,
    title: 'Your account is not allowed to do this',
    detail: 'It needs another role. Ask the people who run this app.',
  },
  'not-found': {
    status: 404,
    title: 'Not found',
    detail: 'You have no session with this id.',
  },
  'method-not-allowed': {
    status: 405,
    title: 'Method not allowed',
    detail: 'Use one of the methods in the Allow header.',
  },
  'token-expired': {
    status: 410,
    title: 'The link has expired',
    detail: 'Request a new one.',
  },
  'token-already-used': {
    status: 410,
    title: 'The link has already been used',
    detail: 'It has been used, or replaced by a newer one. Sign in, or request a new one.',
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
    detail: 'Correct the fields listed in errors, then try again.',
  },
  'weak-password': {
    status: 422,
    title: 'The password is too weak',
    detail: 'Choose another one. The reasons are in errors.',
  },
  'quota-exceeded': {
    status: 429,
    title: 'Too many requests',
    detail: 'Wait as long as the Retry-After header says, then try again.',
  },
  'internal-error': {
    status: 500,
    title: 'Something went wrong',
    detail:
      'It was logged under this request id. Try again. If it keeps happening, contact the people who run this app.',
  },
  busy: {
    status: 503,
    title: 'Too busy right now',
    detail: 'Nothing was changed. Wait as long as the Retry-After header says, then try again.',
  },
  unavailable: {
    status: 503,
    title: 'Not available right now',
    detail: 'The database did not respond. Wait as long as the Retry-After header says, then try again.',
  },
  misconfigured: {
    status: 503,
    title: 'Not configured',
    detail: 'The log of this deployment lists the variables to set.',
  },
} as const satisfies Record<string, ProblemKind>

export type ProblemCode = keyof typeof problems

interface FieldError {
  /** A JSON Pointer (RFC 6901) into the body, as a URI fragment: `#/password`. */
  pointer: string
  detail: string
}

interface ProblemExtras {
  errors?: FieldError[]
  headers?: Record<string, string>
  /** `Set-Cookie` values. */
  cookies?: readonly string[]
  retryAfterSeconds?: number
}

/** The one way to refuse a request. Thrown anywhere in a handler; `endpoint` turns it into the response. */
export class HttpError extends Error {
  readonly code: ProblemCode
  readonly extras: ProblemExtras

  constructor(code: ProblemCode, extras: ProblemExtras = {}) {
    super(code)
    this.code = code
    this.extras = extras
  }
}

/** 429. It names the limit by source, whichever limit was reached, so it says nothing about an account. */
export function tooManyRequests(bySource: keyof typeof rateLimits, retryAfterSeconds: number): HttpError {
  return new HttpError('quota-exceeded', {
    retryAfterSeconds,
    headers: rateLimitHeaders(bySource, retryAfterSeconds),
  })
}

/** The fields of a 429 (draft-ietf-httpapi-ratelimit-headers-10). */
export function rateLimitHeaders(
  limit: keyof typeof rateLimits,
  retryAfterSeconds: number,
): Record<string, string> {
  const { name, quota, windowSeconds } = rateLimits[limit]
  return {
    'ratelimit-policy': `"${name}";q=${quota};w=${windowSeconds}`,
    ratelimit: `"${name}";r=0;t=${retryAfterSeconds}`,
  }
}

/** 422 with one entry for each reason why a new password is refused. */
export function weakPassword(reasons: readonly string[], pointer = '#/password'): HttpError {
  return new HttpError('weak-password', { errors: reasons.map((detail) => ({ pointer, detail })) })
}

const RETRY_AFTER_SECONDS = 5

/** Where `type` points; public/auth/problems.html has an entry for each code. */
export function problemType(code: ProblemCode): string {
  const origin = environmentIssues.length === 0 ? environment().origin : ''
  return `${origin}/auth/problems#${code}`
}

export function problemResponse({ code, extras }: HttpError): Response {
  const { status, title, detail }: ProblemKind = problems[code]
  const headers = new Headers({ 'content-type': 'application/problem+json', ...extras.headers })
  for (const cookie of extras.cookies ?? []) headers.append('set-cookie', cookie)
  // RFC 9110, section 15.5.2: a 401 names the scheme that would be accepted.
  if (status === 401) headers.set('www-authenticate', 'Bearer')
  if (status === 429 || status === 503) {
    headers.set('retry-after', String(extras.retryAfterSeconds ?? RETRY_AFTER_SECONDS))
  }
  const body = {
    type: problemType(code),
    title,
    status,
    code,
    detail,
    ...(extras.errors && { errors: extras.errors }),
  }
  return new Response(JSON.stringify(body), { status, headers })
}
