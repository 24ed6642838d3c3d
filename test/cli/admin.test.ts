/** `npm run admin`, on the database that the functions use. */
import { randomBytes, randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { sql } from 'drizzle-orm'
import { Client } from 'pg'
import { beforeEach, describe, expect, test } from 'vitest'
import { commands } from '../../cli/admin/commands.ts'
import { openDatabase } from '../../cli/admin/database.ts'
import { selectEvents } from '../../cli/admin/events.ts'
import { commandHelp, optionsOf, programHelp } from '../../cli/admin/help.ts'
import { events as eventsTable } from '../../drizzle/schema.ts'
import { EVENT_KINDS } from '../../lib/auth/events.ts'
import { lifetimeSeconds } from '../../lib/limits.ts'
import { admin, adminAtTerminal, adminJson, adminProcess } from '../support/admin-program.ts'
import { newBrowser, sendRaw } from '../support/browser.ts'
import { query } from '../support/database.ts'
import {
  emailKindsTo,
  failedBefore,
  emailsTo,
  newAddress,
  newestEmailTo,
  OTHER_PASSWORD,
  PASSWORD,
  registeredPerson,
  signedInPerson,
  tokenIn,
  verifiedPerson,
  type Person,
} from '../support/people.ts'
import { databaseUrl, inbox } from '../support/setup-stack.ts'

beforeEach(() => {
  inbox.fault = undefined
})

const signIn = ({ email }: Person, password = PASSWORD, browser = newBrowser()) =>
  browser.send('login', 'POST', { email, password })

/** Nothing has this id. */
const NO_ID = '00000000-0000-7000-8000-000000000000'

const KEEP_EVENTS_DAYS = lifetimeSeconds.keepEvents / (24 * 60 * 60)

const userOf = async ({ email }: Person) => (await query('SELECT * FROM users WHERE email = $1', email))[0]

const idOf = async (person: Person): Promise<string> => (await userOf(person)).id

async function eventsOf(person: Person, kind: string) {
  const id = await idOf(person)
  return query('SELECT * FROM events WHERE user_id = $1 AND kind = $2 ORDER BY id', id, kind)
}

const liveSessions = async (person: Person): Promise<number> =>
  (await adminJson('account', person.email)).account.liveSessions

/** The id of an email that couldn't be sent yet. */
async function waitingEmail({ email }: Person): Promise<string> {
  inbox.fault = () => ({ kind: 'status', code: 500 })
  await newBrowser().send('reset', 'POST', { email })
  inbox.fault = undefined
  const [row] = await query('SELECT id FROM outbox WHERE recipient = $1 AND sent_at IS NULL', email)
  return row.id
}

/** As if the time had passed in which a session that just ended may have lost a race. */
const passReuseInterval = (person: Person) =>
  query(
    `UPDATE sessions SET revoked_at = revoked_at - interval '1 minute'
     WHERE user_id = (SELECT id FROM users WHERE email = $1)`,
    person.email,
  )

const runMaintenance = () =>
  sendRaw('maintenance', { headers: { authorization: `Bearer ${process.env['CRON_SECRET']}` } })

const longestLine = (text: string) => Math.max(...text.split('\n').map((line) => line.length))

describe('the command line', () => {
  test('--help lists every command, and the help of each has all of its options', async () => {
    const { code, stdout } = await admin(['--help'])
    expect([code, stdout]).toEqual([0, `${programHelp(commands)}\n`])
    for (const command of commands) {
      expect(stdout).toContain(`\n  ${command.name} `)
      const names = optionsOf(command).map(({ name }) => name)
      expect(names).toEqual(expect.arrayContaining(['json', 'help']))
      for (const name of names) expect(commandHelp(command), command.name).toContain(`--${name}`)
    }
    const own = await admin(['events', '--help'])
    expect([own.code, own.stdout]).toEqual([0, expect.stringContaining('--since <time>')])
  })

  test('help fits 80 columns', () => {
    expect(longestLine(programHelp(commands))).toBeLessThanOrEqual(80)
    for (const command of commands)
      expect(longestLine(commandHelp(command)), command.name).toBeLessThanOrEqual(80)
  })

  test.each([
    [[], 'Usage: npm run admin'],
    [['evens'], '"evens"'],
    [['events', '--sicne', '2h'], "'--sicne'"],
    [['account', 'a@b.example', '--yes'], "'--yes'"],
    [['events', '--kind'], '--kind'],
    [['account'], 'address'],
    [['sessions'], 'address'],
    [['stats', 'now'], '"now"'],
    [['events', '--kind', 'session-open'], 'session-created'],
    [['events', '--since', 'yesterday'], '--since'],
    [['events', '--limit', '0'], '--limit'],
    [['events', '--limit', '10001'], '10000'],
    [['revoke-sessions'], '--everyone'],
    [['revoke-sessions', 'a@b.example', '--everyone', '--yes'], '--everyone'],
    [['revoke-sessions', '--session', 'x', '--yes'], '--session'],
    [['set-role', 'a@b.example', '--yes'], '--role'],
    [['set-role', 'a@b.example', '--role', 'Big Boss', '--yes'], '--role'],
    [['resend', 'x', '--yes'], 'id'],
    [['rotate-secret', 'DATABASE_URL'], 'JWT_SECRET'],
  ])('%j is a usage error: exit code 2, nothing on standard output', async (args, named) => {
    const { code, stdout, stderr } = await admin(args)
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toContain(named)
    expect(stderr).toContain('npm run admin -- ')
  })

  test.each([
    ['account', 'nobody@example.org'],
    ['sessions', NO_ID],
    ['events', 'nobody@example.org'],
    ['revoke-sessions', 'nobody@example.org', '--yes'],
    ['revoke-sessions', '--session', NO_ID, '--yes'],
    ['disable', 'nobody@example.org', '--yes'],
    ['enable', 'nobody@example.org', '--yes'],
    ['set-role', 'nobody@example.org', '--role', 'admin', '--yes'],
    ['force-reset', 'nobody@example.org', '--yes'],
    ['resend', NO_ID, '--yes'],
  ])('%s %s: what is missing is named, with exit code 1 and nothing on standard output', async (...args) => {
    const { code, stdout, stderr } = await admin([...args, '--json'])
    expect([code, stdout]).toEqual([1, ''])
    expect(stderr).toMatch(/nobody@example\.org|00000000-0000-7000/)
  })

  test('as a process it answers by exit code and streams: done, failed, wrong usage, nobody to ask', async () => {
    const person = await signedInPerson()
    const stats = await adminProcess(['stats', '--json'])
    expect([stats.code, JSON.parse(stats.stdout).accounts > 0, stats.stderr]).toEqual([0, true, ''])
    expect(await adminProcess(['account', 'nobody@example.org'])).toMatchObject({ code: 1, stdout: '' })
    expect(await adminProcess([])).toMatchObject({ code: 2, stdout: '' })
    expect(await adminProcess(['disable', person.email])).toMatchObject({ code: 2, stdout: '' })
    expect((await userOf(person)).disabled_at).toBeNull()
  })

  test('an address is compared whole', async () => {
    const person = await signedInPerson()
    expect((await admin(['account', newAddress()])).code).toBe(1)
    expect((await admin(['account', `%${person.email.slice(3)}`])).code).toBe(1)
  })
})

describe('the database', () => {
  test.each([
    ['postgresql://someone:nothing@127.0.0.1:1/app', 'ECONNREFUSED'],
    ['postgresql://someone:nothing@no-such-host.invalid/app', "Can't connect to the database: E"],
    [databaseUrl.replace(/[^/]*$/, 'no_such_database'), 'SQLSTATE 3D000'],
    ['mysql://someone:nothing@127.0.0.1/app', 'is not a postgresql:// URL'],
    ['someone:nothing', 'is not a postgresql:// URL'],
    ['', 'DATABASE_URL'],
  ])('that is unusable is reported without its address: %s', async (url, reason) => {
    const { code, stdout, stderr } = await admin(['stats'], { DATABASE_URL: url })
    expect([code, stdout]).toEqual([1, ''])
    expect(stderr).toContain(reason)
    expect(stderr).not.toMatch(/nothing|someone|127\.0\.0\.1|no-such-host|postgres@|no_such/)
  })

  test('without our tables is told from a role without privileges', async () => {
    const empty = await admin(['stats'], { DATABASE_URL: databaseUrl.replace(/[^/]*$/, 'postgres') })
    expect([empty.code, empty.stderr]).toEqual([1, expect.stringContaining('npm run migrate')])

    await query(await readFile('drizzle/runtime-role.sql', 'utf8'))
    await query("ALTER ROLE latchkey_functions LOGIN PASSWORD 'only for this test'")
    const url = new URL(databaseUrl)
    url.username = 'latchkey_functions'
    const { email } = await verifiedPerson()
    const refused = await admin(['disable', email, '--yes'], { DATABASE_URL: url.href })
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('DATABASE_URL_UNPOOLED')])
  })

  test('two addresses of different databases are refused; either one is enough', async () => {
    const other = { DATABASE_URL_UNPOOLED: databaseUrl.replace(/[^/]*$/, 'postgres') }
    const refused = await admin(['stats'], other)
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('DATABASE_URL_UNPOOLED')])
    expect((await admin(['stats'], { DATABASE_URL_UNPOOLED: databaseUrl })).code).toBe(0)
    expect((await admin(['stats'], { DATABASE_URL: '', DATABASE_URL_UNPOOLED: databaseUrl })).code).toBe(0)
  })

  test("can't be changed by a read, and an error has neither statement nor values", async () => {
    const database = await openDatabase(databaseUrl)
    try {
      const change = database.read((reader) => reader.delete(eventsTable).where(sql`kind = 'a value'`))
      await expect(change).rejects.toThrow(/^The database returned an error: SQLSTATE 25006\.$/)
    } finally {
      await database.close()
    }
  })
})

