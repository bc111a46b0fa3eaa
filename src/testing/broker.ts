/**
 * The broker of an in-memory Warren: the exchanges and queues that Warren uses, by their real names. Delayed messages wait for
 * the test's clock. Nothing is replicated, nothing expires in a queue, and nothing is ever lost.
 */
import { EventEmitter } from 'node:events'
import type { ChannelModel, ConsumeMessage } from 'amqplib'
import type { Connection } from '../amqp/connection.js'
import { UnroutableError } from '../errors/index.js'
import type { Publication } from '../send/outgoing.js'
import type { Producer } from '../send/producer.js'
import { firstLevel, MAX_DELAY_SECONDS } from '../time/delayLevels.js'
import { type DelayRoute, DelayRoutes } from '../time/delayRoutes.js'
import { beyondDelays, delayHeaders, isDelayName, type Route } from '../wire/delayedKey.js'
import { DELAY_DUE, DELAY_UNROUTABLE, deadLetterQueue, delayLevel, domainOf } from '../wire/names.js'
import type { TestClock } from './clock.js'

/** A message in a queue. */
export interface Queued {
  readonly message: ConsumeMessage
}

interface Queue {
  readonly messages: Queued[]
  /** Called when there may be something to take. */
  readonly consumers: Set<() => void>
}

/** How long a message waits, in milliseconds, because the delay levels only have whole seconds. */
const DELAY_MS = 'memory-delay-ms'

export class MemoryBroker {
  readonly #clock: TestClock
  readonly #queues = new Map<string, Queue>()
  /** Exchange and routing key, then queues. */
  readonly #bindings = new Map<string, Set<string>>()
  /** How many messages are delayed. */
  #waiting = 0
  #tags = 0

  constructor(clock: TestClock) {
    this.#clock = clock
    this.declare(DELAY_UNROUTABLE)
  }

  get waiting(): number {
    return this.#waiting
  }

  declare(queue: string): Queue {
    const known = this.#queues.get(queue) ?? { messages: [], consumers: new Set<() => void>() }
    this.#queues.set(queue, known)
    return known
  }

  bind(queue: string, { exchange, routingKey }: Route): void {
    this.declare(queue)
    const place = placeOf(exchange, routingKey)
    this.#bindings.set(place, (this.#bindings.get(place) ?? new Set()).add(queue))
  }

  has(queue: string): boolean {
    return this.#queues.has(queue)
  }

  isBound({ exchange, routingKey }: Route): boolean {
    return this.#bindings.has(placeOf(exchange, routingKey))
  }

  /** The messages of a queue, oldest first: a view from which messages may be removed. */
  messages(queue: string): Queued[] {
    return this.declare(queue).messages
  }

  /** Calls `take` whenever the queue may have messages. Returns a function that ends that. */
  consume(queue: string, take: () => void): () => void {
    const { consumers } = this.declare(queue)
    consumers.add(take)
    return () => void consumers.delete(take)
  }

