/**
 * Tasks that were sent under a unique key. One that was replaced is not run. The others keep their key while they are
 * run and until their next attempt, and release it at their start or their end, as their sender wanted. Where the store
 * cannot be asked the task is run all the same, and its key is freed by whoever finds it ended.
 */
import type { Begun, UniqueKeys } from '../control/uniqueKeys.js'
import type { Results } from '../results/store.js'
import type { Outcome } from '../task/outcome.js'
import type { Clock } from '../time/clock.js'
import { pause } from '../timers.js'
import type { Envelope } from '../wire/envelope.js'
import { type UniqueMark, uniqueMarkOf } from '../wire/uniqueMark.js'
import type { Gate, GatedAttempt, Passing } from './gate.js'
import type { Settled } from './settled.js'

/** How often it is tried again to free a key that is to be free from the start on. */
const AGAIN_MS = 1_000

export class UniqueGates {
  readonly #keys: UniqueKeys
  readonly #results: Results
  readonly #clock: Clock
  /** What ends with an attempt that is run. */
  readonly #running = new WeakMap<GatedAttempt, AbortController>()

  constructor(keys: UniqueKeys, results: Results, clock: Clock) {
    this.#keys = keys
    this.#results = results
    this.#clock = clock
  }

  /** Before all other gates: every end is reported to it. */
  readonly first: Gate = {
    enter: () => undefined,
    leave: (attempt, outcome, settled) => {
      this.#running.get(attempt)?.abort()
      const mark = markOf(attempt)
      const { envelope } = attempt.delivery
      if (mark !== undefined && envelope !== undefined) this.#ended(envelope, mark, outcome, settled)
    },
  }

  /** After all other gates: the task begins. */
  readonly last: Gate = {
    enter: (attempt, envelope) => {
      const mark = markOf(attempt)
      return mark === undefined ? undefined : this.#begins(attempt, envelope, mark)
    },
  }

  async #begins(attempt: GatedAttempt, envelope: Envelope, mark: UniqueMark): Promise<Passing> {
    const { task, id, run } = envelope
    const running = new AbortController()
    this.#running.set(attempt, running)
    const begin = (): Promise<Begun | undefined> => this.#keys.begin(task, id, run, mark).catch(() => undefined)
    const begun = this.#results.available ? await begin() : undefined
    if (begun?.kind === 'replaced') return { kind: 'replaced', by: begun.by }
    if (mark.until === 'finished') void this.#keepWhile(running.signal, envelope, mark)
    else if (mark.until === 'started' && begun === undefined) void this.#beginLater(running.signal, begin)
    return undefined
  }

  async #keepWhile(signal: AbortSignal, { task, id }: Envelope, mark: UniqueMark): Promise<void> {
    while (await pause(mark.ttlMs / 3, signal)) await this.#keys.keep(task, id, mark, 0).catch(() => undefined)
  }

  /** Whoever sends while the task is run expects that a new one is. */
  async #beginLater(signal: AbortSignal, begin: () => Promise<Begun | undefined>): Promise<void> {
    while (await pause(AGAIN_MS, signal)) if ((await begin()) !== undefined) return
  }

  #ended({ task, id, run }: Envelope, mark: UniqueMark, outcome: Outcome, settled: Settled): void {
    // It is in its queue again, and keeps its key.
    if (settled !== 'acknowledged') return
    const release = (always: boolean): Promise<void> => this.#keys.release(task, mark.key, { id, run, always })
    const keep = (delayMs: number): Promise<void> => this.#keys.keep(task, id, mark, Math.max(0, delayMs))
    const asking = (): Promise<void> => {
      switch (outcome.kind) {
        case 'retried':
          return mark.until === 'started' ? release(false) : keep(outcome.delayMs)
        case 'postponed':
          return keep(outcome.due - this.#clock.now())
        default:
          return release(outcome.kind === 'cancelled')
      }
    }
    void asking().catch(() => undefined)
  }
}

const markOf = ({ delivery }: GatedAttempt): UniqueMark | undefined => uniqueMarkOf(delivery.message.properties.headers)
