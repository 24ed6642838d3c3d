/**
 * Every function of the engine, called for real, once for each kind that it answers. What is expected has the type that
 * `Results` gives that kind, and is compared whole, so the types are what the functions answer. That descriptors equal
 * the catalog is in test/engine/engine.test.ts.
 */
import { randomBytes } from 'node:crypto'
import { v7 as newId } from 'uuid'
import { describe, expect, test } from 'vitest'
import { call } from '../../lib/db/call.ts'
import type { SqlType } from '../../lib/db/engine.ts'
import * as engine from '../../lib/db/engine.ts'
import { requireSession } from '../../lib/guards.ts'
import { maximum, rateLimits, type RateLimit } from '../../lib/limits.ts'
import { hashFamily } from '../../lib/crypto/refresh-token.ts'
import { ServiceUnavailable } from '../../lib/unavailable.ts'
import { newBrowser } from '../support/browser.ts'
import { query } from '../support/database.ts'
import { newAddress, OTHER_PASSWORD, PASSWORD } from '../support/people.ts'
import {
  insertAccount,
  insertOneTimeToken,
  insertRegistration,
  type InsertedAccount,
} from '../races/accounts.ts'
import { APP_ORIGIN } from '../support/setup-environment.ts'

type Answered<Result> = readonly [responded: unknown, expected: Result]

/** The compiler finds a kind that is missing here. */
type Scenarios = {
  [Name in keyof engine.Results]: {
    [Kind in engine.Results[Name]['kind']]: () => Promise<
      Answered<Extract<engine.Results[Name], { kind: Kind }>>
    >
  }
}

const request = { id: 'engine-calls', ip: '192.0.2.1', client: 'Firefox on Linux' }
const nobody = { family_hash: null, counter: null, session_id: null }
const anyKey = (): Uint8Array => randomBytes(32)

// --- What is expected ---

const limited = { kind: 'limited', retryAfterSeconds: expect.any(Number) } as const
const signedOut = { kind: 'signed-out' } as const
const refreshRequired = { kind: 'refresh-required' } as const
const reauthenticationRequired = { kind: 'reauthentication-required' } as const
const consumed = { kind: 'consumed' } as const

function liveSession(email: string, { method = 'password', counter = 0 } = {}): engine.LiveSession {
  return {
    id: expect.any(String),
    counter,
    persistent: true,
    method: method === 'email' ? 'email' : 'password',
    authenticatedAt: expect.any(Number),
    absoluteExpiresAt: expect.any(Number),
    secondsLeft: expect.any(Number),
    user: { id: expect.any(String), email, role: 'user', securityVersion: expect.any(Number) },
  }
}

function queuedEmail(kind: engine.QueuedEmail['kind'], recipient: string): engine.QueuedEmail {
  return { id: expect.any(String), kind, recipient, tokenId: null, tokenExpiresAt: null }
}

function queuedLink(kind: engine.QueuedEmail['kind'], recipient: string): engine.QueuedEmail {
  const tokenExpiresAt: number = expect.any(Number)
  return { ...queuedEmail(kind, recipient), tokenId: expect.any(String), tokenExpiresAt }
}

// --- What is given ---

/** A bucket with nothing left in it. */
async function usedUp(limit: RateLimit): Promise<Uint8Array> {
  const key = anyKey()
  await useUp(limit, key)
  return key
}

async function useUp({ windowSeconds }: RateLimit, key: Uint8Array): Promise<void> {
  await query(
    `INSERT INTO rate_limits (key, theoretical_arrival_at) VALUES ($1, now() + make_interval(secs => $2))`,
    key,
    windowSeconds * 2,
  )
}

/** Of the buckets whose keys the engine makes. */
async function useUpOf(limit: RateLimit, subject: string): Promise<void> {
  const [{ key }] = await query('SELECT subject_key($1, $2) AS key', limit.name, subject)
  await useUp(limit, key)
}

