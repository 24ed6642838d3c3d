/** What can be asked of the endpoints, and every answer there is to it. A test holds each answer of the whole suite against it. */
import type { core } from 'zod/mini'
import { Change, Deletion } from '../../api/auth/account.ts'
import { Credentials } from '../../api/auth/login.ts'
import { Wish } from '../../api/auth/logout.ts'
import { Nothing } from '../../api/auth/refresh.ts'
import { Body } from '../../api/auth/register.ts'
import { MailWish as ResetWish, NewPassword } from '../../api/auth/reset.ts'
import { Choice } from '../../api/auth/sessions.ts'
import { MailWish as VerificationWish, Proof } from '../../api/auth/verify.ts'
import type { ProblemCode } from '../../lib/problems.ts'
import * as answers from '../../lib/answers.ts'
import { examples } from './examples.ts'

export const METHODS = ['get', 'post', 'put', 'patch', 'delete'] as const
export type Method = (typeof METHODS)[number]
type Examples = Record<string, { summary: string; value: unknown }>

interface Success {
  description: string
  /** More than one: either. None: no body. */
  bodies: readonly core.$ZodType[]
  examples?: Examples
  /** What `Set-Cookie` does, where there is one. */
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
  /** Its own; `commonProblems` has those that any request may meet. */
  problems: readonly ProblemCode[]
}

export const tags = {
  Registration: 'No account exists before its address is proven.',
  Session: 'Sign in, stay signed in, sign out.',
  'Password reset': 'For whoever has forgotten it.',
  Devices: 'The sessions of an account.',
  Account: 'What its owner may see and change.',
  Upkeep: 'For other servers and for the cron, not for pages.',
}

/** Each is a list of alternatives; the empty one is nobody in particular. */
export const securities = {
  none: [],
  cookie: [{ session: [] }],
  'cookie, if any': [{ session: [] }, {}],
  'signed in': [{ session: [] }, { accessToken: [] }],
  'signed in, if at all': [{}, { session: [] }, { accessToken: [] }],
  cron: [{ cron: [] }],
}

const SESSION_COOKIES =
  '`__Host-session`, the refresh token (HttpOnly), and `signed-in=1`, which pages may read; both for as long as the session has left.'
const ENDED_COOKIES = 'Clears `__Host-session` and `signed-in`.'

