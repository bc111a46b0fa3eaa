/** The states of a consumer; `consumer.ts` has the picture. */
import { Lifecycle } from '../amqp/lifecycle.js'
import type { ConsumerState } from '../observe/events.js'

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
