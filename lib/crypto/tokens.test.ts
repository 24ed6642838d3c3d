import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import * as fc from 'fast-check'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { v7 as newId } from 'uuid'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { publicKeys, signAccessToken, verifyAccessToken } from './access-token.ts'
import { requireUser } from '../guards.ts'
import { signingKeys } from './keys.ts'
import { verifyOneTimeToken, signOneTimeToken } from './one-time-token.ts'
import { hashFamily, newFamily, verifyRefreshToken, signRefreshToken } from './refresh-token.ts'
import { verifyRegistrationCookie, signRegistrationCookie } from './registration-cookie.ts'

const families = fc.uint8Array({ minLength: 32, maxLength: 32 })
const counters = fc.integer({ min: 0, max: 0xffffffff })
const ids = fc.uuid({ version: 7 })

/** Each single character of a text replaced by another one of the alphabet. */
function* spoiled(text: string): Generator<string> {
  for (let index = 0; index < text.length; index += 1) {
    yield `${text.slice(0, index)}${text[index] === 'A' ? 'B' : 'A'}${text.slice(index + 1)}`
  }
}

afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllEnvs()
})

describe('the refresh token', () => {
  test('what was signed opens to the same family and counter', () => {
    fc.assert(
      fc.property(families, counters, (family, counter) => {
        const opened = verifyRefreshToken(signRefreshToken({ family, counter }))
        expect(opened?.counter).toBe(counter)
        expect(Buffer.from(opened?.family ?? []).equals(family)).toBe(true)
      }),
    )
  })

  test('the successor is derived: the same request twice gets the same token', () => {
    fc.assert(
      fc.property(families, counters, (family, counter) => {
        expect(signRefreshToken({ family, counter })).toBe(signRefreshToken({ family, counter }))
      }),
    )
  })

  test('a token with any one character changed is refused', () => {
    const token = signRefreshToken({ family: randomBytes(32), counter: 7 })
    for (const text of spoiled(token)) expect(verifyRefreshToken(text)).toBeUndefined()
  })

  test('no text that we did not sign opens', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 200 }), (text) => {
        expect(verifyRefreshToken(text)).toBeUndefined()
      }),
    )
  })

  test('another spelling of the same bytes is refused', () => {
    const token = signRefreshToken({ family: randomBytes(32), counter: 1 })
    const others = [
      `${token}=`,
      ` ${token}`,
      `${token}
`,
      `${token}.`,
      `${token.slice(0, 45)}+${token.slice(45)}`,
    ]
    for (const text of others) expect(verifyRefreshToken(text)).toBeUndefined()
  })
})

describe('the family', () => {
  test('[ASVS 7.2.3] [ASVS 11.5.1] [ASVS 11.4.3] it is 32 random bytes, of which 10,000 never repeat, and the row gets 32 bytes of digest', () => {
    const drawn = Array.from({ length: 10_000 }, newFamily)
    expect(new Set(drawn.map((family) => family.length))).toEqual(new Set([32]))
    expect(new Set(drawn.map((family) => Buffer.from(family).toString('hex'))).size).toBe(10_000)
    // Every bit is set in half of them, to within seven standard deviations.
    for (let bit = 0; bit < 256; bit += 1) {
      const set = drawn.filter((family) => ((family[bit >> 3] ?? 0) >> (bit & 7)) & 1).length
      expect(Math.abs(set - 5000)).toBeLessThan(350)
    }
    expect(hashFamily(newFamily())).toHaveLength(32)
  })

  test(
    '[ASVS 11.5.2] 100,000 of them drawn by four threads at once are all different',
    { timeout: 60_000 },
    async () => {
      const source = `
      const { parentPort } = require('node:worker_threads')
      import(${JSON.stringify(new URL('refresh-token.ts', import.meta.url).href)}).then(({ newFamily }) =>
        parentPort.postMessage(Array.from({ length: 25_000 }, () => Buffer.from(newFamily()).toString('hex'))))`
      const threads = Array.from({ length: 4 }, () => new Worker(source, { eval: true }))
      const drawn = await Promise.all(
        threads.map(async (thread): Promise<string[]> => {
          const [drawnThere] = await once(thread, 'message')
          return drawnThere
        }),
      )
      expect(new Set(drawn.flat()).size).toBe(100_000)
    },
  )
})

