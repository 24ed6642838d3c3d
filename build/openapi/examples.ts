/** One person's requests and answers. The tests send them with an address, a token and a code that exist. */
const EXAMPLE_ORIGIN = 'https://app.example.com'
const USER_ID = '019aa8c1-7d5e-7c3a-9f10-2b6e4d8a1c57'
const SESSION_ID = '019aa8c4-02b1-7e64-8a3d-5f9c7b1e6d20'
const KEY_ID = 'Yb9Dfy0o4hVnWyLwr1T0pQK3sXm5c8uEJg2aRzN6tIk'

const email = 'ada@example.org'
const password = 'correct horse battery staple'
const signedInAt = '2026-11-23T08:00:00.000Z'
const endsAt = '2026-12-23T08:00:00.000Z'

function part(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

/** In form alone: nobody signed it. */
const accessToken = [
  part({ alg: 'ES256', typ: 'at+jwt', kid: KEY_ID }),
  part({
    sid: SESSION_ID,
    role: 'user',
    iss: EXAMPLE_ORIGIN,
    aud: EXAMPLE_ORIGIN,
    sub: USER_ID,
    iat: Date.parse(signedInAt) / 1000,
    exp: Date.parse(signedInAt) / 1000 + 900,
  }),
  'A'.repeat(86),
].join('.')

export const examples = {
  origin: EXAMPLE_ORIGIN,
  address: { email },
  password,
  credentials: { email, password },
  newPassword: 'violet teapots orbit the moon',
  newEmail: 'ada.lovelace@example.org',
  token: `AZqowX1efDqfECtuTYocV2kjwoA${'A'.repeat(43)}`,
  code: '204871',
  checkEmail: { status: 'check-email' },
  session: {
    user: { id: USER_ID, email, emailVerified: true, role: 'user' },
    accessToken,
    expiresAt: '2026-11-23T08:15:00.000Z',
    session: { id: SESSION_ID, endsAt },
  },
  devices: {
    current: SESSION_ID,
    sessions: [
      {
        id: SESSION_ID,
        createdAt: signedInAt,
        lastUsedAt: signedInAt,
        endsAt,
        client: 'Firefox on Linux',
        ip: '203.0.113.x',
      },
    ],
  },
  keys: {
    keys: [
      {
        kty: 'EC',
        crv: 'P-256',
        x: 'f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU',
        y: 'x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0',
        kid: KEY_ID,
        alg: 'ES256',
        use: 'sig',
      },
    ],
  },
  maintenance: {
    mail: { sent: 0, waiting: 0, givenUp: 0 },
    removed: {
      registrations: 3,
      sessions: 12,
      mailTokens: 4,
      mails: 9,
      rateLimits: 41,
      passwordAttempts: 2,
      eventIps: 17,
    },
  },
  fieldErrors: {
    'validation-failed': [{ pointer: '#/email', detail: 'This is not an email address.' }],
    'weak-password': [
      { pointer: '#/password', detail: 'Use at least 15 characters; a few words make a good password.' },
    ],
  },
} as const
