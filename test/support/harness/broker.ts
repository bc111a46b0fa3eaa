/** The fake broker: its connections, as amqplib and as Warren's `Connection` show them, and what it delivers. */
import { EventEmitter } from 'node:events'
import type { ChannelModel, ConsumeMessage } from 'amqplib'
import { type Broker, brokerOf } from '../../../src/amqp/broker.js'
import type { Connection } from '../../../src/amqp/connection.js'
import { type ChannelMethod, FakeChannel, type Publication, type Settlement } from './channel.js'
import { Script } from './script.js'

export type BrokerMethod = ChannelMethod | 'connect' | 'createChannel' | 'createConfirmChannel' | 'closeConnection'

/** What may be said of a message; the rest is as RabbitMQ would have it. */
export interface MessageParts {
  readonly content?: Buffer
  readonly properties?: Record<string, unknown>
  readonly redelivered?: boolean
  readonly exchange?: string
  readonly routingKey?: string
  /** Which consumer gets it, cancelled or not. Default: the first that consumes the queue. */
  readonly consumerTag?: string
}

export interface FakeDelivery {
  readonly message: ConsumeMessage
  readonly channel: FakeChannel
  /** What came of it, or undefined while a consumer holds it. */
  readonly settlement: Settlement | undefined
}

export class FakeBroker {
  readonly script = new Script<BrokerMethod>()
  /** Everything that was published, oldest first. */
  readonly publications: Publication[] = []
  readonly models: FakeModel[] = []
  /** What connections that are made from now on say of RabbitMQ. */
  version = '4.0.5'
  /** False: `publish` returns false, until `drain`. */
  writable = true

  /** See {@link Script.answer}. */
  answer: Script<BrokerMethod>['answer'] = (method, ...answers) => this.script.answer(method, ...answers)
  /** See {@link Script.asked}. */
  asked: Script<BrokerMethod>['asked'] = (method) => this.script.asked(method)

  /** In place of amqplib's `connect`. */
  connect = async (...args: unknown[]): Promise<ChannelModel> => {
    await this.script.next('connect', args, () => undefined)
    return this.model().asModel()
  }

  /** A connection that is open. */
  model(): FakeModel {
    const model = new FakeModel(this)
    this.models.push(model)
    return model
  }

  /** Warren's side of a connection that is open; see {@link FakeConnection}. */
  connection(): FakeConnection {
    return new FakeConnection(this)
  }

  /** All channels that are open now, oldest first. */
  get channels(): FakeChannel[] {
    return this.models.flatMap(({ channels }) => channels.filter(({ open }) => open))
  }

  /** Delivers to whoever consumes `queue`. Throws when nobody does. */
  deliver(queue: string, parts: MessageParts = {}): FakeDelivery {
    const { content = Buffer.alloc(0), properties = {}, redelivered = false, exchange = '', routingKey = queue } = parts
    for (const channel of this.channels) {
      const consumerTag = parts.consumerTag ?? channel.consumers(queue)[0]
      if (consumerTag === undefined || channel.prefetchOf(consumerTag) === undefined) continue
      const fields = { redelivered, exchange, routingKey }
      const message = channel.deliver(consumerTag, {
        content,
        properties: { headers: {}, ...properties },
        fields,
      } as ConsumeMessage)
      return {
        message,
        channel,
        get settlement() {
          return channel.settlementOf(message)
        },
      }
    }
    throw new Error(`nobody consumes ${queue}`)
  }

  /** `basic.cancel` for every consumer of `queue`. */
  cancelConsumers(queue: string): void {
    for (const channel of this.channels) for (const tag of channel.consumers(queue)) channel.cancelByBroker(tag)
  }

  /** The buffers have room again. */
  drain(): void {
    this.writable = true
    for (const channel of this.channels) channel.emit('drain')
  }
}

/** amqplib's side of one connection. */
export class FakeModel extends EventEmitter {
  readonly #broker: FakeBroker
  readonly channels: FakeChannel[] = []
  /** What amqplib keeps below: Warren asks for the version, and cuts the socket. */
  readonly connection = {
    serverProperties: { product: 'RabbitMQ', version: '4.0.5' },
    stream: undefined,
  }
  #open = true

  constructor(broker: FakeBroker) {
    super()
    this.#broker = broker
    this.connection.serverProperties.version = broker.version
  }

  get open(): boolean {
    return this.#open
  }

  asModel(): ChannelModel {
    return this as unknown as ChannelModel
  }

  createChannel = (): Promise<FakeChannel> => this.#channel('createChannel', false)
  createConfirmChannel = (): Promise<FakeChannel> => this.#channel('createConfirmChannel', true)

  async close(): Promise<void> {
    await this.#broker.script.next('closeConnection', [], () => undefined)
    this.#end()
  }

  /** The connection is gone, with all its channels. */
  lose(reason = 'read ECONNRESET'): void {
    if (!this.#open) return
    const error = new Error(reason)
    this.emit('error', error)
    this.#end(error)
  }

  #end(error?: Error): void {
    if (!this.#open) return
    this.#open = false
    for (const channel of this.channels) channel.end()
    this.emit('close', error)
  }

  async #channel(method: 'createChannel' | 'createConfirmChannel', confirms: boolean): Promise<FakeChannel> {
    if (!this.#open) throw new Error('Connection closed')
    await this.#broker.script.next(method, [], () => undefined)
    if (!this.#open) throw new Error('Channel ended, no reply will be forthcoming')
    const channel = new FakeChannel(this.#broker, confirms)
    this.channels.push(channel)
    return channel
  }
}

/**
 * Stands in for Warren's `Connection` where a test is about what is built on it: it is open when it is made, is lost and
 * comes back when the test says so, and emits what a `Connection` emits.
 */
export class FakeConnection extends EventEmitter {
  readonly #broker: FakeBroker
  #model: FakeModel | undefined
  #epoch = 0
  #closed = false
  blocked = false

  constructor(broker: FakeBroker) {
    super()
    this.setMaxListeners(0)
    this.#broker = broker
    this.reopen()
  }

  get model(): ChannelModel | undefined {
    return this.#model?.asModel()
  }

  get epoch(): number {
    return this.#epoch
  }

  get state(): 'open' | 'waiting' | 'closed' {
    return this.#closed ? 'closed' : this.#model === undefined ? 'waiting' : 'open'
  }

  get broker(): Broker | undefined {
    return this.#model === undefined ? undefined : brokerOf(this.#model.asModel())
  }

  asConnection(): Connection {
    return this as unknown as Connection
  }

  /** Tells those who were made after it that it is open: they expect an `open` of a connection that begins. */
  announce(): void {
    this.emit('open', { model: this.model, epoch: this.#epoch })
  }

  open = async (): Promise<void> => undefined

  /** A new connection, as after a reconnect. */
  reopen(): void {
    this.#model = this.#broker.model()
    // What a real one does with `error` is no matter here; unheard, it would be thrown.
    this.#model.on('error', () => undefined)
    this.#epoch++
    this.announce()
  }

  lose(reason = 'read ECONNRESET'): void {
    const model = this.#model
    this.#model = undefined
    model?.lose(reason)
    this.emit('lost', { epoch: this.#epoch, reason })
  }

  block(reason = 'low on memory'): void {
    this.blocked = true
    this.emit('blocked', { role: 'publish', reason })
  }

  unblock(): void {
    this.blocked = false
    this.emit('unblocked', { role: 'publish', blockedMs: 0 })
  }

  async close(): Promise<void> {
    this.#closed = true
    const model = this.#model
    this.#model = undefined
    await model?.close()
  }
}
