/**
 * Cancelling tasks and pausing queues, for callers. Requests are kept in the store, and workers keep a copy in memory
 * (`watch.ts`); this file only writes.
 */
import { NoResultStoreError, OptionsError } from '../errors/index.js'
import { memberOf } from '../kinds.js'
import { checkOptions, defaults, is, settleOptions } from '../options.js'
import { keyScript } from '../results/keyScript.js'
import { REVOKE } from '../results/script.js'
import type { Results } from '../results/store.js'
import type { Logger } from '../task/logger.js'
import type { Task } from '../task/task.js'
import type { Clock } from '../time/clock.js'
import { cancelledField, cancelledKey, pausedKey, resultKey } from '../wire/names.js'
import { encodeCancelled, type ResultStatus, revokedError, statusOf } from '../wire/resultFormat.js'
import { announce, pauseOf } from './changes.js'
import { keepCut, STEP_MS } from './cuts.js'
import { Limits } from './limits.js'
import { Reservations } from './reservations.js'
import { isTag } from './tags.js'
import { UniqueKeys } from './uniqueKeys.js'
import { uniqueKeyProblem } from './uniqueOptions.js'
import { ControlWatch } from './watch.js'

export interface CancelOptions {
  /**
   * How long workers remember it, in milliseconds: longer than its message may still wait. Default 30 days; for the handle of a
   * delayed task, 30 days after it is due.
   */
  readonly keepMs?: number | undefined
}

/** The result of cancelling one task. */
export interface Cancellation {
  readonly id: string
  /**
   * `cancelled`: its result is REVOKED and stays REVOKED, even if its handler ends later. `finished`: it had already ended,
   * with `status`, and nothing was changed.
   */
  readonly outcome: 'cancelled' | 'finished'
  readonly status: ResultStatus
}

/** All tasks of a name, or with a tag, that were sent until now. */
export type CancelScope = { readonly task: string | Task } | { readonly tag: string }

/** The task with a given name that holds a unique key. */
export interface CancelKey {
  readonly task: string | Task
  readonly key: string
}

export interface ScopeCancellation {
  readonly scope: 'task' | 'tag'
  readonly name: string
  /** Tasks sent until then are cancelled. */
  readonly before: Date
}

export interface PauseQueueOptions {
  /** Shown with the pause. */
  readonly reason?: string | undefined
}

export interface PausedQueue {
  readonly queue: string
  readonly since: Date
  readonly reason?: string
}

export interface ControlDependencies {
  /** If undefined, every method throws `NoResultStoreError`. */
  readonly results: Results | undefined
  /** The virtual host of the tasks and queues: two virtual hosts may share a store. */
  readonly vhost: string
  /** The senders' clock, which their messages use for the time of sending. */
  readonly clock: Clock
  /** How long the store keeps results. */
  readonly resultTtlMs: number
  readonly log: Logger
}

const CANCEL_CHECKS = { keepMs: is.duration(1) }
const CANCEL_DEFAULTS = { keepMs: defaults.cancelKeepMs }
const PAUSE_CHECKS = { reason: is.text }

const revoke = keyScript(REVOKE)

export class Control {
  readonly #dependencies: ControlDependencies
  #watch: ControlWatch | undefined
  #uniqueKeys: UniqueKeys | undefined
  #reservations: Reservations | undefined
  readonly limits: Limits
  #closed = false

  /** Does no I/O. */
  constructor(dependencies: ControlDependencies) {
    this.#dependencies = dependencies
    this.limits = new Limits(dependencies.results, dependencies.vhost)
  }

