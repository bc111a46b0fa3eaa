/**
 * What every page is sent with each look: figures and sentences, and no list that grows with the cluster. Lists are asked
 * for, a page at a time. What is not known is left out. Pure.
 */
import type { PausedQueue } from 'warren'
import type { Moment } from './observer.js'
import { isReached, type QueueView } from './queueViews.js'
import { type Trouble, troublesOf } from './troubles.js'

export interface Overview
  extends Pick<
    Moment,
    | 'at'
    | 'problem'
    | 'cluster'
    | 'version'
    | 'nodes'
    | 'proxy'
    | 'store'
    | 'stores'
    | 'rates'
    | 'ready'
    | 'unacknowledged'
  > {
  readonly addresses?: Moment['addresses']
  /** Messages in the delay levels, and dead letters within reach of the console. */
  readonly delayed?: number
  readonly dead?: number
  /** Milliseconds, over all tasks: that of the slowest. */
  readonly p95?: number
  readonly busy?: Moment['busy']
  readonly oldest?: { readonly queue: string; readonly ms: number; readonly how: string }
  readonly queues: { readonly inAll: number; readonly away: number; readonly unknown: number }
  readonly workers: {
    /** Undefined when nobody has said which there are. */
    readonly inAll?: number
    readonly well?: number
    /** Of those that say what they do. */
    readonly busy?: number
    /** Handlers that run now, where every worker says so. */
    readonly running?: number
    /** Those whose processes the console controls; undefined where it controls none. */
    readonly controlled?: number
    /** Those that do not say what they do. */
    readonly silent: number
  }
  readonly paused?: number
  readonly troubles: readonly Trouble[]
}

const MOST_BUSY = 8

export function overviewOf(moment: Moment, vhost: string, paused: readonly PausedQueue[] | undefined): Overview {
  const { at, cluster, version, nodes, rates, queues, latency, busy } = moment
  const known = queues.length > 0 && moment.problem === undefined
  const delayed = known ? sumOf(queues.filter(({ role }) => role === 'delay' || role === 'retry')) : undefined
  const dead = known
    ? sumOf(queues.filter((queue) => queue.role === 'deadLetters' && queue.vhost === vhost))
    : undefined
  const oldest = oldestOf(moment)
  return {
    ...{ at, cluster, version, nodes, rates },
    ...(moment.problem === undefined ? {} : { problem: moment.problem }),
    ...(moment.proxy === undefined ? {} : { proxy: moment.proxy }),
    ...(moment.store === undefined ? {} : { store: moment.store }),
    ...(moment.stores === undefined ? {} : { stores: moment.stores }),
    ...(moment.addresses === undefined ? {} : { addresses: moment.addresses }),
    ...(moment.ready === undefined ? {} : { ready: waiting(moment.ready, queues) }),
    ...(moment.unacknowledged === undefined ? {} : { unacknowledged: moment.unacknowledged }),
    ...(delayed === undefined ? {} : { delayed }),
    ...(dead === undefined ? {} : { dead }),
    ...(latency.length === 0 ? {} : { p95: Math.max(...latency.map((each) => each.p95)) }),
    ...(busy === undefined ? {} : { busy: busy.slice(0, MOST_BUSY) }),
    ...(oldest === undefined ? {} : { oldest }),
    queues: {
      inAll: moment.queuesInAll ?? queues.length,
      away: queues.filter((queue) => isReached(queue) === false).length,
      unknown: queues.filter(({ state }) => state === 'unknown').length,
    },
    workers: workersIn(moment),
    ...(paused === undefined ? {} : { paused: paused.length }),
    troubles: troublesOf(moment, paused),
  }
}

/** What waits for a worker: messages that wait for their time are a figure of their own. */
const waiting = (ready: number, queues: readonly QueueView[]): number =>
  Math.max(0, ready - queues.reduce((sum, { role, ready = 0 }) => (role === 'delay' ? sum + ready : sum), 0))

/** Undefined when one of them is not known: a part of a sum is not the sum. */
function sumOf(queues: readonly QueueView[]): number | undefined {
  let sum = 0
  for (const { ready } of queues) {
    if (ready === undefined) return undefined
    sum += ready
  }
  return sum
}

function oldestOf({ queues, ages }: Moment): Overview['oldest'] {
  let oldest: Overview['oldest']
  for (const { role, vhost, name } of queues) {
    const age = role === 'task' ? ages[`${vhost}\n${name}`] : undefined
    if (age !== undefined && age.ms > (oldest?.ms ?? -1)) oldest = { queue: name, ...age }
  }
  return oldest
}

function workersIn({ workers, workersUnknown, addresses }: Moment): Overview['workers'] {
  if (workersUnknown) return { silent: 0 }
  const silent = workers.filter(({ running }) => running === undefined).length
  const spoken = silent < workers.length
  const controlled = workers.filter((worker) => worker.controlled).length
  return {
    inAll: workers.length,
    well: workers.filter(({ state }) => state === 'running' || state === 'connected').length,
    ...(addresses === undefined ? {} : { controlled }),
    ...(spoken ? { busy: workers.filter(({ running = 0 }) => running > 0).length } : {}),
    ...(workers.length > 0 && silent === 0
      ? { running: workers.reduce((sum, { running = 0 }) => sum + running, 0) }
      : {}),
    silent,
  }
}
