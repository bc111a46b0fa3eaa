/**
 * One attempt: one run of a handler for one delivery, as a straight pipeline over one record.
 *
 *     read ─▶ pass the gates (`gates.ts`) ─▶ validate ─▶ run ─▶ outcome
 *
 * It never throws: whatever happens becomes an {@link Outcome}, and settling that is `settler.ts`. Before each step it
 * asks the delivery whether it is still held; one that was lost is not run, and one that is running is aborted.
 */
import { CancelledError, InputError, OutputError, PlaceLostError, Reject, TimeLimitError } from '../errors/index.js'
import { childLogger, containedSignal, isThenable, type ReportProblem } from '../observe/contained.js'
import type { AttemptTrace } from '../observe/messagingSpans.js'
import { inTrace } from '../observe/tracing.js'
import type { Results } from '../results/store.js'
import { check, checkAsSent } from '../task/check.js'
import type { AttemptContext, Handler } from '../task/handler.js'
import type { Logger } from '../task/logger.js'
import type { Outcome } from '../task/outcome.js'
import { retryDelayMs } from '../task/retry.js'
import type { Task } from '../task/task.js'
import { startTimer } from '../timers.js'
import type { Envelope } from '../wire/envelope.js'
import { encodeSuccess, outputJson } from '../wire/resultFormat.js'
import type { Delivery } from './delivery.js'
import type { Gate, GatedAttempt } from './gate.js'
import { Progress } from './progress.js'
import type { Settled } from './settled.js'
import { successOf } from './speaker.js'
import { follow } from './thenables.js'

/** How long a task waits that has lost its place. */
const PLACE_AGAIN_MS = 1_000

export interface RegisteredHandler {
  readonly task: Task
  readonly handler: Handler
}

export interface AttemptDependencies {
  /** The handler of the queue that the delivery came from. */
  readonly registered: RegisteredHandler
  readonly results: Results | undefined
  readonly log: Logger
  /** Told when users' code fails where no outcome can show it. */
  readonly report: ReportProblem
  /** What the delivery passes before the handler runs, in order. */
  readonly gates: readonly Gate[]
}

export class Attempt implements GatedAttempt {
  readonly delivery: Delivery
  /** Where somebody traces; set before it runs. */
  trace: AttemptTrace | undefined
  readonly #dependencies: AttemptDependencies
  readonly #startedAt = performance.now()
  #beganAt: number | undefined
  #endedAt: number | undefined
  #controller: AbortController | undefined
  #signal: AbortSignal | undefined
  /** Why the signal is aborted: its time limit, its delivery was lost, or its task was cancelled. */
  #aborted: { readonly reason: unknown } | undefined
  #onAbort: (() => void) | undefined
  #reports: Progress | undefined
  fence: number | undefined
  #handling = false
  #onHandled: (() => void) | undefined
  /** How many of the gates let it through, and are to hear of its end. */
  #passed = 0

  constructor(delivery: Delivery, dependencies: AttemptDependencies) {
    this.delivery = delivery
    this.#dependencies = dependencies
    delivery.whenLost((reason) => this.abort(reason))
  }

  /** The task id for logs and events; `?` for a message without one. */
  get id(): string {
    return this.delivery.id ?? '?'
  }

  /** What the message calls its task; the queue's task where it cannot be read. */
  get task(): string {
    return this.delivery.envelope?.task ?? this.delivery.queue.task
  }

  /** 1 for the first attempt. */
  get number(): number {
    return (this.delivery.envelope?.retries ?? 0) + this.delivery.failed + 1
  }

  get queue(): string {
    return this.delivery.queue.name
  }

  get registeredTask(): Task {
    return this.#dependencies.registered.task
  }

