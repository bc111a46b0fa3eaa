/** Keeps the prefetch of a worker's consumers where their estimates want it. At rest it has no timer. */
import type { Attempt } from './attempt.js'
import type { Consumer } from './consumer.js'
import type { Delivery, DeliveryQueue } from './delivery.js'
import { MessageLoad } from './messageLoad.js'
import { initialPrefetch, MeanDuration, PrefetchEstimate } from './prefetch.js'

/** How often the prefetch is looked at while there is work. */
const LOOK_MS = 200
/** And after so many attempts since the last rest, however soon that is: they end the cautious start. */
const EARLY_LOOKS: ReadonlySet<number> = new Set([2, 8, 32, 128])
/** What an attempt is taken for before the first has ended. */
const UNKNOWN_MS = 1_000
/** How many messages of one queue may wait for something else than a place without being counted. */
const MAX_PARKED = 256

interface Intaken {
  readonly consumer: Consumer
  readonly load: MessageLoad
  estimate: PrefetchEstimate
  /** The prefetch without what is parked. */
  base: number
  /** Deliveries that wait for their time, or for the broker or the store. */
  parked: number
  /** The prefetch that stands in for them. */
  extra: number
}

export interface IntakeOptions {
  readonly concurrency: number
  /** The prefetch of each consumer where the user has fixed it. */
  readonly fixed: number | undefined
  /** Attempts that run or are being settled. */
  readonly active: ReadonlySet<Attempt>
  /** How many messages of a queue hold hardly anything any more, while there are places for more. */
  readonly spent: (queue: DeliveryQueue) => number
  /** Called at each look. */
  readonly onLook: () => void
  /** These deliveries came over a subscription that is cancelled now. */
  readonly onCancelled: (which: (delivery: Delivery) => boolean) => void
}

export class Intake {
  readonly #options: IntakeOptions
  readonly #all = new Map<DeliveryQueue, Intaken>()
  readonly #mean = new MeanDuration()
  #timer: NodeJS.Timeout | undefined
  /** Attempts finished since the worker was last at rest. */
  #finished = 0

  constructor(options: IntakeOptions) {
    this.#options = options
  }

  /** The prefetch with which each of `queues` consumers begins. */
  initial(queues: number): number {
    const { concurrency, fixed } = this.#options
    return fixed ?? initialPrefetch(concurrency, queues)
  }

  /** `tasks`: how many a message may carry. */
  add(consumer: Consumer, tasks: number): void {
    const { concurrency } = this.#options
    const load = new MessageLoad(tasks)
    const intaken: Intaken = {
      ...{ consumer, load, estimate: new PrefetchEstimate(concurrency), base: consumer.prefetch, parked: 0, extra: 0 },
    }
    this.#all.set(consumer.queue, intaken)
    consumer.on('pack', ({ contents }) => load.observe(contents.length))
    // Most queues have no packs, and then nothing is counted.
    const count = (): void => load.observe(1)
    if (tasks > 1) consumer.on('delivery', count)
    else consumer.once('pack', () => consumer.on('delivery', count))
    // What was learned before a rest may not be true after it, and a wrong guess keeps work from idle workers.
    consumer.on('renewed', () => {
      intaken.estimate = new PrefetchEstimate(concurrency)
      intaken.base = consumer.prefetch
      this.#finished = 0
    })
  }

  /** The mean duration, or how long the longest attempt has been running: what the next one may take. */
  expectedMs(): number {
    return Math.max(this.#mean.ms ?? UNKNOWN_MS, this.#longestRunningMs(undefined))
  }

  started(): void {
    this.#timer ??= setInterval(() => this.#look(), LOOK_MS)
  }

  finished(queue: DeliveryQueue, durationMs: number): void {
    this.#mean.observe(durationMs)
    this.#all.get(queue)?.estimate.observe(durationMs)
    if (EARLY_LOOKS.has(++this.#finished)) this.#look()
  }

  /** A delivery waits for something else than a place among the handlers: others take its place meanwhile. */
  park(queue: DeliveryQueue): void {
    const intaken = this.#all.get(queue)
    if (intaken === undefined) return
    intaken.parked++
    this.started()
    if (intaken.consumer.outstanding >= intaken.consumer.prefetch) this.#adjust(intaken)
  }

  unpark(queue: DeliveryQueue): void {
    const intaken = this.#all.get(queue)
    if (intaken !== undefined) intaken.parked--
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #look(): void {
    if (this.#options.active.size === 0 && [...this.#all.values()].every(({ parked }) => parked === 0)) {
      this.stop()
      this.#finished = 0
    }
    const busy = [...this.#all.values()].filter(({ consumer }) => consumer.outstanding > 0).length
    for (const intaken of this.#all.values()) {
      const { estimate, consumer, load, base } = intaken
      const { fixed } = this.#options
      const known = [this.#longestRunningMs(consumer.queue), Math.max(1, busy)] as const
      if (load.mean === 1) intaken.base = fixed ?? estimate.next(base, ...known)
      else if (fixed !== undefined) intaken.base = load.messages(base, fixed)
      else intaken.base = load.messagesInTurn(base, estimate.wanted(...known) ?? base * load.mean)
      this.#adjust(intaken)
    }
    this.#options.onLook()
  }

  /** How many tasks a message of this queue carries. */
  tasksPerMessage({ queue }: Consumer): number {
    return this.#all.get(queue)?.load.mean ?? 1
  }

  #adjust(intaken: Intaken): void {
    const { consumer, base, load } = intaken
    const parked = intaken.parked / load.mean + this.#options.spent(consumer.queue)
    // In powers of two: each change is a subscription more.
    const extra = parked === 0 ? 0 : Math.min(MAX_PARKED, 2 ** Math.ceil(Math.log2(parked + 1)))
    // Less room for what is parked is not worth giving messages back.
    if (extra > intaken.extra || consumer.outstanding <= base + extra) intaken.extra = extra
    const wanted = base + intaken.extra
    if (wanted === consumer.prefetch) return
    void consumer.adjust(wanted).then((cancelled) => cancelled && this.#options.onCancelled(cancelled))
  }

  /** Of one queue, or of all. */
  #longestRunningMs(queue: DeliveryQueue | undefined): number {
    let longest = 0
    for (const { delivery, running, durationMs } of this.#options.active) {
      if (running && (queue === undefined || delivery.queue === queue)) longest = Math.max(longest, durationMs)
    }
    return longest
  }
}
