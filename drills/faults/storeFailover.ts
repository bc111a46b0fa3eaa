/**
 * The primary of the result store is killed, and Sentinels put its replica in its place. Replication is asynchronous, so
 * the drill first cuts the replica off for a while: what is stored in that time the new primary has never seen.
 */
import { Redis } from 'iovalkey'
import { connect, storeOptions, type Warren } from 'warren'
import { accountInput, invoiceInput } from '../../demo/payloads.js'
import { createAccount, createInvoice } from '../../demo/tasks.js'
import type { Drill, Scene } from '../drill.js'
import type { QueueKey } from '../timeline.js'
import { seconds } from '../verdict.js'
import { WorkerLogs } from '../workerLogs.js'

/** Tasks a second whose handles are awaited, beside the drill's load. */
const RATE = 20
const TASK_SECONDS = 0.01
const CALM_MS = 2_000
const CUT_OFF_MS = 1_500
const FAILOVER_MS = 30_000
const WHOLE_MS = 90_000
const HANDLES_MS = 60_000
const AFTER_MS = 3_000

/** Tasks with their handles: which have ended, and how. */
class Awaited {
  readonly #warren: Warren
  readonly #ledger: Scene['ledger']
  #timer: NodeJS.Timeout | undefined
  #index = 0
  sent = 0
  succeeded = 0
  readonly failures: string[] = []

  constructor(warren: Warren, ledger: Scene['ledger']) {
    this.#warren = warren
    this.#ledger = ledger
  }

  get pending(): number {
    return this.sent - this.succeeded - this.failures.length
  }

  start(): void {
    this.#timer = setInterval(() => void this.#one(), 1_000 / RATE)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  async #one(): Promise<void> {
    const index = this.#index++
    const queue: QueueKey = index % 2 === 0 ? 'user' : 'payment'
    this.sent++
    this.#ledger.sent()
    try {
      const handle = await (queue === 'user'
        ? this.#warren.send(createAccount, accountInput(index, TASK_SECONDS))
        : this.#warren.send(createInvoice, invoiceInput(index, TASK_SECONDS)))
      this.#ledger.confirmed(handle.id, queue)
      await handle.result({ timeoutMs: Number.POSITIVE_INFINITY })
      this.succeeded++
    } catch (error) {
      this.failures.push(String(error))
    }
  }
}

export const storeFailover: Drill = {
  name: 'store-failover',
  does: 'Cuts the replica of the result store off for a moment, kills the primary under load, lets Sentinels put the replica in its place, and brings the other back.',
  holds:
    'Every result that was acknowledged is on the new primary, those it never received included; every handle ends.',
  needsStoreReplica: true,
  recoverWithinMs: 40_000,
  async fault(scene) {
    const { drillCluster, ledger, mark, hold, until, defer, numbers } = scene
    const { cluster } = drillCluster
    const warren = await connect({ broker: drillCluster.senderUrl, results: drillCluster.resultsUrl, logger: false })
    defer(() => warren.close())
    warren.on('storeState', ({ state, reason }) =>
      mark('seen', `The producer calls the store ${state}${reason === undefined ? '' : ` (${reason})`}`),
    )
    const awaited = new Awaited(warren, ledger)
    defer(() => awaited.stop())
    awaited.start()
    await hold(CALM_MS)

    const { processes } = await cluster.status()
    const workers = processes.filter(({ kind }) => kind === 'worker').map(({ name }) => name)
    const logs = new WorkerLogs(cluster.dir, workers)
    const before = await cluster.storePrimary()
    const portOf = (server: string) => processes.find(({ name }) => name === server)?.ports[0] ?? 0
    const replicaName = before === 'valkey' ? 'valkey-replica' : 'valkey'
    mark('fault', `Cut the replica off for ${seconds(CUT_OFF_MS)}, then killed ${before}, the primary (SIGKILL)`)
    const mayFollow = await cutReplicaOff(portOf(before), portOf(replicaName))
    try {
      await hold(CUT_OFF_MS)
      await cluster.killProcess(before)
    } finally {
      await mayFollow()
    }
    const killedAt = Date.now()
    const other = async () =>
      (await cluster.storePrimary()) === before ? `${before} still counts as primary` : undefined
    await until('another primary', other, FAILOVER_MS)
    numbers.set('failoverMs', Date.now() - killedAt)
    mark('seen', `${await cluster.storePrimary()} is the primary now`)

    const sentBefore = awaited.sent
    const ended = () =>
      awaited.succeeded + awaited.failures.length >= sentBefore ? undefined : `${awaited.pending} have not`
    await until('the end of all handles from before', ended, HANDLES_MS)
    await cluster.startProcess(before)
    mark('repair', `${before} is back, as the replica`)
    const replica = async () => cluster.whole(scene.signal)
    await until('a replica that follows', replica, WHOLE_MS)
    await hold(AFTER_MS)
    awaited.stop()
    await until(
      'the end of all handles',
      () => (awaited.pending === 0 ? undefined : `${awaited.pending} have not`),
      HANDLES_MS,
    )
    numbers.set('handles', awaited.sent)
    numbers.set('failedHandles', awaited.failures.length)
    numbers.set('restored', logs.sum(/lacked (\d+) results/g))
  },
  check({ numbers }) {
    const failed = numbers.get('failedHandles') ?? 0
    const restored = numbers.get('restored') ?? 0
    return [
      ...(failed === 0 ? [] : [`${failed} handles ended with an error`]),
      ...(restored > 0 ? [] : ['no result was missing on the new primary, so the drill has shown nothing']),
    ]
  },
  tell: ({ numbers }) => [
    `The Sentinels named another primary ${seconds(numbers.get('failoverMs') ?? 0)} after the kill; all ${numbers.get('handles') ?? 0} handles ended.`,
    `${numbers.get('restored') ?? 0} results that workers had stored were not on the new primary, and were written to it again.`,
  ],
}

/**
 * Takes from the replica the right to follow, so that it gets nothing of what is stored meanwhile: a closed connection alone
 * is back within milliseconds, with all that was missed. Resolves with what gives it back.
 */
async function cutReplicaOff(primaryPort: number, replicaPort: number): Promise<() => Promise<void>> {
  const signInAs = (user: string) =>
    withServer(replicaPort, async (replica) => {
      await replica.call('CONFIG', 'SET', 'masteruser', user)
      await replica.call('CONFIG', 'SET', 'masterauth', user)
    })
  await signInAs('nobody')
  await withServer(primaryPort, (primary) => primary.call('CLIENT', 'KILL', 'TYPE', 'replica'))
  return () => signInAs('')
}

async function withServer(port: number, act: (server: Redis) => Promise<unknown>): Promise<void> {
  const server = new Redis({ ...storeOptions(`redis://127.0.0.1:${port}`), maxRetriesPerRequest: 3 })
  server.on('error', () => undefined)
  try {
    await act(server)
  } finally {
    server.disconnect()
  }
}
