/** What the registration cookie holds: the registration's id, sealed, so that this browser can prove it asked. */
import { parse, stringify } from 'uuid'
import { seal, unseal } from './keys.ts'

const ID_BYTES = 16

export function sealRegistration(id: string): string {
  return seal('registration-cookie', parse(id))
}

/** Undefined for no cookie and for anything that this deployment did not seal. */
export function openRegistration(text: string | undefined): string | undefined {
  const id = text === undefined ? undefined : unseal('registration-cookie', text, { payloadBytes: ID_BYTES })
  return id && stringify(id)
}
