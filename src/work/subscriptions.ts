/**
 * One channel of a consumer: its `basic.consume` subscriptions, and every delivery that came over it and is held.
 *
 * AMQP fixes a prefetch when a subscription begins, so a larger one means one more subscription on the same channel, and
 * a smaller one means that the last ones are cancelled.
 *
 * A channel that is not used for new messages any more is retired: it stays open until what it delivered is settled, and
 * closes itself then. When it dies, everything that is held is lost.
 */
import type { Channel, ConsumeMessage, GetMessage } from 'amqplib'
import { closeChannel } from '../amqp/channel.js'
import { withDeadline } from '../amqp/deadline.js'
import { ClosedError, MessageError } from '../errors/index.js'
import { withoutSpans } from '../observe/tracing.js'
import { isPack, membersOf } from '../wire/pack.js'
import { Acknowledgements } from './acknowledgements.js'
import type { OnConsumerTimeout } from './consumerTimeout.js'
import { Delivery, type DeliveryQueue } from './delivery.js'
import type { Held, Settlement } from './held.js'
import { Pack } from './pack.js'

export interface SubscriptionsOptions extends OnConsumerTimeout {
  readonly queue: DeliveryQueue
  /** A message came. */
  readonly onDelivery: (delivery: Delivery) => void
  /** A pack came. */
  readonly onPack: (pack: Pack) => void
  /** The broker cancelled a subscription, and what it delivered is given up. */
  readonly onCancelled: (reason: Error) => void
}

/** One `basic.consume`. */
interface Subscription {
  tag: string
  readonly prefetch: number
  cancelled: boolean
}

/** How long the broker gets for one answer. */
const ANSWER_TIMEOUT_MS = 15_000

export class Subscriptions implements Settlement {
  readonly channel: Channel
  readonly #options: SubscriptionsOptions
  readonly #acks: Acknowledgements
  /** The first has the base prefetch, the others what growth added. */
  #active: Subscription[] = []
  readonly #held = new Set<Held>()
  /** Which subscription brought a message; none for one that was fetched. */
  readonly #from = new WeakMap<object, Subscription>()
  #retired = false
  #gone = false
  /** Whether anything was delivered on it. */
  used = false

  constructor(channel: Channel, options: SubscriptionsOptions) {
    receiveAfterCancel(channel)
    this.channel = channel
    this.#options = options
    this.#acks = new Acknowledgements(channel)
  }

  /** How many unacknowledged messages its subscriptions may hold. */
  get prefetch(): number {
    return this.#active.reduce((sum, { prefetch }) => sum + prefetch, 0)
  }

  get subscribed(): boolean {
    return this.#active.length > 0
  }

  /** How many messages are held. */
  get outstanding(): number {
    return this.#held.size
  }

  /** Whether at least half of what may be held is: RabbitMQ will soon wait for an acknowledgement, or does so already. */
  get nearlyFull(): boolean {
    return 2 * this.#held.size >= this.prefetch
  }

  ack(message: ConsumeMessage): void {
    this.#acks.ack(message)
  }

  giveBack(message: ConsumeMessage, counted?: true): void {
    this.#acks.giveBack(message, counted)
  }

