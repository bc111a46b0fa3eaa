/**
 * One attempt: one run of a handler for one delivery, as a straight pipeline over one record.
 *
 *     decode ─▶ look whether it is done already ─▶ find the handler ─▶ validate ─▶ run ─▶ outcome
 *
 * It never throws: whatever happens becomes an {@link Outcome}. Settling the outcome is `settle.ts`.
 */

import { setTimeout as delay } from 'node:timers/promises'
import {
  DeliveryLimitError,
  InputError,
  MessageError,
  OutputError,
  Reject,
  TimeLimitError,
  UnknownTaskError,
} from '../errors/index.js'
import { inTrace } from '../observe/tracing.js'
import type { ResultSpeaker, Results } from '../results/store.js'
import { check, checkAsSent } from '../task/check.js'
import type { AttemptContext, Handler } from '../task/handler.js'
import type { Logger } from '../task/logger.js'
import type { Outcome } from '../task/outcome.js'
import { retryDelayMs } from '../task/retry.js'
import type { Task } from '../task/task.js'
import { decode, type Envelope } from '../wire/envelope.js'
import { celeryHeaders, headers } from '../wire/names.js'
import { wasDelivered } from '../wire/redelivery.js'
import { encodeProgress, encodeSuccess } from '../wire/resultFormat.js'
import type { Delivery } from './consumer.js'
import type { Duplicates } from './duplicates.js'

export interface RegisteredHandler {
  readonly task: Task
  readonly handler: Handler
}

export interface AttemptDependencies {
  readonly handlers: ReadonlyMap<string, RegisteredHandler>
  readonly results: Results | undefined
  readonly duplicates: Duplicates
  readonly log: Logger
  /** How often a classic queue may hand a message out again before it is dead-lettered. */
  readonly deliveryLimit: number
}

/** What is known of a delivery when its message cannot be decoded, and more when it can. */
export class Attempt {
  readonly delivery: Delivery
  readonly redelivered: boolean
  readonly #dependencies: AttemptDependencies
  readonly #startedAt = performance.now()
  #endedAt: number | undefined
  readonly #envelope: Envelope | undefined
  readonly #undecodable: MessageError | undefined
  #controller: AbortController | undefined
  /** Why the signal is aborted: its time limit, or a release. */
  #aborted: { reason: unknown } | undefined
  #released: { reason: unknown } | undefined
  #onAbort: (() => void) | undefined

  constructor(delivery: Delivery, dependencies: AttemptDependencies) {
    this.delivery = delivery
    this.#dependencies = dependencies
    const { properties } = delivery.message
    this.redelivered = wasDelivered(delivery.message)
    try {
      this.#envelope = decode(properties, delivery.message.content)
    } catch (error) {
      this.#undecodable = error as MessageError
    }
  }

  get envelope(): Envelope | undefined {
    return this.#envelope
  }

  /** The task id, even of a message that cannot be decoded, if it has one; else undefined. */
  get taskId(): string | undefined {
    const id: unknown = this.#envelope?.id ?? this.delivery.message.properties.headers?.[celeryHeaders.id]
    return typeof id === 'string' ? id : undefined
  }

  /** The task id for logs and events; `?` for a message without one. */
  get id(): string {
    return this.taskId ?? '?'
  }

  /** Whether the message is no longer this attempt's: its delivery is gone, or the worker gives it back. */
  get released(): boolean {
    return this.#released !== undefined
  }

  get task(): string {
    return this.#envelope?.task ?? this.delivery.message.fields.routingKey
  }

