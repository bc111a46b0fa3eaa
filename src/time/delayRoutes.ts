/**
 * Where to publish a message that is to wait. It knows which delay levels exist: the operator predefines them, and where
 * nobody has, the first delay declares the levels that it needs.
 */
import type { ChannelModel } from 'amqplib'
import { withChannel } from '../amqp/channel.js'
import type { Connection } from '../amqp/connection.js'
import { declarePlan } from '../amqp/declarePlan.js'
import { exchangeExists } from '../amqp/passive.js'
import { DelaysMissingError, textOf } from '../errors/index.js'
import type { OperatorPlan } from '../task/topology.js'
import { DELAY_DUE, delayLevel } from '../wire/names.js'
import { DUE_PLAN, delayKey, firstLevel, MAX_DELAY_SECONDS, planLevel } from './delayLevels.js'
import { dueBindings } from './due.js'

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
  /** A level took nothing: its exchange may be there without what stands behind it. */
  #doubted = false

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

  /** Somebody has removed a level, or a part of one: the next delay declares what it needs. */
  forget(): void {
    this.#highest = -1
    this.#doubted = true
  }

  async #ensure(level: number): Promise<void> {
    const { model } = this.#connection
    if (model === undefined) throw new Error('no connection to the broker')
    if (this.#doubted || !(await exchangeExists(model, delayLevel(level)))) {
      for (let each = 0; each <= level; each++) await declareDelays(model, planLevel(each))
    }
    this.#doubted = false
    this.#highest = Math.max(this.#highest, level)
  }
}

/** Where the exchange for what is due is known to exist. */
const due = new WeakMap<ChannelModel, Promise<void>>()

/** Binds a task's queue to what is due; declares the exchange for it first where the operator has not. Throws `DelaysMissingError`. */
export async function bindDue(model: ChannelModel, queue: string, task: string): Promise<void> {
  let ensured = due.get(model)
  if (ensured === undefined) {
    ensured = ensureDue(model)
    due.set(model, ensured)
    ensured.catch(() => due.delete(model))
  }
  await ensured
  await withChannel(model, `binding ${queue} to ${DELAY_DUE}`, async (channel) => {
    for (const pattern of dueBindings(task, queue)) await channel.bindQueue(queue, DELAY_DUE, pattern)
  }).catch((error: unknown) => {
    throw codeOf(error) === 403 ? new DelaysMissingError(textOf(error), error) : error
  })
}

async function ensureDue(model: ChannelModel): Promise<void> {
  if (!(await exchangeExists(model, DELAY_DUE))) await declareDelays(model, DUE_PLAN)
}

async function declareDelays(model: ChannelModel, plan: OperatorPlan): Promise<void> {
  try {
    await declarePlan(model, 'declaring a delay level', plan)
  } catch (error) {
    throw codeOf(error) === 403 ? new DelaysMissingError(textOf(error), error) : error
  }
}

const codeOf = (error: unknown): number | undefined => (error as { code?: number } | undefined)?.code
