/** Email addresses: one shape that is accepted and one form in which they are compared. */
import { domainToASCII } from 'node:url'
import * as z from 'zod/mini'

export const MAX_ADDRESS_LENGTH = 254
const MAX_LOCAL_PART_LENGTH = 63

// Printable ASCII before the @: look-alike letters there would let two people share one comparison form.
const LOCAL_PART = /^[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*$/i
const ASCII_DOMAIN =
  /^(?=.{1,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$/

/** An address as a person types it, trimmed. At most 254 characters, 63 of them before the @. */
export const EmailAddress = z
  .string({ error: 'Give an email address.' })
  .check(z.trim(), z.refine(isEmailAddress, { error: 'This is not an email address.' }))

function isEmailAddress(address: string): boolean {
  const at = address.lastIndexOf('@')
  const localPart = address.slice(0, at)
  return (
    at > 0 &&
    address.length <= MAX_ADDRESS_LENGTH &&
    localPart.length <= MAX_LOCAL_PART_LENGTH &&
    LOCAL_PART.test(localPart) &&
    ASCII_DOMAIN.test(domainToASCII(address.slice(at + 1)))
  )
}

/** The comparison form: lower case, the domain in punycode. Two addresses with the same form are one account. */
export function normalizeEmail(address: string): string {
  const at = address.lastIndexOf('@')
  return `${address.slice(0, at)}@${domainToASCII(address.slice(at + 1))}`.toLowerCase()
}
