/** The round-trip budget: HTTP requests to the database, counted at the gateway; those that mark a mail apart. */
import { expect, test } from 'vitest'
import { newBrowser, sendRaw, type Answer } from './browser.ts'
import { ageSessions } from './database.ts'
import {
  newAddress,
  newestMailTo,
  OTHER_PASSWORD,
  PASSWORD,
  registeredPerson,
  signedInPerson,
  tokenIn,
  verifiedPerson,
} from './people.ts'
import { gateway } from './setup-stack.ts'

interface Count {
  status: number
  roundTrips: number
  mailMarks: number
}

async function counted(call: () => Promise<Answer>): Promise<Count> {
  gateway.requests.length = 0
  const { status } = await call()
  const marks = gateway.requests.filter(({ statements }) =>
    statements[0]?.includes('UPDATE outbox SET sent_at'),
  )
  return { status, roundTrips: gateway.requests.length - marks.length, mailMarks: marks.length }
}

test('register: 2, for a free address and a taken one', async () => {
  const owner = await verifiedPerson()
  for (const email of [newAddress(), owner.email]) {
    expect(await counted(() => newBrowser().send('register', 'POST', { email, password: PASSWORD }))).toEqual(
      { status: 202, roundTrips: 2, mailMarks: 1 },
    )
  }
})

test('verify: 1 to ask, 1 to spend, 2 with a password', async () => {
  const person = await registeredPerson()
  const { email } = person
  expect(await counted(() => newBrowser().send('verify', 'POST', { email }))).toEqual({
    status: 202,
    roundTrips: 1,
    mailMarks: 1,
  })
  expect(await counted(() => newBrowser().send('verify', 'POST', { email: newAddress() }))).toEqual({
    status: 202,
    roundTrips: 1,
    mailMarks: 0,
  })
  const token = tokenIn(await newestMailTo(email))
  expect(await counted(() => newBrowser().send('verify', 'PUT', { token }))).toEqual({
    status: 403,
    roundTrips: 1,
    mailMarks: 0,
  })
  expect(await counted(() => newBrowser().send('verify', 'PUT', { token, password: PASSWORD }))).toEqual({
    status: 200,
    roundTrips: 2,
    mailMarks: 0,
  })
  const other = await registeredPerson()
  const otherToken = tokenIn(await newestMailTo(other.email))
  expect(await counted(() => other.browser.send('verify', 'PUT', { token: otherToken }))).toEqual({
    status: 200,
    roundTrips: 1,
    mailMarks: 0,
  })
})

test('login: 2, for a right password, a wrong one and an unknown address', async () => {
  const { email } = await verifiedPerson()
  const login = (address: string, password: string) =>
    counted(() => newBrowser().send('login', 'POST', { email: address, password }))
  expect(await login(email, PASSWORD)).toEqual({ status: 200, roundTrips: 2, mailMarks: 0 })
  expect(await login(email, OTHER_PASSWORD)).toEqual({ status: 401, roundTrips: 2, mailMarks: 0 })
  expect(await login(newAddress(), PASSWORD)).toEqual({ status: 401, roundTrips: 2, mailMarks: 0 })
})

test('refresh: 1 that turns, 1 that does not, 0 without a cookie; logout: 1, 0 when no one is signed in', async () => {
  const person = await signedInPerson()
  const refresh = () => counted(() => person.browser.send('refresh', 'POST', {}))
  expect(await refresh()).toEqual({ status: 200, roundTrips: 1, mailMarks: 0 })
  await ageSessions(person.email, 60)
  expect(await refresh()).toEqual({ status: 200, roundTrips: 1, mailMarks: 0 })
  const logout = () => counted(() => person.browser.send('logout', 'POST', { everywhere: true }))
  expect(await logout()).toEqual({ status: 204, roundTrips: 1, mailMarks: 0 })
  expect(await logout()).toEqual({ status: 204, roundTrips: 0, mailMarks: 0 })
  expect(await refresh()).toEqual({ status: 401, roundTrips: 0, mailMarks: 0 })
})

test('reset: 1 to ask, known or not, and 1 to spend', async () => {
  const { email } = await verifiedPerson()
  expect(await counted(() => newBrowser().send('reset', 'POST', { email: newAddress() }))).toEqual({
    status: 202,
    roundTrips: 1,
    mailMarks: 0,
  })
  expect(await counted(() => newBrowser().send('reset', 'POST', { email }))).toEqual({
    status: 202,
    roundTrips: 1,
    mailMarks: 1,
  })
  const token = tokenIn(await newestMailTo(email))
  expect(await counted(() => newBrowser().send('reset', 'PUT', { token, password: OTHER_PASSWORD }))).toEqual(
    { status: 200, roundTrips: 1, mailMarks: 1 },
  )
})

test('sessions: 1 to list, 1 to end; account: 1 to read, 2 to change or delete, right password or wrong', async () => {
  const person = await signedInPerson()
  const call = (target: 'sessions' | 'sessions?others=true' | 'account', method: string, body?: object) =>
    counted(() => person.browser.send(target, method, body))
  expect(await call('sessions', 'GET')).toEqual({ status: 200, roundTrips: 1, mailMarks: 0 })
  expect(await call('sessions?others=true', 'DELETE')).toEqual({ status: 204, roundTrips: 1, mailMarks: 0 })
  expect(await call('account', 'GET')).toEqual({ status: 200, roundTrips: 1, mailMarks: 0 })
  const [currentPassword, newPassword] = [PASSWORD, OTHER_PASSWORD]
  expect(
    await call('account', 'PATCH', { currentPassword: newPassword, newPassword: 'a third good password' }),
  ).toEqual({ status: 401, roundTrips: 2, mailMarks: 0 })
  expect(await call('account', 'PATCH', { currentPassword, email: newAddress() })).toEqual({
    status: 200,
    roundTrips: 2,
    mailMarks: 2,
  })
  expect(await call('account', 'PATCH', { currentPassword, newPassword })).toEqual({
    status: 200,
    roundTrips: 2,
    mailMarks: 1,
  })
  expect(await call('account', 'DELETE', { currentPassword: newPassword })).toEqual({
    status: 204,
    roundTrips: 2,
    mailMarks: 1,
  })
})

test('keys: 0', async () => {
  expect(await counted(() => sendRaw('keys', {}))).toEqual({ status: 200, roundTrips: 0, mailMarks: 0 })
})
