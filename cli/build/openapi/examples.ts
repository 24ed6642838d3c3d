/** Example requests and responses. The tests send them with an address, a token and a code that exist. */
const EXAMPLE_ORIGIN = 'https://app.example.com'
const USER_ID = '019aa8c1-7d5e-7c3a-9f10-2b6e4d8a1c57'
const SESSION_ID = '019aa8c4-02b1-7e64-8a3d-5f9c7b1e6d20'

const email = 'ada@example.org'
const password = 'correct horse battery staple'
const signedInAt = '2026-11-23T08:00:00.000Z'
const absoluteExpiresAt = '2026-12-23T08:00:00.000Z'

/** Not real, like the keys below, so that secret scanners find nothing. */
const accessToken = 'eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl'

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
    session: { id: SESSION_ID, absoluteExpiresAt },
  },
  sessions: {
    current: SESSION_ID,
    sessions: [
      {
        id: SESSION_ID,
        createdAt: signedInAt,
        lastUsedAt: signedInAt,
        absoluteExpiresAt,
        client: 'Firefox on Linux',
        ip: '203.0.113.x',
        lastClient: 'Firefox on Linux',
        lastIp: '203.0.113.x',
      },
    ],
  },
  keys: {
    keys: [
      {
        kty: 'EC',
        crv: 'P-256',
        x: 'X'.repeat(43),
        y: 'Y'.repeat(43),
        kid: 'K'.repeat(43),
        alg: 'ES256',
        use: 'sig',
      },
    ],
  },
  maintenance: {
    emails: { sent: 2, failed: 0, held: 0, waiting: 0, oldestWaitingSeconds: null },
    removed: {
      registrations: 3,
      sessions: 12,
      oneTimeTokens: 4,
      emails: 9,
      rateLimits: 41,
      loginAttempts: 2,
      eventIps: 17,
    },
    left: [],
    partitions: { created: [], dropped: [] },
  },
  fieldErrors: {
    'validation-failed': [{ pointer: '#/email', detail: 'This is not an email address.' }],
    'weak-password': [
      { pointer: '#/password', detail: 'Use at least 15 characters; a few words make a good password.' },
    ],
  },
} as const
