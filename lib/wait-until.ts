/** Work that the response doesn't wait for. */

interface RequestContext {
  waitUntil?: (work: Promise<unknown>) => void
}

/**
 * Where Vercel puts the request's context. `@vercel/functions` reads the same symbol; it isn't used here because it
 * doesn't tell whether there is a platform that waits.
 */
const REQUEST_CONTEXT = Symbol.for('@vercel/request-context')

/** The response leaves first: composing an email takes time, which would show that there was one. */
const HEAD_START_MS = 25

/** Runs `work` after the response if the platform keeps the function alive for it, otherwise before. */
export async function waitUntil(work: () => Promise<unknown>): Promise<void> {
  const context: { get?: () => RequestContext | undefined } | undefined = Reflect.get(
    globalThis,
    REQUEST_CONTEXT,
  )
  const platform = context?.get?.()
  if (platform?.waitUntil === undefined) {
    await work()
    return
  }
  platform.waitUntil(new Promise((resolve) => setTimeout(resolve, HEAD_START_MS)).then(work))
}
