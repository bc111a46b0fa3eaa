/**
 * What a test knows of the cluster that `globalSetup.ts` started, and what it may do to it. Tests that only send and
 * handle get a virtual host of their own; those that break things say which process, and put it back.
 */
import { randomUUID } from 'node:crypto'
import { connect as amqpConnect } from 'amqplib'
import { afterAll, inject } from 'vitest'
import { actOnProcess, readStatus, scaleWorkers, waitFor } from '../../cluster/index.js'
import { definitions, planOperator, type QueueType, type Retention, textOf, type Worker } from '../../src/index.js'
import { resourcesHeld } from './resources.js'

export interface TestCluster {
  readonly dir: string
  /** A file that is there once the cluster is ready; see `globalSetup.ts`. */
  readonly started: string
  /** Where the demo workers of this cluster write what they ran. */
  readonly ledgerFolder: string
  readonly amqpPort: number
  readonly nodePorts: readonly number[]
  readonly results: string
  readonly management: readonly string[]
  readonly edge: string
  readonly storePort: number
}

export interface ClusterUrls {
  /** Through HAProxy. */
  readonly broker: string
  /** Each node, past HAProxy. */
  readonly nodes: readonly string[]
  readonly results: string
}

export const testCluster = (): TestCluster => inject('cluster')

/** The addresses for one of the demo's users, whose password is its name, in a virtual host. */
export function clusterUrls(user = 'admin', vhost = '/'): ClusterUrls {
  const { amqpPort, nodePorts, results } = testCluster()
  const url = (port: number): string => `amqp://${user}:${user}@127.0.0.1:${port}/${encodeURIComponent(vhost)}`
  return { broker: url(amqpPort), nodes: nodePorts.map(url), results }
}

