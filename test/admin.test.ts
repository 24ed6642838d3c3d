/** `npm run admin`, run as a process on the database that the functions use. */
import { randomBytes, randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { Client } from 'pg'
import { beforeEach, describe, expect, test } from 'vitest'
import { SESSION_LIFETIME_SECONDS } from '../lib/sessions.ts'
import { commandHelp, optionsOf } from '../admin/help.ts'
import { commands } from '../admin/commands.ts'
import { KEEP_EVENTS_DAYS } from '../admin/purge.ts'
import { admin, adminAtTerminal, adminJson } from './admin-program.ts'
import { newBrowser, sendRaw } from './browser.ts'
import { query } from './database.ts'
import {
  failedBefore,
  mailsTo,
  newAddress,
  newestMailTo,
  OTHER_PASSWORD,
  PASSWORD,
  registeredPerson,
  signedInPerson,
  tokenIn,
  verifiedPerson,
  type Person,
} from './people.ts'
import { databaseUrl, inbox } from './setup-stack.ts'

beforeEach(() => {
  inbox.fault = undefined
})

const signIn = ({ email }: Person, password = PASSWORD, browser = newBrowser()) =>
  browser.send('login', 'POST', { email, password })

/** No id of anything. */
const NOBODY = '00000000-0000-7000-8000-000000000000'

const idOf = async ({ email }: Person): Promise<string> =>
  (await query('SELECT id FROM users WHERE email = $1', email))[0].id

async function eventsOf(person: Person, kind: string) {
  const id = await idOf(person)
  return query('SELECT * FROM events WHERE user_id = $1 AND kind = $2 ORDER BY id', id, kind)
}

const liveSessions = async (person: Person): Promise<number> =>
  (await adminJson('account', person.email)).account.liveSessions

/** The id of a mail that could not go yet. */
async function waitingMail({ email }: Person): Promise<string> {
  inbox.fault = () => ({ kind: 'status', code: 500 })
  await newBrowser().send('reset', 'POST', { email })
  inbox.fault = undefined
  const [row] = await query('SELECT id FROM outbox WHERE recipient = $1 AND sent_at IS NULL', email)
  return row.id
}

/** As if the window in which a lost race clears nothing had passed. */
const passWindow = (person: Person) =>
  query(
    `UPDATE sessions SET revoked_at = revoked_at - interval '1 minute'
     WHERE user_id = (SELECT id FROM users WHERE email = $1)`,
    person.email,
  )

const runMaintenance = () =>
  sendRaw('maintenance', { headers: { authorization: `Bearer ${process.env['CRON_SECRET']}` } })

describe('the command line', () => {
  test('--help lists every command, and each has a --help with all of its options; the exit code is 0', async () => {
    const { code, stdout } = await admin(['--help'])
    expect(code).toBe(0)
    for (const command of commands) {
      const listed = new RegExp(
        `^  ${command.name}(?: [[<].*[\\]>])? {2,}${command.summary.slice(0, 20)}`,
        'm',
      )
      expect(stdout).toMatch(listed)
      for (const { name } of optionsOf(command))
        expect(commandHelp(command), command.name).toContain(`--${name}`)
      expect(optionsOf(command).map(({ name }) => name)).toEqual(expect.arrayContaining(['json', 'help']))
    }
    const own = await admin(['events', '--help'])
    expect([own.code, own.stdout]).toEqual([
      0,
      `${commandHelp(commands.find(({ name }) => name === 'events')!)}\n`,
    ])
  })

  test.each([
    [[], 'Usage: npm run admin'],
    [['evens'], 'There is no command "evens".'],
    [['events', '--sicne', '2h'], "Unknown option '--sicne'."],
    [['account', 'a@b.example', '--yes'], "Unknown option '--yes'."],
    [['events', '--kind'], "Option '--kind <value>' argument missing."],
    [['account'], 'Give an address or an id.'],
    [['stats', 'now'], 'There is one word too many: "now".'],
    [
      ['events', '--kind', 'session-open'],
      'There is no event session-open. There are: registration-requested,',
    ],
    [['events', '--since', 'yesterday'], '--since is like 30m, 2h, 7d, 2030-01-31'],
    [['events', '--limit', '0'], '--limit is a number from 1 to 10000.'],
    [['end-sessions'], 'Give one of: an address or id, --session with its id, --everyone.'],
    [['end-sessions', '--session', 'x', '--yes'], '--session is an id'],
    [['resend', 'x', '--yes'], "Give a mail's id"],
    [['rotate-secret', 'DATABASE_URL'], 'JWT_SECRET and CRON_SECRET are made here.'],
  ])('%j: is answered in words, with exit code 2 and nothing on the standard output', async (args, words) => {
    const { code, stdout, stderr } = await admin(args)
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toContain(words)
    expect(stderr).toMatch(/npm run admin -- /)
  })

  test.each([
    [['account', 'nobody@example.org'], 'No account has the address or id nobody@example.org.'],
    [['sessions', NOBODY], 'No account has the address or id '],
    [['events', 'nobody@example.org'], 'No account has the address or id nobody@example.org.'],
    [['end-sessions', 'nobody@example.org', '--yes'], 'No account has the address or id nobody@example.org.'],
    [['end-sessions', '--session', NOBODY, '--yes'], 'There is no session '],
    [['disable', 'nobody@example.org', '--yes'], 'No account has the address or id nobody@example.org.'],
    [['enable', 'nobody@example.org', '--yes'], 'No account has the address or id nobody@example.org.'],
    [['force-reset', 'nobody@example.org', '--yes'], 'No account has the address or id nobody@example.org.'],
    [['resend', NOBODY, '--yes'], 'There is no mail '],
  ])('%j: who or what is not there is named, with exit code 1', async (args, words) => {
    const { code, stdout, stderr } = await admin([...args, '--json'])
    expect([code, stdout]).toEqual([1, ''])
    expect(stderr).toContain(words)
  })

  test.each([
    ['postgresql://someone:nothing@127.0.0.1:1/app', 'could not be reached: ECONNREFUSED'],
    ['postgresql://someone:nothing@no-such-host.invalid/app', 'could not be reached: E'],
    [databaseUrl.replace(/[^/]*$/, 'no_such_database'), 'could not be reached: SQLSTATE 3D000'],
    ['mysql://someone:nothing@127.0.0.1/app', 'is not a postgresql:// address'],
    ['someone:nothing', 'is not a postgresql:// address'],
    ['', 'DATABASE_URL is missing'],
  ])('a database that cannot be had is said to be so, without its address: %s', async (url, words) => {
    const { code, stdout, stderr } = await admin(['stats'], { DATABASE_URL: url })
    expect([code, stdout]).toEqual([1, ''])
    expect(stderr).toContain(words)
    expect(stderr).not.toMatch(/nothing|someone|127\.0\.0\.1|no-such-host|latchkey@|no_such/)
  })

  test('a database without the tables, and a role that may not, are told apart', async () => {
    const empty = await admin(['stats'], { DATABASE_URL: databaseUrl.replace(/[^/]*$/, 'postgres') })
    expect([empty.code, empty.stderr]).toEqual([1, expect.stringContaining('run npm run migrate')])

    await query(await readFile('drizzle/runtime-role.sql', 'utf8'))
    await query("ALTER ROLE latchkey_functions LOGIN PASSWORD 'only for this test'")
    const url = new URL(databaseUrl)
    url.username = 'latchkey_functions'
    const { email } = await verifiedPerson()
    const refused = await admin(['disable', email, '--yes'], { DATABASE_URL: url.href })
    expect([refused.code, refused.stderr]).toEqual([
      1,
      expect.stringContaining("the owner's connection string"),
    ])
  })

  test('two addresses of different databases are refused; the direct one of the same database is taken', async () => {
    const other = { DATABASE_URL_UNPOOLED: databaseUrl.replace(/[^/]*$/, 'postgres') }
    const refused = await admin(['stats'], other)
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('name different databases')])
    expect((await admin(['stats'], { DATABASE_URL_UNPOOLED: databaseUrl })).code).toBe(0)
    expect((await admin(['stats'], { DATABASE_URL: '', DATABASE_URL_UNPOOLED: databaseUrl })).code).toBe(0)
  })
})

