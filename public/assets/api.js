/**
 * An error answer of the API (RFC 9457).
 * @typedef {{
 *   type: string, title: string, status: number, code: string, detail: string, requestId?: string,
 *   errors?: { pointer: string, detail: string }[]
 * }} Problem
 */

/**
 * What became of a request. `status` is 0 when no answer came.
 * @typedef {{
 *   ok: boolean, status: number, body: any, problem: Problem | null, timedOut: boolean,
 *   retryAfterSeconds: number | null, requestId: string | null
 * }} Answer
 */

/**
 * One request with its answer, as `watchExchanges` tells it.
 * @typedef {{ method: string, path: string, sent: object, answer: Answer, tookMs: number }} Exchange
 */

const TIMEOUT_MS = 30_000

/** @type {((exchange: Exchange) => void)[]} */
const watchers = []

/**
 * Calls `watcher` after every request of this page. What it is given holds secrets: mask before showing.
 * @param {(exchange: Exchange) => void} watcher
 */
export function watchExchanges(watcher) {
  watchers.push(watcher)
}

/**
 * Sends JSON to a function under /api/auth. Never throws: every outcome is an answer.
 * @param {'POST' | 'PUT'} method
 * @param {string} name the function: `login`, `refresh`, …
 * @param {object} sent
 * @returns {Promise<Answer>}
 */
export async function call(method, name, sent) {
  const path = `/api/auth/${name}`
  const startedAt = performance.now()
  const answer = await send(method, path, sent)
  const tookMs = Math.round(performance.now() - startedAt)
  for (const watcher of watchers) watcher({ method, path, sent, answer, tookMs })
  return answer
}

/**
 * @param {string} method
 * @param {string} path
 * @param {object} sent
 * @returns {Promise<Answer>}
 */
async function send(method, path, sent) {
  try {
    const response = await fetch(path, {
      method,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(sent),
      credentials: 'same-origin',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    })
    return await readAnswer(response)
  } catch (error) {
    const timedOut = error instanceof DOMException && error.name === 'TimeoutError'
    return {
      ok: false,
      status: 0,
      body: null,
      problem: null,
      timedOut,
      retryAfterSeconds: null,
      requestId: null,
    }
  }
}

/**
 * @param {Response} response
 * @returns {Promise<Answer>}
 */
async function readAnswer(response) {
  const type = response.headers.get('content-type') ?? ''
  const body = parseObject(await response.text())
  const problem = type.startsWith('application/problem+json') && typeof body?.code === 'string' ? body : null
  const wait = response.headers.get('retry-after')
  return {
    ok: response.ok && (response.status === 204 || body !== null),
    status: response.status,
    body,
    problem,
    timedOut: false,
    retryAfterSeconds: wait !== null && /^\d+$/.test(wait) ? Number(wait) : null,
    requestId:
      problem?.requestId ?? response.headers.get('x-request-id') ?? response.headers.get('x-vercel-id'),
  }
}

/**
 * Something between us and the function may answer with a page instead of JSON.
 * @param {string} text
 */
function parseObject(text) {
  try {
    const value = JSON.parse(text)
    return typeof value === 'object' ? value : null
  } catch {
    return null
  }
}
