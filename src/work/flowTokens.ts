/**
 * A worker's part in watching flows: it takes the tokens that are due and carries out their visits. It consumes their
 * queue once there was a flow; until then it asks the store now and then, as with schedules.
 */

import { jittered } from '../amqp/backoff.js'
import type { Connection } from '../amqp/connection.js'
import { withDeadline } from '../amqp/deadline.js'
import { queueFacts } from '../amqp/passive.js'
import { MessageError, textOf } from '../errors/index.js'
import type { FlowWorks } from '../flow/flows.js'
import { defaults } from '../options.js'
import type { Logger } from '../task/logger.js'
import { pause } from '../timers.js'
import { DELAY_DUE, FLOWS_QUEUE } from '../wire/names.js'
import { Consumer } from './consumer.js'
import { followDeadMembers } from './deadMembers.js'
import type { Delivery } from './delivery.js'
import { type FlowMessage, readFlowMessage } from './flowMessages.js'
import type { TakenUp } from './takeUp.js'
import { takeUpTokens } from './takeUpTokens.js'

export interface FlowTokensOptions {
  readonly service: string
  readonly consuming: Connection
  readonly works: FlowWorks | undefined
  /** Whose dead letters are looked at. */
  readonly domains: readonly string[]
  readonly log: Logger
  /** Called once, with the consumer of tokens: its owner drains and stops it. */
  readonly onConsumer: (consumer: Consumer) => void
}

/** How many flows are looked after at the same time. */
const PREFETCH = 10
const ASK_MS = 2_000
const STOP_LIMIT_MS = 4_000
const QUIET_MS = 60_000
const RETRY_INITIAL_MS = 250
const RETRY_MAX_MS = 5_000

export class FlowTokens {
  readonly #options: FlowTokensOptions
  readonly #closing = new AbortController()
  readonly #visits = new Set<Promise<void>>()
  #timer: NodeJS.Timeout | undefined
  /** Whether the broker was asked for the queue: it may be there though the store was emptied. */
  #asked = false
  #reportedAt = Number.NEGATIVE_INFINITY

  /** Does no I/O. */
  constructor(options: FlowTokensOptions) {
    this.#options = options
  }

  start(): void {
    if (this.#options.works !== undefined) void this.#look(this.#options.works)
  }

  /** Takes nothing more, and resolves when what was begun has ended, or after a few seconds. Safe unstarted. */
  async stop(): Promise<void> {
    this.#closing.abort()
    clearTimeout(this.#timer)
    await withDeadline(Promise.all(this.#visits), STOP_LIMIT_MS, 'ending the visits').catch(() => undefined)
  }

  async #look(works: FlowWorks): Promise<void> {
    try {
      if ((await works.store.any()) || (await this.#queueExists())) return await this.#consume(works)
    } catch (error) {
      this.#report(`Flows cannot be looked after now, and it is tried again: ${textOf(error)}`)
    }
    if (!this.#closing.signal.aborted) this.#timer = setTimeout(() => void this.#look(works), ASK_MS).unref()
  }

  async #queueExists(): Promise<boolean> {
    const { model } = this.#options.consuming
    if (this.#asked || model === undefined) return false
    const exists = (await queueFacts(model, FLOWS_QUEUE)) !== undefined
    this.#asked = true
    return exists
  }

  async #consume(works: FlowWorks): Promise<void> {
    if (this.#closing.signal.aborted) return
    const { consuming, onConsumer } = this.#options
    const consumer = new Consumer(consuming, {
      declaration: {
        exchange: { name: DELAY_DUE, type: 'topic' },
        queue: { name: FLOWS_QUEUE, type: 'quorum' },
        binding: { exchange: DELAY_DUE, queue: FLOWS_QUEUE, routingKey: FLOWS_QUEUE },
      },
      prefetch: PREFETCH,
      retryInitialDelayMs: defaults.queueRetryInitialDelayMs,
      retryMaxDelayMs: defaults.queueRetryMaxDelayMs,
      takeUp: (connection) => this.#takeUp(connection),
    })
    onConsumer(consumer)
    consumer.on('delivery', (delivery) => {
      const visit = this.#take(works, delivery).finally(() => this.#visits.delete(visit))
      this.#visits.add(visit)
    })
    await consumer.start()
  }

  async #takeUp(connection: Connection): Promise<TakenUp> {
    const takenUp = await takeUpTokens(connection, FLOWS_QUEUE)
    await followDeadMembers(connection, this.#options.domains).catch((error: unknown) => {
      this.#report(`What RabbitMQ dead-letters of flows is noticed at their deadlines alone: ${textOf(error)}`)
    })
    return takenUp
  }

  async #take(works: FlowWorks, delivery: Delivery): Promise<void> {
    const { signal } = this.#closing
    let asked: FlowMessage
    try {
      asked = readFlowMessage(works, delivery)
    } catch (error) {
      this.#report(`A message in ${FLOWS_QUEUE} is dropped: ${textOf(error)}`)
      return void delivery.ack()
    }
    for (let failures = 0; delivery.held && !signal.aborted; failures++) {
      try {
        await asked.act()
        return void delivery.ack()
      } catch (error) {
        this.#report(`Flow ${asked.flow} cannot be looked after now, and it is tried again: ${textOf(error)}`)
        if (error instanceof MessageError) return void delivery.ack()
        await pause(jittered(RETRY_INITIAL_MS, failures, RETRY_MAX_MS), signal)
      }
    }
  }

  #report(text: string): void {
    const now = performance.now()
    if (this.#closing.signal.aborted || now - this.#reportedAt < QUIET_MS) return
    this.#reportedAt = now
    this.#options.log.warn({ service: this.#options.service }, text)
  }
}
