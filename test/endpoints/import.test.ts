/** The statements of docs/migrate.md, on tables of Auth.js and better-auth, with hashes that their own code made. */
import { readFileSync } from 'node:fs'
import { hashPassword as betterAuthHash } from '@better-auth/utils/password'
import { hash as argon2Hash } from '@node-rs/argon2'
import { hash as bcryptHash } from 'bcryptjs'
import { Client } from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import * as z from 'zod/mini'
import { migrate } from '../../cli/database/migrate.ts'
import { EmailAddress, normalizeEmail } from '../../lib/email-address.ts'
import { newBrowser } from '../support/browser.ts'
import { newestEmailTo, OTHER_PASSWORD, tokenIn } from '../support/people.ts'
import { databaseUrl } from '../support/setup-stack.ts'

const page = readFileSync('docs/migrate.md', 'utf8')
const blocks = new Map(
  [...page.matchAll(/```sql\n-- (.+)\n([^`]*(?:`[^`]+)*?)```/g)].map(([, name = '', sql = '']) => [
    name,
    sql,
  ]),
)

/** The app's own connection: its tables are in `public`, and nothing but a name leads to ours. */
const client = new Client({ connectionString: databaseUrl })
beforeAll(() => client.connect())
afterAll(() => client.end())

// oxlint-disable-next-line typescript/no-explicit-any -- rows of any statement
async function query(statement: string, ...parameters: unknown[]): Promise<any[]> {
  const { rows } = await client.query(statement, parameters)
  return rows
}

/** A block of the page, by its first line, in one transaction as `psql` or `BEGIN` would have it. */
function run(name: string): Promise<unknown[]> {
  const sql = blocks.get(name)
  if (sql === undefined) throw new Error(`there is no block ${name}`)
  return query(sql)
}

async function login(email: string, password: string): Promise<{ status: number; code: string | undefined }> {
  const { status, body } = await newBrowser().send('login', 'POST', { email, password })
  return { status, code: body.code }
}

const hashOf = async (email: string) =>
  (await query('SELECT password_hash FROM latchkey.users WHERE email = $1', email))[0]?.password_hash

/** The password still opens the account, which has a hash of ours afterwards and keeps it. */
async function expectMoved(email: string, password: string): Promise<void> {
  const imported = await hashOf(email)
  expect(await login(email, `${password}x`)).toEqual({ status: 401, code: 'invalid-credentials' })
  expect(await hashOf(email)).toBe(imported)
  expect((await login(email, password)).status).toBe(200)
  const own = await hashOf(email)
  expect(own).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/)
  expect((await login(email, password)).status).toBe(200)
  expect(await hashOf(email)).toBe(own)
}

beforeEach(async () => {
  await query('DROP SCHEMA IF EXISTS before CASCADE')
  await query('DROP SCHEMA public CASCADE')
  await query('DROP SCHEMA IF EXISTS latchkey CASCADE')
  await query('CREATE SCHEMA public')
})

describe('better-auth', () => {
  beforeEach(async () => {
    await query(`CREATE TABLE "user" ("id" text NOT NULL PRIMARY KEY, "name" text NOT NULL, "email" text NOT NULL UNIQUE,
      "emailVerified" boolean NOT NULL, "image" text, "createdAt" timestamptz DEFAULT CURRENT_TIMESTAMP NOT NULL,
      "updatedAt" timestamptz DEFAULT CURRENT_TIMESTAMP NOT NULL)`)
    await query(`CREATE TABLE "account" ("id" text NOT NULL PRIMARY KEY, "accountId" text NOT NULL, "providerId" text NOT NULL,
      "userId" text NOT NULL REFERENCES "user" ("id") ON DELETE CASCADE, "accessToken" text, "refreshToken" text, "idToken" text,
      "accessTokenExpiresAt" timestamptz, "refreshTokenExpiresAt" timestamptz, "scope" text, "password" text,
      "createdAt" timestamptz DEFAULT CURRENT_TIMESTAMP NOT NULL, "updatedAt" timestamptz NOT NULL)`)
  })

  async function account(id: string, email: string, isVerified: boolean, password: string | null) {
    const provider = password === null ? 'google' : 'credential'
    await query(
      `INSERT INTO "user" (id, name, email, "emailVerified", "createdAt") VALUES ($1, 'Somebody', $2, $3, '2025-03-04T05:06:07.089Z')`,
      id,
      email,
      isVerified,
    )
    await query(
      `INSERT INTO account (id, "accountId", "providerId", "userId", password, "updatedAt") VALUES ($1, $1, $2, $1, $3, now())`,
      id,
      provider,
      password,
    )
  }

  async function moved(): Promise<void> {
    await run('better-auth: move')
    await migrate(databaseUrl)
    await run('better-auth: people')
    await run('import')
  }

  test('its accounts sign in with their passwords, and then have a hash of ours', async () => {
    await account('k4Jx', 'Ada@example.org', true, await betterAuthHash('analytic'))
    await account('p9Qz', 'bob@example.org', true, await argon2Hash('builder1', { memoryCost: 65_536 }))
    await query('CREATE TABLE posts (id int, "userId" text REFERENCES "user" (id))')
    await query(`INSERT INTO posts VALUES (1, 'k4Jx')`)
    await moved()
    await run('your own tables')

    await expectMoved('Ada@example.org', 'analytic')
    await expectMoved('bob@example.org', 'builder1')
    const [ada] = await query(
      `SELECT u.id, u.email_normalized, u.created_at, p.id AS post, e.detail FROM latchkey.users u JOIN posts p ON p.owner_id = u.id
       JOIN latchkey.events e ON e.user_id = u.id AND e.kind = 'account-created'`,
    )
    expect(ada).toMatchObject({
      email_normalized: 'ada@example.org',
      created_at: new Date('2025-03-04T05:06:07.089Z'),
      post: 1,
      detail: { by: 'import' },
    })
    // RFC 9562, 5.7: the milliseconds, the version, the variant.
    const milliseconds = Date.parse('2025-03-04T05:06:07.089Z').toString(16).padStart(12, '0')
    expect(ada.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    expect(ada.id.replaceAll('-', '').slice(0, 12)).toBe(milliseconds)
    expect(await run('what was left out')).toEqual([])
  })

  test('people who never verified their address do so with the old password, and then sign in', async () => {
    await account('new1', 'new@example.org', false, await betterAuthHash('unproven'))
    await moved()
    expect(await login('new@example.org', 'unproven')).toEqual({ status: 403, code: 'email-unverified' })
    const browser = newBrowser()
    expect((await browser.send('verify', 'POST', { email: 'new@example.org' })).status).toBe(202)
    const token = tokenIn(await newestEmailTo('new@example.org'))
    expect((await browser.send('verify', 'PUT', { token })).body.code).toBe('password-required')
    expect((await browser.send('verify', 'PUT', { token, password: 'unproven' })).status).toBe(200)
    await expectMoved('new@example.org', 'unproven')
  })

  test('people without a password set one by a reset', async () => {
    await account('goog', 'social@example.org', true, null)
    await moved()
    expect((await login('social@example.org', 'any password at all')).status).toBe(401)
    await newBrowser().send('reset', 'POST', { email: 'social@example.org' })
    const token = tokenIn(await newestEmailTo('social@example.org'))
    const reset = await newBrowser().send('reset', 'PUT', { token, password: OTHER_PASSWORD })
    expect(reset.status).toBe(200)
    expect((await login('social@example.org', OTHER_PASSWORD)).status).toBe(200)
  })

  test('what cannot be an account here is left out, and the last statement names it', async () => {
    const addresses = [
      'two@example.org',
      'Two@Example.org',
      'münchen@example.org',
      'a@bücher.example',
      'no-dot@localhost',
      'two@@example.org',
      `${'x'.repeat(64)}@example.org`,
      '\u212aelvin@example.org',
      'space in@example.org',
      "o'neil+tag@mail.example.co.uk",
      `${'x'.repeat(63)}@example.org`,
    ]
    for (const [index, email] of addresses.entries()) await account(`u${index}`, email, true, 'plain text')
    await moved()
    const usable = addresses.filter((email) => z.safeParse(EmailAddress, email).success).slice(2)
    const taken = await query(
      'SELECT email, email_normalized, password_hash FROM latchkey.users ORDER BY length(email)',
    )
    expect(taken.map(({ email }) => email)).toEqual(
      usable.filter((email) => !/[^!-~]/.test(email)).toSorted((a, b) => a.length - b.length),
    )
    for (const { email, email_normalized: key } of taken) expect(key).toBe(normalizeEmail(email))
    expect(taken.map(({ password_hash: hash }) => hash)).toEqual([null, null])
    const left = await query(blocks.get('what was left out') ?? '')
    expect(left.map(({ why }) => why)).toEqual([
      ...Array<string>(2).fill('an address that others have in other letters'),
      ...Array<string>(7).fill('no address that can be used here'),
      ...Array<string>(2).fill('no password that can be checked'),
    ])
  })
})

describe('Auth.js', () => {
  beforeEach(async () => {
    // @auth/pg-adapter's tables, and the column of the tutorial.
    await query(`CREATE TABLE users (id SERIAL, name VARCHAR(255), email VARCHAR(255), "emailVerified" TIMESTAMPTZ, image TEXT,
      PRIMARY KEY (id))`)
    await query(`CREATE TABLE accounts (id SERIAL, "userId" INTEGER NOT NULL, type VARCHAR(255) NOT NULL, provider VARCHAR(255) NOT NULL,
      "providerAccountId" VARCHAR(255) NOT NULL, refresh_token TEXT, access_token TEXT, expires_at BIGINT, id_token TEXT, scope TEXT,
      session_state TEXT, token_type TEXT, PRIMARY KEY (id))`)
    await query(`CREATE TABLE sessions (id SERIAL, "userId" INTEGER NOT NULL, expires TIMESTAMPTZ NOT NULL,
      "sessionToken" VARCHAR(255) NOT NULL, PRIMARY KEY (id))`)
    await query('ALTER TABLE users ADD COLUMN password text')
  })

  test('its accounts sign in with their passwords, and then have a hash of ours', async () => {
    for (const prefix of ['$2a$', '$2b$', '$2y$']) {
      const hash = (await bcryptHash('123456', 10)).replace('$2b$', prefix)
      await query(
        'INSERT INTO users (email, "emailVerified", password) VALUES ($1, now(), $2)',
        `user${prefix[2]}@nextmail.com`,
        hash,
      )
    }
    await run('Auth.js: move')
    await migrate(databaseUrl)
    await run('Auth.js: people')
    await run('import')
    for (const name of ['a', 'b', 'y']) await expectMoved(`user${name}@nextmail.com`, '123456')
    expect(await run('what was left out')).toEqual([])
  })

  test('in the end, those who never came back reset their passwords, and nobody else has to', async () => {
    for (const name of ['came', 'away']) {
      await query(
        'INSERT INTO users (email, "emailVerified", password) VALUES ($1, now(), $2)',
        `${name}@nextmail.com`,
        await bcryptHash('123456', 4),
      )
    }
    await run('Auth.js: move')
    await migrate(databaseUrl)
    await run('Auth.js: people')
    await run('import')
    expect((await login('came@nextmail.com', '123456')).status).toBe(200)
    await run('later')
    expect((await login('came@nextmail.com', '123456')).status).toBe(200)
    expect((await login('away@nextmail.com', '123456')).status).toBe(401)
  })
})