function shownBy({ sessions: [session] }: InsertedAccount, counter = 0) {
  if (session === undefined) throw new Error('the account has no session')
  return { family_hash: hashFamily(session.token.family), counter, session_id: null }
}

/** With one session, which was authenticated a moment ago. */
const signedIn = () => insertAccount(1)

async function changeSessions(account: InsertedAccount, change: string): Promise<InsertedAccount> {
  await query(`UPDATE sessions SET ${change} WHERE user_id = $1`, account.id)
  return account
}

const authenticatedLongAgo = async () =>
  changeSessions(await signedIn(), "authenticated_at = now() - interval '301 seconds'")

/** The successor of the token that it shows was never presented. */
const oneBehind = async () => changeSessions(await signedIn(), 'counter = 1')

async function emailChange() {
  const account = await signedIn()
  const newEmail = newAddress()
  await insertOneTimeToken(account, 'email-change', newEmail)
  return { account, newEmail, tokenId: await tokenOf(account) }
}

async function tokenOf({ id }: InsertedAccount): Promise<string> {
  const [row] = await query('SELECT id FROM one_time_tokens WHERE user_id = $1', id)
  return row.id
}

async function pendingRegistration() {
  const { email } = await insertRegistration(newAddress(), PASSWORD)
  const [row] = await query('SELECT id FROM registrations WHERE email = $1', email)
  const registrationId: string = row.id
  return { email, registrationId }
}

async function versionOf({ id }: InsertedAccount): Promise<number> {
  const [row] = await query('SELECT security_version FROM users WHERE id = $1', id)
  return row.security_version
}

interface Finishing {
  version?: number
  presented?: InsertedAccount
}

/** The end of a login with the right password; with `presented` it re-authenticates. */
async function finishLogin(account: InsertedAccount, { version, presented }: Finishing = {}) {
  const shown = presented && shownBy(presented)
  return call(engine.finishLogin, {
    email_normalized: account.email,
    security_version: version ?? (await versionOf(account)),
    checked_hash: 'checked',
    rehash: null,
    device_key: null,
    family_hash: anyKey(),
    presented_family_hash: shown?.family_hash ?? null,
    presented_counter: shown?.counter ?? null,
    reauthenticates: presented !== undefined,
    persistent: true,
    request,
  })
}

interface Consuming {
  registration_id: string
  verified?: boolean
  family_hash?: Uint8Array | null
  token_key?: Uint8Array
}

const consumeRegistration = (given: Consuming) =>
  call(engine.consumeRegistration, {
    token_key: anyKey(),
    verified: true,
    family_hash: null,
    presented_family_hash: null,
    persistent: true,
    request,
    ...given,
  })

const rotate = (account: InsertedAccount, presented = 0, client = request.client) =>
  call(engine.rotateSession, {
    family_hash: shownBy(account).family_hash,
    presented,
    request: { ...request, client },
  })

const logOut = (account: InsertedAccount) =>
  call(engine.logout, { family_hash: shownBy(account).family_hash, counter: 0, everywhere: true, request })

const revokeOwn = (account: InsertedAccount | undefined, chosenId: string | null = null) =>
  call(engine.revokeOwnSessions, { ...(account ? shownBy(account) : nobody), chosen_id: chosenId, request })

const requestEmailChange = (account: InsertedAccount | undefined, newEmail = newAddress()) =>
  call(engine.requestEmailChange, {
    ...(account ? shownBy(account) : nobody),
    new_email: newEmail,
    new_email_normalized: newEmail,
    address_key: anyKey(),
    request,
  })

const confirmEmailChange = (tokenId: string, account?: InsertedAccount, tokenKey = anyKey()) =>
  call(engine.confirmEmailChange, {
    token_id: tokenId,
    token_key: tokenKey,
    security_version: null,
    ...(account ? shownBy(account) : nobody),
    request,
  })

