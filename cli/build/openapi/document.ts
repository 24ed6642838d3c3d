/** The contract as an OpenAPI 3.1 document, made from the endpoints' schemas and the table of problems. */
import { STATUS_CODES } from 'node:http'
import type { core } from 'zod/mini'
import manifest from '../../../package.json' with { type: 'json' }
import {
  HttpError,
  problemResponse,
  problems,
  rateLimitHeaders,
  type ProblemCode,
} from '../../../lib/http/problems.ts'
import { componentSchemas, reference, type JsonSchema } from './components.ts'
import { Problem, problemCodes } from '../../../lib/http/schemas/responses.ts'
import { examples } from './examples.ts'
import {
  commonProblems,
  METHODS,
  operations,
  securities,
  tags,
  type Method,
  type Operation,
} from './operations.ts'

const DESCRIPTION = `Email and password sign-in on the app's own domain, in JSON.

**Errors** are \`application/problem+json\` (RFC 9457): \`code\` is for programs, \`detail\` tells the user \
what to do. [All problems](/auth/problems).

**Requests that change something** must come from a page of the app's own origin, as JSON: \`content-type: \
application/json\`, at most 16 KB, no duplicate and no unknown members. Requests with neither \`Origin\` nor \
\`Sec-Fetch-Site\`, which browsers always send, are accepted, too.

**\`refresh-required\`** means that the session cookie is one step behind, usually because a response was \
lost. Call refresh, then repeat the request. If refresh itself responds with it, another browser has just \
refreshed this session: try again after 30 seconds. Nobody has been signed out.

**\`reauthentication-required\`** means that the last authentication is more than 5 minutes old. Call login \
with \`"reauthenticate": true\`, then repeat the request.

**Every response** but the public keys has \`cache-control: no-store\`, and every response has the \
\`x-request-id\` under which it is logged.`

const securitySchemes = {
  session: {
    type: 'apiKey',
    in: 'cookie',
    name: '__Host-session',
    description:
      'The refresh token, set by login. On `http://localhost` the cookie is called `session`. ' +
      'Browsers send it on their own: to try an operation here as a user, first run “Sign in”.',
  },
  accessToken: {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'JWT',
    description: '`accessToken` of login or refresh. Takes precedence over the cookie.',
  },
  cron: {
    type: 'http',
    scheme: 'bearer',
    description: "`CRON_SECRET`, sent by Vercel's cron.",
  },
}

const rateLimit = rateLimitHeaders('loginBySource', 6)

const headers = {
  RequestId: {
    description: 'Identifies the request in the log.',
    required: true,
    schema: { type: 'string', pattern: '^[\\w:.-]{1,128}$' },
    example: '7f4c2f0e-8a56-4b7e-9a43-6f1d0c5b2e91',
  },
  RetryAfter: {
    description: 'Seconds to wait.',
    required: true,
    schema: { type: 'integer', minimum: 1 },
    example: 6,
  },
  RateLimitPolicy: {
    description: 'The limit for this source: requests (`q`) per number of seconds (`w`).',
    required: true,
    schema: { type: 'string' },
    example: rateLimit['ratelimit-policy'],
  },
  RateLimit: {
    description: 'Requests left (`r`), and seconds until the next one (`t`).',
    required: true,
    schema: { type: 'string' },
    example: rateLimit['ratelimit'],
  },
  WwwAuthenticate: {
    description: 'The scheme to authenticate with.',
    required: true,
    schema: { type: 'string', const: 'Bearer' },
    example: 'Bearer',
  },
  Allow: {
    description: 'The supported methods.',
    required: true,
    schema: { type: 'string' },
    example: 'GET, HEAD',
  },
}

const CLEARS_IF_FINAL =
  'Clears `__Host-session` and `signed-in`, unless the session was revoked within the last 30 seconds, ' +
  'for anything but reuse: another tab may hold a newer cookie.'

/** By status, the response headers that `headers` describes. */
const headersOfStatus: Record<number, Record<string, keyof typeof headers>> = {
  401: { 'WWW-Authenticate': 'WwwAuthenticate' },
  405: { Allow: 'Allow' },
  429: { 'Retry-After': 'RetryAfter', 'RateLimit-Policy': 'RateLimitPolicy', RateLimit: 'RateLimit' },
  503: { 'Retry-After': 'RetryAfter' },
}

function headersOf(status: number, cookies?: string): JsonSchema {
  const named: Record<string, keyof typeof headers> = {
    'X-Request-Id': 'RequestId',
    ...headersOfStatus[status],
  }
  return {
    ...Object.fromEntries(
      Object.entries(named).map(([name, header]) => [name, { $ref: `#/components/headers/${header}` }]),
    ),
    ...(cookies !== undefined && { 'Set-Cookie': { description: cookies, schema: { type: 'string' } } }),
  }
}

