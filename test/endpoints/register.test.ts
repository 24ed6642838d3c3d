import { describe, expect, test } from 'vitest'
import { newBrowser } from '../support/browser.ts'
import { query } from '../support/database.ts'
import {
  emailKindsTo,
  emailsTo,
  newAddress,
  newestEmailTo,
  OTHER_PASSWORD,
  PASSWORD,
  signedInPerson,
  tokenIn,
  verifiedPerson,
} from '../support/people.ts'
import { gateway } from '../support/setup-stack.ts'

describe('register', () => {
  test('[ASVS 2.3.1] it creates a registration and no account', async () => {
    const email = newAddress()
    await newBrowser().send('register', 'POST', { email, password: PASSWORD })
    expect(await query('SELECT 1 FROM users WHERE email = $1', email)).toHaveLength(0)
    const [registration] = await query('SELECT * FROM registrations WHERE email = $1', email)
    expect(registration.password_hash).toMatch(/^\$argon2id\$/)
    expect(registration.consumed_at).toBeNull()
  })

  test('[CS Authentication register] [ASVS 6.3.8] an address that has an account gets the same response, its owner another email, and nothing is kept', async () => {
    const owner = await verifiedPerson()
    const [known, unknown] = [newBrowser(), newBrowser()]
    const taken = await known.send('register', 'POST', {
      email: owner.email.toUpperCase(),
      password: OTHER_PASSWORD,
    })
    const free = await unknown.send('register', 'POST', { email: newAddress(), password: OTHER_PASSWORD })

    expect([taken.status, taken.body]).toEqual([free.status, free.body])
    expect(taken.setCookies[0]?.length).toBe(free.setCookies[0]?.length)
    expect([...taken.headers.keys()].toSorted()).toEqual([...free.headers.keys()].toSorted())
    expect(await emailKindsTo(owner.email)).toEqual(['confirm-registration', 'already-registered'])
    expect((await newestEmailTo(owner.email)).text).not.toContain('#token=')
    expect(
      await query(
        'SELECT 1 FROM registrations WHERE email_normalized = $1 AND consumed_at IS NULL',
        owner.email,
      ),
    ).toEqual([])
  })

  test('the registration cookie for an address that has an account opens nothing', async () => {
    const owner = await verifiedPerson()
    const stranger = newBrowser()
    await stranger.send('register', 'POST', { email: owner.email, password: OTHER_PASSWORD })
    expect(
      (await stranger.send('login', 'POST', { email: owner.email, password: OTHER_PASSWORD })).status,
    ).toBe(401)
    expect(
      (await owner.browser.send('login', 'POST', { email: owner.email, password: PASSWORD })).status,
    ).toBe(200)
  })

  test('several registrations of one address may be pending, and none blocks another', async () => {
    const email = newAddress()
    const [stranger, owner] = [newBrowser(), newBrowser()]
    await stranger.send('register', 'POST', { email, password: OTHER_PASSWORD })
    await owner.send('register', 'POST', { email, password: PASSWORD })
    const [strangersEmail, ownersEmail] = await emailsTo(email)

    // The owner of the mailbox opens the link that a stranger caused: that gives the stranger's password no account.
    const trapped = await owner.send('verify', 'PUT', { token: tokenIn(strangersEmail!) })
    expect([trapped.status, trapped.body.code]).toEqual([403, 'password-required'])
    const withOwnPassword = await owner.send('verify', 'PUT', {
      token: tokenIn(strangersEmail!),
      password: PASSWORD,
    })
    expect([withOwnPassword.status, withOwnPassword.body.code]).toEqual([401, 'invalid-credentials'])

    const own = await owner.send('verify', 'PUT', { token: tokenIn(ownersEmail!) })
    expect([own.status, own.body.user?.email]).toEqual([200, email])
    expect((await newBrowser().send('login', 'POST', { email, password: PASSWORD })).status).toBe(200)
    expect((await stranger.send('login', 'POST', { email, password: OTHER_PASSWORD })).status).toBe(401)
    const late = await stranger.send('verify', 'PUT', { token: tokenIn(strangersEmail!) })
    expect([late.status, late.body.code]).toEqual([410, 'token-already-used'])
  })

  test.each([null, 1, 'true', {}])('%j is not a choice to be remembered', async (remember) => {
    const body = { email: newAddress(), password: PASSWORD, remember }
    const response = await newBrowser().send('register', 'POST', body)
    expect([response.status, response.body.errors[0].pointer]).toEqual([422, '#/remember'])
  })

  test.each([
    ['short', 'eleven char', /at least 15/],
    ['common', '1qaz2wsx3edc4rfv', /Many people/],
  ])(
    '[ASVS 6.2.4] [63B-4 3.1.1.2 blocklist] a %s password is refused with the reason, before anything is stored or counted',
    async (_, password, reason) => {
      const email = newAddress()
      gateway.requests.length = 0
      const response = await newBrowser().send('register', 'POST', { email, password })
      expect([response.status, response.body.code]).toEqual([422, 'weak-password'])
      expect(response.body.errors).toEqual([{ pointer: '#/password', detail: expect.stringMatching(reason) }])
      expect(gateway.requests).toHaveLength(0)
      expect(response.setCookies).toEqual([])
    },
  )

  test('[ASVS 2.1.2] [ASVS 2.2.3] a password equal to the person’s own address is refused', async () => {
    const email = `long.enough.${newAddress()}`
    const response = await newBrowser().send('register', 'POST', { email, password: email })
    expect([response.status, response.body.code]).toEqual([422, 'weak-password'])
  })

  test('[ASVS 15.3.3] a role or a verified flag cannot be smuggled in', async () => {
    const response = await newBrowser().send('register', 'POST', {
      email: newAddress(),
      password: PASSWORD,
      role: 'admin',
      emailVerified: true,
    })
    expect(response.status).toBe(422)
    expect(response.body.errors.map((error: { pointer: string }) => error.pointer)).toEqual([
      '#/role',
      '#/emailVerified',
    ])
  })

  test('[ASVS 1.3.11] an address with a line break and a header behind it is refused at every endpoint that takes one', async () => {
    const victim = newAddress()
    const { browser } = await signedInPerson()
    for (const lineBreak of ['\r\n', '\n', '\r', '%0d%0a', '\u2028']) {
      const email = `a@example.org${lineBreak}Bcc: ${victim}`
      const requests = [
        ['register', 'POST', { email, password: PASSWORD }],
        ['verify', 'POST', { email }],
        ['verify', 'PUT', { email, code: '123456' }],
        ['login', 'POST', { email, password: PASSWORD }],
        ['reset', 'POST', { email }],
        ['reset', 'PUT', { email, code: '123456', password: OTHER_PASSWORD }],
        ['account', 'PATCH', { email }],
      ] as const
      for (const [name, method, body] of requests) {
        const response = await browser.send(name, method, body)
        expect([name, method, response.status, response.body.errors[0].pointer]).toEqual([
          name,
          method,
          422,
          '#/email',
        ])
      }
    }
    expect(await emailsTo(victim)).toEqual([])
  })

  test('[63B-4 3.1.1.2 Unicode] registered in NFD, the password signs in in NFC', async () => {
    const person = await verifiedPerson('Cafe\u0301 cre\u0300me, twice a day')
    const login = await person.browser.send('login', 'POST', {
      email: person.email,
      password: 'Caf\u00e9 cr\u00e8me, twice a day',
    })
    expect(login.status).toBe(200)
  })

  test('[ASVS 2.4.1] [RateLimit 5.1] [RateLimit 6] one source reaches 429, and so does one address from many sources', async () => {
    const source = newBrowser()
    const statuses = new Map<number, number>()
    for (let round = 0; round < 31; round += 1) {
      const { status } = await source.send('register', 'POST', { email: newAddress(), password: PASSWORD })
      statuses.set(status, (statuses.get(status) ?? 0) + 1)
    }
    expect([...statuses]).toEqual([
      [202, 30],
      [429, 1],
    ])

    const email = newAddress()
    for (let round = 0; round < 5; round += 1) {
      expect((await newBrowser().send('register', 'POST', { email, password: PASSWORD })).status).toBe(202)
    }
    const limited = await newBrowser().send('register', 'POST', { email, password: PASSWORD })
    expect([limited.status, limited.body.code]).toEqual([429, 'quota-exceeded'])
    expect(limited.body.type).toMatch(/#quota-exceeded$/)
    expect(await emailsTo(email)).toHaveLength(5)
    const retryAfter = Number(limited.headers.get('retry-after'))
    expect(retryAfter).toBeGreaterThan(0)
    expect(retryAfter).toBeLessThanOrEqual(720)
    expect(limited.headers.get('ratelimit-policy')).toBe('"register-source";q=30;w=3600')
    expect(limited.headers.get('ratelimit')).toBe(`"register-source";r=0;t=${retryAfter}`)
  })

  test('[ASVS 6.2.1] [63B-4 3.1.1.2(1)] [ASVS 6.2.5] [63B-4 3.1.1.2(5)] 14 characters are refused and 15 accepted, whatever they are', async () => {
    const register = (password: string) =>
      newBrowser().send('register', 'POST', { email: newAddress(), password })
    for (const password of [
      'vqjzkwxmypdbtnl',
      'vq zk xm pd t l',
      '739105826417390',
      '🔑🗝🚪🔒🔓🏠🏡🪟🧱🛠🔧🔨🪛🔩🪚',
      'пароль из букв!',
    ]) {
      expect([...password]).toHaveLength(15)
      expect((await register(password)).status).toBe(202)
      const short = await register([...password].slice(1).join(''))
      expect([short.status, short.body.code]).toEqual([422, 'weak-password'])
    }
  })

  test('[ASVS 6.1.2] [ASVS 6.2.11] the names of the product and of the host are no password', async () => {
    for (const password of [
      'LatchkeyLatchkey',
      'latchkey-latchkey-1',
      'app.latchkey.test',
      'Latchkey.test/app',
    ]) {
      const response = await newBrowser().send('register', 'POST', { email: newAddress(), password })
      expect([response.status, response.body.code]).toEqual([422, 'weak-password'])
      expect(JSON.stringify(response.body.errors)).toContain('the name of this app')
    }
  })

  test('[ASVS 6.4.2] [63B-4 3.1.1.2(7)] [63B-4 3.1.1.2(8)] nothing asks for or keeps a hint or the answer to a secret question', async () => {
    const columns = await query(
      "SELECT table_name || '.' || column_name AS name FROM information_schema.columns WHERE table_schema = 'latchkey'",
    )
    expect(columns.length).toBeGreaterThan(40)
    expect(columns.filter(({ name }) => /hint|question|answer|remind|birth|maiden/.test(name))).toEqual([])
    for (const extra of [{ hint: 'the usual' }, { question: 'first pet?', response: 'Rex' }]) {
      const body = { email: newAddress(), password: PASSWORD, ...extra }
      const response = await newBrowser().send('register', 'POST', body)
      expect([response.status, response.body.code]).toEqual([422, 'validation-failed'])
    }
  })
})
