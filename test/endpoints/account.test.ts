import { parseSetCookie } from 'cookie'
import { decodeJwt } from 'jose'
import { describe, expect, test } from 'vitest'
import { lifetimeSeconds, maximum } from '../../lib/limits.ts'
import { newBrowser, sendRaw, type Received, type Browser } from '../support/browser.ts'
import { ageSessions, query } from '../support/database.ts'
import {
  emailKindsTo,
  failedBefore,
  failuresOf,
  isSignedIn,
  emailsTo,
  newAddress,
  newestEmailTo,
  otherBrowserOf,
  OTHER_PASSWORD,
  PASSWORD,
  signedInPerson,
  tokenIn,
  verifiedPerson,
  type Person,
} from '../support/people.ts'

const WRONG = 'not the right password at all'

const userOf = async (email: string) => (await query('SELECT * FROM users WHERE email = $1', email))[0]
const loginStatus = async (email: string, password: string) =>
  (await newBrowser().send('login', 'POST', { email, password })).status

const changePassword = (browser: Browser, currentPassword: string, newPassword: string) =>
  browser.send('account', 'PATCH', { currentPassword, newPassword })
const changeAddress = (browser: Browser, email: string) => browser.send('account', 'PATCH', { email })

/** As after the time in which a session counts as just authenticated. */
const letStepUpPass = (person: Person) => ageSessions(person.email, lifetimeSeconds.stepUp + 1)

describe('reading the account', () => {
  test('[ASVS 15.3.1] [ASVS 14.2.6] it is read from the database each time, and shows what it must and no more', async () => {
    const person = await signedInPerson()
    await query("UPDATE users SET role = 'editor' WHERE email = $1", person.email)
    const { status, body } = await person.browser.send('account', 'GET')
    expect([status, body]).toEqual([
      200,
      { user: { id: expect.any(String), email: person.email, emailVerified: true, role: 'editor' } },
    ])
  })

  test('[RFC 8725 3.8] [ASVS 7.4.1] [ASVS 7.4.2] an unexpired access token of a revoked session, a disabled or a deleted account is refused', async () => {
    const statements = [
      'UPDATE sessions SET revoked_at = now() WHERE user_id = $1',
      'UPDATE users SET disabled_at = now() WHERE id = $1',
      'DELETE FROM users WHERE id = $1',
    ]
    for (const statement of statements) {
      const person = await signedInPerson()
      const { body } = await person.browser.send('refresh', 'POST', {})
      const headers = { authorization: `Bearer ${body.accessToken}` }
      expect((await sendRaw('account', { headers })).status).toBe(200)
      await query(statement, body.user.id)
      expect((await sendRaw('account', { headers })).status).toBe(401)
    }
  })
})

