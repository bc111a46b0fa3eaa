/**
 * The result store: Valkey, or Redis where there is no Valkey. Called `valkey` either way. With `storeReplica` a second
 * server, `valkey-replica`, follows it, and three Sentinels put that in its place when it is gone.
 *
 * Servers and Sentinels write into their configuration what they learn: who is the primary now. So each has a file of its
 * own in the cluster's folder, and is started from it; at a start of the cluster all are written anew, since ports may have
 * changed, from who was the primary last.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import type { Binaries } from './binaries.js'
import { ClusterError } from './errors.js'
import { configFile, type Folder } from './folder.js'
import { LOOPBACK, type PortPlan, ports, SENTINEL_NUMBERS } from './ports.js'
import type { ProcessDefinition } from './processDefinition.js'
import { waitFor } from './readiness.js'
import type { Settings } from './settings.js'
import { askStore } from './storeAsking.js'

type StoreSettings = Pick<Settings, 'folder' | 'ports' | 'storeReplica'>

/** What Sentinels call the store. */
const SENTINEL_NAME = 'results'
const SERVERS = ['valkey', 'valkey-replica'] as const
type ServerName = (typeof SERVERS)[number]

/** How long a server may be silent before a Sentinel calls it down; two of three must agree. */
const DOWN_AFTER_MS = 3_000
/** A failover that did not come about is tried again after twice this. */
const FAILOVER_TIMEOUT_MS = 10_000
/** Sentinels find each other and the replica within some ten seconds. */
const WHOLE_TIMEOUT_MS = 60_000

/** Where results are, for `results` of `connect()`. */
export function storeAddress({ ports: plan, storeReplica }: Pick<Settings, 'ports' | 'storeReplica'>): string {
  if (!storeReplica) return `redis://${LOOPBACK}:${ports.store(plan)}`
  const sentinels = SENTINEL_NUMBERS.map((number) => `${LOOPBACK}:${ports.sentinel(plan, number)}`)
  return `sentinel://${sentinels.join(',')}/${SENTINEL_NAME}`
}

/** Writes what the servers are started from. Throws `ClusterError` where results would be out of sight. */
export function prepareStore({ folder, ports: plan, storeReplica }: StoreSettings): void {
  const primary = lastPrimary(folder)
  if (!storeReplica) {
    if (primary !== 'valkey-replica') return
    throw new ClusterError(
      'WRONG_STATE',
      `The latest results in ${folder.path} are those of valkey-replica, which took the place of valkey: start with --store-replica, or remove ${folder.of('valkey-replica')} and ${folder.of('sentinel-1')} to begin without them`,
    )
  }
  for (const name of SERVERS) {
    const of = name === primary ? [] : [`replicaof ${LOOPBACK} ${portOf(plan, primary)}`]
    write(folder, name, [
      `include "${configFile('valkey', 'valkey.conf')}"`,
      ...listening(folder, name, portOf(plan, name)),
      ...of,
    ])
  }
  for (const number of SENTINEL_NUMBERS) {
    write(folder, `sentinel-${number}`, [
      ...listening(folder, `sentinel-${number}`, ports.sentinel(plan, number)),
      `sentinel monitor ${SENTINEL_NAME} ${LOOPBACK} ${portOf(plan, primary)} 2`,
      `sentinel down-after-milliseconds ${SENTINEL_NAME} ${DOWN_AFTER_MS}`,
      `sentinel failover-timeout ${SENTINEL_NAME} ${FAILOVER_TIMEOUT_MS}`,
      `sentinel parallel-syncs ${SENTINEL_NAME} 1`,
    ])
  }
}

/** Its processes, in the order of their start. */
export function store(settings: Settings, binaries: Binaries): ProcessDefinition[] {
  const { folder, ports: plan, storeReplica } = settings
  const from = (name: string) => [configuration(folder, name)]
  if (!storeReplica) {
    const port = ports.store(plan)
    const args = ['--bind', LOOPBACK, '--port', String(port), '--dir', folder.of('valkey')]
    return [server(settings, binaries, 'valkey', port, () => [configFile('valkey', 'valkey.conf'), ...args])]
  }
  return [
    ...SERVERS.map((name) => server(settings, binaries, name, portOf(plan, name), () => from(name))),
    ...SENTINEL_NUMBERS.map((number) => {
      const name = `sentinel-${number}`
      const args = () => [...from(name), '--sentinel']
      return { ...server(settings, binaries, name, ports.sentinel(plan, number), args), kind: 'sentinel' as const }
    }),
  ]
}