describe('the one-time token', () => {
  const soon = () => new Date((Math.floor(Date.now() / 1000) + 60) * 1000)

  test('what was signed opens to the same row and expiry', () => {
    fc.assert(
      fc.property(ids, (id) => {
        const expiresAt = soon()
        const text = signOneTimeToken('reset-email', { id, expiresAt })
        expect(verifyOneTimeToken(['reset-email'], text)).toEqual({
          kind: 'valid',
          purpose: 'reset-email',
          id,
          expiresAt,
        })
      }),
    )
  })

  test('[ASVS 2.1.2] [ASVS 2.2.3] a token of one purpose opens nothing of another', () => {
    const token = { id: newId(), expiresAt: soon() }
    expect(verifyOneTimeToken(['registration-email'], signOneTimeToken('reset-email', token)).kind).toBe(
      'invalid',
    )
    expect(verifyOneTimeToken(['reset-email'], signOneTimeToken('registration-email', token)).kind).toBe(
      'invalid',
    )
    expect(verifyRefreshToken(signOneTimeToken('reset-email', token))).toBeUndefined()
    expect(verifyRegistrationCookie(signOneTimeToken('registration-email', token))).toBeUndefined()
  })

  test('[ASVS 6.4.1] it expires at its second and not before', () => {
    vi.useFakeTimers({ now: 1_800_000_000_000 })
    const text = signOneTimeToken('reset-email', { id: newId(), expiresAt: new Date(1_800_000_060_000) })
    vi.setSystemTime(1_800_000_059_999)
    expect(verifyOneTimeToken(['reset-email'], text).kind).toBe('valid')
    vi.setSystemTime(1_800_000_060_000)
    expect(verifyOneTimeToken(['reset-email'], text).kind).toBe('expired')
  })

  test('[ASVS 11.2.5] [CS Forgot Password token] a token with any one character changed is invalid, not expired', () => {
    const text = signOneTimeToken('reset-email', { id: newId(), expiresAt: soon() })
    for (const other of spoiled(text)) expect(verifyOneTimeToken(['reset-email'], other).kind).toBe('invalid')
  })

  test('[CS Forgot Password token] [CS Input Validation token] it has at least 32 characters and fits in a link', () => {
    expect(signOneTimeToken('reset-email', { id: newId(), expiresAt: soon() })).toMatch(/^[\w-]{70}$/)
  })
})

describe('the registration cookie', () => {
  test('what was signed opens to the same registration, and to whether the browser is to be remembered', () => {
    fc.assert(
      fc.property(ids, fc.boolean(), (registrationId, persistent) => {
        const cookie = { registrationId, persistent }
        expect(verifyRegistrationCookie(signRegistrationCookie(cookie))).toEqual(cookie)
      }),
    )
  })

  test('forged ones do not open', () => {
    for (const text of spoiled(signRegistrationCookie({ registrationId: newId(), persistent: true })))
      expect(verifyRegistrationCookie(text)).toBeUndefined()
    expect(verifyRegistrationCookie(undefined)).toBeUndefined()
  })
})

