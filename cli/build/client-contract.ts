/** First half of `npm run client`: writes client/contract.d.ts, the client's types, from public/openapi.json. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { format, type FormatOptions } from 'oxfmt'
import { OPENAPI_PATH } from './openapi.ts'

export const CLIENT_CONTRACT_PATH = join(import.meta.dirname, '../../client/contract.d.ts')
const API = '/api/auth/'

/** The part of JSON Schema that the contract uses. Any other keyword fails the build. */
interface Schema {
  $ref?: string
  type?: string | string[]
  const?: unknown
  enum?: unknown[]
  anyOf?: Schema[]
  oneOf?: { required: string[] }[]
  dependentRequired?: Record<string, string[]>
  items?: Schema
  properties?: Record<string, Schema>
  required?: string[]
  description?: string
}

interface Content {
  content?: Record<string, { schema: Schema }>
}

interface OperationObject {
  operationId: string
  summary: string
  parameters?: { name: string; schema: Schema }[]
  requestBody?: Content
  responses: Record<string, { $ref?: string } & Content>
}

interface Contract {
  paths: Record<string, Record<string, OperationObject>>
  components: { schemas: Record<string, Schema>; responses: Record<string, Content> }
}

/** Keywords about values, not types. */
const FOR_VALUES = new Set(['format', 'pattern', 'maxLength', 'minimum', 'maximum', 'default'])
const FOR_TYPES = new Set([
  '$ref',
  'type',
  'const',
  'enum',
  'anyOf',
  'oneOf',
  'dependentRequired',
  'items',
  'properties',
  'required',
  'additionalProperties',
  'description',
])

function nameOf(reference: string): string {
  return reference.split('/').at(-1) ?? ''
}

function typeOf(schema: Schema): string {
  const unknown = Object.keys(schema).find((keyword) => !FOR_TYPES.has(keyword) && !FOR_VALUES.has(keyword))
  if (unknown !== undefined) throw new Error(`The client's types can't express ${unknown}.`)
  const { $ref, const: constant, enum: values, anyOf, type, items } = schema
  if ($ref !== undefined) return nameOf($ref)
  if (constant !== undefined) return JSON.stringify(constant)
  if (values !== undefined) return values.map((value) => JSON.stringify(value)).join(' | ')
  if (anyOf !== undefined) return anyOf.map(typeOf).join(' | ')
  if (Array.isArray(type)) return type.map((one) => typeOf({ ...schema, type: one })).join(' | ')
  if (type === 'array') return `(${typeOf(items ?? {})})[]`
  if (type === 'object') return shapesOf(schema).map(membersOf).join(' | ')
  if (type === 'integer') return 'number'
  if (type === undefined) throw new Error(`The client's types can't express ${JSON.stringify(schema)}.`)
  return type
}

function membersOf({ properties = {}, required = [] }: Schema): string {
  const members = Object.entries(properties).map(
    ([name, schema]) =>
      `${comment(schema.description)}${name}${required.includes(name) ? '' : '?'}: ${typeOf(schema)}`,
  )
  return members.length === 0 ? 'Record<string, never>' : `{\n${members.join('\n')}\n}`
}

/** One for each alternative, without the members of the others; otherwise the object itself. */
function shapesOf({ properties = {}, required = [], oneOf, dependentRequired = {} }: Schema): Schema[] {
  if (oneOf === undefined) return [{ properties, required }]
  const needs = oneOf.map((one) => one.required.flatMap((name) => [name, ...(dependentRequired[name] ?? [])]))
  return needs.map((needed) => {
    const isOfAnother = (name: string) => !needed.includes(name) && needs.flat().includes(name)
    return {
      properties: Object.fromEntries(Object.entries(properties).filter(([name]) => !isOfAnother(name))),
      required: [...required, ...needed],
    }
  })
}

function comment(text: string | undefined): string {
  return text === undefined ? '' : `/** ${text} */\n`
}

function operationType(method: string, path: string, operation: OperationObject, contract: Contract): string {
  const { requestBody, parameters, responses } = operation
  const bodies = (from: Content | undefined) => Object.values(from?.content ?? {}).map(({ schema }) => schema)
  const replies = Object.entries(responses).filter(([status]) => Number(status) < 300)
  // A 405 is for other methods.
  const refusals = Object.entries(responses).filter(([status]) => status !== '405')
  const codes = refusals.flatMap(([, { $ref }]) => {
    const refusal = $ref === undefined ? undefined : contract.components.responses[nameOf($ref)]
    return bodies(refusal).flatMap((schema) => schema.properties?.['code']?.enum ?? [])
  })
  const members = {
    method: `'${method.toUpperCase()}'`,
    path: parameters === undefined ? `'${path}'` : parameters.map((one) => queried(path, one)).join(' | '),
    body: bodies(requestBody).map(typeOf).join(' | ') || 'undefined',
    response: replies.flatMap(([, reply]) => bodies(reply).map(typeOf)).join(' | ') || 'undefined',
    code: codes.map((code) => `'${String(code)}'`).join(' | '),
  }
  return Object.entries(members)
    .map(([name, type]) => `${name}: ${type}`)
    .join('\n')
}

function queried(path: string, { name, schema }: { name: string; schema: Schema }): string {
  return `\`${path}?${name}=${typeof schema.const === 'string' ? schema.const : '${string}'}\``
}

/** The text of the file, formatted. */
export async function clientContract(): Promise<string> {
  const contract: Contract = JSON.parse(readFileSync(OPENAPI_PATH, 'utf8'))
  const types = Object.entries(contract.components.schemas).map(
    ([name, schema]) => `${comment(schema.description)}export type ${name} = ${typeOf(schema)}\n`,
  )
  const operations = Object.entries(contract.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(
      ([method, operation]) =>
        `${comment(operation.summary)}${operation.operationId}: ` +
        `{\n${operationType(method, path.replace(API, ''), operation, contract)}\n}`,
    ),
  )
  const text = `// Written by \`npm run client\` from public/openapi.json: change the endpoints' schemas instead.

${types.join('\n')}
/** Every operation: its request, its successful response, and the codes of its problems. */
export interface Operations {
${operations.join('\n')}
}
`
  const options: FormatOptions = JSON.parse(
    readFileSync(join(import.meta.dirname, '../../.oxfmtrc.json'), 'utf8'),
  )
  const { code, errors } = await format(CLIENT_CONTRACT_PATH, text, options)
  if (errors.length > 0) throw new Error(`The client's types aren't TypeScript: ${errors[0]?.message}`)
  return code
}

if (import.meta.main) writeFileSync(CLIENT_CONTRACT_PATH, await clientContract())