function success(status: number, response: Operation['success'][number]): JsonSchema {
  const [body, ...others] = response.bodies.map(reference)
  return {
    description: response.description,
    headers: headersOf(status, response.cookies),
    ...(body !== undefined && {
      content: {
        'application/json': {
          schema: others.length === 0 ? body : { anyOf: [body, ...others] },
          examples: response.examples,
        },
      },
    }),
  }
}

function refusal(status: number, codes: ProblemCode[]): JsonSchema {
  return {
    description: codes.map((code) => `\`${code}\`: ${problems[code].title}.`).join('\n\n'),
    headers: headersOf(status, codes.includes('session-ended') ? CLEARS_IF_FINAL : undefined),
    content: {
      'application/problem+json': {
        schema: { ...reference(Problem), properties: { code: { enum: codes } } },
        examples: Object.fromEntries(codes.map((code) => [code, { $ref: `#/components/examples/${code}` }])),
      },
    },
  }
}

/** Every problem of an operation, in the order of the table. */
function codesOf(method: Method, operation: Operation): ProblemCode[] {
  const own = new Set([...operation.problems, ...commonProblems(method, operation)])
  return problemCodes.filter((code) => own.has(code))
}

/** Adds the components that it references to `refusals`. */
function responses(method: Method, operation: Operation, refusals: Record<string, JsonSchema>): JsonSchema {
  const byStatus = Map.groupBy(codesOf(method, operation), (code) => problems[code].status)
  return {
    ...Object.fromEntries(
      Object.entries(operation.success).map(([status, response]) => [
        status,
        success(Number(status), response),
      ]),
    ),
    ...Object.fromEntries(
      [...byStatus].map(([status, codes]) => {
        const name = codes.join('_or_')
        refusals[name] ??= refusal(status, codes)
        return [status, { $ref: `#/components/responses/${name}` }]
      }),
    ),
  }
}

/** Shared components, by name. */
interface Named {
  schemas: Record<string, JsonSchema>
  refusals: Record<string, JsonSchema>
}

function parameters(query: core.$ZodType, schemas: Record<string, JsonSchema>): JsonSchema[] {
  const name = reference(query).$ref.split('/').at(-1) ?? ''
  const properties = schemas[name]?.['properties'] ?? {}
  return Object.entries(properties).map(([field, schema]) => ({ name: field, in: 'query', schema }))
}

function described(method: Method, operation: Operation, { schemas, refusals }: Named): JsonSchema {
  const { id, tag, summary, description, security, body, query } = operation
  return {
    operationId: id,
    tags: [tag],
    summary,
    description,
    security: securities[security],
    ...(query !== undefined && { parameters: parameters(query, schemas) }),
    ...(body !== undefined && {
      requestBody: {
        required: true,
        content: { 'application/json': { schema: reference(body.schema), examples: body.examples } },
      },
    }),
    responses: responses(method, operation, refusals),
  }
}

/** The response for each problem. */
async function problemExamples(used: Set<ProblemCode>): Promise<JsonSchema> {
  const named = [...used].toSorted().map(async (code) => {
    const { 'validation-failed': invalid, 'weak-password': weak } = examples.fieldErrors
    const errors = code === 'validation-failed' ? invalid : code === 'weak-password' ? weak : undefined
    const error = new HttpError(code, errors && { errors: [...errors] })
    const body: Problem = JSON.parse(await problemResponse(error).text())
    // Not of the app that this was built for.
    const value = { ...body, type: `${examples.origin}/auth/problems#${code}` }
    return [code, { summary: STATUS_CODES[body.status], value }] as const
  })
  return Object.fromEntries(await Promise.all(named))
}

export async function openapiDocument() {
  const schemas = componentSchemas()
  const refusals: Record<string, JsonSchema> = {}
  const paths: Record<string, JsonSchema> = {}
  const used = new Set<ProblemCode>()
  for (const [name, methods] of Object.entries(operations)) {
    const entries = METHODS.flatMap((method) => {
      const operation = methods[method]
      return operation === undefined ? [] : [{ method, operation }]
    })
    paths[`/api/auth/${name}`] = Object.fromEntries(
      entries.map(({ method, operation }) => [method, described(method, operation, { schemas, refusals })]),
    )
    for (const { method, operation } of entries) for (const code of codesOf(method, operation)) used.add(code)
    // A query is laid out as parameters.
    for (const {
      operation: { query },
    } of entries) {
      if (query !== undefined) delete schemas[reference(query).$ref.split('/').at(-1) ?? '']
    }
  }
  return {
    openapi: '3.1.1',
    info: {
      title: 'Latchkey',
      version: manifest.version,
      description: DESCRIPTION,
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/', description: 'Where this document was loaded from.' }],
    tags: Object.entries(tags).map(([name, description]) => ({ name, description })),
    paths,
    components: {
      schemas,
      responses: refusals,
      headers,
      examples: await problemExamples(used),
      securitySchemes,
    },
  }
}
