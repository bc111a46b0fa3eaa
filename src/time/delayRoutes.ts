/**
 * Finds where to publish a delayed message. Keeps track of which delay levels exist: the operator predefines them; otherwise
 * the first delayed message declares the levels that it needs. Also keeps track of the tasks whose due messages a queue takes.
 */
import type { ChannelModel } from 'amqplib'
import type { Connection } from '../amqp/connection.js'
import { declarePlan } from '../amqp/declarePlan.js'
import { exchangeExists } from '../amqp/passive.js'
import { AccessRefusedError, DelaysMissingError, textOf } from '../errors/index.js'
import type { OperatorPlan } from '../task/topology.js'
import { delayHeaders, type Route } from '../wire/delayedKey.js'
import { delayLevel, dueMark } from '../wire/names.js'
import { firstLevel, MAX_DELAY_SECONDS, planLevel } from './delayLevels.js'

/** A worker holds a message with less than this time left. */
export const HOLD_MS = 1_500

/** How long a positive answer about a task's queue is cached. After that it is refreshed in the background. */
const REMEMBER_MS = 60_000

/** A route through the levels, with the message's headers. */
export interface DelayRoute extends Route {
  readonly headers: Readonly<Record<string, string>>
}

export class DelayRoutes {
  readonly #connection: Connection
  /** The highest level known to exist; all lower ones exist as well. */
  #highest = -1
  /** A level did not accept a message: its exchange may exist without the parts behind it. */
  #doubted = false
  /** The current check for levels, shared by all first delays. */
  #ensuring: Promise<void> | undefined
  /** For each task: when a queue for its due messages was last found. */
  readonly #taken = new Map<string, number>()
  readonly #asking = new Map<string, Promise<boolean>>()

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
    while (level > this.#highest) {
      this.#ensuring ??= this.#ensure(level).finally(() => {
        this.#ensuring = undefined
      })
      await this.#ensuring
    }
    return { exchange: delayLevel(level), routingKey: key, headers: delayHeaders(seconds, level) }
  }

  /**
   * Whether a queue takes this task's due messages. `mandatory` cannot show that, because a message that has reached a level
   * counts as routed. Queried once for each task; positive answers are cached. Throws if the broker cannot answer.
   */
  async isTaken(task: string): Promise<boolean> {
    const askedAt = this.#taken.get(task)
    if (askedAt === undefined) return this.#ask(task)
    if (performance.now() - askedAt > REMEMBER_MS) {
      this.#taken.set(task, performance.now())
      void this.#ask(task).catch(() => undefined)
    }
    return true
  }

  /** The same, queried from the broker now. */
  isTakenNow(task: string): Promise<boolean> {
    return this.#ask(task)
  }

  /** A level or a part of it was deleted: the next delay declares the levels that it needs. */
  forget(): void {
    this.#highest = -1
    this.#doubted = true
  }

  #ask(task: string): Promise<boolean> {
    const asking = this.#asking.get(task) ?? this.#askBroker(task).finally(() => this.#asking.delete(task))
    this.#asking.set(task, asking)
    return asking
  }

  async #askBroker(task: string): Promise<boolean> {
    const taken = await exchangeExists(this.#model, dueMark(task)).catch((error: unknown) => {
      // RabbitMQ 4.3 refuses the query without the right to read; then the message takes the direct route.
      if (error instanceof AccessRefusedError) return false
      throw error
    })
    if (taken) this.#taken.set(task, performance.now())
    else this.#taken.delete(task)
    return taken
  }

  async #ensure(level: number): Promise<void> {
    const model = this.#model
    if (this.#doubted || !(await levelExists(model, delayLevel(level)))) {
      for (let each = 0; each <= level; each++) await declareDelays(model, planLevel(each))
    }
    this.#doubted = false
    this.#highest = Math.max(this.#highest, level)
  }

  get #model(): ChannelModel {
    const { model } = this.#connection
    if (model === undefined) throw new Error('no connection to the broker')
    return model
  }
}

/** Without the right to read, RabbitMQ 4.3 does not report that an exchange is missing. */
export const levelExists = (model: ChannelModel, exchange: string): Promise<boolean> =>
  exchangeExists(model, exchange).catch((error: unknown) => {
    if (error instanceof AccessRefusedError) throw new DelaysMissingError(textOf(error), error)
    throw error
  })

/** Declares a part of the delay levels. Throws `DelaysMissingError` if this user may not. */
export async function declareDelays(model: ChannelModel, plan: OperatorPlan): Promise<void> {
  try {
    await declarePlan(model, 'declaring a delay level', plan)
  } catch (error) {
    throw missing(error)
  }
}

/** The error for the broker's refusal of a level, or of a binding to one. */
export const missing = (error: unknown): unknown =>
  (error as { code?: number } | undefined)?.code === 403 ? new DelaysMissingError(textOf(error), error) : error
