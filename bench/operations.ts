/** What people do at the endpoints, each with what has to be in the database first. */
import { randomBytes } from 'node:crypto'
import { v7 as newId } from 'uuid'
import type { BenchRequest } from './load.ts'
import { browserHeaders, type People, type Person } from './people.ts'
import { PASSWORD } from './stack.ts'

export interface Operation {
  name: string
  /** Such as `login`, of `api/auth`. */
  endpoint: string
  /** Of the answer. */
  status: number
  prepare: () => BenchRequest | Promise<BenchRequest>
}

export const OTHER_PASSWORD = 'violet teapots orbit the moon'
const HALF_AN_HOUR_MS = 30 * 60 * 1000

/** After `startBenchStack`, as lib reads the environment when it is imported. */
export async function operationsOf(people: People, passwordHash: string): Promise<Operation[]> {
  const { expiryIn, signOneTimeToken } = await import('../lib/crypto/one-time-token.ts')
  const { signRegistrationCookie } = await import('../lib/crypto/registration-cookie.ts')
  const { oneTimeCode } = await import('../lib/crypto/one-time-code.ts')
  const { database } = people
  const inHalfAnHour = () => expiryIn(HALF_AN_HOUR_MS / 1000)
  const authorization = `Bearer ${process.env['CRON_SECRET']}`

  const call = (
    endpoint: string,
    method: string,
    given: { body?: object; cookie?: string; query?: string } = {},
  ): BenchRequest => ({
    method,
    path: `/api/auth/${endpoint}${given.query ?? ''}`,
    headers: browserHeaders(given.cookie),
    ...(given.body && { body: JSON.stringify(given.body) }),
  })

  async function registration(): Promise<{ email: string; token: string; code: string; cookie: string }> {
    const id = newId()
    const email = newAddress()
    const expiresAt = inHalfAnHour()
    await database.query(
      'INSERT INTO latchkey.registrations (id, email, email_normalized, password_hash, expires_at) VALUES ($1, $2, $2, $3, $4)',
      [id, email, passwordHash, expiresAt],
    )
    return {
      email,
      token: signOneTimeToken('registration-email', { id, expiresAt }),
      code: oneTimeCode('registration-email', { id, expiresAt }),
      cookie: `__Host-registration=${signRegistrationCookie({ registrationId: id, persistent: true })}`,
    }
  }

  async function emailedToken(
    person: Person,
    purpose: 'reset' | 'email-change',
    newEmail: string | null = null,
  ): Promise<{ id: string; expiresAt: Date }> {
    const id = newId()
    const expiresAt = inHalfAnHour()
    await database.query(
      `INSERT INTO latchkey.one_time_tokens (id, user_id, purpose, new_email, new_email_normalized, expires_at)
       VALUES ($1, $2, $3, $4, $4, $5)`,
      [id, person.id, purpose, newEmail, expiresAt],
    )
    return { id, expiresAt }
  }

  async function withOtherSession(person: Person): Promise<string> {
    const id = newId()
    await database.query(
      `INSERT INTO latchkey.sessions (id, user_id, family_hash, method, persistent, idle_expires_at, absolute_expires_at)
       VALUES ($1, $2, $3, 'password', true, now() + interval '7 days', now() + interval '30 days')`,
      [id, person.id, randomBytes(32)],
    )
    return id
  }

  /** Somebody who signed in a moment ago, so what needs a step-up is let through. */
  async function justThere(): Promise<Person> {
    const person = people.next()
    await database.query(
      'UPDATE latchkey.sessions SET authenticated_at = now(), rotated_at = now() WHERE id = $1',
      [person.sessionId],
    )
    return person
  }

  return [
    {
      name: 'register',
      endpoint: 'register',
      status: 202,
      prepare: () => call('register', 'POST', { body: { email: newAddress(), password: PASSWORD } }),
    },
    {
      name: 'register, a taken address',
      endpoint: 'register',
      status: 202,
      prepare: () => call('register', 'POST', { body: { email: people.next().email, password: PASSWORD } }),
    },
    {
      name: 'verify, a new link',
      endpoint: 'verify',
      status: 202,
      prepare: async () => call('verify', 'POST', { body: { email: (await registration()).email } }),
    },
    {
      name: 'verify, the link',
      endpoint: 'verify',
      status: 200,
      async prepare() {
        const { token, cookie } = await registration()
        return call('verify', 'PUT', { body: { token }, cookie })
      },
    },
    {
      name: 'verify, the link in another browser',
      endpoint: 'verify',
      status: 200,
      async prepare() {
        const { token } = await registration()
        return call('verify', 'PUT', { body: { token, password: PASSWORD } })
      },
    },
    {
      name: 'verify, the code',
      endpoint: 'verify',
      status: 200,
      async prepare() {
        const { email, code, cookie } = await registration()
        return call('verify', 'PUT', { body: { email, code }, cookie })
      },
    },
    {
      name: 'verify, a new address',
      endpoint: 'verify',
      status: 200,
      async prepare() {
        const person = people.next()
        const token = signOneTimeToken(
          'email-change-email',
          await emailedToken(person, 'email-change', newAddress()),
        )
        return call('verify', 'PUT', { body: { token }, cookie: person.cookie })
      },
    },
    {
      name: 'login',
      endpoint: 'login',
      status: 200,
      prepare() {
        const { email, password } = people.next()
        return call('login', 'POST', { body: { email, password } })
      },
    },
    {
      name: 'login, a wrong password',
      endpoint: 'login',
      status: 401,
      prepare: () =>
        call('login', 'POST', { body: { email: people.next().email, password: OTHER_PASSWORD } }),
    },
    {
      name: 'login, an unknown address',
      endpoint: 'login',
      status: 401,
      prepare: () => call('login', 'POST', { body: { email: newAddress(), password: PASSWORD } }),
    },
    {
      name: 'refresh, a rotation',
      endpoint: 'refresh',
      status: 200,
      prepare: () => call('refresh', 'POST', { body: {}, cookie: people.next().cookie }),
    },
    {
      name: 'refresh, no rotation',
      endpoint: 'refresh',
      status: 200,
      prepare: async () => call('refresh', 'POST', { body: {}, cookie: (await justThere()).cookie }),
    },
    {
      name: 'logout',
      endpoint: 'logout',
      status: 204,
      prepare: () => call('logout', 'POST', { body: {}, cookie: people.next().cookie }),
    },
    {
      name: 'logout, everywhere',
      endpoint: 'logout',
      status: 204,
      async prepare() {
        const person = await justThere()
        await withOtherSession(person)
        return call('logout', 'POST', { body: { everywhere: true }, cookie: person.cookie })
      },
    },
    {
      name: 'reset, a link',
      endpoint: 'reset',
      status: 202,
      prepare: () => call('reset', 'POST', { body: { email: people.next().email } }),
    },
    {
      name: 'reset, an unknown address',
      endpoint: 'reset',
      status: 202,
      prepare: () => call('reset', 'POST', { body: { email: newAddress() } }),
    },
    {
      name: 'reset, the new password',
      endpoint: 'reset',
      status: 200,
      async prepare() {
        const token = signOneTimeToken('reset-email', await emailedToken(people.next(), 'reset'))
        return call('reset', 'PUT', { body: { token, password: OTHER_PASSWORD } })
      },
    },
    {
      name: 'sessions, the list',
      endpoint: 'sessions',
      status: 200,
      prepare: () => call('sessions', 'GET', { cookie: people.next().cookie }),
    },
    {
      name: 'sessions, end one',
      endpoint: 'sessions',
      status: 204,
      async prepare() {
        const person = await justThere()
        const id = await withOtherSession(person)
        return call('sessions', 'DELETE', { query: `?id=${id}`, cookie: person.cookie })
      },
    },
    {
      name: 'sessions, end all others',
      endpoint: 'sessions',
      status: 204,
      async prepare() {
        const person = await justThere()
        await withOtherSession(person)
        return call('sessions', 'DELETE', { query: '?others=true', cookie: person.cookie })
      },
    },
    {
      name: 'account',
      endpoint: 'account',
      status: 200,
      prepare: () => call('account', 'GET', { cookie: people.next().cookie }),
    },
    {
      name: 'account, a new password',
      endpoint: 'account',
      status: 200,
      prepare: () =>
        call('account', 'PATCH', {
          body: { currentPassword: PASSWORD, newPassword: OTHER_PASSWORD },
          cookie: people.next().cookie,
        }),
    },
    {
      name: 'account, a new address',
      endpoint: 'account',
      status: 200,
      prepare: async () =>
        call('account', 'PATCH', { body: { email: newAddress() }, cookie: (await justThere()).cookie }),
    },
    {
      name: 'account, delete',
      endpoint: 'account',
      status: 204,
      prepare: async () => call('account', 'DELETE', { cookie: (await justThere()).cookie }),
    },
    { name: 'keys', endpoint: 'keys', status: 200, prepare: () => call('keys', 'GET') },
    {
      name: 'maintenance',
      endpoint: 'maintenance',
      status: 200,
      prepare() {
        const request = call('maintenance', 'GET')
        return { ...request, headers: { ...request.headers, authorization } }
      },
    },
  ]
}

function newAddress(): string {
  return `${randomBytes(8).toString('hex')}@bench.example.org`
}
