/** The limits, from outside: who has to wait, for how long, and who doesn't. */
import { describe, expect, test } from 'vitest'
import { lifetimeSeconds, maximum, rateLimits, type RateLimit } from '../../lib/limits.ts'
import { newBrowser, type Received, type Browser } from '../support/browser.ts'
import { ageSessions, query } from '../support/database.ts'
import {
  emailKindsTo,
  failedBefore,
  failuresOf,
  emailsTo,
  newAddress,
  newestEmailTo,
  OTHER_PASSWORD,
  PASSWORD,
  registeredPerson,
  signedInPerson,
  tokenIn,
  verifiedPerson,
} from '../support/people.ts'

const WRONG = 'not the right password at all'
/** After this failure the next attempt waits. */
const { backOffFrom } = maximum

function login(browser: Browser, email: string, password = WRONG): Promise<Received> {
  return browser.send('login', 'POST', { email, password })
}

/** Ages every wait by that many seconds. */
async function letBackOffPass(seconds: number): Promise<void> {
  await query(
    'UPDATE login_attempts SET next_attempt_at = next_attempt_at - make_interval(secs => $1)',
    seconds,
  )
}

/** Sends until another status than the first comes back, at most `most` times. `answered`: how often the first came. */
async function countUntilLimited(
  most: number,
  send: () => Promise<Received>,
): Promise<{ responded: number; last: Received }> {
  let last = await send()
  const { status } = last
  let responded = 0
  while (last.status === status && responded < most) {
    responded += 1
    last = await send()
  }
  return { responded, last }
}