describe('before a change', () => {
  const changing = commands.filter((command) => command.changes)

  test('without a terminal and without --yes nothing changes, and the question names who and how many', async () => {
    const person = await signedInPerson()
    await signIn(person)
    const disabled = await verifiedPerson()
    await admin(['disable', disabled.email, '--yes'])
    const email = await waitingEmail(person)
    const id = await idOf(person)
    const before = await query('SELECT * FROM events ORDER BY id')

    const asked: Record<string, [string[], string[]]> = {
      'revoke-sessions': [[person.email], ['2 live sessions', person.email, id]],
      disable: [[person.email], ['2 live sessions', person.email, id]],
      enable: [[disabled.email], [disabled.email, await idOf(disabled)]],
      'set-role': [
        [person.email, '--role', 'admin'],
        ['from user to admin', person.email, id],
      ],
      'force-reset': [[person.email], ['2 live sessions', person.email, id]],
      resend: [[email], [email, 'reset-password', person.email]],
      purge: [[], [`${KEEP_EVENTS_DAYS} days`]],
    }
    expect(Object.keys(asked).toSorted()).toEqual(changing.map(({ name }) => name).toSorted())
    for (const [name, [args, named]] of Object.entries(asked)) {
      const { code, stdout, stderr } = await admin([name, ...args])
      expect([code, stdout], name).toEqual([2, ''])
      for (const part of ['--yes', ...named]) expect(stderr, name).toContain(part)
    }
    const everyone = await admin(['revoke-sessions', '--everyone'])
    expect([everyone.code, everyone.stderr]).toEqual([
      2,
      expect.stringMatching(/\d+ live sessions of \d+ account/),
    ])
    expect(await query('SELECT * FROM events ORDER BY id')).toEqual(before)
    expect(await liveSessions(person)).toBe(2)
  })

  test('a terminal shows the database, and only yes means yes', async () => {
    const person = await signedInPerson()
    for (const typed of ['no\r', '\r', 'y\r', '\u0003', '\u0004']) {
      const { code, stdout } = await adminAtTerminal(['revoke-sessions', person.email], () => typed)
      expect(code, JSON.stringify(typed)).toBe(1)
      const { host, pathname } = new URL(databaseUrl)
      expect(stdout).toContain(`Database ${host}${pathname}`)
    }
    expect(await liveSessions(person)).toBe(1)
    const { code } = await adminAtTerminal(['revoke-sessions', person.email], () => 'yes\r')
    expect(code).toBe(0)
    expect(await liveSessions(person)).toBe(0)
  })
})