describe('the access token', () => {
  const claims = { userId: newId(), sessionId: newId(), role: 'user' }
  const subject = { ...claims, amr: ['pwd'], authenticatedAt: 1_800_000_000.789 }

  test('[RFC 8725 3.1] it is ES256 with type at+jwt and names its key', async () => {
    const { accessToken } = await signAccessToken(subject)
    const [key] = await signingKeys()
    expect(decodeProtectedHeader(accessToken)).toEqual({ alg: 'ES256', typ: 'at+jwt', kid: key?.kid })
  })

  test('[ASVS 9.2.4] [RFC 9700 2.3] [ASVS 14.1.1] [ASVS 14.2.4] it holds ids, the role and how it was authenticated, for 15 minutes, and nothing else', async () => {
    const { accessToken, expiresAt } = await signAccessToken(subject)
    const payload = decodeJwt(accessToken)
    expect(payload).toEqual({
      iss: 'https://app.latchkey.test',
      aud: 'https://app.latchkey.test',
      sub: claims.userId,
      sid: claims.sessionId,
      role: 'user',
      amr: ['pwd'],
      auth_time: 1_800_000_000,
      iat: expect.any(Number),
      exp: (payload.iat ?? 0) + 900,
    })
    expect(Date.parse(expiresAt)).toBe((payload.exp ?? 0) * 1000)
    expect(await verifyAccessToken(accessToken)).toEqual(claims)
  })

  test.each([[['pwd']], [['otp']]])(
    '[RFC 8725 3.11] it has the authentication methods of RFC 8176: %j',
    async (amr) => {
      const { accessToken } = await signAccessToken({ ...subject, amr })
      expect(decodeJwt(accessToken)['amr']).toEqual(amr)
    },
  )

  test('[ASVS 9.2.1] it is good until its last second', async () => {
    vi.useFakeTimers({ now: 1_800_000_000_000 })
    const { accessToken } = await signAccessToken(subject)
    vi.setSystemTime(1_800_000_899_000)
    expect(await verifyAccessToken(accessToken)).toEqual(claims)
    vi.setSystemTime(1_800_000_900_000)
    expect(await verifyAccessToken(accessToken)).toBeUndefined()
  })

  test('[ASVS 9.1.1] [RFC 8725 3.3] a token with any one character changed is refused', async () => {
    const { accessToken } = await signAccessToken(subject)
    // The last character also holds four bits that no byte of the signature needs.
    for (const text of [...spoiled(accessToken)].slice(0, -1)) {
      expect(await verifyAccessToken(text)).toBeUndefined()
    }
  })

  test('[RFC 8725 3.7] claims are UTF-8, and text beyond ASCII comes back as it was', async () => {
    const foreign = { ...claims, role: 'rédacteur 編集者 \u{1f511}' }
    const { accessToken } = await signAccessToken({ ...subject, ...foreign })
    const [, payload = ''] = accessToken.split('.')
    const text = new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(payload, 'base64url'))
    expect(JSON.parse(text).role).toBe(foreign.role)
    expect(await verifyAccessToken(accessToken)).toEqual(foreign)
  })

  test('[8725bis 3.14] only the compact form is read: neither the JSON forms nor any other character', async () => {
    const { accessToken } = await signAccessToken(subject)
    const [header = '', payload = '', signature = ''] = accessToken.split('.')
    const letIn = async (text: string) =>
      (
        await requireUser(
          new Request('https://app.latchkey.test/', { headers: { authorization: `Bearer ${text}` } }),
        )
      ).kind
    const others = [
      JSON.stringify({ protected: header, payload, signature }),
      JSON.stringify({ payload, signatures: [{ protected: header, signature }] }),
      ...['=', '==', '.', '%', '"', '+', 'é'].flatMap((extra) => [
        `${accessToken}${extra}`,
        `${extra}${accessToken}`,
      ]),
      accessToken.replace('.', '.\t'),
      accessToken.replace('.', ' .'),
      accessToken.replaceAll('.', '·'),
    ]
    expect(await letIn(accessToken)).toBe('signed-in')
    for (const text of others) expect(await letIn(text), text).toBe('refused')
  })

  test('the published keys are the public halves only', async () => {
    const { keys } = await publicKeys()
    expect(keys).toHaveLength(1)
    expect(Object.keys(keys[0] ?? {}).toSorted()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'])
  })
})

describe('keys derived from JWT_SECRET', () => {
  async function tokensUnder(secrets: string) {
    vi.stubEnv('JWT_SECRET', secrets)
    vi.resetModules()
    return {
      ...(await import('./refresh-token.ts')),
      ...(await import('./access-token.ts')),
      ...(await import('./keys.ts')),
    }
  }
  const secret = () => randomBytes(32).toString('base64')

  test('the same secret makes the same keys on every instance, another secret makes others', async () => {
    const kid = async (text: string) => (await (await tokensUnder(text)).signingKeys())[0]?.kid
    for (let round = 0; round < 5; round += 1) {
      const one = secret()
      expect(await kid(one)).toBe(await kid(one))
      expect(await kid(one)).not.toBe(await kid(secret()))
    }
  })

  test('[ASVS 11.2.2] after a rotation the first secret signs and the one before still opens; a dropped one does not', async () => {
    const [old, fresh] = [secret(), secret()]
    const claims = { userId: newId(), sessionId: newId(), role: 'user' }
    const before = await tokensUnder(old)
    const refreshToken = before.signRefreshToken({ family: randomBytes(32), counter: 3 })
    const { accessToken } = await before.signAccessToken({
      ...claims,
      amr: ['pwd'],
      authenticatedAt: 0,
    })

    const rotated = await tokensUnder(`${fresh},${old}`)
    expect(rotated.verifyRefreshToken(refreshToken)?.counter).toBe(3)
    expect(await rotated.verifyAccessToken(accessToken)).toEqual(claims)
    expect((await rotated.publicKeys()).keys).toHaveLength(2)
    const renewed = rotated.signRefreshToken({ family: randomBytes(32), counter: 4 })

    const finished = await tokensUnder(fresh)
    expect(finished.verifyRefreshToken(renewed)?.counter).toBe(4)
    expect(finished.verifyRefreshToken(refreshToken)).toBeUndefined()
    expect(await finished.verifyAccessToken(accessToken)).toBeUndefined()
  })
})
