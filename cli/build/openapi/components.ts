/** The named schemas of the contract: the endpoints' own, with descriptions and the rules hidden in refinements. */
import * as z from 'zod/mini'
import { EmailAddress, MAX_ADDRESS_LENGTH } from '../../../lib/email-address.ts'
import * as requests from '../../../lib/http/schemas/requests.ts'
import * as responses from '../../../lib/http/schemas/responses.ts'
import { lifetimeSeconds } from '../../../lib/limits.ts'

export type JsonSchema = Record<string, unknown>

interface Note extends JsonSchema {
  /** Its name in the contract; without one it is inlined. */
  id?: string
  description?: string
}

const notes = z.registry<Note>()

// --- Fields ---

notes.add(EmailAddress, {
  id: 'EmailAddress',
  description:
    'Surrounding spaces are removed. At most 63 ASCII characters before the @, and a domain with a dot.',
  format: 'idn-email',
  maxLength: MAX_ADDRESS_LENGTH,
})
notes.add(requests.Password, {
  id: 'Password',
  description:
    'Counted in code points, as NFC. A new one needs 15 (`PASSWORD_MIN_LENGTH`) or is `weak-password`.',
  format: 'password',
  maxLength: requests.PASSWORD_MAX_LENGTH,
  pattern: String.raw`^[^\u0000]*$`,
})
notes.add(requests.OneTimeToken, {
  id: 'OneTimeToken',
  description: 'The one-time token of an emailed link, after `#token=`: 70 characters of base64url.',
})
notes.add(requests.OneTimeCode, {
  id: 'OneTimeCode',
  description: 'The six digits of the same email. A space in the middle is allowed.',
})
notes.add(responses.Id, { id: 'Id', description: 'A UUID.' })
notes.add(responses.Timestamp, { id: 'Timestamp', description: "ISO 8601 in UTC, by the server's clock." })
notes.add(responses.AccessToken, {
  description:
    'A JWT (RFC 9068, ES256) with `sid`, `role`, `amr` and `auth_time`. ' +
    `Valid for ${lifetimeSeconds.accessToken / 60} minutes; keep it in memory.`,
  pattern: String.raw`^[\w-]+\.[\w-]+\.[\w-]+$`,
})

// --- Requests ---

const REMEMBER =
  'With `false`, the session ends when the browser closes, after 2 hours without use, or after 24 hours.'
const EITHER_TOKEN_OR_CODE = [{ required: ['token'] }, { required: ['code'] }]
const CODE_WITH_ADDRESS = { code: ['email'], email: ['code'] }

notes.add(requests.RegisterRequest, { id: 'RegisterRequest' })
notes.add(requests.RegisterRequest.shape.remember, { description: REMEMBER })
notes.add(requests.VerificationEmailRequest, { id: 'VerificationEmailRequest' })
notes.add(requests.VerifyRequest, {
  id: 'VerifyRequest',
  description: 'Either `token`, or `email` and `code`, or `cancel`.',
  oneOf: [...EITHER_TOKEN_OR_CODE, { required: ['cancel'] }],
  dependentRequired: CODE_WITH_ADDRESS,
})
notes.add(requests.LoginRequest, { id: 'LoginRequest' })
notes.add(requests.LoginRequest.shape.remember, { description: REMEMBER })
notes.add(requests.LoginRequest.shape.reauthenticate, {
  description: 'Accept only the account that is signed in, and replace its session. Ignores `remember`.',
})
notes.add(requests.RefreshRequest, { id: 'RefreshRequest', description: 'An empty object.' })
notes.add(requests.LogoutRequest, { id: 'LogoutRequest' })
notes.add(requests.LogoutRequest.shape.everywhere, { description: 'Revoke all sessions of the account.' })
notes.add(requests.ResetEmailRequest, { id: 'ResetEmailRequest' })
notes.add(requests.ResetRequest, {
  id: 'ResetRequest',
  description: 'Either `token`, or `email` and `code`.',
  oneOf: EITHER_TOKEN_OR_CODE,
  dependentRequired: CODE_WITH_ADDRESS,
})
notes.add(requests.AccountRequest, {
  id: 'AccountRequest',
  description: 'Either `currentPassword` and `newPassword`, or `email`.',
  oneOf: [
    { required: ['currentPassword', 'newPassword'], properties: { email: false } },
    { required: ['email'], properties: { currentPassword: false, newPassword: false } },
  ],
})
notes.add(requests.RevokeSessionsRequest, { id: 'RevokeSessionsRequest' })

