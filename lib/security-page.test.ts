/** docs/security.md says of sessions what the code does. */
import { globSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { ACCESS_TOKEN_LIFETIME_SECONDS } from './access-token.ts'
import {
  MAX_SESSIONS_PER_ACCOUNT,
  RECENT_AUTHENTICATION_SECONDS,
  SESSION_IDLE_SECONDS,
  SESSION_LIFETIME_SECONDS,
  TURN_WINDOW_SECONDS,
} from './sessions.ts'

const page = await readFile('docs/security.md', 'utf8')

/** The text of a section, by the words its heading begins with. */
function section(heading: string): string {
  const found = page.split('\n## ').find((each) => each.startsWith(heading))
  if (found === undefined) throw new Error(`there is no section "${heading}"`)
  return found.replaceAll(/\s+/g, ' ')
}

test('[ASVS 7.1.1] [63B-4 2.1.3] [63B-4 5.2] both ends of a session are in the docs with their numbers, and why they are what they are', () => {
  const times = section('How long a session lasts')
  expect(times).toContain(
    `without a turn, a session is over in | ${SESSION_IDLE_SECONDS / (24 * 60 * 60)} days |`,
  )
  expect(times).toContain(
    `after the sign-in it is over in | ${SESSION_LIFETIME_SECONDS / (24 * 60 * 60)} days |`,
  )
  expect(times).toContain(`an access token is good for | ${ACCESS_TOKEN_LIFETIME_SECONDS / 60} minutes |`)
  expect(times).toContain(`as given just now for | ${RECENT_AUTHENTICATION_SECONDS / 60} minutes |`)
  expect(times).toContain(`yields its successor for | ${TURN_WINDOW_SECONDS} seconds |`)
  expect(times).toMatch(/Why these times.*63B-4.*AAL1.*AAL2.*not claimed/)
  expect(SESSION_LIFETIME_SECONDS).toBeLessThanOrEqual(30 * 24 * 60 * 60)
})

test('[ASVS 7.1.2] how many devices may be signed in at once is in the docs, and what one more does', () => {
  expect(section('How long a session lasts')).toContain(`at once | ${MAX_SESSIONS_PER_ACCOUNT} at most |`)
  expect(section('How many devices')).toMatch(
    new RegExp(`${MAX_SESSIONS_PER_ACCOUNT} devices at once.*opened first ends`),
  )
})

test('[63B-4 5.1 secrets] that the session cookie survives a restart of the browser is in the docs, with the reason', () => {
  expect(section('Why the session cookie outlives the browser')).toMatch(
    /Max-Age.*NIST and OWASP would rather.*But /,
  )
})

test('[63B-4 5.1 secrets] no page of ours puts anything into the storage of the browser', async () => {
  // Swagger UI's file comes from its package; browser/api-reference.test.ts sees that it keeps nothing.
  const files = globSync('public/**/*.{js,html}').filter((file) => !file.startsWith('public/docs/swagger-ui'))
  expect(files.length).toBeGreaterThan(10)
  for (const file of files) {
    expect(await readFile(file, 'utf8'), file).not.toMatch(
      /localStorage|sessionStorage|indexedDB|document\.cookie\s*=/,
    )
  }
})
