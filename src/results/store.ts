/**
 * The result store: Valkey or Redis, in Celery's format (`resultFormat.ts`). It owns two connections, one for commands
 * and one for announcements, and one for each feed.
 *
 * Writing: one round trip stores all results that came in one turn of the event loop (under load, in a few milliseconds)
 * with their TTL, announces each on Celery's channel for its task, and together on the reply channel of the producer that
 * sent them. What may replace what is said in `script.ts`; storing waits while the store is away, and what was stored last
 * is stored again where a failover lost it (`resultWriter.ts`).
 *
 * Reading: every look-up has a limit. Waiting for results is in `waiters.ts`: one subscription to the producer's reply
 * channel for everything it sent, not one for each task. Following a task's events is in `follower.ts`, those of all
 * tasks in `feed.ts`.
 */
import { EventEmitter } from 'node:events'
import { withDeadline } from '../amqp/deadline.js'
import { ClosedError, textOf } from '../errors/index.js'
import type { HistoryNote } from '../wire/historyEntry.js'
import { deliveriesKey, replyChannel, resultKey, suspectKey } from '../wire/names.js'
import { decodeResult, encodePending, type StoredResult } from '../wire/resultFormat.js'
import { Access } from './access.js'
import { Announcements } from './announcements.js'
import { Asking } from './asking.js'
import { Availability } from './availability.js'
import { Batch } from './batch.js'
import type { StoreConnection, StoreTarget } from './connection.js'
import { Events } from './events.js'
import type { HistorySettings } from './historyOptions.js'
import { refusalOf } from './refusal.js'
import { Remembering } from './remembering.js'
import { ResultWriter } from './resultWriter.js'
import { type Stored, storedAs } from './script.js'
import { Silence } from './silence.js'
import { type Beside, type ResultSpeaker, storingBatch, writeOf } from './storing.js'
import { Waiters, type WaitOptions } from './waiters.js'

export interface ResultsOptions {
  readonly target: StoreTarget
  readonly producerId: string
  readonly ttlMs: number
  readonly connectTimeoutMs: number
  /** Left out: no history is kept. */
  readonly history?: (HistorySettings & { readonly vhost: string }) | undefined
}

export interface ResultsEvents {
  storeState: [{ state: 'available' | 'unavailable'; address: string; reason?: string }]
  resultsRestored: [{ count: number; address: string }]
}

/** How many keys are read at a time. */
const READ_BATCH = 500
/** How long a worker waits for an answer, unless it says otherwise: its message waits meanwhile. */
const LOOKUP_MS = 2_000
/** How long a sender waits until a new run is announced. */
const BEGIN_MS = 1_000

