/** JSON in and out: one reader for every body, one writer for every answer that is no problem. */
import * as z from 'zod/mini'
import { problem } from './problems.ts'

const MAX_BODY_BYTES = 16 * 1024

/**
 * The body, matched to a schema. Throws the `Response` that refuses it: 415 for another content type, 413 beyond
 * 16 KB, 400 when it is not a JSON object or names a member twice, 422 with a JSON Pointer for each fault otherwise.
 */
export async function readJson<Schema extends z.core.$ZodType>(
  request: Request,
  schema: Schema,
): Promise<z.output<Schema>> {
  const mediaType = request.headers.get('content-type')?.split(';', 1)[0]?.trim().toLowerCase()
  if (mediaType !== 'application/json') throw problem('unsupported-media-type')

  const text = await readText(request)
  const body = parsed(text)
  if (typeof body !== 'object' || body === null || Array.isArray(body)) throw problem('malformed-json')
  return matched(schema, body)
}

/** The value of a JSON text in which no name is given twice. Throws the 400 that refuses any other, and one too deep to be written again. */
function parsed(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text)
    if (countNames(text) === countNames(JSON.stringify(value))) return value
  } catch {
    // Refused like the rest.
  }
  throw problem('malformed-json')
}

/**
 * The names of members in a JSON text. RFC 8259, section 4, leaves open which of two members of one name counts, so neither
 * does: a text that has more names than its value was written with one of them twice.
 */
function countNames(text: string): number {
  const strings = [...text.matchAll(/"(?:[^"\\]|\\.)*"(\s*:)?/g)]
  return strings.filter(([, colon]) => colon !== undefined).length
}

/** The query, matched to a schema as if it were a body. Throws the 422 that refuses it, also for a name given twice. */
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
  throw problem('validation-failed', { errors: result.error.issues.flatMap(fieldErrors) })
}

/** Reads no further than the limit, whatever `content-length` claims. */
async function readText(request: Request): Promise<string> {
  if (Number(request.headers.get('content-length') ?? 0) > MAX_BODY_BYTES) throw problem('body-too-large')
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let bytes = 0
  let text = ''
  try {
    for await (const chunk of request.body ?? []) {
      bytes += chunk.byteLength
      if (bytes > MAX_BODY_BYTES) throw problem('body-too-large')
      text += decoder.decode(chunk, { stream: true })
    }
    return text + decoder.decode()
  } catch (error) {
    if (error instanceof Response) throw error
    throw problem('malformed-json')
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

/** Its type argument is one of the answers that the contract has (lib/answers.ts); without one nothing fits. */
export function json<Body = never>(body: NoInfer<Body>, status = 200, headers?: Headers): Response {
  const answer = new Response(JSON.stringify(body), { status, ...(headers && { headers }) })
  answer.headers.set('content-type', 'application/json; charset=utf-8')
  return answer
}
