/**
 * The states of all tasks, as the store announces them: live only, on a connection of its own, which is there from the
 * first event asked for to the end. What its reader has not taken waits in a buffer; beyond its bound the oldest go, and
 * are counted. A connection that was lost is said with the next event, since nobody knows what was missed.
 */
import { ClosedError } from '../errors/index.js'
import { onAbort } from '../timers.js'
import { RESULT_CHANNELS, resultKey } from '../wire/names.js'
import { decodeResult, isFinal, type ResultStatus, type StoredResult, statusOf } from '../wire/resultFormat.js'
import type { StoreConnection } from './connection.js'
import { Pulled, type Source } from './pulled.js'
import { doneEvent, stateEvent } from './story.js'
import type { TaskEvent } from './taskEvent.js'

export type FeedType = Exclude<TaskEvent['type'], 'queued'>

export interface FeedOptions {
  /** Only of the task with this name. What does not name its task is left out then. */
  readonly taskName?: string | undefined
  readonly types?: readonly FeedType[] | undefined
  readonly signal?: AbortSignal | undefined
  readonly maxBuffered: number
}

/** An event of any task. */
export type FeedEvent = Exclude<TaskEvent, { type: 'queued' }> & {
  /** The task's name. Absent when neither Warren nor a Celery with `result_extended` ran it. */
  readonly task?: string
  /** The queue whose message was run, of a success. */
  readonly queue?: string
  /** The connection was lost before this event: an unknown number of events may be missing. */
  readonly interrupted?: true
}

/** The most characters that wait, beside their number. */
const MAX_CHARACTERS = 16 * 1024 * 1024

/** The events of all tasks. `ready()` resolves once they come. */
export class Feed extends Pulled<FeedEvent> {
  readonly #announced: Announced

  /** `fail` makes the error of a store that refuses. */
  constructor(
    open: () => StoreConnection,
    options: FeedOptions,
    fail: (error: unknown) => Error,
    ended: (feed: Feed) => void,
  ) {
    const announced = new Announced(open, options, fail)
    super({ pull: (signal) => announced.pull(signal), close: () => this.#close(ended) }, { signal: options.signal })
    this.#announced = announced
  }

  /** Resolves once events come. Rejects when the store refuses, or it was closed before. */
  async ready(): Promise<void> {
    await this.#announced.begin()
  }

  #close(ended: (feed: Feed) => void): void {
    this.#announced.close()
    ended(this)
  }
}

class Announced implements Source<FeedEvent> {
  readonly #open: () => StoreConnection
  readonly #options: FeedOptions
  readonly #fail: (error: unknown) => Error
  readonly #mark: string | undefined
  #connection: StoreConnection | undefined
  #subscribed: Promise<unknown> | undefined
  #texts: { readonly id: string; readonly text: string }[] = []
  #characters = 0
  #dropped = 0
  #interrupted = false
  #closed = false
  #wake: (() => void) | undefined

  constructor(open: () => StoreConnection, options: FeedOptions, fail: (error: unknown) => Error) {
    this.#open = open
    this.#options = options
    this.#fail = fail
    this.#mark = options.taskName === undefined ? undefined : `"name":${JSON.stringify(options.taskName)}`
  }

  begin(): Promise<unknown> {
    if (this.#closed) return Promise.reject(new ClosedError('The feed'))
    this.#subscribed ??= this.#subscribe()
    return this.#subscribed
  }

  async pull(signal: AbortSignal): Promise<FeedEvent | undefined> {
    await this.begin()
    for (;;) {
      const announced = this.#texts.shift()
      if (announced !== undefined) {
        this.#characters -= announced.text.length
        const event = this.#event(announced.id, announced.text)
        if (event !== undefined) return event
        continue
      }
      if (signal.aborted) return undefined
      let forget = (): void => undefined
      await new Promise<void>((resolve) => {
        forget = onAbort(signal, resolve)
        this.#wake = resolve
      })
      forget()
      this.#wake = undefined
    }
  }

  close(): void {
    this.#closed = true
    this.#texts = []
    this.#connection?.disconnect()
  }

  async #subscribe(): Promise<void> {
    const connection = this.#open()
    this.#connection = connection
    // It connects again by itself.
    connection.on('error', () => undefined)
    const interrupted = (): void => {
      this.#interrupted = true
    }
    // The last two of a cluster, which tells no more of it.
    for (const sign of ['close', 'node error', '-node']) connection.on(sign, interrupted)
    connection.on('pmessage', (_pattern: string, channel: string, text: string) => this.#heard(channel, text))
    try {
      await connection.psubscribe(RESULT_CHANNELS)
      this.#interrupted = false
    } catch (error) {
      connection.disconnect()
      throw this.#closed ? new ClosedError('The feed') : this.#fail(error)
    }
  }

  #heard(channel: string, text: string): void {
    const { types, maxBuffered } = this.#options
    const status = statusOf(text)
    if (status === undefined || (this.#mark !== undefined && !text.includes(this.#mark))) return
    if (types !== undefined && !types.includes(typeOf(status))) return
    this.#texts.push({ id: channel.slice(PREFIX), text })
    this.#characters += text.length
    while (this.#texts.length > maxBuffered || (this.#characters > MAX_CHARACTERS && this.#texts.length > 1)) {
      this.#characters -= this.#texts.shift()?.text.length ?? 0
      this.#dropped++
    }
    this.#wake?.()
  }

  /** Undefined for what is no event, or cannot be read: then it counts as dropped. */
  #event(id: string, text: string): FeedEvent | undefined {
    let stored: StoredResult
    try {
      stored = decodeResult(text)
    } catch {
      this.#dropped++
      return undefined
    }
    const { status, task, queue, run = 0, attempt = 1, startedAt, doneAt } = stored
    if (stored.id !== id || (this.#options.taskName !== undefined && task !== this.#options.taskName)) return undefined
    if (status === 'PENDING' || status === 'RECEIVED') return undefined
    const at = doneAt ?? (status === 'STARTED' ? startedAt : undefined) ?? new Date()
    const [dropped, interrupted] = [this.#dropped, this.#interrupted]
    this.#dropped = 0
    this.#interrupted = false
    const common = {
      ...{ id, run, attempt, at },
      ...(dropped > 0 ? { dropped } : undefined),
      ...(interrupted ? { interrupted } : undefined),
      ...(task === undefined ? undefined : { task }),
      ...(queue === undefined ? undefined : { queue }),
    }
    if (isFinal(status)) return doneEvent(stored, common)
    return status === 'STARTED' ? { type: 'started', ...common } : (stateEvent(stored, common) as FeedEvent)
  }
}

const PREFIX = resultKey('').length

const typeOf = (status: ResultStatus): FeedType => {
  if (isFinal(status)) return 'done'
  if (status === 'STARTED') return 'started'
  return status === 'RETRY' ? 'retry' : 'progress'
}