describe('account', () => {
  test('is found by its address in any case and by its id', async () => {
    const person = await signedInPerson()
    await signIn(person, OTHER_PASSWORD)
    const id = await idOf(person)
    for (const subject of [person.email.toUpperCase(), id]) {
      const found = await adminJson('account', subject)
      expect(found.account).toMatchObject({
        id,
        email: person.email,
        role: 'user',
        disabledAt: null,
        hasPassword: true,
        liveSessions: 1,
      })
      expect(found.attempts).toEqual([
        { countedFor: 'account', failures: 1, locked: false, nextAttemptAt: expect.any(String) },
      ])
      expect(found.events.map((event: { kind: string }) => event.kind)).toEqual([
        'login-failed',
        'session-created',
        'account-created',
      ])
    }
    const { code, stdout } = await admin(['account', person.email])
    expect(code).toBe(0)
    expect(stdout).toMatch(new RegExp(`^account +${id}$`, 'm'))
    expect(stdout).toMatch(/^live sessions +1$/m)
    expect(stdout).toMatch(/^account +1 +no +\d{4}-/m)
    expect(stdout).toContain('session-created')
  })

  test('shows a locked password, a valid link and an unsent email', async () => {
    const person = await verifiedPerson()
    await signIn(person, OTHER_PASSWORD)
    await failedBefore(person.email, 100)
    const emailId = await waitingEmail(person)
    const found = await adminJson('account', person.email)
    expect(found.attempts).toEqual([expect.objectContaining({ failures: 100, locked: true })])
    expect(found.links).toEqual([{ purpose: 'reset', expiresAt: expect.any(String) }])
    expect(found.emails).toEqual([
      expect.objectContaining({ id: emailId, kind: 'reset-password', failedAt: null, attempts: 1 }),
    ])
    const { stdout } = await admin(['account', person.email])
    expect(stdout).toMatch(/^account +100 +yes /m)
    expect(stdout).toMatch(/^reset +\d{4}-/m)
    expect(stdout).toContain(emailId)
    expect(longestLine(stdout)).toBeLessThanOrEqual(80)
  })

  test("counts failures of a signed-in session's own bucket apart from the account's", async () => {
    const person = await signedInPerson()
    await person.browser.send('account', 'PATCH', { currentPassword: OTHER_PASSWORD, newPassword: PASSWORD })
    expect((await adminJson('account', person.email)).attempts).toEqual([
      expect.objectContaining({ countedFor: 'device-or-session', failures: 1 }),
    ])
  })

  test('shows pending registrations where there is no account', async () => {
    const { email } = await registeredPerson()
    const found = await adminJson('account', email)
    expect([found.account, found.registrations.length]).toEqual([null, 1])
    const { code, stdout } = await admin(['account', email])
    expect([code, stdout]).toEqual([0, expect.stringContaining(found.registrations[0].id)])
    expect(longestLine(stdout)).toBeLessThanOrEqual(80)
  })

  test('no command prints a password hash, a family hash, a token or the key of a bucket', async () => {
    const person = await signedInPerson()
    await signIn(person, OTHER_PASSWORD)
    await newBrowser().send('reset', 'POST', { email: person.email })
    const secrets = [
      ...(await query('SELECT password_hash AS text FROM users')),
      ...(await query("SELECT encode(family_hash, 'hex') AS text FROM sessions")),
      ...(await query("SELECT encode(key, 'hex') AS text FROM login_attempts")),
      { text: tokenIn(await newestEmailTo(person.email)) },
      { text: person.browser.cookies.get('__Host-session') ?? '' },
    ].map(({ text }: { text: string }) => text)
    for (const args of [
      ['account', person.email],
      ['sessions', person.email],
      ['events'],
      ['emails'],
      ['stats'],
    ]) {
      for (const form of [args, [...args, '--json']]) {
        const { stdout } = await admin(form)
        for (const secret of secrets) expect(stdout.includes(secret), `${args[0]}: ${secret}`).toBe(false)
      }
    }
  })

  test("[ASVS 16.4.1] what a stranger sent can't control the terminal", async () => {
    const person = await signedInPerson()
    const hostile = 'x\u001b[2J\u009b31m\u202e\r\nlive'
    const id = await idOf(person)
    await query('UPDATE sessions SET ip = $2, client = $2, last_client = $2 WHERE user_id = $1', id, hostile)
    await query(
      'UPDATE events SET ip = $2, request_id = $2, detail = $3 WHERE user_id = $1',
      id,
      hostile,
      JSON.stringify({ [hostile]: hostile }),
    )
    for (const command of ['sessions', 'events', 'account']) {
      for (const form of [[], ['--json']]) {
        const { stdout } = await admin([command, person.email, ...form])
        expect(stdout.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}]/u)
        expect(stdout).toContain('[2J')
      }
    }
    const [session] = (await adminJson('sessions', person.email)).sessions
    expect(session.ip).toBe(hostile)
  })
})

