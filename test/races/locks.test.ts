/**
 * Locks, as Postgres has them: every operation takes them in one order, so no two of them can wait for one another. One
 * table after the other is held, and when the operation stops there, it must have nothing of a table that comes later.
 * (engine.test.ts reads the order from the sources; here are foreign keys and cascades, too.)
 */
import { randomBytes } from 'node:crypto'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import * as engine from '../../lib/db/engine.ts'
import { maximum } from '../../lib/limits.ts'
import { verifyOneTimeToken } from '../../lib/crypto/one-time-token.ts'
import { hashFamily } from '../../lib/crypto/refresh-token.ts'
import { verifyRegistrationCookie } from '../../lib/crypto/registration-cookie.ts'
import { query } from '../support/database.ts'
import { newAddress, PASSWORD } from '../support/people.ts'
import { insertAccount, insertOneTimeToken, insertRegistration, insertWaitingEmail } from './accounts.ts'
import { databaseUrl } from '../support/setup-stack.ts'

const ORDER = [
  'rate_limits',
  'login_attempts',
  'users',
  'registrations',
  'one_time_tokens',
  'sessions',
  'outbox',
] as const
type Table = (typeof ORDER)[number]

const connect = () => new Client({ connectionString: databaseUrl, options: '-c search_path=latchkey' })
const [holder, runner, observer] = [connect(), connect(), connect()]
beforeAll(async () => {
  for (const client of [holder, runner, observer]) await client.connect()
})
afterAll(async () => {
  for (const client of [holder, runner, observer]) await client.end()
})

/** A statement with its values. */
interface Statement {
  text: string
  values: unknown[]
}

type OperationName = keyof engine.Results
const operations = Object.values(engine)

/** As `call` writes it; what isn't given is NULL. */
function statementOf(name: OperationName, given: Record<string, unknown>): Statement {
  const parameters = Object.entries<string>(operations.find((one) => one.name === name)?.parameters ?? {})
  const list = parameters.map(([parameter, type], index) => `p_${parameter} => $${index + 1}::${type}`)
  return {
    text: `SELECT ${name}(${list.join(', ')})`,
    values: parameters.map(([parameter]) => given[parameter] ?? null),
  }
}

const REQUEST = JSON.stringify({ id: 'request', ip: '192.0.2.1', client: 'Firefox on Linux' })
const aHash = () => randomBytes(32)

/** An account with some of everything: what is asked, and by which of its sessions. */
interface Subject {
  id: string
  email: string
  version: number
  /** The family's hash of the session that asks, and of another one. */
  asking: Uint8Array
  other: Uint8Array
  resetId: string
  emailChangeId: string
  registrationId: string
  registered: string
  emailId: string
}

async function newSubject(sessions: number): Promise<Subject> {
  const account = await insertAccount(sessions)
  // In no order of their age.
  await query('UPDATE sessions SET id = gen_random_uuid() WHERE user_id = $1', account.id)
  await query(
    'INSERT INTO login_attempts (key, user_id, failures, next_attempt_at) VALUES ($1, $2, 1, now())',
    aHash(),
    account.id,
  )
  await insertWaitingEmail(account)
  const registration = await insertRegistration(newAddress(), PASSWORD)
  const [{ security_version: version }] = await query(
    'SELECT security_version FROM users WHERE id = $1',
    account.id,
  )
  const [{ id: emailId }] = await query('SELECT id FROM outbox WHERE recipient = $1', account.email)
  const families = account.sessions.map(({ token }) => hashFamily(token.family))
  return {
    id: account.id,
    email: account.email,
    version,
    asking: families[0] ?? aHash(),
    other: families[1] ?? aHash(),
    resetId: idIn('reset-email', await insertOneTimeToken(account, 'reset')),
    emailChangeId: idIn(
      'email-change-email',
      await insertOneTimeToken(account, 'email-change', newAddress()),
    ),
    registrationId: verifyRegistrationCookie(registration.cookie)?.registrationId ?? '',
    registered: registration.email,
    emailId,
  }
}

function idIn(purpose: 'reset-email' | 'email-change-email', link: string): string {
  const opened = verifyOneTimeToken([purpose], link)
  return opened.kind === 'valid' ? opened.id : ''
}

type Case = [label: string, statement: (subject: Subject) => Statement]

const bySession = ({ asking }: Subject) => ({ family_hash: asking, counter: 0, request: REQUEST })
const keys = () => ({ source_key: aHash(), address_key: aHash(), request: REQUEST })

const operation = (
  name: OperationName,
  given: (subject: Subject) => Record<string, unknown>,
  variant?: string,
): Case => [
  variant === undefined ? name : `${name}, ${variant}`,
  (subject) => statementOf(name, given(subject)),
]

const finishingLogin = (subject: Subject) => ({
  email_normalized: subject.email,
  security_version: subject.version,
  checked_hash: 'checked',
  rehash: 'rehash',
  family_hash: aHash(),
  presented_family_hash: subject.other,
  presented_counter: 0,
  reauthenticates: false,
  persistent: true,
  request: REQUEST,
})

