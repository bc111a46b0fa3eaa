/**
 * Synchronises a worker's board with the store:
 *
 *     loading ─▶ fresh ◀─▶ stale: announcements may have been missed, until all is loaded again
 *
 * Loaded before the worker consumes, changed by announcements, and loaded again after a lost subscription, if an announcement
 * does not follow the last one, or if the version, which is checked every few seconds, has changed. While it is stale, new
 * attempts wait, with a limit, because an unavailable store must not block all work.
 */
import { textOf } from '../errors/index.js'
import type { Results } from '../results/store.js'
import type { Logger } from '../task/logger.js'
import { startTimer } from '../timers.js'
import { cancelledKey, controlChannel, controlVersionKey, limitsKey, pausedKey } from '../wire/names.js'
import { Board, type Found } from './board.js'
import { type Announcement, announcementOf, type Cut, cutOf, pauseOf, setLimitOf } from './changes.js'
import { forgetPast } from './cuts.js'

/** How often the version is checked, to find changes whose announcements were missed. */
const LOOK_MS = 5_000
/** How long attempts wait until everything is loaded again. */
const STALE_LIMIT_MS = 5_000
/** How long the store gets for one answer. */
const ANSWER_MS = 2_000
const SCAN_COUNT = 1_000
/** How many announcements are kept during a load. */
const MAX_WAITING = 10_000

/** Nothing the store has ever counted. */
const UNKNOWN = -1

export interface WatchOptions {
  readonly results: Results
  readonly vhost: string
  readonly log: Logger
}

export class ControlWatch {
  readonly vhost: string
  readonly board = new Board()
  readonly #options: WatchOptions
  readonly #listeners = new Set<() => void>()
  #version = UNKNOWN
  #loading: Promise<void> | undefined
  /** Received during a load. */
  #waiting: Announcement[] = []
  /** While stale: resolves when it is fresh again, or the limit is over. */
  #stale: { readonly over: Promise<void>; readonly end: () => void } | undefined
  #look: NodeJS.Timeout | undefined
  #subscribed = false
  #warned = false
  #closed = false

  constructor(options: WatchOptions) {
    this.#options = options
    this.vhost = options.vhost
  }

  /** Resolves once everything is loaded, or once loading has failed and will be retried. Safe to call twice. */
  async start(): Promise<void> {
    if (this.#closed) return
    if (this.#look === undefined) {
      this.#look = setInterval(() => void this.#check(), LOOK_MS).unref()
      this.#options.results.on('storeState', this.#storeState)
      this.#becomeStale()
      void this.#subscribe().then(() => this.#load())
    }
    await this.fresh()
  }

  /** Calls `listener` whenever something may have changed. Returns a function that ends that. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Undefined while the board is up to date; otherwise resolves when it is again, or after the limit. */
  fresh(): Promise<void> | undefined {
    return this.#stale?.over
  }

  /**
   * Whether the store confirms an uncertain cancellation. Undefined if it does not answer.
   */
  async confirms({ field }: Found): Promise<boolean | undefined> {
    const { results, vhost } = this.#options
    return results
      .ask((store) => store.hget(cancelledKey(vhost), field), ANSWER_MS)
      .then(
        (kept) => kept !== null,
        () => undefined,
      )
  }

  close(): void {
    this.#closed = true
    clearInterval(this.#look)
    this.#options.results.off('storeState', this.#storeState)
    this.#listeners.clear()
    this.#stale?.end()
  }

  readonly #storeState = ({ state }: { state: string }): void => {
    if (state === 'available') void this.#check()
  }

  async #subscribe(): Promise<void> {
    if (this.#subscribed || this.#closed) return
    const { results, vhost } = this.#options
    try {
      await results.announcements.attend(controlChannel(vhost), {
        heard: (text) => this.#heard(text),
        lost: () => this.#becomeStale(),
        renewed: () => void this.#load(),
      })
      this.#subscribed = true
    } catch (error) {
      this.#warn(
        `Cancellations and pauses reach this process up to ${LOOK_MS / 1000} s late: it cannot subscribe to the store's channel ${controlChannel(vhost)} (${textOf(error)})`,
      )
    }
  }