const changePassword = async (account: InsertedAccount, version?: number) =>
  call(engine.changePassword, {
    ...shownBy(account),
    security_version: version ?? (await versionOf(account)),
    password_hash: 'another',
    new_family_hash: anyKey(),
    request,
  })

const resetPassword = (tokenId: string, tokenKey = anyKey()) =>
  call(engine.resetPassword, { token_id: tokenId, token_key: tokenKey, password_hash: 'another', request })

const deleteAccount = (account?: InsertedAccount) =>
  call(engine.deleteAccount, { ...(account ? shownBy(account) : nobody), request })

/** A request for an email, or a try at a code, of an address that has an account. */
const ofAddress = (email: string, sourceKey = anyKey()) => ({
  email_normalized: email,
  source_key: sourceKey,
  address_key: anyKey(),
})

// --- All of them ---

const scenarios: Scenarios = {
  admit_registration: {
    admitted: async () => [
      await call(engine.admitRegistration, { source_key: anyKey(), address_key: anyKey() }),
      { kind: 'admitted' },
    ],
    limited: async () => [
      await call(engine.admitRegistration, {
        source_key: await usedUp(rateLimits.registerBySource),
        address_key: anyKey(),
      }),
      limited,
    ],
  },

  register: {
    accepted: async () => {
      const email = newAddress()
      return [
        await call(engine.register, { email, email_normalized: email, password_hash: 'hash', request }),
        {
          kind: 'accepted',
          registrationId: expect.any(String),
          emails: [queuedLink('confirm-registration', email)],
        },
      ]
    },
  },

  request_verification_email: {
    accepted: async () => {
      const { email } = await pendingRegistration()
      return [
        await call(engine.requestVerificationEmail, {
          ...ofAddress(email),
          registration_id: null,
          request,
        }),
        { kind: 'accepted', emails: [queuedLink('confirm-registration', email)] },
      ]
    },
    limited: async () => [
      await call(engine.requestVerificationEmail, {
        ...ofAddress(newAddress(), await usedUp(rateLimits.emailBySource)),
        registration_id: null,
        request,
      }),
      limited,
    ],
  },

  try_registration_code: {
    candidates: async () => {
      const { email, registrationId } = await pendingRegistration()
      const candidate = {
        id: registrationId,
        expiresAt: expect.any(Number),
        passwordHash: expect.stringMatching(/^\$argon2id/),
      }
      return [
        await call(engine.tryRegistrationCode, ofAddress(email)),
        { kind: 'candidates', candidates: [candidate] },
      ]
    },
    limited: async () => [
      await call(engine.tryRegistrationCode, ofAddress(newAddress(), await usedUp(rateLimits.codeBySource))),
      limited,
    ],
  },

  consume_registration: {
    'account-created': async () => {
      const { registrationId } = await pendingRegistration()
      return [
        await consumeRegistration({ registration_id: registrationId }),
        { kind: 'account-created', userId: expect.any(String) },
      ]
    },
    'signed-in': async () => {
      const { email, registrationId } = await pendingRegistration()
      return [
        await consumeRegistration({ registration_id: registrationId, family_hash: anyKey() }),
        { kind: 'signed-in', session: liveSession(email, { method: 'email' }) },
      ]
    },
    unverified: async () => {
      const { registrationId } = await pendingRegistration()
      return [
        await consumeRegistration({ registration_id: registrationId, verified: false }),
        { kind: 'unverified', passwordHash: expect.stringMatching(/^\$argon2id/) },
      ]
    },
    consumed: async () => [await consumeRegistration({ registration_id: newId() }), consumed],
    limited: async () => [
      await consumeRegistration({
        registration_id: newId(),
        token_key: await usedUp(rateLimits.linkByToken),
      }),
      limited,
    ],
  },

  begin_login: {
    counted: async () => {
      const { id, email } = await signedIn()
      return [
        await call(engine.beginLogin, {
          ...ofAddress(email),
          device_key: null,
          device_version: null,
          registration_id: null,
        }),
        {
          kind: 'counted',
          subject: 'account',
          failures: 1,
          userId: id,
          securityVersion: expect.any(Number),
          passwordHash: expect.stringMatching(/^\$argon2id/),
        },
      ]
    },
    limited: async () => [
      await call(engine.beginLogin, {
        ...ofAddress(newAddress(), await usedUp(rateLimits.loginBySource)),
        device_key: null,
        device_version: null,
        registration_id: null,
      }),
      limited,
    ],
  },

  finish_login: {
    'signed-in': async () => {
      const account = await insertAccount(0)
      return [
        await finishLogin(account),
        { kind: 'signed-in', session: liveSession(account.email), emails: [] },
      ]
    },
    changed: async () => {
      const account = await insertAccount(0)
      return [await finishLogin(account, { version: -1 }), { kind: 'changed' }]
    },
    'signed-out': async () => {
      const account = await changeSessions(await signedIn(), 'revoked_at = now()')
      return [await finishLogin(account, { presented: account }), signedOut]
    },
    'refresh-required': async () => {
      const account = await oneBehind()
      return [await finishLogin(account, { presented: account }), refreshRequired]
    },
    'different-account': async () => [
      await finishLogin(await insertAccount(0), { presented: await signedIn() }),
      { kind: 'different-account' },
    ],
  },

  fail_login: {
    failed: async () => {
      const { email } = await insertAccount(0)
      return [
        await call(engine.failLogin, {
          email_normalized: email,
          subject: 'account',
          failures: maximum.lockedAt,
          request,
        }),
        { kind: 'failed', emails: [queuedEmail('password-locked', email)] },
      ]
    },
  },

  rotate_session: {
    live: async () => {
      const account = await signedIn()
      return [await rotate(account), { kind: 'live', session: liveSession(account.email, { counter: 1 }) }]
    },
    ended: async () => {
      const account = await changeSessions(await signedIn(), "revoked_at = now() - interval '1 hour'")
      return [
        await rotate(account),
        { kind: 'ended', definite: true, sessionId: account.sessions[0]?.id ?? '', userId: account.id },
      ]
    },
    'refresh-required': async () => {
      const account = await changeSessions(await signedIn(), 'counter = 1, rotated_at = now()')
      return [
        await rotate(account, 0, 'Safari on iPhone'),
        { kind: 'refresh-required', sessionId: account.sessions[0]?.id ?? '', userId: account.id },
      ]
    },
    reused: async () => {
      const account = await changeSessions(await signedIn(), 'counter = 2')
      return [
        await rotate(account),
        {
          kind: 'reused',
          sessionId: account.sessions[0]?.id ?? '',
          userId: account.id,
          emails: [queuedEmail('refresh-token-reused', account.email)],
        },
      ]
    },
    limited: async () => {
      const account = await changeSessions(await signedIn(), 'rotated_at = now()')
      const family = Buffer.from(shownBy(account).family_hash).toString('hex')
      await useUpOf(rateLimits.refreshBySession, family)
      return [await rotate(account), limited]
    },
  },

  find_session: {
    'signed-in': async () => {
      const account = await signedIn()
      return [
        await call(engine.findSession, shownBy(account)),
        { kind: 'signed-in', session: liveSession(account.email), steppedUp: true },
      ]
    },
    'signed-out': async () => [await call(engine.findSession, nobody), signedOut],
    'refresh-required': async () => [
      await call(engine.findSession, shownBy(await oneBehind())),
      refreshRequired,
    ],
  },

  list_sessions: {
    listed: async () => {
      const account = await signedIn()
      const sessionId = account.sessions[0]?.id ?? ''
      return [
        await call(engine.listSessions, shownBy(account)),
        {
          kind: 'listed',
          sessionId,
          userId: account.id,
          sessions: [
            {
              id: sessionId,
              method: 'password',
              createdAt: expect.any(Number),
              lastUsedAt: expect.any(Number),
              absoluteExpiresAt: expect.any(Number),
              client: null,
              ip: null,
              lastClient: 'Firefox on Linux',
              lastIp: null,
            },
          ],
        },
      ]
    },
    'signed-out': async () => [await call(engine.listSessions, nobody), signedOut],
    'refresh-required': async () => [
      await call(engine.listSessions, shownBy(await oneBehind())),
      refreshRequired,
    ],
  },

  revoke_own_sessions: {
    revoked: async () => {
      const account = await insertAccount(2)
      return [
        await revokeOwn(account, account.sessions[1]?.id),
        { kind: 'revoked', current: false, sessionId: account.sessions[0]?.id ?? '', userId: account.id },
      ]
    },
    'not-found': async () => [
      await revokeOwn(await signedIn(), (await signedIn()).sessions[0]?.id),
      { kind: 'not-found' },
    ],
    'reauthentication-required': async () => [
      await revokeOwn(await authenticatedLongAgo()),
      reauthenticationRequired,
    ],
    'signed-out': async () => [await revokeOwn(undefined), signedOut],
    'refresh-required': async () => [await revokeOwn(await oneBehind()), refreshRequired],
  },

  logout: {
    'logged-out': async () => {
      const account = await signedIn()
      return [
        await logOut(account),
        { kind: 'logged-out', sessionId: account.sessions[0]?.id ?? '', userId: account.id },
      ]
    },
    'reauthentication-required': async () => [
      await logOut(await authenticatedLongAgo()),
      reauthenticationRequired,
    ],
    'refresh-required': async () => [await logOut(await oneBehind()), refreshRequired],
    'signed-out': async () => {
      const account = await changeSessions(await signedIn(), 'revoked_at = now()')
      return [
        await logOut(account),
        { kind: 'signed-out', sessionId: account.sessions[0]?.id ?? '', userId: account.id },
      ]
    },
    reused: async () => {
      const account = await changeSessions(await signedIn(), 'counter = 2')
      return [
        await logOut(account),
        {
          kind: 'reused',
          sessionId: account.sessions[0]?.id ?? '',
          userId: account.id,
          emails: [queuedEmail('refresh-token-reused', account.email)],
        },
      ]
    },
  },

  request_reset: {
    accepted: async () => {
      const { email } = await insertAccount(0)
      return [
        await call(engine.requestReset, { ...ofAddress(email), request }),
        { kind: 'accepted', emails: [queuedLink('reset-password', email)] },
      ]
    },
    limited: async () => [
      await call(engine.requestReset, {
        ...ofAddress(newAddress(), await usedUp(rateLimits.emailBySource)),
        request,
      }),
      limited,
    ],
  },

  try_reset_code: {
    candidates: async () => {
      const account = await insertAccount(0)
      await insertOneTimeToken(account, 'reset')
      const candidate = { id: await tokenOf(account), expiresAt: expect.any(Number) }
      return [
        await call(engine.tryResetCode, ofAddress(account.email)),
        { kind: 'candidates', candidates: [candidate] },
      ]
    },
    limited: async () => [
      await call(engine.tryResetCode, ofAddress(newAddress(), await usedUp(rateLimits.codeBySource))),
      limited,
    ],
  },

  reset_password: {
    reset: async () => {
      const account = await insertAccount(0)
      await insertOneTimeToken(account, 'reset')
      return [
        await resetPassword(await tokenOf(account)),
        {
          kind: 'reset',
          user: liveSession(account.email).user,
          emails: [queuedEmail('password-reset', account.email)],
        },
      ]
    },
    consumed: async () => [await resetPassword(newId()), consumed],
    limited: async () => [await resetPassword(newId(), await usedUp(rateLimits.linkByToken)), limited],
  },

  begin_password_check: {
    counted: async () => {
      const account = await signedIn()
      return [
        await call(engine.beginPasswordCheck, shownBy(account)),
        {
          kind: 'counted',
          subject: 'account',
          failures: 1,
          sessionId: account.sessions[0]?.id ?? '',
          userId: account.id,
          email: account.email,
          securityVersion: expect.any(Number),
          passwordHash: expect.stringMatching(/^\$argon2id/),
        },
      ]
    },
    'reauthentication-required': async () => {
      const account = await signedIn()
      await query('UPDATE users SET second_factor_at = now() WHERE id = $1', account.id)
      return [await call(engine.beginPasswordCheck, shownBy(account)), reauthenticationRequired]
    },
    'signed-out': async () => [await call(engine.beginPasswordCheck, nobody), signedOut],
    'refresh-required': async () => [
      await call(engine.beginPasswordCheck, shownBy(await oneBehind())),
      refreshRequired,
    ],
    limited: async () => {
      const account = await signedIn()
      await useUpOf(rateLimits.passwordCheckByAccount, account.id)
      return [await call(engine.beginPasswordCheck, shownBy(account)), limited]
    },
  },

  change_password: {
    changed: async () => {
      const account = await signedIn()
      return [
        await changePassword(account),
        {
          kind: 'changed',
          session: liveSession(account.email),
          emails: [queuedEmail('password-changed', account.email)],
        },
      ]
    },
    'signed-out': async () => [await changePassword(await signedIn(), -1), signedOut],
  },

  request_email_change: {
    accepted: async () => {
      const [account, newEmail] = [await signedIn(), newAddress()]
      return [
        await requestEmailChange(account, newEmail),
        {
          kind: 'accepted',
          userId: account.id,
          sessionId: account.sessions[0]?.id ?? '',
          emails: [
            queuedLink('confirm-email-change', newEmail),
            queuedLink('email-change-requested', account.email),
          ],
        },
      ]
    },
    'reauthentication-required': async () => [
      await requestEmailChange(await authenticatedLongAgo()),
      reauthenticationRequired,
    ],
    'signed-out': async () => [await requestEmailChange(undefined), signedOut],
    'refresh-required': async () => [await requestEmailChange(await oneBehind()), refreshRequired],
    limited: async () => {
      const account = await signedIn()
      await useUpOf(rateLimits.emailChangeByAccount, account.id)
      return [await requestEmailChange(account), limited]
    },
  },

  confirm_email_change: {
    confirmed: async () => {
      const { account, newEmail, tokenId } = await emailChange()
      return [
        await confirmEmailChange(tokenId, account),
        {
          kind: 'confirmed',
          user: liveSession(newEmail).user,
          persistent: true,
          emails: [queuedEmail('email-changed', account.email)],
        },
      ]
    },
    unverified: async () => {
      const { account, tokenId } = await emailChange()
      return [
        await confirmEmailChange(tokenId),
        {
          kind: 'unverified',
          passwordHash: expect.stringMatching(/^\$argon2id/),
          securityVersion: await versionOf(account),
        },
      ]
    },
    consumed: async () => [await confirmEmailChange(newId()), consumed],
    limited: async () => [
      await confirmEmailChange(newId(), undefined, await usedUp(rateLimits.linkByToken)),
      limited,
    ],
  },

  cancel_email_change: {
    canceled: async () => {
      const { account, tokenId } = await emailChange()
      return [
        await call(engine.cancelEmailChange, { token_id: tokenId, request }),
        { kind: 'canceled', userId: account.id },
      ]
    },
    consumed: async () => [await call(engine.cancelEmailChange, { token_id: newId(), request }), consumed],
  },

  delete_account: {
    deleted: async () => {
      const account = await signedIn()
      return [
        await deleteAccount(account),
        {
          kind: 'deleted',
          userId: account.id,
          emails: [queuedEmail('account-deleted', account.email)],
        },
      ]
    },
    'reauthentication-required': async () => [
      await deleteAccount(await authenticatedLongAgo()),
      reauthenticationRequired,
    ],
    'signed-out': async () => [await deleteAccount(), signedOut],
    'refresh-required': async () => [await deleteAccount(await oneBehind()), refreshRequired],
  },

  claim_emails: {
    claimed: async () => {
      const { recipient } = await dueEmail()
      return [
        await call(engine.claimEmails, { is_production: true }),
        { kind: 'claimed', emails: [queuedEmail('already-registered', recipient)] },
      ]
    },
  },

  record_delivery: {
    recorded: async () => {
      const [{ id }, { recipient }] = [await dueEmail(), await dueEmail()]
      return [
        await call(engine.recordDelivery, {
          email_id: id,
          outcome: 'sent',
          provider_id: 'provider',
          reason: null,
          is_production: true,
        }),
        // The other one that is due is taken along. (The order of the two is that of their times.)
        { kind: 'recorded', failed: false, due: [queuedEmail('already-registered', recipient)] },
      ]
    },
  },

  waiting_emails: {
    waiting: async () => [
      await call(engine.waitingEmails, {}),
      { kind: 'waiting', waiting: expect.any(Number), oldestWaitingSeconds: expect.any(Number) },
    ],
  },

  remove_expired: {
    removed: async () => {
      const { registrationId } = await pendingRegistration()
      const ago = "created_at = now() - interval '30 days'"
      await query(`UPDATE registrations SET ${ago} WHERE id = $1`, registrationId)
      return [
        await call(engine.removeExpired, { what: 'registrations' }),
        { kind: 'removed', removed: 1, more: false },
      ]
    },
  },

  maintain_event_partitions: {
    maintained: async () => {
      const [{ name }] = await query(
        `SELECT max(relname) AS name FROM pg_class WHERE relnamespace = 'latchkey'::regnamespace
         AND relname ~ '^events_[0-9]{4}_[0-9]{2}$'`,
      )
      await query(`DROP TABLE ${name}`)
      return [
        await call(engine.maintainEventPartitions, {}),
        { kind: 'maintained', created: [name], dropped: [], removed: 0 },
      ]
    },
  },

  describe_connection: {
    described: async () => [
      await call(engine.describeConnection, {}),
      {
        kind: 'described',
        now: expect.any(Number),
        role: 'postgres',
        isOwner: true,
        isolation: 'read committed',
        notCallable: [],
      },
    ],
  },
}

