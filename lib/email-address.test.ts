import * as z from 'zod/mini'
import { describe, expect, test } from 'vitest'
import { EmailAddress, normalizeEmail } from './email-address.ts'

const accepted = (text: unknown) => z.safeParse(EmailAddress, text).success

describe('an email address', () => {
  test.each([
    'a+b@x.co',
    'First.Last@example.com',
    "o'neil@example.co.uk",
    'x@müller.example',
    '  padded@example.com ',
    `${'a'.repeat(63)}@example.com`,
  ])('%s is accepted', (address) => {
    expect(accepted(address)).toBe(true)
  })

  test.each([
    ['nothing', ''],
    ['no @', 'example.com'],
    ['no local part', '@example.com'],
    ['no domain', 'a@'],
    ['one label', 'a@localhost'],
    ['an address literal', 'a@[127.0.0.1]'],
    ['a numeric host', 'a@127.0.0.1'],
    ['two dots', 'a..b@example.com'],
    ['a dot first', '.a@example.com'],
    ['a space', 'a b@example.com'],
    ['a header', 'a@example.com\r\nBcc: b@example.com'],
    ['NUL', 'a\0@example.com'],
    ['a look-alike letter', 'mi\u212Ae@example.com'],
    ['255 characters', `${'a'.repeat(61)}@${'b'.repeat(63)}.${'c'.repeat(63)}.${'d'.repeat(62)}.co`],
    ['64 before the @', `${'a'.repeat(64)}@example.com`],
    ['a list', ['a@example.com']],
    ['a number', 1],
  ])('%s is refused', (_, value) => {
    expect(accepted(value)).toBe(false)
  })

  test('[CS Email Validation form] [CS Input Validation email] spellings of one address have one comparison form', () => {
    expect(normalizeEmail('First.Last@EXAMPLE.com')).toBe('first.last@example.com')
    expect(normalizeEmail('x@MÜLLER.example')).toBe('x@xn--mller-kva.example')
    expect(normalizeEmail('x@xn--mller-kva.example')).toBe(normalizeEmail('x@müller.example'))
    expect(normalizeEmail('a+b@example.com')).not.toBe(normalizeEmail('a@example.com'))
  })
})
