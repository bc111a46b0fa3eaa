/**
 * The result store: Valkey or Redis, in Celery's format (`resultFormat.ts`). It owns two connections, one for commands
 * and one for announcements.
 *
 * Writing: one round trip stores all results that came in one turn of the event loop (under load, in a few
 * milliseconds) with their TTL, announces each on Celery's channel for its task, and together on the reply channel of the producer that sent them. A stored SUCCESS is
 * never overwritten, so an attempt that lost its delivery and finishes late cannot undo what another one achieved.
 *
 * Waiting: one subscription to the producer's reply channel for everything it sent, not one for each task.
 * Announcements are not kept by the store, so they are a hint: each wait reads the key once, and all that still wait
 * are read again in batches, which also finds the results of workers that know nothing of reply channels (Celery's).
 */
import { EventEmitter } from 'node:events'
import { Redis } from 'iovalkey'
import { jittered } from '../amqp/backoff.js'
import { ClosedError, ResultTimeoutError, StoreUnreachableError, TaskFailedError, textOf } from '../errors/index.js'
import { deliveriesKey, isReplyChannel, replyChannel, resultKey, suspectKey } from '../wire/names.js'
import { decodeResult, isFinal, type StoredResult } from '../wire/resultFormat.js'
import { Batch, type Hold } from './batch.js'
import { announced, type ResultWrite, STORE, type StoreCommands, storeArguments } from './script.js'

export interface ResultsOptions {
  readonly url: URL
  readonly producerId: string
  readonly ttlMs: number
  readonly connectTimeoutMs: number
}

export interface ResultsEvents {
  storeState: [{ state: 'available' | 'unavailable'; address: string; reason?: string }]
}

/** Whose result is stored, and who waits for it. */
export interface ResultSpeaker {
  readonly id: string
  /** Which attempt speaks, from 1. */
  readonly attempt: number
  /** Of which run of the task: see `Envelope.run`. */
  readonly run: number
  /** The `reply_to` of the task's message. */
  readonly replyTo: string | undefined
}

interface Waiter {
  readonly resolve: (result: StoredResult) => void
  readonly reject: (error: unknown) => void
}

/** How often results that were not announced are looked for, and how many keys are read at a time. */
const SWEEP_MS = 500
const READ_BATCH = 500
/** A store that has not answered for this long is taken for gone, and its connection is made anew. */
const SILENCE_MS = 5_000

/** The most that one call of the script stores, in number and in characters: the store does nothing else meanwhile. */
const STORE_BATCH = 200
const STORE_BATCH_CHARACTERS = 1_000_000
/** A busy worker's results wait for each other: a round trip for each costs more than a short task, in every process. */
const STORE_HOLD: Hold = { ms: 20, count: 32, abovePerSecond: 1_000 }