  /** The list that workers check, shared by all of them; undefined without a store. Does no I/O until it is started. */
  watch(): ControlWatch | undefined {
    const { results, vhost, log } = this.#dependencies
    if (results === undefined) return undefined
    this.#watch ??= new ControlWatch({ results, vhost, log })
    if (this.#closed) this.#watch.close()
    return this.#watch
  }

  /** Throws `NoResultStoreError`. */
  get uniqueKeys(): UniqueKeys {
    this.#uniqueKeys ??= new UniqueKeys(this.#results, this.#dependencies.vhost)
    return this.#uniqueKeys
  }

  /** Starts of limits for what is sent; undefined without a store. */
  get reservations(): Reservations | undefined {
    const { results, vhost } = this.#dependencies
    if (results === undefined) return undefined
    this.#reservations ??= new Reservations(results, vhost)
    return this.#reservations
  }

  /** By an id, by a task or a tag, or by a unique key. Throws as these do. */
  async cancel(
    which: string | CancelScope | CancelKey,
    options?: CancelOptions,
  ): Promise<Cancellation | ScopeCancellation | undefined> {
    if (typeof which === 'string') return this.cancelId(which, options)
    return memberOf(which, 'key') === undefined
      ? this.#cancelScope(which, options)
      : this.#cancelKey(which as CancelKey, options)
  }

  /**
   * Cancels one task. Throws `OptionsError`, `NoResultStoreError`, `StoreUnreachableError`, `StoreRefusesError`; after the last
   * two it may be repeated.
   */
  async cancelId(
    id: string,
    options: CancelOptions = {},
    { due, task }: { readonly due?: Date | undefined; readonly task?: string } = {},
  ): Promise<Cancellation> {
    if (is.text(id) !== undefined || Buffer.byteLength(id) > 255) {
      throw new OptionsError('cancel', ['expected the id to be a text of 1 to 255 bytes'])
    }
    const { resultTtlMs, clock } = this.#dependencies
    const waitsMs = due === undefined ? 0 : Math.max(0, due.getTime() - clock.now())
    const { keepMs } = settleOptions('cancel', options, CANCEL_CHECKS, { keepMs: defaults.cancelKeepMs + waitsMs })
    const results = this.#results
    const now = new Date()
    const encoded = encodeCancelled({ id, attempt: 0, run: now.getTime(), doneAt: now })
    const held = String(await results.ask((store) => revoke(store, resultKey(id), resultTtlMs, encoded), STEP_MS))
    const status = statusOf(held)
    // Not a result, but the status of a task that has ended.
    if (status === undefined) return { id, outcome: 'finished', status: held }
    await this.#cancel(cancelledField('id', id), keepMs)
    results.heard(held)
    // Not what an earlier cancelling left there.
    if (held.startsWith(encoded.slice(0, encoded.lastIndexOf(':')))) {
      const at = now.getTime()
      await results.note({ id, task, state: 'REVOKED', attempt: 0, run: at, at, error: revokedError('cancelled') })
    }
    return { id, outcome: 'cancelled', status }
  }

  /** Cancels all tasks of one name or tag that were sent until now. Throws as `cancelId` does. */
  async #cancelScope(given: CancelScope, options: CancelOptions = {}): Promise<ScopeCancellation> {
    const { scope, name } = scopeOf(given)
    const { keepMs } = settleOptions('cancel', options, CANCEL_CHECKS, CANCEL_DEFAULTS)
    const { at } = await this.#cancel(cancelledField(scope, name), keepMs)
    return { scope, name, before: new Date(at) }
  }