describe('step-up: a change needs a session authenticated within 5 minutes, at full strength', () => {
  const changes: [
    name: string,
    change: (browser: Browser, more?: Record<string, string>) => Promise<Received>,
  ][] = [
    [
      'PATCH account {email}',
      (browser, more) => browser.send('account', 'PATCH', { email: newAddress() }, more),
    ],
    ['DELETE account', (browser, more) => browser.send('account', 'DELETE', undefined, more)],
    [
      'DELETE sessions?others=true',
      (browser, more) => browser.send('sessions?others=true', 'DELETE', undefined, more),
    ],
    [
      'DELETE sessions?id=',
      async (browser, more) => {
        const { body } = await browser.send('sessions', 'GET', undefined, more)
        return browser.send(`sessions?id=${body.current}`, 'DELETE', undefined, more)
      },
    ],
    ['logout everywhere', (browser, more) => browser.send('logout', 'POST', { everywhere: true }, more)],
  ]

  async function stateOf(person: Person) {
    const rows = await query(
      `SELECT to_jsonb(u) AS account,
         (SELECT jsonb_agg(to_jsonb(s) - 'confirmed' - 'last_used_at' ORDER BY s.id)
           FROM sessions s WHERE s.user_id = u.id) AS sessions,
         (SELECT count(*) FROM one_time_tokens t WHERE t.user_id = u.id) AS tokens,
         (SELECT count(*) FROM outbox WHERE recipient = u.email) AS emails
       FROM users u WHERE email = $1`,
      person.email,
    )
    return JSON.stringify(rows)
  }

  test.each(changes)(
    '[ASVS 7.5.1] %s: later, it is refused, and nothing changes until the person re-authenticates',
    async (_, change) => {
      const person = await signedInPerson()
      const other = await otherBrowserOf(person)
      await ageSessions(person.email, lifetimeSeconds.stepUp - 60)
      await ageSessions(person.email, 61)
      const before = await stateOf(person)
      const refused = await change(person.browser)
      expect([refused.status, refused.body.code, refused.setCookies]).toEqual([
        403,
        'reauthentication-required',
        [],
      ])
      expect(await stateOf(person)).toBe(before)
      expect(await isSignedIn(other)).toBe(true)

      const again = { email: person.email, password: PASSWORD, reauthenticate: true }
      expect((await person.browser.send('login', 'POST', again)).status).toBe(200)
      expect([200, 204]).toContain((await change(person.browser)).status)
    },
  )

  test.each(changes)('%s: a minute before that, it is let through', async (_, change) => {
    const person = await signedInPerson()
    await ageSessions(person.email, lifetimeSeconds.stepUp - 60)
    expect([200, 204]).toContain((await change(person.browser)).status)
  })

  test.each(changes)(
    '%s: a refresh is no authentication, however fresh its tokens are',
    async (name, change) => {
      const person = await signedInPerson()
      await letStepUpPass(person)
      const { body } = await person.browser.send('refresh', 'POST', {})
      expect((await change(person.browser)).body.code).toBe('reauthentication-required')
      // Logging out goes by the cookie.
      if (name === 'logout everywhere') return
      const bearer = { authorization: `Bearer ${body.accessToken}` }
      expect((await change(newBrowser(), bearer)).body.code).toBe('reauthentication-required')
    },
  )

  test.each(changes)(
    '%s: where the account has a second factor, the password or an emailed link is not enough',
    async (_, change) => {
      for (const method of [
        'password',
        'email',
        'totp',
        'password+totp2',
        'recovery-code',
        'passkey+x',
        'google',
      ]) {
        const person = await signedInPerson()
        const { id } = await userOf(person.email)
        await query('UPDATE users SET second_factor_at = now() WHERE id = $1', id)
        await query('UPDATE sessions SET method = $2 WHERE user_id = $1', id, method)
        const refused = await change(person.browser)
        expect([method, refused.status, refused.body.code]).toEqual([
          method,
          403,
          'reauthentication-required',
        ])
      }
    },
  )

  test.each(['passkey', 'password+totp', 'password+recovery-code', 'google+totp', 'email+recovery-code'])(
    'where the account has a second factor, a session authenticated by %s is at full strength, for 5 minutes',
    async (method) => {
      const person = await signedInPerson()
      const { id } = await userOf(person.email)
      await query('UPDATE users SET second_factor_at = now() WHERE id = $1', id)
      await query('UPDATE sessions SET method = $2 WHERE user_id = $1', id, method)
      const steppedUp = async () => (await person.browser.send('sessions?others=true', 'DELETE')).status
      expect(await steppedUp()).toBe(204)
      await letStepUpPass(person)
      expect(await steppedUp()).toBe(403)
    },
  )

  test('[ASVS 6.2.3] a change of the password needs no step-up: the current password is given with it', async () => {
    const person = await signedInPerson()
    await letStepUpPass(person)
    expect((await changePassword(person.browser, PASSWORD, OTHER_PASSWORD)).status).toBe(200)
  })

  test('but where the account has a second factor, it needs one, too, and the password is not even tried', async () => {
    const person = await signedInPerson()
    await query('UPDATE users SET second_factor_at = now() WHERE email = $1', person.email)
    for (const password of [PASSWORD, WRONG]) {
      const refused = await changePassword(person.browser, password, OTHER_PASSWORD)
      expect([refused.status, refused.body.code]).toEqual([403, 'reauthentication-required'])
    }
    expect(await failuresOf(person.email)).toEqual([])
    await query(
      "UPDATE sessions SET method = 'password+totp' WHERE user_id = (SELECT id FROM users WHERE email = $1)",
      person.email,
    )
    expect((await changePassword(person.browser, PASSWORD, OTHER_PASSWORD)).status).toBe(200)
    const [{ method }] = await query(
      'SELECT method FROM sessions WHERE user_id = (SELECT id FROM users WHERE email = $1) AND revoked_at IS NULL',
      person.email,
    )
    expect(method).toBe('password+totp')
  })
})

