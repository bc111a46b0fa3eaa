/**
 * Servers that only some rivals need, started when the first of these takes part: a store that syncs every write to the
 * disk, and PostgreSQL with its defaults, which does the same for every commit. Each has a folder and a port of its own.
 */
import { execFileSync } from 'node:child_process'
import { chownSync, existsSync, mkdirSync, readdirSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { Redis } from 'iovalkey'
import { Client } from 'pg'
import { ManagedProcess } from '../cluster/managedProcess.js'

export type ServerName = 'syncedStore' | 'postgres'

interface Server {
  readonly url: string
  readonly process: ManagedProcess
}

/** Debian keeps each version's programs beside each other. */
const DEBIAN = '/usr/lib/postgresql'

export class Servers {
  readonly #dir: string
  readonly #started = new Map<ServerName, Promise<Server>>()

  constructor(dir: string) {
    this.#dir = dir
  }

  async url(name: ServerName): Promise<string> {
    let starting = this.#started.get(name)
    if (starting === undefined) {
      starting = name === 'postgres' ? this.#postgres() : this.#syncedStore()
      this.#started.set(name, starting)
    }
    return (await starting).url
  }

  /** The processes that run, and what they count as. */
  async pids(): Promise<readonly number[]> {
    const all = await Promise.all(this.#started.values())
    return all.flatMap(({ process }) => process.status().pid ?? [])
  }

  async close(): Promise<void> {
    const all = await Promise.allSettled(this.#started.values())
    await Promise.all(all.map((each) => (each.status === 'fulfilled' ? each.value.process.stop() : undefined)))
  }

  async #syncedStore(): Promise<Server> {
    const dir = join(this.#dir, 'synced-store')
    mkdirSync(dir, { recursive: true })
    const port = await freePort()
    const url = `redis://127.0.0.1:${port}`
    const flags = ['--bind', '127.0.0.1', '--appendonly', 'yes', '--appendfsync', 'always', '--save', '']
    return this.#run('synced-store', {
      ...{ port, url, dir, command: 'redis-server', args: ['--port', String(port), '--dir', dir, ...flags] },
      ready: async () => {
        const store = new Redis(url, { lazyConnect: true, retryStrategy: () => null })
        try {
          await store.connect()
          await store.ping()
        } finally {
          store.disconnect()
        }
      },
    })
  }

  async #postgres(): Promise<Server> {
    const versions = existsSync(DEBIAN) ? readdirSync(DEBIAN).sort((a, b) => Number(b) - Number(a)) : []
    const bin = versions.map((each) => join(DEBIAN, each, 'bin')).find((each) => existsSync(join(each, 'initdb')))
    if (bin === undefined) throw new Error(`No PostgreSQL under ${DEBIAN}: node scripts/setup.mjs --tests installs it`)
    const dir = join(this.#dir, 'postgres')
    mkdirSync(dir, { recursive: true, mode: 0o755 })
    if (process.getuid?.() === 0) chownSync(dir, idOf('-u'), idOf('-g'))
    const data = join(dir, 'data')
    const initdb = join(bin, 'initdb')
    const [command = initdb, ...args] = asItsUser(initdb, [
      '-D',
      data,
      '-U',
      'bench',
      '--auth=trust',
      '--locale=C.UTF-8',
    ])
    execFileSync(command, args, { cwd: dir, stdio: 'ignore' })
    const port = await freePort()
    const url = `postgres://bench@127.0.0.1:${port}/postgres`
    const flags = ['-c', 'max_connections=100', '-c', 'shared_buffers=256MB']
    const [start = '', ...rest] = asItsUser(join(bin, 'postgres'), [
      ...['-D', data, '-p', String(port), '-h', '127.0.0.1', '-k', dir, ...flags],
    ])
    return this.#run('postgres', {
      ...{ port, url, dir, command: start, args: rest },
      ready: async () => {
        const client = new Client(url)
        client.on('error', () => undefined)
        try {
          await client.connect()
        } finally {
          await client.end().catch(() => undefined)
        }
      },
    })
  }

  async #run(
    name: string,
    { port, url, dir, command, args, ready }: Launch & { readonly ready: () => Promise<void> },
  ): Promise<Server> {
    const managed = new ManagedProcess({
      ...{ name, kind: 'store', ports: [port] },
      logFile: join(this.#dir, `${name}.log`),
      pidFile: join(this.#dir, `${name}.pid`),
      launch: () => ({ command, args, env: { PATH: process.env.PATH }, cwd: dir }),
      ready: () => ready().then(undefined, String),
      readyTimeoutMs: 30_000,
      stopTimeoutMs: 10_000,
      repeatSigterm: false,
      supervised: false,
    })
    await managed.start()
    return { url, process: managed }
  }
}

interface Launch {
  readonly port: number
  readonly url: string
  readonly dir: string
  readonly command: string
  readonly args: readonly string[]
}

const idOf = (flag: string): number => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }))

/** PostgreSQL refuses to run as root: then it is the user whom its package made. */
const asItsUser = (command: string, args: readonly string[]): readonly string[] =>
  process.getuid?.() === 0
    ? ['setpriv', '--reuid=postgres', '--regid=postgres', '--clear-groups', '--', command, ...args]
    : [command, ...args]

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer().on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