describe('sessions', () => {
  test('are listed with where they were opened and last used, and why each was revoked', async () => {
    const person = await signedInPerson()
    const second = newBrowser()
    await second.send('login', 'POST', { email: person.email, password: PASSWORD, remember: false })
    await second.send('logout', 'POST', {})
    const { sessions } = await adminJson('sessions', person.email)
    expect(sessions).toEqual([
      expect.objectContaining({
        state: 'live',
        method: 'email',
        persistent: true,
        client: 'Firefox on Linux',
        ip: person.browser.ip,
        lastClient: 'Firefox on Linux',
        lastIp: person.browser.ip,
        revokedAt: null,
      }),
      expect.objectContaining({
        state: 'revoked',
        method: 'password',
        persistent: false,
        revocationReason: 'logout',
      }),
    ])
    const { stdout } = await admin(['sessions', person.email])
    expect(stdout).toMatch(new RegExp(`^${sessions[0].id}  live`, 'm'))
    expect(stdout).toMatch(/revoked +\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ +logout$/m)
    expect(longestLine(stdout)).toBeLessThanOrEqual(80)
  })

  test('one that was not used in time is shown as expired', async () => {
    const person = await signedInPerson()
    await query(
      "UPDATE sessions SET idle_expires_at = now() - interval '1 s' WHERE user_id = $1",
      await idOf(person),
    )
    const { sessions } = await adminJson('sessions', person.email)
    expect(sessions).toEqual([expect.objectContaining({ state: 'expired' })])
    expect((await admin(['sessions', person.email])).stdout).toMatch(/^ +expired +\d{4}-/m)
    const revoked = await adminJson('revoke-sessions', '--session', sessions[0].id)
    expect(revoked).toEqual({ revokedSessions: 0 })
  })

  test("[ASVS 7.4.5] an account's are revoked, nobody else's, and the audit log names the operator", async () => {
    const [person, other] = [await signedInPerson(), await signedInPerson()]
    const second = newBrowser()
    await signIn(person, PASSWORD, second)
    const { code, stdout } = await admin(['revoke-sessions', person.email, '--yes', '--as', 'anna at work'])
    expect([code, stdout]).toEqual([0, expect.stringContaining('2 sessions')])
    await passReuseInterval(person)
    for (const browser of [person.browser, second]) {
      const response = await browser.send('refresh', 'POST', {})
      expect([response.status, response.body.code]).toEqual([401, 'session-ended'])
      expect(response.setCookies.join()).toMatch(/__Host-session=;.*Max-Age=0/)
      expect(browser.cookies.has('__Host-session')).toBe(false)
    }
    expect((await other.browser.send('refresh', 'POST', {})).status).toBe(200)
    const events = await eventsOf(person, 'session-revoked')
    expect(events.map(({ detail, ip }) => [detail, ip])).toEqual([
      [{ reason: 'operator' }, null],
      [{ reason: 'operator' }, null],
    ])
    expect(new Set(events.map(({ request_id: id }) => id)).size).toBe(1)
    expect(events[0].request_id).toMatch(/^operator:anna-at-work:[0-9a-f-]{36}$/)
    expect((await signIn(person)).status).toBe(200)
  })

  test('one is revoked and the others are not; doing it again changes nothing', async () => {
    const person = await signedInPerson()
    await signIn(person)
    const { body } = await person.browser.send('sessions', 'GET')
    expect(await adminJson('revoke-sessions', '--session', body.current, '--yes')).toEqual({
      revokedSessions: 1,
    })
    expect((await person.browser.send('account', 'GET')).status).toBe(401)
    expect(await liveSessions(person)).toBe(1)
    // There is nothing to ask.
    expect(await adminJson('revoke-sessions', '--session', body.current)).toEqual({ revokedSessions: 0 })
    expect(await eventsOf(person, 'session-revoked')).toHaveLength(1)
  })

  test("[ASVS 7.4.5] everyone's are revoked, however many, each with an event; people can sign in again", async () => {
    const people = [await signedInPerson(), await signedInPerson()]
    const id = await idOf(people[0]!)
    // More than are revoked at once.
    await query(
      `INSERT INTO sessions (id, user_id, family_hash, method, persistent, idle_expires_at, absolute_expires_at)
       SELECT gen_random_uuid(), $1, sha256(n::text::bytea), 'password', true, tomorrow, tomorrow
       FROM generate_series(1, 2500) n, (SELECT now() + interval '1 day' AS tomorrow)`,
      id,
    )
    const [{ live }] = await query(
      'SELECT count(*)::int AS live FROM sessions WHERE revoked_at IS NULL AND idle_expires_at > now()',
    )
    expect(live).toBeGreaterThan(2500)
    expect(await adminJson('revoke-sessions', '--everyone', '--yes')).toEqual({ revokedSessions: live })
    for (const person of people) {
      await passReuseInterval(person)
      expect((await person.browser.send('refresh', 'POST', {})).body.code).toBe('session-ended')
      expect((await signIn(person)).status).toBe(200)
    }
    expect(await eventsOf(people[0]!, 'session-revoked')).toHaveLength(2501)
  })
})