  #heard(text: string): void {
    const announcement = announcementOf(text)
    if (this.#loading !== undefined) {
      // An unknown announcement, or one too many, is handled by another load.
      if (announcement !== undefined && this.#waiting.length < MAX_WAITING) this.#waiting.push(announcement)
      return
    }
    if (announcement === undefined || !this.#follow(announcement)) void this.#load()
    else this.#changed()
  }

  /** False when announcements in between were missed. */
  #follow({ version, change }: Announcement): boolean {
    if (version <= this.#version) return true
    if (version !== this.#version + 1) return false
    this.#version = version
    this.board.apply(change)
    return true
  }

  #becomeStale(): void {
    if (this.#stale !== undefined || this.#closed) return
    let end = (): void => undefined
    const over = new Promise<void>((resolve) => {
      const stop = startTimer(STALE_LIMIT_MS, () => end())
      end = () => {
        stop()
        this.#stale = undefined
        resolve()
      }
    })
    this.#stale = { over, end }
  }

  /** Checks whether something changed without an announcement. Never rejects. */
  async #check(): Promise<void> {
    if (this.#closed || this.#loading !== undefined) return
    await this.#subscribe()
    try {
      const before = this.#version
      const version = await this.#readVersion()
      // It may have been announced meanwhile.
      if (version === this.#version || before !== this.#version) return this.#stale?.end()
      // It was not announced: the subscription may only look alive.
      if (this.#subscribed && before !== UNKNOWN) this.#options.results.announcements.reconnect()
      await this.#load()
    } catch {
      // The next check tries again.
    }
  }

  /** Loads everything, one load at a time. Never rejects. */
  #load(): Promise<void> {
    this.#loading ??= this.#loadAll()
      .catch((error: unknown) => {
        this.#version = UNKNOWN
        this.#warn(`Cancellations and pauses cannot be read from the store: ${textOf(error)}`)
      })
      .finally(() => {
        this.#loading = undefined
        this.#waiting = []
      })
    return this.#loading
  }

  async #loadAll(): Promise<void> {
    for (;;) {
      if (this.#closed) return
      this.#waiting = []
      const version = await this.#readVersion()
      const { vhost } = this.#options
      const [cuts, paused, limits] = await Promise.all([
        this.#readCuts(),
        this.#readHash(pausedKey(vhost), pauseOf),
        this.#readHash(limitsKey(vhost), setLimitOf),
      ])
      this.board.replace(cuts, paused, limits)
      this.#version = version
      this.#changed()
      // What came meanwhile may be in there already, and is so for good once applied in order.
      if (this.#waiting.every((each) => this.#follow(each))) break
    }
    this.#stale?.end()
    this.#changed()
    const { results, vhost } = this.#options
    await forgetPast(results, vhost, this.board.prune(Date.now())).catch(() => undefined)
  }

  async #readVersion(): Promise<number> {
    const { results, vhost } = this.#options
    return Number((await results.ask((store) => store.get(controlVersionKey(vhost)), ANSWER_MS)) ?? 0)
  }

  async #readCuts(): Promise<Map<string, Cut>> {
    const { results, vhost } = this.#options
    const cuts = new Map<string, Cut>()
    let cursor = '0'
    do {
      const [next, fields] = await results.ask(
        (store) => store.hscan(cancelledKey(vhost), cursor, 'COUNT', SCAN_COUNT),
        ANSWER_MS,
      )
      cursor = next
      for (let at = 0; at < fields.length; at += 2) {
        const cut = cutOf(fields[at + 1])
        if (cut !== undefined) cuts.set(fields[at] as string, cut)
      }
    } while (cursor !== '0')
    return cuts
  }

  async #readHash<Kept>(key: string, of: (text: string) => Kept | undefined): Promise<Map<string, Kept>> {
    const kept = await this.#options.results.ask((store) => store.hgetall(key), ANSWER_MS)
    return new Map(
      Object.entries(kept).flatMap(([field, text]) => {
        const read = of(text)
        return read === undefined ? [] : [[field, read] as const]
      }),
    )
  }

  #changed(): void {
    for (const listener of [...this.#listeners]) listener()
  }

  /** Logged once: the store's state has its own log lines. */
  #warn(text: string): void {
    if (this.#warned || this.#closed || !this.#options.results.available) return
    this.#warned = true
    this.#options.log.warn({}, text)
  }
}
