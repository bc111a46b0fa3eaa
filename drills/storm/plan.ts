/** Which faults a storm has, drawn from its seed. Pure: the same seed, minutes and sabotage draw the same storm. */

import { Random } from './random.js'
import type { StormSabotage } from './sabotage.js'

const NODES = [1, 2, 3] as const
/** As many as the drills' cluster starts. */
const WORKER_COUNT = 4

export type Fault = { readonly holdMs: number } & (
  | { readonly kind: 'killNode' | 'stopNode' | 'freezeNode' | 'partition' | 'memoryAlarm'; readonly node: number }
  /** All nodes but this one are killed. */
  | { readonly kind: 'loseMajority'; readonly node: number }
  | { readonly kind: 'killHaproxy' | 'killStore' | 'freezeStore' | 'restartStore' }
  /** The store's primary is killed, and stays away until the replica has taken its place. */
  | { readonly kind: 'failStoreOver' }
  | { readonly kind: 'killWorker' | 'stopWorker' | 'freezeWorker'; readonly worker: number }
  | { readonly kind: 'scaleWorkers'; readonly workers: number }
  /** The producer's connections are reset, a second apart. */
  | { readonly kind: 'cutConnections'; readonly times: number }
)
export type FaultKind = Fault['kind']

/** What goes on at the same time; the next begins when all of it is repaired and the cluster is whole. */
export interface Gust {
  readonly faults: readonly { readonly afterMs: number; readonly fault: Fault }[]
  /** How long the cluster then works undisturbed. */
  readonly calmMs: number
}

type Draw = (random: Random) => Fault

const node = (random: Random) => random.pick(NODES)
const worker = (random: Random) => random.between(1, WORKER_COUNT)

/** Of these at most one at a time: two would lose the majority, which is a fault of its own. */
const OF_NODES: readonly Draw[] = [
  (r) => ({ kind: 'killNode', node: node(r), holdMs: r.between(1_000, 12_000) }),
  (r) => ({ kind: 'stopNode', node: node(r), holdMs: r.between(1_000, 8_000) }),
  // Longer than the 12.5 s after which the others give it up, or not.
  (r) => ({ kind: 'freezeNode', node: node(r), holdMs: r.between(4_000, 18_000) }),
  (r) => ({ kind: 'partition', node: node(r), holdMs: r.between(3_000, 14_000) }),
  (r) => ({ kind: 'loseMajority', node: node(r), holdMs: r.between(2_000, 8_000) }),
  (r) => ({ kind: 'memoryAlarm', node: node(r), holdMs: r.between(2_000, 6_000) }),
]
const OF_STORE: readonly Draw[] = [
  (r) => ({ kind: 'killStore', holdMs: r.between(500, 6_000) }),
  (r) => ({ kind: 'freezeStore', holdMs: r.between(500, 8_000) }),
  () => ({ kind: 'restartStore', holdMs: 0 }),
]
/** Where it has a replica. */
const OF_REPLICATED_STORE: readonly Draw[] = [
  ...OF_STORE,
  (r) => ({ kind: 'failStoreOver', holdMs: r.between(0, 4_000) }),
]
const OF_WORKERS: readonly Draw[] = [
  (r) => ({ kind: 'killWorker', worker: worker(r), holdMs: 0 }),
  (r) => ({ kind: 'stopWorker', worker: worker(r), holdMs: r.between(500, 4_000) }),
  // Longer than the broker waits for heartbeats, most of the time: its late word must change nothing.
  (r) => ({ kind: 'freezeWorker', worker: worker(r), holdMs: r.between(15_000, 32_000) }),
  (r) => ({ kind: 'scaleWorkers', workers: r.between(1, WORKER_COUNT - 1), holdMs: r.between(1_000, 6_000) }),
]
const OF_THE_WAY: readonly Draw[] = [
  (r) => ({ kind: 'killHaproxy', holdMs: r.between(500, 4_000) }),
  (r) => ({ kind: 'cutConnections', times: r.between(1, 8), holdMs: 0 }),
]

/** A storm without end: who runs it stops taking from it when time is up. */
export function* drawStorm(seed: number, sabotage?: StormSabotage, storeReplica = false): Generator<Gust, never> {
  const random = new Random(seed)
  const all = [OF_NODES, OF_WORKERS, storeReplica ? OF_REPLICATED_STORE : OF_STORE, OF_THE_WAY]
  for (;;) {
    const count = random.pick([1, 1, 2, 2, 3, 4])
    const groups = [...all]
    const faults: { afterMs: number; fault: Fault }[] = []
    for (let index = 0; index < count; index++) {
      const [group = OF_NODES] = groups.splice(random.between(0, groups.length - 1), 1)
      faults.push({ afterMs: index === 0 ? 0 : random.between(0, 4_000), fault: random.pick(group)(random) })
    }
    const calmMs = random.between(3_000, 8_000)
    // Without fencing only a worker that speaks late does harm: a sabotaged storm does not wait for the dice.
    const late: Fault = { kind: 'freezeWorker', worker: worker(random), holdMs: 30_000 }
    yield { faults: sabotage === 'no-fencing' ? [{ afterMs: 0, fault: late }] : faults, calmMs }
  }
}

/** In a few words, for the timeline. */
export function faultWords(fault: Fault): string {
  const lasts = fault.holdMs > 0 ? ` for ${(fault.holdMs / 1000).toFixed(1)} s` : ''
  switch (fault.kind) {
    case 'killNode':
      return `kill rabbitmq-${fault.node}${lasts}`
    case 'stopNode':
      return `stop rabbitmq-${fault.node}${lasts}`
    case 'freezeNode':
      return `freeze rabbitmq-${fault.node}${lasts}`
    case 'partition':
      return `cut rabbitmq-${fault.node} off from the others${lasts}`
    case 'memoryAlarm':
      return `memory alarm on rabbitmq-${fault.node}${lasts}`
    case 'loseMajority':
      return `kill all nodes but rabbitmq-${fault.node}${lasts}`
    case 'killHaproxy':
      return `kill HAProxy${lasts}`
    case 'killStore':
      return `kill the store${lasts}`
    case 'freezeStore':
      return `freeze the store${lasts}`
    case 'restartStore':
      return 'restart the store'
    case 'failStoreOver':
      return `kill the store's primary until its replica takes over, and${lasts || ' no longer'}`
    case 'killWorker':
      return `kill worker-${fault.worker}`
    case 'stopWorker':
      return `stop worker-${fault.worker}${lasts}`
    case 'freezeWorker':
      return `freeze worker-${fault.worker}${lasts}`
    case 'scaleWorkers':
      return `scale to ${fault.workers} ${fault.workers === 1 ? 'worker' : 'workers'}${lasts}`
    case 'cutConnections':
      return `cut the producer's connection ${fault.times} times`
    default:
      fault satisfies never
      return ''
  }
}
