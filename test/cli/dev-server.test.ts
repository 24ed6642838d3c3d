/**
 * The whole story over HTTP against a started `npm run dev`: the real CLI, the real `vercel dev`, on ports and a
 * directory of its own. Each request starts a function again there, so this is the slowest test of all.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { freePort } from '../../dev/port.ts'
import { expectPages, expectStory } from '../support/http-story.ts'

let directory = ''
let origin = ''
let inboxUrl = ''
let dev: ChildProcess
let output = ''

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'latchkey-dev-'))
  const [port, postgres, gateway, inbox] = [
    await freePort(),
    await freePort(),
    await freePort(),
    await freePort(),
  ]
  origin = `http://localhost:${port}`
  inboxUrl = `http://127.0.0.1:${inbox}`
  const options = [
    '--port',
    port,
    '--directory',
    directory,
    '--stack-ports',
    [postgres, gateway, inbox].join(),
  ]
  dev = spawn('npm', ['run', 'dev', '--', ...options.map(String)], {
    // What the tests set for their own handlers is not for the server.
    env: Object.fromEntries(
      Object.entries(process.env).filter(([name]) => ['PATH', 'HOME', 'TMPDIR'].includes(name)),
    ),
    detached: true,
  })
  dev.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()))
  dev.stderr?.on('data', (chunk: Buffer) => (output += chunk.toString()))
  while (!output.includes('Latchkey answers')) {
    if (dev.exitCode !== null) throw new Error(`npm run dev ended:\n${output}`)
    await sleep(100)
  }
}, 120_000)

afterAll(async () => {
  if (dev.exitCode === null && dev.pid !== undefined) {
    process.kill(-dev.pid, 'SIGINT')
    await once(dev, 'exit')
  }
  await rm(directory, { recursive: true, force: true })
}, 30_000)

test('npm run dev says what to open, and the whole story runs over HTTP', { timeout: 150_000 }, async () => {
  expect(output).toContain(`${origin}/`)
  expect(output).toContain(`${origin}/docs`)
  expect(output).toContain(`${inboxUrl}/inbox`)
  await expectPages({ origin, inboxUrl })
  await expectStory({ origin, inboxUrl })
})

test('[ASVS 14.2.5] beneath an endpoint there is nothing that a cache could take for a file', async () => {
  for (const unknown of ['account/x.css', 'sessions/x.js', 'nothing.css']) {
    const response = await fetch(`${origin}/api/auth/${unknown}`)
    expect([unknown, response.status]).toEqual([unknown, 404])
  }
})