describe('disable, enable, set-role, force-reset', () => {
  test('[ASVS 7.4.2] a disabled account lets nobody in; enabled, its old sessions stay revoked', async () => {
    const person = await signedInPerson()
    const { id, security_version: version } = await userOf(person)
    expect(await adminJson('disable', person.email, '--yes')).toEqual({
      account: { id, email: person.email },
      disabled: true,
      revokedSessions: 1,
    })
    await passReuseInterval(person)
    expect((await person.browser.send('refresh', 'POST', {})).body.code).toBe('session-ended')
    expect(person.browser.cookies.has('__Host-session')).toBe(false)
    expect((await signIn(person)).body.code).toBe('invalid-credentials')
    expect((await admin(['account', person.email])).stdout).toMatch(/^disabled +\d{4}-/m)
    // There is nothing to ask.
    expect(await adminJson('disable', person.email)).toMatchObject({ disabled: false })

    expect(await adminJson('enable', person.email, '--yes')).toMatchObject({ enabled: true })
    expect((await signIn(person)).status).toBe(200)
    expect(await liveSessions(person)).toBe(1)
    expect(await adminJson('enable', person.email)).toMatchObject({ enabled: false })
    const events = [
      ...(await eventsOf(person, 'account-disabled')),
      ...(await eventsOf(person, 'account-enabled')),
    ]
    expect(events.map(({ kind, detail }) => [kind, detail])).toEqual([
      ['account-disabled', { by: 'operator' }],
      ['account-enabled', { by: 'operator' }],
    ])
    expect((await userOf(person)).security_version).toBe(version + 2)
  })

  test('a new role is there at the next refresh, with an event; sessions stay', async () => {
    const person = await signedInPerson()
    const { id, security_version: version } = await userOf(person)
    expect(await adminJson('set-role', person.email, '--role', 'admin', '--yes')).toEqual({
      account: { id, email: person.email },
      role: 'admin',
      changed: true,
    })
    const { status, body } = await person.browser.send('refresh', 'POST', {})
    expect([status, body.user.role]).toEqual([200, 'admin'])
    // There is nothing to ask.
    expect(await adminJson('set-role', person.email, '--role', 'admin')).toMatchObject({ changed: false })
    const events = await eventsOf(person, 'role-changed')
    expect(events.map(({ detail }) => detail)).toEqual([{ from: 'user', to: 'admin', by: 'operator' }])
    expect((await userOf(person)).security_version).toBe(version + 1)
  })

  test('[ASVS 6.2.10] a forced reset removes password and sessions; the emailed link sets a new one', async () => {
    const person = await signedInPerson()
    await signIn(person, OTHER_PASSWORD)
    const before = (await emailsTo(person.email)).length
    const reset = await adminJson('force-reset', person.email, '--yes')
    expect(reset).toMatchObject({ revokedSessions: 1, emailId: expect.any(String) })
    expect((await userOf(person)).password_hash).toBeNull()
    for (const browser of [person.browser, newBrowser()]) {
      expect((await signIn(person, PASSWORD, browser)).body.code).toBe('invalid-credentials')
    }
    const found = await adminJson('account', person.email)
    expect(found.account).toMatchObject({ hasPassword: false, liveSessions: 0 })
    expect(found.links).toEqual([{ purpose: 'reset', expiresAt: reset.linkExpiresAt }])
    for (const kind of ['password-locked', 'reset-requested']) {
      expect((await eventsOf(person, kind)).map(({ detail }) => detail)).toEqual([{ by: 'operator' }])
    }

    // Nothing was sent yet, but it is due at once.
    expect(await emailsTo(person.email)).toHaveLength(before)
    await runMaintenance()
    expect((await emailKindsTo(person.email)).at(-1)).toBe('reset-required')
    const token = tokenIn(await newestEmailTo(person.email))
    const response = await newBrowser().send('reset', 'PUT', { token, password: OTHER_PASSWORD })
    expect(response.status).toBe(200)
    expect((await signIn(person, OTHER_PASSWORD)).status).toBe(200)
    expect((await signIn(person, PASSWORD)).status).toBe(401)
  })

  test('a forced reset of a disabled account queues no email', async () => {
    const person = await verifiedPerson()
    await admin(['disable', person.email, '--yes'])
    expect(await adminJson('force-reset', person.email, '--yes')).toMatchObject({
      emailId: null,
      linkExpiresAt: null,
    })
    const { emails, account } = await adminJson('account', person.email)
    expect([emails, account.hasPassword]).toEqual([[], false])
  })

  test.each(['force-reset', 'disable', 'revoke-sessions'])(
    'a login under way during %s leaves no session behind',
    async (command) => {
      const person = await signedInPerson()
      const holder = new Client({ connectionString: databaseUrl })
      await holder.connect()
      const waiting = async () => {
        const [row] = await query(
          `SELECT count(*)::int AS count FROM pg_stat_activity
           WHERE wait_event_type = 'Lock' AND datname = current_database()`,
        )
        return row.count
      }
      let login: ReturnType<typeof signIn> | undefined
      const done = adminAtTerminal([command, person.email], async () => {
        await holder.query('BEGIN')
        await holder.query('SELECT FROM latchkey.users WHERE email = $1 FOR UPDATE', [person.email])
        // The login has checked the password and waits for the account; then the command does.
        login = signIn(person)
        await expect.poll(waiting, { timeout: 4_000 }).toBe(1)
        return 'yes\r'
      })
      await expect.poll(waiting, { timeout: 20_000 }).toBe(2)
      await holder.query('COMMIT')
      await holder.end()
      expect((await login)?.status).toBe(200)
      expect((await done).code).toBe(0)
      expect(await liveSessions(person)).toBe(0)
    },
  )
})

