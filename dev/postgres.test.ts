import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { freePort } from './port.ts'
import { startPostgres, type Postgres } from './postgres.ts'

let home: string
let directory: string
let postgres: Postgres | undefined

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'latchkey-postgres-test-'))
  directory = join(home, 'postgres')
})
afterEach(async () => {
  await postgres?.discard()
  postgres = undefined
  await rm(home, { recursive: true, force: true })
})

async function start(port = 0, fresh = false): Promise<Postgres> {
  postgres = await startPostgres({ directory, port, fresh })
  return postgres
}

async function query(url: string, statement: string): Promise<unknown[]> {
  const client = new Client(url)
  await client.connect()
  try {
    return (await client.query(statement)).rows
  } finally {
    await client.end()
  }
}

it('keeps its data through a stop and through SIGKILL, and drops it when started fresh', async () => {
  const first = await start()
  await first.createDatabase('kept')
  await query(first.databaseUrl('kept'), 'CREATE TABLE things AS SELECT 1 AS id')
  await first.stop()

  const second = await start()
  await query(second.databaseUrl('kept'), 'INSERT INTO things VALUES (2)')
  await second.kill()

  const third = await start()
  const rows = await query(third.databaseUrl('kept'), 'SELECT id FROM things ORDER BY id')
  expect(rows).toEqual([{ id: 1 }, { id: 2 }])
  await third.stop()

  const fresh = await start(0, true)
  await expect(query(fresh.databaseUrl('kept'), 'SELECT 1')).rejects.toThrow('does not exist')
})

it('makes a database once, and copies a template that a pool is still connected to', async () => {
  const server = await start()
  await Promise.all([server.createDatabase('one'), server.createDatabase('one')])
  const idle = new Client(server.databaseUrl('one'))
  idle.on('error', () => undefined)
  await idle.connect()
  await idle.query('CREATE TABLE things AS SELECT 1 AS id')
  await server.createDatabase('copy', 'one')
  expect(await query(server.databaseUrl('copy'), 'SELECT id FROM things')).toEqual([{ id: 1 }])
  await expect(server.createDatabase('copy', 'one')).rejects.toThrow('already exists')
})

it('says which port is taken, and leaves who has it alone', async () => {
  const { url } = await start()
  const port = Number(new URL(url).port)
  const second = startPostgres({ directory: join(home, 'second'), port })
  await expect(second).rejects.toThrow(`Port ${port}, which Postgres needs, is taken.`)
  expect(await query(url, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
})

it('ends when the process that started it is killed', async () => {
  const port = await freePort()
  const script = join(home, 'start.ts')
  const module = join(import.meta.dirname, 'postgres.ts')
  await writeFile(
    script,
    `import { startPostgres } from ${JSON.stringify(module)}
     await startPostgres({ directory: ${JSON.stringify(directory)}, port: ${port} })
     process.send('started')`,
  )
  const starter = fork(script, { execArgv: [] })
  await once(starter, 'message')
  starter.kill('SIGKILL')
  // On the same port and data: neither is free before the first one has ended.
  await expect.poll(() => start(port).then(() => 'started', String), { timeout: 10_000 }).toBe('started')
})
