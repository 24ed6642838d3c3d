/** The schemas that the contract names: the endpoints' own, with what a reader should know and JSON Schema cannot see in a refinement. */
import * as z from 'zod/mini'
import { Change, Deletion } from '../../api/auth/account.ts'
import { Credentials } from '../../api/auth/login.ts'
import { Wish } from '../../api/auth/logout.ts'
import { Nothing } from '../../api/auth/refresh.ts'
import { Body } from '../../api/auth/register.ts'
import { MailWish as ResetWish, NewPassword } from '../../api/auth/reset.ts'
import { Choice } from '../../api/auth/sessions.ts'
import { MailWish as VerificationWish, Proof } from '../../api/auth/verify.ts'
import { ACCESS_TOKEN_LIFETIME_SECONDS } from '../../lib/access-token.ts'
import { EmailAddress, MAX_ADDRESS_LENGTH } from '../../lib/email-address.ts'
import { MailCode } from '../../lib/mail-code.ts'
import { MailTokenText } from '../../lib/mail-token.ts'
import { Password, PASSWORD_MAX_LENGTH } from '../../lib/passwords.ts'
import * as answers from '../../lib/answers.ts'

export type JsonSchema = Record<string, unknown>

interface Note extends JsonSchema {
  /** Its name in the contract; without one it is written out where it is used. */
  id?: string
  description?: string
}

const notes = z.registry<Note>()

// --- Fields ---

notes.add(EmailAddress, {
  id: 'EmailAddress',
  description:
    'An address as a person types it; spaces around it are dropped. At most 63 characters before the @, which are ASCII, and a domain with a dot.',
  format: 'idn-email',
  maxLength: MAX_ADDRESS_LENGTH,
})
notes.add(Password, {
  id: 'Password',
  description:
    'Counted in code points of its NFC form. Where one is chosen it has at least 15 (`PASSWORD_MIN_LENGTH`), or the answer is `weak-password`.',
  format: 'password',
  maxLength: PASSWORD_MAX_LENGTH,
  pattern: String.raw`^[^\u0000]*$`,
})
notes.add(MailTokenText, {
  id: 'MailToken',
  description:
    'The token from a mailed link, which stands behind `#token=` there: 70 characters of base64url. It is good once.',
})
notes.add(MailCode, {
  id: 'MailCode',
  description: 'The six digits of the same mail, for another device; a space in their middle is fine.',
})
notes.add(answers.Id, { id: 'Id', description: 'A UUID.' })
notes.add(answers.Moment, { id: 'Moment', description: "ISO 8601 in UTC, by the server's clock." })
notes.add(answers.AccessToken, {
  description: `A JWT (RFC 9068, ES256) that is good for ${ACCESS_TOKEN_LIFETIME_SECONDS / 60} minutes. Keep it in memory alone.`,
  pattern: String.raw`^[\w-]+\.[\w-]+\.[\w-]+$`,
})

// --- Bodies of requests ---

const EITHER_TOKEN_OR_CODE = [{ required: ['token'] }, { required: ['code'] }]
const CODE_WITH_ADDRESS = { code: ['email'], email: ['code'] }

notes.add(Body, { id: 'Registration' })
notes.add(VerificationWish, { id: 'VerificationRequest' })
notes.add(Proof, {
  id: 'Verification',
  description: 'Either `token`, or `email` and `code`, or `stop`.',
  oneOf: [...EITHER_TOKEN_OR_CODE, { required: ['stop'] }],
  dependentRequired: CODE_WITH_ADDRESS,
})
notes.add(Credentials, { id: 'Credentials' })
notes.add(Nothing, { id: 'Nothing', description: 'An object without members.' })
notes.add(Wish, { id: 'LogoutWish' })
notes.add(ResetWish, { id: 'ResetRequest' })
notes.add(NewPassword, {
  id: 'PasswordReset',
  description: 'Either `token`, or `email` and `code`.',
  oneOf: EITHER_TOKEN_OR_CODE,
  dependentRequired: CODE_WITH_ADDRESS,
})
notes.add(Change, {
  id: 'AccountChange',
  description: 'Either `newPassword` or `email`.',
  oneOf: [{ required: ['newPassword'] }, { required: ['email'] }],
})
notes.add(Deletion, { id: 'AccountDeletion' })
notes.add(Choice, { id: 'DeviceChoice' })

// --- Bodies of answers ---

notes.add(answers.User, { id: 'User' })
notes.add(answers.User.shape.email, { description: 'As its owner typed it.' })
notes.add(answers.User.shape.emailVerified, {
  description: 'Always true: no account exists before its address is proven.',
})
notes.add(answers.User.shape.role, { description: '`user`, until whoever runs the app sets another.' })
notes.add(answers.SessionBody, {
  id: 'SessionBody',
  description: 'A session, as login and refresh hand it out. The refresh token is in the cookie alone.',
})
notes.add(answers.Account, { id: 'Account' })
notes.add(answers.Device, { id: 'Device', description: 'A session of the account that has not ended.' })
notes.add(answers.Device.shape.client, { description: 'The browser and system in words.' })
notes.add(answers.Device.shape.ip, { description: 'Its network, the last part left out; null when unknown.' })
notes.add(answers.Devices, { id: 'Devices', description: 'The one used last comes first.' })
notes.add(answers.CheckEmail, {
  id: 'CheckEmail',
  description: 'The same whether the address is known or not.',
})
notes.add(answers.Verified, { id: 'Verified' })
notes.add(answers.PasswordChanged, { id: 'PasswordChanged' })
notes.add(answers.PublicKey, { id: 'PublicKey', description: 'A JWK (RFC 7517) for ES256.' })
notes.add(answers.PublicKeys, {
  id: 'PublicKeys',
  description: 'A JWK Set; the first key is the one that signs.',
})
notes.add(answers.MaintenanceReport, { id: 'MaintenanceReport', description: 'What was done, in numbers.' })
notes.add(answers.FieldError, { id: 'FieldError' })
notes.add(answers.FieldError.shape.pointer, {
  description: 'A JSON Pointer (RFC 6901) into the body, as a URI fragment: `#/password`.',
})
notes.add(answers.FieldError.shape.detail, { description: 'What is wrong there, for the person.' })
notes.add(answers.Problem, { id: 'Problem', description: 'A refusal (RFC 9457).' })
notes.add(answers.Problem.shape.type, {
  description: "The address of the code's entry in the list of problems.",
  format: 'uri-reference',
})
notes.add(answers.Problem.shape.code, { description: 'What a program should look at.' })
notes.add(answers.Problem.shape.detail, { description: 'What to do, for the person.' })
notes.add(answers.Problem.shape.errors, {
  description: 'With `validation-failed` and `weak-password`: one entry for each fault.',
})

const REFERENCE = '#/components/schemas/'

/** Every schema that has a name, as JSON Schema. */
export function componentSchemas(): Record<string, JsonSchema> {
  const { schemas } = z.toJSONSchema(notes, {
    metadata: notes,
    io: 'input',
    uri: (id) => REFERENCE + id,
  })
  // They are parts of one document, which says what dialect they are in and where they are.
  for (const schema of Object.values(schemas))
    for (const word of ['$schema', '$id', 'id']) delete schema[word]
  return schemas
}

/** How the contract refers to a schema. Throws for one without a name. */
export function reference(schema: z.core.$ZodType): { $ref: string } {
  const id = notes.get(schema)?.id
  if (id === undefined) throw new Error('This schema has no name in build/openapi/components.ts.')
  return { $ref: REFERENCE + id }
}
