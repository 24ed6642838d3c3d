/**
 * People by the thousand, written with SQL and not registered one by one. Everything about a person follows from a number, so
 * the database and this process know the same ids and tokens without telling one another.
 */
import { createHash } from 'node:crypto'
import { Pool } from 'pg'
import { APP_ORIGIN, PASSWORD } from './stack.ts'

export interface Person {
  number: number
  id: string
  email: string
  password: string
  sessionId: string
  /** The `cookie` header of the browser that is signed in. */
  cookie: string
}

export interface People {
  /** Somebody whom no request has been made for, signed in a minute ago: a refresh rotates the session's token. */
  next(): Person
  /** Sees to it that there are that many more. */
  ready(count: number): Promise<void>
  database: Pool
  stop(): Promise<void>
}

/** Milliseconds of the first id: a day well in the past, so that new rows come after these. */
const FIRST_ID_MS = 1_750_000_000_000
const BLOCK = 5_000
/** A prime: those who are there already are asked for in no order that the tables have. */
const STRIDE = 104_729

/** A UUID of version 7 that follows from a number; `column` is SQL for that number. */
export function idSql(kind: string, column: string): string {
  const digest = `md5('${kind} ' || ${column})`
  return `(lpad(to_hex(${FIRST_ID_MS} + ${column}), 12, '0') || '7' || left(${digest}, 3) || '8' || substr(${digest}, 4, 15))::uuid`
}

function idOf(kind: string, number: number): string {
  const digest = createHash('md5').update(`${kind} ${number}`).digest('hex')
  const hex = `${(FIRST_ID_MS + number).toString(16).padStart(12, '0')}7${digest.slice(0, 3)}8${digest.slice(3, 18)}`
  return hex.replace(/(.{8})(.{4})(.{4})(.{4})(.{12})/, '$1-$2-$3-$4-$5')
}

function sha256(data: string | Uint8Array): Buffer {
  return createHash('sha256').update(data).digest()
}

export function emailOf(number: number): string {
  return `person-${number}@bench.example.org`
}

/** SQL for the rows of people from `$1` to `$2`, whose password has the hash `$3`. */
export const INSERT_USERS = `
  INSERT INTO latchkey.users (id, email, email_normalized, password_hash, email_verified_at, created_at)
  SELECT ${idSql('user', 'n')}, 'person-' || n || '@bench.example.org', 'person-' || n || '@bench.example.org', $3, now(), now() - interval '90 days'
  FROM generate_series($1::bigint, $2::bigint) n`

/** One session for each person from `$1` to `$2`, used a minute ago. */
export const INSERT_SESSIONS = `
  INSERT INTO latchkey.sessions (id, user_id, family_hash, method, persistent, rotated_at, created_at, last_used_at, idle_expires_at, absolute_expires_at,
    authenticated_at, client, ip, last_client, last_ip)
  SELECT ${idSql('session', 'n')}, ${idSql('user', 'n')}, sha256(sha256(convert_to('family ' || n, 'UTF8'))), 'password', true,
    now() - interval '1 minute', now() - interval '1 day', now() - interval '1 minute', now() + interval '7 days',
    now() + interval '29 days', now() - interval '1 minute', 'Linux', '10.1.2.3', 'Linux', '10.1.2.3'
  FROM generate_series($1::bigint, $2::bigint) n`

export interface PeopleOptions {
  databaseUrl: string
  passwordHash: string
  /** Who has rows already: those numbers below this one. */
  existing?: number
}

/** After `startBenchStack`: tokens are sealed with this process's environment. */
export async function gatherPeople({
  databaseUrl,
  passwordHash,
  existing = 0,
}: PeopleOptions): Promise<People> {
  const { signRefreshToken } = await import('../lib/crypto/refresh-token.ts')
  const database = new Pool({ connectionString: databaseUrl, max: 4 })
  // Its end with the server's is no fault.
  database.on('error', () => undefined)
  let written = existing
  let used = 0

  return {
    database,
    next() {
      if (used >= written) throw new Error('there is nobody left: ask for more people in advance')
      const number = existing === 0 ? used : (used * STRIDE) % existing
      used += 1
      const token = signRefreshToken({ family: sha256(`family ${number}`), counter: 0 })
      return {
        number,
        id: idOf('user', number),
        email: emailOf(number),
        password: PASSWORD,
        sessionId: idOf('session', number),
        cookie: `__Host-session=${token}; signed-in=1`,
      }
    },
    async ready(count) {
      while (written - used < count) {
        const last = written + BLOCK - 1
        await database.query(INSERT_USERS, [written, last, passwordHash])
        await database.query(INSERT_SESSIONS, [written, last])
        written = last + 1
      }
    },
    stop: () => database.end(),
  }
}

let addresses = 0

/** Headers of a browser on the app's own page, each time from another address. */
export function browserHeaders(cookie?: string): Record<string, string> {
  addresses += 1
  const [a, b, c] = [(addresses >> 16) & 255, (addresses >> 8) & 255, addresses & 255]
  return {
    'sec-fetch-site': 'same-origin',
    origin: APP_ORIGIN,
    'content-type': 'application/json',
    'user-agent': 'Mozilla/5.0 (X11; Linux x86_64)',
    'x-real-ip': `10.${a}.${b}.${c}`,
    ...(cookie !== undefined && { cookie }),
  }
}
