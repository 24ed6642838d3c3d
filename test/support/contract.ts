/** Checks every response that a test gets against public/openapi.json: its status, headers and body. */
import { readFileSync } from 'node:fs'
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'

interface Reference {
  $ref?: string
}

interface Example extends Reference {
  value?: unknown
}

interface ResponseObject extends Reference {
  headers: Record<string, { $ref?: string; required?: boolean }>
  content?: Record<string, { schema: object; examples?: Record<string, Example> }>
}

interface OperationObject {
  operationId: string
  requestBody?: { content: Record<string, { schema: object; examples: Record<string, Example> }> }
  responses: Record<string, ResponseObject>
}

interface Contract {
  paths: Record<string, Record<string, OperationObject>>
  components: Record<string, Record<string, object>>
}

export const contract: Contract = JSON.parse(readFileSync('public/openapi.json', 'utf8'))

// Each format has a pattern beside it, or is for people.
const ajv = new Ajv2020({ strict: false, validateFormats: false })
ajv.addSchema({ $id: 'contract', components: contract.components })

/** Compiles a schema whose references lead into the contract. */
export function compile(schema: object): ValidateFunction {
  return ajv.compile(
    JSON.parse(JSON.stringify(schema), (key, value: string) => (key === '$ref' ? `contract${value}` : value)),
  )
}

/** The target of a reference, or the thing itself. */
export function resolve<Thing extends Reference>(thing: Thing): Thing {
  if (thing.$ref === undefined) return thing
  const [, , group = '', name = ''] = thing.$ref.split('/')
  return contract.components[group]?.[name] as Thing
}

interface Expected {
  contentType: string | undefined
  isBody: ValidateFunction | undefined
  headers: string[]
  requiredHeaders: string[]
}

const expectations = new Map<string, Expected>()
/** `operationId status` of each response so far. */
const seen = new Set<string>()

/** A response, as a `Response` or a test's own. */
export interface ReceivedReply {
  status: number
  headers: Headers
  body: unknown
}

/** Throws, with the reason, where the contract has no such response to such a request. */
export function holdAgainstContract(method: string, path: string, reply: ReceivedReply): void {
  const methods = contract.paths[path.split('?', 1)[0] ?? '']
  if (methods === undefined) throw new Error(`The contract has no ${path}.`)
  const asked = method === 'HEAD' ? 'get' : method.toLowerCase()
  // A method that isn't served gets the same response from every operation.
  const operation =
    Object.hasOwn(methods, asked) || reply.status !== 405 ? methods[asked] : Object.values(methods)[0]
  const { status, headers, body } = reply
  const said = `${method} ${path} → ${status} ${JSON.stringify(body)}`
  const response = operation?.responses[status]
  if (operation === undefined || response === undefined) throw new Error(`Not in the contract: ${said}`)

  const name = `${operation.operationId} ${status}`
  let expected = expectations.get(name)
  if (expected === undefined) {
    expected = expectedOf(resolve(response))
    expectations.set(name, expected)
  }
  const { contentType, isBody } = expected
  if (headers.get('content-type')?.split(';', 1)[0] !== contentType) {
    throw new Error(`Another content type than ${contentType}: ${said}`)
  }
  if (body !== undefined && isBody === undefined) throw new Error(`A body where there is none: ${said}`)
  // The response to HEAD has none.
  if (isBody !== undefined && !(method === 'HEAD' && body === undefined) && !isBody(body)) {
    throw new Error(`${ajv.errorsText(isBody.errors)}: ${said}`)
  }
  const missing = expected.requiredHeaders.filter((header) => !headers.has(header))
  // The other headers are the same on every response.
  const telling = ['set-cookie', 'retry-after', 'ratelimit', 'ratelimit-policy', 'www-authenticate', 'allow']
  const unknown = telling.filter((header) => headers.has(header) && !expected.headers.includes(header))
  if (missing.length > 0) throw new Error(`Without ${missing.join()}: ${said}`)
  if (unknown.length > 0) throw new Error(`The contract has no ${unknown.join()} here: ${said}`)
  seen.add(name)
}

function expectedOf({ headers, content }: ResponseObject): Expected {
  const [[contentType, { schema }] = [undefined, { schema: undefined }]] = Object.entries(content ?? {})
  const described = Object.entries(headers).map(([name, header]) => ({
    name: name.toLowerCase(),
    required: resolve(header).required === true,
  }))
  return {
    contentType,
    isBody: schema && compile(schema),
    headers: described.map(({ name }) => name),
    requiredHeaders: described.filter(({ required }) => required).map(({ name }) => name),
  }
}

/** The responses that this process has had so far, as `operationId status`. */
export function repliesSeen(): ReadonlySet<string> {
  return seen
}
