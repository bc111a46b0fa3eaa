/** Result stores of a test's own, on real servers: with flags, as a replica, as a cluster, behind Sentinels. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Cluster, Redis } from 'iovalkey'
import { afterAll } from 'vitest'
import { findBinaries } from '../../cluster/binaries.js'
import { waitFor } from '../../cluster/index.js'
import { ManagedProcess } from '../../cluster/managedProcess.js'
import { answersPing } from '../../cluster/store.js'

export interface OwnStore {
  readonly port: number
  readonly url: string
  /** Kills it, freezes it, starts it again. */
  readonly process: ManagedProcess
  /** A client with all rights. */
  readonly admin: Redis
}

const ends: (() => unknown)[] = []
afterAll(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

/** Something to do after the file, last one first. */
export const atEnd = (end: () => unknown): void => void ends.push(end)

/** Starts a store with flags of `valkey-server` or `redis-server`, as `'--cluster-enabled', 'yes'`. Gone after the file. */
export async function ownStore(...flags: string[]): Promise<OwnStore> {
  const port = await freePort()
  const process = await server(port, ['--save', '', '--appendonly', 'no', ...flags])
  const admin = new Redis(port, { maxRetriesPerRequest: null })
  admin.on('error', () => undefined)
  atEnd(() => admin.disconnect())
  return { port, url: `redis://127.0.0.1:${port}`, process, admin }
}

/** Three primaries that share the slots, and a client of the cluster. */
export async function ownCluster(): Promise<{ readonly nodes: readonly OwnStore[]; readonly client: Cluster }> {
  const nodes = await Promise.all([1, 2, 3].map(() => ownStore('--cluster-enabled', 'yes')))
  const share = Math.ceil(16_384 / nodes.length)
  for (const [index, { admin }] of nodes.entries()) {
    await admin.call('CLUSTER', 'ADDSLOTSRANGE', index * share, Math.min(16_383, (index + 1) * share - 1))
    for (const { port } of nodes) await admin.call('CLUSTER', 'MEET', '127.0.0.1', port)
  }
  for (const { admin } of nodes) {
    await until('the cluster serves all slots', async () =>
      String(await admin.call('CLUSTER', 'INFO')).includes('cluster_state:ok'),
    )
  }
  const client = new Cluster([{ host: '127.0.0.1', port: nodes[0]?.port ?? 0 }], { lazyConnect: true })
  return { nodes, client }
}

/** A primary and its replica, a Sentinel that watches them, and a client that asks it. */
export async function ownSentinel(): Promise<{
  readonly primary: OwnStore
  readonly replica: OwnStore
  readonly client: Redis
  readonly address: string
}> {
  const primary = await ownStore()
  const replica = await ownStore('--replicaof', '127.0.0.1', String(primary.port))
  const port = await freePort()
  await server(port, [
    '--sentinel',
    ...['--sentinel', 'monitor', 'results', '127.0.0.1', String(primary.port), '1'],
    ...['--sentinel', 'down-after-milliseconds', 'results', '500'],
    ...['--sentinel', 'failover-timeout', 'results', '5000'],
  ])
  const sentinel = new Redis(port)
  atEnd(() => sentinel.disconnect())
  await until('the Sentinel knows the replica', async () =>
    String(await sentinel.call('SENTINEL', 'replicas', 'results')).includes(String(replica.port)),
  )
  const client = new Redis({ sentinels: [{ host: '127.0.0.1', port }], name: 'results', lazyConnect: true })
  return { primary, replica, client, address: `sentinel://127.0.0.1:${port}/results` }
}

const until = (what: string, fact: () => Promise<boolean>): Promise<void> =>
  waitFor(what, async () => ((await fact()) ? undefined : 'not yet'), { timeoutMs: 30_000 })

async function server(port: number, flags: readonly string[]): Promise<ManagedProcess> {
  const folder = mkdtempSync(join(tmpdir(), 'warren-store-'))
  const data = join(folder, 'data')
  mkdirSync(data)
  // A Sentinel and a node of a cluster write what they learn into it.
  const config = join(folder, 'store.conf')
  writeFileSync(config, '')
  const process = new ManagedProcess({
    name: `store at ${port}`,
    kind: 'store',
    ports: [port],
    logFile: join(folder, 'log'),
    pidFile: join(folder, 'pid'),
    launch: () => ({
      command: findBinaries(globalThis.process.env).store,
      args: [config, '--port', String(port), '--bind', '127.0.0.1', '--dir', data, ...flags],
      env: { PATH: globalThis.process.env.PATH },
      cwd: data,
    }),
    ready: (signal) => answersPing(port, signal),
    readyTimeoutMs: 30_000,
    stopTimeoutMs: 5_000,
    repeatSigterm: false,
    supervised: false,
  })
  await process.start()
  atEnd(async () => {
    await process.kill()
    rmSync(folder, { recursive: true, force: true })
  })
  return process
}

/** A cluster node's second port is this one and 10,000. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number }
      probe.close(() => (port + 10_000 < 65_536 ? resolve(port) : freePort().then(resolve, reject)))
    })
  })
}
