/** A channel of the fake broker, as amqplib would show it. */
import { EventEmitter } from 'node:events'
import type { ConsumeMessage } from 'amqplib'
import { ChannelClosed, type Script } from './script.js'

/** What a channel can be asked and the script can answer. `publish` answers with one of {@link PublishAnswer}. */
export type ChannelMethod =
  | 'assertExchange'
  | 'assertQueue'
  | 'bindQueue'
  | 'bindExchange'
  | 'unbindQueue'
  | 'checkExchange'
  | 'checkQueue'
  | 'deleteQueue'
  | 'purgeQueue'
  | 'prefetch'
  | 'consume'
  | 'cancel'
  | 'get'
  | 'publish'
  | 'ack'
  | 'nack'
  | 'reject'
  | 'close'

/** `return`: the message comes back as unroutable, and is confirmed then, as RabbitMQ does. */
type PublishAnswer = 'confirm' | 'nack' | 'return' | 'nothing'

export interface Publication {
  readonly channel: FakeChannel
  readonly exchange: string
  readonly routingKey: string
  readonly content: Buffer
  readonly properties: Record<string, unknown> & { readonly headers?: Record<string, unknown> }
}

/** What came of a message that was delivered. */
export type Settlement = 'acked' | 'requeued' | 'discarded'

/** What a channel needs of its broker. */
export interface Surroundings {
  readonly script: Script<ChannelMethod>
  readonly publications: Publication[]
  /** Whether `publish` returns true: amqplib's buffer has room. */
  readonly writable: boolean
}

type Receive = (message: ConsumeMessage | null) => void

let tags = 0

export class FakeChannel extends EventEmitter {
  readonly confirms: boolean
  readonly #around: Surroundings
  /** Every consumer that there was, by tag; cancelled ones still hear what was under way. */
  readonly #consumers = new Map<string, { queue: string; prefetch: number; live: boolean; receive: Receive }>()
  readonly #settled = new Map<number, Settlement>()
  readonly #pending = new Set<(error: Error) => void>()
  #prefetch = 0
  #deliveryTag = 0
  #publishTag = 0
  #state: 'open' | 'closing' | 'closed' = 'open'
  /** amqplib asks one thing after the other: what is not answered holds up what comes next. */
  #turn: Promise<unknown> = Promise.resolve()

  constructor(around: Surroundings, confirms: boolean) {
    super()
    this.#around = around
    this.confirms = confirms
  }

  get open(): boolean {
    return this.#state === 'open'
  }

  assertExchange = (exchange: string, ...rest: unknown[]) =>
    this.#ask('assertExchange', [exchange, ...rest], () => ({ exchange }))
  assertQueue = (queue: string, ...rest: unknown[]) =>
    this.#ask('assertQueue', [queue, ...rest], () => ({ queue, messageCount: 0, consumerCount: 0 }))
  bindQueue = (...args: unknown[]) => this.#ask('bindQueue', args, () => ({}))
  bindExchange = (...args: unknown[]) => this.#ask('bindExchange', args, () => ({}))
  unbindQueue = (...args: unknown[]) => this.#ask('unbindQueue', args, () => ({}))
  checkExchange = (...args: unknown[]) => this.#ask('checkExchange', args, () => ({}))
  /** By default it counts its own consumers, and no messages. */
  checkQueue = (queue: string) =>
    this.#ask('checkQueue', [queue], () => ({ queue, messageCount: 0, consumerCount: this.consumers(queue).length }))
  deleteQueue = (...args: unknown[]) => this.#ask('deleteQueue', args, () => ({ messageCount: 0 }))
  purgeQueue = (...args: unknown[]) => this.#ask('purgeQueue', args, () => ({ messageCount: 0 }))
  /** By default the queue is empty. */
  get = (...args: unknown[]) => this.#ask('get', args, () => false)

  async prefetch(count: number, ...rest: unknown[]): Promise<unknown> {
    const ok = await this.#ask('prefetch', [count, ...rest], () => ({}))
    this.#prefetch = count
    return ok
  }

  async consume(queue: string, receive: Receive, options: { consumerTag?: string } = {}): Promise<unknown> {
    await this.#ask('consume', [queue, receive, options], () => undefined)
    const consumerTag = options.consumerTag ?? `tag-${++tags}`
    this.#consumers.set(consumerTag, { queue, prefetch: this.#prefetch, live: true, receive })
    return { consumerTag }
  }

  async cancel(consumerTag: string): Promise<unknown> {
    const ok = await this.#ask('cancel', [consumerTag], () => ({ consumerTag }))
    const consumer = this.#consumers.get(consumerTag)
    if (consumer !== undefined) consumer.live = false
    return ok
  }

  /** amqplib's own; here cancelled consumers are known for good. */
  unregisterConsumer = (): void => undefined

  ack = (message: ConsumeMessage, allUpTo = false): void => this.#settle('ack', message, allUpTo, 'acked')
  nack = (message: ConsumeMessage, allUpTo = false, requeue = true): void =>
    this.#settle('nack', message, allUpTo, requeue ? 'requeued' : 'discarded')
  reject = (message: ConsumeMessage, requeue = true): void =>
    this.#settle('reject', message, false, requeue ? 'requeued' : 'discarded')

