/**
 * What Warren is measured against when a leader is lost: amqplib alone, with the tightest reconnect loop there is. It
 * publishes with confirms to a quorum queue of its own, consumes it, and does nothing else: no tasks, no results.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { type ChannelModel, type ConfirmChannel, connect } from 'amqplib'

const QUEUE = 'drill.bare'
const RETRY_MS = 10
const TICK_MS = 10
const PREFETCH = 100

export class BareClient {
  /** The doomed node first: it has the worst of it. */
  readonly #urls: readonly string[]
  readonly #delivered: number[] = []
  readonly #confirmed: number[] = []
  readonly #unconfirmed = new Map<number, Buffer>()
  #publishing: ConfirmChannel | undefined
  #models = new Set<ChannelModel>()
  #timer: NodeJS.Timeout | undefined
  #next = 0
  #closed = false

  /** Declares the queue with its leader on the node of the first address, and begins. */
  static async open(urls: readonly string[], ratePerSecond: number): Promise<BareClient> {
    const client = new BareClient(urls)
    const model = await connect(urls[0] ?? '')
    const channel = await model.createChannel()
    await channel.deleteQueue(QUEUE)
    await channel.assertQueue(QUEUE, {
      durable: true,
      arguments: { 'x-queue-type': 'quorum', 'x-queue-leader-locator': 'client-local' },
    })
    await model.close()
    await Promise.all([client.#keep((each) => client.#publish(each)), client.#keep((each) => client.#consume(each))])
    client.#start(ratePerSecond)
    return client
  }

  private constructor(urls: readonly string[]) {
    this.#urls = urls
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

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    clearInterval(this.#timer)
    const [model] = this.#models
    const channel = await model?.createChannel().catch(() => undefined)
    await channel?.deleteQueue(QUEUE).catch(() => undefined)
    await Promise.all([...this.#models].map((each) => each.close().catch(() => undefined)))
  }

  #start(ratePerSecond: number): void {
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
      this.#publishing?.sendToQueue(QUEUE, body, { persistent: true }, (error) => {
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
    await channel.consume(QUEUE, (message) => {
      if (message === null) return
      this.#delivered.push(Date.now())
      channel.ack(message)
    })
  }

  /** Connects, and connects again as soon as the connection is lost, each time to the next node. */
  async #keep(use: (model: ChannelModel) => Promise<void>): Promise<void> {
    const dial = async (turn: number): Promise<void> => {
      for (let tries = turn; !this.#closed; tries++) {
        try {
          const model = await connect(this.#urls[tries % this.#urls.length] ?? '', { noDelay: true, timeout: 2_000 })
          model.on('error', () => {})
          model.on('close', () => {
            this.#models.delete(model)
            if (!this.#closed) void dial(tries + 1)
          })
          this.#models.add(model)
          await use(model)
          return
        } catch {
          await delay(RETRY_MS)
        }
      }
    }
    await dial(0)
  }
}
