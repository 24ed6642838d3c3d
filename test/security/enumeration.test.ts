/** No response shows whether an address has an account, whatever state it is in and however often it is asked. */
import { parseSetCookie } from 'cookie'
import { expect, test } from 'vitest'
import { rateLimits } from '../../lib/limits.ts'
import { newBrowser, type Received, type EndpointName } from '../support/browser.ts'
import { query } from '../support/database.ts'
import { runMaintenance } from '../faults/operations.ts'
import {
  failedBefore,
  newAddress,
  OTHER_PASSWORD,
  registeredPerson,
  verifiedPerson,
} from '../support/people.ts'

const WRONG = 'not the right password at all'

/** An address of each kind that there is. */
async function addresses(): Promise<[string, string][]> {
  const [locked, disabled, reset] = [await verifiedPerson(), await verifiedPerson(), await verifiedPerson()]
  await newBrowser().send('login', 'POST', { email: locked.email, password: WRONG })
  await failedBefore(locked.email, 100)
  await query('UPDATE users SET disabled_at = now() WHERE email = $1', disabled.email)
  await newBrowser().send('reset', 'POST', { email: reset.email })
  return [
    ['unknown', newAddress()],
    ['known', (await verifiedPerson()).email],
    ['pending', (await registeredPerson()).email],
    ['locked', locked.email],
    ['disabled', disabled.email],
    ['with a pending reset', reset.email],
  ]
}

/** Everything but what differs between two responses to the same request: its id, and the value of a cookie. */
function contentOf({ status, headers, body, setCookies }: Received): object {
  const fields = [...headers].filter(([name]) => name !== 'x-request-id' && name !== 'set-cookie')
  const cookies = setCookies.map((text) => {
    const { value = '', ...rest } = parseSetCookie(text)
    return { ...rest, length: value.length }
  })
  return { status, fields, body, cookies }
}

/** Seconds to wait count from when the bucket was emptied, a second ago or two. */
function withoutSeconds(response: object): object {
  return JSON.parse(JSON.stringify(response).replaceAll(/\d+(?="\])/g, 'n'))
}

async function expectAlike(most: number, statuses: number[], ask: (email: string) => Promise<Received>) {
  let first: object[] | undefined
  const kinds = await addresses()
  // Not those that it took to make them.
  await query('DELETE FROM rate_limits')
  for (const [who, email] of kinds) {
    const responses: Received[] = []
    for (let round = 0; round < most; round += 1) responses.push(await ask(email))
    expect([who, [...new Set(responses.map(({ status }) => status))]]).toEqual([who, statuses])
    const all = responses.map((response) => withoutSeconds(contentOf(response)))
    first ??= all
    expect({ who, all }).toEqual({ who, all: first })
  }
}

const cases: [string, EndpointName, string, object, number, number[]][] = [
  ['login', 'login', 'POST', { password: WRONG }, 1, [401]],
  [
    'register',
    'register',
    'POST',
    { password: OTHER_PASSWORD },
    rateLimits.registerByAddress.quota + 1,
    [202, 429],
  ],
  ['a request for a new link', 'verify', 'POST', {}, rateLimits.emailByAddress.quota + 1, [202]],
  ['a request for a reset', 'reset', 'POST', {}, rateLimits.emailByAddress.quota + 1, [202]],
  [
    'a code of a registration',
    'verify',
    'PUT',
    { code: '000000' },
    rateLimits.codeByAddress.quota + 1,
    [400, 429],
  ],
  [
    'a code of a reset',
    'reset',
    'PUT',
    { code: '000000', password: OTHER_PASSWORD },
    rateLimits.codeByAddress.quota + 1,
    [400, 429],
  ],
]

test.each(cases)(
  '[ASVS 6.3.8] [RateLimit 8.2] %s: the same for every kind of address, up to the limit and beyond',
  async (_, endpoint, method, body, most, statuses) => {
    await expectAlike(most, statuses, (email) => newBrowser().send(endpoint, method, { email, ...body }))
  },
)

// Ten make the next attempt wait; a hundred lock.
test.each([
  [10, '25 hours'],
  [10, '31 days'],
  [100, '25 hours'],
  [100, '31 days'],
])(
  '[ASVS 6.3.8] %i wrong passwords and %s later, after maintenance: the same for every kind of address',
  async (failures, age) => {
    const kinds = await addresses()
    await query('DELETE FROM login_attempts')
    for (const [, email] of kinds) await newBrowser().send('login', 'POST', { email, password: WRONG })
    await query(
      'UPDATE login_attempts SET failures = $1, next_attempt_at = now() - $2::interval',
      failures,
      age,
    )
    expect((await runMaintenance()).status).toBe(200)

    const seen: [string, number[]][] = []
    for (const [who, email] of kinds) {
      const statuses: number[] = []
      for (let attempt = 0; attempt < 3; attempt += 1) {
        statuses.push((await newBrowser().send('login', 'POST', { email, password: WRONG })).status)
      }
      seen.push([who, statuses])
    }
    const isForgotten = failures < 100 && age === '31 days'
    const expected = isForgotten ? [401, 401, 401] : [401, 429, 429]
    expect(seen).toEqual(kinds.map(([who]) => [who, expected]))
  },
)
