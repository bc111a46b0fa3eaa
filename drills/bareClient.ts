/**
 * What Warren is measured against when a leader is lost: amqplib alone, with the tightest reconnect loop there is. It
 * publishes with confirms to a quorum queue of its own, consumes it, and does nothing else: no tasks, no results.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { type ChannelModel, type ConfirmChannel, connect } from 'amqplib'

const RETRY_MS = 10
const TICK_MS = 10
const PREFETCH = 100

export interface BareClientOptions {
  /** A queue of its own. */
  readonly queue: string
  /** The node that is to lead the queue. */
  readonly leaderUrl: string
  /** Where it connects, in this order, over and over. */
  readonly urls: readonly string[]
  readonly ratePerSecond: number
}

export class BareClient {
  readonly #options: BareClientOptions
  readonly #delivered: number[] = []
  readonly #confirmed: number[] = []
  readonly #unconfirmed = new Map<number, Buffer>()
  readonly #models = new Set<ChannelModel>()
  #publishing: ConfirmChannel | undefined
  #timer: NodeJS.Timeout | undefined
  #next = 0
  #stopped = false

  /** Declares the queue, connects and begins. */
  static async open(options: BareClientOptions): Promise<BareClient> {
    const client = new BareClient(options)
    await client.#once(options.leaderUrl, async (model) => {
      const channel = await model.createChannel()
      await channel.deleteQueue(options.queue)
      await channel.assertQueue(options.queue, {
        durable: true,
        arguments: { 'x-queue-type': 'quorum', 'x-queue-leader-locator': 'client-local' },
      })
      await model.close()
    })
    await Promise.all([client.#keep((each) => client.#publish(each)), client.#keep((each) => client.#consume(each))])
    client.#start()
    return client
  }

  private constructor(options: BareClientOptions) {
    this.#options = options
  }

  /** The longest time without a delivery (and without a confirm) in [from, to], in milliseconds. */
  longestPauses(from: number, to: number): { delivered: number; confirmed: number } {
    const longest = (instants: readonly number[]) => {
      let last = from
      let pause = 0
      for (const at of [...instants.filter((each) => each > from && each < to), to]) {
        pause = Math.max(pause, at - last)
        last = at
      }
      return pause
    }
    return { delivered: longest(this.#delivered), confirmed: longest(this.#confirmed) }
  }

  /** Sends and takes no more. */
  stop(): void {
    this.#stopped = true
    clearInterval(this.#timer)
    for (const model of this.#models) model.close().catch(() => undefined)
  }

  /** Stops, and deletes the queue: quick once all nodes are there. */
  async close(): Promise<void> {
    this.stop()
    await this.#once(this.#options.leaderUrl, async (model) => {
      await (await model.createChannel()).deleteQueue(this.#options.queue)
      await model.close()
    }).catch(() => undefined)
  }

  #start(): void {
    const { ratePerSecond } = this.#options
    const startedAt = performance.now()
    let sent = 0
    this.#timer = setInterval(() => {
      const due = Math.floor(((performance.now() - startedAt) * ratePerSecond) / 1000)
      for (; sent < due; sent++) {
        const sequence = this.#next++
        this.#unconfirmed.set(sequence, Buffer.from(String(sequence).padEnd(200)))
        this.#write(sequence)
      }
    }, TICK_MS)
  }

  #write(sequence: number): void {
    const body = this.#unconfirmed.get(sequence)
    if (body === undefined) return
    try {
      this.#publishing?.sendToQueue(this.#options.queue, body, { persistent: true }, (error) => {
        if (error !== null) return
        if (this.#unconfirmed.delete(sequence)) this.#confirmed.push(Date.now())
      })
    } catch {
      // The channel is gone: it is written again on the next one.
    }
  }

  async #publish(model: ChannelModel): Promise<void> {
    const channel = await model.createConfirmChannel()
    channel.on('error', () => {})
    this.#publishing = channel
    for (const sequence of [...this.#unconfirmed.keys()]) this.#write(sequence)
  }

  async #consume(model: ChannelModel): Promise<void> {
    const channel = await model.createChannel()
    channel.on('error', () => {})
    await channel.prefetch(PREFETCH)
    await channel.consume(this.#options.queue, (message) => {
      if (message === null) return
      this.#delivered.push(Date.now())
      channel.ack(message)
    })
  }

  /** Connects, and connects again as soon as the connection is lost, each time to the next node. Resolves once in use. */
  #keep(use: (model: ChannelModel) => Promise<void>): Promise<void> {
    return new Promise((inUse) => {
      const loop = async (): Promise<void> => {
        for (let tries = 0; !this.#stopped; tries++) {
          const { urls } = this.#options
          const url = urls[tries % urls.length] ?? ''
          await this.#once(url, async (model) => {
            await use(model)
            inUse()
          }).catch(() => delay(RETRY_MS))
        }
      }
      void loop()
    })
  }

  /** One connection, until it is lost. */
  async #once(url: string, use: (model: ChannelModel) => Promise<void>): Promise<void> {
    const model = await connect(url, { noDelay: true, timeout: 2_000 })
    model.on('error', () => {})
    const lost = new Promise<void>((resolve) => model.once('close', () => resolve()))
    this.#models.add(model)
    try {
      await use(model)
      await lost
    } catch (error) {
      // Not waited for: a connection that the broker has closed already never answers.
      model.close().catch(() => undefined)
      throw error
    } finally {
      this.#models.delete(model)
    }
  }
}