describe('before anything is changed', () => {
  const changing = commands.filter((command) => command.changes)

  test('without a terminal and without --yes nothing is changed, and it is said how many rows of whom it would be', async () => {
    const person = await signedInPerson()
    await signIn(person)
    const shut = await verifiedPerson()
    await admin(['disable', shut.email, '--yes'])
    const mail = await waitingMail(person)
    const before = await query('SELECT * FROM events ORDER BY id')

    const asked: Record<string, [string[], string]> = {
      'end-sessions': [[person.email], `End 2 live sessions of ${person.email}`],
      disable: [[person.email], `Disable ${person.email} (${await idOf(person)}) and end 2 live sessions`],
      enable: [[shut.email], `Enable ${shut.email}`],
      'force-reset': [
        [person.email],
        `Take the password of ${person.email} (${await idOf(person)}) away and end 2`,
      ],
      resend: [[mail], `Try mail ${mail} (reset-password, to ${person.email}`],
      purge: [[], `and 0 events older than ${KEEP_EVENTS_DAYS} days`],
    }
    expect(Object.keys(asked).toSorted()).toEqual(changing.map(({ name }) => name).toSorted())
    for (const [name, [args, words]] of Object.entries(asked)) {
      const { code, stdout, stderr } = await admin([name, ...args])
      expect([code, stdout], name).toEqual([2, ''])
      expect(stderr, name).toContain('there is nobody to ask: give --yes')
      expect(stderr, name).toContain(words)
    }
    const everyone = await admin(['end-sessions', '--everyone'])
    expect(everyone.stderr).toMatch(/End EVERYONE'S sessions: \d+ live sessions of \d+ accounts?\./)
    expect(await query('SELECT * FROM events ORDER BY id')).toEqual(before)
    expect(await liveSessions(person)).toBe(2)
  })

  test('at a terminal the database is named and only yes is a yes', async () => {
    const person = await signedInPerson()
    for (const typed of ['no\r', '\r', 'y\r', '\u0003', '\u0004']) {
      const { code, stdout } = await adminAtTerminal(['end-sessions', person.email], () => typed)
      expect([code, stdout], JSON.stringify(typed)).toEqual([1, expect.any(String)])
      const { host, pathname } = new URL(databaseUrl)
      expect(stdout).toContain(`In the database ${host}${pathname}:`)
      expect(stdout).toContain('Nothing was changed.')
    }
    expect(await liveSessions(person)).toBe(1)
    const { code, stdout } = await adminAtTerminal(['end-sessions', person.email], () => 'yes\r')
    expect(code).toBe(0)
    expect(stdout).toContain('1 session of')
    expect(await liveSessions(person)).toBe(0)
  })

  test('a command that only looks runs in a transaction that can change nothing', async () => {
    const source = await readFile('admin/database.ts', 'utf8')
    expect(source).toContain("read: (statement) => transaction('BEGIN READ ONLY', [statement])")
  })
})

describe('account', () => {
  test('is found by its address in any case and by its id, with all that there is to know of it', async () => {
    const person = await signedInPerson()
    await signIn(person, OTHER_PASSWORD)
    const id = await idOf(person)
    for (const subject of [person.email.toUpperCase(), id]) {
      const shown = await adminJson('account', subject)
      expect(shown.account).toMatchObject({
        id,
        email: person.email,
        disabledAt: null,
        hasPassword: true,
        liveSessions: 1,
      })
      expect(shown.attempts).toEqual([expect.objectContaining({ of: 'account', failures: 1, locked: false })])
      expect(shown.events.map((event: { kind: string }) => event.kind)).toEqual([
        'login-failed',
        'session-opened',
        'account-created',
      ])
    }
    const { code, stdout } = await admin(['account', person.email])
    expect(code).toBe(0)
    expect(stdout).toMatch(new RegExp(`^account +${id}$`, 'm'))
    expect(stdout).toMatch(/^live sessions +1$/m)
    expect(stdout).toMatch(/^account +1 +no +\d{4}-/m)
    expect(stdout).toMatch(/session-opened/)
  })

  test('a locked password, a link that is good and a mail that waits are shown', async () => {
    const person = await verifiedPerson()
    await signIn(person, OTHER_PASSWORD)
    await failedBefore(person.email, 100)
    inbox.fault = () => ({ kind: 'status', code: 500 })
    await newBrowser().send('reset', 'POST', { email: person.email })
    const shown = await adminJson('account', person.email)
    expect(shown.attempts).toEqual([expect.objectContaining({ failures: 100, locked: true })])
    expect(shown.links).toEqual([expect.objectContaining({ purpose: 'reset' })])
    expect(shown.mails).toEqual([
      expect.objectContaining({ kind: 'reset-password', givenUpAt: null, attempts: 1 }),
    ])
    const { stdout } = await admin(['account', person.email])
    expect(stdout).toMatch(/Wrong passwords in a row:\n.*\naccount +100 +yes /)
    expect(stdout).toMatch(/Links that are good:\n.*\nreset /)
    expect(stdout).toMatch(/Mails that wait or were given up:\n.*\n.*reset-password/)
  })

  test('a registration that nobody has confirmed is shown where there is no account', async () => {
    const { email } = await registeredPerson()
    const shown = await adminJson('account', email)
    expect([shown.account, shown.registrations.length]).toEqual([null, 1])
    expect((await admin(['account', email])).stdout).toContain('No account yet, 1 registration that nobody')
  })

  test('no command shows a password hash, a family hash, a token or the key of a bucket', async () => {
    const person = await signedInPerson()
    await signIn(person, OTHER_PASSWORD)
    await newBrowser().send('reset', 'POST', { email: person.email })
    const secrets = [
      ...(await query('SELECT password_hash AS text FROM users')),
      ...(await query("SELECT encode(family_hash, 'hex') AS text FROM sessions")),
      ...(await query("SELECT encode(key, 'hex') AS text FROM password_attempts")),
      { text: tokenIn(await newestMailTo(person.email)) },
      { text: person.browser.cookies.get('__Host-session') ?? '' },
    ].map(({ text }: { text: string }) => text)
    for (const args of [
      ['account', person.email],
      ['sessions', person.email],
      ['events'],
      ['mails'],
      ['stats'],
    ]) {
      for (const form of [args, [...args, '--json']]) {
        const { stdout } = await admin(form)
        for (const secret of secrets) expect(stdout.includes(secret), `${args[0]}: ${secret}`).toBe(false)
      }
    }
  })

  test('[ASVS 16.4.1] what a stranger sent cannot write to the terminal as it likes', async () => {
    const person = await signedInPerson()
    await query(
      `UPDATE sessions SET ip = $2, user_agent = $2 WHERE user_id = (SELECT id FROM users WHERE email = $1)`,
      person.email,
      'x\u001b[2J\u009b31m\u202e\r\nlive',
    )
    for (const form of [[], ['--json']]) {
      const { stdout } = await admin(['sessions', person.email, ...form])
      expect(stdout.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}]/u)
      expect(stdout).toContain('[2J')
    }
    const [session] = (await adminJson('sessions', person.email)).sessions
    expect(session.ip).toBe('x\u001b[2J\u009b31m\u202e\r\nlive')
  })
})

