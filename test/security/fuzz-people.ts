/** The fuzzer's victims, its own account, and what is stored about them. */
import { createHash } from 'node:crypto'
import { SignJWT } from 'jose'
import { signingKeys } from '../../lib/crypto/keys.ts'
import { query } from '../support/database.ts'
import { newAddress, OTHER_PASSWORD, PASSWORD } from '../support/people.ts'
import {
  insertAccount,
  insertOneTimeToken,
  insertRegistration,
  type InsertedAccount,
  type InsertedRegistration,
} from '../races/accounts.ts'
import { APP_ORIGIN } from '../support/setup-environment.ts'

export interface Victim extends InsertedAccount {
  resetToken: string
  emailChangeToken: string
  accessToken: string
}

export interface People {
  /** Their tokens are tampered with. Nobody names their addresses, so nothing about them may change at all. */
  unnamed: { accounts: Victim[]; registrations: InsertedRegistration[] }
  /** Their addresses are used, too, which counts attempts and renews their links, and nothing else. */
  named: { accounts: Victim[]; registrations: InsertedRegistration[] }
  /** The fuzzer's own account, signed in. */
  own: Victim
}

const TOKEN_LIFETIME_SECONDS = 24 * 60 * 60

async function insertVictim(): Promise<Victim> {
  const account = await insertAccount(2)
  return {
    ...account,
    resetToken: await insertOneTimeToken(account, 'reset'),
    emailChangeToken: await insertOneTimeToken(account, 'email-change', newAddress()),
    accessToken: await longLivedAccessToken(account),
  }
}

/** Like those of the functions, but for a lifetime that outlasts a long run. */
async function longLivedAccessToken({ id, sessions }: InsertedAccount): Promise<string> {
  const [key] = await signingKeys()
  if (key === undefined) throw new Error('there is no signing key')
  const authTime = Math.floor(Date.now() / 1000)
  return new SignJWT({ sid: sessions[0]?.id, role: 'user', amr: ['pwd'], auth_time: authTime })
    .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: key.kid })
    .setIssuer(APP_ORIGIN)
    .setAudience(APP_ORIGIN)
    .setSubject(id)
    .setIssuedAt()
    .setExpirationTime(`${TOKEN_LIFETIME_SECONDS}s`)
    .sign(key.privateKey)
}

export async function insertPeople(): Promise<People> {
  const accounts = () => Promise.all(Array.from({ length: 4 }, insertVictim))
  const registrations = () =>
    Promise.all(
      [PASSWORD, OTHER_PASSWORD].map((password) =>
        insertRegistration(newAddress(), password as typeof PASSWORD),
      ),
    )
  const people = {
    unnamed: { accounts: await accounts(), registrations: await registrations() },
    named: { accounts: await accounts(), registrations: await registrations() },
    own: await insertVictim(),
  }
  // In a long run the authentication would become too old for a step-up, and the fuzzer's own sign-ins would push out
  // the sessions that it began with.
  const life = `interval '${TOKEN_LIFETIME_SECONDS} seconds'`
  await query(`UPDATE sessions SET authenticated_at = now() + ${life}, created_at = now() + ${life}`)
  return people
}

/** What nobody may have changed, a digest a table, without the counts of attempts and renewed links of the named. */
export async function stored({ unnamed, named }: People): Promise<Record<string, string>> {
  const ids = (accounts: Victim[]) => accounts.map(({ id }) => id)
  const emails = (rows: { email: string }[]) => rows.map(({ email }) => email)
  const everyone = ids([...unnamed.accounts, ...named.accounts])
  const addresses = emails([
    ...unnamed.accounts,
    ...unnamed.registrations,
    ...named.accounts,
    ...named.registrations,
  ])
  return {
    users: await digest(
      'SELECT to_jsonb(u) AS row FROM users u WHERE id = ANY($1::uuid[]) OR email = ANY($2::text[])',
      everyone,
      addresses,
    ),
    // Nobody's token was given away, so nobody may have become a user either.
    'number of users': await digest('SELECT count(*) AS row FROM users'),
    sessions: await digest(
      'SELECT to_jsonb(s) AS row FROM sessions s WHERE user_id = ANY($1::uuid[])',
      everyone,
    ),
    'one-time tokens of the unnamed': await digest(
      'SELECT to_jsonb(t) AS row FROM one_time_tokens t WHERE user_id = ANY($1::uuid[])',
      ids(unnamed.accounts),
    ),
    // Anybody may request another reset for them.
    'changes of address of the named': await digest(
      `SELECT to_jsonb(t) AS row FROM one_time_tokens t WHERE user_id = ANY($1::uuid[]) AND purpose = 'email-change'`,
      ids(named.accounts),
    ),
    'registrations of the unnamed': await digest(
      'SELECT to_jsonb(r) AS row FROM registrations r WHERE email = ANY($1::text[])',
      emails(unnamed.registrations),
    ),
    'registrations of the named': await digest(
      `SELECT to_jsonb(r) - 'code_attempts' - 'expires_at' AS row FROM registrations r
       WHERE email = ANY($1::text[]) AND (consumed_at IS NOT NULL
         OR id IN (SELECT min(id::text)::uuid FROM registrations GROUP BY email_normalized))`,
      emails(named.registrations),
    ),
    'emails to the unnamed': await digest(
      'SELECT to_jsonb(o) AS row FROM outbox o WHERE recipient = ANY($1::text[])',
      emails([...unnamed.accounts, ...unnamed.registrations]),
    ),
  }
}

async function digest(statement: string, ...parameters: unknown[]): Promise<string> {
  const rows = await query(statement, ...parameters)
  const texts = rows.map(({ row }) => JSON.stringify(row)).toSorted()
  return `${rows.length} rows ${createHash('sha256').update(texts.join('\n')).digest('hex').slice(0, 16)}`
}
