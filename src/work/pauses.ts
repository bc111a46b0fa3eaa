/**
 * Queues that somebody has paused: their consumers take nothing new, and nothing of theirs starts until they are resumed.
 * What runs goes on. What is held and has not started is given back once its consumer has stopped, so that it does not come
 * straight back; what would count towards a delivery limit, or be taken for a killer of workers, stays here.
 */
import type { Pause } from '../control/changes.js'
import type { ControlWatch } from '../control/watch.js'
import type { Consumer } from './consumer.js'
import type { Delivery } from './delivery.js'

export interface PausesOptions {
  readonly control: ControlWatch | undefined
  /** Takes what has not started of a queue out of every other list. */
  readonly take: (which: (delivery: Delivery) => boolean) => Delivery[]
  /** Its queue was resumed. */
  readonly onResumed: (delivery: Delivery) => void
}

/** How long a consumer gets to stop before what is held is given back; a frozen node answers never. */
const PAUSE_LIMIT_MS = 5_000

export class Pauses {
  readonly #options: PausesOptions
  readonly #consumers: Consumer[] = []
  readonly #paused = new Map<string, Pause>()
  #held: Delivery[] = []
  #stopListening: (() => void) | undefined

  constructor(options: PausesOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#held.length
  }

  add(consumer: Consumer): void {
    this.#consumers.push(consumer)
  }

  /** Before the consumers start. Resolves once it is known what is paused, or cannot be known now. */
  async begin(): Promise<void> {
    const { control } = this.#options
    if (control === undefined) return
    this.#stopListening = control.onChange(() => this.#look())
    await control.start()
    this.#look()
  }

  /** Why a queue is paused, in a few words; undefined for one that is not. */
  reasonOf(queue: string): string | undefined {
    const pause = this.#paused.get(queue)
    if (pause === undefined) return undefined
    return `paused since ${new Date(pause.at).toISOString()}${pause.reason === undefined ? '' : `: ${pause.reason}`}`
  }

  /** Takes a delivery of a paused queue; false for any other. */
  takes(delivery: Delivery): boolean {
    if (this.#paused.size === 0 || !this.#paused.has(delivery.queue.name)) return false
    this.#held.push(delivery)
    const consumer = this.#consumers.find(({ queue }) => queue === delivery.queue)
    if (consumer?.state === 'paused') this.#giveBack(consumer)
    return true
  }

  /** Drops what is not held any more. */
  prune(): void {
    this.#held = this.#held.filter(({ held }) => held)
  }

  stop(): void {
    this.#stopListening?.()
    for (const delivery of this.#held.splice(0)) delivery.giveBack()
  }

  #look(): void {
    for (const consumer of this.#consumers) {
      const { name } = consumer.queue
      const pause = this.#options.control?.board.pauseOf(name)
      const before = this.#paused.has(name)
      if (pause !== undefined) this.#paused.set(name, pause)
      else this.#paused.delete(name)
      if (pause !== undefined && !before) void this.#pause(consumer)
      else if (pause === undefined && before) this.#resume(consumer)
    }
  }

  async #pause(consumer: Consumer): Promise<void> {
    this.#held.push(...this.#options.take(({ queue }) => queue === consumer.queue))
    await consumer.pause(PAUSE_LIMIT_MS, 'asked')
    // Resumed or lost meanwhile; or it has not answered, and would get back at once what is given back.
    if (this.#paused.has(consumer.queue.name) && consumer.state === 'paused') this.#giveBack(consumer)
  }

  #resume(consumer: Consumer): void {
    void consumer.resume('asked')
    const of = this.#held.filter(({ queue }) => queue === consumer.queue)
    this.#held = this.#held.filter(({ queue }) => queue !== consumer.queue)
    for (const delivery of of) if (delivery.held) this.#options.onResumed(delivery)
  }

  #giveBack({ queue }: Consumer): void {
    this.#held = this.#held.filter((delivery) => {
      if (delivery.queue !== queue || !mayBeRequeued(delivery)) return delivery.held
      delivery.giveBack()
      return false
    })
  }
}

/**
 * Whether requeuing costs nothing: quorum queues count deliveries, so each message is given back at most once; and of a
 * classic queue a redelivered message is taken for one that may kill workers.
 */
export const mayBeRequeued = ({ held, redelivered, queue }: Delivery): boolean =>
  held && !redelivered && queue.type === 'quorum'