  publish(
    exchange: string,
    routingKey: string,
    content: Buffer,
    properties: Publication['properties'] = {},
    done?: (error: Error | null) => void,
  ): boolean {
    this.#throwIfClosed()
    const publication: Publication = { channel: this, exchange, routingKey, content, properties }
    const deliveryTag = ++this.#publishTag
    this.#around.publications.push(publication)
    const { script } = this.#around
    void (async () => {
      try {
        const answer = (await script.next('publish', [publication], () => 'confirm')) as PublishAnswer
        if (this.#state === 'closed' || answer === 'nothing') return
        if (answer === 'return') {
          const fields = { exchange, routingKey, replyCode: 312, replyText: 'NO_ROUTE' }
          this.emit('return', { fields, properties, content })
        }
        if (!this.confirms) return
        this.emit(answer === 'nack' ? 'nack' : 'ack', { deliveryTag, multiple: false })
        done?.(answer === 'nack' ? new Error('message nacked') : null)
      } catch (error) {
        // A publish has no answer of its own: all that a refusal does is close the channel, later.
        if (!(error instanceof ChannelClosed)) throw error
        await undefined
        this.closeByBroker(error.code, error.message)
      }
    })()
    return this.#around.writable
  }

  sendToQueue(queue: string, content: Buffer, properties?: Publication['properties']): boolean {
    return this.publish('', queue, content, properties)
  }

  /** Like amqplib's, it never settles when the script says `never`, not even when the connection dies. */
  async close(): Promise<void> {
    this.#throwIfClosed()
    this.#state = 'closing'
    await this.#around.script.next('close', [], () => undefined)
    this.end()
  }

  /** The broker closes the channel, as it does for 404, 406 and a consumer timeout. */
  closeByBroker(code: number, text: string): void {
    if (this.#state !== 'open') return
    const error = Object.assign(new Error(`Channel closed by server: ${code} with message "${text}"`), { code })
    for (const reject of [...this.#pending]) reject(error)
    this.emit('error', error)
    this.end()
  }

  /** It is gone: what waits for an answer is rejected, and `close` is told. */
  end(): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    for (const reject of [...this.#pending]) reject(new Error('Channel ended, no reply will be forthcoming'))
    this.emit('close')
  }

  /** Tags of those that consume `queue`. */
  consumers(queue: string): string[] {
    return [...this.#consumers].filter(([, each]) => each.live && each.queue === queue).map(([tag]) => tag)
  }

  /** The prefetch that a consumer began with. */
  prefetchOf(consumerTag: string): number | undefined {
    return this.#consumers.get(consumerTag)?.prefetch
  }

  /** Delivers to a consumer of this channel, a cancelled one too. */
  deliver(consumerTag: string, message: Omit<ConsumeMessage, 'fields'> & { fields: object }): ConsumeMessage {
    const deliveryTag = ++this.#deliveryTag
    const delivered = { ...message, fields: { ...message.fields, consumerTag, deliveryTag } } as ConsumeMessage
    this.#consumers.get(consumerTag)?.receive(delivered)
    return delivered
  }

  /** The broker's `basic.cancel`: the queue was deleted, or its node went down. */
  cancelByBroker(consumerTag: string): void {
    const consumer = this.#consumers.get(consumerTag)
    if (consumer === undefined) return
    consumer.live = false
    consumer.receive(null)
  }

  settlementOf({ fields }: ConsumeMessage): Settlement | undefined {
    return this.#settled.get(fields.deliveryTag) ?? (this.#state === 'closed' ? 'requeued' : undefined)
  }

  #settle(method: 'ack' | 'nack' | 'reject', { fields }: ConsumeMessage, upTo: boolean, how: Settlement): void {
    this.#throwIfClosed()
    this.#around.script.next(method, [fields.deliveryTag, upTo], () => undefined)
    for (let tag = upTo ? 1 : fields.deliveryTag; tag <= fields.deliveryTag; tag++) {
      if (!this.#settled.has(tag)) this.#settled.set(tag, how)
    }
  }

  #throwIfClosed(): void {
    if (this.#state !== 'open') throw new Error(`Channel ${this.#state}`)
  }

  async #ask(method: ChannelMethod, args: readonly unknown[], usual: () => unknown): Promise<unknown> {
    this.#throwIfClosed()
    let drop: (error: Error) => void = () => undefined
    const dropped = new Promise<never>((_, reject) => {
      drop = reject
    })
    this.#pending.add(drop)
    try {
      const answered = this.#turn.then(() => this.#around.script.next(method, args, usual))
      this.#turn = answered.catch(() => undefined)
      return await Promise.race([answered.catch((error: unknown) => this.#refuse(error)), dropped])
    } finally {
      this.#pending.delete(drop)
    }
  }

  /** A {@link ChannelClosed} closes the channel, which rejects what waits; anything else only rejects the call. */
  #refuse(error: unknown): never {
    if (error instanceof ChannelClosed) {
      this.closeByBroker(error.code, error.message)
      throw Object.assign(new Error(`Operation failed: ${error.code} with message "${error.message}"`), {
        code: error.code,
      })
    }
    throw error
  }
}
