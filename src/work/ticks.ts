/**
 * A worker's part in the schedules of its service: it takes the tokens that are due, and makes new ones in place of those
 * that do not come. It consumes the queue of tokens once there is a schedule; until then it asks the store now and then.
 *
 * Without a store there are no schedules: nothing says then which of two tokens is the right one.
 */

import type { Connection } from '../amqp/connection.js'
import { withDeadline } from '../amqp/deadline.js'
import { queueFacts } from '../amqp/passive.js'
import { textOf } from '../errors/index.js'
import type { TickEvent } from '../observe/events.js'
import { defaults } from '../options.js'
import type { Results } from '../results/store.js'
import type { Producer } from '../send/producer.js'
import type { Logger } from '../task/logger.js'
import type { DelayRoutes } from '../time/delayRoutes.js'
import { ScheduleStore } from '../time/scheduleStore.js'
import { seedOverdue } from '../time/seeding.js'
import { Ticker } from '../time/ticker.js'
import { decodeToken, type Token } from '../time/token.js'
import { TokenMail } from '../time/tokenMail.js'
import { DELAY_DUE, ticksQueue } from '../wire/names.js'
import { Consumer } from './consumer.js'
import type { Delivery } from './delivery.js'
import { takeUpTokens } from './takeUpTokens.js'

export interface TicksOptions {
  readonly service: string
  readonly consuming: Connection
  readonly results: Results | undefined
  readonly producer: Producer
  readonly routes: DelayRoutes
  readonly confirmTimeoutMs: number
  readonly log: Logger
  readonly onTick: (tick: TickEvent) => void
  /** Called once, with the consumer of tokens: its owner drains and stops it. */
  readonly onConsumer: (consumer: Consumer) => void
}

/** How many tokens are looked after at the same time. */
const PREFETCH = 100
/** How often the store is asked whether there is a schedule. */
const ASK_MS = 2_000
/** How often it is asked for tokens that have not come. */
const LOOK_MS = 10_000
/** How long the visits that are begun get to end. */
const STOP_LIMIT_MS = 4_000
/** How often the same problem is logged. */
const QUIET_MS = 60_000

export class Ticks {
  readonly #options: TicksOptions
  readonly #queue: string
  readonly #store: ScheduleStore | undefined
  readonly #mail: TokenMail
  readonly #ticker: Ticker | undefined
  #consumer: Consumer | undefined
  #timer: NodeJS.Timeout | undefined
  /** Whether the broker was asked for the queue: it may be there though the store was emptied. */
  #asked = false
  #stopped = false
  #reportedAt = Number.NEGATIVE_INFINITY

  /** Does no I/O. */
  constructor(options: TicksOptions) {
    this.#options = options
    const { service, results, producer, routes, confirmTimeoutMs, onTick } = options
    const publish = producer.publish.bind(producer)
    this.#queue = ticksQueue(service)
    this.#mail = new TokenMail({ service, publish, routes, confirmTimeoutMs })
    if (results === undefined) return
    this.#store = new ScheduleStore(results, service)
    this.#ticker = new Ticker({
      ...{ store: this.#store, mail: this.#mail, results, resultTtlMs: results.ttlMs, onTick },
      onDelayed: (schedule, error) =>
        this.#report(`A tick of schedule ${schedule} waits and is tried again: ${textOf(error)}`),
    })
  }

  start(): void {
    if (this.#store !== undefined) void this.#look()
  }

  /** Takes nothing more, and resolves when what was begun has ended, or after a few seconds. Safe unstarted. */
  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    this.#ticker?.close()
    const ending = this.#ticker?.idle() ?? Promise.resolve()
    await withDeadline(ending, STOP_LIMIT_MS, 'ending the visits').catch(() => undefined)
  }

  async #look(): Promise<void> {
    const store = this.#store as ScheduleStore
    try {
      if (this.#consumer === undefined) {
        if ((await store.any()) || (await this.#queueExists())) await this.#consume()
      } else if (this.#consumer.state === 'consuming') {
        await seedOverdue(store, this.#mail)
      }
    } catch (error) {
      this.#report(`Schedules cannot be looked after now, and it is tried again: ${textOf(error)}`)
    }
    if (this.#stopped) return
    const ms = this.#consumer === undefined ? ASK_MS : LOOK_MS * (0.5 + Math.random())
    this.#timer = setTimeout(() => void this.#look(), ms).unref()
  }

  async #queueExists(): Promise<boolean> {
    const { model } = this.#options.consuming
    if (this.#asked || model === undefined) return false
    const exists = (await queueFacts(model, this.#queue)) !== undefined
    this.#asked = true
    return exists
  }

  async #consume(): Promise<void> {
    if (this.#stopped) return
    const { consuming, onConsumer } = this.#options
    const consumer = new Consumer(consuming, {
      declaration: {
        exchange: { name: DELAY_DUE, type: 'topic' },
        queue: { name: this.#queue, type: 'quorum' },
        binding: { exchange: DELAY_DUE, queue: this.#queue, routingKey: this.#queue },
      },
      prefetch: PREFETCH,
      retryInitialDelayMs: defaults.queueRetryInitialDelayMs,
      retryMaxDelayMs: defaults.queueRetryMaxDelayMs,
      takeUp: (connection) => takeUpTokens(connection, this.#queue),
    })
    this.#consumer = consumer
    onConsumer(consumer)
    consumer.on('delivery', (delivery) => void this.#take(delivery))
    await consumer.start()
  }

  async #take(delivery: Delivery): Promise<void> {
    let token: Token
    try {
      token = decodeToken(delivery.message.content)
    } catch (error) {
      this.#report(`A message in ${this.#queue} is dropped: ${textOf(error)}`)
      return void delivery.ack()
    }
    await this.#ticker?.visit(token, delivery)
  }

  #report(text: string): void {
    const now = performance.now()
    if (this.#stopped || now - this.#reportedAt < QUIET_MS) return
    this.#reportedAt = now
    this.#options.log.warn({ service: this.#options.service }, text)
  }
}
