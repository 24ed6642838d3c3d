/**
 * A function may die at any moment between its response and the email. Handler processes are killed at random points
 * while emails are on their way; in the end each email that a response promised has arrived, once.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { randomInt } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { sendRaw } from '../support/browser.ts'
import { query } from '../support/database.ts'
import { newAddress, PASSWORD } from '../support/people.ts'
import { APP_ORIGIN } from '../support/setup-environment.ts'
import { inbox } from '../support/setup-stack.ts'

const KILLS = Number(process.env['EMAIL_KILLS'] ?? 6)
const REGISTERS_EACH = 6
/** How long a process lives at most, in times of what one register took: a kill may come before, between and after. */
const LONGEST_LIFE = 5
const FILE = fileURLToPath(new URL('../support/handler-process.ts', import.meta.url))

/** Registers a few people at once in a process that is killed meanwhile; returns those who got a 202. */
async function registerAndKill(): Promise<string[]> {
  const child = spawn(process.execPath, [FILE], { stdio: ['pipe', 'pipe', 'ignore'] })
  const [chunk] = await once(child.stdout, 'data')
  const url = `http://127.0.0.1:${Number(String(chunk))}/api/auth/register`
  const exited = once(child, 'exit')
  const register = async (): Promise<string[]> => {
    const email = newAddress()
    const ip = `10.${randomInt(256)}.${randomInt(256)}.${randomInt(1, 255)}`
    const headers = { 'content-type': 'application/json', origin: APP_ORIGIN, 'x-real-ip': ip }
    const body = JSON.stringify({ email, password: PASSWORD })
    const response = await fetch(url, { method: 'POST', headers, body }).catch(() => undefined)
    return response?.status === 202 ? [email] : []
  }
  const started = performance.now()
  const first = await register()
  const oneTakesMs = Math.ceil(performance.now() - started)
  setTimeout(() => child.kill('SIGKILL'), randomInt(LONGEST_LIFE * oneTakesMs))
  const others = await Promise.all(Array.from({ length: REGISTERS_EACH }, register))
  await exited
  return [...first, ...others.flat()]
}

async function deliverTheRest(): Promise<void> {
  for (;;) {
    await query('UPDATE outbox SET next_attempt_at = now() WHERE sent_at IS NULL AND failed_at IS NULL')
    const headers = { authorization: `Bearer ${process.env['CRON_SECRET']}` }
    expect((await sendRaw('maintenance', { headers })).status).toBe(200)
    if ((await query('SELECT 1 FROM outbox WHERE sent_at IS NULL')).length === 0) return
  }
}

test(
  'an email that a response promised arrives, and once, wherever its function is killed',
  { timeout: KILLS * 10_000 },
  async () => {
    const promised: string[] = []
    for (let kill = 0; kill < KILLS; kill += 2) {
      promised.push(...(await Promise.all([registerAndKill(), registerAndKill()])).flat())
    }
    // Statements of the killed processes that are still running come to their end.
    await sleep(500)
    const interrupted = await query('SELECT 1 FROM outbox WHERE sent_at IS NULL')
    await deliverTheRest()

    const counts = new Map<string, number>()
    for (const { to } of await inbox.messages()) {
      for (const email of to) counts.set(email, (counts.get(email) ?? 0) + 1)
    }
    console.log(
      `${KILLS} kills, ${promised.length} emails promised, ${interrupted.length} of them or others interrupted`,
    )
    expect(promised.length).toBeGreaterThan(KILLS / 2)
    expect(promised.filter((email) => counts.get(email) !== 1)).toEqual([])
    expect([...counts].filter(([, count]) => count !== 1)).toEqual([])
    const queued = await query('SELECT recipient FROM outbox')
    expect(new Set(counts.keys())).toEqual(new Set(queued.map(({ recipient }) => recipient)))
  },
)
