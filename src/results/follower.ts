/**
 * Following tasks: each reader has a place of its own in the task's events, and reads on from there when it is asked for
 * more; nothing is read ahead beyond one reply. An announcement says when to look; all are woken now and then besides,
 * since announcements may be lost, and after the store was away.
 */
import { ClosedError, ResultTimeoutError, StoreRefusesError } from '../errors/index.js'
import { onAbort } from '../timers.js'
import { resultKey } from '../wire/names.js'
import { isFinal, isOurs, statusOf } from '../wire/resultFormat.js'
import { Pulled, type Source } from './pulled.js'
import type { EventsReply } from './script.js'
import { Story } from './story.js'
import type { TaskEvent } from './taskEvent.js'

export interface FollowOptions {
  /** How long in all until the task's end, in milliseconds; `Infinity` for ever. Default: for ever. */
  readonly timeoutMs?: number | undefined
  readonly signal?: AbortSignal | undefined
  /** Whether to wait for more until the task ends. Default true. */
  readonly follow?: boolean | undefined
  /** What to make of the output of a success. */
  readonly output?: ((stored: unknown) => Promise<unknown>) | undefined
  /** When it was sent, as its sender knows. */
  readonly queued?: { readonly run: number; readonly at: number } | undefined
}

/** What following needs of the store. */
export interface FollowedStore {
  /** Why it does not answer; undefined while it does, as far as is known. */
  readonly away: string | undefined
  /** Throws when the store does not answer. */
  read(id: string, run: number, number: number, count: number): Promise<EventsReply>
  /** Calls `listener` for what is announced on a channel. Returns what ends that. */
  listen(channel: string, listener: (text: string) => void): () => void
}

/** How many events are read at a time. */
const READ_COUNT = 100
/** How often readers look without having heard anything, and how many at a time. */
const SWEEP_MS = 500
const SWEEP_COUNT = 200
/** How many announced states of a Python worker wait for their reader. */
const MAX_HEARD = 1_000

export class Followers {
  readonly #store: FollowedStore
  /** In order of their last sweep, oldest first. */
  readonly #all = new Map<Follower, Pulled<TaskEvent>>()
  #sweeper: NodeJS.Timeout | undefined
  #closed: Error | undefined

  constructor(store: FollowedStore) {
    this.#store = store
  }

  /**
   * The events of a task, from the first that is kept. Throws `ResultTimeoutError`, `ResultUnreadableError`,
   * `StoreRefusesError`, the signal's reason, or `ClosedError`; without `follow` also `StoreUnreachableError`.
   */
  follow(id: string, options: FollowOptions): Pulled<TaskEvent> {
    const follower: Follower = new Follower(id, this.#store, options, {
      begun: () => this.#add(follower, pulled),
      ended: () => this.#remove(follower),
    })
    const late = (ms: number): Error => new ResultTimeoutError(id, ms, this.#store.away)
    const pulled = new Pulled<TaskEvent>(follower, { ...options, late })
    return pulled
  }

