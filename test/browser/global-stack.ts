/** One stack for the run: Postgres with its schema, and the inbox. Each test file puts its own app in front of it. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { completeApiReference } from '../../cli/build/api-reference.ts'
import { freePort } from '../../dev/port.ts'
import { CHECKOUT, startStack } from '../../dev/stack.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** What the functions need; each app sets `APP_URL` and `NEON_FETCH_ENDPOINT` again. */
    stackEnvironment: Record<string, string>
    inboxUrl: string
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  await completeApiReference(CHECKOUT)
  const directory = await mkdtemp(join(tmpdir(), 'latchkey-browser-'))
  const ports = { postgres: await freePort(), gateway: await freePort(), inbox: await freePort() }
  const stack = await startStack({ directory, ports, appUrl: 'http://localhost' })
  project.provide('stackEnvironment', stack.environment)
  project.provide('inboxUrl', stack.inboxUrl)
  return async () => {
    await stack.discard()
    await rm(directory, { recursive: true, force: true })
  }
}