describe('sessions and their end', () => {
  test('the sessions of an account are shown, live and ended, with why each ended', async () => {
    const person = await signedInPerson()
    const second = newBrowser()
    await signIn(person, PASSWORD, second)
    await second.send('logout', 'POST', {})
    const { sessions } = await adminJson('sessions', person.email)
    expect(sessions).toEqual([
      expect.objectContaining({ state: 'live', device: 'Firefox on Linux', ip: person.browser.ip }),
      expect.objectContaining({ state: 'ended', endedBecause: 'logout' }),
    ])
    const { stdout } = await admin(['sessions', person.email])
    expect(stdout).toMatch(/1 live\.\n\nsession +state +because/)
    expect(stdout).toMatch(/ended +logout +\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ/)
  })

  test("[ASVS 7.4.5] an account's sessions end: the next refresh says so and clears the cookie, nobody else is signed out, and the trail has who did it", async () => {
    const [person, other] = [await signedInPerson(), await signedInPerson()]
    const second = newBrowser()
    await signIn(person, PASSWORD, second)
    const { code, stdout } = await admin(['end-sessions', person.email, '--yes', '--as', 'anna at work'])
    expect([code, stdout]).toEqual([0, `2 sessions of ${person.email} (${await idOf(person)}) ended.\n`])
    await passWindow(person)
    for (const browser of [person.browser, second]) {
      const answer = await browser.send('refresh', 'POST', {})
      expect([answer.status, answer.body.code]).toEqual([401, 'session-ended'])
      expect(answer.setCookies.join()).toMatch(/__Host-session=;.*Max-Age=0/)
      expect(browser.cookies.has('__Host-session')).toBe(false)
    }
    expect((await other.browser.send('refresh', 'POST', {})).status).toBe(200)
    const events = await eventsOf(person, 'session-ended')
    expect(events.map(({ detail, ip }) => [detail, ip])).toEqual([
      [{ because: 'operator' }, null],
      [{ because: 'operator' }, null],
    ])
    expect(new Set(events.map(({ request_id: id }) => id)).size).toBe(1)
    expect(events[0].request_id).toMatch(/^operator:anna-at-work:[0-9a-f-]{36}$/)
    expect((await signIn(person)).status).toBe(200)
  })

  test('one session ends and the others do not; once more there is none to end', async () => {
    const person = await signedInPerson()
    await signIn(person)
    const { sessions } = await adminJson('sessions', person.email)
    const { body } = await person.browser.send('sessions', 'GET')
    expect(await adminJson('end-sessions', '--session', body.current, '--yes')).toEqual({ endedSessions: 1 })
    expect((await person.browser.send('account', 'GET')).status).toBe(401)
    expect(await liveSessions(person)).toBe(sessions.length - 1)
    const again = await admin(['end-sessions', '--session', body.current])
    expect([again.code, again.stdout]).toEqual([0, 'It has ended already.\n'])
  })

  test("[ASVS 7.4.5] everyone's sessions end, however many there are, each with an event, and people can sign in again", async () => {
    const people = [await signedInPerson(), await signedInPerson()]
    const id = await idOf(people[0]!)
    // More than are ended at once.
    await query(
      `INSERT INTO sessions (id, user_id, family_hash, expires_at, ends_at)
       SELECT gen_random_uuid(), $1, sha256(n::text::bytea), now() + interval '1 day', now() + interval '1 day'
       FROM generate_series(1, 2500) n`,
      id,
    )
    const [{ live }] = await query(
      'SELECT count(*)::int AS live FROM sessions WHERE revoked_at IS NULL AND expires_at > now()',
    )
    expect(live).toBeGreaterThan(2500)
    expect(await adminJson('end-sessions', '--everyone', '--yes')).toEqual({ endedSessions: live })
    for (const person of people) {
      expect((await person.browser.send('refresh', 'POST', {})).body.code).toBe('session-ended')
      expect((await signIn(person)).status).toBe(200)
    }
    expect(await eventsOf(people[0]!, 'session-ended')).toHaveLength(2501)
  })
})

