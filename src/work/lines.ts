/**
 * The channels of one consumer: the one that new messages come over, and those that still hold something. Only a channel
 * that dies ends a delivery; a new one in its place does not.
 */
import type { Channel } from 'amqplib'
import { ConsumerTimeoutError, textOf } from '../errors/index.js'
import { whyClosed } from './consumerTimeout.js'
import type { Delivery } from './delivery.js'
import { Subscriptions, type SubscriptionsOptions } from './subscriptions.js'

export interface LinesOptions extends Omit<SubscriptionsOptions, 'onCancelled'> {
  /** The channel for new messages is gone, and the queue has to be taken up again. */
  readonly onLost: (reason: string) => void
}

export class Lines {
  readonly #options: LinesOptions
  readonly #retired = new Set<Subscriptions>()
  #current: Subscriptions | undefined

  constructor(options: LinesOptions) {
    this.#options = options
  }

  /** The channel for new messages. */
  get current(): Subscriptions | undefined {
    return this.#current
  }

  /** How many deliveries are held. */
  get outstanding(): number {
    let sum = this.#current?.outstanding ?? 0
    for (const line of this.#retired) sum += line.outstanding
    return sum
  }

  /** Takes new messages over `channel` from now on. The one before closes once what it delivered is settled. */
  adopt(channel: Channel): Subscriptions {
    if (this.#current !== undefined) this.#retire(this.#current)
    const line: Subscriptions = new Subscriptions(channel, {
      ...this.#options,
      onCancelled: (reason) => this.giveUp(line, textOf(reason)),
    })
    this.#current = line
    let reason = 'its channel was closed'
    channel.on('error', (error: unknown) => {
      reason = textOf(error)
    })
    channel.once('close', () => this.lose(line, reason))
    return line
  }

  /**
   * Brings a channel's subscriptions to the prefetch that is wanted. Returns whether a delivery came over one that is cancelled
   * now; undefined when none was. A channel that cannot be used is given up, and the ordinary way of recovery begins.
   */
  async adjust(line: Subscriptions, wanted: number): Promise<((delivery: Delivery) => boolean) | undefined> {
    try {
      if (wanted > line.prefetch) await line.subscribe(wanted - line.prefetch)
      else if (wanted < line.prefetch) return await line.shrink(wanted)
    } catch (error) {
      this.giveUp(line, textOf(error))
    }
    return undefined
  }

  /** Asks for one message without a subscription. False when there is none, or the channel is given up over it. */
  async fetch(): Promise<boolean> {
    const line = this.#current
    try {
      return line !== undefined && (await line.fetch())
    } catch (error) {
      this.giveUp(line, textOf(error))
      return false
    }
  }

  /** Safe to call more than once for one loss, since `error`, `close` and the connection's `lost` all may come. */
  lose(line: Subscriptions | undefined, reason: string): void {
    if (line === undefined) return
    const current = line === this.#current
    if (current) this.#current = undefined
    this.#retired.delete(line)
    const why = whyClosed(this.#options.queue, reason)
    line.lose(why)
    if (current) this.#options.onLost(why instanceof ConsumerTimeoutError ? why.message : reason)
  }

  /**
   * The channel lives, and cannot be used for new messages: the broker cancelled its subscription, or does not answer.
   * What it delivered stays held.
   */
  giveUp(line: Subscriptions | undefined, reason: string): void {
    if (line === undefined || line !== this.#current) return
    this.#current = undefined
    this.#retire(line)
    this.#options.onLost(reason)
  }

  loseAll(reason: string): void {
    for (const line of [...this.#retired]) this.lose(line, reason)
    this.lose(this.#current, reason)
  }

  /** Gives up a channel that did not get so far as to consume. */
  discard(line: Subscriptions | undefined, error: unknown): void {
    if (line === undefined) return
    if (line === this.#current) this.#current = undefined
    line.lose(error)
  }

  /** Closes all; what is still held goes back to the queue. */
  async close(): Promise<void> {
    const lines = [...this.#retired, ...(this.#current === undefined ? [] : [this.#current])]
    this.#current = undefined
    await Promise.all(lines.map((line) => line.close()))
  }

  #retire(line: Subscriptions): void {
    this.#retired.add(line)
    line.channel.once('close', () => this.#retired.delete(line))
    line.retire()
  }
}