function expectLimited(response: Received, limit: RateLimit): void {
  expect([response.status, response.body.code]).toEqual([429, 'quota-exceeded'])
  expect(response.body.type).toMatch(/#quota-exceeded$/)
  expect(response.headers.get('ratelimit-policy')).toBe(
    `"${limit.name}";q=${limit.quota};w=${limit.windowSeconds}`,
  )
  const [, seconds] =
    new RegExp(`^"${limit.name}";r=0;t=(\\d+)$`).exec(response.headers.get('ratelimit') ?? '') ?? []
  expect(Number(response.headers.get('retry-after'))).toBeGreaterThanOrEqual(Number(seconds))
  expect(Number(seconds)).toBeGreaterThan(0)
}

describe('wrong passwords in a row', () => {
  const accounts: [string, () => Promise<string>][] = [
    ['an account', async () => (await verifiedPerson()).email],
    ['a pending registration', async () => (await registeredPerson()).email],
    ['an unknown address', async () => newAddress()],
    [
      'a disabled account',
      async () => {
        const { email } = await verifiedPerson()
        await query('UPDATE users SET disabled_at = now() WHERE email = $1', email)
        return email
      },
    ],
  ]

  test.each(accounts)(
    '[63B-4 3.2.2] [ASVS 6.3.1] [ASVS 6.3.8] from the tenth failure on, %s waits 30 s and then twice as long each time, up to an hour',
    async (_, make) => {
      const email = await make()
      for (let failure = 1; failure <= backOffFrom; failure += 1)
        expect((await login(newBrowser(), email)).status).toBe(401)
      for (const wait of [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]) {
        const early = await login(newBrowser(), email)
        expectLimited(early, rateLimits.loginBySource)
        expect(Math.abs(Number(early.headers.get('retry-after')) - wait)).toBeLessThanOrEqual(1)
        await letBackOffPass(wait)
        expect((await login(newBrowser(), email)).status).toBe(401)
      }
    },
  )

  test('[ASVS 6.3.1] the right password has to wait, too, and is not counted while it waits', async () => {
    const { email } = await verifiedPerson()
    for (let failure = 1; failure <= backOffFrom; failure += 1) await login(newBrowser(), email)
    for (let round = 0; round < 3; round += 1) {
      expect((await login(newBrowser(), email, PASSWORD)).status).toBe(429)
    }
    expect(await failuresOf(email)).toEqual([backOffFrom])
    await letBackOffPass(30)
    expect((await login(newBrowser(), email, PASSWORD)).status).toBe(200)
    expect(await failuresOf(email)).toEqual([])
  })

  test('[ASVS 6.1.1] a browser that signed in before does not wait for what strangers try, not even where they locked the password', async () => {
    const owner = await signedInPerson()
    for (let failure = 1; failure <= backOffFrom; failure += 1) await login(newBrowser(), owner.email)
    expect((await login(newBrowser(), owner.email, PASSWORD)).status).toBe(429)
    expect((await login(owner.browser, owner.email, PASSWORD)).status).toBe(200)

    await failedBefore(owner.email, 101)
    expect((await login(newBrowser(), owner.email, PASSWORD)).status).toBe(401)
    await owner.browser.send('logout', 'POST', {})
    expect((await login(owner.browser, owner.email, PASSWORD)).status).toBe(200)
    // Its success changes nothing for strangers, who stay locked out until there is a new password.
    await letBackOffPass(3600)
    expect((await login(newBrowser(), owner.email, PASSWORD)).status).toBe(401)
    expect(await failuresOf(owner.email)).toEqual([101])
  })

  test('a signed-in owner changes the password while strangers are locked out, and that unlocks it for everyone', async () => {
    const owner = await signedInPerson()
    await login(newBrowser(), owner.email)
    await failedBefore(owner.email, 101)
    const change = { currentPassword: PASSWORD, newPassword: OTHER_PASSWORD }
    expect((await owner.browser.send('account', 'PATCH', change)).status).toBe(200)
    expect(await failuresOf(owner.email)).toEqual([])
    expect((await login(newBrowser(), owner.email, OTHER_PASSWORD)).status).toBe(200)
  })

  test('a browser with a device cookie waits for its own failures, and is locked by its own hundredth', async () => {
    const owner = await signedInPerson()
    for (let failure = 1; failure <= backOffFrom; failure += 1) {
      expect((await login(owner.browser, owner.email)).status).toBe(401)
    }
    expect((await login(owner.browser, owner.email, PASSWORD)).status).toBe(429)
    expect((await login(newBrowser(), owner.email, PASSWORD)).status).toBe(200)
    await failedBefore(owner.email, 100)
    expect((await login(owner.browser, owner.email, PASSWORD)).status).toBe(401)
  })

  test('a device cookie serves its own address only, and only where it was signed here', async () => {
    const owner = await signedInPerson()
    const victim = await verifiedPerson()
    for (let failure = 1; failure <= backOffFrom; failure += 1) await login(newBrowser(), victim.email)
    expect((await login(owner.browser, victim.email)).status).toBe(429)

    const cookie = owner.browser.cookies.get('__Host-device') ?? ''
    for (const forged of [
      cookie.slice(0, -2),
      `${cookie.slice(0, -4)}${cookie.endsWith('AAAA') ? 'QQQQ' : 'AAAA'}`,
      'x',
      '',
    ]) {
      const browser = newBrowser()
      browser.cookies.set('__Host-device', forged)
      expect((await login(browser, victim.email)).status).toBe(429)
    }
  })

  test('[ASVS 6.3.5] [CS Credential Stuffing notice] a sign-in after five failures, in a browser without a device cookie, is emailed to the owner once', async () => {
    const { email } = await verifiedPerson()
    const sent = async () => (await emailKindsTo(email)).slice(1)
    for (let failure = 1; failure < maximum.suspiciousFrom; failure += 1) await login(newBrowser(), email)
    const browser = newBrowser()
    expect((await login(browser, email, PASSWORD)).status).toBe(200)
    expect(await sent()).toEqual([])
    for (let failure = 1; failure <= maximum.suspiciousFrom; failure += 1) await login(browser, email)
    expect((await login(browser, email, PASSWORD)).status).toBe(200)
    expect(await sent()).toEqual([])
    for (let failure = 1; failure <= maximum.suspiciousFrom; failure += 1) await login(newBrowser(), email)
    expect((await login(newBrowser(), email, PASSWORD)).status).toBe(200)
    expect((await login(newBrowser(), email, PASSWORD)).status).toBe(200)
    expect(await sent()).toEqual(['login-after-failures'])
  })

  test('[63B-4 5.1.1] a device cookie says nothing about its owner, and goes with the account', async () => {
    const owner = await signedInPerson()
    const cookie = owner.browser.cookies.get('__Host-device') ?? ''
    expect(cookie).toMatch(/^[\w-]{70}$/)
    const [{ id }] = await query('SELECT id FROM users WHERE email = $1', owner.email)
    expect(Buffer.from(cookie, 'base64url').toString('hex')).not.toContain(String(id).replaceAll('-', ''))
    await owner.browser.send('logout', 'POST', {})
    expect(owner.browser.cookies.get('__Host-device')).toBe(cookie)
    await login(owner.browser, owner.email, PASSWORD)
    expect(owner.browser.cookies.get('__Host-device')).toBe(cookie)
    expect((await owner.browser.send('account', 'DELETE')).status).toBe(204)
    expect(owner.browser.cookies.has('__Host-device')).toBe(false)
  })

  test('[ASVS 14.2.7] failures are removed after 30 days, of accounts and of unknown addresses, and a lock only with its account', async () => {
    await query('DELETE FROM login_attempts')
    const { email } = await verifiedPerson()
    const locked = await verifiedPerson()
    const gone = await verifiedPerson()
    const unknown = newAddress()
    for (const address of [email, locked.email, gone.email, unknown]) await login(newBrowser(), address)
    await failedBefore(locked.email, 101)
    await failedBefore(gone.email, 101)
    const { id: goneId } = (await query('SELECT id FROM users WHERE email = $1', gone.email))[0]
    const rows = async () => (await query('SELECT count(*)::int AS n FROM login_attempts'))[0].n
    const before = await rows()
    const clean = async () => {
      const authorization = `Bearer ${process.env['CRON_SECRET'] ?? ''}`
      const response = await newBrowser().send('maintenance', 'GET', undefined, { authorization })
      return response.body.removed.loginAttempts
    }
    await letBackOffPass(29 * 24 * 60 * 60)
    expect([await clean(), await rows()]).toEqual([0, before])
    await query('DELETE FROM users WHERE id = $1', goneId)
    await letBackOffPass(30 * 24 * 60 * 60)
    expect(await clean()).toBe(3)
    expect([await failuresOf(email), await failuresOf(locked.email), await rows()]).toEqual([[], [101], 1])
    expect(maximum.lockedAt).toBe(100)
  })
})

describe('how often', () => {
  test('[ASVS 2.4.1] one source has one share of emails, whichever it requests', async () => {
    const source = newBrowser()
    const ask = () => source.send(Math.random() < 0.5 ? 'reset' : 'verify', 'POST', { email: newAddress() })
    const { responded, last } = await countUntilLimited(40, ask)
    expect(responded).toBe(rateLimits.emailBySource.quota)
    expectLimited(last, rateLimits.emailBySource)
  })

  test('[ASVS 2.4.1] a session has a share of refreshes, and goes on afterwards', async () => {
    const { browser } = await signedInPerson()
    const { responded, last } = await countUntilLimited(90, () => browser.send('refresh', 'POST', {}))
    expect(responded).toBeGreaterThanOrEqual(rateLimits.refreshBySession.quota)
    expectLimited(last, rateLimits.refreshBySession)
    expect(last.setCookies).toEqual([])
    await query("UPDATE rate_limits SET theoretical_arrival_at = now() - interval '1 second'")
    expect((await browser.send('refresh', 'POST', {})).status).toBe(200)
  })

  test('the refresh that rotates is not counted, so an empty bucket holds up nobody for longer than the reuse interval', async () => {
    const { browser } = await signedInPerson()
    await countUntilLimited(90, () => browser.send('refresh', 'POST', {}))
    await query("UPDATE sessions SET rotated_at = rotated_at - interval '31 seconds'")
    expect((await browser.send('refresh', 'POST', {})).status).toBe(200)
    expect((await browser.send('refresh', 'POST', {})).status).toBe(429)
  })

  test('[ASVS 2.4.1] the link of a registration can be presented 30 times a day, consumed or not', async () => {
    const person = await registeredPerson()
    const token = tokenIn(await newestEmailTo(person.email))
    const { responded, last } = await countUntilLimited(40, () =>
      newBrowser().send('verify', 'PUT', { token, password: WRONG }),
    )
    expect(responded).toBe(rateLimits.linkByToken.quota)
    expectLimited(last, rateLimits.linkByToken)
    expect((await person.browser.send('verify', 'PUT', { token })).status).toBe(429)
  })

  test('[ASVS 2.4.1] a reset link can be presented 30 times a day, consumed or not', async () => {
    const { email } = await verifiedPerson()
    await newBrowser().send('reset', 'POST', { email })
    const token = tokenIn(await newestEmailTo(email))
    const present = () => newBrowser().send('reset', 'PUT', { token, password: OTHER_PASSWORD })
    expect((await present()).status).toBe(200)
    const { responded, last } = await countUntilLimited(40, present)
    expect(responded).toBe(rateLimits.linkByToken.quota - 1)
    expectLimited(last, rateLimits.linkByToken)
  })

  test('[ASVS 2.4.1] a change of address can be requested ten times a day, whatever the new address', async () => {
    const { browser, email } = await signedInPerson()
    const ask = () => browser.send('account', 'PATCH', { email: newAddress() })
    // What is refused for want of a step-up takes none of them.
    await ageSessions(email, lifetimeSeconds.stepUp + 1)
    expect((await ask()).status).toBe(403)
    await ageSessions(email, -lifetimeSeconds.stepUp - 1)
    const { responded, last } = await countUntilLimited(20, ask)
    expect(responded).toBe(rateLimits.emailChangeByAccount.quota)
    expectLimited(last, rateLimits.emailChangeByAccount)
    expect((await emailsTo(email)).length).toBe(1 + rateLimits.emailChangeByAccount.quota)
  })

  test('[RateLimit 8.2] the fields are the same for a known and an unknown address', async () => {
    const known = await verifiedPerson()
    const responses: string[] = []
    for (const email of [known.email, newAddress()]) {
      for (let failure = 1; failure <= backOffFrom; failure += 1) await login(newBrowser(), email)
      const { headers } = await login(newBrowser(), email)
      responses.push(
        `${headers.get('ratelimit-policy')} ${headers.get('ratelimit')?.replace(/t=(29|30)$/, 't=soon')}`,
      )
    }
    expect(new Set(responses).size).toBe(1)
  })

  test('[ASVS 2.3.2] [ASVS 2.4.2] two requests for an email within a minute get the same response; the sixth in an hour sends none', async () => {
    const { email } = await verifiedPerson()
    const responses = []
    for (let round = 0; round < 7; round += 1)
      responses.push(await newBrowser().send('reset', 'POST', { email }))
    expect(new Set(responses.map(({ status, body }) => `${status} ${JSON.stringify(body)}`)).size).toBe(1)
    expect((await emailsTo(email)).length).toBe(1 + rateLimits.emailByAddress.quota)
  })

  test('[ASVS 6.3.1] [CS Bot Management] a network has one attempt each at a hundred addresses, and every address stays open from elsewhere', async () => {
    const source = newBrowser()
    const tried: string[] = []
    const begunAt = Date.now()
    const { responded, last } = await countUntilLimited(200, () => {
      tried.push(newAddress())
      return login(source, tried.at(-1) ?? '')
    })
    const { quota, windowSeconds } = rateLimits.loginBySource
    const cameBack = ((Date.now() - begunAt) / 1000) * (quota / windowSeconds)
    expect(responded).toBeGreaterThanOrEqual(quota)
    expect(responded).toBeLessThanOrEqual(quota + Math.ceil(cameBack))
    expectLimited(last, rateLimits.loginBySource)
    for (const email of [tried[0] ?? '', tried.at(-1) ?? '']) {
      expect((await login(newBrowser(), email)).status).toBe(401)
    }

    // An address's limit gives the same response: only the length of the wait may differ.
    const email = newAddress()
    for (let failure = 1; failure <= backOffFrom; failure += 1) await login(newBrowser(), email)
    const ofAddress = await login(newBrowser(), email)
    expectLimited(ofAddress, rateLimits.loginBySource)
    expect([ofAddress.body, [...ofAddress.headers.keys()]]).toEqual([last.body, [...last.headers.keys()]])
  })

  test('[63B-4 3.2.2] the link of a change of address allows 30 guesses at the password, and fewer than a hundred in its lifetime', async () => {
    const { browser } = await signedInPerson()
    const email = newAddress()
    await browser.send('account', 'PATCH', { email })
    const token = tokenIn(await newestEmailTo(email))
    const { responded, last } = await countUntilLimited(40, () =>
      newBrowser().send('verify', 'PUT', { token, password: WRONG }),
    )
    expect(responded).toBe(rateLimits.linkByToken.quota)
    expectLimited(last, rateLimits.linkByToken)
    const { quota, windowSeconds } = rateLimits.linkByToken
    expect(quota + (quota * lifetimeSeconds.emailChangeLink) / windowSeconds).toBeLessThan(maximum.lockedAt)
  })

  test('[ASVS 6.1.1] a stranger who uses up an address’s share of emails and codes leaves its owner the newest link', async () => {
    const { email } = await verifiedPerson()
    const stranger = () => newBrowser().send('reset', 'POST', { email })
    const code = { email, code: '000000', password: OTHER_PASSWORD }
    for (let round = 0; round < 8; round += 1) await stranger()
    const { last } = await countUntilLimited(20, () => newBrowser().send('reset', 'PUT', code))
    expectLimited(last, rateLimits.codeBySource)
    const token = tokenIn(await newestEmailTo(email))
    expect((await newBrowser().send('reset', 'PUT', { token, password: OTHER_PASSWORD })).status).toBe(200)
    expect((await login(newBrowser(), email, OTHER_PASSWORD)).status).toBe(200)
  })

  test('[ASVS 2.4.1] the current password of an account is checked 20 times in 15 minutes, whichever sessions ask', async () => {
    const { email } = await verifiedPerson()
    const change = { currentPassword: WRONG, newPassword: OTHER_PASSWORD }
    const check = (browser: Browser) => browser.send('account', 'PATCH', change)
    const statuses: number[] = []
    for (let session = 0; session < 6; session += 1) {
      const browser = newBrowser()
      await login(browser, email, PASSWORD)
      for (let failure = 1; failure <= 4; failure += 1) statuses.push((await check(browser)).status)
    }
    expect(statuses.slice(0, rateLimits.passwordCheckByAccount.quota)).toEqual(
      Array<number>(rateLimits.passwordCheckByAccount.quota).fill(401),
    )
    expect(statuses.slice(rateLimits.passwordCheckByAccount.quota)).toContain(429)
  })
})
