/**
 * Reads a cluster's parts of the snapshot from the management API. Data on which nodes may disagree is read from each address;
 * the rest from the first that answers.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { withPolicies } from '../policy.js'
import type {
  ClockFacts,
  ClusterFacts,
  PolicyFacts,
  QueueFacts,
  Seen,
  TopologyFacts,
  UserFacts,
  VirtualHostFacts,
} from '../snapshot.js'
import { isLevel, warrens } from '../warrens.js'
import {
  bindingOf,
  exchangeOf,
  fields,
  joined,
  nodeOf,
  policyOf,
  QUEUE_COLUMNS,
  queueOf,
  rows,
  tagsOf,
  text,
} from './answers.js'
import { nodeClock } from './clocks.js'
import { ManagementAddress, Refused, type Timed } from './http.js'
import { CannotSee, seen } from './unseen.js'

const NODE_COLUMNS = 'name,running,mem_alarm,disk_free_alarm,partitions,applications'
/** RabbitMQ's figures of a queue are so old, or it has none yet. */
const STATISTICS_MS = 6_000
const POLL_MS = 1_000

export interface ManagementParts {
  readonly cluster: Seen<ClusterFacts>
  readonly virtualHost: Seen<VirtualHostFacts>
  readonly topology: Seen<TopologyFacts>
  readonly policies: Seen<readonly PolicyFacts[]>
  readonly user: Seen<UserFacts>
  readonly nodeClocks: Seen<readonly ClockFacts[]>
  /** Of the first that answered, without user and password. */
  readonly address: string | undefined
  readonly looked: readonly string[]
}

interface Front {
  readonly at: ManagementAddress
  readonly node: string
  readonly version: string
  readonly timed: Timed
}

export async function lookAtManagement(
  addresses: readonly string[],
  vhost: string,
  serviceUser: string,
): Promise<ManagementParts> {
  const all = addresses.map((each) => new ManagementAddress(each))
  const answers = await Promise.allSettled(all.map(greet))
  const fronts = answers.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []))
  const looked = all.map(({ address }) => address)
  const [first] = fronts
  if (first === undefined) {
    const rejected = answers.find((each) => each.status === 'rejected')
    const part = await seen<never>(() => Promise.reject(rejected?.reason ?? noAddress()))
    return {
      cluster: part,
      virtualHost: part,
      topology: part,
      policies: part,
      user: part,
      nodeClocks: part,
      address: undefined,
      looked,
    }
  }
  const under = encodeURIComponent(vhost)
  const [cluster, virtualHost, policies, operators, user] = await Promise.all([
    seen(() => clusterOf(fronts)),
    seen(() => virtualHostOf(fronts, vhost)),
    seen(async () => rows((await first.at.get(`/policies/${under}`)).body).map(policyOf)),
    seen(async () => rows((await first.at.get(`/operator-policies/${under}`)).body).map(policyOf)),
    seen(() => userOf(first.at, under, serviceUser)),
  ])
  const resolve = (queue: QueueFacts): QueueFacts =>
    'seen' in policies && 'seen' in operators ? withPolicies(queue, policies.seen, operators.seen) : queue
  const topology = await seen(() => topologyOf(first, under, resolve))
  const nodeClocks = await seen(() => clocksOf(fronts, cluster))
  return { cluster, virtualHost, topology, policies, user, nodeClocks, address: first.at.address, looked }
}

const noAddress = () => new CannotSee('no address of a management API is known', 'Give --management')

async function greet(at: ManagementAddress): Promise<Front> {
  const { body, timed } = await at.get('/overview?columns=node,rabbitmq_version')
  const { node, rabbitmq_version: version } = fields(body)
  return { at, node: text(node) ?? at.address, version: text(version) ?? 'unknown', timed }
}

/** The first of these that answers; the error of the last otherwise, a refusal before one that does not answer. */
async function everyone<T>(fronts: readonly Front[], read: (front: Front) => Promise<T>): Promise<T[]> {
  const answers = await Promise.allSettled(fronts.map(read))
  const told = answers.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []))
  if (told.length > 0) return told
  const reasons = answers.flatMap((each) => (each.status === 'rejected' ? [each.reason] : []))
  throw reasons.find((each) => each instanceof Refused) ?? reasons[0]
}