  /**
   * Cancels the task that holds a unique key, and releases the key. Returns undefined if no task holds it. Throws as `cancelId`
   * does.
   */
  async #cancelKey(given: CancelKey, options: CancelOptions = {}): Promise<Cancellation | undefined> {
    const checks = { task: (value: unknown) => isTaskName(nameOf(value)), key: uniqueKeyProblem }
    const { task, key } = checkOptions('cancel', given, checks, ['task', 'key'])
    settleOptions('cancel', options, CANCEL_CHECKS, CANCEL_DEFAULTS)
    const name = nameOf(task) as string
    const id = await this.uniqueKeys.holder(name, key as string)
    if (id === undefined) return undefined
    const cancellation = await this.cancelId(id, options)
    await this.uniqueKeys.release(name, key as string, { id, run: Number.MAX_SAFE_INTEGER, always: true })
    return cancellation
  }

  /** A caller sends a task again under its id: an earlier cancellation no longer applies. Never rejects. */
  async sentAnew(id: string): Promise<void> {
    const { results, vhost } = this.#dependencies
    if (results === undefined) return
    const field = cancelledField('id', id)
    try {
      const removed = await results.ask((store) => store.hdel(cancelledKey(vhost), field), ANEW_MS)
      if (removed > 0) await announce(results, vhost, { kind: 'uncancelled', field }, ANEW_MS)
    } catch {
      // Workers also compare the times.
    }
  }

  /** Throws `OptionsError`, `StoreUnreachableError`, `StoreRefusesError`. Repeating it changes the reason. */
  async pause(queue: string, options: PauseQueueOptions = {}): Promise<void> {
    checkQueue('pause', queue)
    const { reason } = settleOptions('pause', options, PAUSE_CHECKS, {})
    const { vhost } = this.#dependencies
    const results = this.#results
    const pause = { at: Date.now(), reason }
    await results.ask((store) => store.hset(pausedKey(vhost), queue, JSON.stringify(pause)), STEP_MS)
    await announce(results, vhost, { kind: 'paused', queue, pause }, STEP_MS)
  }

  /** Returns false if it was not paused. Throws like `pause`. */
  async resume(queue: string): Promise<boolean> {
    checkQueue('resume', queue)
    const { vhost } = this.#dependencies
    const results = this.#results
    const removed = await results.ask((store) => store.hdel(pausedKey(vhost), queue), STEP_MS)
    // Also if it was not paused: an earlier call may have failed halfway.
    await announce(results, vhost, { kind: 'resumed', queue }, STEP_MS)
    return removed > 0
  }

  async paused(): Promise<PausedQueue[]> {
    const { vhost } = this.#dependencies
    const results = this.#results
    const kept = await results.ask((store) => store.hgetall(pausedKey(vhost)), STEP_MS)
    return Object.entries(kept)
      .flatMap(([queue, text]) => {
        const pause = pauseOf(text)
        if (pause === undefined) return []
        const { at, reason } = pause
        return [{ queue, since: new Date(at), ...(reason === undefined ? {} : { reason }) }]
      })
      .sort((a, b) => a.queue.localeCompare(b.queue))
  }

  close(): void {
    this.#closed = true
    this.#watch?.close()
  }

  get #results(): Results {
    const { results } = this.#dependencies
    if (results === undefined) throw new NoResultStoreError()
    return results
  }

  /** Stores it, then notifies the workers. */
  async #cancel(field: string, keepMs: number) {
    const { vhost, clock } = this.#dependencies
    const results = this.#results
    const cut = await keepCut(results, vhost, { field, now: clock.now(), keepMs })
    await announce(results, vhost, { kind: 'cancelled', field, cut }, STEP_MS)
    return cut
  }
}

/** How long a sender waits until the cancellation of its id is removed. */
const ANEW_MS = 1_000

function checkQueue(where: string, queue: unknown): void {
  if (typeof queue === 'string' && queue !== '' && Buffer.byteLength(queue) <= 255) return
  throw new OptionsError(where, ['expected the name of a queue, a text of 1 to 255 bytes'])
}

function scopeOf(given: CancelScope): { readonly scope: 'task' | 'tag'; readonly name: string } {
  const checks = { task: (value: unknown) => isTaskName(nameOf(value)), tag: isTag }
  const { task, tag } = checkOptions('cancel', given, checks)
  if ((task === undefined) === (tag === undefined)) {
    throw new OptionsError('cancel', ['expected an id, or either { task } or { tag }'])
  }
  return task === undefined ? { scope: 'tag', name: tag as string } : { scope: 'task', name: nameOf(task) as string }
}

const nameOf = (task: unknown): unknown => (typeof task === 'string' ? task : (task as Task | null)?.name)

const isTaskName = (name: unknown): string | undefined =>
  typeof name === 'string' && name !== '' && Buffer.byteLength(name) <= 255 ? undefined : "a task or a task's name"
