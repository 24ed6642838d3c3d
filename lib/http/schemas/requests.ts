/**
 * What the endpoints accept. OpenAPI is generated from these (cli/build/openapi), so a schema and the contract can't part
 * ways.
 */
import * as z from 'zod/mini'
import { EmailAddress } from '../../email-address.ts'

export const PASSWORD_MAX_LENGTH = 128

/**
 * Every password field. The length counts code points. NUL and lone surrogates are refused, because two different
 * passwords could then have the same hash.
 */
export const Password = z.string({ error: 'Give a password.' }).check(
  z.refine((text) => text.isWellFormed() && !text.includes('\0'), {
    error: 'This password contains an unsupported character.',
  }),
  z.refine((text) => [...text.normalize('NFC')].length <= PASSWORD_MAX_LENGTH, {
    error: `Use at most ${PASSWORD_MAX_LENGTH} characters.`,
  }),
  z.overwrite((text) => text.normalize('NFC')),
)

/** Only the shape; lib/crypto/one-time-token.ts verifies it. */
export const OneTimeToken = z
  .string({ error: 'Give the token from the link.' })
  .check(z.maxLength(512, { error: 'This is longer than any token.' }))

/** Six digits. A space in the middle, as the email shows it, is fine. */
export const OneTimeCode = z.string({ error: 'Give the code from the email.' }).check(
  z.regex(/^\d{3} ?\d{3}$/, { error: 'The code has six digits.' }),
  z.overwrite((code) => code.replace(' ', '')),
)

const Flag = z.boolean({ error: 'Give true or false.' })

export const RegisterRequest = z.strictObject({
  email: EmailAddress,
  password: Password,
  remember: z._default(Flag, true),
})

export const LoginRequest = z.strictObject({
  email: EmailAddress,
  password: Password,
  remember: z._default(Flag, true),
  reauthenticate: z._default(Flag, false),
})

export const RefreshRequest = z.strictObject({})

export const LogoutRequest = z.strictObject({ everywhere: z._default(Flag, false) })

export const VerificationEmailRequest = z.strictObject({ email: EmailAddress })

const VerifyFields = z.strictObject({
  token: z.optional(OneTimeToken),
  cancel: z.optional(OneTimeToken),
  email: z.optional(EmailAddress),
  code: z.optional(OneTimeCode),
  password: z.optional(Password),
})

export type VerifyRequest =
  | { by: 'token'; token: string; password: string | undefined }
  | { by: 'code'; email: string; code: string; password: string | undefined }
  | { by: 'cancel'; token: string }

export const VerifyRequest = z.pipe(
  VerifyFields,
  z.transform(({ token, cancel, email, code, password }, context): VerifyRequest => {
    const given = [token, cancel, code].filter((one) => one !== undefined)
    if (given.length === 1 && (code === undefined) === (email === undefined)) {
      if (token !== undefined) return { by: 'token', token, password }
      if (cancel !== undefined) return { by: 'cancel', token: cancel }
      if (email !== undefined && code !== undefined) return { by: 'code', email, code, password }
    }
    return refuse(context, 'Give either token, or email and code, or cancel.')
  }),
)

export const ResetEmailRequest = z.strictObject({ email: EmailAddress })

const ResetFields = z.strictObject({
  token: z.optional(OneTimeToken),
  email: z.optional(EmailAddress),
  code: z.optional(OneTimeCode),
  password: Password,
})

export type ResetRequest =
  | { by: 'token'; token: string; password: string }
  | { by: 'code'; email: string; code: string; password: string }

export const ResetRequest = z.pipe(
  ResetFields,
  z.transform(({ token, email, code, password }, context): ResetRequest => {
    if (token !== undefined && email === undefined && code === undefined) {
      return { by: 'token', token, password }
    }
    if (token === undefined && email !== undefined && code !== undefined) {
      return { by: 'code', email, code, password }
    }
    return refuse(context, 'Give either token, or email and code.')
  }),
)

const AccountFields = z.strictObject({
  currentPassword: z.optional(Password),
  newPassword: z.optional(Password),
  email: z.optional(EmailAddress),
})

export type AccountRequest =
  | { change: 'password'; currentPassword: string; newPassword: string }
  | { change: 'email'; email: string }

export const AccountRequest = z.pipe(
  AccountFields,
  z.transform(({ currentPassword, newPassword, email }, context): AccountRequest => {
    if (currentPassword !== undefined && newPassword !== undefined && email === undefined) {
      return { change: 'password', currentPassword, newPassword }
    }
    if (currentPassword === undefined && newPassword === undefined && email !== undefined) {
      return { change: 'email', email }
    }
    return refuse(context, 'Give either currentPassword and newPassword, or email.')
  }),
)

/** In the query. */
export const RevokeSessionsRequest = z
  .strictObject({
    id: z.optional(z.uuid({ error: 'This is not the id of a session.' })),
    others: z.optional(z.literal('true', { error: 'Give true.' })),
  })
  .check(
    z.refine(({ id, others }) => (id === undefined) !== (others === undefined), {
      error: 'Give either id, with the id of a session, or others=true.',
    }),
  )

/** For a combination of fields that fits nothing. */
function refuse(context: z.core.ParsePayload, message: string): never {
  context.issues.push({ code: 'custom', message, input: context.value, path: [] })
  return z.NEVER
}
