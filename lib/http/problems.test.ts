import { expect, test } from 'vitest'
import { rateLimits } from '../limits.ts'
import { rateLimitHeaders } from './problems.ts'

test('[RateLimit 3] [RateLimit 4] the fields are structured fields: a name with quota and window, a name with what is left and seconds', () => {
  const { quota, windowSeconds } = rateLimits.loginBySource
  expect(rateLimitHeaders('loginBySource', 30)).toEqual({
    'ratelimit-policy': `"login-source";q=${quota};w=${windowSeconds}`,
    ratelimit: '"login-source";r=0;t=30',
  })
})