describe('events', () => {
  const kinds = async (...args: string[]): Promise<string[]> =>
    (await adminJson('events', ...args)).events.map((event: { kind: string }) => event.kind)

  test('are found by account, kind and time, newest first, up to a limit', async () => {
    const person = await signedInPerson()
    const id = await idOf(person)
    await signIn(person, OTHER_PASSWORD)
    await query(
      `UPDATE events SET created_at = created_at - interval '3 hours'
       WHERE user_id = $1 AND kind = 'account-created'`,
      id,
    )
    expect(await kinds(person.email)).toEqual(['login-failed', 'session-created', 'account-created'])
    expect(await kinds(id, '--since', '2h')).toEqual(['login-failed', 'session-created'])
    expect(await kinds(id, '--until', '2h')).toEqual(['account-created'])
    expect(await kinds(id, '--kind', 'session-created')).toEqual(['session-created'])
    expect(await kinds(id, '--limit', '1')).toEqual(['login-failed'])
    expect(await kinds(id, '--since', '2000-01-01', '--until', '2000-01-02T00:00Z')).toEqual([])
    expect(await kinds('--kind', 'login-failed', '--since', '30m', '--limit', '1')).toEqual(['login-failed'])
    const { stdout } = await admin(['events', '--limit', '3'])
    expect(stdout).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ  login-failed  subject: account$/m)
    expect(stdout).toContain(id)
    expect(longestLine(stdout)).toBeLessThanOrEqual(80)
    expect((await admin(['events', id, '--until', '2000-01-01'])).code).toBe(0)
  })

  test('[ASVS 16.1.1] are of exactly the kinds that the engine writes', async () => {
    const rows = await query("SELECT prosrc FROM pg_proc WHERE pronamespace = 'latchkey'::regnamespace")
    const sources = rows.map(({ prosrc }) => prosrc).join('\n')
    const written = [
      ...sources.matchAll(/write_event\((CASE[^]*?END|'[\w-]+')|INSERT INTO events[^;]*?SELECT ('[\w-]+')/g),
    ]
      .map(([, call, insert]) => call ?? insert ?? '')
      .flatMap((kind) => [...kind.matchAll(/(?:^|THEN |ELSE )'([\w-]+)'/g)].map(([, name]) => name))
    expect([...new Set(written)].toSorted()).toEqual(EVENT_KINDS.toSorted())
  })

  test('of a deleted account are found by its id, without IP addresses', async () => {
    const person = await signedInPerson()
    const id = await idOf(person)
    expect((await person.browser.send('account', 'DELETE')).status).toBe(204)
    const { events } = await adminJson('events', id)
    expect(events[0]).toMatchObject({ kind: 'account-deleted' })
    expect(events.map((event: { ip: unknown }) => event.ip)).toEqual(events.map(() => null))
    expect((await admin(['events', person.email])).code).toBe(1)
  })

  test('are read by an index, however many there are: of an account, of a time, of a kind in a time', async () => {
    // Older than the months with a partition, so that one partition has them all.
    const day = 24 * 60 * 60 * 1000
    const last = new Date(Date.now() - 35 * day)
    await query(
      `INSERT INTO events (created_at, kind, user_id)
       SELECT $1::timestamptz - n * interval '1 minute', 'login-failed', gen_random_uuid()
       FROM generate_series(1, 100000) n`,
      last,
    )
    await query('ANALYZE events')
    const filters = [
      { userId: randomUUID() },
      { userId: randomUUID(), since: new Date(last.getTime() - day) },
      { since: new Date(last.getTime() - day / 24) },
      { since: new Date(last.getTime() - day), kind: 'refresh-token-reused' },
    ]
    const database = await openDatabase(databaseUrl)
    try {
      for (const filter of filters) {
        const { rows } = await database.read((reader) =>
          reader.execute(sql`EXPLAIN ${selectEvents(reader, { ...filter, limit: 50 })}`),
        )
        const plan = rows.map((row) => row['QUERY PLAN']).join('\n')
        expect(plan).toContain('events_default')
        expect(plan).not.toContain('Seq Scan on events_default')
      }
    } finally {
      await database.close()
    }
    await query("DELETE FROM events_default WHERE kind = 'login-failed' AND request_id IS NULL")
  })
})