describe('changing the password', () => {
  test('[ASVS 6.2.2] [ASVS 7.2.4] [ASVS 7.4.3] [ASVS 10.4.9] all other sessions are revoked, this one gets a new family, and the owner is emailed', async () => {
    const person = await signedInPerson()
    const other = await otherBrowserOf(person)
    const copy = newBrowser()
    copy.cookies.set('__Host-session', person.browser.cookies.get('__Host-session') ?? '')
    const response = await changePassword(person.browser, PASSWORD, OTHER_PASSWORD)
    expect(response.status).toBe(200)
    expect(response.body.user.email).toBe(person.email)
    expect(await isSignedIn(person.browser)).toBe(true)
    expect(await isSignedIn(other)).toBe(false)
    expect(await isSignedIn(copy)).toBe(false)
    expect(await loginStatus(person.email, PASSWORD)).toBe(401)
    expect(await loginStatus(person.email, OTHER_PASSWORD)).toBe(200)
    expect((await emailKindsTo(person.email)).at(-1)).toBe('password-changed')
    expect(await failuresOf(person.email)).toEqual([])
  })

  test('the new session counts as just authenticated, with the password', async () => {
    const person = await signedInPerson()
    await letStepUpPass(person)
    const { body } = await changePassword(person.browser, PASSWORD, OTHER_PASSWORD)
    expect(decodeJwt(body.accessToken)['amr']).toEqual(['pwd'])
    expect((await person.browser.send('sessions?others=true', 'DELETE')).status).toBe(204)
  })

  test('the absolute expiry stays where the sign-in put it', async () => {
    const person = await signedInPerson()
    await query(
      "UPDATE sessions SET absolute_expires_at = now() + interval '3 days' WHERE user_id = $1",
      (await userOf(person.email)).id,
    )
    const before = (await person.browser.send('refresh', 'POST', {})).body.session.absoluteExpiresAt
    const { body } = await changePassword(person.browser, PASSWORD, OTHER_PASSWORD)
    expect(body.session.absoluteExpiresAt).toBe(before)
  })

  test('a session that ends with the browser is replaced by one that does', async () => {
    const person = await verifiedPerson()
    const login = { email: person.email, password: PASSWORD, remember: false }
    await person.browser.send('login', 'POST', login)
    const response = await changePassword(person.browser, PASSWORD, OTHER_PASSWORD)
    expect(response.setCookies.map((text) => parseSetCookie(text).maxAge)).toEqual(
      response.setCookies.map(() => undefined),
    )
    expect(
      await query(
        'SELECT persistent FROM sessions WHERE revoked_at IS NULL AND user_id = $1',
        response.body.user.id,
      ),
    ).toEqual([{ persistent: false }])
  })

  test('a tab that refreshes with the old cookie meanwhile does not clear the new one', async () => {
    const person = await signedInPerson()
    const late = newBrowser()
    late.cookies.set('__Host-session', person.browser.cookies.get('__Host-session') ?? '')
    await changePassword(person.browser, PASSWORD, OTHER_PASSWORD)
    const response = await late.send('refresh', 'POST', {})
    expect([response.status, response.setCookies]).toEqual([401, []])
  })

  test('[ASVS 6.2.3] a wrong current password changes nothing and counts as a failed login', async () => {
    const person = await signedInPerson()
    const response = await changePassword(person.browser, WRONG, OTHER_PASSWORD)
    expect([response.status, response.body.code, response.setCookies]).toEqual([
      401,
      'invalid-credentials',
      [],
    ])
    expect(await failuresOf(person.email)).toEqual([1])
    expect(await isSignedIn(person.browser)).toBe(true)
    expect(await loginStatus(person.email, PASSWORD)).toBe(200)
  })

  test('[ASVS 6.3.1] a session cannot guess its way to the password', async () => {
    const person = await signedInPerson()
    const statuses: number[] = []
    for (let round = 0; round < maximum.backOffFrom + 1; round += 1)
      statuses.push((await changePassword(person.browser, WRONG, OTHER_PASSWORD)).status)
    expect(statuses).toEqual([...Array<number>(maximum.backOffFrom).fill(401), 429])
    await failedBefore(person.email, 99)
    await changePassword(person.browser, WRONG, OTHER_PASSWORD)
    expect((await emailKindsTo(person.email)).at(-1)).toBe('password-locked')
    await failedBefore(person.email, 100)
    expect((await changePassword(person.browser, PASSWORD, OTHER_PASSWORD)).status).toBe(401)
  })

  test('an account without a password changes none: it sets one by a reset', async () => {
    const person = await signedInPerson()
    await query('UPDATE users SET password_hash = NULL WHERE email = $1', person.email)
    for (const password of [PASSWORD, '']) {
      const response = await changePassword(person.browser, password, OTHER_PASSWORD)
      expect([response.status, response.body.code]).toEqual([401, 'invalid-credentials'])
    }
    expect((await userOf(person.email)).password_hash).toBeNull()
  })

  test('[ASVS 2.1.2] [ASVS 2.2.3] [ASVS 6.2.4] [ASVS 6.2.11] the new password must be another one and pass the policy', async () => {
    const person = await signedInPerson()
    for (const password of [PASSWORD, 'short', '1qaz2wsx3edc4rfv', `Own.${person.email}`]) {
      const response = await changePassword(person.browser, PASSWORD, password)
      expect([response.status, response.body.code]).toEqual([422, 'weak-password'])
      expect(response.body.errors[0].pointer).toBe('#/newPassword')
    }
  })

  test('of two changes at once one wins', async () => {
    const person = await signedInPerson()
    const other = await otherBrowserOf(person)
    const responses = await Promise.all([
      changePassword(person.browser, PASSWORD, 'the first of two new passwords'),
      changePassword(other, PASSWORD, 'the second of two new passwords'),
    ])
    expect(responses.map(({ status }) => status).toSorted()).toEqual([200, 401])
    const [first, second] = await Promise.all([isSignedIn(person.browser), isSignedIn(other)])
    expect([first, second]).toEqual([responses[0]?.status === 200, responses[1]?.status === 200])
  })

  test('[ASVS 6.2.2] [ASVS 6.2.3] it needs both, the current password and the new one', async () => {
    const person = await signedInPerson()
    for (const body of [{ newPassword: OTHER_PASSWORD }, { currentPassword: PASSWORD }]) {
      expect((await person.browser.send('account', 'PATCH', body)).status).toBe(422)
    }
    expect((await changePassword(person.browser, '', OTHER_PASSWORD)).status).toBe(401)
    expect((await changePassword(newBrowser(), PASSWORD, OTHER_PASSWORD)).status).toBe(401)
    expect(await loginStatus(person.email, PASSWORD)).toBe(200)
  })

  test('[ASVS 6.3.7] [63B-4 4.6] the owner is emailed once, without a secret', async () => {
    const person = await signedInPerson()
    const before = (await emailsTo(person.email)).length
    await changePassword(person.browser, PASSWORD, OTHER_PASSWORD)
    const [notice, ...others] = (await emailsTo(person.email)).slice(before)
    expect(others).toEqual([])
    expect((await emailKindsTo(person.email)).slice(before)).toEqual(['password-changed'])
    for (const secret of [PASSWORD, OTHER_PASSWORD, 'token=']) {
      expect(`${notice?.text}${notice?.html}`).not.toContain(secret)
    }
  })
})

