/**
 * Settling: what Warren does about an outcome. Nothing is acknowledged before what must outlive it is safe: the result
 * in the store, the retry or the dead letter confirmed by the broker. While one of them is away the message is held and
 * the step is tried again; the prefetch then keeps the worker from taking more.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { jittered } from '../amqp/backoff.js'
import type { Connection } from '../amqp/connection.js'
import { MessageError, textOf, UnroutableError } from '../errors/index.js'
import type { Results } from '../results/store.js'
import type { Producer } from '../send/producer.js'
import type { Outcome } from '../task/outcome.js'
import { declareRetryQueue } from '../time/retryQueue.js'
import { copyOf, cutText, originOf } from '../wire/copy.js'
import type { DeadLetterReason } from '../wire/deadLetterReason.js'
import { celeryHeaders, deadLetterExchange, domainOf, headers, retryQueue } from '../wire/names.js'
import { encodeFailure, encodeRetry, encodeRevoked, type StoredError } from '../wire/resultFormat.js'
import type { Attempt } from './attempt.js'

export type Settled = 'acknowledged' | 'returned' | 'lost'

export interface SettlerOptions {
  /** The connection that the producer publishes on: delay queues are declared there, apart from consuming. */
  readonly connection: Connection
  readonly producer: Producer
  readonly results: Results | undefined
  readonly confirmTimeoutMs: number
  readonly onDelayed: (attempt: Attempt, waitingFor: 'store' | 'broker', error: unknown) => void
  readonly onDeadLettered: (attempt: Attempt, exchange: string, reason: DeadLetterReason, error: unknown) => void
}

const RETRY_INITIAL_MS = 200
const RETRY_MAX_MS = 5_000

export class Settler {
  readonly #options: SettlerOptions
  /** Delay queues known to exist. They are durable, so one declaration does until a publish is returned. */
  readonly #retryQueues = new Set<string>()

  constructor(options: SettlerOptions) {
    this.#options = options
  }

  /** Carries an outcome out. Never throws: what cannot be finished goes back to the queue. */
  async settle(attempt: Attempt, outcome: Outcome): Promise<Settled> {
    try {
      switch (outcome.kind) {
        case 'succeeded':
          // Stored even if the delivery was lost meanwhile: the work is done, and whoever gets the message next can see it.
          await this.#store(attempt, outcome.result)
          break
        case 'alreadyDone':
          break
        case 'retried':
          await this.#publishRetry(attempt, outcome.delayMs)
          await this.#store(attempt, encodeRetry({ ...attempt.speaker, error: storedError(outcome.error) }))
          break
        case 'deadLettered':
          await this.#publishDeadLetter(attempt, outcome.reason, outcome.error)
          await this.#store(attempt, deadLetterResult(attempt, outcome))
          break
        case 'returned':
          return this.#giveBack(attempt)
        default:
          outcome satisfies never
      }
    } catch {
      // Only a released attempt gets here: its delivery is gone, or its worker stops and cannot wait any longer.
      return this.#giveBack(attempt)
    }
    return attempt.delivery.consumer.ack(attempt.delivery) ? 'acknowledged' : 'lost'
  }

