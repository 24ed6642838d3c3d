import { localhostCertificate } from '../test/support/certificate.ts'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import { describe, expect, test } from 'vitest'
import { appOrigin, parseEnvironment } from './env.ts'

const COMPLETE = {
  VERCEL_ENV: 'production',
  APP_URL: 'https://app.example.com',
  JWT_SECRET: randomBytes(32).toString('base64'),
  DATABASE_URL: 'postgresql://app:pw@ep-quiet-sun-1-pooler.eu-central-1.aws.neon.tech/neondb?sslmode=require',
  RESEND_API_KEY: 're_123456789',
  EMAIL_FROM: 'Example <login@mail.example.com>',
  CRON_SECRET: randomBytes(32).toString('hex'),
}

function issuesOf(changes: Record<string, string | undefined>): Record<string, string> {
  const parsed = parseEnvironment({ ...COMPLETE, ...changes })
  if (parsed.kind === 'ok') return {}
  return Object.fromEntries(parsed.issues.map((issue) => [issue.key, issue.problem]))
}

describe('the environment', () => {
  test('a complete one is accepted', () => {
    const parsed = parseEnvironment(COMPLETE)
    expect(parsed).toMatchObject({
      kind: 'ok',
      environment: { stage: 'production', origin: 'https://app.example.com', passwordMinLength: 15 },
    })
  })

  test('emails are in English, lead to our pages and name nobody when nothing is said', () => {
    expect(parseEnvironment({ ...COMPLETE, EMAIL_LANGUAGE: '', SUPPORT_ADDRESS: ' ' })).toMatchObject({
      kind: 'ok',
      environment: {
        emailLanguage: 'en',
        supportAddress: undefined,
        verifyPath: '/auth/verify',
        resetPath: '/auth/reset',
      },
    })
  })

  test('emails go to everybody, but in a preview to nobody; EMAIL_ALLOW says to whom instead, in any spelling', () => {
    const allowed = (changes: Record<string, string>) => {
      const parsed = parseEnvironment({ ...COMPLETE, ...changes })
      return parsed.kind === 'ok' ? parsed.environment.emailAllow : parsed.issues
    }
    expect(allowed({})).toBeUndefined()
    expect(allowed({ VERCEL_ENV: 'preview' })).toEqual([])
    const EMAIL_ALLOW = 'Me@Example.com, @MÜNCHEN.example'
    const keys = ['me@example.com', '@xn--mnchen-3ya.example']
    expect(allowed({ EMAIL_ALLOW })).toEqual(keys)
    expect(allowed({ EMAIL_ALLOW, VERCEL_ENV: 'preview' })).toEqual(keys)
  })

  test.each(['/', '/confirm', '/confirm/', '/account/new-password', '/~me/a_b.html'])(
    'a emailed link can open the page %s',
    (path) => {
      expect(parseEnvironment({ ...COMPLETE, VERIFY_PATH: path, RESET_PATH: path })).toMatchObject({
        kind: 'ok',
        environment: { verifyPath: path, resetPath: path },
      })
    },
  )

  test.each([
    '//evil.example',
    'https://evil.example/confirm',
    '/\\evil.example',
    '\\\\evil.example',
    '@evil.example',
    '.evil.example',
    ':8443/confirm',
    'confirm',
    '/a//b',
    '/a/../b',
    '/..',
    '/a?b=c',
    '/a#b',
    '/a b',
    ' /a',
    '/a\n',
    '/%2e%2e/a',
    '/über',
  ])('a emailed link never opens %j', (path) => {
    expect(issuesOf({ VERIFY_PATH: path })['VERIFY_PATH']).toMatch(/path on the app's own origin/)
    expect(issuesOf({ RESET_PATH: path })['RESET_PATH']).toMatch(/path on the app's own origin/)
  })

  test('an empty one names every missing variable at once, each with what to do', () => {
    const parsed = parseEnvironment({})
    expect(parsed.kind).toBe('misconfigured')
    const issues = parsed.kind === 'ok' ? [] : parsed.issues
    expect(issues.map((issue) => issue.key).toSorted()).toEqual([
      'APP_URL',
      'CRON_SECRET',
      'DATABASE_URL',
      'EMAIL_FROM',
      'JWT_SECRET',
      'RESEND_API_KEY',
    ])
    for (const issue of issues) expect(issue.problem).toMatch(/^missing; .{10,}/)
    expect(issues.find((issue) => issue.key === 'JWT_SECRET')?.problem).toBe(
      'missing; make one with: openssl rand -base64 32',
    )
  })

  test('an empty value is a missing one', () => {
    expect(issuesOf({ JWT_SECRET: '' })['JWT_SECRET']).toMatch(/^missing/)
    expect(issuesOf({ EMAIL_FROM: '  ' })['EMAIL_FROM']).toMatch(/^missing/)
  })

  test.each([
    ['31 random bytes', randomBytes(31).toString('base64').replace(/=+$/, '')],
    ['a short word', 'secret'],
    ['a long sentence', 'this-is-the-secret-that-is-the-secret-of-this-site'],
    ['a pattern', 'abcdefgh'.repeat(8)],
    ['one letter', 'a'.repeat(64)],
    ['zeros in hexadecimal', '0'.repeat(64)],
    ['a good one followed by a bad one', `${COMPLETE.JWT_SECRET},changeme`],
    ['a good one followed by nothing', `${COMPLETE.JWT_SECRET},`],
  ])('[RFC 8725 3.5] [RFC 7518 3.2] JWT_SECRET is refused: %s', (_, secret) => {
    expect(issuesOf({ JWT_SECRET: secret })['JWT_SECRET']).toMatch(/not random/)
  })

  test('secrets that openssl makes are accepted, alone and as a list', () => {
    for (let round = 0; round < 2000; round += 1) {
      const base64 = randomBytes(32).toString('base64')
      const hex = randomBytes(32).toString('hex')
      expect(issuesOf({ JWT_SECRET: `${base64}, ${hex}`, CRON_SECRET: base64 })).toEqual({})
    }
  })

  test.each([
    ['APP_URL', 'http://app.example.com', /https/],
    ['APP_URL', 'https://localhost:3000', /this machine/],
    ['APP_URL', 'http://127.0.0.1:3000', /this machine/],
    ['APP_URL', 'https://app.localhost', /this machine/],
    ['APP_URL', 'https://localhost.', /this machine/],
    ['APP_URL', 'https://2130706433', /this machine/],
    ['APP_URL', 'https://[::1]', /this machine/],
    ['APP_URL', 'https://app.example.com/app', /origin alone/],
    ['APP_URL', 'https://user@app.example.com', /origin alone/],
    ['APP_URL', 'app.example.com', /not an address/],
    ['DATABASE_URL', 'mysql://app:pw@db.example.com/app', /postgresql/],
    ['DATABASE_URL', 'postgresql://db.example.com', /postgresql/],
    ['DATABASE_URL', 'postgresql://app:pw@localhost/app', /this machine/],
    ['DATABASE_URL', 'postgresql://app:pw@LOCALHOST./app', /this machine/],
    ['DATABASE_URL', 'postgresql://app:pw@%6cocalhost/app', /this machine/],
    ['DATABASE_URL', 'postgresql://app:pw@[::1]/app', /this machine/],
    ['DATABASE_URL', 'postgresql://app:pw@localhost/app?host=db.example.com', /before the question mark/],
    ['DATABASE_URL', 'postgresql://app:pw@db.example.com/app?host=localhost', /before the question mark/],
    ['DATABASE_URL', 'postgresql://app:pw@db.example.com/app?port=1', /before the question mark/],
    ['DATABASE_URL', 'postgresql://app:pw@%2Fvar%2Frun/app', /with user, password/],
    ['DATABASE_URL', 'postgresql://app@db.example.com/app', /with user, password/],
    ['DATABASE_URL', 'postgresql://app:pw@%zz.db.example.com/app', /with user, password/],
    ['NEON_FETCH_ENDPOINT', 'http://127.0.0.1:54330/sql', /local development only/],
    ['RESEND_BASE_URL', 'http://127.0.0.1:54331', /local development only/],
    ['RESEND_API_KEY', 'sk_live_1', /Resend/],
    ['RESEND_DEBUG', 'true', /addresses/],
    ['NODE_TLS_REJECT_UNAUTHORIZED', '0', /stand in for the database/],
    ['EMAIL_FROM', 'nobody', /not a sender/],
    ['EMAIL_FROM', 'A <a@b.example>\r\nBcc: c@d.example', /not a sender/],
    ['EMAIL_ALLOW', 'me', /addresses and @domains/],
    ['EMAIL_ALLOW', 'me@example.com,', /addresses and @domains/],
    ['EMAIL_ALLOW', '*@example.com', /addresses and @domains/],
    ['EMAIL_ALLOW', '*', /addresses and @domains/],
    ['EMAIL_ALLOW', '@', /addresses and @domains/],
    ['EMAIL_ALLOW', 'me@example.com;you@example.com', /addresses and @domains/],
    ['SUPPORT_ADDRESS', 'help', /not an email address; .*help@example\.com/],
    ['SUPPORT_ADDRESS', 'Help <help@example.com>', /write the address alone/],
    ['SUPPORT_ADDRESS', 'a@b.example\r\nBcc: c@d.example', /not an email address/],
    ['EMAIL_LANGUAGE', 'it', /one of: en, de, fr, es/],
    ['EMAIL_LANGUAGE', 'EN', /one of: en, de, fr, es/],
    ['CRON_SECRET', 'cron', /not random/],
    ['PASSWORD_MIN_LENGTH', '7', /8 to 64/],
    ['PASSWORD_MIN_LENGTH', 'ten', /8 to 64/],
    ['BREACHED_PASSWORDS_URL', 'http://api.pwnedpasswords.com/range', /https/],
    ['BREACHED_PASSWORDS_URL', 'https://user:pw@api.example.com', /https address alone/],
    ['BREACHED_PASSWORDS_URL', 'http://127.0.0.1:1/range', /https/],
  ])('%s=%s is refused in production', (key, value, problem) => {
    expect(issuesOf({ [key]: value })[key]).toMatch(problem)
  })

  test('[ASVS 13.2.3] no secret of an example opens a deployment: none of .env.example, none of the docs, none left out', () => {
    const example = parseEnv(readFileSync(join(import.meta.dirname, '../.env.example'), 'utf8'))
    const issues = issuesOf({ ...example, VERCEL_ENV: 'production' })
    expect(Object.keys(issues).toSorted()).toEqual([
      'APP_URL',
      'CRON_SECRET',
      'DATABASE_URL',
      'JWT_SECRET',
      'NEON_FETCH_ENDPOINT',
      'RESEND_API_KEY',
      'RESEND_BASE_URL',
    ])
    for (const sample of ['changeme', 'secret', 'your-secret-here', 'openssl rand -base64 32']) {
      expect(Object.keys(issuesOf({ JWT_SECRET: sample, CRON_SECRET: sample })).toSorted()).toEqual([
        'CRON_SECRET',
        'JWT_SECRET',
      ])
    }
    expect(issuesOf({ RESEND_API_KEY: 're_xxxxxxxxx' })['RESEND_API_KEY']).toMatch(/an example/)
    for (const url of ['postgresql://app@db.example.com/app', 'postgresql://app:@db.example.com/app']) {
      expect(issuesOf({ DATABASE_URL: url })['DATABASE_URL']).toMatch(/with user, password/)
    }
  })

  test('DATABASE_CA takes one certificate or more, and none that Node would ignore', () => {
    const [{ cert: one }, { cert: other }] = [localhostCertificate(), localhostCertificate()]
    for (const good of [one, one + other, `\n${one}\n`]) {
      expect(issuesOf({ DATABASE_CA: good })).toEqual({})
    }
    for (const bad of [
      one.replaceAll('\n', ''),
      one.replaceAll('\n', ' '),
      one.replaceAll('\n', String.raw`\n`),
      one.slice(0, -30),
      one.replace(/MI.{20}/, ''),
      `${one}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n`,
      one.replaceAll('CERTIFICATE', 'PUBLIC KEY'),
    ]) {
      expect(issuesOf({ DATABASE_CA: bad })['DATABASE_CA'], bad).toMatch(/with its line breaks/)
    }
  })

  test('a fault never repeats the value', () => {
    const marker = 'mArKeR0123'
    const variables = Object.fromEntries(
      [
        ...Object.keys(COMPLETE),
        'NEON_FETCH_ENDPOINT',
        'RESEND_BASE_URL',
        'PASSWORD_MIN_LENGTH',
        'SUPPORT_ADDRESS',
        'EMAIL_LANGUAGE',
        'VERIFY_PATH',
        'RESET_PATH',
        'BREACHED_PASSWORDS_URL',
      ]
        .filter((key) => key !== 'VERCEL_ENV')
        .map((key) => [key, marker]),
    )
    const parsed = parseEnvironment({ ...variables, VERCEL_ENV: 'production' })
    expect(parsed.kind).toBe('misconfigured')
    expect(JSON.stringify(parsed)).not.toContain(marker)
  })
})

/** Also the table in docs/email.md. */
const ORIGINS: [situation: string, variables: Record<string, string>, origin: string][] = [
  [
    'production, a domain set by hand',
    { VERCEL_ENV: 'production', APP_URL: 'https://a.example/', VERCEL_PROJECT_PRODUCTION_URL: 'b.example' },
    'https://a.example',
  ],
  [
    'production, nothing set',
    { VERCEL_ENV: 'production', VERCEL_PROJECT_PRODUCTION_URL: 'b.example', VERCEL_URL: 'c.vercel.app' },
    'https://b.example',
  ],
  [
    'production, the default port named',
    { VERCEL_ENV: 'production', APP_URL: 'https://a.example:443' },
    'https://a.example',
  ],
  [
    'preview of a branch',
    {
      VERCEL_ENV: 'preview',
      VERCEL_BRANCH_URL: 'app-git-x.vercel.app',
      VERCEL_URL: 'app-1.vercel.app',
      VERCEL_PROJECT_PRODUCTION_URL: 'b.example',
    },
    'https://app-git-x.vercel.app',
  ],
  [
    'preview without a branch',
    { VERCEL_ENV: 'preview', VERCEL_URL: 'app-1.vercel.app' },
    'https://app-1.vercel.app',
  ],
  [
    'preview, a domain set by hand',
    {
      VERCEL_ENV: 'preview',
      APP_URL: 'https://staging.example',
      VERCEL_BRANCH_URL: 'app-git-x.vercel.app',
    },
    'https://staging.example',
  ],
  ['local, `vercel dev`', { VERCEL_ENV: 'development' }, 'http://localhost:3000'],
  [
    'local, another port',
    { VERCEL_ENV: 'development', APP_URL: 'http://localhost:4000' },
    'http://localhost:4000',
  ],
  ['local, without Vercel', { APP_URL: 'http://localhost:3000' }, 'http://localhost:3000'],
]

describe('the origin', () => {
  test('docs/email.md shows these cases', () => {
    const page = readFileSync(join(import.meta.dirname, '../docs/email.md'), 'utf8')
    const rows = page.split('\n').filter((line) => /`(?:VERCEL_ENV|APP_URL)=.*\|.*`https?:/.test(line))
    expect(rows.map((row) => row.split('|').map((cell) => cell.trim()))).toEqual(
      ORIGINS.map(([situation, variables, origin]) => {
        const set = Object.entries(variables).map(([key, value]) => `\`${key}=${value}\``)
        return ['', situation, set.join(' '), `\`${origin}\``, '']
      }),
    )
  })

  test.each(ORIGINS)('%s', (_, variables, origin) => {
    expect(appOrigin(variables)).toEqual({ kind: 'origin', origin })
  })

  test.each<[string, Record<string, string>]>([
    [
      'production never takes its generated host',
      { VERCEL_ENV: 'production', VERCEL_URL: 'app-1.vercel.app' },
    ],
    ['no stage and no address', {}],
    ['no stage and a name that only begins like localhost', { APP_URL: 'http://localhost.evil.example' }],
    [
      'plain http to an address of this machine',
      { VERCEL_ENV: 'development', APP_URL: 'http://127.0.0.1:3000' },
    ],
  ])('there is none: %s', (_, variables) => {
    expect(appOrigin(variables).kind).toBe('issue')
  })

  test('a preview accepts its own generated hosts, production only its one origin', () => {
    const hosts = { VERCEL_BRANCH_URL: 'app-git-x.vercel.app', VERCEL_URL: 'app-1.vercel.app' }
    const preview = parseEnvironment({ ...COMPLETE, ...hosts, VERCEL_ENV: 'preview' })
    expect(preview.kind === 'ok' && preview.environment.ownOrigins).toEqual([
      'https://app.example.com',
      'https://app-git-x.vercel.app',
      'https://app-1.vercel.app',
    ])
    const production = parseEnvironment({ ...COMPLETE, ...hosts })
    expect(production.kind === 'ok' && production.environment.ownOrigins).toEqual(['https://app.example.com'])
  })
})
