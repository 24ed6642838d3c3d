/**
 * Faults on the way to the database, met by what a deploy would run: the operations of docs/faults.md, each function in a
 * process of its own.
 */
import { afterAll, afterEach, beforeAll, expect, inject, test } from 'vitest'
import { serveArtefact, type Artefact } from '../../dev/artefact.ts'
import type { Fault } from '../../dev/gateway.ts'
import { sendThrough } from '../support/browser.ts'
import { operations, type Operation } from '../faults/operations.ts'
import { gateway } from '../support/setup-stack.ts'
import { functionEnvironment } from './environment.ts'

/** The tests' browsers say in it where they are; Vercel would overwrite it. */
const ADDRESS_HEADER = 'x-real-ip'

let artefact: Artefact

beforeAll(async () => {
  artefact = await serveArtefact({
    output: inject('artefactOutput') ?? '',
    port: 0,
    environment: functionEnvironment(),
    addressHeader: ADDRESS_HEADER,
  })
  sendThrough(async (request) => {
    const { pathname, search } = new URL(request.url)
    const body = await request.text()
    return fetch(artefact.origin + pathname + search, {
      method: request.method,
      headers: request.headers,
      ...(body === '' ? {} : { body }),
    })
  })
})
afterEach(() => {
  gateway.fault = undefined
})
afterAll(() => artefact.stop())

/** In the last round trip of the operation, and in its retry where it has one. */
function faultAtTheEnd({ roundTrips, isRetried }: Operation, fault: Fault) {
  const first = roundTrips.length - 1
  const last = isRetried ? first + 1 : first
  let seen = 0
  gateway.fault = ({ statements }) => {
    // Emails go out after the response, whenever that is.
    if (statements[0]?.includes('latchkey.record_delivery(')) return undefined
    const index = seen++
    return index >= first && index <= last ? fault : undefined
  }
  return () => seen
}

const faults: [string, Fault][] = [
  ['nothing got through', { kind: 'refuse' }],
  ['the response was lost', { kind: 'lose-answer' }],
  ['the response makes no sense', { kind: 'garbage' }],
]

test.each(
  operations.flatMap((operation) =>
    faults.map(([name, fault]) => [`${operation.name}, ${name}`, operation, fault] as const),
  ),
)('%s: the response is 503, and the person gets there all the same', async (_, operation, fault) => {
  const scene = await operation.prepare()
  const seen = faultAtTheEnd(operation, fault)
  const reply = await scene.send({})
  expect(seen()).toBeGreaterThanOrEqual(operation.roundTrips.length)
  expect([reply.status, reply.body.code]).toEqual([503, 'unavailable'])
  expect(Number(reply.headers.get('retry-after'))).toBeGreaterThan(0)
  expect(reply.setCookies).toEqual([])
  expect(reply.headers.get('server'), 'not a function of this process').toBe('Vercel')

  gateway.fault = undefined
  const again = await scene.send({})
  const { response, responseWhenDone } = operation
  expect([response, responseWhenDone]).toContain([again.status, again.body?.code].filter(Boolean).join(' '))
  await scene.expectWellEnded()
})
