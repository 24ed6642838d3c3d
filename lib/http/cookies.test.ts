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
    const { setCookie } = await cookiesOn('https://app.example.com')
    expect([setCookie('session', TOKEN, 604_800.9), setCookie('signed-in', '1', 604_800.9)]).toEqual([
      `__Host-session=${TOKEN}; Max-Age=604800; Path=/; HttpOnly; Secure; SameSite=Lax`,
      'signed-in=1; Max-Age=604800; Path=/; Secure; SameSite=Lax',
    ])
  })

  test('on http://localhost, decided by the origin only, it is `session` without Secure', async () => {
    vi.stubEnv('NODE_ENV', 'production')
    const { setCookie } = await cookiesOn('http://localhost:3000')
    expect([setCookie('session', TOKEN, 60), setCookie('signed-in', '1', 60)]).toEqual([
      `session=${TOKEN}; Max-Age=60; Path=/; HttpOnly; SameSite=Lax`,
      'signed-in=1; Max-Age=60; Path=/; SameSite=Lax',
    ])
    expect(setCookie('registration', 'x', 60)).toBe(
      'registration=x; Max-Age=60; Path=/; HttpOnly; SameSite=Lax',
    )
  })

  test.each(['https://app.example.com', 'http://localhost:3000'])(
    'on %s set and clear agree attribute by attribute',
    async (origin) => {
      const { setCookie, clearCookie } = await cookiesOn(origin)
      for (const kind of ['session', 'signed-in', 'registration', 'device'] as const) {
        const [set, clear] = [setCookie(kind, TOKEN, 60), clearCookie(kind)]
        const { value: setValue, maxAge: setAge, ...setAttributes } = parseSetCookie(set)
        const { value: clearValue, maxAge: clearAge, ...clearAttributes } = parseSetCookie(clear)
        expect(clearAttributes).toEqual(setAttributes)
        expect([setValue === '', setAge]).toEqual([false, 60])
        expect([clearValue, clearAge]).toEqual(['', 0])
      }
    },
  )

  test('[ASVS 3.3.5] [6265bis 5.5] no cookie is longer than a browser keeps', async () => {
    const { setCookie } = await cookiesOn('https://app.example.com')
    for (const kind of ['session', 'registration'] as const) {
      const cookie = setCookie(kind, TOKEN, 2_592_000)
      expect(cookie.length).toBeLessThan(4096)
    }
  })

  test('without a lifetime a cookie has neither Max-Age nor Expires: it ends with the browser', async () => {
    const { setCookie } = await cookiesOn('https://app.example.com')
    expect([
      setCookie('session', TOKEN, undefined),
      setCookie('signed-in', '1', undefined),
      setCookie('device', 'x', undefined),
    ]).toEqual([
      `__Host-session=${TOKEN}; Path=/; HttpOnly; Secure; SameSite=Lax`,
      'signed-in=1; Path=/; Secure; SameSite=Lax',
      '__Host-device=x; Path=/; HttpOnly; Secure; SameSite=Lax',
    ])
  })

  test('a session that has expired is not kept with a negative age', async () => {
    const { setCookie } = await cookiesOn('https://app.example.com')
    expect(parseSetCookie(setCookie('session', TOKEN, -3)).maxAge).toBe(0)
  })

  test("the other origin's cookie name is not read", async () => {
    const { readCookie } = await cookiesOn('https://app.example.com')
    const request = new Request('https://app.example.com/', {
      headers: { cookie: 'session=a; x=__Host-session=c' },
    })
    expect(readCookie(request, 'session')).toBeUndefined()
  })
})