/** The only one that is. */
async function dueEmail() {
  const [id, recipient] = [newId(), newAddress()]
  await query("UPDATE outbox SET next_attempt_at = now() + interval '1 day' WHERE sent_at IS NULL")
  await query(
    `INSERT INTO outbox (id, kind, recipient, next_attempt_at) VALUES ($1, 'already-registered', $2, now())`,
    id,
    recipient,
  )
  return { id, recipient }
}

const operations = Object.values(engine)
type Scenario = () => Promise<Answered<{ kind: string }>>

describe('each function answers each of its kinds, as its type says', () => {
  for (const { name, kinds } of operations) {
    const byKind = new Map<string, Scenario>(Object.entries(scenarios[name]))
    test.each([...byKind])(`${name}: %s`, async (kind, scenario) => {
      const [responded, expected] = await scenario()
      expect(responded).toEqual(expected)
      expect(expected.kind).toBe(kind)
    })

    test(`${name}: no other kind`, () => {
      expect(Object.keys(kinds).toSorted()).toEqual([...byKind.keys()].toSorted())
    })
  }

  test('and none is left out', () => {
    expect(operations.map(({ name }) => name).toSorted()).toEqual(Object.keys(scenarios).toSorted())
  })
})

// --- What isn't known ---

const samples: Record<SqlType, () => unknown> = {
  bytea: anyKey,
  bigint: () => 0,
  integer: () => 0,
  boolean: () => true,
  text: () => 'text',
  uuid: newId,
  jsonb: () => request,
}

