/** The limits as they are met from outside: who is held up, for how long, and who is not. */
import { describe, expect, test } from 'vitest'
import { EMAIL_CHANGE_LINK_LIFETIME_SECONDS } from '../lib/mail-token.ts'
import { failureWaits, limits, type Limit } from '../lib/rate-limits.ts'
import { newBrowser, type Answer, type Browser } from './browser.ts'
import { query } from './database.ts'
import {
  failedBefore,
  failuresOf,
  mailsTo,
  newAddress,
  newestMailTo,
  OTHER_PASSWORD,
  PASSWORD,
  registeredPerson,
  signedInPerson,
  tokenIn,
  verifiedPerson,
} from './people.ts'

const WRONG = 'not the right password at all'

function login(browser: Browser, email: string, password = WRONG): Promise<Answer> {
  return browser.send('login', 'POST', { email, password })
}

/** As if that many seconds had gone by for every wait. */
async function letWaitsPass(seconds: number): Promise<void> {
  await query(
    'UPDATE password_attempts SET next_attempt_at = next_attempt_at - make_interval(secs => $1)',
    seconds,
  )
}

/** Sends until something else than the first status comes back, at most `most` times; how often the first one did. */
async function countUntilLimited(
  most: number,
  send: () => Promise<Answer>,
): Promise<{ answered: number; last: Answer }> {
  let last = await send()
  const { status } = last
  let answered = 0
  while (last.status === status && answered < most) {
    answered += 1
    last = await send()
  }
  return { answered, last }
}

