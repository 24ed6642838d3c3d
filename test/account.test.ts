import { describe, expect, test } from 'vitest'
import { newBrowser, sendRaw, type Browser } from './browser.ts'
import { query } from './database.ts'
import {
  failedBefore,
  failuresOf,
  mailsTo,
  newAddress,
  newestMailTo,
  OTHER_PASSWORD,
  PASSWORD,
  signedInPerson,
  tokenIn,
  verifiedPerson,
  type Person,
} from './people.ts'

const WRONG = 'not the right password at all'

async function otherDeviceOf(person: Person, password = PASSWORD): Promise<Browser> {
  const browser = newBrowser()
  expect((await browser.send('login', 'POST', { email: person.email, password })).status).toBe(200)
  return browser
}

const isSignedIn = async (browser: Browser) => (await browser.send('refresh', 'POST', {})).status === 200
const userOf = async (email: string) => (await query('SELECT * FROM users WHERE email = $1', email))[0]

describe('reading the account', () => {
  test('[ASVS 15.3.1] [ASVS 14.2.6] it is fresh from the database and shows what it must and no more', async () => {
    const person = await signedInPerson()
    await query("UPDATE users SET role = 'editor' WHERE email = $1", person.email)
    const { status, body } = await person.browser.send('account', 'GET')
    expect([status, body]).toEqual([
      200,
      { user: { id: expect.any(String), email: person.email, emailVerified: true, role: 'editor' } },
    ])
  })

  test('[RFC 8725 3.8] [ASVS 7.4.1] [ASVS 7.4.2] an unexpired access token of an ended session, a disabled or a deleted account is refused', async () => {
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

describe('changing the password', () => {
  const change = (browser: Browser, currentPassword: string, newPassword: string) =>
    browser.send('account', 'PATCH', { currentPassword, newPassword })

  test('[ASVS 6.2.2] [ASVS 7.2.4] [ASVS 7.4.3] [ASVS 10.4.9] others end, this one gets a new family, and the owner is told', async () => {
    const person = await signedInPerson()
    const other = await otherDeviceOf(person)
    const stolen = newBrowser()
    stolen.cookies.set('__Host-session', person.browser.cookies.get('__Host-session') ?? '')
    const answer = await change(person.browser, PASSWORD, OTHER_PASSWORD)
    expect(answer.status).toBe(200)
    expect(answer.body.user.email).toBe(person.email)
    expect(await isSignedIn(person.browser)).toBe(true)
    expect(await isSignedIn(other)).toBe(false)
    expect(await isSignedIn(stolen)).toBe(false)
    expect(
      (await newBrowser().send('login', 'POST', { email: person.email, password: PASSWORD })).status,
    ).toBe(401)
    expect(
      (await newBrowser().send('login', 'POST', { email: person.email, password: OTHER_PASSWORD })).status,
    ).toBe(200)
    expect((await newestMailTo(person.email)).subject).toBe('Your Latchkey password was changed')
    expect(await failuresOf(person.email)).toEqual([])
  })

  test('the absolute end stays where the login put it', async () => {
    const person = await signedInPerson()
    await query(
      "UPDATE sessions SET ends_at = now() + interval '3 days' WHERE user_id = $1",
      (await userOf(person.email)).id,
    )
    const before = (await person.browser.send('refresh', 'POST', {})).body.session.endsAt
    const { body } = await change(person.browser, PASSWORD, OTHER_PASSWORD)
    expect(body.session.endsAt).toBe(before)
  })

  test('a tab that refreshes with the old cookie meanwhile does not clear the new one', async () => {
    const person = await signedInPerson()
    const late = newBrowser()
    late.cookies.set('__Host-session', person.browser.cookies.get('__Host-session') ?? '')
    await change(person.browser, PASSWORD, OTHER_PASSWORD)
    const answer = await late.send('refresh', 'POST', {})
    expect([answer.status, answer.setCookies]).toEqual([401, []])
  })

  test('[ASVS 6.2.3] a wrong current password changes nothing and counts as a failed login', async () => {
    const person = await signedInPerson()
    const answer = await change(person.browser, WRONG, OTHER_PASSWORD)
    expect([answer.status, answer.body.code, answer.setCookies]).toEqual([401, 'invalid-credentials', []])
    expect(await failuresOf(person.email)).toEqual([1])
    expect(await isSignedIn(person.browser)).toBe(true)
    expect(
      (await newBrowser().send('login', 'POST', { email: person.email, password: PASSWORD })).status,
    ).toBe(200)
  })

  test('[ASVS 6.3.1] a stolen session cannot guess its way to the password', async () => {
    const person = await signedInPerson()
    const statuses: number[] = []
    for (let round = 0; round < 6; round += 1)
      statuses.push((await change(person.browser, WRONG, OTHER_PASSWORD)).status)
    expect(statuses).toEqual([...Array<number>(5).fill(401), 429])
    await failedBefore(person.email, 99)
    await change(person.browser, WRONG, OTHER_PASSWORD)
    expect((await newestMailTo(person.email)).subject).toBe('Your Latchkey password is locked')
    await failedBefore(person.email, 100)
    expect((await change(person.browser, PASSWORD, OTHER_PASSWORD)).status).toBe(401)
  })

  test('[ASVS 2.1.2] [ASVS 2.2.3] [ASVS 6.2.4] [ASVS 6.2.11] the new password must be another one and pass the policy', async () => {
    const person = await signedInPerson()
    for (const password of [PASSWORD, 'short', '1qaz2wsx3edc4rfv', `Own.${person.email}`]) {
      const answer = await change(person.browser, PASSWORD, password)
      expect([answer.status, answer.body.code]).toEqual([422, 'weak-password'])
      expect(answer.body.errors[0].pointer).toBe('#/newPassword')
    }
  })

  test('of two changes at once one wins', async () => {
    const person = await signedInPerson()
    const other = await otherDeviceOf(person)
    const answers = await Promise.all([
      change(person.browser, PASSWORD, 'the first of two new passwords'),
      change(other, PASSWORD, 'the second of two new passwords'),
    ])
    expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 401])
    const [first, second] = await Promise.all([isSignedIn(person.browser), isSignedIn(other)])
    expect([first, second]).toEqual([answers[0]?.status === 200, answers[1]?.status === 200])
  })

  test('[ASVS 6.2.2] [ASVS 6.2.3] it wants both, the current password and the new one', async () => {
    const person = await signedInPerson()
    for (const body of [{ newPassword: OTHER_PASSWORD }, { currentPassword: PASSWORD }]) {
      expect((await person.browser.send('account', 'PATCH', body)).status).toBe(422)
    }
    expect((await change(person.browser, '', OTHER_PASSWORD)).status).toBe(401)
    expect((await change(newBrowser(), PASSWORD, OTHER_PASSWORD)).status).toBe(401)
    expect(
      (await newBrowser().send('login', 'POST', { email: person.email, password: PASSWORD })).status,
    ).toBe(200)
  })

  test('[ASVS 6.3.7] [63B-4 4.6] the owner is told once, with what to do and without a secret', async () => {
    const person = await signedInPerson()
    const before = (await mailsTo(person.email)).length
    await change(person.browser, PASSWORD, OTHER_PASSWORD)
    const told = (await mailsTo(person.email)).slice(before)
    expect(told.map(({ subject }) => subject)).toEqual(['Your Latchkey password was changed'])
    const [notice] = told
    expect(notice?.text).toContain('If it was not you')
    for (const secret of [PASSWORD, OTHER_PASSWORD, 'token=']) {
      expect(`${notice?.text}${notice?.html}`).not.toContain(secret)
    }
  })
})

describe('changing the address', () => {
  const change = (browser: Browser, email: string, currentPassword = PASSWORD) =>
    browser.send('account', 'PATCH', { currentPassword, email })

  test('[ASVS 6.3.7] both addresses hear, and nothing changes before the new one confirms', async () => {
    const person = await signedInPerson()
    const newEmail = newAddress()
    const answer = await change(person.browser, newEmail)
    expect([answer.status, answer.body]).toEqual([200, { status: 'check-email' }])
    expect((await newestMailTo(newEmail)).subject).toBe('Confirm your new address for Latchkey')
    expect((await newestMailTo(person.email)).subject).toBe('Somebody wants to change your Latchkey address')
    expect((await person.browser.send('account', 'GET')).body.user.email).toBe(person.email)
    expect((await newBrowser().send('login', 'POST', { email: newEmail, password: PASSWORD })).status).toBe(
      401,
    )

    const confirmed = await person.browser.send('verify', 'PUT', {
      token: tokenIn(await newestMailTo(newEmail)),
    })
    expect([confirmed.status, confirmed.body]).toEqual([200, { status: 'verified' }])
    expect((await person.browser.send('account', 'GET')).body.user.email).toBe(newEmail)
    expect((await newBrowser().send('login', 'POST', { email: newEmail, password: PASSWORD })).status).toBe(
      200,
    )
    expect(
      (await newBrowser().send('login', 'POST', { email: person.email, password: PASSWORD })).status,
    ).toBe(401)
    expect((await newestMailTo(person.email)).subject).toBe('Your Latchkey address was changed')
  })

  test('[ASVS 7.5.1] in a browser that is not signed in to the account, the password is needed as well', async () => {
    const [person, stranger] = [await signedInPerson(), await signedInPerson('a stranger chose this one')]
    const newEmail = newAddress()
    await change(person.browser, newEmail)
    const token = tokenIn(await newestMailTo(newEmail))
    for (const browser of [newBrowser(), stranger.browser]) {
      expect((await browser.send('verify', 'PUT', { token })).body.code).toBe('password-required')
    }
    expect((await stranger.browser.send('verify', 'PUT', { token, password: WRONG })).body.code).toBe(
      'invalid-credentials',
    )
    expect((await newBrowser().send('verify', 'PUT', { token, password: PASSWORD })).status).toBe(200)
    expect((await newBrowser().send('verify', 'PUT', { token, password: PASSWORD })).body.code).toBe(
      'token-spent',
    )
  })

  test("the old address's mail lets its owner stop it", async () => {
    const person = await signedInPerson()
    const newEmail = newAddress()
    await change(person.browser, newEmail)
    const stop = tokenIn(await newestMailTo(person.email))
    const stopped = await newBrowser().send('verify', 'PUT', { stop })
    expect([stopped.status, stopped.body]).toEqual([200, { status: 'stopped' }])
    const token = tokenIn(await newestMailTo(newEmail))
    expect((await person.browser.send('verify', 'PUT', { token })).body.code).toBe('token-spent')
    expect((await newBrowser().send('verify', 'PUT', { stop })).body.code).toBe('token-spent')
    expect((await person.browser.send('account', 'GET')).body.user.email).toBe(person.email)
  })

  test('the two links lead to pages of their own', async () => {
    const person = await signedInPerson()
    const newEmail = newAddress()
    await change(person.browser, newEmail)
    expect((await newestMailTo(newEmail)).text).toContain('/auth/verify#token=')
    expect((await newestMailTo(person.email)).text).toContain('/auth/stop#token=')
  })

  test('what stops cannot confirm, and what confirms cannot stop', async () => {
    const person = await signedInPerson()
    const newEmail = newAddress()
    await change(person.browser, newEmail)
    const stop = tokenIn(await newestMailTo(person.email))
    const token = tokenIn(await newestMailTo(newEmail))
    expect((await person.browser.send('verify', 'PUT', { token: stop })).body.code).toBe('token-invalid')
    expect((await person.browser.send('verify', 'PUT', { stop: token })).body.code).toBe('token-invalid')
    expect((await person.browser.send('verify', 'PUT', { token, stop })).body.code).toBe('validation-failed')
    expect((await person.browser.send('verify', 'PUT', { token })).status).toBe(200)
  })

  test('an address that has an account already gets the same answer; its owner hears of it, and nothing can be confirmed', async () => {
    const [person, owner] = [await signedInPerson(), await verifiedPerson()]
    const answer = await change(person.browser, owner.email.toUpperCase())
    expect([answer.status, answer.body]).toEqual([200, { status: 'check-email' }])
    expect((await newestMailTo(owner.email)).subject).toBe('You already have an account at Latchkey')
    expect((await mailsTo(person.email)).at(-1)?.subject).toBe(
      'Somebody wants to change your Latchkey address',
    )
  })

  test('an address that was taken meanwhile is not taken twice', async () => {
    const [person, other] = [await signedInPerson(), await signedInPerson()]
    const newEmail = newAddress()
    await change(person.browser, newEmail)
    const first = tokenIn(await newestMailTo(newEmail))
    await change(other.browser, newEmail)
    const second = tokenIn(await newestMailTo(newEmail))
    const answers = await Promise.all([
      person.browser.send('verify', 'PUT', { token: first }),
      other.browser.send('verify', 'PUT', { token: second }),
    ])
    expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 410])
    expect(await query('SELECT 1 FROM users WHERE email = $1', newEmail)).toHaveLength(1)
  })

  test('a reset link that went to the old address opens nothing any more', async () => {
    const person = await signedInPerson()
    await newBrowser().send('reset', 'POST', { email: person.email })
    const reset = tokenIn(await newestMailTo(person.email))
    const newEmail = newAddress()
    await change(person.browser, newEmail)
    await person.browser.send('verify', 'PUT', { token: tokenIn(await newestMailTo(newEmail)) })
    expect(
      (await newBrowser().send('reset', 'PUT', { token: reset, password: OTHER_PASSWORD })).body.code,
    ).toBe('token-spent')
  })

  test('[ASVS 7.5.1] it needs the current password', async () => {
    const person = await signedInPerson()
    expect((await change(person.browser, newAddress(), WRONG)).status).toBe(401)
    expect((await person.browser.send('account', 'PATCH', { email: newAddress() })).status).toBe(422)
    expect(await mailsTo(person.email)).toHaveLength(1)
  })

  test('neither or both of password and address is refused with the way to say it', async () => {
    const person = await signedInPerson()
    for (const extra of [{}, { newPassword: OTHER_PASSWORD, email: newAddress() }]) {
      const answer = await person.browser.send('account', 'PATCH', { currentPassword: PASSWORD, ...extra })
      expect([answer.status, answer.body.errors[0].pointer]).toEqual([422, '#'])
    }
  })
})