describe('emails', () => {
  test('one that failed is listed, and is sent once after resend', async () => {
    const person = await verifiedPerson()
    const before = (await emailsTo(person.email)).length
    inbox.fault = () => ({ kind: 'status', code: 422 })
    await newBrowser().send('reset', 'POST', { email: person.email })
    inbox.fault = undefined
    const { emails } = await adminJson('emails')
    const email = emails.find((each: { recipient: string }) => each.recipient === person.email)
    expect(email).toMatchObject({ kind: 'reset-password', nextAttemptAt: null, failedAt: expect.any(String) })
    const { stdout } = await admin(['emails'])
    expect(stdout).toContain(email.id)
    expect(longestLine(stdout)).toBeLessThanOrEqual(80)

    expect(await adminJson('resend', email.id, '--yes')).toEqual({
      requeued: true,
      email: { id: email.id, kind: 'reset-password', recipient: person.email },
    })
    const [event] = await eventsOf(person, 'email-requeued')
    expect(event.detail).toEqual({ email: email.id, by: 'operator' })
    await runMaintenance()
    expect(await emailsTo(person.email)).toHaveLength(before + 1)
    const token = tokenIn(await newestEmailTo(person.email))
    const response = await newBrowser().send('reset', 'PUT', { token, password: OTHER_PASSWORD })
    expect(response.status).toBe(200)
    expect((await admin(['resend', email.id, '--yes'])).code).toBe(1)
    await runMaintenance()
    expect((await emailKindsTo(person.email)).filter((kind) => kind === 'reset-password')).toHaveLength(1)
  })

  test('one whose link has expired is not retried', async () => {
    const person = await verifiedPerson()
    const id = await waitingEmail(person)
    await query("UPDATE outbox SET token_expires_at = now() - interval '1 second' WHERE id = $1", id)
    const { code, stderr } = await admin(['resend', id, '--yes'])
    expect([code, stderr]).toEqual([1, expect.stringContaining('expired')])
    expect(await eventsOf(person, 'email-requeued')).toEqual([])
  })
})

describe('rotate-secret', () => {
  test('generates a new secret, and keeps the current one until everything it signed has expired', async () => {
    const generated = await Promise.all([
      adminJson('rotate-secret'),
      adminJson('rotate-secret', 'JWT_SECRET'),
    ])
    expect(new Set(generated.map(({ secret }) => secret)).size).toBe(2)
    for (const { variable, secret, steps } of generated) {
      expect(variable).toBe('JWT_SECRET')
      expect(Buffer.from(secret, 'base64')).toHaveLength(32)
      const values = steps.map((step: { value: string }) => step.value)
      expect(values).toEqual(['current,new', 'new,current', 'new'])
      const [, signs, only] = steps.map((step: { from: string }) => Date.parse(step.from))
      expect((only - signs) / 1000).toBe(lifetimeSeconds.sessionAbsolute)
    }
  })

  test('needs no database and never prints the current value', async () => {
    const current = randomBytes(32).toString('base64')
    for (const variable of ['JWT_SECRET', 'CRON_SECRET']) {
      const { code, stdout } = await admin(['rotate-secret', variable], {
        DATABASE_URL: '',
        [variable]: current,
      })
      expect(code).toBe(0)
      expect(stdout).not.toContain(current)
      expect(stdout).toContain(`${variable}=new`)
      expect(longestLine(stdout)).toBeLessThanOrEqual(80)
    }
  })
})