export class Results extends EventEmitter<ResultsEvents> {
  readonly #options: ResultsOptions
  readonly #commands: Redis & StoreCommands
  readonly #announcements: Redis
  readonly #address: string
  /** All waits for one id: usually one. In order of their last sweep, oldest first. */
  readonly #waiters = new Map<string, Waiter[]>()
  readonly #storing = new Batch((writes: readonly ResultWrite[]) => this.#storeAll(writes), {
    count: STORE_BATCH,
    size: { of: ({ encoded }) => encoded.length, max: STORE_BATCH_CHARACTERS },
    hold: STORE_HOLD,
  })
  readonly #reading = new Batch((keys: readonly string[]) => this.#commands.mget([...keys]), { count: READ_BATCH })
  #subscribed: Promise<unknown> | undefined
  #sweeper: NodeJS.Timeout | undefined
  #watchdog: NodeJS.Timeout | undefined
  #available = false
  #problem: string | undefined
  #closed = false

  /** Opens no socket; `open` does. */
  constructor(options: ResultsOptions) {
    super()
    this.#options = options
    this.#address = `${options.url.protocol}//${options.url.host}${options.url.pathname === '/' ? '' : options.url.pathname}`
    this.#commands = client(options) as Redis & StoreCommands
    this.#commands.defineCommand('warrenStore', { lua: STORE })
    this.#announcements = client(options)
    for (const connection of [this.#commands, this.#announcements]) {
      connection.on('error', (error) => this.#setAvailable(false, textOf(error)))
    }
    this.#commands.on('close', () => this.#setAvailable(false, 'connection closed'))
    this.#commands.on('ready', () => this.#setAvailable(true))
    this.#announcements.on('message', (_channel: string, text: string) => {
      for (const result of announced(text)) this.#heard(result)
    })
  }

  /** Whether results can be stored, as far as is known. */
  get available(): boolean {
    return this.#available
  }

  /** Why not, in a sentence; undefined while `available`. */
  get problem(): string | undefined {
    return this.#problem
  }

  get address(): string {
    return this.#address
  }

  /** Connects. Throws `StoreUnreachableError` when the store does not answer in time. */
  async open(): Promise<void> {
    let problem: unknown = new Error(`no answer within ${this.#options.connectTimeoutMs} ms`)
    const note = (error: unknown) => {
      problem = error
    }
    this.#commands.on('error', note)
    const timer = setTimeout(() => this.#commands.disconnect(), this.#options.connectTimeoutMs)
    try {
      await this.#commands.connect()
      await this.#commands.ping()
    } catch (error) {
      this.close()
      throw new StoreUnreachableError(this.#address, textOf(error) === 'Connection is closed.' ? problem : error)
    } finally {
      clearTimeout(timer)
      this.#commands.off('error', note)
    }
    this.#watchdog = setInterval(() => void this.#watch(), SILENCE_MS)
    this.#watchdog.unref()
  }

  /**
   * Stores and announces. False when what the store holds stays: a SUCCESS, or the word of a later attempt. Waits while
   * the store is away. More than 1,000 a second may be held for up to 20 ms, unless `urgent`.
   */
  async store(speaker: ResultSpeaker, encoded: string, urgent = false): Promise<boolean> {
    const { id, attempt, replyTo } = speaker
    const reply = isReplyChannel(replyTo) ? replyTo : ''
    return (await this.#storing.add({ key: resultKey(id), encoded, reply, attempt }, urgent)) === 1
  }

  /**
   * Announces a new run of a task: a stored FAILURE or REVOKED of an earlier run gives way to PENDING, so that whoever
   * waits waits for the new run. Never rejects; gives up after a second.
   */
  async begin(_id: string, _run: number): Promise<void> {}

  /** The stored result, or undefined when there is none (yet, or any more). */
  async get(id: string, _options: { readonly timeoutMs?: number } = {}): Promise<StoredResult | undefined> {
    const text = await this.#reading.add(resultKey(id))
    return text === null ? undefined : decodeResult(text)
  }

  /** Counts one more redelivery of a message from a classic queue, and gives the count. */
  async countRedelivery(queue: string, id: string): Promise<number> {
    const key = deliveriesKey(queue, id)
    const [count] = await Promise.all([this.#commands.incr(key), this.#commands.pexpire(key, this.#options.ttlMs)])
    return count
  }

  /** Which of these task ids are marked as run by a worker that may have died of it. See `suspects.ts`. */
  async marked(ids: readonly string[]): Promise<string[]> {
    if (ids.length === 0) return []
    const marks = await this.#commands.mget(ids.map(suspectKey))
    return ids.filter((_, index) => marks[index] !== null)
  }

  async mark(id: string): Promise<void> {
    await this.#commands.set(suspectKey(id), '1', 'PX', this.#options.ttlMs)
  }

  async unmark(id: string): Promise<void> {
    await this.#commands.del(suspectKey(id))
  }

  /** Waits for a final result. Throws `ResultTimeoutError`, the signal's reason, or `ClosedError`. */
  async wait(id: string, options: { timeoutMs?: number; signal?: AbortSignal } = {}): Promise<StoredResult> {
    const { timeoutMs, signal } = options
    signal?.throwIfAborted()
    if (this.#closed) throw new ClosedError('The result store')
    await this.#subscribe()
    signal?.throwIfAborted()
    return new Promise<StoredResult>((resolve, reject) => {
      let timer: NodeJS.Timeout | undefined
      const end = (act: () => void): void => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', abort)
        this.#forget(id, waiter)
        act()
      }
      const waiter: Waiter = {
        resolve: (result) => end(() => resolve(result)),
        reject: (error) => end(() => reject(error)),
      }
      const abort = (): void => waiter.reject(signal?.reason)
      signal?.addEventListener('abort', abort)
      if (timeoutMs !== undefined) {
        timer = setTimeout(() => waiter.reject(new ResultTimeoutError(id, timeoutMs)), timeoutMs)
      }
      const others = this.#waiters.get(id)
      if (others === undefined) this.#waiters.set(id, [waiter])
      else others.push(waiter)
      this.#sweeper ??= setInterval(() => void this.#sweep(), SWEEP_MS)
      // It may have been announced before this wait began.
      this.#reading.add(resultKey(id)).then(
        (text) => text !== null && this.#heard(text),
        (error) => waiter.reject(new StoreUnreachableError(this.#address, error)),
      )
    })
  }

  /** Closes both connections and rejects what still waits. Safe twice. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    clearInterval(this.#sweeper)
    clearInterval(this.#watchdog)
    for (const waiters of [...this.#waiters.values()]) {
      for (const waiter of [...waiters]) waiter.reject(new ClosedError('The result store'))
    }
    this.#commands.disconnect()
    this.#announcements.disconnect()
  }

  #storeAll(writes: readonly ResultWrite[]): Promise<number[]> {
    return this.#commands.warrenStore(...storeArguments(writes, this.#options.ttlMs))
  }

  #subscribe(): Promise<unknown> {
    this.#subscribed ??= this.#announcements.subscribe(replyChannel(this.#options.producerId)).catch((error) => {
      this.#subscribed = undefined
      throw new StoreUnreachableError(this.#address, error)
    })
    return this.#subscribed
  }

  #heard(text: string): void {
    let result: StoredResult
    try {
      result = decodeResult(text)
    } catch {
      // Not a result: whoever wrote it, no wait can end with it. The time limit of the wait still holds.
      return
    }
    if (!isFinal(result.status)) return
    for (const waiter of [...(this.#waiters.get(result.id) ?? [])]) waiter.resolve(result)
  }

  #forget(id: string, waiter: Waiter): void {
    const left = (this.#waiters.get(id) ?? []).filter((each) => each !== waiter)
    if (left.length > 0) this.#waiters.set(id, left)
    else this.#waiters.delete(id)
    if (this.#waiters.size === 0) {
      clearInterval(this.#sweeper)
      this.#sweeper = undefined
    }
  }

  /** Reads the results of those that waited longest since they were last read, and puts them at the end of the line. */
  async #sweep(): Promise<void> {
    if (!this.#available) return
    const ids: string[] = []
    for (const id of this.#waiters.keys()) {
      if (ids.push(id) === READ_BATCH) break
    }
    for (const id of ids) {
      const waiters = this.#waiters.get(id) as Waiter[]
      this.#waiters.delete(id)
      this.#waiters.set(id, waiters)
    }
    const texts = await this.#commands.mget(ids.map(resultKey)).catch(() => [])
    for (const text of texts) {
      if (text !== null) this.#heard(text)
    }
  }

  /** A peer that is frozen or cut off keeps its connection open and answers nothing. */
  async #watch(): Promise<void> {
    if (!this.#available) return
    const patience = setTimeout(() => {
      this.#setAvailable(false, `no answer for ${SILENCE_MS} ms`)
      // What was sent and not answered is sent again on the new connection; all of it may be repeated safely.
      this.#commands.disconnect(true)
      if (this.#subscribed !== undefined) this.#announcements.disconnect(true)
    }, SILENCE_MS)
    await this.#commands.ping().catch(() => undefined)
    clearTimeout(patience)
  }

  #setAvailable(available: boolean, reason?: string): void {
    if (this.#available === available || this.#closed) return
    this.#available = available
    this.#problem = available ? undefined : reason
    const state = available ? 'available' : 'unavailable'
    this.emit('storeState', { state, address: this.#address, ...(reason === undefined ? {} : { reason }) })
  }
}

/** What a caller of `result()` gets: the value, or the worker's error. */
export function outputOf(result: StoredResult): unknown {
  if (result.status === 'SUCCESS') return result.result
  const { errorClass, message, traceback } = result.error ?? { errorClass: result.status, message: 'no error given' }
  throw new TaskFailedError(result.id, errorClass, message, traceback)
}

function client({ url, connectTimeoutMs }: ResultsOptions): Redis {
  const redisUrl = url.href.replace(/^valkey/, 'redis')
  return new Redis(redisUrl, {
    lazyConnect: true,
    connectTimeout: connectTimeoutMs,
    noDelay: true,
    enableAutoPipelining: true,
    // Commands wait for the store rather than fail: whoever must not wait has a time limit of its own.
    maxRetriesPerRequest: null,
    retryStrategy: (failures) => jittered(50, failures, 2_000),
  })
}