export const operations: Record<string, Partial<Record<Method, Operation>>> = {
  register: {
    post: {
      id: 'register',
      tag: 'Registration',
      summary: 'Register',
      description:
        'Keeps a registration and mails its link and code. The answer is alike for an address that has an account; its owner is told by mail.',
      security: 'none',
      body: {
        schema: Body,
        examples: { person: { summary: 'A person', value: examples.credentials } },
      },
      success: {
        202: {
          description: 'A mail is on its way.',
          bodies: [answers.CheckEmail],
          examples: { checkEmail: { summary: 'For any address', value: examples.checkEmail } },
          cookies:
            '`__Host-registration`, by which this browser is known when the link is opened; for 7 days.',
        },
      },
      problems: ['weak-password', 'quota-exceeded', 'busy', 'unavailable'],
    },
  },
  verify: {
    post: {
      id: 'requestVerification',
      tag: 'Registration',
      summary: 'Ask for a new link',
      description: 'Mails a new link for a registration that waits. The answer is the same for any address.',
      security: 'none',
      body: {
        schema: VerificationWish,
        examples: { address: { summary: 'An address', value: examples.address } },
      },
      success: {
        202: {
          description: 'If a registration waits, a mail is on its way.',
          bodies: [answers.CheckEmail],
          examples: { checkEmail: { summary: 'For any address', value: examples.checkEmail } },
        },
      },
      problems: ['quota-exceeded', 'unavailable'],
    },
    put: {
      id: 'verify',
      tag: 'Registration',
      summary: 'Confirm an address',
      description:
        'Spends a mailed token or code: of a registration, which becomes an account, or of a change of address. In another browser than the one that registered the password is needed as well. Nobody is signed in by this.',
      security: 'signed in, if at all',
      body: {
        schema: Proof,
        examples: {
          token: { summary: 'The link, in the browser that registered', value: { token: examples.token } },
          elsewhere: {
            summary: 'The link, in another browser',
            value: { token: examples.token, password: examples.password },
          },
          code: {
            summary: 'The code of the mail',
            value: { ...examples.address, code: examples.code, password: examples.password },
          },
          stop: {
            summary: 'Stop a change, by the link in the mail to the old address',
            value: { stop: examples.token },
          },
        },
      },
      success: {
        200: {
          description: 'The address is confirmed, or the change is stopped.',
          bodies: [answers.Verified],
          examples: {
            verified: { summary: 'Confirmed', value: { status: 'verified' } },
            stopped: { summary: 'Stopped', value: { status: 'stopped' } },
          },
          cookies: 'Clears `__Host-registration` where that has done its work.',
        },
      },
      problems: [
        'token-invalid',
        'token-expired',
        'token-spent',
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
        'Checks the password and opens a session; one that this browser had already ends. An unknown address, a wrong password and a locked one answer alike.',
      security: 'none',
      body: {
        schema: Credentials,
        examples: { person: { summary: 'A person', value: examples.credentials } },
      },
      success: {
        200: {
          description: 'Signed in.',
          bodies: [answers.SessionBody],
          examples: { session: { summary: 'The new session', value: examples.session } },
          cookies: `${SESSION_COOKIES} And \`__Host-known-browser\`, by which failures elsewhere do not count here; for 180 days.`,
        },
      },
      problems: ['invalid-credentials', 'email-unverified', 'quota-exceeded', 'busy', 'unavailable'],
    },
  },
  refresh: {
    post: {
      id: 'refresh',
      tag: 'Session',
      summary: 'Renew the access token',
      description:
        'Turns the refresh token when it is due. Asking twice within 30 seconds gives the same successor, so tabs may race and a lost answer may be asked for again. A token that is older was stolen: its session ends and its owner is told.',
      security: 'cookie',
      body: { schema: Nothing, examples: { nothing: { summary: 'Nothing', value: {} } } },
      success: {
        200: {
          description: 'A new access token.',
          bodies: [answers.SessionBody],
          examples: { session: { summary: 'The same session', value: examples.session } },
          cookies: SESSION_COOKIES,
        },
      },
      problems: ['session-ended', 'quota-exceeded', 'unavailable'],
    },
  },
  logout: {
    post: {
      id: 'logout',
      tag: 'Session',
      summary: 'Sign out',
      description: 'Ends this session, or all of the account. Also fine when nobody is signed in.',
      security: 'cookie, if any',
      body: {
        schema: Wish,
        examples: {
          here: { summary: 'Here', value: {} },
          everywhere: { summary: 'On every device', value: { everywhere: true } },
        },
      },
      success: { 204: { description: 'Signed out.', bodies: [], cookies: ENDED_COOKIES } },
      problems: ['unavailable'],
    },
  },
  reset: {
    post: {
      id: 'requestReset',
      tag: 'Password reset',
      summary: 'Ask for a reset',
      description: 'Mails a link and a code. The answer is the same for any address.',
      security: 'none',
      body: {
        schema: ResetWish,
        examples: { address: { summary: 'An address', value: examples.address } },
      },
      success: {
        202: {
          description: 'If there is an account, a mail is on its way.',
          bodies: [answers.CheckEmail],
          examples: { checkEmail: { summary: 'For any address', value: examples.checkEmail } },
        },
      },
      problems: ['quota-exceeded', 'unavailable'],
    },
    put: {
      id: 'reset',
      tag: 'Password reset',
      summary: 'Set a new password',
      description:
        'Spends the token or code. Every session of the account ends, here too, and nobody is signed in.',
      security: 'none',
      body: {
        schema: NewPassword,
        examples: {
          token: {
            summary: 'The link',
            value: { token: examples.token, password: examples.newPassword },
          },
          code: {
            summary: 'The code of the mail',
            value: { ...examples.address, code: examples.code, password: examples.newPassword },
          },
        },
      },
      success: {
        200: {
          description: 'The password is changed.',
          bodies: [answers.PasswordChanged],
          examples: { changed: { summary: 'Changed', value: { status: 'password-changed' } } },
        },
      },
      problems: [
        'token-invalid',
        'token-expired',
        'token-spent',
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
      id: 'listDevices',
      tag: 'Devices',
      summary: 'List the signed-in devices',
      description: 'Every session of the account that has not ended, and which of them asks.',
      security: 'signed in',
      success: {
        200: {
          description: 'The devices.',
          bodies: [answers.Devices],
          examples: { devices: { summary: 'This one alone', value: examples.devices } },
        },
      },
      problems: ['unauthorized', 'unavailable'],
    },
    delete: {
      id: 'endDevice',
      tag: 'Devices',
      summary: 'End one session, or all others',
      description: 'Give either `id` or `others`. Needs a sign-in of the last 5 minutes.',
      security: 'signed in',
      query: Choice,
      success: {
        204: {
          description: 'Ended.',
          bodies: [],
          cookies: `${ENDED_COOKIES} Only when it was this session.`,
        },
      },
      problems: [
        'validation-failed',
        'unauthorized',
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
      description: 'Fresh from the database.',
      security: 'signed in',
      success: {
        200: {
          description: 'Who is signed in.',
          bodies: [answers.Account],
          examples: { account: { summary: 'The account', value: { user: examples.session.user } } },
        },
      },
      problems: ['unauthorized', 'unavailable'],
    },
    patch: {
      id: 'changeAccount',
      tag: 'Account',
      summary: 'Change the password or the address',
      description:
        'A new password ends all other sessions and replaces this one. A new address must be confirmed by its mail before anything changes, and the old one is told.',
      security: 'signed in',
      body: {
        schema: Change,
        examples: {
          password: {
            summary: 'A new password',
            value: { currentPassword: examples.password, newPassword: examples.newPassword },
          },
          email: {
            summary: 'A new address',
            value: { currentPassword: examples.password, email: examples.newEmail },
          },
        },
      },
      success: {
        200: {
          description: 'The password is changed, or mails are on their way.',
          bodies: [answers.SessionBody, answers.CheckEmail],
          examples: {
            session: {
              summary: 'A new password: the session that replaces this one',
              value: examples.session,
            },
            checkEmail: { summary: 'A new address', value: examples.checkEmail },
          },
          cookies: `With a new password: ${SESSION_COOKIES}`,
        },
      },
      problems: [
        'unauthorized',
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
      description: 'With its sessions and tokens. It cannot be undone.',
      security: 'signed in',
      body: {
        schema: Deletion,
        examples: { password: { summary: 'The password', value: { currentPassword: examples.password } } },
      },
      success: {
        204: {
          description: 'Gone.',
          bodies: [],
          cookies: 'Clears `__Host-session`, `signed-in` and `__Host-known-browser`.',
        },
      },
      problems: ['unauthorized', 'invalid-credentials', 'quota-exceeded', 'busy', 'unavailable'],
    },
  },
  keys: {
    get: {
      id: 'readKeys',
      tag: 'Upkeep',
      summary: 'Read the public keys',
      description:
        'They verify access tokens, as a JWK Set (RFC 7517). The one answer that may be cached, for 5 minutes.',
      security: 'none',
      success: {
        200: {
          description: 'The keys.',
          bodies: [answers.PublicKeys],
          examples: { keys: { summary: 'One key', value: examples.keys } },
        },
      },
      problems: [],
    },
  },
  maintenance: {
    get: {
      id: 'maintain',
      tag: 'Upkeep',
      summary: 'Deliver waiting mail, remove what has expired',
      description: "Called by Vercel's cron once a day.",
      security: 'cron',
      success: {
        200: {
          description: 'Done.',
          bodies: [answers.MaintenanceReport],
          examples: { report: { summary: 'A quiet day', value: examples.maintenance } },
        },
      },
      problems: ['unauthorized', 'unavailable'],
    },
  },
}

/** What any request to an operation may meet, before or beside its own work. */
export function commonProblems(method: Method, { body }: Operation): ProblemCode[] {
  return [
    'method-not-allowed',
    'internal-error',
    'misconfigured',
    ...(method === 'get' ? [] : (['origin-refused'] as const)),
    ...(body === undefined
      ? []
      : (['malformed-json', 'body-too-large', 'unsupported-media-type', 'validation-failed'] as const)),
  ]
}