function expectLimited(answer: Answer, limit: Limit): void {
  expect([answer.status, answer.body.code]).toEqual([429, 'quota-exceeded'])
  expect(answer.body.type).toMatch(/#quota-exceeded$/)
  expect(answer.headers.get('ratelimit-policy')).toBe(
    `"${limit.name}";q=${limit.quota};w=${limit.windowSeconds}`,
  )
  const [, seconds] =
    new RegExp(`^"${limit.name}";r=0;t=(\\d+)$`).exec(answer.headers.get('ratelimit') ?? '') ?? []
  expect(Number(answer.headers.get('retry-after'))).toBeGreaterThanOrEqual(Number(seconds))
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
    '[63B-4 3.2.2] [ASVS 6.3.1] [ASVS 6.3.8] from the fifth on, %s waits 30 s and then twice as long each time, up to an hour',
    async (_, make) => {
      const email = await make()
      for (let failure = 1; failure <= 5; failure += 1)
        expect((await login(newBrowser(), email)).status).toBe(401)
      for (const wait of [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]) {
        const early = await login(newBrowser(), email)
        expectLimited(early, limits.loginBySource)
        expect(Math.abs(Number(early.headers.get('retry-after')) - wait)).toBeLessThanOrEqual(1)
        await letWaitsPass(wait)
        expect((await login(newBrowser(), email)).status).toBe(401)
      }
    },
  )

  test('[ASVS 6.3.1] the right password has to wait as well, and is not counted while it waits', async () => {
    const { email } = await verifiedPerson()
    for (let failure = 1; failure <= 5; failure += 1) await login(newBrowser(), email)
    for (let round = 0; round < 3; round += 1) {
      expect((await login(newBrowser(), email, PASSWORD)).status).toBe(429)
    }
    expect(await failuresOf(email)).toEqual([5])
    await letWaitsPass(30)
    expect((await login(newBrowser(), email, PASSWORD)).status).toBe(200)
    expect(await failuresOf(email)).toEqual([])
  })

  test('[ASVS 6.1.1] a browser that signed in before is not held up by what strangers try, not even by a locked password', async () => {
    const owner = await signedInPerson()
    for (let failure = 1; failure <= 5; failure += 1) await login(newBrowser(), owner.email)
    expect((await login(newBrowser(), owner.email, PASSWORD)).status).toBe(429)
    expect((await login(owner.browser, owner.email, PASSWORD)).status).toBe(200)

    await failedBefore(owner.email, 101)
    expect((await login(newBrowser(), owner.email, PASSWORD)).status).toBe(401)
    await owner.browser.send('logout', 'POST', {})
    expect((await login(owner.browser, owner.email, PASSWORD)).status).toBe(200)
    // Its success says nothing of the strangers, who stay locked out until the password is a new one.
    await letWaitsPass(3600)
    expect((await login(newBrowser(), owner.email, PASSWORD)).status).toBe(401)
    expect(await failuresOf(owner.email)).toEqual([101])
  })

  test('a signed-in owner changes the password while strangers are locked out, and that lets everyone try again', async () => {
    const owner = await signedInPerson()
    await login(newBrowser(), owner.email)
    await failedBefore(owner.email, 101)
    const change = { currentPassword: PASSWORD, newPassword: OTHER_PASSWORD }
    expect((await owner.browser.send('account', 'PATCH', change)).status).toBe(200)
    expect(await failuresOf(owner.email)).toEqual([])
    expect((await login(newBrowser(), owner.email, OTHER_PASSWORD)).status).toBe(200)
  })

  test('a known browser waits for its own failures, and is locked by its own hundredth', async () => {
    const owner = await signedInPerson()
    for (let failure = 1; failure <= 5; failure += 1) {
      expect((await login(owner.browser, owner.email)).status).toBe(401)
    }
    expect((await login(owner.browser, owner.email, PASSWORD)).status).toBe(429)
    expect((await login(newBrowser(), owner.email, PASSWORD)).status).toBe(200)
    await failedBefore(owner.email, 100)
    expect((await login(owner.browser, owner.email, PASSWORD)).status).toBe(401)
  })

  test('a known browser is known for its own address alone, and only by a cookie that was sealed here', async () => {
    const owner = await signedInPerson()
    const victim = await verifiedPerson()
    for (let failure = 1; failure <= 5; failure += 1) await login(newBrowser(), victim.email)
    expect((await login(owner.browser, victim.email)).status).toBe(429)

    const cookie = owner.browser.cookies.get('__Host-known-browser') ?? ''
    for (const forged of [
      cookie.slice(0, -2),
      `${cookie.slice(0, -4)}${cookie.endsWith('AAAA') ? 'QQQQ' : 'AAAA'}`,
      'x',
      '',
    ]) {
      const browser = newBrowser()
      browser.cookies.set('__Host-known-browser', forged)
      expect((await login(browser, victim.email)).status).toBe(429)
    }
  })

  test('[ASVS 6.3.5] [CS Credential Stuffing notice] a sign-in after five failures, in a browser that was not known, is told to the owner once', async () => {
    const { email } = await verifiedPerson()
    const sent = async () => (await mailsTo(email)).map(({ subject }) => subject).slice(1)
    for (let failure = 1; failure <= 4; failure += 1) await login(newBrowser(), email)
    const browser = newBrowser()
    expect((await login(browser, email, PASSWORD)).status).toBe(200)
    expect(await sent()).toEqual([])
    for (let failure = 1; failure <= 5; failure += 1) await login(browser, email)
    await letWaitsPass(30)
    expect((await login(browser, email, PASSWORD)).status).toBe(200)
    expect(await sent()).toEqual([])
    for (let failure = 1; failure <= 5; failure += 1) await login(newBrowser(), email)
    await letWaitsPass(30)
    expect((await login(newBrowser(), email, PASSWORD)).status).toBe(200)
    expect((await login(newBrowser(), email, PASSWORD)).status).toBe(200)
    expect(await sent()).toEqual(['A sign-in to Latchkey after several wrong passwords'])
  })

  test('[63B-4 5.1.1] the cookie of a known browser tells nothing of its owner, and goes with the account', async () => {
    const owner = await signedInPerson()
    const cookie = owner.browser.cookies.get('__Host-known-browser') ?? ''
    expect(cookie).toMatch(/^[\w-]{64}$/)
    const [{ id }] = await query('SELECT id FROM users WHERE email = $1', owner.email)
    expect(Buffer.from(cookie, 'base64url').toString('hex')).not.toContain(String(id).replaceAll('-', ''))
    await owner.browser.send('logout', 'POST', {})
    expect(owner.browser.cookies.get('__Host-known-browser')).toBe(cookie)
    await login(owner.browser, owner.email, PASSWORD)
    expect(owner.browser.cookies.get('__Host-known-browser')).toBe(cookie)
    await owner.browser.send('account', 'DELETE', { currentPassword: PASSWORD })
    expect(owner.browser.cookies.has('__Host-known-browser')).toBe(false)
  })

  test('[ASVS 14.2.7] what strangers tried is forgotten after a day, what was tried at an account after 30, a lock only with its account', async () => {
    await query('DELETE FROM password_attempts')
    const { email } = await verifiedPerson()
    const locked = await verifiedPerson()
    const gone = await verifiedPerson()
    const unknown = newAddress()
    for (const address of [email, locked.email, gone.email, unknown]) await login(newBrowser(), address)
    await failedBefore(locked.email, 101)
    await failedBefore(gone.email, 101)
    const { id: goneId } = (await query('SELECT id FROM users WHERE email = $1', gone.email))[0]
    const rows = async () => (await query('SELECT count(*)::int AS n FROM password_attempts'))[0].n
    const before = await rows()
    const clean = async () => {
      const authorization = `Bearer ${process.env['CRON_SECRET'] ?? ''}`
      const answer = await newBrowser().send('maintenance', 'GET', undefined, { authorization })
      return answer.body.removed.passwordAttempts
    }
    await letWaitsPass(25 * 60 * 60)
    await clean()
    expect([(await rows()) < before, await failuresOf(email), await failuresOf(locked.email)]).toEqual([
      true,
      [1],
      [101],
    ])
    await query('DELETE FROM users WHERE id = $1', goneId)
    await letWaitsPass(30 * 24 * 60 * 60)
    expect(await clean()).toBeGreaterThanOrEqual(2)
    expect([await failuresOf(email), await failuresOf(locked.email), await rows()]).toEqual([[], [101], 1])
    expect(failureWaits.lockedAt).toBe(100)
  })
})

