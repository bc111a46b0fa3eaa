/**
 * Dead letters on their way: published to the domain's dead-letter exchange, confirmed, with the reason in headers.
 *
 * The operator predefines that exchange. Publishing to one that does not exist closes the channel, so it is looked for
 * before the first dead letter, and as long as it is missing only once a second, on a channel of its own. What is
 * missing is named in `problems`, and nothing else waits for it.
 */
import type { Connection } from '../amqp/connection.js'
import { declarePlan } from '../amqp/declarePlan.js'
import { exchangeExists } from '../amqp/passive.js'
import { describeThrown } from '../errors/error.js'
import { DeadLetterExchangeMissingError, MessageError, UnroutableError } from '../errors/index.js'
import type { Producer } from '../send/producer.js'
import { planOperator, type RoutedTask } from '../task/topology.js'
import { copyOf, cutText, originOf, slimCopyOf } from '../wire/copy.js'
import type { DeadLetterReason } from '../wire/deadLetterReason.js'
import { deadLetterExchange, domainOf, headers } from '../wire/names.js'
import type { OutgoingMessage } from '../wire/outgoingMessage.js'
import type { Delivery } from './delivery.js'

export interface Death {
  readonly reason: DeadLetterReason
  readonly error: unknown
  readonly attempts: number
}

/** How often a missing exchange is looked for. */
const LOOK_MS = 1_000
const LOOK_TIMEOUT_MS = 5_000

interface Exchange {
  /** When it was last looked for, and what came of it. */
  readonly at: number
  readonly exists: Promise<boolean>
}

export class DeadLettering {
  readonly #connection: Connection
  readonly #producer: Producer
  readonly #confirmTimeoutMs: number
  readonly #exchanges = new Map<string, Exchange>()
  readonly #problems = new Map<string, string>()

  /** `connection` is the one that `producer` publishes on. */
  constructor(connection: Connection, producer: Producer, confirmTimeoutMs: number) {
    this.#connection = connection
    this.#producer = producer
    this.#confirmTimeoutMs = confirmTimeoutMs
  }

  /** What keeps dead letters from being published, in a sentence for each exchange. */
  get problems(): readonly string[] {
    return [...this.#problems.values()]
  }

  exchangeOf({ queue }: Delivery): string {
    return deadLetterExchange(domainOf(queue.task))
  }

  /** Declares them, with their queues, for a service that may. Throws what the broker refuses. */
  async declare(service: string, tasks: readonly RoutedTask[]): Promise<void> {
    const { model } = this.#connection
    if (model === undefined) throw new Error('no connection to the broker')
    await declarePlan(model, 'declaring dead-letter exchanges', planOperator(service, tasks))
  }

  /** Looks for the dead-letter exchanges of these tasks. Never rejects; `problems` says what is missing. */
  async look(tasks: readonly RoutedTask[]): Promise<void> {
    const exchanges = new Set(tasks.map(({ name }) => deadLetterExchange(domainOf(name))))
    await Promise.all([...exchanges].map((exchange) => this.#exists(exchange).catch(() => false)))
  }

  /** Resolves once the broker has it. Throws `DeadLetterExchangeMissingError`, and what publishing throws. */
  async publish(delivery: Delivery, { reason, error, attempts }: Death): Promise<void> {
    const { message, queue } = delivery
    const { exchange, routingKey } = originOf(message)
    const { errorClass, message: text } = describeThrown(error)
    const why = {
      [headers.reason]: reason,
      [headers.errorClass]: cutText(errorClass),
      [headers.errorMessage]: cutText(text),
      [headers.attempts]: attempts,
      [headers.exchange]: exchange,
      [headers.routingKey]: routingKey,
      [headers.queue]: queue.name,
      [headers.at]: new Date().toISOString(),
    }
    const target = this.exchangeOf(delivery)
    if (!(await this.#exists(target))) throw new DeadLetterExchangeMissingError(target)
    const id = delivery.id ?? '?'
    const send = (copy: OutgoingMessage): Promise<void> =>
      this.#producer.publish({
        ...{ id, exchange: target, routingKey, message: copy, confirmTimeoutMs: this.#confirmTimeoutMs },
      })
    try {
      // When its sender's headers are more than a copy can carry, the body and the reason are what matters.
      await firstThatFits(send, [
        () => copyOf(message, id, why),
        () => slimCopyOf(message, id, why),
        () => slimCopyOf(message, id, why, 0),
      ])
      this.#problems.delete(target)
    } catch (problem) {
      if (problem instanceof UnroutableError) {
        this.#exchanges.delete(target)
        this.#problems.set(target, problem.message)
      }
      throw problem
    }
  }

  async #exists(exchange: string): Promise<boolean> {
    const known = this.#exchanges.get(exchange)
    const exists = known === undefined || performance.now() - known.at >= LOOK_MS ? this.#look(exchange) : known.exists
    return exists
  }

  #look(exchange: string): Promise<boolean> {
    const exists = this.#ask(exchange)
    this.#exchanges.set(exchange, { at: performance.now(), exists })
    exists.then(
      (found) => {
        // One that exists is asked for again only when a publish says otherwise.
        if (found) this.#exchanges.set(exchange, { at: Number.POSITIVE_INFINITY, exists })
        if (found) this.#problems.delete(exchange)
        else this.#problems.set(exchange, new DeadLetterExchangeMissingError(exchange).message)
      },
      () => this.#exchanges.delete(exchange),
    )
    return exists
  }

  #ask(exchange: string): Promise<boolean> {
    const { model } = this.#connection
    if (model === undefined) return Promise.reject(new Error('no connection to the broker'))
    return exchangeExists(model, exchange, LOOK_TIMEOUT_MS)
  }
}

/** Sends the first of these copies that can be encoded. Throws what the last one throws, or anything else at once. */
async function firstThatFits(
  send: (copy: OutgoingMessage) => Promise<void>,
  copies: readonly (() => OutgoingMessage)[],
): Promise<void> {
  for (const [index, copy] of copies.entries()) {
    try {
      return await send(copy())
    } catch (problem) {
      if (!(problem instanceof MessageError) || index === copies.length - 1) throw problem
    }
  }
}