  /** Ends all with an error. */
  close(error: Error): void {
    this.#closed = error
    for (const pulled of [...this.#all.values()]) pulled.end({ reason: error })
  }

  #add(follower: Follower, pulled: Pulled<TaskEvent>): void {
    if (this.#closed !== undefined) throw this.#closed
    this.#all.set(follower, pulled)
    this.#sweeper ??= setInterval(() => this.#sweep(), SWEEP_MS)
  }

  #remove(follower: Follower): void {
    this.#all.delete(follower)
    if (this.#all.size > 0) return
    clearInterval(this.#sweeper)
    this.#sweeper = undefined
  }

  #sweep(): void {
    if (this.#store.away !== undefined) return
    for (const [follower, pulled] of [...this.#all].slice(0, SWEEP_COUNT)) {
      this.#all.delete(follower)
      this.#all.set(follower, pulled)
      follower.sweep()
    }
  }
}

class Follower implements Source<TaskEvent> {
  readonly #id: string
  readonly #store: FollowedStore
  readonly #options: FollowOptions
  readonly #life: { begun(): void; ended(): void }
  readonly #story: Story
  readonly #events: TaskEvent[] = []
  /** States that a Python worker announced. */
  readonly #heard: string[] = []
  /** Whether any were announced since the last sweep. */
  #hears = false
  #stopListening: (() => void) | undefined
  /** Whether there may be something new. */
  #look = true
  #wake: (() => void) | undefined
  #over = false
  #failure: { readonly reason: unknown } | undefined
  /** Whether anything was read of it yet. */
  #blank = true

  constructor(id: string, store: FollowedStore, options: FollowOptions, life: { begun(): void; ended(): void }) {
    this.#id = id
    this.#store = store
    this.#options = options
    this.#life = life
    this.#story = new Story(id)
  }

  async pull(signal: AbortSignal): Promise<TaskEvent | undefined> {
    this.#begin()
    for (;;) {
      const event = this.#events.shift()
      if (event !== undefined) return this.#finished(event)
      if (this.#failure !== undefined) throw this.#failure.reason
      if (this.#over || signal.aborted) return undefined
      const heard = this.#heard.shift()
      if (heard !== undefined) this.#events.push(...this.#story.heard(heard))
      else if (this.#look) await this.#read()
      else await this.#hint(signal)
    }
  }

  async #finished(event: TaskEvent): Promise<TaskEvent> {
    const { output } = this.#options
    if (output === undefined || event.type !== 'done' || event.status !== 'SUCCESS') return event
    return { ...event, output: await output(event.output) }
  }

  /** Looks, unless the states of a Python worker come: then what the store holds may be ahead of what was heard. */
  sweep(): void {
    if (!this.#hears) this.#mayLook()
    this.#hears = false
  }

  close(): void {
    this.#over = true
    this.#stopListening?.()
    this.#life.ended()
  }

  #begin(): void {
    if (this.#stopListening !== undefined) return
    this.#life.begun()
    this.#stopListening =
      this.#options.follow === false
        ? () => undefined
        : this.#store.listen(resultKey(this.#id), (text) => this.#announced(text))
  }

  #announced(text: string): void {
    if (isOurs(text) || isFinal(statusOf(text) ?? 'PENDING')) {
      this.#mayLook()
      return
    }
    this.#hears = true
    if (this.#heard.length < MAX_HEARD) this.#heard.push(text)
    else this.#story.missed(1)
    this.#wake?.()
  }

  #mayLook(): void {
    this.#look = true
    this.#wake?.()
  }

  async #read(): Promise<void> {
    const follows = this.#options.follow !== false
    this.#look = false
    let reply: EventsReply
    try {
      reply = await this.#store.read(this.#id, ...this.#story.position, READ_COUNT)
    } catch (error) {
      const hopeless = error instanceof ClosedError || (error instanceof StoreRefusesError && !error.retryable)
      // Else it is away, and the next sweep looks again.
      if (hopeless || !follows) throw error
      return
    }
    const { events, again, failure } = this.#story.read(reply)
    const more = again || reply[2].length === READ_COUNT
    if (this.#blank && events.length === 0 && !more && this.#options.queued !== undefined) {
      const { run, at } = this.#options.queued
      this.#events.push(...this.#story.queued(run, at))
    }
    this.#blank = false
    this.#events.push(...events)
    if (failure !== undefined) this.#failure = { reason: failure }
    this.#over ||= events.at(-1)?.type === 'done' || (!follows && !more)
    this.#look ||= more
  }

  async #hint(signal: AbortSignal): Promise<void> {
    let forget = (): void => undefined
    await new Promise<void>((resolve) => {
      forget = onAbort(signal, resolve)
      this.#wake = resolve
    })
    forget()
    this.#wake = undefined
  }
}
