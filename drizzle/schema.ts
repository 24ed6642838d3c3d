/**
 * The tables, all in the schema `latchkey`, so that they fit beside any app. Moments are `timestamptz` and are compared
 * with the database's own clock (`now()`). Ids are UUIDv7, made by `latchkey.new_id()`.
 *
 * The functions in drizzle/functions are the only way the endpoints read or write these. An app refers to
 * `users.id` with a foreign key of its own and changes nothing here.
 */
import { sql } from 'drizzle-orm'
import {
  bigint,
  bigserial,
  boolean,
  customType,
  index,
  integer,
  jsonb,
  pgSchema,
  primaryKey,
  smallint,
  text,
  timestamp,
  uuid,
} from 'drizzle-orm/pg-core'

const bytea = customType<{ data: Uint8Array }>({ dataType: () => 'bytea' })
const xid8 = customType<{ data: string }>({ dataType: () => 'xid8' })
const moment = (name: string) => timestamp(name, { withTimezone: true })

export const latchkey = pgSchema('latchkey')

/** An account. It exists only once its address is verified; until then there is a registration. */
export const users = latchkey.table('users', {
  id: uuid('id').primaryKey(),
  /** As typed; where email goes. */
  email: text('email').notNull(),
  /** The form in which addresses are compared (`normalizeEmail` in lib/email-address.ts). */
  emailNormalized: text('email_normalized').notNull().unique(),
  emailVerifiedAt: moment('email_verified_at').notNull(),
  /** PHC string. NULL: the account has no password. */
  passwordHash: text('password_hash'),
  role: text('role').notNull().default('user'),
  /**
   * The optimistic lock for what is checked outside a transaction, such as a password. Bumped when a password is set,
   * changed or removed, the address changes, the account is disabled or enabled, and when its role changes. It starts
   * anywhere, so that what was checked against a deleted account is worth nothing with the next one of its address.
   */
  securityVersion: integer('security_version')
    .notNull()
    .default(sql`(random() * 1000000000)::integer`),
  /** Set while the account has a second factor: a sign-in without it is then not at full strength. */
  secondFactorAt: moment('second_factor_at'),
  disabledAt: moment('disabled_at'),
  createdAt: moment('created_at').notNull().defaultNow(),
  updatedAt: moment('updated_at').notNull().defaultNow(),
})

/** A request for an account. Several may be pending for one address; the first one verified becomes the account. */
export const registrations = latchkey.table(
  'registrations',
  {
    id: uuid('id').primaryKey(),
    email: text('email').notNull(),
    emailNormalized: text('email_normalized').notNull(),
    passwordHash: text('password_hash'),
    createdAt: moment('created_at').notNull().defaultNow(),
    /** When its newest link expires, in whole seconds. A new link moves it. */
    expiresAt: moment('expires_at').notNull(),
    /** Tries at the code of its newest email. */
    codeAttempts: integer('code_attempts').notNull().default(0),
    consumedAt: moment('consumed_at'),
  },
  (table) => [
    index('registrations_email_normalized').on(table.emailNormalized),
    index('registrations_created_at').on(table.createdAt),
  ],
)

/** One signed-in device. Its refresh tokens are one family; `counter` says which of them is current. */
export const sessions = latchkey.table(
  'sessions',
  {
    id: uuid('id').primaryKey(),
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    /** SHA-256 of the family's 32 random bytes. */
    familyHash: bytea('family_hash').notNull().unique(),
    /** The current refresh token's place in its family. */
    counter: bigint('counter', { mode: 'number' }).notNull().default(0),
    /** True once the current token was presented, so its predecessor has no business any more. */
    confirmed: boolean('confirmed').notNull().default(false),
    /** The counter whose token was last handed out to its predecessor after the reuse interval. */
    recoveredCounter: bigint('recovered_counter', { mode: 'number' }),
    /** How many counters in a row were recovered. */
    recoveredInARow: smallint('recovered_in_a_row').notNull().default(0),
    rotatedAt: moment('rotated_at').notNull().defaultNow(),
    /** How it was authenticated: `password`, `email`. */
    method: text('method').notNull(),
    authenticatedAt: moment('authenticated_at').notNull().defaultNow(),
    /** False: its cookies end with the browser, and it is short. */
    persistent: boolean('persistent').notNull(),
    createdAt: moment('created_at').notNull().defaultNow(),
    lastUsedAt: moment('last_used_at').notNull().defaultNow(),
    /** Renewed by a rotation, never past `absoluteExpiresAt`. */
    idleExpiresAt: moment('idle_expires_at').notNull(),
    /** Never moved. */
    absoluteExpiresAt: moment('absolute_expires_at').notNull(),
    revokedAt: moment('revoked_at'),
    revocationReason: text('revocation_reason'),
    /** Browser and system where it was opened, as the list of sessions names them: `Firefox on Linux`. */
    client: text('client'),
    ip: text('ip'),
    /** The same where it was last refreshed. */
    lastClient: text('last_client'),
    lastIp: text('last_ip'),
  },
  (table) => [
    index('sessions_user_id').on(table.userId, table.createdAt),
    // The absolute expiry never moves, so a rotation touches no index.
    index('sessions_absolute_expires_at').on(table.absoluteExpiresAt),
  ],
)