  /** Calls `listener` when the handler has ended, or at once: after an abort it may still run. One listener: its limit. */
  whenHandled(listener: () => void): void {
    if (this.#handling) this.#onHandled = listener
    else listener()
  }

  /** Whether the handler still runs; afterwards the attempt is being settled. */
  get running(): boolean {
    return this.#endedAt === undefined
  }

  /** When the handler began, in milliseconds since 1970; undefined before. */
  get beganAt(): number | undefined {
    return this.#beganAt
  }

  /** How long the attempt ran, or has been running. */
  get durationMs(): number {
    return (this.#endedAt ?? performance.now()) - this.#startedAt
  }

  get signal(): AbortSignal {
    // Made when asked for: most handlers never look, and at thousands of tasks a second it would cost.
    if (this.#signal !== undefined) return this.#signal
    this.#controller = new AbortController()
    this.#signal = containedSignal(this.#controller, this.#dependencies.report)
    if (this.#aborted !== undefined) this.#controller.abort(this.#aborted.reason)
    return this.#signal
  }

  async run(): Promise<Outcome> {
    const outcome = await this.#run()
    this.#endedAt = performance.now()
    return outcome
  }

  async #run(): Promise<Outcome> {
    const { envelope, undecodable } = this.delivery
    if (envelope === undefined) return { kind: 'deadLettered', reason: 'undecodable', error: undecodable }
    const { task } = this.#dependencies.registered
    let cancel: (() => void) | undefined
    try {
      const early = await this.#beforeHandler(envelope)
      if (early !== undefined) return early
      cancel = this.#limitTime(task, envelope)
      const checked = await this.#validated(task, envelope)
      if (!this.delivery.held) return { kind: 'returned' }
      if ('error' in checked) return { kind: 'deadLettered', reason: 'invalid-input', error: checked.error }
      return await this.#handle(envelope, checked.value)
    } catch (error) {
      return this.#failed(task, error)
    } finally {
      cancel?.()
    }
  }

  /** To be called once it is settled. */
  leave(outcome: Outcome, settled: Settled): void {
    const { gates } = this.#dependencies
    for (let at = 0; at < this.#passed; at++) gates[at]?.leave?.(this, outcome, settled)
  }

  /** The limit is for all of the user's code: schemas may be asynchronous, too. */
  #limitTime(task: Task, envelope: Envelope): (() => void) | undefined {
    const timeoutMs = Math.min(task.timeoutMs ?? Infinity, envelope.timeLimitMs ?? Infinity)
    if (timeoutMs === Infinity) return undefined
    return startTimer(timeoutMs, () => this.abort(new TimeLimitError(task.name, timeoutMs)))
  }

  /** What ends the attempt before anything of the user's is run. */
  async #beforeHandler(envelope: Envelope): Promise<Outcome | undefined> {
    for (const gate of this.#dependencies.gates) {
      const passing = gate.enter(this, envelope)
      const early = isThenable(passing) ? await passing : passing
      if (early !== undefined) return early
      this.#passed++
      if (!this.delivery.held) return { kind: 'returned' }
    }
    if (this.#aborted !== undefined) throw this.#aborted.reason
    return undefined
  }

  async #validated(task: Task, envelope: Envelope): Promise<{ value: unknown } | { error: InputError }> {
    const checked = await this.#untilAborted(check(task.input, envelope.input))
    return checked.issues === undefined
      ? { value: checked.value }
      : { error: new InputError(task.name, checked.issues) }
  }

  async #handle(envelope: Envelope, input: unknown): Promise<Outcome> {
    const { task, handler } = this.#dependencies.registered
    this.#beganAt = Date.now()
    if (task.trackStarted === true) this.#progress?.began()
    const returned = inTrace(envelope, this.trace?.context, () => handler(input, this.#context()))
    this.#handling = isThenable(returned)
    const output = await this.#untilAborted(returned)
    if (task.output !== undefined) {
      const checked = await this.#untilAborted(checkAsSent(task.output, output))
      if (checked.issues !== undefined) throw new OutputError(task.name, checked.issues)
    }
    // What was returned, not what the schema made of it: whoever asks for the result parses it again.
    const result = encodeSuccess(successOf(this, output))
    return { kind: 'succeeded', result }
  }

  /** A handler that does not heed its signal must not hold up the worker: its attempt ends when it is aborted. */
  #untilAborted<T>(running: PromiseLike<T> | T): Promise<T> | T {
    if (!isThenable(running)) return running as T
    return new Promise<T>((resolve, reject) => {
      const ended =
        <Value>(end: (value: Value) => void) =>
        (value: Value) => {
          this.#handled()
          end(value)
        }
      follow(running, ended(resolve as (value: unknown) => void), ended(reject))
      this.#onAbort = () => reject(this.#aborted?.reason)
      if (this.#aborted !== undefined) this.#onAbort()
    })
  }

  #handled(): void {
    this.#handling = false
    this.#onHandled?.()
    this.#onHandled = undefined
  }

  abort(reason: unknown): void {
    if (this.#aborted !== undefined) return
    this.#aborted = { reason }
    this.#controller?.abort(reason)
    this.#onAbort?.()
  }

  #failed(task: Task, error: unknown): Outcome {
    // The message is in its queue again, and another attempt follows there.
    if (!this.delivery.held) return { kind: 'returned' }
    // What a handler throws once its signal is aborted is only the echo of that.
    const cause = this.#aborted?.reason ?? error
    if (this.#aborted !== undefined && cause instanceof CancelledError) return { kind: 'cancelled', error: cause }
    if (cause instanceof PlaceLostError) return { kind: 'postponed', due: Date.now() + PLACE_AGAIN_MS }
    if (cause instanceof Reject) return { kind: 'deadLettered', reason: 'rejected', error: cause }
    if (this.number < task.retry.maxAttempts) {
      return { kind: 'retried', error: cause, delayMs: retryDelayMs(task.retry, this.number) }
    }
    return { kind: 'deadLettered', reason: 'failed', error: cause }
  }

  #context(): AttemptContext {
    const attempt = this
    const { id, task, number, delivery } = this
    let log: Logger | undefined
    return {
      id,
      task,
      number,
      redelivered: delivery.redelivered,
      fence: this.fence,
      get signal() {
        return attempt.signal
      },
      get log() {
        // Made when asked for, as the signal is.
        log ??= childLogger(attempt.#dependencies.log, { id, task, attempt: number })
        return log
      },
      progress: (value: unknown) => attempt.#report(value),
    }
  }

  /** Undefined where nobody is to hear of it. Made when asked for. */
  get #progress(): Progress | undefined {
    const { results } = this.#dependencies
    if (results === undefined || this.delivery.envelope?.ignoreResult !== false) return undefined
    this.#reports ??= new Progress(results, this)
    return this.#reports
  }

  /** What a handler still says once its attempt has ended counts for nothing, but must be something that can be said. */
  async #report(value: unknown): Promise<void> {
    const progress = this.running && this.#aborted === undefined ? this.#progress : undefined
    if (progress === undefined) outputJson(this.task, value)
    else await progress.report(value)
  }
}
