/**
 * Goes through a dead-letter queue and processes matching dead letters, many at the same time; each is removed once it is
 * processed. All others return to the queue.
 *
 * A long sweep is divided into passes: RabbitMQ closes the channel of a consumer that holds a message for half an hour, so a
 * slow sweep returns its messages before that and continues from the head.
 */
import type { ConsumeMessage } from 'amqplib'
import {
  AccessRefusedError,
  MessageError,
  OriginUnknownError,
  UnroutableError,
  type WarrenError,
} from '../errors/index.js'
import { defaults } from '../options.js'
import { type DeadLetter, readDeadLetter } from '../wire/deadLetter.js'
import { type DeadLetterFilter, matches } from './filter.js'
import { Flight, Pace } from './limits.js'
import type { DeadLetterScan } from './scan.js'

export interface SweepProgress {
  /** How many dead letters there were at the start. Later ones are not touched. */
  readonly total: number
  readonly scanned: number
  /** Sent back and confirmed, or removed. */
  readonly done: number
  /** Dead letters that cannot be sent back; they stay. */
  readonly kept: number
}

/** How a redrive or a purge ended. */
export interface SweepEnd extends SweepProgress {
  /** How many match the filter: done, kept, or counted by a dry run. */
  readonly matched: number
  /** `end`: looked at all there were; `limit`; `aborted` by the signal. */
  readonly stopped: 'end' | 'limit' | 'aborted'
  readonly dryRun: boolean
}

type Scan = Pick<DeadLetterScan, 'total' | 'next' | 'ack' | 'finish'>

export interface SweepOptions {
  readonly filter: DeadLetterFilter
  readonly limit?: number
  readonly rate?: number
  readonly dryRun?: boolean
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: SweepProgress) => void
  readonly open: (bounds: { readonly maxAhead?: number; readonly atMost?: number }) => Promise<Scan>
  /** How long one pass takes at most. */
  readonly passMs?: number
  /** Resolves when the message may be removed; throws the reason why it stays. In a dry run, only checks whether it could. */
  readonly act: (message: ConsumeMessage, letter: DeadLetter) => Promise<void>
  readonly onKept: (letter: DeadLetter, problem: WarrenError) => void
}

/**
 * Half of what may be in both places when the process is killed: as many again may be acknowledged, and RabbitMQ has not
 * carried it out and forgets it with the connection.
 */
const MAX_IN_FLIGHT = 50
const PASS_MS = 10 * 60 * 1000
/** A slow sweep prefetches no more than it processes in this time. */
const AHEAD_MS = 60_000
/** How many non-matching messages pass between two progress reports. */
const PROGRESS_EVERY = 500

/** Throws errors that end a scan, and errors of `act` that do not concern a single message. */
export async function sweep(options: SweepOptions): Promise<SweepEnd> {
  return new Sweep(options).run()
}

class Sweep {
  readonly #options: SweepOptions
  readonly #limit: number
  readonly #now = Date.now()
  readonly #pace: Pace
  readonly #flight = new Flight(MAX_IN_FLIGHT, defaults.maxUnconfirmedBytes)
  #total = 0
  #scanned = 0
  #done = 0
  #kept = 0
  /** In a dry run: what would have been done. */
  #planned = 0
  #fatal: { readonly error: unknown } | undefined

  constructor(options: SweepOptions) {
    this.#options = options
    this.#limit = options.limit ?? Number.POSITIVE_INFINITY
    this.#pace = new Pace(options.rate)
  }

  async run(): Promise<SweepEnd> {
    const { rate, open, dryRun = false } = this.#options
    const bounds = rate === undefined ? {} : { maxAhead: Math.max(1, Math.ceil((rate * AHEAD_MS) / 1000)) }
    let scan = await open(bounds)
    this.#total = scan.total
    for (;;) {
      const stopped = await this.#pass(scan)
      if (stopped !== 'later') {
        this.#report()
        return { ...this.#progress, matched: this.#planned + this.#done + this.#kept, stopped, dryRun }
      }
      // What was there at the start and is not done. What was sent back and has died again is not taken a second time.
      scan = await open({ ...bounds, atMost: this.#total - this.#done })
      this.#scanned = this.#done
      this.#kept = 0
    }
  }

  async #pass(scan: Scan): Promise<SweepEnd['stopped'] | 'later'> {
    const { signal, filter, dryRun, passMs = PASS_MS } = this.#options
    const endsAt = performance.now() + passMs
    let tried = this.#done
    try {
      while (this.#fatal === undefined) {
        if (tried >= this.#limit) return 'limit'
        if (performance.now() > endsAt) return 'later'
        const message = await scan.next()
        if (message === undefined) break
        this.#scanned++
        const letter = readDeadLetter(message)
        if (!matches(filter, letter, message, this.#now)) {
          if (this.#scanned % PROGRESS_EVERY === 0) this.#report()
          continue
        }
        if (dryRun !== true) await this.#pace.next(signal)
        await this.#flight.room()
        if (signal?.aborted === true) break
        tried++
        this.#flight.add(message.content.length, this.#deal(scan, message, letter))
      }
    } finally {
      await this.#flight.empty()
      await scan.finish()
    }
    if (this.#fatal !== undefined) throw this.#fatal.error
    return signal?.aborted === true ? 'aborted' : 'end'
  }

  async #deal(scan: Scan, message: ConsumeMessage, letter: DeadLetter): Promise<void> {
    const { act, dryRun, onKept } = this.#options
    try {
      await act(message, letter)
      if (dryRun === true) {
        this.#planned++
      } else {
        scan.ack(message)
        this.#done++
      }
    } catch (error) {
      this.#kept++
      if (concernsOne(error)) onKept(letter, error)
      else this.#fatal ??= { error }
    }
    this.#report()
  }

  get #progress(): SweepProgress {
    return { total: this.#total, scanned: this.#scanned, done: this.#done, kept: this.#kept }
  }

  #report(): void {
    this.#options.onProgress?.(this.#progress)
  }
}

/** Whether the next message may succeed; otherwise the broker does not answer. */
const concernsOne = (error: unknown): error is WarrenError =>
  error instanceof UnroutableError ||
  error instanceof MessageError ||
  error instanceof OriginUnknownError ||
  error instanceof AccessRefusedError
