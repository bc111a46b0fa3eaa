/**
 * Problems inside RabbitMQ that no process status shows: a virtual host that did not start on a node, a queue that RabbitMQ
 * considers down, a blocked node, a partition. Read from the management API of each node, because nodes may disagree; otherwise
 * pure.
 */
import type { Management } from './management.js'

export type TroubleKind = 'virtualHostDown' | 'queueDown' | 'alarm' | 'partition'

export interface Trouble {
  readonly kind: TroubleKind
  /** The affected node, such as `rabbitmq-2`. */
  readonly node: string
  /** One sentence: the problem. */
  readonly what: string
  /** One sentence: the remedy. */
  readonly remedy: string
  readonly vhost?: string
  readonly queue?: string
}

/** As much of RabbitMQ's answers as is needed. Any field may be missing: a node that has just started knows little. */
export interface RawVirtualHost {
  readonly name: string
  readonly cluster_state?: Readonly<Record<string, string>>
}
export interface RawQueueState {
  readonly name: string
  readonly vhost: string
  readonly type?: string
  readonly state?: string
  /** The home node of a classic queue. */
  readonly node?: string
}
export interface RawNodeState {
  readonly name: string
  readonly running?: boolean
  readonly mem_alarm?: boolean
  readonly disk_free_alarm?: boolean
  readonly partitions?: readonly string[]
}

/** States in which a queue does no work. All others, `minority` among them, RabbitMQ leaves by itself. */
const DARK = ['down', 'stopped', 'crashed']

/** Asks the nodes with these numbers. Rejects when none of them answers. */
export async function readTroubles(
  management: Management,
  numbers: readonly number[],
  signal: AbortSignal,
): Promise<Trouble[]> {
  const answers = await Promise.allSettled(
    numbers.map(async (number) => {
      const get = (path: string) => management.request(number, path, { signal })
      const [nodes, vhosts, queues] = await Promise.all([
        get('/nodes?columns=name,running,mem_alarm,disk_free_alarm,partitions'),
        get('/vhosts?columns=name,cluster_state'),
        get('/queues?columns=name,vhost,type,state,node'),
      ])
      return troublesIn(nodes as RawNodeState[], vhosts as RawVirtualHost[], queues as RawQueueState[])
    }),
  )
  const told = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []))
  if (told.length === 0 && answers[0]?.status === 'rejected') throw answers[0].reason
  return [...new Map(told.flat().map((trouble) => [troubleKey(trouble), trouble])).values()]
}

/** The same trouble has the same key each time it is read. */
export const troubleKey = ({ kind, node, vhost = '', queue = '' }: Trouble): string =>
  JSON.stringify([kind, node, vhost, queue])

/** What one node's answers say. A queue on a virtual host that is down on its node is not named beside it. */
export function troublesIn(
  nodes: readonly RawNodeState[],
  vhosts: readonly RawVirtualHost[],
  queues: readonly RawQueueState[],
): Trouble[] {
  const running = new Set(nodes.filter((node) => node.running).map(({ name }) => name))
  const downHosts = vhosts.flatMap(({ name, cluster_state: states = {} }) =>
    Object.entries(states)
      .filter(([node, state]) => state !== 'running' && running.has(node))
      .map(([node]) => ({ vhost: name, node })),
  )
  const downQueues = queues.filter(
    ({ vhost, node = '', state = '' }) =>
      DARK.includes(state) &&
      running.has(node) &&
      !downHosts.some((down) => down.vhost === vhost && down.node === node),
  )
  return [
    ...downHosts.map(({ vhost, node }) => virtualHostDown(vhost, short(node))),
    ...downQueues.map(({ name, vhost, node = '', state = '' }) => queueDown(name, vhost, short(node), state)),
    ...nodes.flatMap((node) => nodeTroubles(node)),
  ]
}

const short = (node: string): string => node.replace(/@.*$/, '')

const virtualHostDown = (vhost: string, node: string): Trouble => ({
  kind: 'virtualHostDown',
  ...{ node, vhost },
  what: `The virtual host ${vhost} does not run on ${node}, which does: HAProxy sends no connections there.`,
  remedy: `Start it: rabbitmqctl restart_vhost -p ${vhost} on ${node}; if it stays down, restart ${node} and read its log.`,
})

const queueDown = (queue: string, vhost: string, node: string, state: string): Trouble => ({
  kind: 'queueDown',
  ...{ node, vhost, queue },
  what: `RabbitMQ calls the queue ${queue} in virtual host ${vhost} ${state}, although its node ${node} runs.`,
  remedy: `Restart ${node} (locally: warren restart ${node}): durable queues keep their persistent messages.`,
})

function nodeTroubles({ name, running, ...node }: RawNodeState): Trouble[] {
  if (!running) return []
  const about = { node: short(name) }
  const blocked = (resource: string, remedy: string): Trouble => ({
    kind: 'alarm',
    ...about,
    what: `${about.node} is short of ${resource}, so RabbitMQ accepts no messages on any node.`,
    remedy,
  })
  return [
    ...(node.mem_alarm ? [blocked('memory', 'Add workers, purge unneeded messages, or raise its memory limit.')] : []),
    ...(node.disk_free_alarm ? [blocked('disk space', 'Free disk space, or lower its disk_free_limit.')] : []),
    ...(node.partitions?.length
      ? [
          {
            kind: 'partition' as const,
            ...about,
            what: `${about.node} was partitioned from ${node.partitions.map(short).join(' and ')}.`,
            remedy: `If this lasts for a minute, restart ${about.node}.`,
          },
        ]
      : []),
  ]
}
