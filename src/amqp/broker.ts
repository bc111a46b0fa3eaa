/**
 * The broker's properties from its greeting, and the features that follow from them. Only this file checks the version; all
 * others ask for features by name. Pure.
 */
import type { ChannelModel } from 'amqplib'
import { DEFAULT_DELIVERY_LIMIT } from '../task/topology.js'

export interface Broker {
  /** Its name and version, as `RabbitMQ 4.3.6`. */
  readonly name: string
  /** How often a quorum queue without a delivery limit redelivers a message; undefined: without limit. */
  readonly deliveryLimit: number | undefined
  /**
   * Whether a quorum queue counts every return of a message towards its limit. From 4.3 on it counts `basic.reject` and
   * messages lost with their channel, but neither `basic.nack` nor consumer timeouts.
   */
  readonly countsReturns: boolean
  /**
   * Whether quorum queues deliver messages by priority, all of a higher one first: from 4.3 on. From 4.0 on they support two,
   * of which the higher one gets two thirds, which is not enough for three.
   */
  readonly priorities: boolean
  /**
   * Which queues have a consumer timeout, and its effect: it closes the channel with all its messages, or cancels the one
   * consumer, which keeps messages that have not timed out.
   */
  readonly consumerTimeout: { readonly of: 'all' | 'quorum'; readonly ends: 'channel' | 'consumer' }
}

/** How long a message may be unacknowledged, unless a policy or RabbitMQ's configuration overrides it. */
export const DEFAULT_CONSUMER_TIMEOUT_MS = 30 * 60 * 1000

/** A broker that is not RabbitMQ, or does not report its version, counts as the oldest version, which promises least. */
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
