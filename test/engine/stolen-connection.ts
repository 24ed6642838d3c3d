/**
 * What somebody with the connection string of a role can and can't do. test/engine/stolen-connection.test.ts tries each, and
 * writes docs/stolen-connection.md of what it saw.
 */
import { randomBytes } from 'node:crypto'
import { v7 as newId } from 'uuid'
import type { Role } from '../support/database-roles.ts'

export interface Thief {
  /** Of an account with one session. */
  email: string
  /** The id of that session. */
  sessionId: string
  // oxlint-disable-next-line typescript/no-explicit-any -- rows of any statement
  run: (statement: string, ...parameters: unknown[]) => Promise<any[]>
  // oxlint-disable-next-line typescript/no-explicit-any -- any function's answer
  call: (name: string, given: Record<string, unknown>) => Promise<any>
}

export interface Possible {
  /** Follows "It can". */
  what: string
  /** Throws, or resolves to false, where it can't. `owner` is who lets time pass. */
  attempt: (thief: Thief, owner: Thief['run']) => Promise<boolean>
}

export interface Impossible {
  /** Follows "It can't". */
  what: string
  /** Refused for want of a privilege. */
  statement: string
}

/** What a privilege allows and the engine refuses. */
export interface Refused {
  what: string
  /** Resolves to the `kind` of the answer. */
  attempt: (thief: Thief, owner: Thief['run']) => Promise<string>
  kind: string
}

export interface StolenRole {
  role: Role
  can: Possible[]
  cannot: Impossible[]
  refused: Refused[]
}

const request = { id: 'stolen', ip: null, client: 'psql' }
const key = () => randomBytes(32)

// --- What it can, by the engine's own functions ---

const attemptAt = ({ call, email }: Thief, version: number | null = null) =>
  call('begin_login', {
    email_normalized: email,
    source_key: key(),
    address_key: key(),
    device_key: version === null ? null : key(),
    device_version: version,
    registration_id: null,
  })

/** The answer to the end of a login whose password was never checked. */
async function finishLogin(thief: Thief) {
  const { securityVersion } = await attemptAt(thief)
  return thief.call('finish_login', {
    email_normalized: thief.email,
    security_version: securityVersion,
    checked_hash: 'x',
    rehash: null,
    device_key: null,
    family_hash: key(),
    presented_family_hash: null,
    presented_counter: null,
    reauthenticates: false,
    persistent: true,
    request,
  })
}

/** By its id alone, as an access token would. */
const credential = (sessionId: string) => ({ family_hash: null, counter: null, session_id: sessionId })

async function openSession(thief: Thief): Promise<string> {
  const { session } = await finishLogin(thief)
  return session.id
}

const requestReset = ({ call, email }: Thief) =>
  call('request_reset', { email_normalized: email, source_key: key(), address_key: key(), request })

const resetPassword = ({ call }: Thief, tokenId: string) =>
  call('reset_password', { token_id: tokenId, token_key: key(), password_hash: 'of the thief', request })

const GUESSES = 20