describe('changing the address', () => {
  test('[ASVS 6.3.7] both addresses are emailed, and nothing changes before the new one is confirmed', async () => {
    const person = await signedInPerson()
    const newEmail = newAddress()
    const response = await changeAddress(person.browser, newEmail)
    expect([response.status, response.body]).toEqual([200, { status: 'check-email' }])
    expect(await emailKindsTo(newEmail)).toEqual(['confirm-email-change'])
    expect((await emailKindsTo(person.email)).at(-1)).toBe('email-change-requested')
    expect((await person.browser.send('account', 'GET')).body.user.email).toBe(person.email)
    expect(await loginStatus(newEmail, PASSWORD)).toBe(401)

    const confirmed = await person.browser.send('verify', 'PUT', {
      token: tokenIn(await newestEmailTo(newEmail)),
    })
    expect([confirmed.status, confirmed.body]).toEqual([200, { status: 'verified' }])
    expect((await person.browser.send('account', 'GET')).body.user.email).toBe(newEmail)
    expect(await loginStatus(newEmail, PASSWORD)).toBe(200)
    expect(await loginStatus(person.email, PASSWORD)).toBe(401)
    expect((await emailKindsTo(person.email)).at(-1)).toBe('email-changed')
  })

  test('[ASVS 7.5.1] in a browser that is not signed in to the account, the password is needed, too', async () => {
    const [person, stranger] = [await signedInPerson(), await signedInPerson('a stranger chose this one')]
    const newEmail = newAddress()
    await changeAddress(person.browser, newEmail)
    const token = tokenIn(await newestEmailTo(newEmail))
    for (const browser of [newBrowser(), stranger.browser]) {
      expect((await browser.send('verify', 'PUT', { token })).body.code).toBe('password-required')
    }
    expect((await stranger.browser.send('verify', 'PUT', { token, password: WRONG })).body.code).toBe(
      'invalid-credentials',
    )
    const confirmed = await newBrowser().send('verify', 'PUT', { token, password: PASSWORD })
    expect([confirmed.status, confirmed.body, confirmed.setCookies]).toEqual([
      200,
      { status: 'verified' },
      [],
    ])
    expect((await newBrowser().send('verify', 'PUT', { token, password: PASSWORD })).body.code).toBe(
      'token-already-used',
    )
  })

  test("the old address's email lets its owner cancel it", async () => {
    const person = await signedInPerson()
    const newEmail = newAddress()
    await changeAddress(person.browser, newEmail)
    const cancel = tokenIn(await newestEmailTo(person.email))
    const canceled = await newBrowser().send('verify', 'PUT', { cancel })
    expect([canceled.status, canceled.body, canceled.setCookies]).toEqual([200, { status: 'canceled' }, []])
    const token = tokenIn(await newestEmailTo(newEmail))
    expect((await person.browser.send('verify', 'PUT', { token })).body.code).toBe('token-already-used')
    expect((await newBrowser().send('verify', 'PUT', { cancel })).body.code).toBe('token-already-used')
    expect((await person.browser.send('account', 'GET')).body.user.email).toBe(person.email)
    const { id } = await userOf(person.email)
    expect(
      await query("SELECT FROM events WHERE kind = 'email-change-canceled' AND user_id = $1", id),
    ).toHaveLength(1)
  })

  test('what cancels cannot confirm, and what confirms cannot cancel', async () => {
    const person = await signedInPerson()
    const newEmail = newAddress()
    await changeAddress(person.browser, newEmail)
    const cancel = tokenIn(await newestEmailTo(person.email))
    const token = tokenIn(await newestEmailTo(newEmail))
    const put = async (body: object) => (await person.browser.send('verify', 'PUT', body)).body.code
    expect(await put({ token: cancel })).toBe('token-invalid')
    expect(await put({ cancel: token })).toBe('token-invalid')
    expect(await put({ token, cancel })).toBe('validation-failed')
    expect((await person.browser.send('verify', 'PUT', { token })).status).toBe(200)
  })

  test('an address that has an account gets the same response; its owner is emailed, and nothing can be confirmed', async () => {
    const [person, owner] = [await signedInPerson(), await verifiedPerson()]
    const response = await changeAddress(person.browser, owner.email.toUpperCase())
    expect([response.status, response.body]).toEqual([200, { status: 'check-email' }])
    expect((await emailKindsTo(owner.email)).at(-1)).toBe('already-registered')
    expect((await newestEmailTo(owner.email)).text).not.toContain('#token=')
    expect((await emailKindsTo(person.email)).at(-1)).toBe('email-change-requested')
  })

  test('of two accounts that confirm one new address, one gets it', async () => {
    const [person, other] = [await signedInPerson(), await signedInPerson()]
    const newEmail = newAddress()
    await changeAddress(person.browser, newEmail)
    const first = tokenIn(await newestEmailTo(newEmail))
    await changeAddress(other.browser, newEmail)
    const second = tokenIn(await newestEmailTo(newEmail))
    const responses = await Promise.all([
      person.browser.send('verify', 'PUT', { token: first }),
      other.browser.send('verify', 'PUT', { token: second }),
    ])
    expect(responses.map(({ status }) => status).toSorted()).toEqual([200, 410])
    expect(await query('SELECT 1 FROM users WHERE email = $1', newEmail)).toHaveLength(1)
  })

  test('a reset link that went to the old address opens nothing any more', async () => {
    const person = await signedInPerson()
    await newBrowser().send('reset', 'POST', { email: person.email })
    const reset = tokenIn(await newestEmailTo(person.email))
    const newEmail = newAddress()
    await changeAddress(person.browser, newEmail)
    await person.browser.send('verify', 'PUT', { token: tokenIn(await newestEmailTo(newEmail)) })
    expect(
      (await newBrowser().send('reset', 'PUT', { token: reset, password: OTHER_PASSWORD })).body.code,
    ).toBe('token-already-used')
  })

  test('the password is no part of it: given or not, only a step-up counts', async () => {
    const person = await signedInPerson()
    const body = { email: newAddress(), currentPassword: PASSWORD }
    const response = await person.browser.send('account', 'PATCH', body)
    expect([response.status, response.body.errors[0].pointer]).toEqual([422, '#'])
    expect(await emailsTo(person.email)).toHaveLength(1)
  })

  test('neither or both of password and address is refused, and the problem says how to ask', async () => {
    const person = await signedInPerson()
    for (const body of [
      {},
      { currentPassword: PASSWORD, newPassword: OTHER_PASSWORD, email: newAddress() },
      { newPassword: OTHER_PASSWORD, email: newAddress() },
    ]) {
      const response = await person.browser.send('account', 'PATCH', body)
      expect([response.status, response.body.errors[0].pointer]).toEqual([422, '#'])
    }
  })
})

