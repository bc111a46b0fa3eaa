/** The steady work of a soak. It keeps nothing of a task that has ended, so that its own memory can be watched, too. */
import { setTimeout as delay } from 'node:timers/promises'
import { type Handle, type SendOptions, textOf, type Warren } from 'warren'
import type { LedgerLine } from '../../demo/ledger.js'
import { Random } from '../storm/random.js'
import { stormTasks } from '../storm/tasks.js'
import { QUEUE_KEYS } from '../timeline.js'
import { median } from './series.js'

type Kind = 'plain' | 'delayed' | 'retried' | 'cancelled'

/** How many of a hundred are of which kind; the rest is plain. */
const SHARES: readonly (readonly [Kind, number])[] = [
  ['delayed', 20],
  ['retried', 10],
  ['cancelled', 5],
]
const TICK_MS = 20
const MAX_DELAY_MS = 10_000
const MAX_TASK_MS = 40
const MAX_CANCEL_MS = 100
const MAX_PROBLEMS = 5

export class SoakWork {
  readonly #warren: Warren
  readonly #ratePerSecond: number
  readonly #random = new Random(1)
  #timer: NodeJS.Timeout | undefined
  /** When delayed tasks are due, until they begin. */
  readonly #due = new Map<string, number>()
  #lateness: number[] = []
  #durations: number[] = []
  sent = 0
  ended = 0
  failed = 0
  /** The first few failures, in words. */
  readonly problems: string[] = []

  constructor(warren: Warren, ratePerSecond: number) {
    this.#warren = warren
    this.#ratePerSecond = ratePerSecond
  }

  start(): void {
    const startedAt = performance.now()
    const from = this.sent
    this.#timer = setInterval(() => {
      const due = ((performance.now() - startedAt) * this.#ratePerSecond) / 1_000
      while (this.sent - from < due) void this.#one()
    }, TICK_MS)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  get pending(): number {
    return this.sent - this.ended
  }

  /** A line of the workers' ledgers. */
  worker({ event, id, at }: LedgerLine): void {
    const due = this.#due.get(id)
    if (due === undefined || event !== 'started') return
    this.#due.delete(id)
    this.#lateness.push(at - due)
  }

  /** Medians of what began and ended since it was last asked. */
  take(): { readonly latenessMs: number | undefined; readonly resultMs: number | undefined } {
    const taken = { latenessMs: median(this.#lateness), resultMs: median(this.#durations) }
    this.#lateness = []
    this.#durations = []
    return taken
  }

  async #one(): Promise<void> {
    this.sent++
    const random = this.#random
    const kind = kindAt(random.next() * 100)
    const task = stormTasks[random.pick(QUEUE_KEYS)]
    const input = {
      does: kind === 'retried' ? ('retry' as const) : ('ok' as const),
      ms: random.between(1, MAX_TASK_MS),
    }
    const at = kind === 'delayed' ? new Date(Date.now() + random.between(500, MAX_DELAY_MS)) : undefined
    const options: SendOptions = at === undefined ? {} : { at }
    const cancelAfterMs = random.between(0, MAX_CANCEL_MS)
    const begun = performance.now()
    try {
      const handle = await this.#warren.send(task, input, options)
      if (at !== undefined) this.#due.set(handle.id, at.getTime())
      if (kind === 'cancelled') await cancelled(handle, cancelAfterMs)
      else await handle.result()
      this.#due.delete(handle.id)
      if (kind === 'plain') this.#durations.push(performance.now() - begun)
    } catch (error) {
      this.failed++
      if (this.problems.length < MAX_PROBLEMS) this.problems.push(`${kind}: ${textOf(error)}`)
    } finally {
      this.ended++
    }
  }
}

/** It ends as the caller of `cancel` is told. Throws when it does not. */
async function cancelled(handle: Handle<unknown>, afterMs: number): Promise<void> {
  await delay(afterMs)
  const { outcome } = await handle.cancel()
  const end = await handle.result().then(
    () => 'finished',
    () => 'cancelled',
  )
  if (end !== outcome) throw new Error(`told ${outcome}, and it was ${end}`)
}

function kindAt(roll: number): Kind {
  let upTo = 0
  for (const [kind, share] of SHARES) {
    upTo += share
    if (roll < upTo) return kind
  }
  return 'plain'
}