/** Puts another body into a function of the engine, for as long as `work` goes on. */
async function responding<T>(name: string, result: string, work: () => Promise<T>): Promise<T> {
  const [{ text }] = await query('SELECT pg_get_functiondef($1::regproc) AS text', `latchkey.${name}`)
  await query(text.replace(/AS \$(\w*)\$[^]*\$\1\$/, () => `AS $other$BEGIN RETURN ${result}; END$other$`))
  try {
    return await work()
  } finally {
    await query(text)
  }
}

const NEWER = `'{"kind": "of-a-newer-engine", "session": {}}'::jsonb`

describe('[ASVS 16.5.3] a kind that TypeScript does not know refuses', () => {
  test.each(operations.map((operation) => [operation.name, operation] as const))(
    '%s throws unavailable',
    async (name, operation) => {
      const given: Record<string, unknown> = {}
      for (const [parameter, type] of Object.entries<SqlType>(operation.parameters)) {
        given[parameter] = samples[type]()
      }
      const error: unknown = await responding(name, NEWER, () =>
        call(operation, given as never).catch((thrown: unknown) => thrown),
      )
      expect(error).toBeInstanceOf(ServiceUnavailable)
    },
  )

  test.each([
    ['nothing', 'NULL'],
    ['no object', `'"signed-in"'::jsonb`],
    ['no kind', `'{}'::jsonb`],
    ['NULL', `'{"kind": null}'::jsonb`],
    ['what every object has', `'{"kind": "toString"}'::jsonb`],
  ])('and so does %s', async (_, result) => {
    const error: unknown = await responding('find_session', result, () =>
      call(engine.findSession, nobody).catch((thrown: unknown) => thrown),
    )
    expect(error).toBeInstanceOf(ServiceUnavailable)
  })

  test('no endpoint signs in by it, and no cookie is set or cleared', async () => {
    const { email } = await insertAccount(0)
    const browser = newBrowser()
    const login = { email, password: PASSWORD }
    expect((await browser.send('login', 'POST', login)).status).toBe(200)
    const registration = await insertRegistration(newAddress(), PASSWORD)
    const registering = newBrowser()
    registering.cookies.set('__Host-registration', registration.cookie)
    const { token } = registration
    const change = { currentPassword: PASSWORD, newPassword: OTHER_PASSWORD }

    for (const [name, send] of [
      ['begin_login', () => newBrowser().send('login', 'POST', login)],
      ['finish_login', () => newBrowser().send('login', 'POST', login)],
      ['rotate_session', () => browser.send('refresh', 'POST', {})],
      ['consume_registration', () => registering.send('verify', 'PUT', { token })],
      ['begin_password_check', () => browser.send('account', 'PATCH', change)],
      ['change_password', () => browser.send('account', 'PATCH', change)],
      ['find_session', () => browser.send('account', 'GET')],
      ['logout', () => browser.send('logout', 'POST', {})],
      ['delete_account', () => browser.send('account', 'DELETE')],
    ] as const) {
      const { status, body, setCookies } = await responding(name, NEWER, send)
      expect([name, status, body.code, setCookies]).toEqual([name, 503, 'unavailable', []])
    }
    // Nothing was lost by it.
    expect((await browser.send('refresh', 'POST', {})).status).toBe(200)
    expect((await registering.send('verify', 'PUT', { token })).status).toBe(200)
  })

  test("a guard of the app's own functions lets nobody in by it", async () => {
    const account = await signedIn()
    const headers = { cookie: `__Host-session=${account.sessions[0]?.cookie}` }
    const guard = await responding('find_session', NEWER, () =>
      requireSession(new Request(`${APP_ORIGIN}/api/hello`, { headers })),
    )
    expect(guard).toMatchObject({ kind: 'refused', response: { status: 503 } })
  })
})
