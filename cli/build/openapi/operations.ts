/** Every operation with its responses. The test suite checks each response it gets against this. */
import type { core } from 'zod/mini'
import type { ProblemCode } from '../../../lib/http/problems.ts'
import * as requests from '../../../lib/http/schemas/requests.ts'
import * as responses from '../../../lib/http/schemas/responses.ts'
import { examples } from './examples.ts'

export const METHODS = ['get', 'post', 'put', 'patch', 'delete'] as const
export type Method = (typeof METHODS)[number]
type Examples = Record<string, { summary: string; value: unknown }>

interface Success {
  description: string
  /** Any one of these; no body if empty. */
  bodies: readonly core.$ZodType[]
  examples?: Examples
  /** What `Set-Cookie` does, if anything. */
  cookies?: string
}

export interface Operation {
  id: string
  tag: keyof typeof tags
  summary: string
  description: string
  security: keyof typeof securities
  body?: { schema: core.$ZodType; examples: Examples }
  query?: core.$ZodType
  success: Record<number, Success>
  /** Specific to this operation; `commonProblems` has the rest. */
  problems: readonly ProblemCode[]
}

export const tags = {
  Registration: 'An account exists once its address is verified.',
  Session: 'Sign in, stay signed in, sign out.',
  'Password reset': 'For users who have forgotten their password.',
  Sessions: 'Everywhere the account is signed in.',
  Account: 'Read, change and delete it.',
  Operations: 'For other servers and the cron job, not for pages.',
}

/** Each is a list of alternatives; `{}` means no authentication. */
export const securities = {
  none: [],
  cookie: [{ session: [] }],
  'cookie, if any': [{ session: [] }, {}],
  'signed in': [{ session: [] }, { accessToken: [] }],
  'signed in, if at all': [{}, { session: [] }, { accessToken: [] }],
  cron: [{ cron: [] }],
}

const SESSION_COOKIES =
  'Sets `__Host-session` (HttpOnly), the refresh token, and `signed-in=1`, which pages can read. ' +
  'Both last as long as the session, or until the browser closes with `"remember": false`.'
const ENDED_COOKIES = 'Clears `__Host-session` and `signed-in`.'

