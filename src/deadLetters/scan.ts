/**
 * One pass through a queue, from its head to its end as of the start. AMQP cannot read a message without taking it, so a scan
 * takes messages unacknowledged on a separate channel, yields them one by one, and returns those that were not acknowledged. If
 * the process or the connection ends in between, RabbitMQ returns them: nothing is at risk.
 *
 * It promises:
 * - It ends: it yields at most as many messages as were ready when it began, so never its own returns.
 * - Bounded memory: it keeps only the delivery tag of a yielded message.
 * - Order: what it gives back stands as it stood. RabbitMQ puts returned messages behind those returned earlier, so returning only a part would reorder the queue; a scan therefore reads to the end first, up to
 *   {@link READ_TO_END_MAX}. `giveBack.ts` says how it returns them.
 *
 * A consumer holds at most 2,000 messages of a quorum queue, so when one is full the next takes over. Each holds an
 * unbroken run of delivery tags, and the last is cancelled before anything goes back, or it would be handed out again.
 */
import type { Channel, ChannelModel, ConsumeMessage, GetMessage } from 'amqplib'
import { closeChannel, openChannel } from '../amqp/channel.js'
import { withDeadline } from '../amqp/deadline.js'
import { DeadLettersUnreadableError, DeliveryLimitNearError } from '../errors/index.js'
import { deliveryCount } from '../wire/redelivery.js'
import { giveBack } from './giveBack.js'

export interface ScanOptions {
  readonly queue: string
  /** How many messages may be held that were not yielded yet. */
  readonly maxAhead?: number
  /** Yields no more than this. Default: all that were ready when it began. */
  readonly atMost?: number
  /**
   * The queue's delivery limit. A message that has used up half of it ends the scan with an error; where looks do not
   * count, only one that the loss of this scan's channel would bring past it.
   */
  readonly deliveryLimit?: number | undefined
  /** Whether the broker counts what a scan gives back. Default true. */
  readonly looksCount?: boolean
  /** When aborted, `next` returns undefined, and held messages return at once. */
  readonly signal?: AbortSignal | undefined
  /** The name of a message in errors. */
  readonly idOf: (message: ConsumeMessage) => string
}

/** The longest queue that is read to its end to keep its order. */
const READ_TO_END_MAX = 100_000
const FIRST_PREFETCH = 20
/** RabbitMQ's limit for a consumer of a quorum queue. */
const MAX_PREFETCH = 2_000
const AHEAD_BYTES = 8 * 1024 * 1024
const ACK_BARRIERS = 2
const ANSWER_TIMEOUT_MS = 15_000
/** How often a queue from which nothing comes is asked for its next message, and how many times it must have none. */
const LOOK_MS = 1_000
const LOOKS_UNTIL_EMPTY = 2

export class DeadLetterScan {
  /** How many messages were ready when the scan began, or `atMost`. */
  readonly total: number
  readonly #channel: Channel
  readonly #options: ScanOptions
  /** Delivered but not yielded. */
  #ahead: ConsumeMessage[] = []
  /** Delivery tags of all unacknowledged messages, lowest first. */
  readonly #unsettled = new Set<number>()
  /** Those of them that `basic.get` gave, and no consumer. */
  readonly #fetched = new Set<number>()
  #consumers = 0
  /** Of the consumer at work: its prefetch, and which of its messages are unacknowledged. */
  #prefetch = 0
  readonly #holding = new Set<number>()
  #lastTag = 0
  #handedOut = 0
  #bytes = 0
  #ended = false
  #acknowledged = false
  #failure: Error | undefined
  #wake: (() => void) | undefined
  readonly #onAbort = (): void => this.#wake?.()

