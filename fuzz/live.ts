/** A worker and a producer that live through what strangers send, and the account of how each message ended. */
import { setTimeout as delay } from 'node:timers/promises'
import {
  commandsExchange,
  connect,
  deadLetterQueue,
  defineTask,
  domainOf,
  Reject,
  taskQueue,
  textOf,
  type Warren,
  type Worker,
} from 'warren'
import { z } from 'zod'
import { type FuzzMessage, headerFrame, idOf, QUEUE_KINDS } from './messages.js'
import { RawClient } from './rawClient.js'

export const SERVICE = 'fuzz'
const input = z.object({ does: z.enum(['ok', 'throw', 'reject', 'odd']) })
const retry = { maxAttempts: 2, backoff: 'fixed', initialDelayMs: 20 } as const
export const fuzzed = {
  classic: defineTask({ name: 'fuzz.classic.run', input, queue: { type: 'classic' }, retry }),
  quorum: defineTask({ name: 'fuzz.quorum.run', input, queue: { type: 'quorum' }, retry }),
}
export const neighbour = defineTask({
  name: 'neighbour.fuzz.run',
  input: z.object({ n: z.number() }),
  output: z.number(),
})
export const fuzzTasks = [...QUEUE_KINDS.map((kind) => fuzzed[kind]), neighbour]

const NEIGHBOURS = 5
const END_MS = 20_000
const LOOK_MS = 20
const CALM_MS = 300
/** A run that ended so is not followed by another of the same message. */
const ENDS = ['succeeded', 'alreadyDone', 'cancelled', 'replaced', 'postponed']
/** `app_id`, as every copy keeps it. */
const TRACER = /fz~\d{9}~/
const tracerOf = (index: number): string => `fz~${String(index).padStart(9, '0')}~`

/** How many are published before their confirms are awaited, first and after a refusal. */
const CHUNKS = [500, 30, 1] as const

export interface LiveOptions {
  readonly broker: string
  readonly results: string
  /** How many attempts run at the same time. */
  readonly concurrency?: number
}

interface Traced {
  readonly message: FuzzMessage
  readonly tracer: string
}

interface Sent {
  readonly message: FuzzMessage
  readonly id: string | undefined
}

export class Live {
  readonly #options: LiveOptions
  readonly #warren: Warren
  #worker: Worker | undefined
  #publisher: RawClient
  readonly #collector: RawClient
  /** Of this batch. */
  readonly #problems: string[] = []
  readonly #waiting = new Map<string, Sent>()
  /** How often a run with this id ended for good, and no message was found for it yet. */
  readonly #unclaimed = new Map<string, Map<string, number>>()
  #sent = 0
  #neighbours = 0
  /** How messages ended, by name. */
  readonly endings = new Map<string, number>()

  static async open(options: LiveOptions): Promise<Live> {
    const { broker, results } = options
    const warren = await connect({ broker, results, logger: false })
    const live = new Live(options, warren, await RawClient.open(broker), await RawClient.open(broker))
    await live.#startWorker()
    await live.#collect()
    return live
  }

  private constructor(options: LiveOptions, warren: Warren, publisher: RawClient, collector: RawClient) {
    this.#options = options
    this.#warren = warren
    this.#publisher = publisher
    this.#collector = collector
    warren.on('connectionState', ({ role, state, reason }) => {
      if (state === 'waiting') this.#problems.push(`the ${role} connection was lost: ${reason}`)
    })
    warren.on('storeState', ({ state, reason }) => {
      if (state === 'unavailable') this.#problems.push(`the store's connection was lost: ${reason}`)
    })
  }

  get sent(): number {
    return this.#sent
  }