export const operations: Record<string, Partial<Record<Method, Operation>>> = {
  register: {
    post: {
      id: 'register',
      tag: 'Registration',
      summary: 'Register',
      description:
        'Stores a registration and emails a link and a code. The response is the same if the ' +
        'address already has an account; its owner gets a different email.',
      security: 'none',
      body: {
        schema: requests.RegisterRequest,
        examples: {
          person: { summary: 'Address and password', value: examples.credentials },
          shared: {
            summary: 'On a shared device',
            value: { ...examples.credentials, remember: false },
          },
        },
      },
      success: {
        202: {
          description: 'An email is on its way.',
          bodies: [responses.CheckEmail],
          examples: { checkEmail: { summary: 'Any address', value: examples.checkEmail } },
          cookies:
            'Sets `__Host-registration`, which identifies this browser when the link is opened, for 7 days.',
        },
      },
      problems: ['weak-password', 'quota-exceeded', 'busy', 'unavailable'],
    },
  },
  verify: {
    post: {
      id: 'requestVerification',
      tag: 'Registration',
      summary: 'Request a new verification email',
      description:
        'Sends a new link and code for a pending registration. The response is the same for any address.',
      security: 'none',
      body: {
        schema: requests.VerificationEmailRequest,
        examples: { address: { summary: 'An address', value: examples.address } },
      },
      success: {
        202: {
          description: 'If a registration is pending, an email is on its way.',
          bodies: [responses.CheckEmail],
          examples: { checkEmail: { summary: 'Any address', value: examples.checkEmail } },
        },
      },
      problems: ['quota-exceeded', 'unavailable'],
    },
    put: {
      id: 'verify',
      tag: 'Registration',
      summary: 'Verify an address',
      description:
        'Consumes the one-time token or code of an email: of a registration, which becomes an ' +
        'account, or of a change of address. With `cancel`, it cancels a change of address ' +
        'instead. The browser that registered is signed in. Any other browser must send the ' +
        'password, too, and is not signed in.',
      security: 'signed in, if at all',
      body: {
        schema: requests.VerifyRequest,
        examples: {
          token: { summary: 'The link, in the browser that registered', value: { token: examples.token } },
          elsewhere: {
            summary: 'The link, in any other browser',
            value: { token: examples.token, password: examples.password },
          },
          code: {
            summary: 'The code',
            value: { ...examples.address, code: examples.code, password: examples.password },
          },
          cancel: {
            summary: 'Cancel a change of address, with the link sent to the old one',
            value: { cancel: examples.token },
          },
        },
      },
      success: {
        200: {
          description: 'The address is verified, or its change is canceled.',
          bodies: [responses.Verified],
          examples: {
            verified: { summary: 'In any other browser', value: { status: 'verified' } },
            signedIn: {
              summary: 'In the browser that registered',
              value: { status: 'signed-in', ...examples.session },
            },
            canceled: { summary: 'Canceled', value: { status: 'canceled' } },
          },
          cookies:
            `In the browser that registered: ${SESSION_COOKIES} Also sets \`__Host-device\` and ` +
            `clears \`__Host-registration\`. With a new address, in a browser that is signed in: \`__Host-device\`.`,
        },
      },
      problems: [
        'token-invalid',
        'token-expired',
        'token-already-used',
        'code-invalid',
        'password-required',
        'invalid-credentials',
        'quota-exceeded',
        'busy',
        'unavailable',
      ],
    },
  },
  login: {
    post: {
      id: 'login',
      tag: 'Session',
      summary: 'Sign in',
      description:
        'Checks the password and creates a session, which replaces the one this browser had. The ' +
        'response is the same for an unknown address, a wrong password and a locked account. With ' +
        '`reauthenticate`, only the account that is signed in is accepted, and the new session keeps ' +
        'the absolute expiry of the old one and its `remember`: use it after `reauthentication-required`.',
      security: 'cookie, if any',
      body: {
        schema: requests.LoginRequest,
        examples: {
          person: { summary: 'Address and password', value: examples.credentials },
          shared: {
            summary: 'On a shared device',
            value: { ...examples.credentials, remember: false },
          },
          again: {
            summary: 'Reauthenticate',
            value: { ...examples.credentials, reauthenticate: true },
          },
        },
      },
      success: {
        200: {
          description: 'Signed in.',
          bodies: [responses.SessionBody],
          examples: { session: { summary: 'The new session', value: examples.session } },
          cookies:
            `${SESSION_COOKIES} Also sets \`__Host-device\` for 180 days: with it, other people’s ` +
            `failed attempts do not lock out this browser.`,
        },
      },
      problems: [
        'invalid-credentials',
        'unauthorized',
        'email-unverified',
        'refresh-required',
        'different-account',
        'quota-exceeded',
        'busy',
        'unavailable',
      ],
    },
  },
  refresh: {
    post: {
      id: 'refresh',
      tag: 'Session',
      summary: 'Refresh the session',
      description:
        'Returns a new access token and rotates the refresh token. Repeating a request within 30 ' +
        'seconds returns the same refresh token, so parallel tabs and retries are safe. Reuse of ' +
        'an older token revokes the session and is reported to its owner by email.',
      security: 'cookie',
      body: { schema: requests.RefreshRequest, examples: { nothing: { summary: 'Nothing', value: {} } } },
      success: {
        200: {
          description: 'A new access token.',
          bodies: [responses.SessionBody],
          examples: { session: { summary: 'The same session', value: examples.session } },
          cookies: SESSION_COOKIES,
        },
      },
      problems: ['session-ended', 'refresh-required', 'quota-exceeded', 'unavailable'],
    },
  },
  logout: {
    post: {
      id: 'logout',
      tag: 'Session',
      summary: 'Sign out',
      description:
        'Revokes this session. With `everywhere`, revokes all sessions of the account, which needs ' +
        'an authentication within the last 5 minutes; if this session has ended, that is `session-ended`, as ' +
        'nothing else was revoked. Without `everywhere`, succeeds if nobody is signed in.',
      security: 'cookie, if any',
      body: {
        schema: requests.LogoutRequest,
        examples: {
          here: { summary: 'This session', value: {} },
          everywhere: { summary: 'All sessions', value: { everywhere: true } },
        },
      },
      success: { 204: { description: 'Signed out.', bodies: [], cookies: ENDED_COOKIES } },
      problems: ['session-ended', 'refresh-required', 'reauthentication-required', 'unavailable'],
    },
  },
  reset: {
    post: {
      id: 'requestReset',
      tag: 'Password reset',
      summary: 'Request a password reset',
      description: 'Emails a link and a code. The response is the same for any address.',
      security: 'none',
      body: {
        schema: requests.ResetEmailRequest,
        examples: { address: { summary: 'An address', value: examples.address } },
      },
      success: {
        202: {
          description: 'If there is an account, an email is on its way.',
          bodies: [responses.CheckEmail],
          examples: { checkEmail: { summary: 'Any address', value: examples.checkEmail } },
        },
      },
      problems: ['quota-exceeded', 'unavailable'],
    },
    put: {
      id: 'reset',
      tag: 'Password reset',
      summary: 'Set a new password',
      description:
        'Consumes the one-time token or code of an email and sets the password. Revokes all ' +
        'sessions of the account, including this one. Nobody is signed in.',
      security: 'none',
      body: {
        schema: requests.ResetRequest,
        examples: {
          token: {
            summary: 'The link',
            value: { token: examples.token, password: examples.newPassword },
          },
          code: {
            summary: 'The code',
            value: { ...examples.address, code: examples.code, password: examples.newPassword },
          },
        },
      },
      success: {
        200: {
          description: 'The password is changed.',
          bodies: [responses.PasswordChanged],
          examples: { changed: { summary: 'Changed', value: { status: 'password-changed' } } },
          cookies: 'Renews `__Host-device` in a browser that has it for this account.',
        },
      },
      problems: [
        'token-invalid',
        'token-expired',
        'token-already-used',
        'code-invalid',
        'weak-password',
        'quota-exceeded',
        'busy',
        'unavailable',
      ],
    },
  },
  sessions: {
    get: {
      id: 'listSessions',
      tag: 'Sessions',
      summary: 'List the sessions',
      description: 'All active sessions of the account.',
      security: 'signed in',
      success: {
        200: {
          description: 'The sessions.',
          bodies: [responses.SessionList],
          examples: { sessions: { summary: 'One session', value: examples.sessions } },
        },
      },
      problems: ['unauthorized', 'refresh-required', 'unavailable'],
    },
    delete: {
      id: 'revokeSession',
      tag: 'Sessions',
      summary: 'Revoke one session, or all others',
      description: 'Send either `id` or `others`. Needs an authentication within the last 5 minutes.',
      security: 'signed in',
      query: requests.RevokeSessionsRequest,
      success: {
        204: {
          description: 'Revoked.',
          bodies: [],
          cookies: `If it was this session: ${ENDED_COOKIES}`,
        },
      },
      problems: [
        'validation-failed',
        'unauthorized',
        'refresh-required',
        'reauthentication-required',
        'not-found',
        'unavailable',
      ],
    },
  },
  account: {
    get: {
      id: 'readAccount',
      tag: 'Account',
      summary: 'Read the account',
      description: 'Reads it from the database, so a change of role is visible at once.',
      security: 'signed in',
      success: {
        200: {
          description: 'The account.',
          bodies: [responses.Account],
          examples: { account: { summary: 'Signed in', value: { user: examples.session.user } } },
        },
      },
      problems: ['unauthorized', 'refresh-required', 'unavailable'],
    },
    patch: {
      id: 'changeAccount',
      tag: 'Account',
      summary: 'Change the password or the address',
      description:
        'A new password needs the current one, revokes all other sessions and replaces this one. A ' +
        'new address needs an authentication within the last 5 minutes; it takes effect once it is ' +
        'verified with the email sent there, and the old address gets an email with a link that ' +
        'cancels the change.',
      security: 'signed in',
      body: {
        schema: requests.AccountRequest,
        examples: {
          password: {
            summary: 'A new password',
            value: { currentPassword: examples.password, newPassword: examples.newPassword },
          },
          email: {
            summary: 'A new address',
            value: { email: examples.newEmail },
          },
        },
      },
      success: {
        200: {
          description: 'The password is changed, or emails are on their way.',
          bodies: [responses.SessionBody, responses.CheckEmail],
          examples: {
            session: {
              summary: 'A new password: the session that replaces this one',
              value: examples.session,
            },
            checkEmail: { summary: 'A new address', value: examples.checkEmail },
          },
          cookies: `With a new password: ${SESSION_COOKIES} Also renews \`__Host-device\`.`,
        },
      },
      problems: [
        'unauthorized',
        'refresh-required',
        'reauthentication-required',
        'invalid-credentials',
        'weak-password',
        'quota-exceeded',
        'busy',
        'unavailable',
      ],
    },
    delete: {
      id: 'deleteAccount',
      tag: 'Account',
      summary: 'Delete the account',
      description:
        'Deletes the account and all its data but the audit log. Cannot be undone. Needs an ' +
        'authentication within the last 5 minutes.',
      security: 'signed in',
      success: {
        204: {
          description: 'Deleted.',
          bodies: [],
          cookies: 'Clears `__Host-session`, `signed-in` and `__Host-device`.',
        },
      },
      problems: ['unauthorized', 'refresh-required', 'reauthentication-required', 'unavailable'],
    },
  },
  keys: {
    get: {
      id: 'readKeys',
      tag: 'Operations',
      summary: 'Read the public keys',
      description:
        'The JWK Set (RFC 7517) that verifies access tokens. The only response that may be cached, for 5 minutes.',
      security: 'none',
      success: {
        200: {
          description: 'The keys.',
          bodies: [responses.PublicKeys],
          examples: { keys: { summary: 'One key', value: examples.keys } },
        },
      },
      problems: [],
    },
  },
  maintenance: {
    get: {
      id: 'maintain',
      tag: 'Operations',
      summary: 'Run maintenance',
      description: "Delivers waiting email and removes expired data. Called once a day by Vercel's cron.",
      security: 'cron',
      success: {
        200: {
          description: 'What was done.',
          bodies: [responses.MaintenanceReport],
          examples: { report: { summary: 'A quiet day', value: examples.maintenance } },
        },
      },
      problems: ['unauthorized', 'unavailable'],
    },
  },
}

/** Problems that any request can get. */
export function commonProblems(method: Method, { body }: Operation): ProblemCode[] {
  return [
    'method-not-allowed',
    'internal-error',
    'misconfigured',
    ...(method === 'get' ? [] : (['cross-origin-request'] as const)),
    ...(body === undefined
      ? []
      : (['malformed-json', 'body-too-large', 'unsupported-media-type', 'validation-failed'] as const)),
  ]
}
