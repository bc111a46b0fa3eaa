/** A PostgreSQL of a test's own, in a folder of its own, on a free port; the packaged service is left alone. */
import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { waitFor } from '../../cluster/index.js'
import { ManagedProcess } from '../../cluster/managedProcess.js'

export interface OwnPostgres {
  readonly port: number
  /** Of the database `test`, as its owner. */
  readonly url: string
  readonly process: ManagedProcess
  /** Stops it and removes its folder. */
  close(): Promise<void>
}

/** Debian keeps each version's programs beside each other, and only `psql` on the path. */
const DEBIAN = '/usr/lib/postgresql'

function programs(): string {
  const versions = existsSync(DEBIAN) ? readdirSync(DEBIAN).sort((a, b) => Number(b) - Number(a)) : []
  const found = versions.map((version) => join(DEBIAN, version, 'bin')).find((bin) => existsSync(join(bin, 'initdb')))
  if (found === undefined) throw new Error(`No PostgreSQL under ${DEBIAN}: node scripts/setup.mjs --tests installs it`)
  return found
}

/** PostgreSQL refuses to run as root: then it is the user whom its package made. */
function asItsUser(command: string, args: readonly string[]): { command: string; args: readonly string[] } {
  if (process.getuid?.() !== 0) return { command, args }
  return {
    command: 'setpriv',
    args: ['--reuid=postgres', '--regid=postgres', '--clear-groups', '--', command, ...args],
  }
}

const idOf = (flag: string): number => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }))

/** `flags` as `'-c', 'max_connections=50'`. It keeps its data over kills, and does not sync it to the disk. */
export async function ownPostgres(...flags: readonly string[]): Promise<OwnPostgres> {
  const folder = mkdtempSync(join(tmpdir(), 'warren-postgres-'))
  const home = join(folder, 'home')
  const data = join(home, 'data')
  chmodSync(folder, 0o711)
  mkdirSync(home, { mode: 0o700 })
  if (process.getuid?.() === 0) chownSync(home, idOf('-u'), idOf('-g'))
  const bin = programs()
  const init = asItsUser(join(bin, 'initdb'), [
    ...['-D', data, '-U', 'test', '--auth=trust', '--no-sync', '--encoding=UTF8', '--locale=C.UTF-8'],
  ])
  execFileSync(init.command, init.args, { cwd: home, stdio: 'ignore' })
  const port = await freePort()
  const url = `postgres://test@127.0.0.1:${port}/postgres`
  const managed = new ManagedProcess({
    name: `postgres at ${port}`,
    kind: 'store',
    ports: [port],
    logFile: join(folder, 'log'),
    pidFile: join(folder, 'pid'),
    launch: () => ({
      ...asItsUser(join(bin, 'postgres'), [
        ...['-D', data, '-p', String(port), '-h', '127.0.0.1', '-k', home],
        ...['-c', 'fsync=off', '-c', 'max_connections=60', ...flags],
      ]),
      env: { PATH: process.env.PATH },
      cwd: home,
    }),
    ready: () => answers(url),
    readyTimeoutMs: 30_000,
    stopTimeoutMs: 5_000,
    repeatSigterm: false,
    supervised: false,
  })
  await managed.start()
  return {
    port,
    url,
    process: managed,
    close: async () => {
      await managed.kill()
      // Its children end by themselves a moment after it.
      await waitFor('the folder is gone', async () => (removed(folder) ? undefined : 'not yet'), { timeoutMs: 10_000 })
    },
  }
}

function removed(folder: string): boolean {
  try {
    rmSync(folder, { recursive: true, force: true })
    return true
  } catch {
    return false
  }
}

async function answers(url: string): Promise<string | undefined> {
  const client = new Client(url)
  client.on('error', () => undefined)
  try {
    await client.connect()
    await client.query('select 1')
    return undefined
  } catch (error) {
    return String(error)
  } finally {
    await client.end().catch(() => undefined)
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number }
      probe.close(() => resolve(port))
    })
  })
}
