/** What a storm keeps sending: mixed work at a steady rate, each task with what must hold for it. */
import { setTimeout as delay } from 'node:timers/promises'
import { type Handle, type SendOptions, type TaskInput, textOf, UnconfirmedError, type Warren } from 'warren'
import { QUEUE_KEYS, type QueueKey } from '../timeline.js'
import type { Book, WorkKind } from './book.js'
import type { Random } from './random.js'
import type { StormSabotage } from './sabotage.js'
import { stormTasks } from './tasks.js'

export interface WorkOptions {
  readonly warren: Warren
  readonly book: Book
  /** Which work comes when; the faults are drawn from another one, so that they do not depend on how fast work goes. */
  readonly random: Random
  readonly ratePerSecond: number
  readonly sabotage: StormSabotage | undefined
}

type Input = TaskInput<typeof stormTasks.user>

/** How many of a hundred are of which kind; the rest is plain. */
const SHARES: readonly (readonly [WorkKind, number])[] = [
  ['delayed', 15],
  ['cancelled', 15],
  ['retried', 10],
  ['redriven', 5],
  ['unique', 5],
]
const TICK_MS = 20
const KILLER_EVERY_MS = 45_000
const MAX_DELAY_MS = 25_000
/** How long a task that fails does so. */
const FAILING_MS = 8_000

export class Work {
  readonly #options: WorkOptions
  #timer: NodeJS.Timeout | undefined
  #killers: NodeJS.Timeout | undefined
  #index = 0
  /** Handles whose end is awaited, and cancels. */
  readonly #pending = new Set<Promise<void>>()

  constructor(options: WorkOptions) {
    this.#options = options
  }

  start(): void {
    const startedAt = performance.now()
    let sent = 0
    this.#timer = setInterval(() => {
      const due = ((performance.now() - startedAt) * this.#options.ratePerSecond) / 1000
      for (; sent < due; sent++) this.#one()
    }, TICK_MS)
    let queue = 0
    this.#killers = setInterval(
      () => this.#send('killer', QUEUE_KEYS[queue++ % 2] ?? 'user', { does: 'exit', ms: 0 }),
      KILLER_EVERY_MS,
    )
  }

  stop(): void {
    clearInterval(this.#timer)
    clearInterval(this.#killers)
  }

  get pending(): number {
    return this.#pending.size
  }

  #one(): void {
    const { random } = this.#options
    const queue = random.pick(QUEUE_KEYS)
    const ms = random.between(1, 60)
    const kind = kindAt(random.next() * 100)
    const ok = { does: 'ok', ms } as const
    if (kind === 'delayed') {
      this.#send(kind, queue, ok, { at: new Date(Date.now() + random.between(500, MAX_DELAY_MS)) })
    } else if (kind === 'cancelled') {
      const later = random.next() < 0.3 ? { at: new Date(Date.now() + random.between(1_000, 10_000)) } : {}
      this.#send(kind, queue, ok, later, random.between(0, 150))
    } else if (kind === 'retried') {
      this.#send(kind, queue, { does: 'retry', ms })
    } else if (kind === 'redriven') {
      this.#send(kind, queue, { does: 'failUntil', ms, until: Date.now() + FAILING_MS })
    } else if (kind === 'unique') {
      const unique = { key: `storm-${++this.#index}`, until: 'finished' } as const
      for (let time = 0; time < 2; time++) this.#send(kind, queue, ok, { unique })
    } else {
      this.#send(kind, queue, ok)
    }
  }

  #send(kind: WorkKind, queue: QueueKey, input: Input, options: SendOptions = {}, cancelAfterMs?: number): void {
    const { warren, book } = this.#options
    const due = options.at instanceof Date ? options.at.getTime() : undefined
    book.begun++
    const sending = warren.send(stormTasks[queue], input, options).then(
      (handle) => {
        book.ended++
        book.add(handle.id, { kind, queue, confirmed: true, due })
        this.#track(this.#follow(handle))
        if (cancelAfterMs !== undefined) this.#track(this.#cancel(handle, cancelAfterMs))
      },
      (error: unknown) => {
        book.ended++
        // It may be in its queue all the same.
        if (error instanceof UnconfirmedError) book.add(error.id, { kind, queue, confirmed: false, due })
      },
    )
    this.#track(sending)
  }

  async #follow(handle: Handle<unknown>): Promise<void> {
    const end = await handle.result({ timeoutMs: Number.POSITIVE_INFINITY }).then(() => 'SUCCESS', codeOf)
    const entry = this.#options.book.entries.get(handle.id)
    if (entry !== undefined) entry.handleEnd = end
  }

  async #cancel(handle: Handle<unknown>, afterMs: number): Promise<void> {
    await delay(afterMs)
    const { book, sabotage, random } = this.#options
    // This is the sabotage: the caller is told, and nobody else.
    const lost = sabotage === 'lost-cancel' && random.next() < 0.2
    const told = lost
      ? 'cancelled'
      : await handle.cancel().then(
          ({ outcome }) => outcome,
          () => undefined,
        )
    const entry = book.entries.get(handle.id)
    if (entry !== undefined && told !== undefined) entry.told = told
  }

  #track(work: Promise<void>): void {
    this.#pending.add(work)
    void work.finally(() => this.#pending.delete(work))
  }
}

function kindAt(roll: number): WorkKind {
  let upTo = 0
  for (const [kind, share] of SHARES) {
    upTo += share
    if (roll < upTo) return kind
  }
  return 'plain'
}

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : textOf(error).slice(0, 80)
