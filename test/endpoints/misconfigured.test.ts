import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { gateway } from '../support/setup-stack.ts'

const written: string[] = []

beforeAll(() => {
  vi.stubEnv('JWT_SECRET', 'changeme')
  vi.stubEnv('RESEND_API_KEY', '')
  vi.spyOn(console, 'error').mockImplementation((line: string) => void written.push(line))
  vi.resetModules()
})
afterAll(() => {
  vi.unstubAllEnvs()
  vi.restoreAllMocks()
})

test.each([
  'register',
  'verify',
  'login',
  'refresh',
  'logout',
  'reset',
  'sessions',
  'account',
  'keys',
  'maintenance',
])(
  '%s is 503 misconfigured, and the log names the variables and what to do, without values',
  async (name) => {
    written.length = 0
    const { default: endpoint } = await import(`../../api/auth/${name}.ts`)
    const response: Response = await endpoint.fetch(new Request(`https://app.latchkey.test/api/auth/${name}`))
    expect(response.status).toBe(503)
    expect(Object.fromEntries(response.headers)).toEqual({
      'cache-control': 'no-store',
      'content-security-policy':
        "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; object-src 'none'; sandbox",
      'content-type': 'application/problem+json',
      'cross-origin-resource-policy': 'same-origin',
      'referrer-policy': 'no-referrer',
      'retry-after': expect.stringMatching(/^\d+$/),
      'x-content-type-options': 'nosniff',
      'x-request-id': expect.any(String),
    })
    expect(await response.json()).toMatchObject({
      status: 503,
      code: 'misconfigured',
      type: '/auth/problems#misconfigured',
    })
    const entries = written.map((line) => JSON.parse(line)).filter(({ event }) => event === 'misconfigured')
    expect(entries.map(({ keys }) => keys)).toEqual([
      [
        'JWT_SECRET: too short or not random; each secret must be 32 random bytes: openssl rand -base64 32',
        'RESEND_API_KEY: missing; make one at https://resend.com/api-keys',
      ],
    ])
    expect(written.join()).not.toContain('changeme')
    expect(gateway.requests).toHaveLength(0)
  },
)
