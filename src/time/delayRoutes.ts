/**
 * Where to publish a message that is to wait. It knows which delay levels exist: the operator predefines them, and where
 * nobody has, the first delay declares the levels that it needs.
 */
import type { Channel, ChannelModel } from 'amqplib'
import { withChannel } from '../amqp/channel.js'
import type { Connection } from '../amqp/connection.js'
import { exchangeExists } from '../amqp/passive.js'
import { DelaysMissingError, textOf } from '../errors/index.js'
import type { OperatorPlan } from '../task/topology.js'
import { DELAY_DUE, delayLevel } from '../wire/names.js'
import { DUE_PLAN, delayKey, firstLevel, MAX_DELAY_SECONDS, planLevel } from './delayLevels.js'

/** A message with less than this left is held by a worker. */
export const HOLD_MS = 1_500

export interface DelayRoute {
  readonly exchange: string
  readonly routingKey: string
}

export class DelayRoutes {
  readonly #connection: Connection
  /** The levels known to exist; all lower ones do, too. */
  #highest = -1

  constructor(connection: Connection) {
    this.#connection = connection
  }

  /**
   * The way through the levels for a message that waits for at least a second and comes to `key`, a little early: by up
   * to a second, and by more than {@link MAX_DELAY_SECONDS} in one go it cannot wait. Throws `DelaysMissingError`.
   */
  async through(delayMs: number, key: string): Promise<DelayRoute> {
    const seconds = Math.max(1, Math.min(Math.floor(delayMs / 1000), MAX_DELAY_SECONDS))
    const level = firstLevel(seconds)
    if (level > this.#highest) await this.#ensure(level)
    return { exchange: delayLevel(level), routingKey: delayKey(seconds, key) }
  }

  /** Somebody has removed a level: the next delay looks again. */
  forget(): void {
    this.#highest = -1
  }

  async #ensure(level: number): Promise<void> {
    const { model } = this.#connection
    if (model === undefined) throw new Error('no connection to the broker')
    if (!(await exchangeExists(model, delayLevel(level)))) {
      for (let each = 0; each <= level; each++) await declarePlan(model, planLevel(each))
    }
    this.#highest = Math.max(this.#highest, level)
  }
}

/** Declares the exchange for what is due, where the operator has not. Throws `DelaysMissingError`. */
export async function ensureDue(model: ChannelModel): Promise<void> {
  if (!(await exchangeExists(model, DELAY_DUE))) await declarePlan(model, DUE_PLAN)
}

/** Binds `queue` to what is due under `key`. */
export const bindDue = (model: ChannelModel, queue: string, pattern: string): Promise<void> =>
  withChannel(model, `binding ${queue} to ${DELAY_DUE}`, async (channel) => {
    await channel.bindQueue(queue, DELAY_DUE, pattern)
  })

async function declarePlan(model: ChannelModel, plan: OperatorPlan): Promise<void> {
  try {
    await withChannel(model, 'declaring a delay level', (channel) => declareAll(channel, plan))
  } catch (error) {
    throw codeOf(error) === 403 ? new DelaysMissingError(textOf(error), error) : error
  }
}

async function declareAll(channel: Channel, { exchanges, queues, bindings, links = [] }: OperatorPlan): Promise<void> {
  for (const { name, type, arguments: given = {} } of exchanges) {
    await channel.assertExchange(name, type, { durable: true, arguments: given })
  }
  for (const { name, type, arguments: given = {} } of queues) {
    await channel.assertQueue(name, { durable: true, arguments: { 'x-queue-type': type, ...given } })
  }
  for (const { exchange, queue, routingKey } of bindings) await channel.bindQueue(queue, exchange, routingKey)
  for (const { from, to, routingKey } of links) await channel.bindExchange(to, from, routingKey)
}

const codeOf = (error: unknown): number | undefined => (error as { code?: number } | undefined)?.code
