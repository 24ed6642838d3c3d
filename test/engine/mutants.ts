/**
 * `npm run test:mutants`: leaves a lock, a condition or a bound out of the engine's functions, one at a time, and runs the
 * tests that should notice. A mutant that no test notices is printed, and fails the run. `--only NAME` runs one.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { MIGRATIONS } from '../../cli/database/migrate.ts'

interface Mutant {
  /** The function, and what is left out of it. */
  name: string
  from: string
  to: string
  /** Files or folders below test/ whose tests notice. */
  tests: string[]
}

const rotation = ['endpoints/refresh', 'model']
const races = ['races']

const mutants: Mutant[] = [
  {
    name: 'rotate_session: the lock',
    from: 'FROM sessions WHERE family_hash = p_family_hash FOR NO KEY UPDATE;',
    to: 'FROM sessions WHERE family_hash = p_family_hash;',
    tests: ['endpoints/refresh', 'races'],
  },
  {
    name: 'rotate_session: the limit',
    from: 'IF retry_after IS NOT NULL THEN RETURN limited(retry_after); END IF;',
    to: '',
    tests: ['security/rate-limits'],
  },
  {
    name: 'rotate_session: a counter that was never reached',
    from: 'OR p_presented > s.counter ',
    to: '',
    tests: rotation,
  },
  {
    name: 'rotate_session: a revoked session',
    from: ' OR s.revoked_at IS NOT NULL OR s.idle_expires_at <= now() THEN\n    -- A session',
    to: ' OR s.idle_expires_at <= now() THEN\n    -- A session',
    tests: rotation,
  },
  {
    name: 'rotate_session: the idle expiry',
    from: ' OR s.revoked_at IS NOT NULL OR s.idle_expires_at <= now() THEN\n    -- A session',
    to: ' OR s.revoked_at IS NOT NULL THEN\n    -- A session',
    tests: rotation,
  },
  {
    name: 'rotate_session: a disabled account',
    from: 'IF s.id IS NULL OR u.disabled_at IS NOT NULL OR',
    to: 'IF s.id IS NULL OR',
    tests: rotation,
  },
  {
    name: 'rotate_session: a lost race clears nothing',
    from: "s.revocation_reason <> 'reuse' AND s.revoked_at > now() - reuse_interval",
    to: 'false',
    tests: rotation,
  },
  {
    name: 'rotate_session: the reuse interval',
    from: 'IF p_presented = s.counter AND in_interval THEN',
    to: 'IF false THEN',
    tests: rotation,
  },
  {
    name: 'rotate_session: confirming',
    from: 'UPDATE sessions SET confirmed = true WHERE id = s.id AND NOT confirmed;',
    to: 'NULL;',
    tests: rotation,
  },
  {
    name: 'rotate_session: a new token is unconfirmed',
    from: 'counter = counter + 1, confirmed = false,',
    to: 'counter = counter + 1, confirmed = true,',
    tests: rotation,
  },
  {
    name: 'rotate_session: the idle expiry is renewed',
    from: 'idle_expires_at = least(absolute_expires_at,\n        now() +',
    to: 'idle_expires_at = least(idle_expires_at,\n        now() +',
    tests: rotation,
  },
  {
    name: 'rotate_session: never past the absolute expiry',
    from: 'idle_expires_at = least(absolute_expires_at,\n        now() +',
    to: "idle_expires_at = least('infinity',\n        now() +",
    tests: rotation,
  },
  {
    name: 'rotate_session: the same browser and system',
    from: "IF s.last_client IS DISTINCT FROM p_request->>'client' THEN",
    to: 'IF false THEN',
    tests: rotation,
  },
  {
    name: 'rotate_session: the bound of recoveries',
    from: " OR recovers AND s.recovered_in_a_row >= maximum('recoveries_in_a_row')",
    to: '',
    tests: rotation,
  },
  {
    name: 'rotate_session: recoveries are counted in a row',
    from: 'CASE WHEN recovered_counter = counter THEN recovered_in_a_row ELSE 0 END',
    to: 'recovered_in_a_row',
    tests: rotation,
  },
  {
    name: 'rotate_session: a rotation after a recovery keeps the count',
    from: 'CASE WHEN recovered_counter = counter THEN recovered_in_a_row ELSE 0 END',
    to: '0',
    tests: rotation,
  },
  {
    name: 'rotate_session: the same counter again is free',
    from: 'recovers := s.recovered_counter IS DISTINCT FROM s.counter;',
    to: 'recovers := true;',
    tests: rotation,
  },
  {
    name: 'rotate_session: no recovery of a confirmed counter',
    from: 'IF p_presented < s.counter - 1 OR s.confirmed OR',
    to: 'IF p_presented < s.counter - 1 OR',
    tests: rotation,
  },
  {
    name: 'rotate_session: no recovery of what is older',
    from: 'IF p_presented < s.counter - 1 OR s.confirmed OR',
    to: 'IF s.confirmed OR',
    tests: rotation,
  },
  {
    name: 'authenticate: a revoked session',
    from: 'IF s.id IS NULL OR s.revoked_at IS NOT NULL OR s.idle_expires_at <= now() OR u.disabled_at',
    to: 'IF s.id IS NULL OR s.idle_expires_at <= now() OR u.disabled_at',
    tests: ['model', 'endpoints/sessions'],
  },
  {
    name: 'authenticate: the idle expiry',
    from: 'IF s.id IS NULL OR s.revoked_at IS NOT NULL OR s.idle_expires_at <= now() OR u.disabled_at',
    to: 'IF s.id IS NULL OR s.revoked_at IS NOT NULL OR u.disabled_at',
    tests: ['model', 'endpoints/sessions'],
  },
  {
    name: 'authenticate: a token that is behind',
    from: 'IF p_family_hash IS NOT NULL AND p_counter <> s.counter',
    to: 'IF false',
    tests: ['model', 'endpoints/guards', 'endpoints/refresh'],
  },
  {
    name: 'confirm_session: a read confirms',
    from: 'IF p_counter = p_session.counter AND NOT p_session.confirmed THEN',
    to: 'IF false THEN',
    tests: ['model', 'endpoints/guards', 'endpoints/refresh'],
  },
  {
    name: 'is_stepped_up: the five minutes',
    from: "SELECT p_session.authenticated_at > now() - lifetime('step_up')\n    AND",
    to: 'SELECT',
    tests: ['endpoints/account', 'endpoints/sessions', 'model'],
  },
  {
    name: 'is_stepped_up: the full strength',
    from: 'AND (p_user.second_factor_at IS NULL OR',
    to: 'AND (true OR',
    tests: ['endpoints/account', 'endpoints/sessions'],
  },
  {
    name: 'open_session: the limit of sessions',
    from: "OFFSET maximum('sessions_per_account') - 1);",
    to: "OFFSET maximum('sessions_per_account'));",
    tests: ['endpoints/login', 'model'],
  },
  {
    name: 'open_session: the presented session is superseded',
    from: "PERFORM revoke_sessions(ARRAY[p_supersedes], 'superseded', p_request);",
    to: '',
    tests: ['endpoints/login', 'model'],
  },
  {
    name: 'open_session: the absolute expiry is inherited',
    from: 'coalesce(p_absolute_expires_at, now() + absolute)',
    to: 'now() + absolute',
    tests: ['endpoints/account', 'endpoints/login', 'model'],
  },
  {
    name: 'open_session: a session that is not remembered is short',
    from: "idle interval := CASE WHEN p_persistent THEN lifetime('session_idle') ELSE lifetime('short_session_idle') END",
    to: "idle interval := lifetime('session_idle')",
    tests: ['endpoints/login', 'model'],
  },
  {
    name: 'finish_login: the lock on the account',
    from: 'SELECT * INTO u FROM users WHERE email_normalized = p_email_normalized FOR NO KEY UPDATE;\n  IF u.id IS NULL OR u.security_version',
    to: 'SELECT * INTO u FROM users WHERE email_normalized = p_email_normalized;\n  IF u.id IS NULL OR u.security_version',
    tests: races,
  },
  {
    name: 'finish_login: what was checked is still so',
    from: 'u.security_version <> p_security_version OR ',
    to: '',
    tests: ['races', 'endpoints/reset', 'model'],
  },
  {
    name: 'finish_login: a disabled account',
    from: "OR u.disabled_at IS NOT NULL THEN\n    RETURN jsonb_build_object('kind', 'changed');",
    to: "THEN\n    RETURN jsonb_build_object('kind', 'changed');",
    tests: ['races', 'cli/admin', 'endpoints/login'],
  },
  {
    name: 'finish_login: another account',
    from: 'IF presented.user_id <> u.id THEN',
    to: 'IF false THEN',
    tests: ['endpoints/login', 'model'],
  },
  {
    name: 'finish_login: a rehash only over what was checked',
    from: 'UPDATE users SET password_hash = p_rehash WHERE id = u.id AND password_hash = p_checked_hash;',
    to: 'UPDATE users SET password_hash = p_rehash, security_version = security_version + 1 WHERE id = u.id;',
    tests: ['endpoints/login', 'races'],
  },
  {
    name: 'count_attempt: the wait',
    from: 'WHERE bucket.failures < wait_from OR bucket.next_attempt_at <= now()',
    to: 'WHERE true',
    tests: ['security/rate-limits'],
  },
  {
    name: 'consume_rate_limit: the bound',
    from: 'WHERE bucket.theoretical_arrival_at <= now() + burst;',
    to: 'WHERE true;',
    tests: ['security/rate-limits', 'endpoints/register'],
  },
  {
    name: 'consume_rate_limits: a refused source takes nothing from the address',
    from: "IF retry_after IS NOT NULL THEN refused_by := 'source'; RETURN; END IF;",
    to: "IF retry_after IS NOT NULL THEN refused_by := 'source'; END IF;",
    tests: ['security/rate-limits', 'endpoints/register'],
  },
  {
    name: 'reset_password: the token is consumed once',
    from: "AND purpose = 'reset' AND consumed_at IS NULL AND expires_at > now();\n  IF NOT FOUND",
    to: "AND purpose = 'reset' AND expires_at > now();\n  IF NOT FOUND",
    tests: ['endpoints/reset'],
  },
  {
    name: 'reset_password: every session ends',
    from: "PERFORM revoke_all_sessions(u.id, NULL, 'reset', p_request);",
    to: '',
    tests: ['endpoints/reset'],
  },
  {
    name: 'reset_password: security_version',
    from: 'UPDATE users SET password_hash = p_password_hash, security_version = security_version + 1, updated_at = now() WHERE id = u.id;\n  PERFORM clear_attempts',
    to: 'UPDATE users SET password_hash = p_password_hash, updated_at = now() WHERE id = u.id;\n  PERFORM clear_attempts',
    tests: ['endpoints/reset', 'races'],
  },
  {
    name: 'change_password: what was checked is still so',
    from: ' OR (me.account).security_version <> p_security_version',
    to: '',
    tests: ['endpoints/account', 'races', 'model'],
  },
  {
    name: 'consume_registration: the address has an account already',
    from: "IF FOUND THEN RETURN jsonb_build_object('kind', 'consumed'); END IF;",
    to: '',
    tests: ['endpoints/verify', 'races'],
  },
  {
    name: 'consume_registration: it is consumed once',
    from: 'WHERE id = p_registration_id AND consumed_at IS NULL FOR NO KEY UPDATE;',
    to: 'WHERE id = p_registration_id FOR NO KEY UPDATE;',
    tests: ['endpoints/verify', 'endpoints/account'],
  },
  {
    name: 'confirm_email_change: signed in to the account, or its password',
    from: 'IF (me.account).id IS DISTINCT FROM u.id AND p_security_version IS DISTINCT FROM u.security_version THEN',
    to: 'IF false THEN',
    tests: ['endpoints/account'],
  },
  {
    name: 'delete_account: the step-up',
    from: "IF NOT is_stepped_up(me.session, me.account) THEN RETURN jsonb_build_object('kind', 'reauthentication-required'); END IF;\n  u := me.account;",
    to: 'u := me.account;',
    tests: ['endpoints/account'],
  },
  {
    name: 'claim_due_emails: two claims at once',
    from: 'ORDER BY next_attempt_at LIMIT p_count FOR UPDATE SKIP LOCKED)',
    to: 'ORDER BY next_attempt_at LIMIT p_count)',
    tests: ['faults/neon', 'races'],
  },
  {
    name: "claim_due_emails: what is production's",
    from: "IF NOT p_is_production AND EXISTS (SELECT FROM production_database) THEN RETURN '[]'; END IF;",
    to: '',
    tests: ['cli/previews'],
  },
]