  get number(): number {
    return (this.#envelope?.retries ?? 0) + 1
  }

  /** Who speaks to the result store. */
  get speaker(): ResultSpeaker {
    return { id: this.id, attempt: this.number, run: this.#envelope?.run ?? 0, replyTo: this.#envelope?.replyTo }
  }

  get queue(): string {
    return this.delivery.consumer.queue
  }

  /** Whether the handler still runs; afterwards the attempt is being settled. */
  get running(): boolean {
    return this.#endedAt === undefined
  }

  /** How long the attempt ran, or has been running. */
  get durationMs(): number {
    return (this.#endedAt ?? performance.now()) - this.#startedAt
  }

  /**
   * Takes the message away from the attempt: its channel died, or the worker's grace period is over. The signal is
   * aborted, and whatever the handler still does, the message is run again elsewhere.
   */
  release(reason: unknown): void {
    if (this.#released !== undefined) return
    this.#released = { reason }
    this.#abort(reason)
  }

  /** Throws the reason of the release, if there was one. */
  throwIfReleased(): void {
    if (this.#released !== undefined) throw this.#released.reason
  }

  #abort(reason: unknown): void {
    if (this.#aborted !== undefined) return
    this.#aborted = { reason }
    this.#controller?.abort(reason)
    this.#onAbort?.()
  }

  async run(): Promise<Outcome> {
    const outcome = await this.#run()
    this.#endedAt = performance.now()
    return outcome
  }

  async #run(): Promise<Outcome> {
    const envelope = this.#envelope
    if (envelope === undefined) return { kind: 'deadLettered', reason: 'undecodable', error: this.#undecodable }
    if (await this.#dependencies.duplicates.isDone(this.delivery, envelope.id)) return { kind: 'alreadyDone' }
    if (envelope.expires !== undefined && envelope.expires.getTime() <= Date.now()) {
      const error = new MessageError(`Its sender wanted it run before ${envelope.expires.toISOString()}`)
      return { kind: 'deadLettered', reason: 'expired', error }
    }
    const registered = this.#dependencies.handlers.get(envelope.task)
    if (registered === undefined) {
      const error = new UnknownTaskError(envelope.task, [...this.#dependencies.handlers.keys()])
      return { kind: 'deadLettered', reason: 'unknown-task', error }
    }
    const redeliveries = await this.#redeliveries(envelope)
    if (redeliveries > this.#dependencies.deliveryLimit) {
      const error = new DeliveryLimitError(envelope.id, redeliveries)
      return { kind: 'deadLettered', reason: 'delivery-limit', error }
    }
    try {
      if (!(await this.#isDue(envelope))) return { kind: 'returned' }
      const input = await this.#validated(registered.task, envelope)
      return await this.#handle(registered, envelope, input)
    } catch (error) {
      return this.#failed(registered.task, error)
    }
  }

  /**
   * How often the message was handed out again, as far as Warren must count it: a quorum queue counts by itself and dead-letters
   * by its policy. Counted before the handler runs, since afterwards there may be no worker left to count.
   */
  async #redeliveries({ id }: Envelope): Promise<number> {
    const { results } = this.#dependencies
    if (!this.redelivered || results === undefined || this.delivery.consumer.queueType === 'quorum') return 0
    // Sent back from the dead letters, a message starts anew.
    const redriven: unknown = this.delivery.message.properties.headers?.[headers.redriven]
    const counted = typeof redriven === 'number' ? `${id}-redriven-${redriven}` : id
    return results.countRedelivery(this.queue, counted).catch(() => 0)
  }

  /** Celery's `eta`: the worker holds the message until then. False when the attempt was ended meanwhile. */
  async #isDue({ eta }: Envelope): Promise<boolean> {
    const waitMs = (eta?.getTime() ?? 0) - Date.now()
    if (waitMs <= 0) return true
    return delay(Math.min(waitMs, MAX_TIMER_MS), true, { signal: this.signal }).catch(() => false)
  }

  async #validated(task: Task, envelope: Envelope): Promise<unknown> {
    if (envelope.args.length > 0) {
      const message = `expected keyword arguments only, got ${envelope.args.length} positional ones`
      throw new InputError(task.name, [{ path: '', message }])
    }
    const checked = await check(task.input, envelope.input)
    if (checked.issues !== undefined) throw new InputError(task.name, checked.issues)
    return checked.value
  }

  async #handle({ task, handler }: RegisteredHandler, envelope: Envelope, input: unknown): Promise<Outcome> {
    const timeoutMs = Math.min(task.timeoutMs ?? Infinity, envelope.timeLimitMs ?? Infinity)
    const timer =
      timeoutMs <= MAX_TIMER_MS
        ? setTimeout(() => this.#abort(new TimeLimitError(task.name, timeoutMs)), timeoutMs)
        : undefined
    try {
      const output = await this.#untilAborted(inTrace(envelope, () => handler(input, this.#context())))
      if (task.output !== undefined) {
        const checked = await checkAsSent(task.output, output)
        if (checked.issues !== undefined) throw new OutputError(task.name, checked.issues)
      }
      // What was returned, not what the schema made of it: whoever asks for the result parses it again.
      return this.#succeeded(task, output)
    } finally {
      clearTimeout(timer)
    }
  }

  #succeeded(task: Task, output: unknown): Outcome {
    const result = encodeSuccess({ ...this.speaker, task: task.name, output, doneAt: new Date() })
    return { kind: 'succeeded', result }
  }

  /** A handler that does not heed its signal must not hold up the worker: its attempt ends when it is aborted. */
  #untilAborted<T>(running: Promise<T> | T): Promise<T> | T {
    if (!(running instanceof Promise)) return running
    return new Promise<T>((resolve, reject) => {
      running.then(resolve, reject)
      this.#onAbort = () => reject(this.#aborted?.reason)
      if (this.#aborted !== undefined) this.#onAbort()
    })
  }

  #failed(task: Task, error: unknown): Outcome {
    // The message is or goes back in its queue, and another attempt follows there.
    if (this.#released !== undefined) return { kind: 'returned' }
    // What a handler throws once its signal is aborted is only the echo of that.
    const cause = this.#aborted?.reason ?? error
    if (cause instanceof InputError) return { kind: 'deadLettered', reason: 'invalid-input', error: cause }
    if (cause instanceof Reject) return { kind: 'deadLettered', reason: 'rejected', error: cause }
    if (this.number < task.retry.maxAttempts) {
      return { kind: 'retried', error: cause, delayMs: retryDelayMs(task.retry, this.number) }
    }
    return { kind: 'deadLettered', reason: 'failed', error: cause }
  }

  get signal(): AbortSignal {
    // Made when asked for: most handlers never look, and at thousands of tasks a second it would cost.
    this.#controller ??= new AbortController()
    if (this.#aborted !== undefined && !this.#controller.signal.aborted) this.#controller.abort(this.#aborted.reason)
    return this.#controller.signal
  }

  #context(): AttemptContext {
    const attempt = this
    const { log, results } = this.#dependencies
    return {
      id: this.id,
      task: this.task,
      number: this.number,
      redelivered: this.redelivered,
      get signal() {
        return attempt.signal
      },
      log,
      async progress(value: unknown) {
        const { speaker, task } = attempt
        await results?.store({ ...speaker, replyTo: undefined }, encodeProgress({ ...speaker, task, progress: value }))
      },
    }
  }
}

/** Node's longest timer. */
const MAX_TIMER_MS = 2 ** 31 - 1
