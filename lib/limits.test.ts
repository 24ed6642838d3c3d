/** The table of limits and lifetimes, against what the standards ask for. */
import { expect, test } from 'vitest'
import { lifetimeSeconds, maximum, rateLimits } from './limits.ts'

const MINUTE = 60
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

test('[ASVS 7.1.1] [63B-4 2.1.3] [63B-4 5.2] a session has an idle and an absolute expiry, of 7 and 30 days, or of 2 hours and a day where it ends with the browser', () => {
  const { sessionIdle, sessionAbsolute, shortSessionIdle, shortSessionAbsolute } = lifetimeSeconds
  expect([sessionIdle, sessionAbsolute]).toEqual([7 * DAY, 30 * DAY])
  expect([shortSessionIdle, shortSessionAbsolute]).toEqual([2 * HOUR, DAY])
})

test('[ASVS 7.1.1] an access token lasts 15 minutes, an authentication counts as recent for 5, a rotated token for 30 seconds', () => {
  const { accessToken, stepUp, reuseInterval } = lifetimeSeconds
  expect([accessToken, stepUp, reuseInterval]).toEqual([15 * MINUTE, 5 * MINUTE, 30])
})

test('[ASVS 7.1.2] an account has at most 50 sessions', () => {
  expect(maximum.sessionsPerAccount).toBe(50)
})

test('[ASVS 6.4.1] a link lasts 8 hours, of a reset half an hour, and its code can be tried 5 times', () => {
  const { registrationLink, emailChangeLink, resetLink } = lifetimeSeconds
  expect([registrationLink, emailChangeLink, resetLink]).toEqual([8 * HOUR, 8 * HOUR, 30 * MINUTE])
  expect(maximum.codeAttempts).toBe(5)
})

test('[63B-4 3.2.2] a password is locked by 100 failures in a row at most', () => {
  expect(maximum.lockedAt).toBeLessThanOrEqual(100)
})

test('sessions, tokens and emails are removed 30 days after their end at the latest, so the absolute expiry is enough to remove sessions by', () => {
  expect(lifetimeSeconds.sessionAbsolute).toBeLessThanOrEqual(lifetimeSeconds.keepConsumed)
})

test('no two limits have one name, and a row of a limit is of no use after a day', () => {
  const limits = Object.values(rateLimits)
  expect(new Set(limits.map(({ name }) => name)).size).toBe(limits.length)
  expect(Math.max(...limits.map(({ windowSeconds }) => windowSeconds))).toBe(DAY)
})