const byFunctions: Possible[] = [
  {
    what: 'read a password hash by address, at any rate',
    async attempt(thief) {
      const { securityVersion } = await attemptAt(thief)
      const responses = []
      for (let guess = 0; guess < GUESSES; guess += 1) responses.push(await attemptAt(thief, securityVersion))
      return responses.every(({ passwordHash }) => String(passwordHash).startsWith('$argon2id'))
    },
  },
  {
    what: 'open a session of the account of an address',
    attempt: async (thief) => (await finishLogin(thief)).kind === 'signed-in',
  },
  {
    what: 'look a session up by its id',
    attempt: async ({ call, email, sessionId }) =>
      (await call('find_session', credential(sessionId))).session.user.email === email,
  },
  {
    what: 'read and revoke the sessions of an account',
    async attempt(thief) {
      const shown = credential(await openSession(thief))
      const { sessions } = await thief.call('list_sessions', shown)
      const { kind } = await thief.call('revoke_own_sessions', { ...shown, chosen_id: null, request })
      return sessions.length === 2 && kind === 'revoked'
    },
  },
  {
    what: 'queue the emails that anyone can ask for',
    attempt: async (thief) => (await requestReset(thief)).emails.length === 1,
  },
  {
    what: 'set the password of an account',
    async attempt(thief) {
      const { emails } = await requestReset(thief)
      return (await resetPassword(thief, emails[0].tokenId)).kind === 'reset'
    },
  },
  {
    what: 'change the address of an account',
    async attempt(thief) {
      const shown = credential(await openSession(thief))
      const newEmail = `${newId()}@example.org`
      const { emails } = await thief.call('request_email_change', {
        ...shown,
        new_email: newEmail,
        new_email_normalized: newEmail,
        address_key: key(),
        request,
      })
      const { kind } = await thief.call('confirm_email_change', {
        token_id: emails[0].tokenId,
        token_key: key(),
        security_version: null,
        ...shown,
        request,
      })
      return kind === 'confirmed'
    },
  },
  {
    what: 'delete an account',
    async attempt(thief) {
      const shown = credential(await openSession(thief))
      return (await thief.call('delete_account', { ...shown, request })).kind === 'deleted'
    },
  },
  {
    what: 'make an account',
    async attempt({ call }) {
      const email = `${newId()}@example.org`
      const { registrationId } = await call('register', {
        email,
        email_normalized: email,
        password_hash: 'of the thief',
        request,
      })
      const { kind } = await call('consume_registration', {
        registration_id: registrationId,
        token_key: key(),
        verified: true,
        family_hash: null,
        presented_family_hash: null,
        persistent: true,
        request,
      })
      return kind === 'account-created'
    },
  },
  {
    what: 'record failed logins that never were',
    async attempt({ call, email }) {
      const given = { email_normalized: email, subject: 'account', failures: 100, request }
      return (await call('fail_login', given)).emails.length === 1
    },
  },
  {
    what: 'read waiting emails: recipients, token ids',
    async attempt(thief, owner) {
      await requestReset(thief)
      // Until then the function that queued it has it to itself.
      await owner(
        "UPDATE outbox SET next_attempt_at = now() - interval '1 day' WHERE recipient = $1",
        thief.email,
      )
      const { emails } = await thief.call('claim_emails', { is_production: true })
      return emails[0].recipient === thief.email && typeof emails[0].tokenId === 'string'
    },
  },
  {
    what: 'keep a queued email from being sent',
    async attempt(thief, owner) {
      const { emails } = await requestReset(thief)
      await thief.call('record_delivery', {
        email_id: emails[0].id,
        outcome: 'sent',
        provider_id: null,
        reason: null,
        is_production: true,
      })
      const waiting = 'SELECT FROM outbox WHERE recipient = $1 AND sent_at IS NULL'
      return (await owner(waiting, thief.email)).length === 0
    },
  },
  {
    what: 'remove what has expired, as maintenance does',
    async attempt({ call }) {
      const { kind } = await call('remove_expired', { what: 'sessions' })
      return kind === 'removed' && (await call('maintain_event_partitions', {})).kind === 'maintained'
    },
  },
]

// --- What Postgres lets every role do ---

/** Undone at once: the role is the whole server's. */
async function undone(thief: Thief, ...statements: string[]): Promise<boolean> {
  await thief.run('BEGIN')
  try {
    for (const statement of statements) await thief.run(statement)
    return true
  } finally {
    await thief.run('ROLLBACK')
  }
}

const byAnyRole = (role: Role): Possible[] => [
  {
    what: 'change its own password and settings',
    attempt: (thief) =>
      undone(
        thief,
        `ALTER ROLE ${role} PASSWORD 'of the thief'`,
        `ALTER ROLE ${role} SET statement_timeout = '1ms'`,
      ),
  },
  {
    what: 'hold locks, connections and large objects',
    attempt: (thief) =>
      undone(thief, 'SELECT pg_advisory_xact_lock(7305418266)', `SELECT lo_from_bytea(0, 'x')`),
  },
  {
    what: 'read names and source in the catalog',
    async attempt({ run }) {
      const rows = await run(`SELECT prosrc FROM pg_proc WHERE oid = 'latchkey.admin_set_role'::regproc`)
      return rows.length === 1
    },
  },
]

// --- What it can't ---

const REQUEST = `'{"id": "stolen"}'`
const SOMEBODY = 'gen_random_uuid()'