describe('stats and purge', () => {
  test('stats are the numbers of rows', async () => {
    await query('DELETE FROM outbox')
    const before = await adminJson('stats')
    const person = await signedInPerson()
    await signIn(person, OTHER_PASSWORD)
    await failedBefore(person.email, 100)
    await registeredPerson()
    const disabled = await verifiedPerson()
    await admin(['disable', disabled.email, '--yes'])
    const email = await waitingEmail(person)
    await query("UPDATE outbox SET created_at = now() - interval '10 hours' WHERE id = $1", email)
    const after = await adminJson('stats')
    const grown = Object.fromEntries(Object.keys(after).map((name) => [name, after[name] - before[name]]))
    expect(grown).toMatchObject({
      accounts: 2,
      disabledAccounts: 1,
      pendingRegistrations: 1,
      liveSessions: 1,
      sessionsCreatedLastHour: 1,
      sessionsCreatedLastDay: 1,
      failedLoginsLastHour: 1,
      failedLoginsLastDay: 1,
      refreshTokenReusesLastDay: 0,
      lockedPasswords: 1,
      waitingEmails: 1,
      failedEmails: 0,
    })
    expect(after.oldestWaitingSeconds).toBeGreaterThanOrEqual(36_000)
    const { code, stdout } = await admin(['stats'])
    expect(code).toBe(0)
    expect(stdout).toMatch(new RegExp(`^live sessions +${after.liveSessions}$`, 'm'))
    expect(longestLine(stdout)).toBeLessThanOrEqual(80)
  })

  test('[ASVS 14.2.7] purge removes what has expired, batch by batch, and old events; the rest stays', async () => {
    const person = await signedInPerson()
    const id = await idOf(person)
    await query(
      `INSERT INTO rate_limits (key, theoretical_arrival_at)
       SELECT sha256(n::text::bytea), now() - interval '1 hour' FROM generate_series(1, 20500) n`,
    )
    await query(
      `INSERT INTO sessions (id, user_id, family_hash, method, persistent, idle_expires_at, absolute_expires_at)
       SELECT gen_random_uuid(), $1, sha256('old'), 'password', true, yesterday, yesterday
       FROM (SELECT now() - interval '1 day' AS yesterday)`,
      id,
    )
    await query(
      "CREATE TABLE events_2001_01 PARTITION OF events FOR VALUES FROM ('2001-01-01Z') TO ('2001-02-01Z')",
    )
    await query(
      `INSERT INTO events (created_at, kind, user_id)
       SELECT now() - make_interval(days => days), 'login-failed', $1 FROM unnest($2::int[]) AS days
       UNION ALL SELECT '2001-01-31Z', 'login-failed', $1::uuid`,
      id,
      [KEEP_EVENTS_DAYS - 1, KEEP_EVENTS_DAYS + 1, 2 * KEEP_EVENTS_DAYS],
    )
    const { removed, droppedPartitions } = await adminJson('purge', '--yes')
    expect(removed).toMatchObject({ sessions: 1, events: 2 })
    expect(removed.rateLimits).toBeGreaterThanOrEqual(20_500)
    expect(droppedPartitions).toEqual(['events_2001_01'])
    expect(
      await query("SELECT FROM rate_limits WHERE theoretical_arrival_at < now() - interval '50 min'"),
    ).toEqual([])
    expect(await eventsOf(person, 'login-failed')).toHaveLength(1)
    const purged = "SELECT detail FROM events WHERE kind = 'events-purged'"
    expect((await query(purged)).map(({ detail }) => detail)).toEqual([
      expect.objectContaining({ partitions: ['events_2001_01'], before: expect.any(String) }),
    ])
    expect((await person.browser.send('account', 'GET')).status).toBe(200)

    const again = await adminJson('purge', '--yes')
    expect([again.removed.events, again.droppedPartitions]).toEqual([0, []])
    expect(await query(purged)).toHaveLength(1)
  })
})

describe('docs/operator.md', async () => {
  const page = await readFile('docs/operator.md', 'utf8')
  const examples = [...page.matchAll(/^npm run (?:--silent )?admin -- (?!--help)(.+)$/gm)].map(
    ([, line = '']) => line.replace(/ +#.*$/, '').split(' '),
  )

  test('has an example of every command', () => {
    expect(new Set(examples.map(([name]) => name))).toEqual(new Set(commands.map(({ name }) => name)))
  })

  test('has examples that work', async () => {
    const person = await signedInPerson()
    const { body } = await person.browser.send('sessions', 'GET')
    const given = new Map([
      ['person@example.org', person.email],
      ['SESSION', body.current],
      ['EMAIL', await waitingEmail(person)],
    ])
    for (const words of examples) {
      const args = words.map((word) => given.get(word) ?? word)
      const changes = commands.find(({ name }) => name === words[0])?.changes === true
      const { code, stderr } = await admin(changes ? [...args, '--yes'] : args)
      expect([code, stderr], words.join(' ')).toEqual([0, ''])
    }
  }, 60_000)
})

test.each([['disable'], ['enable'], ['set-role', '--role', 'admin'], ['force-reset']])(
  'where the account is deleted while %s asks, nothing is written',
  async (name, ...options) => {
    const person = await signedInPerson()
    if (name === 'enable') await admin(['disable', person.email, '--yes'])
    let before: unknown
    const { code } = await adminAtTerminal([name, person.email, ...options], async () => {
      await query('DELETE FROM users WHERE email = $1', person.email)
      before = await query('SELECT count(*) FROM events')
      return 'yes\r'
    })
    expect(code).toBe(1)
    expect(await query('SELECT count(*) FROM events')).toEqual(before)
  },
)
