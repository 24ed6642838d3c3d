import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { gateway } from './setup-stack.ts'

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
  '%s answers 503 misconfigured, and its log names the variables and what to do, without values',
  async (name) => {
    written.length = 0
    const { default: endpoint } = await import(`../api/auth/${name}.ts`)
    const response: Response = await endpoint.fetch(new Request(`https://app.latchkey.test/api/auth/${name}`))
    expect(response.status).toBe(503)
    expect(response.headers.get('content-type')).toBe('application/problem+json')
    expect(response.headers.get('retry-after')).toMatch(/^\d+$/)
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect(await response.json()).toMatchObject({
      status: 503,
      code: 'misconfigured',
      type: '/auth/problems#misconfigured',
    })
    expect(written.map((line) => JSON.parse(line).keys)).toEqual([
      [
        'JWT_SECRET: too short or not random; each secret must be 32 random bytes: openssl rand -base64 32',
        'RESEND_API_KEY: missing; make one at https://resend.com/api-keys',
      ],
    ])
    expect(written.join()).not.toContain('changeme')
    expect(gateway.requests).toHaveLength(0)
  },
)