  #giveBack({ delivery }: Attempt): Settled {
    return delivery.consumer.giveBack(delivery) ? 'returned' : 'lost'
  }

  async #store(attempt: Attempt, encoded: string): Promise<void> {
    const { results, onDelayed } = this.#options
    const id = attempt.taskId
    if (results === undefined || id === undefined) return
    if (!results.available) onDelayed(attempt, 'store', new Error(`no answer from ${results.address}`))
    await this.#persist(attempt, 'store', () =>
      results.store(attempt.speaker, encoded, attempt.delivery.consumer.nearlyFull),
    )
  }

  async #publishRetry(attempt: Attempt, delayMs: number): Promise<void> {
    const { message } = attempt.delivery
    const { exchange, routingKey } = originOf(message)
    const copy = copyOf(message, attempt.id, {
      [celeryHeaders.retries]: attempt.number,
      [headers.exchange]: exchange,
      [headers.routingKey]: routingKey,
    })
    const delayed = {
      content: copy.content,
      properties: { ...copy.properties, expiration: String(Math.round(jittered(delayMs, 0, delayMs))) },
    }
    await this.#persist(attempt, 'broker', async () => {
      attempt.throwIfReleased()
      const queue = await this.#retryQueue(attempt.queue, delayMs)
      try {
        await this.#publish(attempt.id, '', queue, delayed)
      } catch (error) {
        // Somebody deleted it.
        if (error instanceof UnroutableError) this.#retryQueues.delete(queue)
        throw error
      }
    })
  }

  async #retryQueue(queue: string, delayMs: number): Promise<string> {
    const name = retryQueue(queue, delayMs)
    if (this.#retryQueues.has(name)) return name
    const { model } = this.#options.connection
    if (model === undefined) throw new Error('no connection to the broker')
    await declareRetryQueue(model, queue, delayMs)
    this.#retryQueues.add(name)
    return name
  }

  async #publishDeadLetter(attempt: Attempt, reason: DeadLetterReason, error: unknown): Promise<void> {
    const { message } = attempt.delivery
    const { exchange, routingKey } = originOf(message)
    const target = deadLetterExchange(domainOf(attempt.delivery.consumer.taskName))
    const { errorClass, message: text } = storedError(error)
    const why = {
      [headers.reason]: reason,
      [headers.errorClass]: errorClass,
      [headers.errorMessage]: cutText(text),
      [headers.attempts]: attempt.number,
      [headers.exchange]: exchange,
      [headers.routingKey]: routingKey,
      [headers.queue]: attempt.queue,
      [headers.at]: new Date().toISOString(),
    }
    const copy = copyOf(message, attempt.id, why)
    await this.#persist(attempt, 'broker', async () => {
      attempt.throwIfReleased()
      await this.#publish(attempt.id, target, routingKey, copy).catch(async (problem) => {
        if (!(problem instanceof MessageError)) throw problem
        // Its own headers are more than a copy can carry; the body and the reason are what matters.
        const bare = { content: copy.content, properties: { ...copy.properties, headers: { ...why } } }
        await this.#publish(attempt.id, target, routingKey, bare)
      })
    })
    this.#options.onDeadLettered(attempt, target, reason, error)
  }

  #publish(id: string, exchange: string, routingKey: string, message: ReturnType<typeof copyOf>): Promise<void> {
    const { producer, confirmTimeoutMs } = this.#options
    return producer.publish({ id, exchange, routingKey, message, confirmTimeoutMs })
  }

  /** Tries `act` until it succeeds, or the attempt is released: then it throws. */
  async #persist(attempt: Attempt, waitingFor: 'store' | 'broker', act: () => Promise<unknown>): Promise<void> {
    for (let failures = 0; ; failures++) {
      try {
        await act()
        return
      } catch (error) {
        if (attempt.released) throw error
        this.#options.onDelayed(attempt, waitingFor, error)
        await delay(jittered(RETRY_INITIAL_MS, failures, RETRY_MAX_MS))
      }
    }
  }
}

function deadLetterResult(attempt: Attempt, { reason, error }: { reason: DeadLetterReason; error: unknown }): string {
  const doneAt = new Date()
  return reason === 'expired'
    ? encodeRevoked({ ...attempt.speaker, reason: 'expired', doneAt })
    : encodeFailure({ ...attempt.speaker, error: storedError(error), doneAt })
}

/** Anything that was thrown, as the store and the headers keep it. */
function storedError(thrown: unknown): StoredError {
  return thrown instanceof Error
    ? { errorClass: thrown.name || thrown.constructor.name, message: textOf(thrown), traceback: thrown.stack }
    : { errorClass: 'Error', message: textOf(thrown), traceback: undefined }
}