describe('how often', () => {
  test('[ASVS 2.4.1] one source asks for mails until it has had its share, whichever mail it asks for', async () => {
    const source = newBrowser()
    const ask = () => source.send(Math.random() < 0.5 ? 'reset' : 'verify', 'POST', { email: newAddress() })
    const { answered, last } = await countUntilLimited(40, ask)
    expect(answered).toBe(limits.mailBySource.quota)
    expectLimited(last, limits.mailBySource)
  })

  test('[ASVS 2.4.1] a session is refreshed until it has had its share, and goes on afterwards', async () => {
    const { browser } = await signedInPerson()
    const { answered, last } = await countUntilLimited(90, () => browser.send('refresh', 'POST', {}))
    expect(answered).toBeGreaterThanOrEqual(limits.refreshBySession.quota)
    expectLimited(last, limits.refreshBySession)
    expect(last.setCookies).toEqual([])
    await query("UPDATE rate_limits SET theoretical_arrival_at = now() - interval '1 second'")
    expect((await browser.send('refresh', 'POST', {})).status).toBe(200)
  })

  test('[ASVS 2.4.1] a link of a registration is worth 30 requests a day, spent or not', async () => {
    const person = await registeredPerson()
    const token = tokenIn(await newestMailTo(person.email))
    const { answered, last } = await countUntilLimited(40, () =>
      newBrowser().send('verify', 'PUT', { token, password: WRONG }),
    )
    expect(answered).toBe(limits.linkByToken.quota)
    expectLimited(last, limits.linkByToken)
    expect((await person.browser.send('verify', 'PUT', { token })).status).toBe(429)
  })

  test('[ASVS 2.4.1] a reset link is worth 30 requests a day, spent or not', async () => {
    const { email } = await verifiedPerson()
    await newBrowser().send('reset', 'POST', { email })
    const token = tokenIn(await newestMailTo(email))
    const spend = () => newBrowser().send('reset', 'PUT', { token, password: OTHER_PASSWORD })
    expect((await spend()).status).toBe(200)
    const { answered, last } = await countUntilLimited(40, spend)
    expect(answered).toBe(limits.linkByToken.quota - 1)
    expectLimited(last, limits.linkByToken)
  })

  test('[ASVS 2.4.1] a change of address is asked for ten times a day, to whichever address', async () => {
    const { browser, email } = await signedInPerson()
    const ask = () => browser.send('account', 'PATCH', { currentPassword: PASSWORD, email: newAddress() })
    const { answered, last } = await countUntilLimited(20, ask)
    expect(answered).toBe(limits.emailChangeByAccount.quota)
    expectLimited(last, limits.emailChangeByAccount)
    expect((await mailsTo(email)).length).toBe(1 + limits.emailChangeByAccount.quota)
  })

  test('[RateLimit 8.2] the fields are the same for an address that is known and one that is not', async () => {
    const known = await verifiedPerson()
    const answers: string[] = []
    for (const email of [known.email, newAddress()]) {
      for (let failure = 1; failure <= 5; failure += 1) await login(newBrowser(), email)
      const { headers } = await login(newBrowser(), email)
      answers.push(
        `${headers.get('ratelimit-policy')} ${headers.get('ratelimit')?.replace(/t=(29|30)$/, 't=soon')}`,
      )
    }
    expect(new Set(answers).size).toBe(1)
  })

  test('[ASVS 2.3.2] [ASVS 2.4.2] two requests for a mail within a minute are answered alike; the sixth in an hour sends none', async () => {
    const { email } = await verifiedPerson()
    const answers = []
    for (let round = 0; round < 7; round += 1)
      answers.push(await newBrowser().send('reset', 'POST', { email }))
    expect(new Set(answers.map(({ status, body }) => `${status} ${JSON.stringify(body)}`)).size).toBe(1)
    expect((await mailsTo(email)).length).toBe(1 + limits.mailByAddress.quota)
  })

  test('[ASVS 6.3.1] [CS Bot Management] one attempt each at a hundred addresses is all that a network has, and every address stays open from elsewhere', async () => {
    const source = newBrowser()
    const tried: string[] = []
    const begunAt = Date.now()
    const { answered, last } = await countUntilLimited(200, () => {
      tried.push(newAddress())
      return login(source, tried.at(-1) ?? '')
    })
    const { quota, windowSeconds } = limits.loginBySource
    const cameBack = ((Date.now() - begunAt) / 1000) * (quota / windowSeconds)
    expect(answered).toBeGreaterThanOrEqual(quota)
    expect(answered).toBeLessThanOrEqual(quota + Math.ceil(cameBack))
    expectLimited(last, limits.loginBySource)
    for (const email of [tried[0] ?? '', tried.at(-1) ?? '']) {
      expect((await login(newBrowser(), email)).status).toBe(401)
    }

    // The bucket of an address gives the same answer: nothing but the wait tells which one was empty.
    const email = newAddress()
    for (let failure = 1; failure <= 5; failure += 1) await login(newBrowser(), email)
    const ofAddress = await login(newBrowser(), email)
    expectLimited(ofAddress, limits.loginBySource)
    expect([ofAddress.body, [...ofAddress.headers.keys()]]).toEqual([last.body, [...last.headers.keys()]])
  })

  test('[63B-4 3.2.2] the link of a change of address makes 30 guesses at the password, and fewer than a hundred in its life', async () => {
    const { browser } = await signedInPerson()
    const email = newAddress()
    await browser.send('account', 'PATCH', { currentPassword: PASSWORD, email })
    const token = tokenIn(await newestMailTo(email))
    const { answered, last } = await countUntilLimited(40, () =>
      newBrowser().send('verify', 'PUT', { token, password: WRONG }),
    )
    expect(answered).toBe(limits.linkByToken.quota)
    expectLimited(last, limits.linkByToken)
    const { quota, windowSeconds } = limits.linkByToken
    expect(quota + (quota * EMAIL_CHANGE_LINK_LIFETIME_SECONDS) / windowSeconds).toBeLessThan(
      failureWaits.lockedAt,
    )
  })

  test('[ASVS 6.1.1] a stranger who uses up the mails and the codes of an address leaves its owner the newest link', async () => {
    const { email } = await verifiedPerson()
    const stranger = () => newBrowser().send('reset', 'POST', { email })
    const code = { email, code: '000000', password: OTHER_PASSWORD }
    for (let round = 0; round < 8; round += 1) await stranger()
    const { last } = await countUntilLimited(20, () => newBrowser().send('reset', 'PUT', code))
    expectLimited(last, limits.codeBySource)
    const token = tokenIn(await newestMailTo(email))
    expect((await newBrowser().send('reset', 'PUT', { token, password: OTHER_PASSWORD })).status).toBe(200)
    expect((await login(newBrowser(), email, OTHER_PASSWORD)).status).toBe(200)
  })

  test('[ASVS 2.4.1] the current password of an account is checked 20 times in 15 minutes, in whichever session', async () => {
    const { email } = await verifiedPerson()
    const check = (browser: Browser) => browser.send('account', 'DELETE', { currentPassword: WRONG })
    const statuses: number[] = []
    for (let session = 0; session < 6; session += 1) {
      const browser = newBrowser()
      await login(browser, email, PASSWORD)
      for (let failure = 1; failure <= 4; failure += 1) statuses.push((await check(browser)).status)
    }
    expect(statuses.slice(0, limits.passwordCheckByAccount.quota)).toEqual(
      Array<number>(limits.passwordCheckByAccount.quota).fill(401),
    )
    expect(statuses.slice(limits.passwordCheckByAccount.quota)).toContain(429)
  })
})
