/** PgBouncer in transaction mode in front of the tests' Postgres: Debian's package, which .ci/run installs. */
import { execFileSync } from 'node:child_process'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { TestProject } from 'vitest/node'
import { startChild } from '../../dev/child.ts'
import { freePort, LOOPBACK } from '../../dev/port.ts'
import { startDatabase } from './global-postgres.ts'

const FILE = '/usr/sbin/pgbouncer'
const START_DEADLINE_MS = 10_000
const STOP_GRACE_MS = 5_000

declare module 'vitest' {
  interface ProvidedContext {
    pgbouncerPort: number
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { stop, url } = await startDatabase(project)
  const { hostname, port: postgresPort, username } = new URL(url)
  const directory = await mkdtemp(join(tmpdir(), 'latchkey-pgbouncer-'))
  await chmod(directory, 0o755)
  const port = await freePort()
  const file = join(directory, 'pgbouncer.ini')
  const settings = [
    '[databases]',
    `* = host=${hostname} port=${postgresPort} user=${username}`,
    '[pgbouncer]',
    `listen_addr = ${LOOPBACK}`,
    `listen_port = ${port}`,
    'unix_socket_dir =',
    'auth_type = any',
    'pool_mode = transaction',
    'default_pool_size = 4',
    'max_client_conn = 200',
  ]
  await writeFile(file, `${settings.join('\n')}\n`)
  const isRoot = process.getuid?.() === 0
  const id = (flag: string) => Number(execFileSync('id', [flag, 'nobody'], { encoding: 'utf8' }))
  const bouncer = startChild({
    file: FILE,
    arguments: [file],
    environment: process.env,
    directory: '/',
    user: isRoot ? { uid: id('-u'), gid: id('-g') } : undefined,
    signalWhenOrphaned: 'SIGINT',
  })
  const deadline = Date.now() + START_DEADLINE_MS
  while (!(await isListening(port))) {
    if (Date.now() > deadline) throw new Error(`PgBouncer did not start:\n${bouncer.lastLines()}`)
    await sleep(50)
  }
  project.provide('pgbouncerPort', port)
  return async () => {
    await bouncer.end('SIGINT', STOP_GRACE_MS)
    await stop()
    await rm(directory, { recursive: true, force: true })
  }
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, LOOPBACK, () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
