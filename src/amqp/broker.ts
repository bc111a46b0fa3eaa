/**
 * What a broker says of itself when it greets a client, and what follows from it. Only this file looks at its version;
 * all others ask by name for what they need to know. Pure.
 */
import type { ChannelModel } from 'amqplib'
import { DEFAULT_DELIVERY_LIMIT } from '../task/topology.js'

export interface Broker {
  /** Its name and version, as `RabbitMQ 4.3.6`. */
  readonly name: string
  /** How often a quorum queue that has no limit of its own hands a message out again; undefined: for ever. */
  readonly deliveryLimit: number | undefined
  /**
   * Whether a quorum queue counts every return of a message towards its limit. From 4.3 on it counts `basic.reject` and
   * what was lost with its channel, and neither `basic.nack` nor what a consumer timeout takes back.
   */
  readonly countsReturns: boolean
  /**
   * Whether quorum queues hand out messages by their priority, all of a higher one first: from 4.3 on. From 4.0 on they know two, of
   * which the higher one gets two of three, which is not enough for three.
   */
  readonly priorities: boolean
  /**
   * Which queues have a consumer timeout, and what it does: the channel with all that it holds is closed, or the one
   * consumer is cancelled and keeps what has not timed out yet.
   */
  readonly consumerTimeout: { readonly of: 'all' | 'quorum'; readonly ends: 'channel' | 'consumer' }
}

/** How long a message may be unacknowledged, where neither a policy nor RabbitMQ's configuration says otherwise. */
export const DEFAULT_CONSUMER_TIMEOUT_MS = 30 * 60 * 1000

/** Whatever is no RabbitMQ, or does not say its version, is taken for the oldest: that promises least. */
export function brokerOf({ connection }: Pick<ChannelModel, 'connection'>): Broker {
  const { product, version } = connection.serverProperties as { product?: unknown; version?: unknown }
  const [, major = '0', minor = '0'] = /^(\d+)\.(\d+)/.exec(String(version)) ?? []
  const isRabbitmq = product === undefined || product === 'RabbitMQ'
  const since = (wantedMajor: number, wantedMinor: number): boolean =>
    isRabbitmq && (+major > wantedMajor || (+major === wantedMajor && +minor >= wantedMinor))
  return {
    name: `${text(product) ?? 'RabbitMQ'} ${text(version) ?? 'of an unknown version'}`,
    deliveryLimit: since(4, 0) ? DEFAULT_DELIVERY_LIMIT : undefined,
    countsReturns: !since(4, 3),
    priorities: since(4, 3),
    consumerTimeout: since(4, 3) ? { of: 'quorum', ends: 'consumer' } : { of: 'all', ends: 'channel' },
  }
}

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined)
