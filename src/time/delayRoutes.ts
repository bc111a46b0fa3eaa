/**
 * Where to publish a message that is to wait. It knows which delay levels exist: the operator predefines them, and where
 * nobody has, the first delay declares the levels that it needs. It also knows for which tasks a queue takes what is due.
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

/** A message with less than this left is held by a worker. */
export const HOLD_MS = 1_500

/** How long it is remembered that a queue takes what is due of a task. After that it is asked again, beside the sending. */
const REMEMBER_MS = 60_000

/** A way through the levels: its headers belong on the message. */
export interface DelayRoute extends Route {
  readonly headers: Readonly<Record<string, string>>
}

export class DelayRoutes {
  readonly #connection: Connection
  /** The levels known to exist; all lower ones do, too. */
  #highest = -1
  /** A level took nothing: its exchange may be there without what stands behind it. */
  #doubted = false
  /** What looks for levels just now: a thousand first delays ask once. */
  #ensuring: Promise<void> | undefined
  /** When it was last asked for each task, and found, whether a queue takes what is due of it. */
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
   * Whether a queue takes what is due of this task. `mandatory` cannot say so: a message that has reached a level counts
   * as routed. Asked once for each task and remembered, as long as the answer is yes. Throws when the broker cannot say.
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

  /** The same, asked of the broker now. */
  isTakenNow(task: string): Promise<boolean> {
    return this.#ask(task)
  }

  /** Somebody has removed a level, or a part of one: the next delay declares what it needs. */
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
      // RabbitMQ 4.3 answers nobody who has no right to it, and then the message takes the way that is always there.
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

/** RabbitMQ 4.3 tells nobody that an exchange is missing who has no right to it. */
export const levelExists = (model: ChannelModel, exchange: string): Promise<boolean> =>
  exchangeExists(model, exchange).catch((error: unknown) => {
    if (error instanceof AccessRefusedError) throw new DelaysMissingError(textOf(error), error)
    throw error
  })

/** Declares a part of the delay levels. Throws `DelaysMissingError` where this user may not. */
export async function declareDelays(model: ChannelModel, plan: OperatorPlan): Promise<void> {
  try {
    await declarePlan(model, 'declaring a delay level', plan)
  } catch (error) {
    throw missing(error)
  }
}

/** What the broker's refusal of a level, or of a binding to one, means. */
export const missing = (error: unknown): unknown =>
  (error as { code?: number } | undefined)?.code === 403 ? new DelaysMissingError(textOf(error), error) : error