describe('deleting the account', () => {
  test('[ASVS 14.2.7] account, sessions, tokens and emails are gone, its events keep no personal data, and the owner is emailed', async () => {
    const person = await signedInPerson()
    const other = await otherBrowserOf(person)
    const { id } = await userOf(person.email)
    await newBrowser().send('reset', 'POST', { email: person.email })
    const reset = tokenIn(await newestEmailTo(person.email))
    const response = await person.browser.send('account', 'DELETE')
    expect([response.status, response.body, person.browser.cookies.size]).toEqual([204, undefined, 0])

    for (const table of ['sessions', 'one_time_tokens', 'login_attempts']) {
      expect(await query(`SELECT 1 FROM ${table} WHERE user_id = $1`, id)).toEqual([])
    }
    expect(await query('SELECT 1 FROM users WHERE id = $1', id)).toEqual([])
    expect(await query('SELECT 1 FROM registrations WHERE email = $1', person.email)).toEqual([])
    const events = await query('SELECT * FROM events WHERE user_id = $1', id)
    expect(events.length).toBeGreaterThan(3)
    expect(events.map(({ kind }) => kind)).toContain('account-deleted')
    expect(JSON.stringify(events)).not.toContain(person.email)
    expect(events.filter(({ ip }) => ip !== null)).toEqual([])
    expect(await emailKindsTo(person.email)).toEqual(['account-deleted'])

    expect(await isSignedIn(other)).toBe(false)
    expect(await loginStatus(person.email, PASSWORD)).toBe(401)
    expect(
      (await newBrowser().send('reset', 'PUT', { token: reset, password: OTHER_PASSWORD })).body.code,
    ).toBe('token-already-used')
  })

  test('it takes no password: a step-up is what counts', async () => {
    const person = await signedInPerson()
    expect((await newBrowser().send('account', 'DELETE')).body.code).toBe('unauthorized')
    await letStepUpPass(person)
    expect((await person.browser.send('account', 'DELETE')).body.code).toBe('reauthentication-required')
    expect(await isSignedIn(person.browser)).toBe(true)
  })

  test('the address can register again', async () => {
    const person = await signedInPerson()
    await person.browser.send('account', 'DELETE')
    const { email } = person
    await person.browser.send('register', 'POST', { email, password: OTHER_PASSWORD })
    const token = tokenIn(await newestEmailTo(email))
    expect((await person.browser.send('verify', 'PUT', { token })).body.status).toBe('signed-in')
  })
})