/** Which server is the primary, by the Sentinel that saw the last failover: the others learn of it a moment later. */
export async function storePrimary({ ports: plan, storeReplica }: Settings, signal: AbortSignal): Promise<ServerName> {
  if (!storeReplica) return 'valkey'
  const views = await Promise.allSettled(
    SENTINEL_NUMBERS.map((number) =>
      askStore(ports.sentinel(plan, number), `SENTINEL MASTER ${SENTINEL_NAME}`, signal),
    ),
  )
  const [latest] = views
    .flatMap((view) => (view.status === 'fulfilled' ? [view.value.split('\n')] : []))
    .map((lines) => {
      const of = (field: string) => Number(lines[lines.indexOf(field) + 1])
      return { epoch: of('config-epoch'), port: of('port') }
    })
    .sort((a, b) => b.epoch - a.epoch)
  if (latest === undefined)
    throw new ClusterError('NOT_READY', 'No Sentinel says which server of the store is the primary')
  return latest.port === ports.storeReplica(plan) ? 'valkey-replica' : 'valkey'
}

/** The fact that a replica holds what its primary holds, and that the Sentinels could put it in its place. */
export async function storeWhole(settings: Settings, signal: AbortSignal): Promise<string | undefined> {
  const { ports: plan } = settings
  const quorum = await askStore(ports.sentinel(plan, 1), `SENTINEL CKQUORUM ${SENTINEL_NAME}`, signal)
  if (!quorum.startsWith('OK 3 ')) return `sentinel-1 says: ${quorum}`
  const primary = await storePrimary(settings, signal)
  const replication = await askStore(portOf(plan, primary), 'INFO replication', signal)
  if (!/^role:master/m.test(replication)) return `what the Sentinels call the primary is none`
  return /^slave0:.*state=online/m.test(replication) ? undefined : 'the replica of the store does not follow it yet'
}

/** Resolves once that is so, after a start. */
export const storeFormed = (settings: Settings, signal: AbortSignal): Promise<void> =>
  waitFor('a store with its replica', (each) => storeWhole(settings, each), { timeoutMs: WHOLE_TIMEOUT_MS, signal })

/** The fact that the store answers PING; it says LOADING while it still reads its file. */
export async function answersPing(port: number, signal: AbortSignal): Promise<string | undefined> {
  const answer = await askStore(port, 'PING', signal)
  return answer === 'PONG' ? undefined : `it answers ${answer}`
}

function server(
  { folder }: Settings,
  { store: command }: Binaries,
  name: string,
  port: number,
  args: () => string[],
): ProcessDefinition {
  const data = folder.of(name)
  return {
    name,
    kind: 'store',
    ports: [port],
    logFile: folder.log(name),
    pidFile: folder.pidFile(name),
    launch: () => {
      mkdirSync(data, { recursive: true, mode: 0o700 })
      return { command, args: args(), env: { PATH: process.env.PATH }, cwd: data }
    },
    ready: (signal) => answersPing(port, signal),
    readyTimeoutMs: 30_000,
    stopTimeoutMs: 15_000,
    repeatSigterm: false,
    supervised: false,
  }
}

const portOf = (plan: PortPlan, name: ServerName): number =>
  name === 'valkey' ? ports.store(plan) : ports.storeReplica(plan)

const configuration = (folder: Folder, name: string): string => folder.of(name, 'server.conf')

const listening = (folder: Folder, name: string, port: number): string[] => [
  `bind ${LOOPBACK}`,
  `port ${port}`,
  `dir "${folder.of(name)}"`,
]

function write(folder: Folder, name: string, lines: readonly string[]): void {
  mkdirSync(folder.of(name), { recursive: true, mode: 0o700 })
  writeFileSync(configuration(folder, name), `${lines.join('\n')}\n`, { mode: 0o600 })
}

/** Who was the primary when the cluster last ran, by the Sentinel that saw the last failover. */
function lastPrimary(folder: Folder): ServerName {
  const replicaPort = /^port (\d+)/m.exec(read(configuration(folder, 'valkey-replica')))?.[1]
  const views = SENTINEL_NUMBERS.map((number) => {
    const text = read(configuration(folder, `sentinel-${number}`))
    return {
      epoch: Number(new RegExp(`^sentinel config-epoch ${SENTINEL_NAME} (\\d+)`, 'm').exec(text)?.[1] ?? 0),
      port: new RegExp(`^sentinel monitor ${SENTINEL_NAME} \\S+ (\\d+)`, 'm').exec(text)?.[1],
    }
  })
  const [latest] = views.sort((a, b) => b.epoch - a.epoch)
  return replicaPort !== undefined && latest?.port === replicaPort ? 'valkey-replica' : 'valkey'
}

const read = (file: string): string => (existsSync(file) ? readFileSync(file, 'utf8') : '')
