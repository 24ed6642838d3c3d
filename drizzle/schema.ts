/**
 * The tables. Times are `timestamptz` and are compared with the database's own clock (`now()`);
 * ids are UUIDv7 made by the application, so a mail's token can name its row before the row exists.
 */
import { sql } from 'drizzle-orm'
import {
  bigint,
  customType,
  index,
  integer,
  jsonb,
  pgTable,
  text,
  timestamp,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core'

const bytea = customType<{ data: Uint8Array }>({ dataType: () => 'bytea' })
const at = (name: string) => timestamp(name, { withTimezone: true })

/** An account. It exists only once its address is proven; until then there is a registration. */
export const users = pgTable('users', {
  id: uuid('id').primaryKey(),
  /** As typed; where mail goes. */
  email: text('email').notNull(),
  /** The comparison form (`emailKey` in lib/email-address.ts). */
  emailKey: text('email_key').notNull().unique(),
  /** PHC string. */
  passwordHash: text('password_hash').notNull(),
  emailVerifiedAt: at('email_verified_at').notNull(),
  role: text('role').notNull().default('user'),
  disabledAt: at('disabled_at'),
  createdAt: at('created_at').notNull().defaultNow(),
  updatedAt: at('updated_at').notNull().defaultNow(),
})

/** A wish for an account. Several may be pending for one address; the first proven one becomes the account. */
export const registrations = pgTable(
  'registrations',
  {
    id: uuid('id').primaryKey(),
    email: text('email').notNull(),
    emailKey: text('email_key').notNull(),
    passwordHash: text('password_hash').notNull(),
    createdAt: at('created_at').notNull().defaultNow(),
    /** When its newest link expires; a new link moves it. */
    expiresAt: at('expires_at').notNull(),
    /** Tries at the code of its newest mail. */
    codeAttempts: integer('code_attempts').notNull().default(0),
    spentAt: at('spent_at'),
  },
  (table) => [
    index('registrations_email_key').on(table.emailKey),
    index('registrations_created_at').on(table.createdAt),
  ],
)

/** One signed-in device: a family of refresh tokens of which one generation is current. */
export const sessions = pgTable(
  'sessions',
  {
    id: uuid('id').primaryKey(),
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    /** SHA-256 of the family's 32 random bytes. */
    familyHash: bytea('family_hash').notNull().unique(),
    generation: bigint('generation', { mode: 'number' }).notNull().default(0),
    turnedAt: at('turned_at').notNull().defaultNow(),
    createdAt: at('created_at').notNull().defaultNow(),
    lastUsedAt: at('last_used_at').notNull().defaultNow(),
    /** Idle end, renewed by a turn, never past `endsAt`. */
    expiresAt: at('expires_at').notNull(),
    /** Absolute end, never moved. */
    endsAt: at('ends_at').notNull(),
    /** When the password was last given in this session. */
    authenticatedAt: at('authenticated_at').notNull().defaultNow(),
    revokedAt: at('revoked_at'),
    revokedBecause: text('revoked_because'),
    userAgent: text('user_agent'),
    ip: text('ip'),
  },
  (table) => [
    index('sessions_user_id').on(table.userId, table.createdAt),
    // The absolute end never moves, so a turn touches no index.
    index('sessions_ends_at').on(table.endsAt),
  ],
)

/** One live mail token for each user and purpose: a newer request takes the older one's place. */
export const mailTokens = pgTable(
  'mail_tokens',
  {
    id: uuid('id').primaryKey(),
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    purpose: text('purpose').notNull(),
    newEmail: text('new_email'),
    newEmailKey: text('new_email_key'),
    expiresAt: at('expires_at').notNull(),
    codeAttempts: integer('code_attempts').notNull().default(0),
    spentAt: at('spent_at'),
  },
  (table) => [
    uniqueIndex('mail_tokens_user_purpose').on(table.userId, table.purpose),
    index('mail_tokens_expires_at').on(table.expiresAt),
  ],
)

/** Mail that is owed. Written in the statement that causes it, delivered after the answer. */
export const outbox = pgTable(
  'outbox',
  {
    /** Also the idempotency key at the provider. */
    id: uuid('id').primaryKey(),
    kind: text('kind').notNull(),
    recipient: text('recipient').notNull(),
    /** What the link's token is sealed over; the token itself is never stored. */
    tokenId: uuid('token_id'),
    tokenExpiresAt: at('token_expires_at'),
    createdAt: at('created_at').notNull().defaultNow(),
    attempts: integer('attempts').notNull().default(0),
    nextAttemptAt: at('next_attempt_at').notNull(),
    sentAt: at('sent_at'),
    /** Set when delivery was given up. */
    failedAt: at('failed_at'),
    providerId: text('provider_id'),
  },
  (table) => [
    index('outbox_due')
      .on(table.nextAttemptAt)
      .where(sql`sent_at IS NULL AND failed_at IS NULL`),
    index('outbox_created_at').on(table.createdAt),
  ],
)

/** GCRA: one row a bucket. The key is a keyed hash, so the table names neither an address nor a person. */
export const rateLimits = pgTable('rate_limits', {
  key: bytea('key').primaryKey(),
  theoreticalArrivalAt: at('theoretical_arrival_at').notNull(),
})

/**
 * Wrong passwords in a row, one row a bucket. An attempt is counted before the check and the row goes with a success, so
 * what is left are failures. An address without an account has its row like any other.
 */
export const passwordAttempts = pgTable(
  'password_attempts',
  {
    /** A keyed hash of the address, or a hash of the id of an account, a known browser or a session. */
    key: bytea('key').primaryKey(),
    /** The account that the password is of, where there is one. */
    userId: uuid('user_id'),
    failures: integer('failures').notNull(),
    nextAttemptAt: at('next_attempt_at').notNull(),
  },
  (table) => [index('password_attempts_user_id').on(table.userId)],
)

/** The trail. Append-only; ids are not foreign keys, so it outlives what it tells of. */
export const events = pgTable(
  'events',
  {
    id: bigint('id', { mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    at: at('at').notNull().defaultNow(),
    kind: text('kind').notNull(),
    userId: uuid('user_id'),
    sessionId: uuid('session_id'),
    requestId: text('request_id'),
    ip: text('ip'),
    detail: jsonb('detail'),
  },
  (table) => [
    index('events_user_id').on(table.userId, table.at),
    // For what an operator asks: the last hour, a kind within a week. The trail grows at this index's end alone.
    index('events_at').on(table.at),
    // For the day on which maintenance takes the address out.
    index('events_with_ip')
      .on(table.at)
      .where(sql`ip IS NOT NULL`),
  ],
)

/**
 * Which database is production's: production's deploy writes its own address here. Whoever finds another address than the one they
 * came by looks at a copy, such as a Neon branch.
 */
export const productionDatabase = pgTable('production_database', {
  /** Host, port and name, without user or password (`databaseAddress` in build/production-database.ts). */
  address: text('address').primaryKey(),
  recordedAt: at('recorded_at').notNull().defaultNow(),
})
