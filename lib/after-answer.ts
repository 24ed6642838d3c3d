/** Work that the answer must not wait for. */

interface RequestContext {
  waitUntil?: (work: Promise<unknown>) => void
}

/**
 * Where Vercel puts the request's context. The package `@vercel/functions` reads the same symbol; it is not used
 * because it does not tell whether there is a platform that waits.
 */
const REQUEST_CONTEXT = Symbol.for('@vercel/request-context')

/** Lets the answer leave first: making a mail takes time, which would tell that there was one to make. */
const HEAD_START_MS = 25

/** Runs `work` after the answer where the platform keeps the function alive for it, else before it. */
export async function afterAnswer(work: () => Promise<unknown>): Promise<void> {
  const context: { get?: () => RequestContext | undefined } | undefined = Reflect.get(
    globalThis,
    REQUEST_CONTEXT,
  )
  const waitUntil = context?.get?.()?.waitUntil
  if (waitUntil === undefined) {
    await work()
    return
  }
  waitUntil(new Promise((resolve) => setTimeout(resolve, HEAD_START_MS)).then(work))
}
