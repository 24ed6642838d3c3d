/** The contract: that it is the newest one, that its examples are what is sent and received, and that its rules are the code's. */
import { readFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { OPENAPI_PATH, openapiText } from '../../cli/build/openapi.ts'
import { examples } from '../../cli/build/openapi/examples.ts'
import { repliesSeen, compile, contract, resolve } from '../support/contract.ts'
import { newBrowser, sendRaw, type Received, type Browser, type EndpointName } from '../support/browser.ts'
import {
  newAddress,
  newestEmailTo,
  registeredPerson,
  signedInPerson,
  tokenIn,
  verifiedPerson,
} from '../support/people.ts'

const all = Object.entries(contract.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
)
const byId = new Map(all.map((one) => [one.operation.operationId, one]))

test('the contract is what `npm run openapi` makes of the code', async () => {
  expect(await readFile(OPENAPI_PATH, 'utf8')).toBe(await openapiText())
})

test('every example of a request and of an answer is as its schema says', () => {
  for (const { operation } of all) {
    const contents = [operation.requestBody, ...Object.values(operation.responses).map(resolve)]
    for (const { schema, examples: given } of contents.flatMap((one) => Object.values(one?.content ?? {}))) {
      const isValid = compile(schema)
      const values = Object.values(given ?? {}).map((example) => resolve(example).value)
      expect(values.length).toBeGreaterThan(0)
      for (const value of values) expect(isValid(value), JSON.stringify([value, isValid.errors])).toBe(true)
    }
  }
})

// --- The examples, sent and received ---

/** What stands in the examples, and what stands for it where it is sent. */
interface Stand {
  email?: string
  token?: string
  code?: string
  newEmail?: string
}

function filled(value: unknown, { email, token, code, newEmail = newAddress() }: Stand): object {
  const text = JSON.stringify(value)
    .replaceAll(examples.newEmail, newEmail)
    .replaceAll(examples.address.email, email ?? newAddress())
    .replaceAll(examples.token, token ?? '')
    .replaceAll(examples.code, code ?? '')
  return JSON.parse(text)
}

/** Names and kinds of values: what is left when another person's are put in. */
function shapeOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.slice(0, 1).map(shapeOf)
  if (typeof value !== 'object' || value === null) return typeof value
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, shapeOf(inner)]))
}

const received = new Set<string>()

/** Sends an example and expects the named one, or an answer without a body, in return. */
async function expectExample(
  [id, requestExample, replyExample]: [string, string | undefined, string | undefined],
  browser: Browser,
  stand: Stand = {},
  headers: Record<string, string> = {},
): Promise<Received> {
  const { path, method, operation } = byId.get(id) ?? {}
  if (path === undefined || method === undefined || operation === undefined) throw new Error(`no ${id}`)
  const body = operation.requestBody?.content['application/json']?.examples[requestExample ?? '']?.value
  const target = path.replace('/api/auth/', '') as EndpointName
  const reply = await browser.send(target, method.toUpperCase(), body && filled(body, stand), headers)

  const [content] = Object.values(resolve(operation.responses[reply.status] ?? { headers: {} }).content ?? {})
  const example = replyExample && resolve(content?.examples?.[replyExample] ?? {}).value
  expect(reply.status, JSON.stringify(reply.body)).toBeLessThan(300)
  expect(shapeOf(reply.body)).toEqual(shapeOf(example))
  // The same words, too, where the answer is nothing else.
  const word = (example as { status?: string } | undefined)?.status
  expect(reply.body?.status).toBe(word)
  if (body !== undefined) received.add(`${id} > ${requestExample}`)
  if (example !== undefined) received.add(`${id} < ${replyExample}`)
  return reply
}

async function codeMailedTo(email: string): Promise<string> {
  const { text } = await newestEmailTo(email)
  return /\d{3} \d{3}/.exec(text ?? '')?.[0] ?? ''
}

async function tokenEmailedTo(email: string): Promise<string> {
  return tokenIn(await newestEmailTo(email))
}

