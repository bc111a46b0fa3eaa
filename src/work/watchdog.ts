/**
 * Compares what a consumer believes with what its queue says. While messages come there is nothing to ask. When none came
 * for a while, a channel that was used is renewed, and a queue is asked for: one that was deleted, that counts no
 * consumer, or that has messages for a consumer with room is not consumed, whatever this side believes. RabbitMQ's
 * notice (`basic.cancel`) does not always come, and for an exchange that was deleted there is none.
 *
 * A channel that holds anything is never dropped: RabbitMQ answers a passive declare with "0 messages, 0 consumers" when
 * a quorum queue's leader is slow. At most new messages are taken over another channel, and the old one keeps what it
 * holds.
 */
import type { ChannelModel } from 'amqplib'
import { queueFacts } from '../amqp/passive.js'
import { textOf } from '../errors/index.js'
import type { Subscriptions } from './subscriptions.js'

export interface Watched {
  readonly queue: string
  /** What leads to the queue. Deleted, it is declared again when the queue is taken up anew. */
  readonly exchange: string
  /** The channel to look at, or undefined while there is nothing to compare. */
  readonly line: () => Subscriptions | undefined
  readonly model: () => ChannelModel | undefined
  /** Takes a fresh channel; the old one keeps what it holds. */
  readonly renew: () => Promise<void>
  /** Gives up a channel that holds nothing. */
  readonly drop: (line: Subscriptions, reason: string) => void
}

/** How often a consumer is looked at; a queue that was quiet for as long is asked for. */
const WATCH_MS = 4_000
const ASK_TIMEOUT_MS = 15_000

export class Watchdog {
  readonly #watched: Watched
  #timer: NodeJS.Timeout | undefined
  /** Whether anything was delivered since the last look. */
  #delivered = false
  #looking = false

  constructor(watched: Watched) {
    this.#watched = watched
  }

  start(): void {
    this.#timer ??= setInterval(() => void this.#look(), WATCH_MS).unref()
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  /** Something was delivered. */
  delivered(): void {
    this.#delivered = true
  }

  async #look(): Promise<void> {
    const quiet = !this.#delivered
    this.#delivered = false
    const line = this.#watched.line()
    if (!quiet || this.#looking || line === undefined || !line.subscribed) return
    this.#looking = true
    try {
      if (line.used && line.outstanding === 0) await this.#watched.renew()
      else await this.#compare(line)
    } finally {
      this.#looking = false
    }
  }

  async #compare(line: Subscriptions): Promise<void> {
    const model = this.#watched.model()
    if (model === undefined) return
    const { problem, waiting } = await this.#ask(model)
    if (problem === undefined || (waiting && line.outstanding >= line.prefetch)) return
    // What was asked for may have come meanwhile.
    if (this.#delivered || this.#watched.line() !== line) return
    if (line.outstanding === 0) this.#watched.drop(line, problem)
    else if (waiting) await this.#watched.renew()
  }

  /** What is wrong, as far as the queue says, and whether messages wait in it. */
  async #ask(model: ChannelModel): Promise<{ problem?: string; waiting: boolean }> {
    try {
      const { queue, exchange } = this.#watched
      const facts = await queueFacts(model, queue, ASK_TIMEOUT_MS, exchange)
      if (facts === undefined)
        return { problem: `the queue or its exchange ${exchange} does not exist`, waiting: false }
      const { messageCount, consumerCount } = facts
      if (messageCount > 0) {
        return { problem: `${messageCount} messages wait in the queue, and none is delivered`, waiting: true }
      }
      return consumerCount === 0 ? { problem: 'the queue counts no consumer', waiting: false } : { waiting: false }
    } catch (error) {
      return { problem: textOf(error), waiting: false }
    }
  }
}