// --- Responses ---

notes.add(responses.User, { id: 'User' })
notes.add(responses.User.shape.email, { description: 'As the user typed it.' })
notes.add(responses.User.shape.emailVerified, {
  description: 'Always true: an account exists only once its address is verified.',
})
notes.add(responses.User.shape.role, { description: '`user`, unless the operator has set another.' })
notes.add(responses.SessionBody, {
  id: 'SessionBody',
  description: 'The refresh token is in the cookie only.',
})
notes.add(responses.Account, { id: 'Account' })
notes.add(responses.Session, {
  id: 'Session',
  description: `An active session. \`lastUsedAt\` is rounded down to ${lifetimeSeconds.lastUsedStep / 60} minutes.`,
})
notes.add(responses.Session.shape.client, { description: 'Browser and system that signed in.' })
notes.add(responses.Session.shape.lastClient, { description: 'Browser and system that last refreshed it.' })
notes.add(responses.Session.shape.ip, {
  description: 'Network that signed in, without the last part of the address; null if unknown.',
})
notes.add(responses.Session.shape.lastIp, { description: 'Network that last refreshed it; null if unknown.' })
notes.add(responses.SessionList, {
  id: 'SessionList',
  description: 'Most recently used first. `current` is the session of the request.',
})
notes.add(responses.CheckEmail, {
  id: 'CheckEmail',
  description: 'The same for known and unknown addresses.',
})
notes.add(responses.Verified, {
  id: 'Verified',
  description: '`signed-in`, with the session, in the browser that registered.',
})
notes.add(responses.PasswordChanged, { id: 'PasswordChanged' })
notes.add(responses.PublicKey, { id: 'PublicKey', description: 'A JWK (RFC 7517) for ES256.' })
notes.add(responses.PublicKeys, {
  id: 'PublicKeys',
  description: 'A JWK Set. The first key signs.',
})
notes.add(responses.MaintenanceReport, { id: 'MaintenanceReport', description: 'What was done, as counts.' })
notes.add(responses.FieldError, { id: 'FieldError' })
notes.add(responses.FieldError.shape.pointer, {
  description: 'A JSON Pointer (RFC 6901) into the body, as a URI fragment: `#/password`.',
})
notes.add(responses.FieldError.shape.detail, { description: 'What is wrong, for the user.' })
notes.add(responses.Problem, { id: 'Problem', description: 'RFC 9457.' })
notes.add(responses.Problem.shape.type, {
  description: 'Links to the documentation of the code.',
  format: 'uri-reference',
})
notes.add(responses.Problem.shape.code, { description: 'For programs.' })
notes.add(responses.Problem.shape.detail, { description: 'What to do, for the user.' })
notes.add(responses.Problem.shape.errors, {
  description: 'With `validation-failed` and `weak-password`: one entry for each error.',
})

const REFERENCE = '#/components/schemas/'

/** Every schema that has a name, as JSON Schema. */
export function componentSchemas(): Record<string, JsonSchema> {
  const { schemas } = z.toJSONSchema(notes, {
    metadata: notes,
    io: 'input',
    uri: (id) => REFERENCE + id,
  })
  // The document itself says what dialect they are in.
  for (const schema of Object.values(schemas))
    for (const word of ['$schema', '$id', 'id']) delete schema[word]
  return schemas
}

/** A reference to a named schema. */
export function reference(schema: z.core.$ZodType): { $ref: string } {
  const id = notes.get(schema)?.id
  if (id === undefined) throw new Error('This schema has no name in cli/build/openapi/components.ts.')
  return { $ref: REFERENCE + id }
}