  /** Adds one subscription. Throws when the broker refuses it or does not answer. */
  async subscribe(prefetch: number): Promise<void> {
    const subscription: Subscription = { tag: '', prefetch, cancelled: false }
    await withDeadline(this.channel.prefetch(prefetch), ANSWER_TIMEOUT_MS, 'setting the prefetch')
    const receive = (message: ConsumeMessage | null): void => this.#receive(message, subscription)
    const { queue, consumeArguments } = this.#options
    const consuming = withoutSpans(this.channel.consume).call(this.channel, queue.name, receive, {
      arguments: consumeArguments(),
    })
    try {
      subscription.tag = (await withDeadline(consuming, ANSWER_TIMEOUT_MS, 'consuming')).consumerTag
    } catch (error) {
      // The channel may stay open for what it delivered, and an answer that comes later must not bring more.
      subscription.cancelled = true
      consuming.then(({ consumerTag }) => this.channel.cancel(consumerTag)).catch(() => undefined)
      throw error
    }
    if (this.#gone || subscription.cancelled) throw new Error('the consumer was cancelled meanwhile')
    this.#active.push(subscription)
  }

  /** Asks for one message without a subscription. False when the queue has none ready. */
  async fetch(): Promise<boolean> {
    const getting = this.channel.get(this.#options.queue.name)
    const take = (message: GetMessage | false): boolean => {
      if (message === false) return false
      this.#take(asDelivered(message), undefined)
      return true
    }
    const message = await withDeadline(getting, ANSWER_TIMEOUT_MS, 'fetching a message').catch((error: unknown) => {
      // By then the channel is retired, and what comes late is given back.
      getting.then(take).catch(() => undefined)
      throw error
    })
    return take(message)
  }

  /**
   * Cancels the last subscriptions until at most `prefetch` is left, or all of them for 0. What they delivered stays
   * held. Returns whether a delivery came over a subscription that is cancelled now.
   */
  async shrink(prefetch: number): Promise<(delivery: Delivery) => boolean> {
    const cancelled = new Set<Subscription>()
    while (this.#active.length > (prefetch === 0 ? 0 : 1) && this.prefetch > prefetch) {
      const last = this.#active.pop()
      if (last !== undefined) cancelled.add(last)
    }
    const cancelling = [...cancelled].map(({ tag }) => this.channel.cancel(tag))
    if (cancelling.length > 0) await withDeadline(Promise.all(cancelling), ANSWER_TIMEOUT_MS, 'cancelling')
    for (const subscription of cancelled) subscription.cancelled = true
    return (delivery) => {
      const from = this.#from.get(delivery.pack ?? delivery)
      return from !== undefined && cancelled.has(from)
    }
  }

  /** Takes nothing new, and closes once everything that is held is settled. */
  retire(): void {
    this.#retired = true
    // Without an answer it keeps what it holds all the same.
    void this.shrink(0).catch(() => undefined)
    if (this.#held.size === 0) void this.close()
  }

  /** The channel is dead: RabbitMQ hands everything that is held to others. */
  lose(reason: unknown): void {
    if (this.#gone) return
    this.#gone = true
    this.#active = []
    for (const delivery of [...this.#held]) delivery.lose(reason)
    void closeChannel(this.channel)
  }

  /** Hands over what is acknowledged, and closes. What is still held goes back to the queue. */
  async close(): Promise<void> {
    if (this.#gone) return
    await this.#acks.handedOver()
    if (this.#gone) return
    this.#gone = true
    this.#active = []
    const held = [...this.#held]
    await closeChannel(this.channel)
    for (const delivery of held) delivery.lose(new ClosedError('The channel that delivered it'))
  }

  #receive(message: ConsumeMessage | null, subscription: Subscription): void {
    if (this.#gone) return
    if (message !== null) {
      this.#take(message, subscription)
      return
    }
    subscription.cancelled = true
    this.#active = this.#active.filter((each) => each !== subscription)
    void this.#takenBack(subscription)
  }

  /** What a cancelled subscription delivered is RabbitMQ's again; what others of the channel delivered is not. */
  async #takenBack(subscription: Subscription): Promise<void> {
    const delivered = (): Held[] => [...this.#held].filter((each) => this.#from.get(each) === subscription)
    const [oldest] = delivered()
    const { reason, keepsTheRest } = await this.#options.whyCancelled(oldest?.heldMs)
    if (keepsTheRest && !this.#gone) {
      // Until then it is only suspended: once all of its messages are settled, it would get new ones (seen on 4.3.6).
      await withDeadline(this.channel.cancel(subscription.tag), ANSWER_TIMEOUT_MS, 'cancelling').catch(() => undefined)
    }
    if (this.#gone) return
    for (const delivery of delivered()) {
      // RabbitMQ ignores what is returned after it timed out.
      if (keepsTheRest) delivery.giveBack(reason)
      else delivery.lose(reason)
    }
    this.#options.onCancelled(reason)
  }

  #take(message: ConsumeMessage, subscription: Subscription | undefined): void {
    const delivery = isPack(message) ? this.#packOf(message) : this.#deliveryOf(message)
    this.#held.add(delivery)
    this.used = true
    if (subscription !== undefined) this.#from.set(delivery, subscription)
    // It came after its subscription was cancelled.
    if (subscription?.cancelled === true || this.#retired) delivery.giveBack()
    else if (delivery instanceof Pack) this.#options.onPack(delivery)
    else this.#options.onDelivery(delivery)
  }

  #deliveryOf(message: ConsumeMessage, undecodable?: MessageError): Delivery {
    const particulars = undecodable === undefined ? undefined : { undecodable }
    return new Delivery(message, this.#options.queue, this, this.#ended, particulars)
  }

  /** One that cannot be opened is a message that cannot be read. */
  #packOf(message: ConsumeMessage): Pack | Delivery {
    const { queue } = this.#options
    try {
      if (queue.ordered === true) throw new MessageError('Expected no pack in a queue that keeps the order')
      return new Pack(message, membersOf(message), queue, { settlement: this, ended: this.#ended })
    } catch (error) {
      return this.#deliveryOf(message, error as MessageError)
    }
  }

  readonly #ended = (delivery: Held): void => {
    this.#held.delete(delivery)
    if (this.#retired && this.#held.size === 0) void this.close()
  }
}

/** A message that `basic.get` brought, in the shape of a delivered one. */
const asDelivered = (message: GetMessage): ConsumeMessage => ({
  ...message,
  fields: { ...message.fields, consumerTag: '' },
})

/**
 * RabbitMQ may deliver to a consumer after it has answered the cancelling; amqplib then knows it no longer, throws, and
 * the connection is lost. So each is known for as long as its channel lives.
 */
function receiveAfterCancel(channel: Channel): void {
  // amqplib's own method, which its types leave out.
  const internals = channel as Channel & { unregisterConsumer(tag: string): void }
  internals.unregisterConsumer = () => undefined
}