const cases: Case[] = [
  operation('admit_registration', keys),
  operation('register', () => ({ email: 'a@b', email_normalized: newAddress(), ...keys() })),
  operation('request_verification_email', ({ registered, registrationId }) => ({
    email_normalized: registered,
    registration_id: registrationId,
    ...keys(),
  })),
  operation('try_registration_code', ({ registered }) => ({ email_normalized: registered, ...keys() })),
  operation('consume_registration', ({ registrationId, other }) => ({
    registration_id: registrationId,
    token_key: aHash(),
    verified: true,
    family_hash: aHash(),
    presented_family_hash: other,
    persistent: true,
    request: REQUEST,
  })),
  operation('begin_login', ({ email }) => ({ email_normalized: email, ...keys() })),
  operation('finish_login', finishingLogin),
  operation(
    'finish_login',
    (subject) => ({ ...finishingLogin(subject), reauthenticates: true }),
    'reauthenticating',
  ),
  operation(
    'fail_login',
    ({ email }) => ({
      email_normalized: email,
      subject: 'account',
      failures: maximum.lockedAt,
      request: REQUEST,
    }),
    'the one that locks',
  ),
  operation('rotate_session', (subject) => ({ ...bySession(subject), presented: 0 })),
  operation(
    'rotate_session',
    ({ asking }) => ({ family_hash: asking, presented: -2, request: REQUEST }),
    'reuse',
  ),
  operation('find_session', bySession),
  operation('list_sessions', bySession),
  operation('revoke_own_sessions', bySession),
  operation('logout', (subject) => ({ ...bySession(subject), everywhere: false })),
  operation('logout', (subject) => ({ ...bySession(subject), everywhere: true }), 'everywhere'),
  operation('request_reset', ({ email }) => ({ email_normalized: email, ...keys() })),
  operation('try_reset_code', ({ email }) => ({ email_normalized: email, ...keys() })),
  operation('reset_password', ({ resetId }) => ({
    token_id: resetId,
    token_key: aHash(),
    password_hash: 'new',
    request: REQUEST,
  })),
  operation('begin_password_check', bySession),
  operation('change_password', (subject) => ({
    ...bySession(subject),
    security_version: subject.version,
    password_hash: 'new',
    new_family_hash: aHash(),
  })),
  operation('request_email_change', (subject) => ({
    ...bySession(subject),
    new_email: 'new@example.org',
    new_email_normalized: newAddress(),
    address_key: aHash(),
  })),
  operation('confirm_email_change', (subject) => ({
    ...bySession(subject),
    token_id: subject.emailChangeId,
    token_key: aHash(),
  })),
  operation('cancel_email_change', ({ emailChangeId }) => ({ token_id: emailChangeId, request: REQUEST })),
  operation('delete_account', bySession),
  operation('claim_emails', () => ({ is_production: true })),
  operation('record_delivery', ({ emailId }) => ({
    email_id: emailId,
    outcome: 'sent',
    is_production: true,
  })),
  ['admin_disable', ({ id }) => ({ text: 'SELECT admin_disable($1, $2)', values: [id, REQUEST] })],
  ['admin_enable', ({ id }) => ({ text: 'SELECT admin_enable($1, $2)', values: [id, REQUEST] })],
  ['admin_force_reset', ({ id }) => ({ text: 'SELECT admin_force_reset($1, $2)', values: [id, REQUEST] })],
  [
    'admin_revoke_sessions',
    ({ id }) => ({ text: 'SELECT admin_revoke_sessions($1, NULL, $2)', values: [id, REQUEST] }),
  ],
  [
    'admin_revoke_everyones_sessions',
    () => ({
      text: `SELECT admin_revoke_everyones_sessions('00000000-0000-0000-0000-000000000000', now(), $1)`,
      values: [REQUEST],
    }),
  ],
  ['admin_set_role', ({ id }) => ({ text: `SELECT admin_set_role($1, 'staff', $2)`, values: [id, REQUEST] })],
]

/** Those that lock nothing or skip what is locked, so that they wait for nobody. */
const NEVER_WAITING: ReadonlySet<OperationName> = new Set([
  'waiting_emails',
  'remove_expired',
  'maintain_event_partitions',
  'describe_connection',
])

test('every operation is tried here', () => {
  const names = operations.map(({ name }): string => name)
  const tried = new Set(cases.map(([label]) => label.split(',', 1)[0]))
  expect(names.filter((name) => !tried.has(name)).toSorted()).toEqual([...NEVER_WAITING].toSorted())
})

async function isWaiting(client: Client): Promise<boolean> {
  const waits = 'SELECT 1 FROM pg_locks WHERE pid = $1 AND NOT granted'
  return (await query(waits, pidOf(client))).length > 0
}

/** Of the client's backend. */
function pidOf(client: Client): unknown {
  return Reflect.get(client, 'processID')
}

/**
 * What `look` finds when the statement waits for what `hold` locks; undefined when it got through. Nothing is kept of
 * what it did.
 */
