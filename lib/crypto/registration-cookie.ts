/** The registration cookie's value, signed: this browser registered, and whether the user wants to be remembered. */
import { parse, stringify } from 'uuid'
import { signValue, verifyValue } from './keys.ts'

const ID_BYTES = 16

export interface RegistrationCookie {
  registrationId: string
  /** The choice of `remember`, for the session that verifying opens. */
  persistent: boolean
}

export function signRegistrationCookie({ registrationId, persistent }: RegistrationCookie): string {
  return signValue(
    'registration-cookie',
    Buffer.concat([parse(registrationId), Buffer.of(persistent ? 1 : 0)]),
  )
}

/** Undefined for no cookie, and for one that this deployment didn't sign. */
export function verifyRegistrationCookie(text: string | undefined): RegistrationCookie | undefined {
  const payload =
    text === undefined ? undefined : verifyValue('registration-cookie', text, { payloadBytes: ID_BYTES + 1 })
  if (payload === undefined) return undefined
  return { registrationId: stringify(payload.subarray(0, ID_BYTES)), persistent: payload[ID_BYTES] === 1 }
}