async function clusterOf(fronts: readonly Front[]): Promise<ClusterFacts> {
  const views = await everyone(fronts, async ({ at }) =>
    rows((await at.get(`/nodes?columns=${NODE_COLUMNS}`)).body).map(nodeOf),
  )
  return { nodes: joined(views) }
}

async function virtualHostOf(fronts: readonly Front[], vhost: string): Promise<VirtualHostFacts> {
  // The list: only an administrator may ask for one by its name.
  const views = await everyone(fronts, async ({ at }) => {
    const all = rows((await at.get('/vhosts?columns=name,cluster_state')).body)
    return fields(all.find(({ name }) => name === vhost)?.cluster_state)
  })
  const states: Record<string, string> = {}
  for (const [node, state] of views.flatMap((each) => Object.entries(each))) {
    if (typeof state !== 'string') continue
    if (states[node] === undefined || states[node] === 'running') states[node] = state
  }
  return { states }
}

async function userOf(at: ManagementAddress, under: string, name: string): Promise<UserFacts> {
  const user = encodeURIComponent(name)
  // Its permissions first: who may not see them is told which user may.
  const permissions = await at.get(`/permissions/${under}/${user}`).then(
    ({ body }) => fields(body),
    (error: unknown) => {
      if (error instanceof Refused && error.status === 404) return undefined
      throw error
    },
  )
  const { tags } = fields((await at.get(`/users/${user}?columns=tags`)).body)
  const right = (key: string): string => {
    const pattern = permissions?.[key]
    return typeof pattern === 'string' ? pattern : ''
  }
  const granted = { configure: right('configure'), write: right('write'), read: right('read') }
  return { name, tags: tagsOf(tags), permissions: permissions === undefined ? undefined : granted }
}

async function topologyOf(
  front: Front,
  under: string,
  resolve: (queue: QueueFacts) => QueueFacts,
): Promise<TopologyFacts> {
  const { at, version } = front
  const readQueues = async () =>
    rows((await at.get(`/queues/${under}?columns=${QUEUE_COLUMNS}`)).body).map((row) => resolve(queueOf(row)))
  const [queues, exchanges, bindings] = await Promise.all([
    readQueues(),
    at.get(`/exchanges/${under}?columns=name,type,durable,arguments`).then(({ body }) => rows(body).map(exchangeOf)),
    at
      .get(`/bindings/${under}?columns=source,destination,destination_type,routing_key,arguments`)
      .then(({ body }) => rows(body).map(bindingOf)),
  ])
  const facts: TopologyFacts = { queues, exchanges, bindings, stuck: {}, version }
  const held = heldBack(queues)
  if (!isNew(facts) && held.length === 0) return facts
  // A new queue has no figures yet, and what is on its way to the next level is held for a moment only.
  const deadline = performance.now() + STATISTICS_MS
  let again: TopologyFacts = facts
  do {
    await delay(POLL_MS)
    again = { ...facts, queues: await readQueues() }
  } while (performance.now() < deadline && (isNew(again) || held.length > 0))
  const still = heldBack(again.queues).filter(({ name }) => held.some((each) => each.name === name))
  return { ...again, stuck: Object.fromEntries(still.map(({ name, messages = 0 }) => [name, messages])) }
}

/** Levels with messages of which none is ready: they are due, and the next level has not confirmed them. */
const heldBack = (queues: readonly QueueFacts[]): QueueFacts[] =>
  queues.filter(({ name, messages = 0, ready = 0 }) => isLevel(name) && messages > 0 && ready === 0)

/** Whether RabbitMQ has no figures yet of one of Warren's queues. */
const isNew = (facts: TopologyFacts): boolean =>
  warrens(facts).all.some(({ effective, type, members }) => {
    return effective === undefined || (type === 'quorum' && members.length === 0)
  })

async function clocksOf(fronts: readonly Front[], cluster: Seen<ClusterFacts>): Promise<readonly ClockFacts[]> {
  const clocks = fronts.flatMap(({ node, timed }) => nodeClock(node, timed) ?? [])
  if (clocks.length > 0 || !('seen' in cluster)) return clocks
  throw new CannotSee('the management API does not report its time', 'Compare the clocks on the machines: timedatectl')
}