export class Results extends EventEmitter<ResultsEvents> {
  /** What happens to tasks. */
  readonly events: Events
  readonly #options: ResultsOptions
  readonly #commands: StoreConnection
  /** What the store announces. */
  readonly announcements: Announcements
  readonly #access: Access
  readonly #availability = new Availability(
    () => this.#access.probe(this.#options.producerId),
    (problem) => this.#tell(problem),
  )
  readonly #asking: Asking
  readonly #writer: ResultWriter
  readonly #storing = storingBatch((writes) => this.#writer.write(writes))
  readonly #reading = new Batch((keys: readonly string[]) => this.#access.read(keys), { count: READ_BATCH })
  readonly #waiters: Waiters
  readonly #silence = new Silence(
    () => (this.#availability.away === undefined ? this.#commands.ping() : undefined),
    (reason) => {
      this.#availability.lost(reason)
      // What was sent and not answered is sent again on the new connection; all of it may be repeated safely.
      this.#commands.disconnect(true)
    },
  )
  #opened = false
  #closed = false

  /** Opens no socket; `open` does. */
  constructor(options: ResultsOptions) {
    super()
    const { target, connectTimeoutMs, history } = options
    this.#options = options
    this.#commands = target.connection(connectTimeoutMs)
    this.#access = new Access(this.#commands, target.cluster, history && new Remembering(history.vhost, history))
    this.#asking = new Asking(target.address, this.#availability)
    const ways = { access: this.#access, asking: this.#asking, availability: this.#availability }
    this.#writer = new ResultWriter({ ...ways, ttlMs: options.ttlMs })
    this.#commands.on('error', (error) => this.#availability.lost(textOf(error)))
    this.#commands.on('close', () => this.#disconnected())
    this.#commands.on('ready', () => this.#opened && this.#availability.answers())
    const replies = replyChannel(options.producerId)
    this.announcements = new Announcements(target.connection(connectTimeoutMs), replies, (text) =>
      this.#waiters.heard(text),
    )
    this.#waiters = new Waiters(this.#waited())
    this.events = new Events({
      ...ways,
      ...{ target, connectTimeoutMs, announcements: this.announcements },
    })
  }

  /** Whether results can be stored, as far as is known. */
  get available(): boolean {
    return this.problem === undefined
  }

  /** Why not, in a sentence; undefined while `available`. */
  get problem(): string | undefined {
    return this.#availability.problem
  }

  /** How long results are kept, in milliseconds. */
  get ttlMs(): number {
    return this.#options.ttlMs
  }

  /** Whether what is noted is kept. */
  get hasHistory(): boolean {
    return this.#options.history !== undefined
  }

  /** Without user and password. */
  get address(): string {
    return this.#options.target.address
  }

  /**
   * Connects, and writes what a worker writes. Throws `StoreUnreachableError` when the store does not answer in time, and
   * `StoreRefusesError` when it answers and does not store.
   */
  async open(): Promise<void> {
    let problem: unknown
    const note = (error: unknown) => {
      problem = error
    }
    this.#commands.on('error', note)
    try {
      const opening = this.#commands.connect().then(() => this.#access.probe(this.#options.producerId))
      await withDeadline(opening, this.#options.connectTimeoutMs, 'connecting')
      this.#opened = true
      this.#availability.stores()
    } catch (error) {
      this.close()
      // What the store said to the connection says more than that it was closed, or that time is over.
      throw this.#asking.failure(refusalOf(error) === undefined ? (problem ?? error) : error)
    } finally {
      this.#commands.off('error', note)
    }
    this.#silence.start()
  }

  /**
   * Stores and announces, and appends `entry` to the task's events and `note` to the history, unless what the store holds
   * stays: see `script.ts`.
   * Waits while the store is away; throws `StoreRefusesError`. More than 1,000 a second may be held for up to 20 ms, unless `urgent`.
   */
  async store(speaker: ResultSpeaker, encoded: string, beside: Beside = {}): Promise<Stored> {
    const write = writeOf(speaker, encoded, beside, this.#access.hasEvents(speaker.id))
    return storedAs(await this.#storing.add(write, beside.urgent))
  }

  /** A result that this process stored by other means than `store`: whoever waits for it here need not look. */
  heard(encoded: string): void {
    this.#waiters.heard(encoded)
  }

  /** Appends to the task's events and to the history alone. Never rejects, and does not wait for a store that is away. */
  async append(of: Pick<ResultSpeaker, 'id' | 'run'>, beside: Beside): Promise<void> {
    if (!this.available) return
    const write = writeOf({ ...of, replyTo: undefined }, '', beside, this.#access.hasEvents(of.id))
    if (write.event === undefined && write.note === undefined) return
    await this.#storing.add(write, true).catch(() => undefined)
  }

  /** Appends to the history what another script has stored. Never rejects. */
  async note(note: HistoryNote): Promise<void> {
    if (this.available) await this.#access.note(note)
  }

  /**
   * Announces a new run of a task: a stored FAILURE or REVOKED of an earlier run gives way to PENDING, so that whoever
   * waits waits for the new run. `anew`: a caller sends it again, so that an earlier cancelling no longer counts, whatever
   * the clocks say. Never rejects; gives up after a second.
   */
  async begin(id: string, run: number, { anew = false } = {}): Promise<void> {
    const pending = encodePending({ id, run })
    const { ttlMs } = this.#options
    await this.#asking
      .within(BEGIN_MS, () => this.#commands.warrenBegin(resultKey(id), ttlMs, pending, run, anew ? 1 : 0))
      .catch(() => undefined)
  }

  /**
   * The stored result, or undefined when there is none (yet, or any more). This and all look-ups below throw
   * `StoreUnreachableError` when the store does not answer in time.
   */
  async get(
    id: string,
    { timeoutMs = LOOKUP_MS }: { readonly timeoutMs?: number } = {},
  ): Promise<StoredResult | undefined> {
    const text = await this.#asking.within(timeoutMs, () => this.#reading.add(resultKey(id)))
    return text === null ? undefined : decodeResult(text)
  }

  /**
   * Anything else that is asked of the store: commands and scripts on a single key each, so that a cluster takes them.
   * Throws `StoreUnreachableError`, `StoreRefusesError`, `ClosedError`. What has no answer in time may still be carried out.
   */
  ask<T>(ask: (commands: StoreConnection) => Promise<T>, timeoutMs: number = LOOKUP_MS): Promise<T> {
    return this.#asking.within(timeoutMs, () => ask(this.#commands))
  }

  /** The store's time, in milliseconds since 1970. */
  readonly time = async (): Promise<number> => {
    const [seconds = Number.NaN, microseconds = Number.NaN] = await this.ask((commands) => commands.time())
    return Number(seconds) * 1_000 + Number(microseconds) / 1_000
  }

  /** Counts one more redelivery of a message from a classic queue, and returns the count. */
  async countRedelivery(queue: string, id: string): Promise<number> {
    const key = deliveriesKey(queue, id)
    const { ttlMs } = this.#options
    const [count] = await this.ask((commands) => Promise.all([commands.incr(key), commands.pexpire(key, ttlMs)]))
    return count
  }

  /** Which of these task ids are marked as run by a worker that may have died of it. See `quarantine.ts`. */
  async marked(ids: readonly string[]): Promise<string[]> {
    if (ids.length === 0) return []
    const marks = await this.#asking.within(LOOKUP_MS, () => this.#access.read(ids.map(suspectKey)))
    return ids.filter((_, index) => marks[index] !== null)
  }

  async mark(id: string): Promise<void> {
    await this.ask((commands) => commands.set(suspectKey(id), '1', 'PX', this.#options.ttlMs))
  }

  async unmark(id: string): Promise<void> {
    await this.ask((commands) => commands.del(suspectKey(id)))
  }

  /** Waits for a final result. Throws `ResultTimeoutError`, `ResultUnreadableError`, the signal's reason, or `ClosedError`. */
  async wait(id: string, options: WaitOptions = {}): Promise<StoredResult> {
    if (this.#closed) throw new ClosedError('The result store')
    return this.#waiters.wait(id, options)
  }

  /** Closes all connections and rejects what still waits. Safe twice. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#silence.stop()
    this.#asking.close()
    this.#availability.close()
    const error = new ClosedError('The result store')
    this.#waiters.close(error)
    this.events.close(error)
    this.#commands.disconnect()
    this.announcements.close()
  }

  #waited() {
    const results = this
    return {
      get away() {
        return results.#availability.away
      },
      subscribe: () => results.announcements.subscribe(),
      read: (ids: readonly string[]) => Promise.all(ids.map((id) => this.#reading.add(resultKey(id)))),
    }
  }

  #disconnected(): void {
    this.#availability.lost()
    if (!this.#closed) this.announcements.reconnect()
  }

  #tell(problem: string | undefined): void {
    const state = problem === undefined ? 'available' : 'unavailable'
    this.emit('storeState', { state, address: this.address, ...(problem === undefined ? {} : { reason: problem }) })
    if (problem === undefined) void this.#restore()
  }

  async #restore(): Promise<void> {
    const count = await this.#writer.restore()
    if (count > 0) this.emit('resultsRestored', { count, address: this.address })
  }
}