test('each example of a request is answered by the example of its answer', async () => {
  const browser = newBrowser()
  const email = newAddress()
  await expectExample(['register', 'person', 'checkEmail'], browser, { email })
  await expectExample(['requestVerification', 'address', 'checkEmail'], browser, { email })
  await expectExample(['verify', 'token', 'signedIn'], browser, { token: await tokenEmailedTo(email) })
  await expectExample(['login', 'person', 'session'], browser, { email })
  await expectExample(['login', 'again', 'session'], browser, { email })
  await expectExample(['login', 'shared', 'session'], newBrowser(), { email })
  await expectExample(['register', 'shared', 'checkEmail'], newBrowser())
  await expectExample(['refresh', 'nothing', 'session'], browser)
  await expectExample(['listSessions', undefined, 'sessions'], browser)
  await expectExample(['readAccount', undefined, 'account'], browser)
  await expectExample(['changeAccount', 'email', 'checkEmail'], browser, { email })
  await expectExample(['verify', 'cancel', 'canceled'], newBrowser(), { token: await tokenEmailedTo(email) })
  await expectExample(['logout', 'here', undefined], browser)

  await expectExample(['requestReset', 'address', 'checkEmail'], browser, { email })
  await expectExample(['reset', 'token', 'changed'], browser, { token: await tokenEmailedTo(email) })

  for (const proof of ['elsewhere', 'code']) {
    const stranger = await registeredPerson()
    await expectExample(['verify', proof, 'verified'], newBrowser(), {
      email: stranger.email,
      token: await tokenEmailedTo(stranger.email),
      code: await codeMailedTo(stranger.email),
    })
  }
  const forgetful = await verifiedPerson()
  await newBrowser().send('reset', 'POST', { email: forgetful.email })
  await expectExample(['reset', 'code', 'changed'], newBrowser(), {
    email: forgetful.email,
    code: await codeMailedTo(forgetful.email),
  })

  const traveller = await signedInPerson()
  await expectExample(['logout', 'everywhere', undefined], traveller.browser)
  const leaver = await signedInPerson()
  const { body } = await leaver.browser.send('refresh', 'POST', {})
  expect((await leaver.browser.send(`sessions?id=${body.session.id}`, 'DELETE')).status).toBe(204)
  const owner = await signedInPerson()
  await expectExample(['changeAccount', 'password', 'session'], owner.browser)
  const gone = await signedInPerson()
  await expectExample(['deleteAccount', undefined, undefined], gone.browser)

  await expectExample(['readKeys', undefined, 'keys'], newBrowser())
  await expectExample(
    ['maintain', undefined, 'report'],
    newBrowser(),
    {},
    {
      authorization: `Bearer ${process.env['CRON_SECRET']}`,
    },
  )

  // None was left out, neither an example nor a kind of success.
  const given = all.flatMap(({ operation: { operationId: id, requestBody, responses } }) => [
    ...Object.values(requestBody?.content ?? {}).flatMap((content) =>
      Object.keys(content.examples).map((name) => `${id} > ${name}`),
    ),
    ...Object.entries(responses)
      .filter(([status]) => Number(status) < 300)
      .flatMap(([, { content }]) => Object.values(content ?? {}))
      .flatMap((content) => Object.keys(content.examples ?? {}).map((name) => `${id} < ${name}`)),
  ])
  expect([...received].toSorted()).toEqual(given.toSorted())
  const successes = all.flatMap(({ operation }) =>
    Object.keys(operation.responses)
      .filter((status) => Number(status) < 300)
      .map((status) => `${operation.operationId} ${status}`),
  )
  expect([...repliesSeen()]).toEqual(expect.arrayContaining(successes))
})

// --- The rules that are in the code, and not in the schemas of zod ---

/** Every choice of some of these. */
function choices<Item>(items: readonly Item[]): Item[][] {
  return items.reduce<Item[][]>((sets, item) => [...sets, ...sets.map((set) => [...set, item])], [[]])
}

describe('a body is good by the contract where the code takes it as one', () => {
  const values = { token: 'x', cancel: 'x', email: 'a@example.org', code: '204871', password: 'short' }
  const change = { currentPassword: 'short', newPassword: 'shorter', email: 'a@example.org' }

  test.each([
    ['verify', 'put', values],
    ['reset', 'put', values],
    ['account', 'patch', change],
  ] as const)('%s %s', async (name, method, fields) => {
    const { schema } = contract.paths[`/api/auth/${name}`]?.[method]?.requestBody?.content[
      'application/json'
    ] ?? { schema: {} }
    const isGood = compile(schema)
    for (const chosen of choices(Object.entries(fields))) {
      const body = Object.fromEntries(chosen)
      const reply = await newBrowser().send(name, method.toUpperCase(), body)
      expect(reply.body?.code !== 'validation-failed', JSON.stringify(body)).toBe(isGood(body))
    }
  })
})

test('an answer that the contract does not have fails the test that gets it', async () => {
  const { holdAgainstContract } = await import('../support/contract.ts')
  const good = await sendRaw('keys', {})
  const hold = (change: object, method = 'GET', path = '/api/auth/keys') =>
    holdAgainstContract(method, path, { ...good, ...change })
  expect(() => hold({})).not.toThrow()
  expect(() => hold({ status: 201 })).toThrow('Not in the contract')
  expect(() => hold({}, 'GET', '/api/auth/nowhere')).toThrow('The contract has no')
  expect(() => hold({ body: undefined })).toThrow('must be object')
  expect(() => hold({ body: { ...good.body, more: 1 } })).toThrow('additional properties')
  expect(() => hold({ headers: new Headers({ 'content-type': 'text/html' }) })).toThrow('content type')
  expect(() => hold({ headers: new Headers({ 'content-type': 'application/json' }) })).toThrow('x-request-id')
  const refused = await sendRaw('maintenance', {})
  const other = { ...refused, body: { ...refused.body, code: 'invalid-credentials' } }
  expect(() => holdAgainstContract('GET', '/api/auth/maintenance', other)).toThrow('allowed values')
})
