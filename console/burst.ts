/**
 * Bursts of the demo's tasks, sent from the page. One at a time. It owns what is known of the running one and of the one
 * before, and the payloads of the last few hundred, since no broker keeps those of tasks that are done.
 */
import { EventEmitter } from 'node:events'
import { checkOptions, is, type Task, textOf, type Warren } from 'warren'
import { accountInput, durations, invoiceInput } from '../demo/payloads.js'
import { ResultWatch } from '../demo/resultWatch.js'
import { createAccount, createInvoice } from '../demo/tasks.js'
import { Refusal } from './refusal.js'

export interface BurstOrder {
  readonly count: number
  /** How long each task takes, in seconds. */
  readonly seconds: number
  /** Each takes a random time from 0 to twice `seconds`. */
  readonly random?: boolean
  /** To the quorum queue of the payment domain; else to the classic queue of the user domain. */
  readonly quorum?: boolean
}

export interface BurstView extends BurstOrder {
  readonly task: string
  readonly by: string
  readonly startedAt: number
  readonly state: 'running' | 'finished' | 'ended'
  readonly sent: number
  readonly notSent: number
  readonly succeeded: number
  readonly failed: number
  readonly seconds: number
  /** How long it has taken, or took. */
  readonly tookMs: number
  /** The last few errors, in words. */
  readonly errors: readonly string[]
}

export const MAX_BURST = 100_000
const MAX_SECONDS = 60
const REPORT_MS = 250
const MAX_PAYLOADS = 500
const MAX_ERRORS = 5
/** A task that expired in its queue leaves no result: a burst does not wait for it for ever. */
const GIVE_UP_MS = 150_000

/** Throws `OptionsError`. */
export function checkBurst(order: unknown): BurstOrder {
  const seconds = (value: unknown) =>
    typeof value === 'number' && value >= 0 && value <= MAX_SECONDS ? undefined : `a number from 0 to ${MAX_SECONDS}`
  const checks = { count: is.integer(1, MAX_BURST), seconds, random: is.flag, quorum: is.flag }
  checkOptions('burst', order, checks, ['count', 'seconds'])
  return order as BurstOrder
}

export class Bursts extends EventEmitter<{ burst: [BurstView] }> {
  readonly #open: () => Promise<Warren>
  readonly #payloads = new Map<string, { readonly task: string; readonly input: unknown }>()
  #view: BurstView | undefined
  #abort: AbortController | undefined

  constructor(open: () => Promise<Warren>) {
    super()
    this.setMaxListeners(0)
    this.#open = open
  }

  get view(): BurstView | undefined {
    return this.#view
  }

  payload(id: string): { readonly task: string; readonly input: unknown } | undefined {
    return this.#payloads.get(id)
  }

  /** Resolves once it has begun; it goes on by itself. `onEnd` is called when it is over. */
  async start(order: BurstOrder, by: string, onEnd: (view: BurstView) => void): Promise<BurstView> {
    if (this.#abort !== undefined)
      throw new Refusal(409, 'BUSY', 'A burst is in progress: wait for its end, or stop it')
    const abort = new AbortController()
    this.#abort = abort
    try {
      const warren = await this.#open()
      const task = order.quorum ? createInvoice : createAccount
      this.#view = {
        ...order,
        ...{ task: task.name, by, startedAt: Date.now(), state: 'running' },
        ...{ sent: 0, notSent: 0, succeeded: 0, failed: 0, tookMs: 0, errors: [] },
      }
      void this.#run(warren, order, abort.signal).finally(() => {
        this.#abort = undefined
        if (this.#view !== undefined) onEnd(this.#view)
      })
      return this.#view
    } catch (error) {
      this.#abort = undefined
      throw error
    }
  }

  /** Sends no more and waits for no more. What was sent is done all the same. */
  end(): void {
    this.#abort?.abort()
  }

  async #run(warren: Warren, order: BurstOrder, signal: AbortSignal): Promise<void> {
    const { quorum = false, seconds } = order
    const task = quorum ? createInvoice : createAccount
    const started = performance.now()
    const errors: string[] = []
    let [sent, notSent] = [0, 0]
    const failed = (error: unknown) => {
      errors.push(textOf(error).slice(0, 300))
      if (errors.length > MAX_ERRORS) errors.shift()
    }
    const watch = new ResultWatch({
      result: (id, turn) => warren.handle(task as Task, id).result({ signal: turn }),
      onError: failed,
      giveUpMs: GIVE_UP_MS + 2_000 * seconds,
    })
    const report = (state: BurstView['state']) => {
      if (this.#view === undefined) return
      const { succeeded, failed: bad, unanswered } = watch
      const tookMs = Math.round(performance.now() - started)
      const counts = { sent, notSent, succeeded, failed: bad + unanswered, tookMs, errors: [...errors] }
      this.#view = { ...this.#view, ...counts, state }
      this.emit('burst', this.#view)
    }
    const timer = setInterval(() => report('running'), REPORT_MS)
    const stopped = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
    try {
      /** Inputs whose sends have not ended, by their place: no more than the library keeps in flight. */
      const sending = new Map<number, unknown>()
      const callbacks = {
        signal,
        onSent: ({ id }: { readonly id: string }, place: number) => {
          sent++
          watch.add(id)
          this.#remember(id, task.name, sending.get(place))
          sending.delete(place)
        },
        onFailed: (error: unknown, place: number) => {
          notSent++
          failed(error)
          sending.delete(place)
        },
      }
      const note = <Input>(input: Input, place: number): Input => {
        sending.set(place, input)
        return input
      }
      await (quorum
        ? warren.sendMany(createInvoice, inputs(order, invoiceInput, note), callbacks)
        : warren.sendMany(createAccount, inputs(order, accountInput, note), callbacks))
      await Promise.race([watch.done(), stopped])
    } catch (error) {
      failed(error)
    } finally {
      clearInterval(timer)
      report(signal.aborted ? 'ended' : 'finished')
      watch.close()
    }
  }

  #remember(id: string, task: string, input: unknown): void {
    const [oldest] = this.#payloads.keys()
    if (this.#payloads.size >= MAX_PAYLOADS && oldest !== undefined) this.#payloads.delete(oldest)
    this.#payloads.set(id, { task, input })
  }
}

function* inputs<Input>(
  { count, seconds, random = false }: BurstOrder,
  make: (index: number, seconds: number) => Input,
  note: (input: Input, place: number) => Input,
): Generator<Input> {
  const duration = durations(seconds, random)
  for (let place = 0; place < count; place++) yield note(make(place, duration()), place)
}
