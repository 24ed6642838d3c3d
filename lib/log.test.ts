/** The log: one line per entry, with known fields only. */
import { afterEach, describe, expect, test, vi } from 'vitest'
import { log, type LogFields } from './log.ts'

afterEach(() => vi.restoreAllMocks())

function written(fields: LogFields): string[] {
  const lines: string[] = []
  vi.spyOn(console, 'info').mockImplementation((...parts: unknown[]) => void lines.push(parts.join(' ')))
  log('info', 'request', fields)
  return lines
}

describe('an entry', () => {
  test('[ASVS 16.2.1] [ASVS 16.2.2] [ASVS 16.2.4] is JSON that says when, in UTC, what, where and by which request', () => {
    vi.useFakeTimers({ now: Date.UTC(2030, 0, 2, 3, 4, 5, 6) })
    const [line = ''] = written({
      requestId: 'fra1::x',
      method: 'POST',
      path: '/api/auth/login',
      status: 401,
    })
    vi.useRealTimers()
    expect(JSON.parse(line)).toEqual({
      at: '2030-01-02T03:04:05.006Z',
      level: 'info',
      event: 'request',
      requestId: 'fra1::x',
      method: 'POST',
      path: '/api/auth/login',
      status: 401,
    })
  })

  test('[ASVS 16.4.1] stays one line whatever is in it, and cannot end its own fields', () => {
    const forged = 'x\r\n{"level":"error","event":"forged"}\n\u001b[2J\0","event":"forged'
    const lines = written({ path: forged, reason: forged, stack: forged, keys: [forged] })
    expect(lines).toHaveLength(1)
    const [line = ''] = lines
    expect(line).not.toMatch(/\p{Cc}/u)
    expect(JSON.parse(line)).toMatchObject({ event: 'request', path: forged, reason: forged })
  })

  test('[ASVS 16.2.5] has the fields that are named and no other, whatever it is given', () => {
    const more = { path: '/', password: 'a secret', token: 'a secret', cookie: 'a secret', email: 'a secret' }
    expect(written(more).join()).not.toContain('secret')
  })
})
