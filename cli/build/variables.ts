/**
 * What each variable is for, in words: docs/configure.md and .env.example are made of it. What is accepted stands in lib/env.ts, and
 * nothing of this reaches a function.
 */

export interface Variable {
  name: string
  section: Section
  /** What it is for, in whole sentences. */
  what: string
  format: string
  /** What holds without it; undefined where it has to be set. */
  unset?: string
  /** One that a deployment takes; of a secret how to make one. */
  example: string
  /** On the local stack: stands in .env.example. Without it the example stands there, commented out. */
  local?: string
  secret?: true
  /** Neither wanted nor read: it is here because some value of it is refused. */
  foreign?: true
  /** Values that are refused, one for each thing that can be wrong with it. */
  wrong: readonly string[]
}

export const SECTIONS = [
  'Where the app is',
  'Secrets',
  'Database',
  'Email (Resend)',
  'Policy',
  'Not ours, and refused',
] as const

type Section = (typeof SECTIONS)[number]

const SECRET_FORMAT = '32 random bytes or more, in base64, base64url or hexadecimal'
const NEW_SECRET = 'openssl rand -base64 32'

export const variables: readonly Variable[] = [
  {
    name: 'APP_URL',
    section: 'Where the app is',
    what: 'The address people open. Links in emails point there, tokens name it, and requests of no other origin are taken. On Vercel set it for Production alone, and only where the app has an address of its own.',
    format: 'an origin alone, https; in local development also `http://localhost`, with a port',
    unset:
      "on Vercel production takes its production domain, a preview its branch's host or else its own; a local run `http://localhost:3000`. Outside Vercel it has to be set",
    example: 'https://app.example.com',
    local: 'http://localhost:3000',
    wrong: [
      'app.example.com',
      'http://app.example.com',
      'https://app.example.com/login',
      'https://localhost:3000',
    ],
  },
  {
    name: 'PRODUCT_NAME',
    section: 'Where the app is',
    what: 'What emails call the app.',
    format: '1 to 60 characters, neither `<` nor `>`',
    unset: 'the host of `APP_URL`',
    example: 'Example',
    local: 'Latchkey',
    wrong: ['<b>Example</b>'],
  },
  {
    name: 'JWT_SECRET',
    section: 'Secrets',
    what: 'All keys are derived from it. Of a list, separated by commas, the first one signs and all of them verify. To exchange it: docs/deploy.md#another-secret.',
    format: `${SECRET_FORMAT}; or a list of such`,
    example: NEW_SECRET,
    local: '',
    secret: true,
    wrong: ['secret'],
  },
  {
    name: 'CRON_SECRET',
    section: 'Secrets',
    what: "Vercel's cron sends it to `/api/auth/maintenance`, and so does a monitor of yours. Another one than `JWT_SECRET`.",
    format: SECRET_FORMAT,
    example: NEW_SECRET,
    local: '',
    secret: true,
    wrong: ['secret'],
  },
  {
    name: 'DATABASE_URL',
    section: 'Database',
    what: 'The pooled connection string. The functions use Neon over HTTP, any other Postgres over TCP. Another database for previews than for production, best a branch each.',
    format: '`postgresql://` with user, password, host and database',
    example: 'postgresql://app:pw@ep-quiet-sun-1-pooler.eu-central-1.aws.neon.tech/neondb?sslmode=require',
    local: 'postgres://postgres:postgres@127.0.0.1:54329/latchkey',
    secret: true,
    wrong: ['mysql://app:pw@db.example.com/app', 'postgresql://app:pw@localhost/app'],
  },
  {
    name: 'DATABASE_URL_UNPOOLED',
    section: 'Database',
    what: 'The direct connection string to the same database, as its owner; migrations use it over TCP. The functions do not read it.',
    format: 'as `DATABASE_URL`',
    unset: 'migrations use `DATABASE_URL`',
    example: 'postgresql://owner:pw@ep-quiet-sun-1.eu-central-1.aws.neon.tech/neondb?sslmode=require',
    local: 'postgres://postgres:postgres@127.0.0.1:54329/latchkey',
    secret: true,
    wrong: [],
  },
  {
    name: 'DATABASE_POOL_MAX',
    section: 'Database',
    what: "Connections that one instance keeps, where the database isn't Neon's and is reached over TCP.",
    format: 'a whole number from 1 to 100',
    unset: '10',
    example: '5',
    wrong: ['0', 'many'],
  },
  {
    name: 'DATABASE_CA',
    section: 'Database',
    what: "The certificate authority that signed the database's certificate, if it isn't a public one. Only this one is trusted then, instead of the public ones.",
    format: 'PEM text with its line breaks',
    unset: 'the public authorities',
    example: '-----BEGIN CERTIFICATE-----…-----END CERTIFICATE-----',
    wrong: ['/etc/ssl/ca.pem'],
  },
  {
    name: 'NEON_FETCH_ENDPOINT',
    section: 'Database',
    what: "Local development only: what stands in for Neon's HTTP address. Leave it out everywhere else.",
    format: 'a loopback address',
    unset: "Neon's own address",
    example: 'http://127.0.0.1:54330/sql',
    local: 'http://127.0.0.1:54330/sql',
    wrong: ['http://127.0.0.1:54330/sql'],
  },
  {
    name: 'RESEND_API_KEY',
    section: 'Email (Resend)',
    what: 'Sends the emails. Sending access is enough; make one at https://resend.com/api-keys.',
    format: 'begins with `re_`',
    example: 're_…',
    local: 're_local',
    secret: true,
    wrong: ['sk_live_1', 're_local'],
  },
  {
    name: 'EMAIL_FROM',
    section: 'Email (Resend)',
    what: 'The sender. Its domain must be verified at Resend: https://resend.com/domains.',
    format: 'an address, or a name and an address in angle brackets',
    example: 'Example <login@mail.example.com>',
    local: 'Latchkey <login@latchkey.test>',
    wrong: ['nobody'],
  },
  {
    name: 'EMAIL_ALLOW',
    section: 'Email (Resend)',
    what: 'Whom emails may go to. An email to anybody else is held: it is marked and never sent.',
    format: 'addresses, and domains as `@example.org`, separated by commas',
    unset: 'in a preview nobody, elsewhere everybody',
    example: 'me@example.com,@example.org',
    wrong: ['me'],
  },
  {
    name: 'SUPPORT_ADDRESS',
    section: 'Email (Resend)',
    what: "Who answers people's questions; named in every email.",
    format: 'an address alone',
    unset: 'no address is named',
    example: 'help@example.com',
    wrong: ['help'],
  },
  {
    name: 'EMAIL_LANGUAGE',
    section: 'Email (Resend)',
    what: 'The language of the emails.',
    format: '`en`, `de`, `fr` or `es`',
    unset: '`en`',
    example: 'en',
    wrong: ['it'],
  },
  {
    name: 'VERIFY_PATH',
    section: 'Email (Resend)',
    what: 'The page that links of registrations and changes of address open, if not ours; docs/email.md says what such a page must do.',
    format: 'a path of `APP_URL`',
    unset: '`/auth/verify`',
    example: '/auth/verify',
    wrong: ['https://app.example.com/confirm'],
  },
  {
    name: 'RESET_PATH',
    section: 'Email (Resend)',
    what: 'The same for the links of resets.',
    format: 'a path of `APP_URL`',
    unset: '`/auth/reset`',
    example: '/auth/reset',
    wrong: ['https://app.example.com/reset'],
  },
  {
    name: 'RESEND_BASE_URL',
    section: 'Email (Resend)',
    what: "Local development only: what stands in for Resend's address. Leave it out everywhere else.",
    format: 'a loopback address',
    unset: "Resend's own address",
    example: 'http://127.0.0.1:54331',
    local: 'http://127.0.0.1:54331',
    wrong: ['http://127.0.0.1:54331'],
  },
  {
    name: 'PASSWORD_MIN_LENGTH',
    section: 'Policy',
    what: 'The shortest password, in characters.',
    format: 'a whole number from 8 to 64',
    unset: '15, which is right while the password is the only factor',
    example: '15',
    wrong: ['7'],
  },
  {
    name: 'BREACHED_PASSWORDS_URL',
    section: 'Policy',
    what: 'New passwords are looked up in a list of breached ones: five characters of a hash go out, no password does.',
    format: 'an https address alone',
    unset: 'no list is asked',
    example: 'https://api.pwnedpasswords.com/range',
    wrong: ['http://api.pwnedpasswords.com/range'],
  },
  {
    name: 'RESEND_DEBUG',
    section: 'Not ours, and refused',
    what: 'Makes the SDK of Resend log what it was sent. A deployment with `true` does not start.',
    format: 'anything but `true`',
    unset: 'the SDK logs nothing',
    example: 'false',
    foreign: true,
    wrong: ['true'],
  },
  {
    name: 'NODE_TLS_REJECT_UNAUTHORIZED',
    section: 'Not ours, and refused',
    what: 'Turns off the verification of certificates. A deployment with `0` does not start.',
    format: 'anything but `0`',
    unset: 'certificates are verified',
    example: '1',
    foreign: true,
    wrong: ['0'],
  },
]