/** What an emailed link or code of an account stands for. */
export const oneTimeTokens = latchkey.table(
  'one_time_tokens',
  {
    id: uuid('id').primaryKey(),
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    /** `reset` or `email-change`. */
    purpose: text('purpose').notNull(),
    newEmail: text('new_email'),
    newEmailNormalized: text('new_email_normalized'),
    createdAt: moment('created_at').notNull().defaultNow(),
    /** In whole seconds. */
    expiresAt: moment('expires_at').notNull(),
    codeAttempts: integer('code_attempts').notNull().default(0),
    consumedAt: moment('consumed_at'),
  },
  (table) => [
    index('one_time_tokens_user_id').on(table.userId, table.purpose),
    index('one_time_tokens_expires_at').on(table.expiresAt),
  ],
)

/** Queued email. Written in the transaction that causes it, delivered after the response. */
export const outbox = latchkey.table(
  'outbox',
  {
    /** Also the idempotency key at the provider. */
    id: uuid('id').primaryKey(),
    kind: text('kind').notNull(),
    recipient: text('recipient').notNull(),
    /** What the link's token is signed over; the token itself is never stored. */
    tokenId: uuid('token_id'),
    tokenExpiresAt: moment('token_expires_at'),
    createdAt: moment('created_at').notNull().defaultNow(),
    attempts: integer('attempts').notNull().default(0),
    nextAttemptAt: moment('next_attempt_at').notNull(),
    sentAt: moment('sent_at'),
    /** Set when delivery was given up or refused. */
    failedAt: moment('failed_at'),
    providerId: text('provider_id'),
  },
  (table) => [
    index('outbox_due')
      .on(table.nextAttemptAt)
      .where(sql`sent_at IS NULL AND failed_at IS NULL`),
    index('outbox_created_at').on(table.createdAt),
  ],
)

/** GCRA, one row a bucket. The key is a hash, so the table names neither an address nor a network. */
export const rateLimits = latchkey.table('rate_limits', {
  key: bytea('key').primaryKey(),
  theoreticalArrivalAt: moment('theoretical_arrival_at').notNull(),
})

/**
 * Failed logins in a row. An attempt is counted before the password is checked and a success removes the row, so what is
 * left are failures. An address without an account has its row like any other.
 */
export const loginAttempts = latchkey.table(
  'login_attempts',
  {
    /** A keyed hash of the address, or a hash of the id of an account, a device cookie or a session. */
    key: bytea('key').primaryKey(),
    /** The account, where there is one. */
    userId: uuid('user_id'),
    failures: integer('failures').notNull(),
    nextAttemptAt: moment('next_attempt_at').notNull(),
  },
  (table) => [index('login_attempts_user_id').on(table.userId)],
)

/**
 * The audit log. Append-only; ids are no foreign keys, so it outlives what it is about. Partitioned by month
 * (drizzle/functions/maintain_event_partitions.sql), with a default partition for what has no month yet.
 */
export const events = latchkey.table(
  'events',
  {
    id: bigserial('id', { mode: 'number' }).notNull(),
    /** The transaction that wrote it, by which `read_events` knows what may still appear before it. */
    xid: xid8('xid')
      .notNull()
      .default(sql`pg_current_xact_id()`),
    /** Not the start of its transaction, which a caller could hold open. */
    createdAt: moment('created_at')
      .notNull()
      .default(sql`clock_timestamp()`),
    kind: text('kind').notNull(),
    userId: uuid('user_id'),
    sessionId: uuid('session_id'),
    requestId: text('request_id'),
    ip: text('ip'),
    detail: jsonb('detail'),
  },
  (table) => [
    primaryKey({ name: 'events_pkey', columns: [table.createdAt, table.id] }),
    index('events_user_id').on(table.userId, table.createdAt),
    index('events_xid').on(table.xid, table.id),
    // For the day on which maintenance removes the IP address.
    index('events_with_ip')
      .on(table.createdAt)
      .where(sql`ip IS NOT NULL`),
  ],
)

/**
 * Which database is production's: production's deploy writes its own address here. A deployment that finds another
 * address than the one it connected to runs on a copy, such as a Neon branch.
 */
export const productionDatabase = latchkey.table('production_database', {
  /** Host, port and name, without user or password (`databaseAddress` in cli/database/production.ts). */
  address: text('address').primaryKey(),
  recordedAt: moment('recorded_at').notNull().defaultNow(),
})

/** The ledger: which migrations were applied. */
export const migrations = latchkey.table('migrations', {
  name: text('name').primaryKey(),
  /** SHA-256 of its file, in hex. */
  hash: text('hash').notNull(),
  appliedAt: moment('applied_at').notNull().defaultNow(),
})

/** What an app's own role (`latchkey_app`) may read of an account. */
export const accounts = latchkey
  .view('accounts')
  .with({ securityBarrier: true })
  .as((query) =>
    query
      .select({ id: users.id, email: users.email, role: users.role, createdAt: users.createdAt })
      .from(users),
  )