async function whenStopped<Found>(
  hold: string,
  { text, values }: Statement,
  look: () => Promise<Found>,
): Promise<Found | undefined> {
  await holder.query('BEGIN')
  await holder.query(hold)
  await runner.query('BEGIN')
  let isDone = false
  const running = runner.query(text, values).finally(() => (isDone = true))
  await vi.waitUntil(async () => isDone || isWaiting(runner), { interval: 2 })
  const found = isDone ? undefined : await look()
  await holder.query('ROLLBACK')
  await running
  await runner.query('ROLLBACK')
  return found
}

/** The tables of which the runner has locked or written rows. */
async function lockedTables(): Promise<Table[]> {
  const rows = await query(
    `SELECT DISTINCT relname FROM pg_locks JOIN pg_class ON pg_class.oid = relation
     WHERE pid = $1 AND granted AND mode IN ('RowShareLock', 'RowExclusiveLock')`,
    pidOf(runner),
  )
  return ORDER.filter((table) => rows.some(({ relname }) => relname === table))
}

describe('when it comes to a table that is held, it has locked nothing of the later ones', () => {
  const reached = new Map<string, Table[]>()

  test.each(cases)('%s', async (label, statement) => {
    const subject = await newSubject(3)
    for (const [place, table] of ORDER.entries()) {
      const before = await whenStopped(
        `LOCK TABLE ${table} IN EXCLUSIVE MODE`,
        statement(subject),
        lockedTables,
      )
      if (before === undefined) continue
      reached.set(label, [...(reached.get(label) ?? []), table])
      expect(before.filter((one) => ORDER.indexOf(one) >= place)).toEqual([])
    }
    expect(reached.get(label)).not.toBeUndefined()
  })

  test('these come to all the tables that they are about', () => {
    expect(reached.get('delete_account')).toEqual(ORDER.slice(1))
    expect(reached.get('finish_login')).toEqual(['login_attempts', 'users', 'sessions'])
    expect(reached.get('reset_password')).toEqual(ORDER)
    expect(reached.get('consume_registration')).toEqual(['rate_limits', 'users', 'registrations', 'sessions'])
    expect(reached.get('rotate_session, reuse')).toEqual(['rate_limits', 'sessions', 'outbox'])
  })
})

describe('when it comes to a session that is held, it has locked none with a greater id', () => {
  const several = new Set([
    'consume_registration',
    'finish_login',
    'finish_login, reauthenticating',
    'revoke_own_sessions',
    'logout, everywhere',
    'reset_password',
    'change_password',
    'request_email_change',
    'confirm_email_change',
    'delete_account',
    'admin_disable',
    'admin_force_reset',
    'admin_revoke_sessions',
    'admin_revoke_everyones_sessions',
  ])

  test.each(cases.filter(([label]) => several.has(label)))('%s', async (_, statement) => {
    // More than an account may have, so that a login has some to revoke.
    const subject = await newSubject(maximum.sessionsPerAccount + 3)
    const sessions = await query('SELECT id FROM sessions WHERE user_id = $1 ORDER BY id', subject.id)
    const ids: string[] = sessions.map(({ id }) => id)
    let stops = 0
    for (const [place, id] of ids.entries()) {
      const locked = await whenStopped(
        `SELECT FROM sessions WHERE id = '${id}' FOR UPDATE`,
        statement(subject),
        () => lockedSessions(subject, id),
      )
      if (locked === undefined) continue
      stops += 1
      expect(locked.filter((other) => ids.indexOf(other) > place)).toEqual([])
    }
    expect(stops).toBeGreaterThan(0)
  })

  /** All of the account's that can't be locked now, but for the one that is held. */
  async function lockedSessions({ id }: Subject, held: string): Promise<string[]> {
    await observer.query('BEGIN')
    const { rows } = await observer.query(
      `SELECT id FROM sessions WHERE user_id = $1 AND id <> $2 AND id NOT IN (
         SELECT id FROM sessions WHERE user_id = $1 FOR NO KEY UPDATE SKIP LOCKED)`,
      [id, held],
    )
    await observer.query('ROLLBACK')
    return rows.map((row) => row.id)
  }
})

test("a login whose count of failures is gone doesn't wait for the login that counted next", async () => {
  const subject = await newSubject(1)
  const finish = () =>
    statementOf('finish_login', { ...finishingLogin(subject), presented_family_hash: null })
  await holder.query('BEGIN')
  await holder.query('SELECT FROM users WHERE id = $1 FOR UPDATE', [subject.id])
  // Nothing is counted, as after another login of the account: this one has nothing to hold.
  const { text, values } = finish()
  const first = runner.query(text, values)
  await vi.waitUntil(() => isWaiting(runner), { interval: 2 })
  const begin = statementOf('begin_login', { email_normalized: subject.email, ...keys() })
  await query(begin.text, ...begin.values)
  const second = observer.query(text, finish().values)
  await vi.waitUntil(() => isWaiting(observer), { interval: 2 })
  await holder.query('ROLLBACK')
  const results = await Promise.all([first, second])
  expect(results.map(({ rows }) => rows[0].finish_login.kind)).toEqual(['signed-in', 'signed-in'])
})
