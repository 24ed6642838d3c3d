/** docs/security.md says of links and codes what the code does. */
import { readFile } from 'node:fs/promises'
import { v7 as newId } from 'uuid'
import { expect, test } from 'vitest'
import { mailCode, MAX_CODE_ATTEMPTS } from './mail-code.ts'
import {
  EMAIL_CHANGE_LINK_LIFETIME_SECONDS,
  REGISTRATION_LINK_LIFETIME_SECONDS,
  RESET_LINK_LIFETIME_SECONDS,
} from './mail-token.ts'

test('[ASVS 6.4.1] docs/security.md says how long each link works, how many digits a code has and how often it can be tried', async () => {
  const page = await readFile('docs/security.md', 'utf8')
  const value = (what: string) => new RegExp(`^\\| ${what} +\\| (.+?) +\\|$`, 'm').exec(page)?.[1]
  expect(value('the link of a registration works')).toBe(
    `once, for ${REGISTRATION_LINK_LIFETIME_SECONDS / 3600} hours`,
  )
  expect(value('the link of a reset works')).toBe(`once, for ${RESET_LINK_LIFETIME_SECONDS / 60} minutes`)
  expect(value('the link of a new address works')).toBe(
    `once, for ${EMAIL_CHANGE_LINK_LIFETIME_SECONDS / 3600} hours`,
  )
  const code = mailCode('reset-mail', { id: newId(), expiresAt: new Date(1_800_000_000_000) })
  expect(value('a code has')).toBe(`${code.length} digits, and the link's lifetime`)
  expect(value('a code can be tried')).toBe(`${MAX_CODE_ATTEMPTS} times`)
})
