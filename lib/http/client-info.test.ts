import { describe, expect, test } from 'vitest'
import { clientInfo, networkOf } from './client-info.ts'

describe('the network a source is counted by', () => {
  test.each([
    ['203.0.113.9', '203.0.113.9'],
    ['::ffff:203.0.113.9', '203.0.113.9'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:0DB8:0001:0002::1', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ])('%s counts as %s', (ip, network) => {
    expect(networkOf(ip)).toBe(network)
  })
})

describe('the client of a request', () => {
  const from = (headers: Record<string, string>) => clientInfo(new Request('http://localhost/', { headers }))

  test('[ASVS 4.1.3] [ASVS 15.3.4] [RFC 9700 4.13] its address comes from the header that the platform overwrites, and from no other', () => {
    const client = from({
      'x-real-ip': '203.0.113.9',
      'x-forwarded-for': '198.51.100.1',
      forwarded: 'for=198.51.100.2',
    })
    expect(client.ip).toBe('203.0.113.9')
    expect(from({ 'x-forwarded-for': '198.51.100.1' }).ip).toBeNull()
    expect(from({ 'x-real-ip': "1.2.3.4'; DROP TABLE users" }).ip).toBeNull()
  })

  test('a request id that could break a log line is replaced', () => {
    expect(from({ 'x-vercel-id': 'fra1::abcde-1700000000000-0123456789ab' }).requestId).toBe(
      'fra1::abcde-1700000000000-0123456789ab',
    )
    expect(from({ 'x-vercel-id': '{"level":"fatal"}' }).requestId).toMatch(/^[0-9a-f-]{36}$/)
    expect(from({}).requestId).toMatch(/^[0-9a-f-]{36}$/)
  })

  test('a long user agent is cut', () => {
    expect(from({ 'user-agent': 'x'.repeat(9000) }).userAgent).toHaveLength(256)
  })
})