describe('disabled, enabled, without a password', () => {
  test('[ASVS 7.4.2] a disabled account has no session and lets nobody in; enabled, it does, and the old sessions stay ended', async () => {
    const person = await signedInPerson()
    expect(await adminJson('disable', person.email, '--yes')).toMatchObject({
      disabled: true,
      endedSessions: 1,
    })
    await passWindow(person)
    expect((await person.browser.send('refresh', 'POST', {})).body.code).toBe('session-ended')
    expect(person.browser.cookies.has('__Host-session')).toBe(false)
    expect((await signIn(person)).body.code).toBe('invalid-credentials')
    expect((await admin(['account', person.email])).stdout).toMatch(/^disabled +\d{4}-/m)
    const again = await admin(['disable', person.email])
    expect([again.code, again.stdout]).toEqual([0, expect.stringMatching(/^It is disabled since \d{4}-/)])

    expect(await adminJson('enable', person.email, '--yes')).toMatchObject({ enabled: true })
    expect((await signIn(person)).status).toBe(200)
    expect(await liveSessions(person)).toBe(1)
    expect((await admin(['enable', person.email])).stdout).toBe('It is not disabled.\n')
    const kinds = [
      ...(await eventsOf(person, 'account-disabled')),
      ...(await eventsOf(person, 'account-enabled')),
    ]
    expect(kinds.map(({ kind, detail }) => [kind, detail])).toEqual([
      ['account-disabled', { by: 'operator' }],
      ['account-enabled', { by: 'operator' }],
    ])
  })

  test('[ASVS 6.2.10] a forced reset: the password opens nothing, every session ends, and the mailed link sets a new one', async () => {
    const person = await signedInPerson()
    await signIn(person, OTHER_PASSWORD)
    const before = (await mailsTo(person.email)).length
    const done = await adminJson('force-reset', person.email, '--yes')
    expect(done).toMatchObject({ endedSessions: 1, mail: expect.any(String) })
    // No hash that somebody could know a password of.
    expect(await query('SELECT password_hash FROM users WHERE email = $1', person.email)).toEqual([
      { password_hash: '!' },
    ])
    for (const browser of [person.browser, newBrowser()]) {
      expect((await signIn(person, PASSWORD, browser)).body.code).toBe('invalid-credentials')
    }
    const shown = await adminJson('account', person.email)
    expect(shown.account).toMatchObject({ hasPassword: false, liveSessions: 0 })
    expect(shown.links).toEqual([{ purpose: 'reset', expiresAt: done.linkExpiresAt }])
    expect((await eventsOf(person, 'password-locked')).map(({ detail }) => detail)).toEqual([
      { by: 'operator' },
    ])
    expect((await eventsOf(person, 'reset-requested')).map(({ detail }) => detail)).toEqual([
      { by: 'operator' },
    ])

    // It is due at once, with no function on its way with it.
    expect(await mailsTo(person.email)).toHaveLength(before)
    await runMaintenance()
    const mail = await newestMailTo(person.email)
    expect(mail.subject).toBe('Your Latchkey account needs a new password')
    const reset = { token: tokenIn(mail), password: OTHER_PASSWORD }
    expect((await newBrowser().send('reset', 'PUT', reset)).status).toBe(200)
    expect((await signIn(person, OTHER_PASSWORD)).status).toBe(200)
    expect((await signIn(person, PASSWORD)).status).toBe(401)
  })

  test('a forced reset of a disabled account mails nothing, and says so', async () => {
    const person = await verifiedPerson()
    await admin(['disable', person.email, '--yes'])
    const { code, stdout } = await admin(['force-reset', person.email, '--yes'])
    expect([code, stdout]).toEqual([0, expect.stringContaining('No mail goes: the account is disabled.')])
    expect((await adminJson('account', person.email)).mails).toEqual([])
  })

  test.each([
    ['the password is taken away', 'force-reset'],
    ['the account is disabled', 'disable'],
    ['the sessions are ended', 'end-sessions'],
  ])('a login that is on its way when %s leaves no session behind', async (_, command) => {
    const person = await signedInPerson()
    const holder = new Client({ connectionString: databaseUrl })
    await holder.connect()
    const waiting = async () => {
      const [row] = await query(
        "SELECT count(*)::int AS count FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()",
      )
      return row.count
    }
    let login: ReturnType<typeof signIn> | undefined
    const done = adminAtTerminal([command, person.email], async () => {
      await holder.query('BEGIN')
      await holder.query('SELECT FROM users WHERE email = $1 FOR UPDATE', [person.email])
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
  })
})

describe('events', () => {
  test('are found by account, kind and time, the newest first and as many as asked for', async () => {
    const person = await signedInPerson()
    const id = await idOf(person)
    await signIn(person, OTHER_PASSWORD)
    await query(
      "UPDATE events SET at = at - interval '3 hours' WHERE user_id = $1 AND kind = 'account-created'",
      id,
    )
    const kinds = async (...args: string[]) =>
      (await adminJson('events', ...args)).events.map((event: { kind: string }) => event.kind)
    expect(await kinds(person.email)).toEqual(['login-failed', 'session-opened', 'account-created'])
    expect(await kinds(id, '--since', '2h')).toEqual(['login-failed', 'session-opened'])
    expect(await kinds(id, '--until', '2h')).toEqual(['account-created'])
    expect(await kinds(id, '--kind', 'session-opened')).toEqual(['session-opened'])
    expect(await kinds(id, '--limit', '1')).toEqual(['login-failed'])
    expect(await kinds(id, '--since', '2000-01-01', '--until', '2000-01-02T00:00Z')).toEqual([])
    expect(await kinds('--kind', 'login-failed', '--since', '30m', '--limit', '1')).toEqual(['login-failed'])
    const { stdout } = await admin(['events', person.email, '--limit', '1'])
    expect(stdout).toMatch(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ +login-failed +subject: account/)
    expect(stdout).toContain('these are the newest 1.')
    expect((await admin(['events', id, '--until', '2000-01-01'])).stdout).toBe('There is none.\n')
  })

  test('of an account that was deleted are still found by its id, without its address', async () => {
    const person = await signedInPerson()
    const id = await idOf(person)
    expect((await person.browser.send('account', 'DELETE', { currentPassword: PASSWORD })).status).toBe(204)
    const { events } = await adminJson('events', id)
    expect(events[0]).toMatchObject({ kind: 'account-deleted', ip: null })
    expect(events.map((event: { ip: unknown }) => event.ip)).toEqual(events.map(() => null))
    expect((await admin(['events', person.email])).code).toBe(1)
  })

  test('of an account, of a time and of a kind in a time are read by an index, however long the trail is', async () => {
    await query(
      `INSERT INTO events (at, kind, user_id)
       SELECT now() - n * interval '1 minute', 'login-failed', gen_random_uuid() FROM generate_series(1, 100000) n`,
    )
    await query('ANALYZE events')
    const plan = async (condition: string) =>
      (await query(`EXPLAIN SELECT * FROM events WHERE ${condition} ORDER BY at DESC, id DESC LIMIT 50`))
        .map((row) => row['QUERY PLAN'])
        .join('\n')
    expect(await plan(`user_id = '${randomUUID()}'`)).toContain('events_user_id')
    expect(await plan(`user_id = '${randomUUID()}' AND at > now() - interval '1 day'`)).toContain(
      'events_user_id',
    )
    expect(await plan("at > now() - interval '1 hour'")).toContain('events_at')
    expect(await plan("kind = 'session-stolen' AND at > now() - interval '1 day'")).toContain('events_at')
    await query("DELETE FROM events WHERE user_id NOT IN (SELECT id FROM users) AND kind = 'login-failed'")
  })
})

describe('mails', () => {
  test('one that was given up is shown and goes after all, once, when it is made due again', async () => {
    const person = await verifiedPerson()
    const before = (await mailsTo(person.email)).length
    inbox.fault = () => ({ kind: 'status', code: 422 })
    await newBrowser().send('reset', 'POST', { email: person.email })
    inbox.fault = undefined
    const { mails } = await adminJson('mails')
    const mail = mails.find((each: { recipient: string }) => each.recipient === person.email)
    expect(mail).toMatchObject({ kind: 'reset-password', nextAttemptAt: null, givenUpAt: expect.any(String) })
    expect((await admin(['mails'])).stdout).toContain(mail.id)

    expect(await adminJson('resend', mail.id, '--yes')).toMatchObject({
      requeued: true,
      mail: { id: mail.id },
    })
    const [event] = await eventsOf(person, 'mail-requeued')
    expect(event.detail).toEqual({ mail: mail.id, by: 'operator' })
    await runMaintenance()
    expect(await mailsTo(person.email)).toHaveLength(before + 1)
    const reset = { token: tokenIn(await newestMailTo(person.email)), password: OTHER_PASSWORD }
    expect((await newBrowser().send('reset', 'PUT', reset)).status).toBe(200)
    const again = await admin(['resend', mail.id, '--yes'])
    expect([again.code, again.stderr]).toEqual([
      1,
      expect.stringMatching(/^It went at .*No mail is sent twice\.\n$/),
    ])
  })

  test('one whose link has expired is not tried again', async () => {
    const { email } = await verifiedPerson()
    inbox.fault = () => ({ kind: 'status', code: 500 })
    await newBrowser().send('reset', 'POST', { email })
    const [{ id }] = await query(
      "UPDATE outbox SET token_expires_at = now() - interval '1 second' WHERE recipient = $1 AND sent_at IS NULL RETURNING id",
      email,
    )
    const { code, stderr } = await admin(['resend', id, '--yes'])
    expect([code, stderr]).toEqual([1, expect.stringContaining('Its link expired at')])
  })
})

describe('secrets', () => {
  test('a new secret is good as it stands, never the same twice, and the old one is needed for a session longer than the second step', async () => {
    const made = await Promise.all([adminJson('rotate-secret'), adminJson('rotate-secret', 'JWT_SECRET')])
    expect(new Set(made.map(({ secret }) => secret)).size).toBe(2)
    for (const { variable, secret, steps } of made) {
      expect(variable).toBe('JWT_SECRET')
      expect(Buffer.from(secret, 'base64')).toHaveLength(32)
      expect(steps.map((step: { value: string }) => step.value)).toEqual([
        'present,new',
        'new,present',
        'new',
      ])
      const [, signs, alone] = steps.map((step: { from: string }) => Date.parse(step.from))
      expect((alone - signs) / 1000).toBe(SESSION_LIFETIME_SECONDS)
    }
  })

  test('needs no database, and never has the value of the present one', async () => {
    const present = randomBytes(32).toString('base64')
    for (const variable of ['JWT_SECRET', 'CRON_SECRET']) {
      const { code, stdout } = await admin(['rotate-secret', variable], {
        DATABASE_URL: '',
        [variable]: present,
      })
      expect(code).toBe(0)
      expect(stdout).not.toContain(present)
      expect(stdout).toMatch(new RegExp(`^A new ${variable}\\.`))
    }
    const { stdout } = await admin(['rotate-secret'])
    const [, until] = /needed until (\S+ \S+Z)\./.exec(stdout) ?? []
    expect(stdout).toMatch(new RegExp(`^3\\. from ${until}  new  `, 'm'))
  })
})

describe('stats and purge', () => {
  test('the numbers are those of the rows', async () => {
    await query('DELETE FROM outbox')
    const before = await adminJson('stats')
    const person = await signedInPerson()
    await signIn(person, OTHER_PASSWORD)
    await failedBefore(person.email, 100)
    await registeredPerson()
    const shut = await verifiedPerson()
    await admin(['disable', shut.email, '--yes'])
    inbox.fault = () => ({ kind: 'status', code: 500 })
    await newBrowser().send('reset', 'POST', { email: person.email })
    await query(
      "UPDATE outbox SET created_at = now() - interval '10 hours' WHERE recipient = $1 AND sent_at IS NULL",
      person.email,
    )
    const after = await adminJson('stats')
    const grown = Object.fromEntries(Object.keys(after).map((name) => [name, after[name] - before[name]]))
    expect(grown).toMatchObject({
      accounts: 2,
      disabledAccounts: 1,
      registrations: 1,
      liveSessions: 1,
      signInsLastHour: 1,
      signInsLastDay: 1,
      failuresLastHour: 1,
      failuresLastDay: 1,
      theftsLastDay: 0,
      lockedPasswords: 1,
      mailsWaiting: 1,
      mailsGivenUp: 0,
    })
    expect(after.oldestWaitingSeconds).toBeGreaterThanOrEqual(36_000)
    const { code, stdout } = await admin(['stats'])
    expect(code).toBe(0)
    expect(stdout).toMatch(new RegExp(`^live sessions +${after.liveSessions}$`, 'm'))
  })

  test(`[ASVS 14.2.7] purge removes what is over, more than maintenance takes at once, and events older than ${KEEP_EVENTS_DAYS} days; the rest stays`, async () => {
    const person = await signedInPerson()
    const id = await idOf(person)
    await query(
      `INSERT INTO rate_limits (key, theoretical_arrival_at)
       SELECT sha256(n::text::bytea), now() - interval '1 hour' FROM generate_series(1, 20500) n`,
    )
    await query(
      `INSERT INTO sessions (id, user_id, family_hash, expires_at, ends_at)
       VALUES (gen_random_uuid(), $1, sha256('old'), now() - interval '1 day', now() - interval '1 day')`,
      id,
    )
    await query(
      `INSERT INTO events (at, kind, user_id) SELECT now() - make_interval(days => days), 'login-failed', $1
       FROM unnest($2::int[]) AS days`,
      id,
      [KEEP_EVENTS_DAYS - 1, KEEP_EVENTS_DAYS + 1, 2 * KEEP_EVENTS_DAYS],
    )
    const asked = await admin(['purge'])
    expect(asked.stderr).toContain(`and 2 events older than ${KEEP_EVENTS_DAYS} days`)
    const { removed } = await adminJson('purge', '--yes')
    expect(removed).toMatchObject({ sessions: 1, events: 2 })
    expect(removed.rateLimits).toBeGreaterThanOrEqual(20_500)
    expect(
      await query("SELECT 1 FROM rate_limits WHERE theoretical_arrival_at < now() - interval '50 minutes'"),
    ).toEqual([])
    expect(await eventsOf(person, 'login-failed')).toHaveLength(1)
    const [event] = await query("SELECT detail FROM events WHERE kind = 'events-purged'")
    expect(event.detail).toMatchObject({ count: 2, by: 'operator', before: expect.any(String) })
    expect((await person.browser.send('account', 'GET')).status).toBe(200)

    const { code, stdout } = await admin(['purge', '--yes'])
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^Removed:\n.*\nevents +0\n$/s)])
    expect(await query("SELECT 1 FROM events WHERE kind = 'events-purged'")).toHaveLength(1)
  })
})