  /** Throws `UnroutableError`. */
  publish(publication: Publication): void {
    const { exchange, routingKey, message } = publication
    const delayMs = Number(message.properties.headers[DELAY_MS])
    if (isDelayName(exchange) && Number.isFinite(delayMs)) {
      this.#waiting++
      this.#clock.at(this.#clock.now() + Math.max(0, Math.floor(delayMs)), () => {
        this.#waiting--
        this.#due(publication)
      })
      return
    }
    const queues = this.#route({ exchange, routingKey })
    if (queues.length === 0) {
      throw new UnroutableError(exchange, routingKey, 'no queue is bound for it: start its service once')
    }
    for (const queue of queues) this.#enqueue(queue, publication, { exchange, routingKey })
  }

  /** Puts a delivery back at the head of its queue. */
  requeue(queue: string, message: ConsumeMessage): void {
    const { messages, consumers } = this.declare(queue)
    messages.unshift({ message: { ...message, fields: { ...message.fields, redelivered: true } } })
    for (const take of [...consumers]) queueMicrotask(take)
  }

  #due(publication: Publication): void {
    const target = beyondDelays(publication.routingKey)
    const queues = target === undefined ? [] : this.#route(target)
    const from = { exchange: DELAY_DUE, routingKey: publication.routingKey }
    for (const queue of queues.length === 0 ? [DELAY_UNROUTABLE] : queues) this.#enqueue(queue, publication, from)
  }

  #route({ exchange, routingKey }: Route): readonly string[] {
    if (exchange === '') return this.#queues.has(routingKey) ? [routingKey] : []
    // The operator predefines dead-letter exchanges, which take everything of their domain.
    if (exchange.endsWith('.dlx')) return [deadLetterQueue(domainOf(exchange))]
    return [...(this.#bindings.get(placeOf(exchange, routingKey)) ?? [])]
  }

  #enqueue(queue: string, { message }: Publication, { exchange, routingKey }: Route): void {
    const { messages, consumers } = this.declare(queue)
    // As AMQP carries them: undefined values are absent.
    const properties = JSON.parse(JSON.stringify(message.properties)) as ConsumeMessage['properties']
    delete properties.headers?.[DELAY_MS]
    messages.push({
      message: {
        content: Buffer.from(message.content),
        fields: { consumerTag: 'memory', deliveryTag: ++this.#tags, redelivered: false, exchange, routingKey },
        properties,
      },
    })
    for (const take of [...consumers]) queueMicrotask(take)
  }
}

const placeOf = (exchange: string, routingKey: string): string => `${exchange} ${routingKey}`

/** The producer of an in-memory Warren: a publish is confirmed once it is in its queues. */
export function memoryProducer(broker: MemoryBroker, published?: (publication: Publication) => void): Producer {
  const producer: Pick<Producer, 'publish' | 'full'> = {
    full: false,
    publish: async (publication) => {
      broker.publish(publication)
      published?.(publication)
    },
  }
  return producer as Producer
}

/** The route through the delay levels, with the delay in milliseconds. */
export class MemoryRoutes extends DelayRoutes {
  readonly #broker: MemoryBroker

  constructor(broker: MemoryBroker, connection: Connection) {
    super(connection)
    this.#broker = broker
  }

  override async through(delayMs: number, key: string): Promise<DelayRoute> {
    const seconds = Math.max(1, Math.min(Math.floor(delayMs / 1_000), MAX_DELAY_SECONDS))
    const level = firstLevel(seconds)
    const headers = { ...delayHeaders(seconds, level), [DELAY_MS]: String(delayMs) }
    return { exchange: delayLevel(level), routingKey: key, headers }
  }

  override async isTaken(task: string): Promise<boolean> {
    return this.#broker.isBound({ exchange: `${domainOf(task)}.commands`, routingKey: task })
  }

  override forget(): void {}
}

/** A channel that declares in the in-memory broker. */
class MemoryChannel extends EventEmitter {
  readonly #broker: MemoryBroker

  constructor(broker: MemoryBroker) {
    super()
    this.#broker = broker
  }

  async assertQueue(queue: string): Promise<object> {
    this.#broker.declare(queue)
    return { queue, messageCount: 0, consumerCount: 0 }
  }

  async checkQueue(queue: string): Promise<object> {
    if (!this.#broker.has(queue)) throw Object.assign(new Error(`no queue '${queue}'`), { code: 404 })
    return { queue, messageCount: this.#broker.messages(queue).length, consumerCount: 0 }
  }

  // All exchanges exist, and what Warren binds through them is known by name.
  async assertExchange(): Promise<void> {}
  async checkExchange(): Promise<void> {}
  async bindQueue(): Promise<void> {}
  async bindExchange(): Promise<void> {}
  async close(): Promise<void> {}
}

/** A connection that is always open. */
export function memoryConnection(broker: MemoryBroker): Connection {
  const model = Object.assign(new EventEmitter(), { createChannel: async () => new MemoryChannel(broker) })
  const connection: Pick<Connection, 'model' | 'state' | 'broker'> = {
    model: model as unknown as ChannelModel,
    state: 'open',
    broker: undefined,
  }
  return connection as Connection
}