const beyondTheEngine: Impossible[] = [
  { what: "read the roles' passwords", statement: 'SELECT rolpassword FROM pg_authid' },
  { what: "read the server's files", statement: `SELECT pg_read_file('/etc/hosts')` },
  { what: 'run a program on the server', statement: `COPY (SELECT 1) TO PROGRAM 'true'` },
  { what: 'make a schema', statement: 'CREATE SCHEMA mine' },
  { what: "make a table in the engine's schema", statement: 'CREATE TABLE latchkey.mine (id int)' },
  { what: 'make a table in public', statement: 'CREATE TABLE public.mine (id int)' },
  { what: 'make a temporary table', statement: 'CREATE TEMPORARY TABLE users (id int)' },
  { what: 'make a function', statement: `CREATE FUNCTION public.mine() RETURNS int RETURN 1` },
  { what: 'replace a function', statement: 'ALTER FUNCTION latchkey.maximum(text) RENAME TO mine' },
  { what: 'turn foreign keys off', statement: 'ALTER TABLE latchkey.users DISABLE TRIGGER ALL' },
  { what: 'drop a table', statement: 'DROP TABLE latchkey.events_default' },
  { what: 'make a role', statement: 'CREATE ROLE mine' },
  { what: 'become the owner', statement: 'SET ROLE postgres' },
  { what: 'install an extension', statement: 'CREATE EXTENSION dblink' },
  {
    what: "end the owner's connections",
    statement: `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'postgres'`,
  },
]

const byTables: Impossible[] = [
  { what: 'read accounts and password hashes', statement: 'SELECT * FROM latchkey.users' },
  { what: 'read registrations', statement: 'SELECT * FROM latchkey.registrations' },
  { what: 'read sessions', statement: 'SELECT * FROM latchkey.sessions' },
  { what: 'read one-time tokens', statement: 'SELECT * FROM latchkey.one_time_tokens' },
  { what: 'read the outbox', statement: 'SELECT * FROM latchkey.outbox' },
  { what: 'read the audit log', statement: 'SELECT * FROM latchkey.events' },
  { what: 'read a month of it', statement: 'SELECT * FROM latchkey.events_default' },
  { what: 'copy a table', statement: 'COPY latchkey.users TO STDOUT' },
  { what: 'set a role', statement: `UPDATE latchkey.users SET role = 'admin'` },
  { what: 'disable or enable an account', statement: 'UPDATE latchkey.users SET disabled_at = NULL' },
  { what: 'delete accounts', statement: 'DELETE FROM latchkey.users' },
  { what: 'make a session last', statement: 'UPDATE latchkey.sessions SET absolute_expires_at = now()' },
  { what: 'revive a session', statement: 'UPDATE latchkey.sessions SET revoked_at = NULL' },
  { what: 'revive a link', statement: 'UPDATE latchkey.one_time_tokens SET consumed_at = NULL' },
  { what: 'redirect a queued email', statement: `UPDATE latchkey.outbox SET recipient = 'x'` },
  { what: 'empty a rate limit', statement: 'DELETE FROM latchkey.rate_limits' },
  { what: 'empty the counts of failed logins', statement: 'DELETE FROM latchkey.login_attempts' },
  { what: 'write an event', statement: `INSERT INTO latchkey.events (kind) VALUES ('login-failed')` },
  { what: 'rewrite events', statement: `UPDATE latchkey.events SET kind = 'session-created'` },
  { what: 'delete events', statement: 'DELETE FROM latchkey.events' },
  { what: 'empty the audit log', statement: 'TRUNCATE latchkey.events' },
  { what: 'see or move its numbers', statement: `SELECT nextval('latchkey.events_id_seq')` },
  { what: 'unname the production database', statement: 'DELETE FROM latchkey.production_database' },
  { what: 'read which migrations were applied', statement: 'SELECT * FROM latchkey.migrations' },
]

const byPrivateFunctions: Impossible[] = [
  {
    what: 'open a session for the id of a user',
    statement: `SELECT latchkey.open_session(${SOMEBODY}, 'x', 'email', true, NULL, NULL, ${REQUEST})`,
  },
  {
    what: 'revoke any session',
    statement: `SELECT latchkey.revoke_sessions(ARRAY[${SOMEBODY}], 'operator', ${REQUEST})`,
  },
  {
    what: "revoke an account's sessions",
    statement: `SELECT latchkey.revoke_all_sessions(${SOMEBODY}, NULL, 'operator', ${REQUEST})`,
  },
  { what: 'find whose a session is', statement: `SELECT latchkey.session_owner(NULL, ${SOMEBODY})` },
  {
    what: 'queue an email of its own',
    statement: `SELECT latchkey.enqueue_email('reset-password', 'x', NULL, NULL)`,
  },
  {
    what: 'write an event of its own',
    statement: `SELECT latchkey.write_event('role-changed', NULL, NULL, ${REQUEST}, NULL)`,
  },
  {
    what: "clear an account's failed logins without signing in to it",
    statement: `SELECT latchkey.clear_attempts(${SOMEBODY})`,
  },
]