  /** Sends all of them, and waits until each has ended. Returns what broke, in sentences. */
  async run(batch: readonly FuzzMessage[]): Promise<string[]> {
    this.#problems.length = 0
    await this.#publish(batch)
    await Promise.all([this.#neighboursRun(), this.#allEnded()])
    for (const [tracer, { id }] of this.#waiting) {
      this.#problems.push(`message ${tracer} (id ${JSON.stringify(id)}) has not ended within ${END_MS / 1000} s`)
    }
    if (this.#collector.closed !== undefined)
      this.#problems.push(`the fuzzer's own consumer was closed: ${this.#collector.closed}`)
    this.#waiting.clear()
    this.#unclaimed.clear()
    const problems = [...this.#problems]
    // What is stuck must not be blamed on the next batch.
    if (problems.length > 0) await this.#restartWorker()
    this.#problems.length = 0
    return problems
  }

  async close(): Promise<void> {
    await this.#worker?.stop({ gracePeriodMs: 0 })
    await Promise.all([this.#warren.close(), this.#publisher.close(), this.#collector.close()])
  }

  async #startWorker(): Promise<void> {
    const worker = this.#warren.worker({ service: SERVICE, concurrency: this.#options.concurrency ?? 50 })
    for (const kind of QUEUE_KINDS) {
      worker.handle(fuzzed[kind], ({ does }) => {
        if (does === 'throw') throw new Error('told to fail')
        if (does === 'reject') throw new Reject('told to be rejected')
        // Not what JSON can carry.
        if (does === 'odd') return { n: 1n } as unknown as undefined
        return undefined
      })
    }
    worker.handle(neighbour, ({ n }) => n)
    await worker.start()
    // What an earlier worker left may be run alone, while the queues are paused: that is over then.
    const from = Date.now()
    for (let calmSince = from; Date.now() - calmSince < CALM_MS; await delay(LOOK_MS)) {
      if (worker.health().queues.some(({ state }) => state !== 'consuming')) calmSince = Date.now()
      if (Date.now() - from > END_MS) throw new Error(`the worker does not consume: ${JSON.stringify(worker.health())}`)
    }
    worker.on('consumerState', ({ queue, state, reason }) => {
      if (worker === this.#worker && !['draining', 'stopped'].includes(state)) {
        this.#problems.push(`the consumer of ${queue} is ${state}: ${reason ?? 'no reason given'}`)
      }
    })
    worker.on('attemptSettled', ({ id, outcome, settled }) => {
      if (settled === 'acknowledged' && ENDS.includes(outcome)) this.#endedAs(id, outcome)
    })
    this.#worker = worker
  }

  async #restartWorker(): Promise<void> {
    const worker = this.#worker
    this.#worker = undefined
    await worker?.stop({ gracePeriodMs: 0 })
    await this.#startWorker()
  }

  /** Dead letters, as they come. */
  async #collect(): Promise<void> {
    await this.#collector.consume(deadLetterQueue(domainOf(fuzzed.quorum.name)), (header) => {
      const bytes = header.toString('latin1')
      const tracer = TRACER.exec(bytes.slice(-400))?.[0] ?? TRACER.exec(bytes)?.[0]
      if (tracer !== undefined && this.#waiting.delete(tracer)) this.#count(`dead letter: ${reasonIn(bytes)}`)
    })
  }

  #endedAs(id: string, outcome: string): void {
    const tracer = TRACER.test(id) && this.#waiting.has(id) ? id : undefined
    if (tracer !== undefined) {
      this.#waiting.delete(tracer)
      this.#count(outcome)
      return
    }
    const outcomes = this.#unclaimed.get(id) ?? new Map<string, number>()
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
    this.#unclaimed.set(id, outcomes)
  }

  /** Messages whose ids are not their own: any end under the id is theirs. */
  #claim(): void {
    for (const [tracer, { id }] of this.#waiting) {
      const outcomes = id === undefined ? undefined : this.#unclaimed.get(id)
      for (const [outcome, count] of outcomes ?? []) {
        if (count === 0) continue
        outcomes?.set(outcome, count - 1)
        this.#waiting.delete(tracer)
        this.#count(outcome)
        break
      }
    }
  }

  #count(ending: string): void {
    this.endings.set(ending, (this.endings.get(ending) ?? 0) + 1)
  }

  async #allEnded(): Promise<void> {
    const from = Date.now()
    for (;;) {
      this.#claim()
      // What was lost says enough: waiting out the rest would only make shrinking long.
      if (this.#waiting.size === 0 || this.#problems.length > 0 || Date.now() - from > END_MS) return
      await delay(LOOK_MS)
    }
  }

  async #neighboursRun(): Promise<void> {
    const one = async (): Promise<void> => {
      const n = ++this.#neighbours
      const handle = await this.#warren.send(neighbour, { n })
      const result = await handle.result({ timeoutMs: END_MS })
      if (result !== n) throw new Error(`its result is ${result} instead of ${n}`)
    }
    const all = await Promise.allSettled(Array.from({ length: NEIGHBOURS }, one))
    for (const each of all) {
      if (each.status === 'rejected') this.#problems.push(`a neighbour was harmed: ${textOf(each.reason)}`)
    }
  }

  async #publish(batch: readonly FuzzMessage[]): Promise<void> {
    const tracers = batch.map((message) => {
      const tracer = tracerOf(this.#sent++)
      this.#waiting.set(tracer, { message, id: idOf(message, tracer) })
      return tracer
    })
    const left = batch.map((message, index) => ({ message, tracer: tracers[index] ?? '' }))
    await this.#publishTogether(left, CHUNKS)
  }

  /** What is refused takes the channel with it, and what comes behind: in ever smaller parts, until each alone says it. */
  async #publishTogether(all: readonly Traced[], [size = 1, ...smaller]: readonly number[]): Promise<void> {
    for (let at = 0; at < all.length; at += size) {
      if (this.#publisher.closed !== undefined) this.#publisher = await RawClient.open(this.#options.broker)
      const some = all.slice(at, at + size)
      const confirms = await Promise.all(some.map((each) => this.#publishOne(each)))
      // One may be sent twice by this: it was taken, and its confirm was not.
      const left = some.filter((_, index) => !confirms[index])
      if (size > 1) {
        if (left.length > 0) await this.#publishTogether(left, smaller)
        continue
      }
      for (const { tracer } of left) {
        if (this.#waiting.delete(tracer)) this.#count(`refused by RabbitMQ: ${this.#publisher.closed ?? 'nack'}`)
      }
    }
  }

  #publishOne({ message, tracer }: Traced): Promise<boolean> {
    const { name } = fuzzed[message.queue]
    const [exchange, key] =
      message.route === 'exchange' ? [commandsExchange(domainOf(name)), name] : ['', taskQueue(name, SERVICE)]
    return this.#publisher.publish(exchange, key, headerFrame(message, tracer, name), Buffer.from(message.body))
  }
}

/** Warren's reason, or the broker's, without reading the table. */
function reasonIn(header: string): string {
  for (const name of ['x-warren-reasonS', 'reasonS']) {
    const at = header.lastIndexOf(name) + name.length
    if (at < name.length) continue
    const length = header.charCodeAt(at + 3)
    return header.slice(at + 4, at + 4 + length)
  }
  return 'unknown'
}
