/** How many hashes a response costs: as many for an unknown address as for a known one. */
import { expect, test, vi } from 'vitest'
import { newBrowser, type Received, type EndpointName } from '../support/browser.ts'
import { query } from '../support/database.ts'
import {
  failedBefore,
  newAddress,
  OTHER_PASSWORD,
  PASSWORD,
  registeredPerson,
  verifiedPerson,
} from '../support/people.ts'

const counts = vi.hoisted(() => ({ made: 0, compared: 0 }))

vi.mock(import('@node-rs/argon2'), async (original) => {
  const real = await original()
  return {
    ...real,
    hash: (...parameters) => {
      counts.made += 1
      return real.hash(...parameters)
    },
    verify: (...parameters) => {
      counts.compared += 1
      return real.verify(...parameters)
    },
  }
})

async function hashesOf(call: () => Promise<Received>): Promise<{ made: number; compared: number }> {
  counts.made = 0
  counts.compared = 0
  await call()
  return { ...counts }
}

async function addresses(): Promise<Record<string, string>> {
  const [locked, disabled] = [await verifiedPerson(), await verifiedPerson()]
  await newBrowser().send('login', 'POST', { email: locked.email, password: OTHER_PASSWORD })
  await failedBefore(locked.email, 100)
  await query('UPDATE users SET disabled_at = now() WHERE email = $1', disabled.email)
  return {
    known: (await verifiedPerson()).email,
    unknown: newAddress(),
    pending: (await registeredPerson()).email,
    locked: locked.email,
    disabled: disabled.email,
  }
}

test.each<[string, EndpointName, string, object, { made: number; compared: number }]>([
  ['a login', 'login', 'POST', { password: OTHER_PASSWORD }, { made: 0, compared: 1 }],
  ['a registration', 'register', 'POST', { password: OTHER_PASSWORD }, { made: 1, compared: 0 }],
  ['a request for a new link', 'verify', 'POST', {}, { made: 0, compared: 0 }],
  ['a request for a reset', 'reset', 'POST', {}, { made: 0, compared: 0 }],
  ['a wrong code', 'verify', 'PUT', { code: '000000' }, { made: 0, compared: 0 }],
  [
    'a wrong code of a reset',
    'reset',
    'PUT',
    { code: '000000', password: OTHER_PASSWORD },
    { made: 0, compared: 0 },
  ],
])(
  '[CS Authentication login] [CS Authentication register] [ASVS 6.3.8] %s costs the same hashes for every address',
  async (_, endpoint, method, body, expected) => {
    for (const [who, email] of Object.entries(await addresses())) {
      const hashes = await hashesOf(() => newBrowser().send(endpoint, method, { email, ...body }))
      expect({ who, ...hashes }).toEqual({ who, ...expected })
    }
  },
)

test('[CS Authentication long passwords] a password of 10 KB costs no hash', async () => {
  const { email } = await verifiedPerson()
  const password = 'x y'.repeat(3400)
  for (const [endpoint, method, body] of [
    ['register', 'POST', { email: newAddress(), password }],
    ['login', 'POST', { email, password }],
    ['reset', 'PUT', { email, code: '000000', password }],
  ] as const) {
    const startedAt = performance.now()
    let response: Received | undefined
    const hashes = await hashesOf(async () => (response = await newBrowser().send(endpoint, method, body)))
    expect([response?.status, response?.body.errors[0].pointer]).toEqual([422, '#/password'])
    expect(hashes).toEqual({ made: 0, compared: 0 })
    expect(performance.now() - startedAt).toBeLessThan(1000)
  }
  expect((await newBrowser().send('login', 'POST', { email, password: PASSWORD })).status).toBe(200)
})