describe('docs/operator.md', async () => {
  const page = await readFile('docs/operator.md', 'utf8')
  const examples = [...page.matchAll(/^npm run (?:--silent )?admin -- (?!--help)(.+)$/gm)].map(
    ([, line = '']) => line.replace(/ +#.*$/, '').split(' '),
  )

  test('its table has every command with its options, as the program has them, and no other', () => {
    const rows = [...page.matchAll(/^\| `([a-z-]+)( [^`]+)?` +\|([^|]*)\|/gm)].map(
      ([, name, takes, options = '']) => [
        name,
        takes?.trim(),
        [...options.matchAll(/--([a-z]+)/g)].map(([, option]) => option),
      ],
    )
    expect(rows).toEqual(
      commands.map(({ name, takes, options = [] }) => [name, takes, options.map((option) => option.name)]),
    )
  })

  test('every command has an example', () => {
    expect(new Set(examples.map(([name]) => name))).toEqual(new Set(commands.map(({ name }) => name)))
  })

  test('each example works', async () => {
    const person = await signedInPerson()
    const { body } = await person.browser.send('sessions', 'GET')
    const mail = await waitingMail(person)
    const given = new Map([
      ['person@example.org', person.email],
      ['SESSION', body.current],
      ['MAIL', mail],
    ])
    for (const words of examples) {
      const args = words.map((word) => given.get(word) ?? word)
      const changes = commands.find(({ name }) => name === words[0])?.changes === true
      const { code, stderr } = await admin(changes ? [...args, '--yes'] : args)
      expect([code, stderr], words.join(' ')).toEqual([0, ''])
    }
  }, 60_000)
})

test('an address that nobody has is not taken for another', async () => {
  const person = await signedInPerson()
  expect((await admin(['account', newAddress()])).code).toBe(1)
  expect((await admin(['account', `%${person.email.slice(3)}`])).code).toBe(1)
})
