/** JSON in and out: one reader for request bodies, one writer for successful responses. */
import * as z from 'zod/mini'
import { HttpError } from './problems.ts'

const MAX_BODY_BYTES = 16 * 1024

/**
 * Parses the body with a schema. Throws 415 for another content type, 413 beyond 16 KB, 400 if it isn't a JSON object or
 * has duplicate members, otherwise 422 with a JSON Pointer for each error.
 */
export async function readJson<Schema extends z.core.$ZodType>(
  request: Request,
  schema: Schema,
): Promise<z.output<Schema>> {
  const mediaType = request.headers.get('content-type')?.split(';', 1)[0]?.trim().toLowerCase()
  if (mediaType !== 'application/json') throw new HttpError('unsupported-media-type')

  const text = await readText(request)
  const body = parsed(text)
  if (typeof body !== 'object' || body === null || Array.isArray(body)) throw new HttpError('malformed-json')
  return matched(schema, body)
}

/** Throws 400 for duplicate members, and for nesting too deep to serialize. */
function parsed(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text)
    if (countNames(text) === countNames(JSON.stringify(value))) return value
  } catch {
    // Refused below.
  }
  throw new HttpError('malformed-json')
}

/**
 * Counts member names in a JSON text. RFC 8259, section 4, leaves open which of two equal names counts. A text with more
 * names than its parsed value has a duplicate.
 */
function countNames(text: string): number {
  const strings = [...text.matchAll(/"(?:[^"\\]|\\.)*"(\s*:)?/g)]
  return strings.filter(([, colon]) => colon !== undefined).length
}

/** Parses the query with a schema. Throws 422, also for a repeated name. */
export function readQuery<Schema extends z.core.$ZodType>(
  request: Request,
  schema: Schema,
): z.output<Schema> {
  const { searchParams } = new URL(request.url)
  return matched(
    schema,
    Object.fromEntries([...searchParams.keys()].map((name) => [name, searchParams.getAll(name).join()])),
  )
}

function matched<Schema extends z.core.$ZodType>(schema: Schema, input: unknown): z.output<Schema> {
  const result = z.safeParse(schema, input)
  if (result.success) return result.data
  throw new HttpError('validation-failed', { errors: result.error.issues.flatMap(fieldErrors) })
}

/** Reads no further than the limit, whatever `content-length` claims. */
async function readText(request: Request): Promise<string> {
  if (Number(request.headers.get('content-length') ?? 0) > MAX_BODY_BYTES)
    throw new HttpError('body-too-large')
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let bytes = 0
  let text = ''
  try {
    for await (const chunk of request.body ?? []) {
      bytes += chunk.byteLength
      if (bytes > MAX_BODY_BYTES) throw new HttpError('body-too-large')
      text += decoder.decode(chunk, { stream: true })
    }
    return text + decoder.decode()
  } catch (error) {
    if (error instanceof HttpError) throw error
    throw new HttpError('malformed-json')
  }
}

function fieldErrors(issue: z.core.$ZodIssue): { pointer: string; detail: string }[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      pointer: pointer([...issue.path, key]),
      detail: 'There is no such field.',
    }))
  }
  return [{ pointer: pointer(issue.path), detail: issue.message }]
}

/** RFC 6901, section 6: the pointer as a URI fragment. */
function pointer(path: readonly PropertyKey[]): string {
  // A key may hold half a surrogate pair, which has no encoding.
  const token = (key: string) => key.toWellFormed().replaceAll('~', '~0').replaceAll('/', '~1')
  return `#${path.map((key) => `/${encodeURIComponent(token(String(key)))}`).join('')}`
}

interface ResponseOptions {
  status?: number
  headers?: Record<string, string>
  /** `Set-Cookie` values. */
  cookies?: readonly string[]
}

/** `Body` is one of lib/http/schemas/responses.ts; without it nothing fits. */
export function json<Body = never>(body: NoInfer<Body>, options: ResponseOptions = {}): Response {
  const headers = responseHeaders(options)
  headers.set('content-type', 'application/json; charset=utf-8')
  return new Response(JSON.stringify(body), { status: options.status ?? 200, headers })
}

/** 204. */
export function noContent(options: Omit<ResponseOptions, 'status'> = {}): Response {
  return new Response(null, { status: 204, headers: responseHeaders(options) })
}

function responseHeaders({ headers, cookies = [] }: ResponseOptions): Headers {
  const all = new Headers(headers)
  for (const cookie of cookies) all.append('set-cookie', cookie)
  return all
}