const byOperatorsFunctions: Impossible[] = [
  {
    what: 'set a role as an operator does',
    statement: `SELECT latchkey.admin_set_role(${SOMEBODY}, 'admin', ${REQUEST})`,
  },
  { what: 'disable an account', statement: `SELECT latchkey.admin_disable(${SOMEBODY}, ${REQUEST})` },
  { what: 'enable an account', statement: `SELECT latchkey.admin_enable(${SOMEBODY}, ${REQUEST})` },
  { what: 'force a reset', statement: `SELECT latchkey.admin_force_reset(${SOMEBODY}, ${REQUEST})` },
  {
    what: 'send an email again',
    statement: `SELECT latchkey.admin_resend_email(${SOMEBODY}, 'x', ${REQUEST})`,
  },
  {
    what: "revoke everyone's sessions",
    statement: `SELECT latchkey.admin_revoke_everyones_sessions(${SOMEBODY}, now(), ${REQUEST})`,
  },
]

const refusedByTheEngine: Refused[] = [
  {
    what: 'sign in to an account that is disabled',
    async attempt(thief, owner) {
      await owner('UPDATE users SET disabled_at = now() WHERE email = $1', thief.email)
      return (await finishLogin(thief)).kind
    },
    kind: 'changed',
  },
  {
    what: 'act as a session that was revoked',
    async attempt({ call, sessionId }, owner) {
      await owner('UPDATE sessions SET revoked_at = now() WHERE id = $1', sessionId)
      return (await call('find_session', credential(sessionId))).kind
    },
    kind: 'signed-out',
  },
  {
    what: 'delete an account by a session of 5 minutes ago',
    async attempt({ call, sessionId }, owner) {
      const ago = "authenticated_at = now() - interval '301 seconds'"
      await owner(`UPDATE sessions SET ${ago} WHERE id = $1`, sessionId)
      return (await call('delete_account', { ...credential(sessionId), request })).kind
    },
    kind: 'reauthentication-required',
  },
  {
    what: 'use a link twice',
    async attempt(thief) {
      const { emails } = await requestReset(thief)
      await resetPassword(thief, emails[0].tokenId)
      return (await resetPassword(thief, emails[0].tokenId)).kind
    },
    kind: 'consumed',
  },
  {
    what: 'go on with a session after a reset',
    async attempt(thief) {
      const shown = credential(await openSession(thief))
      const { emails } = await requestReset(thief)
      await resetPassword(thief, emails[0].tokenId)
      return (await thief.call('find_session', shown)).kind
    },
    kind: 'signed-out',
  },
]

export const functionsRole: StolenRole = {
  role: 'latchkey_functions',
  can: [...byFunctions, ...byAnyRole('latchkey_functions')],
  cannot: [
    ...byTables,
    { what: 'read accounts as an app does', statement: 'SELECT * FROM latchkey.accounts' },
    { what: 'read the audit log as an app does', statement: 'SELECT latchkey.read_events(NULL, 10)' },
    ...byPrivateFunctions,
    ...byOperatorsFunctions,
    ...beyondTheEngine,
  ],
  refused: refusedByTheEngine,
}

/** An app's own role, which has a schema `app` of its own here. */
export const appRole: StolenRole = {
  role: 'latchkey_app',
  can: [
    {
      what: 'read id, address, role and age of every account',
      attempt: async ({ run, email }) =>
        (await run('SELECT role FROM latchkey.accounts WHERE email = $1', email)).length === 1,
    },
    {
      what: 'read the audit log, in order and without gaps',
      async attempt({ run }) {
        const [{ response }] = await run('SELECT latchkey.read_events(NULL, 10) AS response')
        return response.kind === 'events'
      },
    },
    ...byAnyRole('latchkey_app'),
  ],
  cannot: [
    ...byTables,
    {
      what: 'sign in, as the functions do',
      statement: `SELECT latchkey.begin_login('x', 'x', 'x', NULL, NULL, NULL)`,
    },
    {
      what: 'point a foreign key at an account',
      statement: 'CREATE TABLE app.profiles (user_id uuid REFERENCES latchkey.users (id))',
    },
    { what: 'change an account by the view', statement: `UPDATE latchkey.accounts SET role = 'admin'` },
    ...byPrivateFunctions,
    ...byOperatorsFunctions,
    ...beyondTheEngine,
  ],
  refused: [],
}
