/**
 * A person's whole story against `npm run dev`: the real `vercel dev` and the stack's inbox page, on ports and a
 * directory of its own. Each call of a function starts a process there, so there is this one test.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { freePort } from '../../dev/port.ts'
import { CHECKOUT } from '../../dev/stack.ts'
import { openEmail, pressLink } from './emails.ts'
import { newAddress, OTHER_PASSWORD, PASSWORD } from './people.ts'
import {
  askForReset,
  chooseNewPassword,
  createAccount,
  fillSignIn,
  pressConfirm,
  refresh,
  signOut,
} from './story.ts'
import { expectSecretsHidden, newVisitor, startChromium } from './visitors.ts'

const START_MS = 120_000
const STORY_MS = 180_000
const PATIENCE_MS = 60_000

let directory = ''
let origin = ''
let inboxUrl = ''
let output = ''
let dev: ChildProcess
let chromium: Browser

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'latchkey-browser-dev-'))
  const port = await freePort()
  const stackPorts = [await freePort(), await freePort(), await freePort()] as const
  origin = `http://localhost:${port}`
  inboxUrl = `http://127.0.0.1:${stackPorts[2]}/inbox`
  const options = ['--port', String(port), '--directory', directory, '--stack-ports', stackPorts.join()]
  dev = spawn('npm', ['run', 'dev', '--', ...options], {
    cwd: CHECKOUT,
    // What vitest sets is not for the server.
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
  chromium = await startChromium()
}, START_MS)

afterAll(async () => {
  await chromium?.close()
  if (dev.exitCode === null && dev.pid !== undefined) {
    process.kill(-dev.pid, 'SIGINT')
    await once(dev, 'exit')
  }
  await rm(directory, { recursive: true, force: true })
}, 30_000)

test(
  'npm run dev: a person registers, confirms, signs in, refreshes, signs out and resets in a browser',
  { timeout: STORY_MS },
  async () => {
    const visitor = await newVisitor(chromium, origin, { patienceMs: PATIENCE_MS })
    const { context, page } = visitor
    const email = newAddress()
    await createAccount(page, email, PASSWORD)
    expect(await page.getByRole('link', { name: 'Open the inbox' }).last().getAttribute('href')).toBe(
      'http://127.0.0.1:54331/inbox',
    )
    const confirm = await pressLink(await openEmail(context, inboxUrl, { to: email, linked: 'verify' }))
    await pressConfirm(confirm)
    await refresh(confirm)
    await signOut(confirm)

    await askForReset(confirm, email)
    const reset = await pressLink(await openEmail(context, inboxUrl, { to: email, linked: 'reset' }))
    await chooseNewPassword(reset, OTHER_PASSWORD)
    await reset.getByRole('link', { name: 'Go to sign in' }).click()
    await fillSignIn(reset, email, OTHER_PASSWORD)
    await expectSecretsHidden(visitor, origin)
    expect(visitor.pageErrors()).toEqual([])
    await visitor.close()
  },
)