describe('the security version, by which a check outside the transaction notices a change', () => {
  const versionOf = async (id: string): Promise<number> =>
    (await query('SELECT security_version FROM users WHERE id = $1', id))[0].security_version

  const operator =
    (name: string, ...more: string[]) =>
    async (person: Person) => {
      const { id } = await userOf(person.email)
      const given = ['p_user_id => $1', ...more, `p_request => '{}'`].join(', ')
      await query(`SELECT latchkey.${name}(${given})`, id)
    }

  test.each<[string, (person: Person) => Promise<unknown>]>([
    ['a change of the password', ({ browser }) => changePassword(browser, PASSWORD, OTHER_PASSWORD)],
    [
      'a reset of the password',
      async ({ email }) => {
        await newBrowser().send('reset', 'POST', { email })
        const token = tokenIn(await newestEmailTo(email))
        await newBrowser().send('reset', 'PUT', { token, password: OTHER_PASSWORD })
      },
    ],
    ['the removal of the password', operator('admin_force_reset')],
    [
      'a change of the address',
      async ({ browser }) => {
        const newEmail = newAddress()
        await changeAddress(browser, newEmail)
        await browser.send('verify', 'PUT', { token: tokenIn(await newestEmailTo(newEmail)) })
      },
    ],
    ['disabling the account', operator('admin_disable')],
    ['a role', operator('admin_set_role', "p_role => 'editor'")],
  ])('is bumped by %s', async (_, change) => {
    const person = await signedInPerson()
    const { id } = await userOf(person.email)
    const before = await versionOf(id)
    await change(person)
    expect(await versionOf(id)).toBe(before + 1)
  })

  test('is bumped by enabling the account', async () => {
    const person = await signedInPerson()
    const { id } = await userOf(person.email)
    await operator('admin_disable')(person)
    const before = await versionOf(id)
    await operator('admin_enable')(person)
    expect(await versionOf(id)).toBe(before + 1)
  })

  test('is bumped by nothing else: not by signing in, refreshing, re-authenticating, a request for a change, or logging out', async () => {
    const person = await signedInPerson()
    const { email, browser } = person
    const { id } = await userOf(email)
    const before = await versionOf(id)
    await otherBrowserOf(person)
    await browser.send('login', 'POST', { email, password: WRONG })
    await browser.send('login', 'POST', { email, password: PASSWORD, reauthenticate: true })
    await ageSessions(email, 60)
    await browser.send('refresh', 'POST', {})
    await browser.send('account', 'PATCH', { email: newAddress() })
    await newBrowser().send('verify', 'PUT', { cancel: tokenIn(await newestEmailTo(email)) })
    await newBrowser().send('reset', 'POST', { email })
    await newBrowser().send('register', 'POST', { email, password: PASSWORD })
    await changePassword(browser, WRONG, OTHER_PASSWORD)
    await browser.send('sessions?others=true', 'DELETE')
    await browser.send('logout', 'POST', { everywhere: true })
    await operator('admin_set_role', "p_role => 'user'")(person)
    await operator('admin_enable')(person)
    await operator('admin_revoke_sessions', 'p_session_id => NULL')(person)
    expect(await versionOf(id)).toBe(before)
  })
})
