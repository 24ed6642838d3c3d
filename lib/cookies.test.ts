import { parseSetCookie } from 'cookie'
import { afterEach, describe, expect, test, vi } from 'vitest'

afterEach(() => {
  vi.unstubAllEnvs()
  vi.resetModules()
})

async function cookiesOn(origin: string) {
  vi.stubEnv('APP_URL', origin)
  vi.resetModules()
  return await import('./cookies.ts')
}

const TOKEN = 'A'.repeat(91)

describe('the cookie policy', () => {
  test('[ASVS 3.3.1] [ASVS 3.3.2] [ASVS 3.3.3] [ASVS 3.3.4] [6265bis 4.1.3.2] [63B-4 5.1 secrets] on https the session cookie is __Host-, HttpOnly, Secure, Lax, on the whole host', async () => {
    const { sessionCookies } = await cookiesOn('https://app.example.com')
    expect(sessionCookies(TOKEN, 604_800.9)).toEqual([
      `__Host-session=${TOKEN}; Max-Age=604800; Path=/; HttpOnly; Secure; SameSite=Lax`,
      'signed-in=1; Max-Age=604800; Path=/; Secure; SameSite=Lax',
    ])
  })

  test('on http://localhost, decided by the origin only, it is `session` without Secure', async () => {
    vi.stubEnv('NODE_ENV', 'production')
    const { sessionCookies, registrationCookie } = await cookiesOn('http://localhost:3000')
    expect(sessionCookies(TOKEN, 60)).toEqual([
      `session=${TOKEN}; Max-Age=60; Path=/; HttpOnly; SameSite=Lax`,
      'signed-in=1; Max-Age=60; Path=/; SameSite=Lax',
    ])
    expect(registrationCookie('x', 60)).toBe('registration=x; Max-Age=60; Path=/; HttpOnly; SameSite=Lax')
  })

  test.each(['https://app.example.com', 'http://localhost:3000'])(
    'on %s set and clear agree attribute by attribute',
    async (origin) => {
      const cookies = await cookiesOn(origin)
      const pairs = [
        ...cookies
          .sessionCookies(TOKEN, 60)
          .map((set, index) => [set, cookies.endedSessionCookies()[index] ?? ''] as const),
        [cookies.registrationCookie('x', 60), cookies.endedRegistrationCookie()] as const,
        [cookies.deviceCookie('x', 60), cookies.endedDeviceCookie()] as const,
      ]
      for (const [set, clear] of pairs) {
        const { value: setValue, maxAge: setAge, ...setAttributes } = parseSetCookie(set)
        const { value: clearValue, maxAge: clearAge, ...clearAttributes } = parseSetCookie(clear)
        expect(clearAttributes).toEqual(setAttributes)
        expect([setValue === '', setAge]).toEqual([false, 60])
        expect([clearValue, clearAge]).toEqual(['', 0])
      }
    },
  )

  test('[ASVS 3.3.5] [6265bis 5.5] no cookie is longer than a browser keeps', async () => {
    const { sessionCookies, registrationCookie } = await cookiesOn('https://app.example.com')
    for (const cookie of [...sessionCookies(TOKEN, 2_592_000), registrationCookie(TOKEN, 604_800)]) {
      expect(cookie.length).toBeLessThan(4096)
    }
  })

  test('without a lifetime a cookie has neither Max-Age nor Expires: it ends with the browser', async () => {
    const { sessionCookies, deviceCookie } = await cookiesOn('https://app.example.com')
    expect([...sessionCookies(TOKEN, undefined), deviceCookie('x', undefined)]).toEqual([
      `__Host-session=${TOKEN}; Path=/; HttpOnly; Secure; SameSite=Lax`,
      'signed-in=1; Path=/; Secure; SameSite=Lax',
      '__Host-device=x; Path=/; HttpOnly; Secure; SameSite=Lax',
    ])
  })

  test('a session that has expired is not kept with a negative age', async () => {
    const { sessionCookies } = await cookiesOn('https://app.example.com')
    expect(parseSetCookie(sessionCookies(TOKEN, -3)[0] ?? '').maxAge).toBe(0)
  })

  test("the other origin's cookie name is not read", async () => {
    const { readCookie } = await cookiesOn('https://app.example.com')
    const request = new Request('https://app.example.com/', {
      headers: { cookie: 'session=a; x=__Host-session=c' },
    })
    expect(readCookie(request, 'session')).toBeUndefined()
  })
})