  /** Throws `DeadLettersUnreadableError`. */
  static async open(model: ChannelModel, options: ScanOptions): Promise<DeadLetterScan> {
    const { queue, atMost = Number.POSITIVE_INFINITY } = options
    let refusal: unknown
    let channel: Channel | undefined
    try {
      channel = await openChannel(model, `opening a channel to look at ${queue}`, ANSWER_TIMEOUT_MS)
      channel.on('error', (error) => {
        refusal = error
      })
      // How many there are comes with the first of them: a passive declare of a quorum queue whose leader is slow to
      // answer says 0, where `basic.get` waits and knows.
      const first = await answered(channel.get(queue), `looking at ${queue}`)
      const total = first === false ? 0 : first.fields.messageCount + 1
      const scan = new DeadLetterScan(channel, options, Math.min(total, atMost))
      if (first !== false) scan.#take(first)
      return scan
    } catch (error) {
      await closeChannel(channel)
      throw new DeadLettersUnreadableError(queue, refusal ?? error)
    }
  }

  private constructor(channel: Channel, options: ScanOptions, total: number) {
    this.#channel = channel
    this.#options = options
    this.total = total
    // A delivery may come after its consumer's cancel-ok: the channel had it and was waiting for the queue's answer.
    // amqplib throws at those, since it knows the consumer no more; here all are the scan's, whichever consumer's.
    channel.removeAllListeners('delivery')
    channel.on('delivery', (message: ConsumeMessage) => this.#receive(message))
    channel.on('error', (error) => this.#fail(error))
    channel.once('close', () => this.#fail(new Error('the connection or channel was closed')))
    options.signal?.addEventListener('abort', this.#onAbort)
  }

  /** How many messages were yielded. */
  get handedOut(): number {
    return this.#handedOut
  }

  /**
   * The next message, or undefined at the end: all were yielded, another consumer has the rest, or the signal is aborted.
   * Throws `DeadLettersUnreadableError` and `DeliveryLimitNearError`; call `finish` then as well.
   */
  async next(): Promise<ConsumeMessage | undefined> {
    let looks = 0
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure
      if (this.#ended || this.#options.signal?.aborted === true || this.#handedOut === this.total) return undefined
      const message = this.#ahead.shift()
      if (message !== undefined) {
        this.#handedOut++
        return message
      }
      if (this.#holding.size >= this.#prefetch) await this.#nextConsumer()
      else if (!(await this.#arrival()) && (await this.#nothingComes(++looks))) this.#ended = true
    }
  }

  /** Removes a message from the queue. Throws when the scan has failed: the message is in the queue again. */
  ack(message: ConsumeMessage): void {
    if (this.#failure !== undefined) throw this.#failure
    const { deliveryTag } = message.fields
    if (!this.#unsettled.delete(deliveryTag)) return
    this.#holding.delete(deliveryTag)
    this.#fetched.delete(deliveryTag)
    this.#acknowledged = true
    this.#channel.ack(message)
  }

  /** Requeues all unacknowledged messages. Never throws: a dead channel has already requeued them. */
  async finish(): Promise<void> {
    try {
      if (this.total <= READ_TO_END_MAX && this.#failure === undefined) while ((await this.next()) !== undefined);
    } catch {
      // The caller of `next` got the error; here it only means that there is nothing more to read.
    }
    try {
      if (this.#consumers > 0) await answered(this.#channel.cancel(this.#consumerTag), 'cancelling')
      if (this.#acknowledged) for (let barrier = 0; barrier < ACK_BARRIERS; barrier++) await this.#settleAcks()
      const { queue } = this.#options
      const ready = async (): Promise<number> =>
        (await answered(this.#channel.checkQueue(queue), `looking at ${queue}`)).messageCount
      await giveBack(this.#channel, this.#unsettled, this.#fetched, ready)
    } catch {
      // The channel died.
    }
    this.#failure ??= new Error('the scan is finished')
    this.#options.signal?.removeEventListener('abort', this.#onAbort)
    await closeChannel(this.#channel)
  }

  /**
   * Acknowledging is not confirmed, and RabbitMQ 3.10 forgets acknowledgements when the channel closes too soon: past 32
   * that a quorum queue has not carried out yet, the channel keeps them to itself. A consumer that begins and ends goes
   * through the queue's log behind all that was sent, and lets the channel send the rest; the second time nothing is left.
   */
  async #settleAcks(): Promise<void> {
    await this.#consume(1)
    await answered(this.#channel.cancel(this.#consumerTag), 'cancelling')
  }

  get #consumerTag(): string {
    // RabbitMQ returns the messages of several consumers in the order of the consumers' tags.
    return `scan-${String(this.#consumers).padStart(6, '0')}`
  }

  async #nextConsumer(): Promise<void> {
    const { maxAhead = MAX_PREFETCH } = this.#options
    try {
      if (this.#consumers > 0) await answered(this.#channel.cancel(this.#consumerTag), 'cancelling')
      const mean = this.#lastTag === 0 ? 0 : this.#bytes / this.#lastTag
      const affordable = this.#lastTag === 0 ? FIRST_PREFETCH : Math.max(FIRST_PREFETCH, Math.floor(AHEAD_BYTES / mean))
      const left = this.total - this.#handedOut - this.#ahead.length
      await this.#consume(Math.max(1, Math.min(MAX_PREFETCH, maxAhead, affordable, left)))
    } catch (error) {
      this.#fail(error)
    }
  }

  async #consume(prefetch: number): Promise<void> {
    this.#prefetch = prefetch
    this.#holding.clear()
    this.#consumers++
    await answered(this.#channel.prefetch(prefetch), 'setting the prefetch')
    // What is delivered comes by the channel's event; here comes only the broker's word that it cancelled the consumer.
    const cancelled = (): void => this.#fail(new Error('the queue was deleted, or its node went down'))
    const consuming = this.#channel.consume(this.#options.queue, cancelled, { consumerTag: this.#consumerTag })
    await answered(consuming, 'consuming')
  }

  #receive(message: ConsumeMessage): void {
    if (message.fields.consumerTag === this.#consumerTag) this.#holding.add(message.fields.deliveryTag)
    this.#keep(message)
  }

  #take(message: GetMessage): void {
    this.#fetched.add(message.fields.deliveryTag)
    this.#keep({ ...message, fields: { ...message.fields, consumerTag: '' } })
  }

  #keep(message: ConsumeMessage): void {
    this.#lastTag = message.fields.deliveryTag
    this.#unsettled.add(this.#lastTag)
    this.#bytes += message.content.length
    this.#ahead.push(message)
    const { deliveryLimit, looksCount = true, queue, idOf } = this.#options
    const deliveries = deliveryCount(message) ?? 0
    if (deliveryLimit !== undefined && deliveries >= (looksCount ? deliveryLimit / 2 : deliveryLimit)) {
      this.#failure ??= new DeliveryLimitNearError(queue, idOf(message), deliveries, deliveryLimit)
    }
    this.#wake?.()
  }

  /** Whether something happened before the next check of the queue was due. */
  async #arrival(): Promise<boolean> {
    return this.#ahead.length > 0 || this.#failure !== undefined || (await this.#pause())
  }

  /** True when woken, false when the time is over. */
  #pause(): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), LOOK_MS)
      this.#wake = () => {
        clearTimeout(timer)
        resolve(true)
      }
    })
  }

  /** Whether waiting is useless: the remaining messages went to another consumer, or expired. */
  async #nothingComes(looks: number): Promise<boolean> {
    const { queue } = this.#options
    try {
      const message = await answered(this.#channel.get(queue), `looking at ${queue}`)
      if (message !== false) this.#take(message)
    } catch (error) {
      this.#fail(error)
    }
    return looks >= LOOKS_UNTIL_EMPTY && this.#ahead.length === 0 && this.#failure === undefined
  }

  #fail(error: unknown): void {
    this.#failure ??= new DeadLettersUnreadableError(this.#options.queue, error)
    this.#wake?.()
  }
}

const answered = <T>(promise: PromiseLike<T>, what: string): Promise<T> =>
  withDeadline(Promise.resolve(promise), ANSWER_TIMEOUT_MS, what)