/** Calls RabbitMQ's management API as `admin`, on the first node that answers. */
export async function manage<T = unknown>(method: string, path: string, body?: unknown): Promise<T> {
  let problem: unknown
  for (const address of testCluster().management) {
    try {
      const response = await fetch(`${address}/api${path}`, {
        method,
        headers: { authorization: `Basic ${btoa('admin:admin')}`, 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(10_000),
      })
      const text = await response.text()
      if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`)
      return (text === '' ? undefined : JSON.parse(text)) as T
    } catch (error) {
      problem = error
    }
  }
  throw problem
}

/** Whether RabbitMQ is of this version or a later one. */
export async function isSince(major: number, minor: number): Promise<boolean> {
  const { rabbitmq_version: version } = await manage<{ rabbitmq_version: string }>('GET', '/overview')
  const [itsMajor = 0, itsMinor = 0] = version.split('.').map(Number)
  return itsMajor > major || (itsMajor === major && itsMinor >= minor)
}

const vhosts: string[] = []
afterAll(async () => {
  try {
    for (const vhost of vhosts) await nothingOpen(vhost)
    await until('every timer ended', () => resourcesHeld().Timeout === undefined)
  } finally {
    await Promise.all(vhosts.map(deleteVirtualHost))
  }
})

/** A node that is too slow to answer may have deleted it; the next one that is asked knows of none then. */
async function deleteVirtualHost(vhost: string): Promise<void> {
  await manage('DELETE', `/vhosts/${vhost}`).catch((problem: unknown) => {
    if (!textOf(problem).includes('404')) throw problem
  })
}

/** Waits until every connection to it is closed: a file that leaves one open, or Warren itself, fails here. */
async function nothingOpen(vhost: string): Promise<void> {
  let open: string[] = []
  const none = async (): Promise<boolean> => {
    const all = await manage<{ user_provided_name?: string; name: string }[]>('GET', `/vhosts/${vhost}/connections`)
    open = all.map(({ user_provided_name: given, name }) => given ?? name)
    return open.length === 0
  }
  await until('every connection closed', none).catch((problem) => {
    throw new Error(`${textOf(problem)}; still open: ${open.join(', ')}`)
  })
}

/**
 * A virtual host for one test file, with the operator's part for its tasks; gone after the file. Hooks of the file run
 * before the one that looks for what is still open.
 */
export async function virtualHost(
  service: string,
  tasks: readonly { name: string; queue: { type: QueueType } }[],
  retention: Readonly<Record<string, Retention>> = {},
): Promise<ClusterUrls & { readonly vhost: string }> {
  const vhost = `test-${randomUUID()}`
  vhosts.push(vhost)
  await manage('PUT', `/vhosts/${vhost}`)
  await manage('PUT', `/permissions/${vhost}/admin`, { configure: '.*', write: '.*', read: '.*' })
  await manage('POST', `/definitions/${vhost}`, withoutVhost(definitions(planOperator(service, tasks, retention), [])))
  return { ...clusterUrls('admin', vhost), vhost }
}

/** Definitions for one virtual host name none. */
function withoutVhost(all: Record<string, unknown>): Record<string, unknown> {
  const { vhosts: _vhosts, users: _users, permissions: _permissions, ...rest } = all
  return JSON.parse(JSON.stringify(rest, (key, value) => (key === 'vhost' ? undefined : value)))
}

/** How many messages wait in a queue, by a passive declare: the management API's counts are seconds old. */
export async function waiting(url: string, queue: string): Promise<number> {
  const connection = await amqpConnect(url)
  try {
    return (await (await connection.createChannel()).checkQueue(queue)).messageCount
  } finally {
    await connection.close()
  }
}

export interface DeadLetter {
  readonly payload: string
  readonly routing_key: string
  readonly properties: { readonly headers?: Record<string, unknown>; readonly message_id?: string }
}

/** Looks at dead letters without taking them. */
export const deadLetters = (vhost: string, queue: string, count = 100): Promise<DeadLetter[]> =>
  manage('POST', `/queues/${encodeURIComponent(vhost)}/${queue}/get`, {
    count,
    ackmode: 'ack_requeue_true',
    encoding: 'auto',
  })

/** Faults and repairs on processes of the cluster, by name: `rabbitmq-2`, `haproxy`, `valkey`, `worker-3`. */
export const fault = {
  kill: (name: string) => actOnProcess(testCluster().dir, name, 'kill'),
  start: (name: string) => actOnProcess(testCluster().dir, name, 'start'),
  stop: (name: string) => actOnProcess(testCluster().dir, name, 'stop'),
  freeze: (name: string) => actOnProcess(testCluster().dir, name, 'freeze'),
  thaw: (name: string) => actOnProcess(testCluster().dir, name, 'thaw'),
}

/**
 * How many messages a dead node may keep until it is back: RabbitMQ before 4.3 hands on what its consumers held, except
 * what a cancelled one held (decision 8). That is what one worker holds at most.
 */
export const keptByDeadNode = async (): Promise<number> => ((await isSince(4, 3)) ? 0 : 201)

/** Starts again whatever is down, and waits for a whole cluster: a test that failed halfway leaves nothing to the next. */
export async function repair(): Promise<void> {
  const down = (await status()).processes.filter(
    ({ kind, state }) => kind !== 'worker' && (state === 'exited' || state === 'stopped'),
  )
  // Together: a RabbitMQ node that was not the last to go down waits for those that were.
  await Promise.all(down.map(({ name }) => fault.start(name)))
  await healthy()
}

/** Waits until each node runs, sees the others, and is served by HAProxy. */
export const healthy = (): Promise<void> =>
  until(
    'a whole cluster',
    async () => {
      const nodes = (await status()).processes.filter(({ kind }) => kind === 'rabbitmq')
      return nodes.every(({ state, sees, front }) => state === 'running' && sees?.length === 3 && front === 'UP')
    },
    120_000,
  )

export const scale = (workers: number) => scaleWorkers(testCluster().dir, workers)
export const status = () => readStatus(testCluster().dir)

/** Waits until `fact` is true; a fact that never comes fails the test with its name. */
export const until = (what: string, fact: () => boolean | Promise<boolean>, timeoutMs = 30_000): Promise<void> =>
  waitFor(what, async () => ((await fact()) ? undefined : 'not yet'), { timeoutMs })

/**
 * Starts a worker and waits until it consumes every queue. `worker.start()` alone resolves as well when the broker
 * refused a queue for the moment, and then no queue may be declared yet.
 */
export async function consuming(worker: Worker): Promise<void> {
  await worker.start()
  await waitFor(
    'consuming every queue',
    async () => {
      const away = worker.health().queues.filter(({ state }) => state !== 'consuming')
      return away.length === 0
        ? undefined
        : away.map((each) => `${each.queue} ${each.state}: ${each.reason}`).join('; ')
    },
    { timeoutMs: 30_000 },
  )
}