describe('deleting the account', () => {
  test('[ASVS 14.2.7] account, sessions, tokens and mails are gone, its events keep no personal data, and the owner is told', async () => {
    const person = await signedInPerson()
    const other = await otherDeviceOf(person)
    const { id } = await userOf(person.email)
    await newBrowser().send('reset', 'POST', { email: person.email })
    const reset = tokenIn(await newestMailTo(person.email))
    const answer = await person.browser.send('account', 'DELETE', { currentPassword: PASSWORD })
    expect([answer.status, person.browser.cookies.size]).toEqual([204, 0])

    for (const table of ['sessions', 'mail_tokens']) {
      expect(await query(`SELECT 1 FROM ${table} WHERE user_id = $1`, id)).toEqual([])
    }
    expect(await query('SELECT 1 FROM users WHERE id = $1', id)).toEqual([])
    expect(await query('SELECT 1 FROM registrations WHERE email = $1', person.email)).toEqual([])
    const events = await query('SELECT * FROM events WHERE user_id = $1', id)
    expect(events.length).toBeGreaterThan(3)
    expect(JSON.stringify(events)).not.toContain(person.email)
    expect(events.filter(({ ip }) => ip !== null)).toEqual([])
    expect(
      (await query('SELECT kind FROM outbox WHERE recipient = $1', person.email)).map(({ kind }) => kind),
    ).toEqual(['account-deleted'])
    expect((await newestMailTo(person.email)).subject).toBe('Your Latchkey account was deleted')

    expect(await isSignedIn(other)).toBe(false)
    expect(
      (await newBrowser().send('login', 'POST', { email: person.email, password: PASSWORD })).status,
    ).toBe(401)
    expect(
      (await newBrowser().send('reset', 'PUT', { token: reset, password: OTHER_PASSWORD })).body.code,
    ).toBe('token-spent')
  })

  test('it needs the current password', async () => {
    const person = await signedInPerson()
    expect((await person.browser.send('account', 'DELETE', { currentPassword: WRONG })).status).toBe(401)
    expect((await person.browser.send('account', 'DELETE')).status).toBe(415)
    expect(await isSignedIn(person.browser)).toBe(true)
  })
})