const { values } = parseArgs({ options: { only: { type: 'string' } } })
const chosen = mutants.filter(({ name }) => values.only === undefined || name.includes(values.only))
const folder = await mkdtemp(join(tmpdir(), 'latchkey-mutant-'))
const survivors: string[] = []
try {
  for (const test of new Set(chosen.flatMap(({ tests }) => tests))) {
    if (!(await passes(test, MIGRATIONS))) throw new Error(`test/${test} fails without any mutant.`)
  }
  for (const mutant of chosen) {
    const isNoticed = await noticed(mutant)
    if (!isNoticed) survivors.push(mutant.name)
    console.log(`${isNoticed ? 'noticed ' : 'SURVIVED'}  ${mutant.name}`)
  }
} finally {
  await rm(folder, { recursive: true, force: true })
}
console.log(`${chosen.length - survivors.length} of ${chosen.length} mutants were noticed.`)
process.exitCode = survivors.length > 0 ? 1 : 0

async function noticed({ name, from, to, tests }: Mutant): Promise<boolean> {
  const migrations = join(folder, 'migrations')
  await rm(migrations, { recursive: true, force: true })
  await cp(MIGRATIONS, migrations, { recursive: true })
  const file = join(migrations, '0000_latchkey.sql')
  const text = await readFile(file, 'utf8')
  const [of = ''] = name.split(':')
  const start = text.indexOf(`CREATE OR REPLACE FUNCTION latchkey.${of}(`)
  const place = text.indexOf(from, start)
  const end = text.indexOf('--> statement-breakpoint', start)
  if (start === -1 || place === -1 || place > end) throw new Error(`${name}: there is no such text in it`)
  await writeFile(file, text.slice(0, place) + to + text.slice(place + from.length))
  for (const test of tests) if (!(await passes(test, migrations))) return true
  return false
}

async function passes(test: string, migrations: string): Promise<boolean> {
  const args = [
    'node_modules/vitest/vitest.mjs',
    'run',
    '--project',
    'endpoints',
    '--bail',
    '1',
    `test/${test}`,
  ]
  const env = { ...process.env, TEST_MIGRATIONS: migrations }
  const child = spawn(process.execPath, args, { env, stdio: 'ignore' })
  const [code] = await once(child, 'exit')
  return code === 0
}
