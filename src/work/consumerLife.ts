/** What a consumer is made with, what it tells, and its states; `consumer.ts` has the picture. */
import type { QueueDeclaration } from '../amqp/declare.js'
import { Lifecycle } from '../amqp/lifecycle.js'
import type { ConsumerState } from '../observe/events.js'
import type { Delivery } from './delivery.js'
import type { Pack } from './pack.js'
import type { TakeUp } from './takeUp.js'

export interface ConsumerOptions {
  readonly declaration: QueueDeclaration
  /** How many unacknowledged messages this consumer holds at most, to begin with. */
  readonly prefetch: number
  /** The consumer timeout to ask for. */
  readonly consumerTimeoutMs?: number | undefined
  readonly retryInitialDelayMs: number
  readonly retryMaxDelayMs: number
  /** How its queue is taken up, where that is not a task's. */
  readonly takeUp?: TakeUp
}

/** A suspect is to run alone, or somebody asked for it. */
export type PauseCause = 'suspect' | 'asked'

export interface ConsumerEvents {
  state: [{ queue: string; state: ConsumerState; reason?: string }]
  delivery: [Delivery]
  pack: [Pack]
  /** It came to rest, and begins anew with the prefetch of its options. */
  renewed: []
}

const MOVES: Readonly<Record<ConsumerState, readonly ConsumerState[]>> = {
  idle: ['opening', 'waiting', 'stopped'],
  opening: ['consuming', 'waiting', 'draining', 'stopped'],
  consuming: ['waiting', 'paused', 'draining'],
  paused: ['consuming', 'waiting', 'draining'],
  waiting: ['opening', 'waiting', 'draining', 'stopped'],
  draining: ['stopped'],
  stopped: [],
}

export const consumerLife = (
  queue: string,
  changed: (state: ConsumerState, reason: string | undefined) => void,
): Lifecycle<ConsumerState> =>
  new Lifecycle<ConsumerState>(`consumer of ${queue}`, 'idle', MOVES, (state, _from, reason) => changed(state, reason))
